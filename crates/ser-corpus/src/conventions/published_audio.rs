//! What the recordings of a published corpus are like as files.

use std::ops::RangeInclusive;

use ser_audio::Container;

/// The audio of a corpus as it was published, so that a processed copy can be told from it. Only what a source says, or
/// what holds for every file of the published corpus, is here; what is not known is left empty and not compared.
#[derive(Debug)]
pub struct PublishedAudio {
    /// Where these facts are from: a paper, or the corpus's own page.
    pub source: &'static str,
    /// The containers it is published in. The facts below, but for the lengths, are about files in the first.
    pub containers: &'static [Container],
    /// Sample rates in Hz.
    pub sample_rates: &'static [u32],
    /// Bits of a sample.
    pub bit_depth: Option<u16>,
    /// Numbers of channels.
    pub channels: &'static [u16],
    /// Shortest and longest recording in seconds, rounded outwards. The lengths differ in every one of these corpora.
    pub duration_s: RangeInclusive<f64>,
}
