//! Folders of recordings: which files there are, what each is labelled, and how they are split.
//!
//! [`scan()`] lists files, [`conventions`] and [`LabelTable`] say what an utterance is labelled and who speaks which word,
//! [`LabelMap`] gives labels other names, [`Corpora`] keeps several corpora apart, and [`split`] assigns utterances to
//! train, validation and test. None of these reads audio; [`doctor`] does, to say what a corpus is and what is wrong with
//! it. [`read_recording`] reads recordings also from the archives that some corpora are kept in. A corpus may lie in an object
//! store; its folder is a URL then, as [`ser_core::storage::objects`] has them.

mod annotation;
mod archive;
mod audio_file;
mod bundle;
mod contradiction;
pub mod conventions;
mod corpora;
pub mod doctor;
mod doubt;
mod finding;
mod label_map;
mod labelling;
mod labels;
mod lexicon;
mod names;
mod nobody;
mod parquet_cell;

mod protocol;
mod protocol_choice;
mod published_side;
mod remote;
pub mod scan;
mod segment;
mod sides;
mod speaker_doubt;
mod spelling;
pub mod split;
pub mod table;

pub use annotation::Annotation;
pub use archive::{is_in_archive, read_recording};
pub use bundle::{Bundle, BundleMember, GivenCorpora};
pub use corpora::{Corpora, Corpus, CorpusFolder};
pub use doubt::Doubt;
pub use label_map::{LabelMap, MapSource, Mapped};
pub use labelling::Labelling;
pub use labels::{Annotator, LabelSource};
pub use names::check_relative;
pub use protocol::Protocol;
pub use published_side::PublishedSide;
pub use remote::read_ahead;
pub use scan::{AudioFile, FileStat, OtherEntry, Scan, scan, scan_noting};
pub use segment::Segment;
pub use speaker_doubt::SpeakerDoubt;
pub use spelling::{MergedName, Spellings};
pub use split::{Fractions, Side, Split, SplitPlan, SplitPlanner, Unassigned, UtteranceInfo, plan_splits};
pub use table::{Column, ColumnNames, LabelTable, TableFormat};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
