//! Annotations that many utterances have in common, each in memory once.

use std::collections::HashSet;
use std::sync::Arc;

use ser_corpus::Annotation;

use crate::prepare::candidates::SharedAnnotation;

/// All annotations that differ, of all corpora of a preparation, and their names.
#[derive(Default)]
pub(super) struct SharedAnnotations {
    names: HashSet<Arc<str>>,
    annotations: HashSet<Arc<SharedAnnotation>>,
}

impl SharedAnnotations {
    /// A name, shared with all that are the same.
    pub(super) fn name(&mut self, name: String) -> Arc<str> {
        if let Some(shared) = self.names.get(name.as_str()) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        self.names.insert(shared.clone());
        shared
    }

    /// An annotation, shared with all that are the same.
    pub(super) fn share(&mut self, annotation: Annotation) -> Arc<SharedAnnotation> {
        let annotation = annotation.map_names(|name| self.name(name));
        self.share_named(annotation)
    }

    /// The same of one whose names are shared already.
    pub(super) fn share_named(&mut self, annotation: SharedAnnotation) -> Arc<SharedAnnotation> {
        // What is said of one recording alone need not be looked for again.
        if annotation.parent.is_some() || !annotation.notes.is_empty() {
            return annotation.into();
        }
        if let Some(shared) = self.annotations.get(&annotation) {
            return shared.clone();
        }
        let shared = Arc::new(annotation);
        self.annotations.insert(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_many_recordings_is_in_memory_once() {
        let mut shared = SharedAnnotations::default();
        let said = |label: &str, word: Option<&str>| Annotation {
            word: word.map(str::to_owned),
            ..Annotation::labelled(label)
        };
        let [first, again, other] = [("sad", None), ("sad", None), ("sad", Some("back"))]
            .map(|(label, word)| shared.share(said(label, word)));
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        assert!(Arc::ptr_eq(&first.label, &other.label));
        let renamed = shared.share_named(SharedAnnotation { word: None, ..(*other).clone() });
        assert!(Arc::ptr_eq(&first, &renamed));
    }
}
