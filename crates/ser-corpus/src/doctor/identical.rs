//! Recordings of one sound.

use std::collections::BTreeMap;

use crate::doctor::recording::{Examined, Sound};

/// Recordings that sound the same to the last bit, the one nearest to the top of the corpus first.
pub(super) type Group = Vec<usize>;

/// All groups of two and more, in the order of their first path.
pub(super) fn groups(examined: &[Examined]) -> Vec<Group> {
    let mut by_sound: Vec<(u128, usize)> = examined
        .iter()
        .enumerate()
        .filter_map(|(index, examined)| Some((examined.sound.as_ref().ok()?.audio_hash, index)))
        .collect();
    by_sound.sort_unstable();
    let path =
        |index: &usize| examined.get(*index).map(|examined| examined.path.as_str()).unwrap_or_default();
    let mut groups: Vec<Group> = by_sound
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|same| same.len() > 1)
        .map(|same| {
            let mut group: Group = same.iter().map(|(_, index)| *index).collect();
            group.sort_by_key(|index| (path(index).matches('/').count(), path(index)));
            group
        })
        .collect();
    groups.sort_by_key(|group| group.first().map(path));
    groups
}

/// Whether the files are the same as well, and not only what they sound like.
pub(super) fn relation(a: &Sound, b: &Sound) -> &'static str {
    if a.file_hash == b.file_hash { "the same file as" } else { "sounds as" }
}

/// What the pairs (original, copy) of paths have in common: a folder that repeats another.
pub(super) fn repeated_folder(pairs: &[(&str, &str)]) -> Option<String> {
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
    let how_many =
        if count == pairs.len() { "All".to_owned() } else { crate::doctor::table::thousands(count) };
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
