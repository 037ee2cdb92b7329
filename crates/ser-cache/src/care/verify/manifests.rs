//! The generations of manifests: their names, the digest of each file, and whether each utterance lies where the
//! index says.

use std::path::Path;

use ser_corpus::check_relative;
use ser_corpus::split::Side;

use crate::care::verify::damage::Findings;
use crate::manifest::generation::{read_description, split_folders};
use crate::manifest::{DESCRIPTION, read_text};
use crate::{EntriesByKey, FeatureSet, Sha, SplitInfo, Utterance, generation_name};

/// Checks the generation in `folder`, which should be called `name`. With the feature set that needs it, each utterance is
/// compared with the index as well.
pub(crate) fn check_generation(folder: &Path, shown: &str, name: &Sha, of: Option<&FeatureSet>) -> Findings {
    let mut findings = Findings::default();
    if !folder.is_dir() {
        findings.damage(shown, "is missing".to_owned());
        return findings;
    }
    let entries = of.map(FeatureSet::by_key);
    let mut descriptions_whole = true;
    for protocol in split_folders(folder) {
        let shown = format!("{shown}/{}", protocol.file_name().unwrap_or_default().to_string_lossy());
        match read_description(&protocol) {
            Err(error) => {
                descriptions_whole = false;
                findings.damage(&format!("{shown}/{DESCRIPTION}"), error.reason());
            }
            Ok((info, bytes)) => {
                findings.files += 1;
                findings.bytes += bytes;
                if of.is_some_and(|set| set.id != info.feature_set) {
                    findings.damage(
                        &format!("{shown}/{DESCRIPTION}"),
                        "belongs to another feature set".to_owned(),
                    );
                }
                for part in Side::ALL {
                    check_part(&protocol, &shown, &info, part, entries.as_ref(), &mut findings);
                }
            }
        }
    }
    if descriptions_whole && generation_name(folder).is_ok_and(|found| found != *name) {
        findings
            .damage(shown, "holds splits that do not match its name, which is a digest of them".to_owned());
    }
    findings
}

fn check_part(
    folder: &Path,
    shown: &str,
    info: &SplitInfo,
    part: Side,
    of: Option<&EntriesByKey<'_>>,
    findings: &mut Findings,
) {
    let shown = format!("{shown}/{part}.jsonl");
    let lines = match read_text(&folder.join(format!("{part}.jsonl"))) {
        Ok(lines) => lines,
        Err(error) => return findings.damage(&shown, error.reason()),
    };
    findings.files += 1;
    findings.bytes += lines.len() as u64;
    if info.manifests.get(&part) != Some(&Sha::of(&[lines.as_bytes()])) {
        return findings.damage(
            &shown,
            "has changed since it was written: its SHA-256 differs from split.toml".to_owned(),
        );
    }
    for (number, line) in (1..).zip(lines.lines()) {
        let wrong = match (serde_json::from_str::<Utterance>(line), of) {
            (Err(error), _) => format!("line {number}: {error}"),
            (Ok(utterance), _) if check_relative(&utterance.path).is_err() => {
                format!("line {number}: {:?} leads out of the corpus", utterance.path)
            }
            (Ok(utterance), Some(entries)) => match entries.of(&utterance) {
                Ok(_) => continue,
                Err(error) => format!("line {number}: {error}"),
            },
            (Ok(_), None) => continue,
        };
        findings.damage(&shown, wrong);
    }
}
