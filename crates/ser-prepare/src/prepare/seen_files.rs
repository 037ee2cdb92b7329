//! What the index remembers of files, so that those that have not changed need not be read again.

use std::iter;

use ser_cache::SeenFile;
use serde::{Serialize, Serializer};

use crate::prepare::candidate::Candidate;

/// Files whose content is known as long as their stat stays the same, sorted by path.
pub(super) struct KnownFiles(Vec<SeenFile>);

impl KnownFiles {
    /// Those of an index, and of other ones; what comes later is newer.
    pub(super) fn new(mut seen: Vec<SeenFile>) -> Self {
        if !seen.is_sorted_by(|a, b| a.path <= b.path) {
            seen.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Self(seen)
    }

    /// Takes over the content of files whose stat has not changed.
    pub(super) fn recall(&self, candidates: &mut [Candidate]) {
        // Candidates are nearly always in the same order.
        let mut next = 0;
        for candidate in candidates {
            let path = candidate.source();
            let is_next = self.0.get(next).is_some_and(|seen| seen.path == path)
                && self.0.get(next + 1).is_none_or(|seen| seen.path != path);
            if !is_next {
                next = self.0.partition_point(|seen| *seen.path <= *path).saturating_sub(1);
            }
            let Some(seen) = self.0.get(next).filter(|seen| seen.path == path) else { continue };
            let content = (seen.stat == candidate.stat).then_some(seen.content);
            candidate.content = content;
            next += 1;
        }
    }
}

/// The files of candidates as the index keeps them, written without being held a second time.
pub(super) struct FilesOf<'a>(pub(super) &'a [Candidate]);

impl FilesOf<'_> {
    /// Each file whose content is known, once.
    fn iter(&self) -> impl Iterator<Item = SeenFile<&str>> {
        let mut known = self.0.iter().filter(|candidate| candidate.copy.is_none());
        let mut last = None;
        iter::from_fn(move || {
            loop {
                let candidate = known.next()?;
                let Some(content) = candidate.content else { continue };
                let path = candidate.source();
                // The segments of a file follow each other.
                if last.replace(path) != Some(path) {
                    return Some(SeenFile { path, stat: candidate.stat, content });
                }
            }
        })
    }
}

impl Serialize for FilesOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut sequence = serializer.serialize_seq(Some(self.iter().count()))?;
        self.iter().try_for_each(|file| sequence.serialize_element(&file))?;
        sequence.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ser_cache::Sha;
    use ser_corpus::{Annotation, FileStat};

    use super::*;

    fn candidates(paths: &[&str]) -> Vec<Candidate> {
        let annotation = Arc::new(Annotation::labelled("sad").map_names(Arc::from));
        let stat = FileStat { size: 1, ..FileStat::default() };
        paths.iter().map(|path| Candidate::new((*path).to_owned(), stat, annotation.clone())).collect()
    }

    fn seen(path: &str, size: u64, content: u8) -> SeenFile {
        let stat = FileStat { size, ..FileStat::default() };
        SeenFile { path: path.to_owned(), stat, content: Sha::of(&[&[content]]) }
    }

    #[test]
    fn contents_are_recalled_in_any_order_and_only_of_files_that_have_not_changed() {
        let mut candidates =
            candidates(&["b/1.wav", "b/2.wav", "b/3.wav", "a.wav#t=1", "a.wav#t=2", "c.wav"]);
        let known = KnownFiles::new(vec![
            seen("b/1.wav", 1, 1),
            seen("b/2.wav", 2, 2),
            seen("c.wav", 1, 3),
            seen("a.wav", 1, 4),
            seen("b/1.wav", 1, 5),
            seen("d.wav", 1, 6),
        ]);
        known.recall(&mut candidates);
        let contents: Vec<Option<Sha>> = candidates.iter().map(|candidate| candidate.content).collect();
        let [newest, of_a, of_c] = [5, 4, 3].map(|content| Some(Sha::of(&[&[content]])));
        assert_eq!(contents, [newest, None, None, of_a, of_a, of_c]);
    }

    #[test]
    fn a_file_of_many_segments_is_written_once_and_one_that_could_not_be_read_not_at_all() {
        let mut candidates = candidates(&["a.wav#t=1", "a.wav#t=2", "b.wav", "c.wav"]);
        candidates[0].content = Some(Sha::of(&[b"a"]));
        candidates[1].content = Some(Sha::of(&[b"a"]));
        candidates[3].content = Some(Sha::of(&[b"c"]));
        let paths: Vec<String> = FilesOf(&candidates).iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(paths, ["a.wav", "c.wav"]);
    }
}
