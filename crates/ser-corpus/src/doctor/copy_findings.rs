//! The same sound several times in a corpus: within a class, or under different labels.

use std::collections::BTreeMap;

use ser_core::text::thousands;

use crate::doctor::FindingKind;
use crate::doctor::collector::FindingCollector;
use crate::doctor::recording::{Examined, Sound};

/// Adds all recordings that sound as another one.
pub(super) fn find(findings: &mut FindingCollector<'_>) {
    let groups = identical_sounds(findings.examined);
    let mut doubled: Vec<(&str, &str)> = Vec::new();
    for group in &groups {
        compare_within(findings, group, &mut doubled);
    }
    if let Some(summary) = repeated_folder(&doubled) {
        findings.summarise(FindingKind::Doubled, summary);
    }
}

/// Adds what is to be said of one group, and the paths of its copies under one label to `doubled`.
fn compare_within<'a>(
    findings: &mut FindingCollector<'a>,
    group: &IdenticalSounds,
    doubled: &mut Vec<(&'a str, &'a str)>,
) {
    let examined = findings.examined;
    let member = |index: &usize| {
        let examined = examined.get(*index)?;
        Some((*index, examined, examined.sound.as_ref().ok()?))
    };
    let mut members = group.iter().filter_map(member);
    let Some((_, first, first_sound)) = members.next() else { return };
    let label = |examined: &'a Examined| examined.annotation.as_ref().ok().map(|a| &*a.label);
    // The first of each label stands for its label.
    let mut seen = vec![(label(first), first, first_sound)];
    for (index, copy, sound) in members {
        let same = seen.iter().find(|(seen, ..)| *seen == label(copy));
        match (same, label(copy), label(first)) {
            (Some((_, original, original_sound)), ..) => {
                doubled.push((&original.path, &copy.path));
                let text = format!("{} {}", relation(original_sound, sound), original.path);
                findings.add_about(index, FindingKind::Doubled, text);
            }
            (None, Some(own), Some(other)) => {
                let text = format!(
                    "labelled {own}, {} {}, labelled {other}",
                    relation(first_sound, sound),
                    first.path
                );
                findings.add_about(index, FindingKind::TwoLabels, text);
                seen.push((Some(own), copy, sound));
            }
            (None, ..) => seen.push((label(copy), copy, sound)),
        }
    }
}

/// Recordings that sound the same to the last bit, the one nearest to the top of the corpus first.
type IdenticalSounds = Vec<usize>;

/// All groups of two and more, in the order of their first path.
fn identical_sounds(examined: &[Examined]) -> Vec<IdenticalSounds> {
    let mut by_sound: Vec<(u128, usize)> = examined
        .iter()
        .enumerate()
        .filter_map(|(index, examined)| Some((examined.sound.as_ref().ok()?.audio_hash, index)))
        .collect();
    by_sound.sort_unstable();
    let path =
        |index: &usize| examined.get(*index).map(|examined| examined.path.as_str()).unwrap_or_default();
    let mut groups: Vec<IdenticalSounds> = by_sound
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|same| same.len() > 1)
        .map(|same| {
            let mut group: IdenticalSounds = same.iter().map(|(_, index)| *index).collect();
            group.sort_by_key(|index| (path(index).matches('/').count(), path(index)));
            group
        })
        .collect();
    groups.sort_by_key(|group| group.first().map(path));
    groups
}

/// Whether the files are the same as well, and not only what they sound like.
fn relation(a: &Sound, b: &Sound) -> &'static str {
    if a.file_hash == b.file_hash { "the same file as" } else { "sounds as" }
}

/// What the pairs (original, copy) of paths have in common: a folder that repeats another.
fn repeated_folder(pairs: &[(&str, &str)]) -> Option<String> {
    let mut roots: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (original, copy) in pairs {
        if let Some(pair) = without_common_end(original, copy) {
            *roots.entry(pair).or_default() += 1;
        }
    }
    let ((original, copy), count) = roots.into_iter().max_by_key(|(_, count)| *count)?;
    if count < 2 || count * 2 < pairs.len() {
        return None;
    }
    let how_many = if count == pairs.len() { "All".to_owned() } else { thousands(count as u64) };
    Some(match original {
        "" => format!("{how_many} in {copy}/, which repeats what is beside it."),
        _ => format!("{how_many} in {copy}/, which repeats {original}/."),
    })
}

/// `a/x/1.wav`, `b/x/1.wav` → `a`, `b`; nothing where not even the file names agree.
fn without_common_end<'a>(a: &'a str, b: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut a, mut b) = (a, b);
    let mut agreed = false;
    loop {
        let (a_rest, a_last) = a.rsplit_once('/').unwrap_or(("", a));
        let (b_rest, b_last) = b.rsplit_once('/').unwrap_or(("", b));
        if a_last != b_last || a.is_empty() || b.is_empty() {
            return agreed.then_some((a, b));
        }
        (a, b, agreed) = (a_rest, b_rest, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_repeats_another_is_named() {
        assert_eq!(without_common_end("OAF/1.wav", "T/OAF/1.wav"), Some(("", "T")));
        assert_eq!(without_common_end("T/OAF/1.wav", "T/T/OAF/1.wav"), Some(("", "T")));
        assert_eq!(without_common_end("a/1.wav", "b/1.wav"), Some(("a", "b")));
        assert_eq!(without_common_end("a/1.wav", "a/2.wav"), None);
        let pairs = [("OAF/1.wav", "T/OAF/1.wav"), ("YAF/1.wav", "T/YAF/1.wav"), ("x/1.wav", "x/2.wav")];
        assert_eq!(repeated_folder(&pairs).unwrap(), "2 in T/, which repeats what is beside it.");
        assert_eq!(repeated_folder(&pairs[2..]), None);
        let pairs = [("a/1.wav", "b/1.wav"), ("a/2.wav", "b/2.wav")];
        assert_eq!(repeated_folder(&pairs).unwrap(), "All in b/, which repeats a/.");
    }
}
