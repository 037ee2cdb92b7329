//! The sketches of all recordings, which for a million of them are more than should be in memory: then they lie in a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_core::{Error, Result};

use crate::audit::sketch::{Sketch, WordCounts};

/// So many recordings, in the order of their positions, are compared at a time with as many others. Their sketches and the
/// index of these take 320 bytes for each.
const BLOCK: usize = 1 << 17;

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

    /// How many recordings have each word.
    pub(super) fn counts(&self) -> &WordCounts {
        &self.counts
    }

    /// The positions of each block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        blocks(self.count, self.block)
    }

    /// The sketches of one of [`Sketches::blocks`].
    ///
    /// # Errors
    /// When they cannot be read back.
    pub(super) fn of(&self, block: Range<usize>) -> Result<Cow<'_, [Sketch]>> {
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
    use crate::audit::sketch::Sketcher;

    #[test]
    fn sketches_come_back_from_a_file_as_they_are_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let sketch = |position: usize| {
            let mut sketch = Sketcher::nothing();
            sketch[..2].copy_from_slice(&[position as u32, 0x0102_0300 + position as u32]);
            Ok(sketch)
        };
        let all = |block: usize| -> Vec<Sketch> {
            let sketches = Sketches::in_blocks_of(block, 10, folder.path(), sketch).unwrap();
            sketches.blocks().flat_map(|block| sketches.of(block).unwrap().into_owned()).collect()
        };
        let in_memory = all(10);
        assert_eq!(in_memory.len(), 10);
        for block in [1, 3, 5, 9] {
            assert_eq!(all(block), in_memory, "{block}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
