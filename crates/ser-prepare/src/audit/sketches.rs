//! The sketches of all recordings, which for a million of them are more than should be in memory: then they lie in a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_core::{Error, Result};

use crate::audit::bands::ClipFraming;
use crate::audit::sketch::{DuplicateCandidate, Sketch, SketchIndex, WordCounts};

/// So many recordings, in the order of their positions, are compared at a time with as many others. Their sketches and the
/// index of these take 320 bytes for each.
const BLOCK: usize = 1 << 15;

/// Sketches in the order of their recordings' positions, a block at a time, and how many recordings have each word.
pub(super) struct Sketches {
    count: usize,
    block: usize,
    place: Place,
    counts: WordCounts,
}

enum Place {
    /// There is one block.
    Memory(Vec<Sketch>),
    /// A file without a name in this folder, which is gone with the process.
    File(File, PathBuf),
}

impl Sketches {
    /// Those of `count` recordings, each by `sketch`; in `folder`, which is on a disk, if they are many.
    ///
    /// # Errors
    /// Those of `sketch`, and when the file cannot be written.
    pub(super) fn new(
        count: usize,
        folder: &Path,
        sketch: impl Fn(usize) -> Result<Sketch> + Sync,
    ) -> Result<Self> {
        Self::in_blocks_of(BLOCK, count, folder, sketch)
    }

    fn in_blocks_of(
        block: usize,
        count: usize,
        folder: &Path,
        sketch: impl Fn(usize) -> Result<Sketch> + Sync,
    ) -> Result<Self> {
        let mut counts = WordCounts::new();
        let mut made = |range: Range<usize>| -> Result<Vec<Sketch>> {
            let sketches: Vec<Sketch> = range.into_par_iter().map(&sketch).collect::<Result<_>>()?;
            sketches.iter().for_each(|sketch| counts.add(sketch));
            Ok(sketches)
        };
        let place = if count <= block {
            Place::Memory(made(0..count)?)
        } else {
            let cannot =
                |error| Error::io("cannot hold a file for the search for near-duplicates", folder, error);
            let mut file = tempfile::tempfile_in(folder).map_err(cannot)?;
            for range in blocks(count, block) {
                file.write_all(&bytes_of(&made(range)?)).map_err(cannot)?;
            }
            Place::File(file, folder.to_owned())
        };
        Ok(Self { count, block, place, counts })
    }

    /// What `of_one` finds, for each recording that may be a copy of others, among these, which are before it; in the order of the
    /// blocks.
    ///
    /// # Errors
    /// Those of `of_one`, and when sketches cannot be read back.
    pub(super) fn compare<T: Send>(
        &self,
        framing: &ClipFraming,
        of_one: impl Fn(usize, &[DuplicateCandidate]) -> Result<Vec<T>> + Sync,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for (number, earlier) in self.blocks().enumerate() {
            let index = SketchIndex::new(earlier.start, self.of(earlier)?, framing);
            for later in self.blocks().skip(number) {
                let sketches = self.of(later.clone())?;
                let compared = |(position, sketch): (usize, &Sketch)| {
                    let candidates = index.candidates(position, sketch, &self.counts);
                    if candidates.is_empty() { Ok(Vec::new()) } else { of_one(position, &candidates) }
                };
                let found: Vec<Vec<T>> =
                    (later.into_par_iter().zip(sketches.par_iter())).map(compared).collect::<Result<_>>()?;
                all.extend(found.into_iter().flatten());
            }
        }
        Ok(all)
    }

    /// The positions of each block.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        blocks(self.count, self.block)
    }

    /// The sketches of one of [`Sketches::blocks`].
    ///
    /// # Errors
    /// When they cannot be read back.
    fn of(&self, block: Range<usize>) -> Result<Cow<'_, [Sketch]>> {
        match &self.place {
            Place::Memory(sketches) => Ok(sketches.get(block).unwrap_or_default().into()),
            Place::File(file, folder) => {
                let mut bytes = vec![0; block.len() * size_of::<Sketch>()];
                let from = (block.start * size_of::<Sketch>()) as u64;
                file.read_exact_at(&mut bytes, from).map_err(|error| {
                    let what = "cannot read back a file of the search for near-duplicates";
                    Error::io(what, folder, error)
                })?;
                Ok(sketches_of(&bytes).into())
            }
        }
    }
}

fn blocks(count: usize, block: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(block.max(1)).map(move |start| start..count.min(start + block))
}

fn bytes_of(sketches: &[Sketch]) -> Vec<u8> {
    sketches.as_flattened().iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn sketches_of(bytes: &[u8]) -> Vec<Sketch> {
    let (words, _) = bytes.as_chunks();
    let words: Vec<u32> = words.iter().copied().map(u32::from_ne_bytes).collect();
    words.as_chunks().0.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::originals::own_features;
    use crate::audit::sketch::Sketcher;

    /// Sketches of 90 recordings: each has a word that all have and some that others have as well, a frame later.
    fn sketch(position: usize) -> Result<Sketch> {
        let word = |value: usize, frame: usize| ((value << 8) | frame) as u32;
        let words = [
            word(7, 0),
            word(100 + position % 40, position / 40),
            word(200 + position % 40, position / 40),
            word(300 + position % 9, position / 9),
            word(400 + position % 9, position / 9),
        ];
        let mut sketch = Sketcher::nothing();
        sketch[..words.len()].copy_from_slice(&words);
        Ok(sketch)
    }

    #[test]
    fn what_is_compared_does_not_depend_on_the_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let framing = ClipFraming::new(&own_features()).unwrap();
        let candidates = |block: usize| {
            let sketches = Sketches::in_blocks_of(block, 90, folder.path(), sketch).unwrap();
            let mut all = sketches.compare(&framing, |_, candidates| Ok(candidates.to_vec())).unwrap();
            all.sort_unstable_by_key(|candidate| (candidate.later, candidate.earlier));
            all
        };
        let in_memory = candidates(90);
        let with = |later: usize| in_memory.iter().filter(move |candidate| candidate.later == later);
        let earlier: Vec<usize> = with(45).map(|candidate| candidate.earlier).collect();
        // What all share is too common to count.
        assert_eq!(earlier, [0, 5, 9, 18, 27, 36]);
        assert!(with(45).all(|candidate| candidate.lag < 0));
        for block in [1, 7, 40, 89] {
            assert_eq!(candidates(block), in_memory, "{block}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
