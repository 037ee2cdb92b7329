//! What may become an utterance, as it is held from the scan to the end.

use std::num::NonZeroU32;
use std::sync::Arc;

use ser_cache::{CopySettings, Sha, TensorKey, content_of_segment, copy_path, key_of};
use ser_corpus::{Annotation, FileStat, Segment};

/// A recording, a segment of one or a copy, on its way into the cache. All of them are in memory from the scan to the end,
/// so that a corpus of a million needs each of them to be small.
pub(super) struct Candidate {
    /// Its path in manifests.
    pub(super) path: Box<str>,
    /// What the file system says of its file.
    pub(super) stat: FileStat,
    /// What is known about it. Few corpora say something else of each recording.
    pub(super) annotation: Arc<SharedAnnotation>,
    /// Which augmented copy it is of the recording that its annotation names as its parent, if it is one made here.
    pub(super) copy: Option<NonZeroU32>,
    /// The SHA-256 of its file, once known.
    pub(super) content: Option<Sha>,
    /// Whether the store holds its tensor.
    pub(super) is_stored: bool,
}

/// An annotation that many candidates share, and whose names are in memory once for all of them. It has no segment, which
/// the path of a candidate says.
pub(super) type SharedAnnotation = Annotation<Arc<str>>;

impl Candidate {
    /// One of which nothing is known but what a scan and names say.
    pub(super) fn new(path: String, stat: FileStat, annotation: Arc<SharedAnnotation>) -> Self {
        Self { path: path.into(), stat, annotation, copy: None, content: None, is_stored: false }
    }

    /// Its `number`-th augmented copy; `annotation` names this one as its parent.
    pub(super) fn copied(&self, number: NonZeroU32, annotation: &Arc<SharedAnnotation>) -> Self {
        let copy = Self::new(copy_path(&self.path, number.get()), self.stat, annotation.clone());
        Self { copy: Some(number), ..copy }
    }

    /// The file it is made from, as in manifests, and the part of it that is meant, if it is not all; those of the parent
    /// of a copy.
    fn file_and_segment(&self) -> (&str, Option<Segment>) {
        let original = match &self.annotation.parent {
            Some(parent) if self.copy.is_some() => parent,
            _ => &*self.path,
        };
        Segment::parse_path(original)
    }

    /// The file it is made from, as in manifests.
    pub(super) fn source(&self) -> &str {
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

    /// Its key under a feature configuration, if its content is known.
    pub(super) fn key_under(&self, configuration: &str, copies: Option<&CopySettings>) -> Option<TensorKey> {
        let content = content_of_segment(&self.content?, self.segment().as_ref());
        Some(key_under(&content, configuration, copies.zip(self.copy_number())))
    }
}

/// The key of a recording with this content, or of one of its copies.
pub(super) fn key_under(content: &Sha, configuration: &str, copy: Option<(&CopySettings, u32)>) -> TensorKey {
    match copy {
        None => key_of(content, configuration),
        Some((copies, number)) => copies.key(content, configuration, number),
    }
}

/// Adds the copies of every recording that is none itself, after all recordings.
pub(super) fn add_copies(candidates: &mut Vec<Candidate>, copies: Option<&CopySettings>) {
    let Some(copies) = copies else { return };
    let originals = candidates.len();
    for index in 0..originals {
        let original = &candidates[index];
        if original.annotation.parent.is_some() {
            continue;
        }
        let parent = Some(Arc::from(&*original.path));
        let annotation = SharedAnnotation { parent, notes: Vec::new(), ..(*original.annotation).clone() };
        let annotation = Arc::new(annotation);
        let numbers = (1..=copies.copies).filter_map(NonZeroU32::new);
        let of_one: Vec<Candidate> = numbers.map(|number| original.copied(number, &annotation)).collect();
        candidates.extend(of_one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_takes_little_memory() {
        // A million of them are in memory at once: docs/scale.md.
        assert!(size_of::<Candidate>() <= 112, "{} bytes", size_of::<Candidate>());
    }

    #[test]
    fn a_copy_of_a_segment_is_made_from_the_segment_of_its_parent() {
        let annotation = Arc::new(Annotation::labelled("sad").map_names(Arc::from));
        let segment = Candidate::new("a.wav#t=1,2.5".to_owned(), FileStat::default(), annotation);
        let mut candidates = vec![segment];
        let recipe = "[[waveform]]\nkind = 'gain'\ndb = 3";
        let recipe = ser_features::augmentation::AugmentationRecipe::from_toml(recipe).unwrap();
        add_copies(&mut candidates, Some(&CopySettings::new(&recipe, 2, 0).unwrap()));
        let [original, first, second] = &candidates[..] else { panic!("{}", candidates.len()) };
        for (candidate, number) in [(original, None), (first, Some(1)), (second, Some(2))] {
            assert_eq!(candidate.source(), "a.wav");
            assert_eq!(candidate.segment().unwrap().to_string(), "1,2.5");
            assert_eq!(candidate.copy_number(), number);
        }
        assert_eq!(first.annotation.parent.as_deref(), Some("a.wav#t=1,2.5"));
        assert!(Arc::ptr_eq(&first.annotation, &second.annotation));
    }
}
