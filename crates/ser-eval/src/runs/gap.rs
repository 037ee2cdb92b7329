//! How much of the result on a random split is due to knowing the voice, in one sentence.

use ser_core::text::thousands;
use serde::Serialize;

use crate::evaluation::Voices;
use crate::runs::ProtocolRow;
use crate::runs::speakers::Pooled;

/// Speakers that are named one by one.
const NAMED: usize = 4;

/// The difference between a random split and a new voice.
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
            gap if gap >= 0.0005 => format!("{gap:.3} of it is knowing the voice"),
            gap => format!("knowing the voice gained nothing here ({:+.3})", gap + 0.0),
        };
        let smaller = match new.n_train as f64 <= 0.9 * random.n_train as f64 {
            true => format!(
                ", and having learnt from {} utterances rather than {}",
                thousands(random.n_train),
                thousands(new.n_train)
            ),
            false => String::new(),
        };
        let smaller = if difference >= 0.0005 { smaller } else { String::new() };
        Some(Self {
            uar_random: known_uar,
            uar_new_voice: new_uar,
            gap: known_uar - new_uar,
            in_words: format!(
                "On a random split {known_uar:.3} UAR; on a speaker it never heard {new_uar:.3}{whom}: {verdict}{smaller}."
            ),
        })
    }
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
