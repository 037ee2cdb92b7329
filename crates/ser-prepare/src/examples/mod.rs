//! What augmentation sounds and looks like: before-and-after examples as WAV files with spectrograms and a page.
//!
//! None of it goes into a cache.

mod page;
mod picture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ser_audio::{Limits, pcm16_wav};
use ser_core::progress::Progress;
use ser_core::random::Random;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_features::FeatureConfig;
use ser_features::augmentation::{AugmentationRecipe, RecipeStep};
use serde::Serialize;

use crate::pipeline::{RecordingReader, WaveformAugmenter};
use crate::prepare::LabelledRecording;

/// The recipe whose steps are played where none is given: one of each kind.
const DEFAULT_RECIPE: &str = include_str!("every_kind.toml");

/// The peak that every example is brought to: a little below full scale.
const PEAK: f32 = 0.95;

/// What to write, and where.
#[derive(Debug, Clone)]
pub struct ExampleOptions {
    /// The folder.
    pub folder: PathBuf,
    /// The recipe; one of each kind if there is none.
    pub recipe: Option<AugmentationRecipe>,
    /// The folders of the recordings: examples in one of them would be taken for recordings.
    pub corpora: Vec<PathBuf>,
    /// How recordings are brought to one rate and level, and what spectrograms are computed by.
    pub features: FeatureConfig,
    /// Which files are too large, too long or too short.
    pub limits: Limits,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenExamples {
    /// The page.
    pub page: PathBuf,
    /// The examples.
    pub examples: Vec<Example>,
}

/// A recording with its augmented versions.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// Its path in the corpus.
    pub path: String,
    /// Its class.
    pub label: String,
    /// Who speaks, if known.
    pub speaker: Option<String>,
    /// It and its versions.
    pub takes: Vec<ExampleVersion>,
}

/// A recording or a version of it.
#[derive(Debug, Clone, Serialize)]
pub struct ExampleVersion {
    /// What it is.
    pub name: String,
    /// What was drawn.
    pub drawn: String,
    /// Its files in the folder, without `.wav` and `.png`.
    pub file: String,
}

/// Writes examples of what the recipe does to `recordings`: for the first usable one of each class and speaker, in the
/// order of their paths, itself, each step alone, and the whole recipe.
///
/// # Errors
/// When the folder lies in a corpus, is a cache or holds something else, when no recording can be used, or when writing fails.
pub fn write_examples(
    recordings: &[LabelledRecording],
    options: &ExampleOptions,
    storage: &Storage,
    progress: &dyn Progress,
) -> Result<WrittenExamples> {
    check_place(options)?;
    let earlier = page::files(&options.folder);
    let recipe = match &options.recipe {
        Some(recipe) => recipe.clone(),
        None => AugmentationRecipe::from_toml(DEFAULT_RECIPE)?,
    };
    let versions = versions(&recipe);
    let mut augmenters = versions
        .iter()
        .map(|(name, recipe)| Ok((name.as_str(), WaveformAugmenter::new(recipe, &options.features)?)))
        .collect::<Result<Vec<_>>>()?;

    let chosen = choose(recordings, options)?;
    storage.make_folder(&options.folder)?;
    progress.start(chosen.len() as u64, "examples");
    let mut examples = Vec::new();
    for (index, (recording, samples)) in chosen.iter().enumerate() {
        let mut example = Example {
            path: recording.path.clone(),
            label: recording.label.clone(),
            speaker: recording.speaker.clone(),
            takes: Vec::new(),
        };
        let mut keep = |name: &str, drawn: String, samples: &[f32]| -> Result<()> {
            let file = format!("{:02}-{:02}-{}", index + 1, example.takes.len(), plain(name));
            let place = |ending: &str| options.folder.join(format!("{file}.{ending}"));
            let sound = pcm16_wav(&at_peak(samples), options.features.sample_rate);
            storage.replace_file(&place("wav"), &[&sound])?;
            storage.replace_file(&place("png"), &[&picture::spectrogram(samples, &options.features)?])?;
            example.takes.push(ExampleVersion { name: name.to_owned(), drawn, file });
            Ok(())
        };
        keep("original", String::new(), samples)?;
        for (name, augmenter) in &mut augmenters {
            let mut random = Random::new(&["ser listen", &options.seed.to_string(), &recording.path, name]);
            // Babble of the other examples.
            let mut babble = |random: &mut Random| {
                let other = random.another(index, chosen.len())?;
                chosen.get(other).map(|(_, samples)| samples.clone())
            };
            let applied = augmenter.augment(samples, &mut random, &mut babble)?;
            keep(name, applied.to_string(), augmenter.samples())?;
        }
        examples.push(example);
        progress.advance(1);
    }
    progress.finish();
    let page = options.folder.join("index.html");
    storage.replace_file(&page, &[page::page(&examples, options.seed).as_bytes()])?;
    // What only an earlier page showed.
    for file in earlier.difference(&page::files(&options.folder)) {
        storage.remove(&options.folder.join(file))?;
    }
    Ok(WrittenExamples { page, examples })
}

/// Each step alone and for certain, and the whole.
fn versions(recipe: &AugmentationRecipe) -> Vec<(String, AugmentationRecipe)> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut versions: Vec<(String, AugmentationRecipe)> = Vec::new();
    for entry in &recipe.waveform {
        let count = seen.entry(entry.waveform.kind()).or_default();
        *count += 1;
        let kind = entry.waveform.kind();
        let name = if *count > 1 { format!("{kind} {count}") } else { kind.to_owned() };
        let alone = RecipeStep { probability: 1.0, ..entry.clone() };
        versions.push((name, AugmentationRecipe { waveform: vec![alone], ..AugmentationRecipe::default() }));
    }
    if recipe.waveform.len() > 1 {
        versions.push(("whole recipe".to_owned(), recipe.clone()));
    }
    versions
}

/// The first usable recording of each class and speaker, with its samples.
fn choose<'a>(
    recordings: &'a [LabelledRecording],
    options: &ExampleOptions,
) -> Result<Vec<(&'a LabelledRecording, Vec<f32>)>> {
    let mut reader = RecordingReader::new(&options.features, options.limits);
    let mut in_order: Vec<&LabelledRecording> = recordings.iter().collect();
    in_order.sort_by(|a, b| a.path.cmp(&b.path));
    let mut chosen = BTreeMap::new();
    let mut refused = None;
    for recording in in_order {
        let place = (recording.label.as_str(), recording.speaker.as_deref());
        if chosen.contains_key(&place) {
            continue;
        }
        let read = reader.read(&recording.location);
        match read.and_then(|_| Ok(reader.load(recording.segment.as_ref())?.samples.to_vec())) {
            Ok(samples) => _ = chosen.insert(place, (recording, samples)),
            Err(error) => refused = Some(error.at(&recording.location)),
        }
    }
    match (chosen.is_empty(), refused) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(Error::new(ErrorKind::Unusable, "there is no recording to listen to")),
        (false, _) => Ok(chosen.into_values().collect()),
    }
}

/// Rejects a folder that lies in a corpus, or holds a cache or anything else that ser did not write.
fn check_place(options: &ExampleOptions) -> Result<()> {
    let folder = options.folder.as_path();
    let place = resolved(folder);
    if let Some(corpus) = options.corpora.iter().find(|corpus| place.starts_with(resolved(corpus))) {
        let what = format!("lies in {}, where examples would be taken for recordings", corpus.display());
        return Err(Error::new(ErrorKind::Mismatch, what)
            .at(folder)
            .help(remedy!["name another folder with ", Setting::Listen]));
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("cannot be listed", folder, error)),
    };
    if folder.join("index.bin").exists() || folder.join("shards").exists() {
        return Err(Error::new(ErrorKind::Mismatch, "is a cache, where examples do not belong")
            .at(folder)
            .help(remedy!["name another folder with ", Setting::Listen]));
    }
    let ours = std::fs::read_to_string(folder.join("index.html"))
        .is_ok_and(|page| page.starts_with(page::PAGE_START));
    if ours || entries.count() == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Mismatch, "holds other files").at(folder).help("name a new or an empty folder"))
}

/// `path` without links and dots, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    match there {
        Some((part, real)) => real.join(path.strip_prefix(part).unwrap_or(Path::new(""))),
        None => path,
    }
}

/// `samples` brought to the peak that every example has.
fn at_peak(samples: &[f32]) -> Vec<f32> {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let scale = if peak > 0.0 { PEAK / peak } else { 0.0 };
    samples.iter().map(|sample| sample * scale).collect()
}

/// A name for a file.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
