//! What was evaluated, and on what.

use std::fmt::Write;

use ser_model::MemberOrigin;
use serde::Serialize;

/// What was evaluated, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The checkpoint evaluated.
    pub checkpoint: String,
    /// Its epoch, counted from 1.
    pub epoch: u64,
    /// The seed of its training.
    pub seed: u64,
    /// Seed and epoch of each network, if it is an ensemble; empty for one network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberOrigin>,
    /// The cache that the test set came from.
    pub cache: String,
    /// Name of the protocol: `random`, `word` or `speaker-<ID>`.
    pub protocol: String,
    /// What the protocol means here: [`protocol_in_words`](crate::protocol_in_words).
    pub protocol_in_words: String,
}

impl Provenance {
    /// What was trained: the seed and epoch of the network, or of each network of the ensemble.
    pub fn trained_in_words(&self) -> String {
        let Some((first, others)) = self.members.split_first() else {
            return format!("epoch {}, seed {}", self.epoch, self.seed);
        };
        let alike = others.iter().all(|member| member.epoch == first.epoch);
        let mut words = format!("ensemble of {} networks", self.members.len());
        let _ = match alike {
            true => write!(words, ", epoch {}, seeds", first.epoch),
            false => write!(words, ", seeds (and epochs)"),
        };
        for (number, member) in self.members.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _ = match alike {
                true => write!(words, "{comma} {}", member.seed),
                false => write!(words, "{comma} {} ({})", member.seed, member.epoch),
            };
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensemble_names_the_seeds_of_its_networks() {
        let mut provenance = Provenance {
            checkpoint: String::new(),
            epoch: 4,
            seed: 7,
            members: Vec::new(),
            cache: String::new(),
            protocol: String::new(),
            protocol_in_words: String::new(),
        };
        assert_eq!(provenance.trained_in_words(), "epoch 4, seed 7");
        provenance.members = [(7, 4), (9, 4)].map(|(seed, epoch)| MemberOrigin { seed, epoch }).to_vec();
        assert_eq!(provenance.trained_in_words(), "ensemble of 2 networks, epoch 4, seeds 7, 9");
        provenance.members[1].epoch = 5;
        assert_eq!(provenance.trained_in_words(), "ensemble of 2 networks, seeds (and epochs) 7 (4), 9 (5)");
    }
}
