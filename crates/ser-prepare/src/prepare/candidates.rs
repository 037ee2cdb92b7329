//! What may become utterances, as it is held from the scan to the end.

use std::num::NonZeroU32;
use std::sync::Arc;

use ser_cache::{CopySettings, Sha, TensorKey, content_of_segment, copy_path, key_of};
use ser_corpus::{Annotation, FileStat, Segment};

/// An annotation that many candidates share, and whose names are in memory once for all of them. It has no segment, which
/// the path of a candidate says.
pub(super) type SharedAnnotation = Annotation<Arc<str>>;

/// A recording, a segment of one or a copy, on its way into the cache.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Its path in manifests.
    pub(super) path: &'a str,
    /// What is known about it. Few corpora say something else of each recording.
    pub(super) annotation: &'a SharedAnnotation,
    /// Which augmented copy it is of the recording that its annotation names as its parent, if it is one made here.
    pub(super) copy: Option<NonZeroU32>,
}

impl<'a> Candidate<'a> {
    /// The file it is made from, as in manifests, and the part of it that is meant, if it is not all; those of the parent
    /// of a copy.
    fn file_and_segment(&self) -> (&'a str, Option<Segment>) {
        let original = match &self.annotation.parent {
            Some(parent) if self.copy.is_some() => parent,
            _ => self.path,
        };
        Segment::parse_path(original)
    }

    /// The file it is made from, as in manifests.
    pub(super) fn source(&self) -> &'a str {
        self.file_and_segment().0
    }

    /// The part of its file that it is, if it is not all.
    pub(super) fn segment(&self) -> Option<Segment> {
        self.file_and_segment().1
    }

    /// Which copy it is, from 1, if it is one made here.
    pub(super) fn copy_number(&self) -> Option<u32> {
        self.copy.map(NonZeroU32::get)
    }

    /// Its key under a feature configuration, where its file has this content.
    pub(super) fn key_under(
        &self,
        file: &Sha,
        configuration: &str,
        copies: Option<&CopySettings>,
    ) -> TensorKey {
        let content = content_of_segment(file, self.segment().as_ref());
        key_under(&content, configuration, copies.zip(self.copy_number()))
    }
}

/// The key of a recording with this content, or of one of its copies.
pub(super) fn key_under(content: &Sha, configuration: &str, copy: Option<(&CopySettings, u32)>) -> TensorKey {
    match copy {
        None => key_of(content, configuration),
        Some((copies, number)) => copies.key(content, configuration, number),
    }
}

/// All candidates, each known by its position. They are in memory from the scan to the end, so that a corpus of a million
/// needs each of them to be small.
#[derive(Default)]
pub(super) struct Candidates {
    /// Their paths, one after the other.
    paths: String,
    known: Vec<Known>,
    /// What is known about them: what neighbours have in common is here once.
    annotations: Vec<Arc<SharedAnnotation>>,
    /// What the file system says of the file of each.
    stats: Vec<FileStat>,
}

/// What is known of one besides its path.
struct Known {
    /// Where its path ends in those of all.
    end: usize,
    /// Its place among the annotations.
    annotation: u32,
    copy: Option<NonZeroU32>,
}

impl Candidates {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Makes room for this many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.known.reserve_exact(more);
        self.stats.reserve_exact(more);
    }

    /// Adds one of which nothing is known but what a scan and names say.
    pub(super) fn push(&mut self, path: &str, stat: FileStat, annotation: Arc<SharedAnnotation>) {
        self.push_copy(path, stat, annotation, None);
    }

    fn push_copy(
        &mut self,
        path: &str,
        stat: FileStat,
        annotation: Arc<SharedAnnotation>,
        copy: Option<NonZeroU32>,
    ) {
        self.paths.push_str(path);
        if self.annotations.last().is_none_or(|last| !Arc::ptr_eq(last, &annotation)) {
            self.annotations.push(annotation);
        }
        let annotation = self.annotations.len() as u32 - 1;
        self.known.push(Known { end: self.paths.len(), annotation, copy });
        self.stats.push(stat);
    }

    /// The one at a position below [`Candidates::len`].
    pub(super) fn at(&self, position: usize) -> Candidate<'_> {
        let start = position.checked_sub(1).map_or(0, |before| self.known[before].end);
        let Known { end, annotation, copy } = self.known[position];
        let path = self.paths.get(start..end).unwrap_or_default();
        Candidate { path, annotation: &self.annotations[annotation as usize], copy }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Candidate<'_>> + Clone {
        (0..self.len()).map(|position| self.at(position))
    }

    /// What the file system says of the file of the one at a position; nothing once it was taken for all.
    pub(super) fn stat(&self, position: usize) -> FileStat {
        self.stats.get(position).copied().unwrap_or_default()
    }

    /// What the file system says of the file of each.
    pub(super) fn take_stats(&mut self) -> Vec<FileStat> {
        std::mem::take(&mut self.stats)
    }

    /// What is known about all, of which several may have the same.
    pub(super) fn annotations_mut(&mut self) -> &mut [Arc<SharedAnnotation>] {
        &mut self.annotations
    }

    /// Keeps those for which `is` holds.
    pub(super) fn retain(&mut self, is: impl Fn(Candidate<'_>) -> bool) {
        if self.iter().all(&is) {
            return;
        }
        let mut kept = Self::default();
        for position in 0..self.len() {
            let Candidate { path, copy, .. } = self.at(position);
            if is(self.at(position)) {
                kept.push_copy(
                    path,
                    self.stat(position),
                    self.annotations[self.known[position].annotation as usize].clone(),
                    copy,
                );
            }
        }
        *self = kept;
    }

    /// Adds the copies of every recording that is none itself, after all recordings.
    pub(super) fn add_copies(&mut self, copies: Option<&CopySettings>) {
        let Some(copies) = copies else { return };
        self.reserve(self.len().saturating_mul(copies.copies as usize));
        for position in 0..self.len() {
            let original = self.at(position);
            if original.annotation.parent.is_some() {
                continue;
            }
            let path: Arc<str> = original.path.into();
            let parent = Some(path.clone());
            let annotation = SharedAnnotation { parent, notes: Vec::new(), ..original.annotation.clone() };
            let annotation = Arc::new(annotation);
            let stat = self.stat(position);
            for number in (1..=copies.copies).filter_map(NonZeroU32::new) {
                let path = copy_path(&path, number.get());
                self.push_copy(&path, stat, annotation.clone(), Some(number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_takes_little_memory() {
        // A million of them are in memory at once: docs/scale.md.
        assert!(size_of::<Known>() <= 16, "{} bytes", size_of::<Known>());
    }

    #[test]
    fn a_copy_of_a_segment_is_made_from_the_segment_of_its_parent() {
        let annotation = Arc::new(Annotation::labelled("sad").map_names(Arc::from));
        let mut candidates = Candidates::default();
        candidates.push("a.wav#t=1,2.5", FileStat::default(), annotation);
        let recipe = "[[waveform]]\nkind = 'gain'\ndb = 3";
        let recipe = ser_features::augmentation::AugmentationRecipe::from_toml(recipe).unwrap();
        candidates.add_copies(Some(&CopySettings::new(&recipe, 2, 0).unwrap()));
        let all: Vec<Candidate<'_>> = candidates.iter().collect();
        let [original, first, second] = &all[..] else { panic!("{}", all.len()) };
        for (candidate, number) in [(original, None), (first, Some(1)), (second, Some(2))] {
            assert_eq!(candidate.source(), "a.wav");
            assert_eq!(candidate.segment().unwrap().to_string(), "1,2.5");
            assert_eq!(candidate.copy_number(), number);
        }
        assert_eq!(first.annotation.parent.as_deref(), Some("a.wav#t=1,2.5"));
        assert!(std::ptr::eq(first.annotation, second.annotation));
    }

    #[test]
    fn those_that_are_kept_have_their_own_paths_and_stats() {
        let annotation = Arc::new(Annotation::labelled("sad").map_names(Arc::from));
        let mut candidates = Candidates::default();
        for (size, path) in (0..).zip(["a.wav", "bb.wav", "", "c.wav"]) {
            candidates.push(path, FileStat { size, ..FileStat::default() }, annotation.clone());
        }
        candidates.retain(|candidate| candidate.path.len() != 6);
        let paths: Vec<&str> = candidates.iter().map(|candidate| candidate.path).collect();
        assert_eq!(paths, ["a.wav", "", "c.wav"]);
        assert_eq!([0, 1, 2].map(|position| candidates.stat(position).size), [0, 2, 3]);
    }
}
