//! The recordings that are used, held so that a million of them take little memory.

use std::num::NonZeroU32;

use ser_cache::{FeatureSet, TensorEntry, TensorKey, manifest_shard};
use ser_corpus::Segment;

use crate::audit::RecordingPaths;
use crate::prepare::candidates::{Candidate, Candidates, SharedAnnotation};

/// Candidates and the tensors of a feature set.
#[derive(Clone, Copy)]
pub(super) struct CandidateTensors<'a> {
    pub(super) candidates: &'a Candidates,
    pub(super) set: &'a FeatureSet,
}

/// The recordings that are used, by the places of what is known of them: there may be a million, and every split asks for them
/// once more.
pub(super) struct Selection<'a> {
    pub(super) tensors: CandidateTensors<'a>,
    pub(super) places: Vec<Place>,
    /// How manifests name the shards of the feature set.
    pub(super) shard_names: Vec<String>,
}

/// Where a recording that is used is among candidates, and its tensor among the entries of the feature set.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) candidate: u32,
    pub(super) entry: u32,
    /// For an augmented copy of a recording that is not used: one more than the position of the candidate that is kept of its
    /// sound.
    pub(super) kept_parent: Option<NonZeroU32>,
}

/// A recording that is used.
#[derive(Clone, Copy)]
pub(super) struct Selected<'a> {
    pub(super) candidate: Candidate<'a>,
    /// For an augmented copy: the recording it was made from, or the one that is kept of its sound.
    pub(super) parent: Option<&'a str>,
    pub(super) entry: &'a TensorEntry,
}

impl<'a> Selected<'a> {
    /// Its path in manifests.
    pub(super) fn path(&self) -> &'a str {
        self.candidate.path
    }

    /// What is known about it.
    pub(super) fn annotation(&self) -> &'a SharedAnnotation {
        self.candidate.annotation
    }

    /// The part of its file that it is, if it is not all.
    pub(super) fn segment(&self) -> Option<Segment> {
        self.candidate.segment()
    }

    /// Whether it is a copy that was made here.
    pub(super) fn is_copy(&self) -> bool {
        self.candidate.copy.is_some()
    }
}

impl<'a> Selection<'a> {
    pub(super) fn new(tensors: CandidateTensors<'a>, places: Vec<Place>) -> Self {
        Self { tensors, places, shard_names: tensors.set.shards.iter().map(manifest_shard).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The one at a position below [`Selection::len`].
    pub(super) fn at(&self, position: usize) -> Selected<'a> {
        self.tensors.at(&self.places[position])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Selected<'a>> + Clone {
        self.places.iter().map(|place| self.tensors.at(place))
    }

    /// Keeps those for which `is` holds.
    pub(super) fn retain(&mut self, mut is: impl FnMut(&Selected<'a>) -> bool) {
        let of = self.tensors;
        self.places.retain(|place| is(&of.at(place)));
    }

    /// The paths of those that are no copies made here, to be found by the keys of their tensors.
    pub(super) fn paths_of_tensors(&self) -> PathsOfTensors<'a> {
        let mut candidates = vec![None; self.tensors.set.entries.len()];
        for Place { candidate, entry, .. } in &self.places {
            if self.tensors.candidates.at(*candidate as usize).copy.is_none()
                && let Some(place) = candidates.get_mut(*entry as usize)
            {
                *place = NonZeroU32::new(candidate + 1);
            }
        }
        PathsOfTensors { of: self.tensors, candidates }
    }
}

impl<'a> CandidateTensors<'a> {
    /// The recording of a place.
    pub(super) fn at(&self, place: &Place) -> Selected<'a> {
        let candidate = self.candidates.at(place.candidate as usize);
        let kept = place.kept_parent.map(|parent| self.candidates.at(parent.get() as usize - 1).path);
        let parent = candidate.annotation.parent.as_deref().map(|parent| kept.unwrap_or(parent));
        Selected { candidate, parent, entry: &self.set.entries[place.entry as usize] }
    }
}

/// The recordings that are used and are no copies made here, by their tensors.
pub(super) struct PathsOfTensors<'a> {
    of: CandidateTensors<'a>,
    /// One more than the position of the candidate of each tensor.
    candidates: Vec<Option<NonZeroU32>>,
}

impl RecordingPaths for PathsOfTensors<'_> {
    fn path(&self, key: &TensorKey) -> Option<&str> {
        let entry = self.of.set.entries.binary_search_by_key(&key, |entry| &entry.row.key).ok()?;
        let candidate = (*self.candidates.get(entry)?)?;
        Some(self.of.candidates.at(candidate.get() as usize - 1).path)
    }
}
