//! From tensors back to the recordings they were computed from.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use ser_corpus::split::Part;

use crate::generation::generation_place;
use crate::{FeatureSet, Index, StoredSplit, TensorKey, Utterance, copies_of, copy_path, key_of};

/// The recordings of a feature set's tensors, relative to the corpus.
#[derive(Debug, Default)]
pub struct Sources {
    of_key: HashMap<TensorKey, BTreeSet<String>>,
}

impl Sources {
    /// From the files that the index of the cache in `root` has seen, and from the manifests of `set` that can
    /// still be read: the index knows the corpus as it was for the newest feature set only.
    pub fn of(root: &Path, index: &Index, set: &FeatureSet) -> Self {
        let mut sources = Self::default();
        for file in &index.files {
            sources.add(key_of(&file.content, &set.configuration), &file.path);
        }
        if let Some(copies) = copies_of(root, set) {
            for file in &index.files {
                for number in 1..=copies.copies {
                    let key = copies.key(&file.content, &set.configuration, number);
                    sources.add(key, &copy_path(&file.path, number));
                }
            }
        }
        let generation = root.join(generation_place(&set.manifests));
        for entry in std::fs::read_dir(generation).into_iter().flatten().flatten() {
            let Ok(split) = StoredSplit::read(&entry.path()) else { continue };
            let utterances = Part::ALL.iter().flat_map(|part| split.part(*part));
            utterances.for_each(|Utterance { key, path, .. }| sources.add(*key, path));
        }
        sources
    }

    fn add(&mut self, key: TensorKey, path: &str) {
        self.of_key.entry(key).or_default().insert(path.to_owned());
    }

    /// The recordings of the tensor with this key, if any is known.
    pub fn of_tensor(&self, key: &TensorKey) -> Vec<String> {
        self.of_key.get(key).into_iter().flatten().cloned().collect()
    }
}

/// Where `path`, relative to the corpus, is to be opened; `None` if it is not a plain path below `corpus`.
pub(super) fn below(corpus: &Path, path: &str) -> Option<PathBuf> {
    let inside = Path::new(path);
    let plain = inside.components().all(|component| matches!(component, Component::Normal(_)));
    (plain && !path.is_empty() && !path.contains('\0')).then(|| corpus.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_corpus_is_not_opened() {
        let corpus = Path::new("corpus");
        assert_eq!(below(corpus, "calm/a b.wav"), Some(corpus.join("calm/a b.wav")));
        for path in ["", "/etc/passwd", "..", "../x.wav", "calm/../../x.wav", "./x.wav", "a\0b"] {
            assert_eq!(below(corpus, path), None, "{path:?}");
        }
    }
}
