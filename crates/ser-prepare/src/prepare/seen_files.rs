//! What the index remembers of files, so that those that have not changed need not be read again.

use std::iter;

use ser_cache::SeenFile;
use ser_core::Result;
use serde::{Serialize, Serializer};

use crate::prepare::candidates::Candidates;
use crate::prepare::file_records::FileRecords;

/// Takes over, for candidates, the contents of files whose stats have not changed since they were seen.
pub(super) struct Recall<'a> {
    candidates: &'a Candidates,
    records: &'a mut FileRecords,
    /// The candidate whose file is likely to be told next; none where there are copies, which are apart from the recordings whose
    /// files they are made from.
    next: Option<usize>,
    /// Positions of all candidates, sorted by their files: made when files come in another order.
    sorted: Option<Vec<u32>>,
}

impl<'a> Recall<'a> {
    pub(super) fn new(candidates: &'a Candidates, records: &'a mut FileRecords) -> Self {
        let next = candidates.iter().all(|candidate| candidate.copy.is_none()).then_some(0);
        Self { candidates, records, next, sorted: None }
    }

    /// Takes over what is known of a file. What is told of it later is newer.
    ///
    /// # Errors
    /// Those of the records.
    pub(super) fn take(&mut self, seen: &SeenFile) -> Result<()> {
        let candidates = self.candidates;
        let is_of = |position: &usize| candidates.at(*position).source() == seen.path;
        if let Some(first) = self.next {
            let of_file = (first..candidates.len()).take_while(is_of).count();
            if of_file > 0 {
                self.next = Some(first + of_file);
                return (first..first + of_file).try_for_each(|position| self.note(position, seen));
            }
        }
        let source = |position: u32| candidates.at(position as usize).source();
        let sorted = self.sorted.take().unwrap_or_else(|| {
            let mut all: Vec<u32> = (0..).take(candidates.len()).collect();
            all.sort_by_key(|position| source(*position));
            all
        });
        let from = sorted.partition_point(|position| source(*position) < seen.path.as_str());
        for position in sorted.iter().skip(from).map(|position| *position as usize).take_while(is_of) {
            self.note(position, seen)?;
            self.next = self.next.map(|_| position + 1);
        }
        self.sorted = Some(sorted);
        Ok(())
    }

    fn note(&mut self, position: usize, seen: &SeenFile) -> Result<()> {
        let record = self.records.at_mut(position)?;
        record.content = (seen.stat == record.stat).then_some(seen.content);
        Ok(())
    }
}

/// The files of candidates as the index keeps them, written without being held a second time.
pub(super) struct FilesOf<'a> {
    pub(super) candidates: &'a Candidates,
    pub(super) records: &'a FileRecords,
}

impl FilesOf<'_> {
    /// Each file whose content is known, once.
    fn iter(&self) -> impl Iterator<Item = Result<SeenFile<&str>>> {
        let mut known = self.candidates.iter().zip(self.records.iter());
        let mut last = None;
        iter::from_fn(move || {
            loop {
                let (candidate, record) = known.next()?;
                let record = match record {
                    Ok(record) => record,
                    Err(error) => return Some(Err(error)),
                };
                let Some(content) = record.content.filter(|_| candidate.copy.is_none()) else { continue };
                let path = candidate.source();
                // The segments of a file follow each other.
                if last.replace(path) != Some(path) {
                    return Some(Ok(SeenFile { path, stat: record.stat, content }));
                }
            }
        })
    }
}

impl Serialize for FilesOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeSeq};
        let count =
            self.iter().try_fold(0, |count, file| file.map(|_| count + 1)).map_err(S::Error::custom)?;
        let mut sequence = serializer.serialize_seq(Some(count))?;
        for file in self.iter() {
            sequence.serialize_element(&file.map_err(S::Error::custom)?)?;
        }
        sequence.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ser_cache::Sha;
    use ser_corpus::{Annotation, FileStat};

    use super::*;

    fn candidates(paths: &[&str]) -> (Candidates, FileRecords) {
        let annotation = Arc::new(Annotation::labelled("sad").map_names(Arc::from));
        let stat = FileStat { size: 1, ..FileStat::default() };
        let mut candidates = Candidates::default();
        paths.iter().for_each(|path| candidates.push(path, stat, annotation.clone()));
        let records = FileRecords::new(candidates.take_stats(), None).unwrap();
        (candidates, records)
    }

    fn seen(path: &str, size: u64, content: u8) -> SeenFile {
        let stat = FileStat { size, ..FileStat::default() };
        SeenFile { path: path.to_owned(), stat, content: Sha::of(&[&[content]]) }
    }

    #[test]
    fn contents_are_recalled_in_any_order_and_only_of_files_that_have_not_changed() {
        let paths = ["b/1.wav", "b/2.wav", "b/3.wav", "a.wav#t=1", "a.wav#t=2", "c.wav"];
        let seen = [
            seen("b/1.wav", 1, 1),
            seen("b/2.wav", 2, 2),
            seen("c.wav", 1, 3),
            seen("d.wav", 1, 6),
            seen("a.wav", 1, 4),
            seen("b/1.wav", 1, 5),
        ];
        let [newest, of_a, of_c] = [5, 4, 3].map(|content| Some(Sha::of(&[&[content]])));
        for turned in [0, 2, 4, 5] {
            let (candidates, mut records) = candidates(&paths);
            let mut recall = Recall::new(&candidates, &mut records);
            let mut in_turn = seen.clone();
            // Of the two that are told of one file the second counts.
            in_turn[..5].rotate_left(turned);
            in_turn.iter().for_each(|file| recall.take(file).unwrap());
            let contents: Vec<Option<Sha>> = records.iter().map(|record| record.unwrap().content).collect();
            assert_eq!(contents, [newest, None, None, of_a, of_a, of_c], "{turned}");
        }
    }

    #[test]
    fn a_copy_has_the_content_of_its_parent() {
        let (mut candidates, _) = candidates(&["a.wav", "b.wav"]);
        let gain = "[[waveform]]\nkind = 'gain'\ndb = 3";
        let gain = ser_features::augmentation::AugmentationRecipe::from_toml(gain).unwrap();
        candidates.add_copies(Some(&ser_cache::CopySettings::new(&gain, 2, 0).unwrap()));
        let stat = FileStat { size: 1, ..FileStat::default() };
        let mut records = FileRecords::new(vec![stat; candidates.len()], None).unwrap();
        let mut recall = Recall::new(&candidates, &mut records);
        for file in [seen("a.wav", 1, 1), seen("b.wav", 1, 2)] {
            recall.take(&file).unwrap();
        }
        let [a, b] = [1, 2].map(|content| Some(Sha::of(&[&[content]])));
        let contents: Vec<Option<Sha>> = records.iter().map(|record| record.unwrap().content).collect();
        assert_eq!(contents, [a, b, a, a, b, b]);
    }

    #[test]
    fn a_file_of_many_segments_is_written_once_and_one_that_could_not_be_read_not_at_all() {
        let (candidates, mut records) = candidates(&["a.wav#t=1", "a.wav#t=2", "b.wav", "c.wav"]);
        for (position, content) in [(0, b"a"), (1, b"a"), (3, b"c")] {
            records.at_mut(position).unwrap().content = Some(Sha::of(&[content]));
        }
        let files = FilesOf { candidates: &candidates, records: &records };
        let paths: Vec<String> = files.iter().map(|file| file.unwrap().path.to_owned()).collect();
        assert_eq!(paths, ["a.wav", "c.wav"]);
    }
}
