//! Folders that are named for a side of a split: `train/`, `dev/`, `evaluation/`.

use std::borrow::Cow;

use crate::PublishedSide;
use crate::archive::without_archives;

/// What names of folders are read from: `path` without archives and without the folders that name a side of a split; and the
/// side.
pub(crate) fn folders_of_names(path: &str) -> (Cow<'_, str>, Option<PublishedSide>) {
    match without_archives(path) {
        Cow::Borrowed(path) => without_sides(path),
        Cow::Owned(path) => {
            let (inside, side) = without_sides(&path);
            (Cow::Owned(inside.into_owned()), side)
        }
    }
}

/// `path` without the folders that name a side of a split, and the side, which is the innermost's.
fn without_sides(path: &str) -> (Cow<'_, str>, Option<PublishedSide>) {
    let Some((folders, file)) = path.rsplit_once('/') else { return (Cow::Borrowed(path), None) };
    let Some(side) = side_of(folders) else { return (Cow::Borrowed(path), None) };
    let others = folders.split('/').filter(|folder| PublishedSide::named(folder).is_none());
    (Cow::Owned(others.chain([file]).collect::<Vec<_>>().join("/")), Some(side))
}

/// The side that the innermost of `folders` that names any is named for.
pub(crate) fn side_of(folders: &str) -> Option<PublishedSide> {
    folders.rsplit('/').find_map(PublishedSide::named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_side_are_taken_out_wherever_they_are() {
        for path in ["train/0011/Angry/x.wav", "0011/train/Angry/x.wav", "0011/Angry/Training/x.wav"] {
            assert_eq!(without_sides(path), (Cow::Borrowed("0011/Angry/x.wav"), Some(PublishedSide::Train)));
        }
        assert_eq!(without_sides("test/x.wav"), (Cow::Borrowed("x.wav"), Some(PublishedSide::Test)));
        assert_eq!(without_sides("a/test.wav"), (Cow::Borrowed("a/test.wav"), None));
        assert_eq!(without_sides("test.wav"), (Cow::Borrowed("test.wav"), None));
    }
}
