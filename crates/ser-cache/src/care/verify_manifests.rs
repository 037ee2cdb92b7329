//! The generations of manifests: their names, the digest of each file, and whether each utterance lies where the
//! index says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_core::{Error, Result};
use ser_corpus::split::Part;

use crate::care::damage::Findings;
use crate::care::sources::below;
use crate::generation::generation_name;
use crate::manifest::{DESCRIPTION, read_text};
use crate::{Cache, FeatureSet, Sha, SplitInfo, Utterance};

/// Checks the generation in `folder`, which should be called `name`. With the feature set that needs it, and the
/// cache, each utterance is compared with the index as well.
pub(super) fn check_generation(
    folder: &Path,
    shown: &str,
    name: &Sha,
    of: Option<(&Cache, &FeatureSet)>,
) -> Findings {
    let mut findings = Findings::default();
    if !folder.is_dir() {
        findings.damage(shown, "is missing".to_owned());
        return findings;
    }
    let mut descriptions_whole = true;
    for protocol in subfolders(folder) {
        let shown = format!("{shown}/{}", protocol.file_name().unwrap_or_default().to_string_lossy());
        match read_description(&protocol) {
            Err(error) => {
                descriptions_whole = false;
                findings.damage(&format!("{shown}/{DESCRIPTION}"), error.reason());
            }
            Ok((info, bytes)) => {
                findings.files += 1;
                findings.bytes += bytes;
                if of.is_some_and(|(_, set)| set.id != info.feature_set) {
                    findings.damage(
                        &format!("{shown}/{DESCRIPTION}"),
                        "belongs to another feature set".to_owned(),
                    );
                }
                for part in Part::ALL {
                    check_part(&protocol, &shown, &info, part, of, &mut findings);
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
    part: Part,
    of: Option<(&Cache, &FeatureSet)>,
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
            (Ok(utterance), _) if below(Path::new("."), &utterance.path).is_none() => {
                format!("line {number}: {:?} leads out of the corpus", utterance.path)
            }
            (Ok(utterance), Some((cache, set))) => match cache.entry_of(set, &utterance) {
                Ok(_) => continue,
                Err(error) => format!("line {number}: {error}"),
            },
            (Ok(_), None) => continue,
        };
        findings.damage(&shown, wrong);
    }
}

/// The folders in `folder`, sorted: one for each protocol.
pub(super) fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn read_description(folder: &Path) -> Result<(SplitInfo, u64)> {
    let text = read_text(&folder.join(DESCRIPTION))?;
    let info = toml::from_str(&text).map_err(|error: toml::de::Error| {
        Error::new(
            ser_core::ErrorKind::Damaged,
            format!("has changed since it was written: {}", error.message()),
        )
    })?;
    Ok((info, text.len() as u64))
}

/// How many utterances each split in the generation in `folder` has on each side, and what could not be read.
pub(super) fn counts(folder: &Path) -> (BTreeMap<String, BTreeMap<Part, usize>>, Vec<Error>) {
    let (mut counts, mut unreadable) = (BTreeMap::new(), Vec::new());
    if !folder.is_dir() {
        unreadable.push(Error::new(ser_core::ErrorKind::Missing, "is missing").at(folder));
    }
    for protocol in subfolders(folder) {
        match read_description(&protocol) {
            Ok((info, _)) => _ = counts.insert(info.protocol, info.counts),
            Err(error) => unreadable.push(error.at(protocol.join(DESCRIPTION))),
        }
    }
    (counts, unreadable)
}
