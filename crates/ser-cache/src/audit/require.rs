//! The gate: what a split must satisfy for its results to be wanted at all.

use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Audit;
use crate::audit::sentences::first_names;

/// What a split is required to satisfy.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Requirement {
    /// No test speaker is heard in training or validation
    SpeakerIndependent,
    /// No test word occurs in training or validation
    WordIndependent,
    /// No test session was recorded for training or validation
    SessionIndependent,
    /// No test recording is a copy of one in training or validation or overlaps it, and no augmented copy stands apart from its
    /// original
    NoNearDuplicates,
}

impl Requirement {
    /// Why a split with this `audit` does not satisfy it; `None` if it does. Unknowns do not count.
    fn objection(self, audit: &Audit) -> Option<String> {
        let shared = |noun: &str, known: bool, count: usize, names: &str| match (known, count) {
            (false, _) => Some(format!("not every recording names its {noun}")),
            (true, 0) => None,
            (true, 1) => Some(format!("1 test {noun} is also in training or validation{names}")),
            (true, _) => Some(format!("{count} test {noun}s are also in training or validation{names}")),
        };
        match self {
            Self::SpeakerIndependent => {
                let names = first_names(&audit.shared_speakers);
                shared("speaker", audit.speakers_known, audit.shared_speakers.len(), &names)
            }
            Self::WordIndependent => shared("word", audit.words_known, audit.shared_words, ""),
            Self::SessionIndependent => shared("session", audit.sessions_known, audit.shared_sessions, ""),
            Self::NoNearDuplicates => match (audit.near_duplicates_across_sides, audit.copies_apart) {
                (None, _) | (_, None) => Some("near-duplicates were not searched for".to_owned()),
                (Some(0), Some(0))
                    if audit.identical_sounds_across_sides == 0 && audit.overlapping_segments == 0 =>
                {
                    None
                }
                (Some(pairs), Some(copies)) => {
                    let pair = audit.near_duplicates_list.first();
                    let pair = pair.map(|pair| format!(" ({} and {})", pair.test, pair.other));
                    let copy = audit.copies_apart_list.first();
                    let copy = copy.map(|copy| format!(" ({} of {})", copy.path, copy.parent));
                    Some(format!(
                        "pairs of near-duplicates on both sides of the test: {pairs}{}; augmented copies apart from \
                         their original: {copies}{}; identical sounds: {}; segments that overlap one in training or \
                         validation: {}",
                        pair.unwrap_or_default(),
                        copy.unwrap_or_default(),
                        audit.identical_sounds_across_sides,
                        audit.overlapping_segments
                    ))
                }
            },
        }
    }
}

/// Lets a split of this protocol pass only if it is all that is required.
///
/// # Errors
/// [`ErrorKind::Mismatch`] with the first reason why it is not, and what would be.
pub fn require(requirements: &[Requirement], protocol: &str, audit: &Audit) -> Result<()> {
    let objections = requirements.iter().filter_map(|wanted| Some((wanted, wanted.objection(audit)?)));
    let Some((wanted, objection)) = objections.into_iter().next() else { return Ok(()) };
    let help = match wanted {
        Requirement::SpeakerIndependent => {
            remedy!["use a split by speaker, such as ", Setting::Split.to("speaker-<ID>")]
        }
        Requirement::WordIndependent => remedy!["use ", Setting::Split.to("word")],
        Requirement::SessionIndependent => {
            remedy!["name sessions in a table (", Setting::Labels.to("file.csv"), "), and split by them"]
        }
        Requirement::NoNearDuplicates => remedy![
            Action::Prepare,
            " again with ",
            Setting::NearDuplicates.to("keep-one"),
            ", or remove the copies"
        ],
    };
    let what = format!("the split {protocol:?} is not {}: {objection}", wanted);
    Err(Error::new(ErrorKind::Mismatch, what).help(help))
}

/// Lets a corpus pass only if one of its splits is all that is required.
///
/// # Errors
/// [`ErrorKind::Mismatch`] with the reason why each is not.
pub fn require_any<'a>(
    requirements: &[Requirement],
    audits: impl Iterator<Item = (&'a str, &'a Audit)>,
) -> Result<()> {
    let mut reasons = Vec::new();
    for (protocol, audit) in audits {
        match require(requirements, protocol, audit) {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("\n  {}", error.reason())),
        }
    }
    // As many as can be read.
    let more = reasons.len().saturating_sub(SHOWN);
    reasons.truncate(SHOWN);
    if more > 0 {
        reasons.push(format!("\n  and {more} more"));
    }
    let what = format!("no split of the corpus meets {}:{}", Setting::Require, reasons.concat());
    Err(Error::new(ErrorKind::Mismatch, what).help("ask for less, or add recordings of other speakers"))
}

const SHOWN: usize = 20;
