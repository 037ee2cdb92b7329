//! How many frames a tensor should have: as few as keep nearly all of the sound.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use ser_audio::Limits;
use ser_cache::{EntriesByKey, FeatureSet, Index, SeenFile, Sha, content_of_segment, index_path, key_of};
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};
use ser_corpus::{Corpora, Segment, read_ahead};
use ser_features::{Extractor, FeatureConfig};

use crate::pipeline::RecordingReader;
use crate::prepare::candidates::Candidate;
use crate::prepare::compute::BATCH;
use crate::prepare::file_records::FileRecords;
use crate::prepare::find_candidates::find_candidates;
use crate::prepare::seen_files::Recall;
use crate::prepare::{PrepareOptions, PrepareReport};

/// Thousandths of all frames that are to be kept.
const KEPT: u64 = 995;

/// The number of frames is a multiple of this, so that a recording more or less seldom changes it.
const STEP: usize = 8;

/// `options` with a number of frames: the smallest multiple of 8 that keeps 99.5 % of the frames of all recordings, if
/// that is to be chosen. It depends on the recordings alone, each sound in its file counted once; those that cannot be
/// used do not count.
///
/// # Errors
/// Those of names and tables, and of an index that cannot be read.
pub(super) fn with_frames<'a>(
    options: &'a PrepareOptions,
    progress: &dyn Progress,
) -> Result<Cow<'a, PrepareOptions>> {
    if !options.choose_max_frames {
        return Ok(Cow::Borrowed(options));
    }
    options.validate()?;
    if options.portion.is_some() || !options.merge.is_empty() {
        let what = "every machine would have to read all recordings to choose a number of frames";
        return Err(Error::new(ErrorKind::Usage, what)
            .help("choose it once with --dry-run, and give that number to every portion"));
    }
    let (corpora, mut candidates) = find_candidates(options, &mut PrepareReport::default())?;
    let mut records = FileRecords::new(candidates.take_stats(), None)?;
    let mut recall = Recall::new(&candidates, &mut records);
    let told = |seen: SeenFile| if options.rehash { Ok(()) } else { recall.take(&seen) };
    let sets = Index::read_telling(&index_path(&options.out), told)?.unwrap_or_default();
    let alike = sets.iter().filter(|set| differs_in_length_alone(set, &options.features));
    let alike: Vec<(&str, EntriesByKey<'_>)> =
        alike.map(|set| (set.configuration.as_str(), set.by_key())).collect();

    let extractor = Extractor::new(&options.features)?;
    let pool = threads::pool(options.jobs, Setting::Jobs)?;
    let contents: Vec<Option<Sha>> =
        records.iter().map(|record| Ok(record?.content)).collect::<Result<_>>()?;
    drop(records);
    let source = |position: &u32| candidates.at(*position as usize).source();
    let positions: Vec<u32> = (0..).take(candidates.len()).collect();
    let files: Vec<&[u32]> = positions.chunk_by(|a, b| source(a) == source(b)).collect();
    progress.start(files.len() as u64, "recordings measured");
    let lengths_in = |(reader, extractor): &mut (RecordingReader, Extractor), of_file: &&[u32]| {
        let utterances: Vec<Candidate<'_>> =
            of_file.iter().map(|position| candidates.at(*position as usize)).collect();
        let known = |(position, utterance): (&u32, &Candidate<'_>)| {
            let content = content_of_segment(&contents[*position as usize]?, utterance.segment().as_ref());
            known_length(&content, &alike, &options.limits)
        };
        let known: Option<Vec<(Sha, usize)>> = of_file.iter().zip(&utterances).map(known).collect();
        // Why a recording cannot be used is said when it is to be used.
        let lengths = match known {
            Some(known) => Some(known),
            None => measure(reader, extractor, &utterances, &corpora)?,
        };
        progress.advance(1);
        Ok(lengths.unwrap_or_default())
    };
    let state = || (RecordingReader::new(&options.features, options.limits), extractor.clone());
    let mut lengths: BTreeMap<Sha, usize> = BTreeMap::new();
    for batch in files.chunks(BATCH) {
        let firsts = batch.iter().filter_map(|file| file.first());
        let unknown = firsts.filter(|first| contents[**first as usize].is_none());
        read_ahead(unknown.filter_map(|first| corpora.location(source(first)).ok()));
        let of_batch: Result<Vec<Vec<(Sha, usize)>>> =
            pool.install(|| batch.par_iter().map_init(state, lengths_in).collect());
        lengths.extend(of_batch?.into_iter().flatten());
    }
    progress.finish();
    let max_frames = match fewest_frames(lengths.into_values().collect()) {
        Some(frames) => frames,
        None => options.features.max_frames,
    };
    let features = FeatureConfig { max_frames, ..options.features.clone() };
    Ok(Cow::Owned(PrepareOptions { features, ..options.clone() }))
}

/// The frames of each of a file's utterances that can be used, by its content.
///
/// # Errors
/// When a store does not give the file: without it another number of frames would be chosen.
fn measure(
    reader: &mut RecordingReader,
    extractor: &mut Extractor,
    utterances: &[Candidate<'_>],
    corpora: &Corpora,
) -> Result<Option<Vec<(Sha, usize)>>> {
    let location = utterances.first().and_then(|first| corpora.location(first.source()).ok());
    let Some(location) = location else { return Ok(None) };
    let file = match reader.read(&location) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
        Err(_) => return Ok(None),
    };
    let segments = || utterances.iter().map(|utterance| utterance.segment());
    let Ok(recording) = reader.decode(segments().any(|segment| segment.is_some())) else { return Ok(None) };
    let frames = |segment: Option<Segment>| {
        let samples = reader.clip(&recording, segment.as_ref()).ok()?.samples;
        Some((content_of_segment(&file, segment.as_ref()), extractor.count(samples).ok()?))
    };
    Ok(Some(segments().filter_map(frames).collect()))
}

/// Whether the tensors of `set` are what `features` gives, but for their length.
fn differs_in_length_alone(set: &FeatureSet, features: &FeatureConfig) -> bool {
    let config: Option<FeatureConfig> = serde_json::from_str(&set.configuration).ok();
    config.is_some_and(|config| FeatureConfig { max_frames: features.max_frames, ..config } == *features)
}

/// The frames of a recording that a cache has a tensor of, if it is within the limits.
fn known_length(content: &Sha, sets: &[(&str, EntriesByKey<'_>)], limits: &Limits) -> Option<(Sha, usize)> {
    let entry =
        sets.iter().find_map(|(configuration, entries)| entries.get(&key_of(content, configuration)))?;
    let source = &entry.row.source;
    limits.check_duration(source.samples, source.sample_rate).ok()?;
    Some((*content, entry.row.frames.saturating_add(entry.row.frames_cut) as usize))
}

/// The smallest multiple of [`STEP`] that keeps [`KEPT`] of the frames of recordings of these lengths; `None` without any.
fn fewest_frames(mut lengths: Vec<usize>) -> Option<usize> {
    lengths.sort_unstable();
    let all: u64 = lengths.iter().map(|length| *length as u64).sum();
    let enough = |frames: usize| {
        let kept: u64 = lengths.iter().map(|length| (*length).min(frames) as u64).sum();
        u128::from(kept) * 1000 >= u128::from(all) * u128::from(KEPT)
    };
    let (mut too_few, mut frames) = (0, lengths.last()?.div_ceil(STEP));
    while frames > too_few + 1 {
        let middle = too_few.midpoint(frames);
        *if enough(middle * STEP) { &mut frames } else { &mut too_few } = middle;
    }
    Some(frames.max(1) * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_frames_keep_almost_all_and_are_a_multiple_of_eight() {
        assert_eq!(fewest_frames(vec![187; 100]), Some(192));
        assert_eq!(fewest_frames(vec![192; 100]), Some(192));
        assert_eq!(fewest_frames(vec![193]), Some(200));
        assert_eq!(fewest_frames(Vec::new()), None);
        // One of 100,000 frames among a thousand of 100: cut where 0.5 % of 200,000 are lost.
        let mut lengths = vec![100; 1_000];
        lengths.push(100_000);
        let frames = fewest_frames(lengths.clone()).unwrap();
        let lost = |frames: usize| lengths.iter().map(|length| length.saturating_sub(frames)).sum::<usize>();
        assert!(lost(frames) <= 1_000 && lost(frames - 8) > 1_000 && frames.is_multiple_of(8), "{frames}");
    }
}
