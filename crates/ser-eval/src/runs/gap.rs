//! The difference between a random split and speakers that are not in training, in words.

use ser_core::text::thousands;
use serde::Serialize;

use crate::evaluation::Voices;
use crate::runs::ProtocolRow;
use crate::runs::speakers::Pooled;

/// Speakers that are named one by one.
const NAMED: usize = 4;

/// The difference between a random split and speakers that are not in training. It has several causes, of which one is that
/// the random split shares its voices with training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VoiceGap {
    /// UAR on the random split, mean over seeds.
    pub uar_random: f64,
    /// UAR on voices never heard, mean over seeds and speakers.
    pub uar_new_voice: f64,
    /// The first minus the second.
    pub gap: f64,
    /// The same in words.
    pub in_words: String,
}

impl VoiceGap {
    /// The gap between the row `random` and the row over all speakers, or else the only one of a new voice; none where one
    /// of the two is missing.
    pub(super) fn of(rows: &[ProtocolRow], pooled: &[Pooled]) -> Option<Self> {
        let mut random = rows.iter().filter(|row| row.protocol == "random" && row.voices == Voices::Known);
        let (random, None) = (random.next()?, random.next()) else { return None };
        // Another corpus differs in more than its voices.
        let is_new = |row: &&ProtocolRow| row.voices == Voices::New && !row.protocol.starts_with("corpus-");
        let mut new = rows.iter().filter(is_new);
        let (new, whom) = match (pooled.first(), new.next(), new.next()) {
            // Of several corpora nobody knows which one the random split is of.
            (Some(pooled), _, _) if pooled.is_one_of_several => return None,
            (Some(pooled), _, _) => (&pooled.row, named(&pooled.uar)),
            (None, Some(row), None) => {
                (row, format!(" ({} alone)", row.protocol.strip_prefix("speaker-").unwrap_or(&row.protocol)))
            }
            _ => return None,
        };
        let (known_uar, new_uar) = (random.uar.mean, new.uar.mean);
        // Of what is printed, so that the sum comes out.
        let difference = round(known_uar) - round(new_uar);
        let verdict = match difference {
            gap if gap >= 0.0005 => {
                let smaller = smaller_training(random.n_train, new.n_train);
                format!(
                    ", a difference of {gap:.3}. Side of it is that the random split shares its voices with training{smaller}"
                )
            }
            gap => format!(": sharing voices with training gained nothing here ({:+.3})", gap + 0.0),
        };
        Some(Self {
            uar_random: known_uar,
            uar_new_voice: new_uar,
            gap: known_uar - new_uar,
            in_words: format!(
                "UAR is {known_uar:.3} on a random split and {new_uar:.3} on speakers that are not in training{whom}{verdict}."
            ),
        })
    }
}

/// Another cause that is possible: that training had fewer utterances.
fn smaller_training(random: u64, new: u64) -> String {
    if new as f64 > 0.9 * random as f64 {
        return String::new();
    }
    format!("; part may be that training had {} instead of {} utterances", thousands(random), thousands(new))
}

fn named(speakers: &[(String, f64)]) -> String {
    if speakers.len() > NAMED {
        return format!(", mean of {}", speakers.len());
    }
    let each: Vec<String> = speakers.iter().map(|(name, uar)| format!("{name} {uar:.3}")).collect();
    format!(" ({})", each.join(", "))
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
