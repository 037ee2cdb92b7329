//! Augmentation on the fly: waveforms of the training side are augmented, and their features computed, while the steps before
//! still learn.
//!
//! What is drawn for an utterance follows from the seed, the epoch and its place in the epoch's order, so that a run is the
//! same at any number of threads, and a resumed one as if it had never stopped. Where the recipe asks for a number of
//! variants, it follows from the seed, the utterance and the number of the variant instead, and the features of a variant
//! are computed once.

mod variants;
mod waveforms;

use std::borrow::Cow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use rayon::prelude::*;
use ser_audio::Limits;
use ser_cache::{FeatureSet, Utterance};
use ser_core::random::Random;
use ser_core::remedy::Setting;
use ser_core::threads::fixed_pool;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::CorpusFolder;
use ser_features::FeatureConfig;
use ser_features::augmentation::AugmentationRecipe;

use crate::pipeline::Pipeline;
use variants::Variants;
use waveforms::Waveforms;

/// Augments the utterances of a training side.
#[derive(Debug)]
pub struct OnTheFly {
    seed: u64,
    /// Numbers of a tensor.
    row_len: usize,
    waveforms: Waveforms,
    variants: Option<Variants>,
    pool: rayon::ThreadPool,
    pipelines: Vec<Mutex<Pipeline>>,
}

/// What to augment, and how.
#[derive(Debug, Clone, Copy)]
pub struct OnTheFlyOptions<'a> {
    /// What happens to waveforms.
    pub recipe: &'a AugmentationRecipe,
    /// The feature set whose features are computed.
    pub set: &'a FeatureSet,
    /// The utterances, all of `set`.
    pub utterances: &'a [Utterance],
    /// The cache they are in.
    pub cache: &'a Path,
    /// Where the recordings are; where `prep-report.json` of the cache says, if empty.
    pub data: &'a [CorpusFolder],
    /// Seed of what is drawn.
    pub seed: u64,
    /// Threads that augment; 0 for one per processor.
    pub threads: usize,
}

/// The features of a step's utterances.
#[derive(Debug)]
pub struct Computed {
    /// `[B, channel, band, frame]`, row-major.
    pub features: Vec<f32>,
    /// How many frames of each are real.
    pub frames: Vec<u32>,
}

/// A step whose utterances are requested.
#[derive(Debug, Clone, Copy)]
pub struct StepRequest<'a> {
    /// Position of the first of them in the epoch's order.
    pub place: usize,
    /// Their indices.
    pub indices: &'a [usize],
}

/// Steps computed ahead, in their order.
#[derive(Debug)]
pub struct PrefetchedSteps(Receiver<Result<Computed>>);

impl OnTheFly {
    /// Prepares to augment, if the recipe changes waveforms at all.
    ///
    /// # Errors
    /// When the recordings cannot be found, or some of the utterances are augmented copies already.
    pub fn new(options: OnTheFlyOptions<'_>) -> Result<Option<Self>> {
        let OnTheFlyOptions { recipe, set, seed, threads, cache, .. } = options;
        if recipe.leaves_waveforms() {
            return Ok(None);
        }
        let features: FeatureConfig = serde_json::from_str(&set.configuration).map_err(|error| {
            let what = format!("holds features that cannot be computed here: {error}");
            Error::new(ErrorKind::Unsupported, what).at(cache)
        })?;
        let pool =
            fixed_pool(threads).map_err(|error| error.help(remedy!["give fewer ", Setting::Threads]))?;
        let pipeline = || Pipeline::new(&features, Some(recipe), Limits::accepted_before());
        let pipelines =
            (0..pool.current_num_threads()).map(|_| pipeline().map(Mutex::new)).collect::<Result<_>>()?;
        let waveforms = Waveforms::new(options)?;
        let row_len = features.shape().iter().product();
        let variants = Variants::new(recipe.variants, features.shape()[2]);
        Ok(Some(Self { seed, row_len, waveforms, variants, pool, pipelines }))
    }

    /// Starts computing `steps` of `epoch`, at most `ahead` of them in advance.
    pub fn start<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        epoch: u32,
        steps: &'env [StepRequest<'env>],
        ahead: usize,
    ) -> PrefetchedSteps {
        let (sender, receiver) = sync_channel(ahead);
        scope.spawn(move || {
            // The receiver is gone once the run is interrupted.
            steps.iter().map(|step| self.compute(epoch, *step)).try_for_each(|computed| sender.send(computed))
        });
        PrefetchedSteps(receiver)
    }

    fn compute(&self, epoch: u32, step: StepRequest<'_>) -> Result<Computed> {
        let mut features = vec![0.0; self.row_len * step.indices.len()];
        let rows = features.par_chunks_exact_mut(self.row_len.max(1)).zip(step.indices).enumerate();
        let frames = self.pool.install(|| {
            let one = |(position, (row, &index)): (usize, (&mut [f32], &usize))| {
                let place = step.place + position;
                let Some(variants) = &self.variants else {
                    return self.compute_one(&[&epoch.to_string(), &place.to_string()], index, row);
                };
                let variant = variants.of_epoch(epoch);
                if let Some(frames) = variants.get(index, variant, row) {
                    return Ok(frames);
                }
                let draws = ["variant", &variant.to_string(), self.waveforms.path(index)];
                let frames = self.compute_one(&draws, index, row)?;
                variants.keep(index, variant, row, frames);
                Ok(frames)
            };
            rows.map(one).collect::<Result<_>>()
        })?;
        Ok(Computed { features, frames })
    }

    /// Augments utterance `index` by what is drawn for `draws` with the seed, and computes its features into `row`: how many
    /// frames are real.
    fn compute_one(&self, draws: &[&str], index: usize, row: &mut [f32]) -> Result<u32> {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        let mut pipeline = self.pipelines[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let Pipeline { reader, augmenter, extractor } = &mut *pipeline;
        let seed = self.seed.to_string();
        let mut random = Random::new(&[&["augmentation", seed.as_str()], draws].concat());
        let original = self.waveforms.get(index, reader)?;
        let mut unreadable = None;
        let mut babble = |random: &mut Random| {
            let other = random.another(index, self.waveforms.len())?;
            let voice = self.waveforms.get(other, reader);
            voice.map(Cow::into_owned).map_err(|error| unreadable = Some(error)).ok()
        };
        let located = |error: Error| error.at(self.waveforms.path(index));
        let samples = match augmenter {
            Some(augmenter) => {
                augmenter.augment(&original, &mut random, &mut babble).map_err(located)?;
                augmenter.samples()
            }
            None => &original,
        };
        unreadable.map_or(Ok(()), Err)?;
        Ok(extractor.extract(samples, row).map_err(located)?.frames as u32)
    }
}

impl PrefetchedSteps {
    /// The next step's utterances.
    ///
    /// # Errors
    /// When one of them could not be read or computed.
    pub fn next(&self) -> Result<Computed> {
        let stopped = |_| Error::new(ErrorKind::Io, "the threads that augment have stopped");
        self.0.recv().map_err(stopped)?
    }
}

#[cfg(test)]
mod tests {
    use ser_cache::Cache;
    use ser_core::progress::Silent;
    use ser_core::storage::Storage;
    use ser_corpus::split::Side;
    use ser_synth::{SynthCorpus, SynthOptions};

    use super::*;
    use crate::{PrepareOptions, prepare};

    const RECIPE: &str = "[[waveform]]\nkind = 'pitch-shift'\nsemitones = [-3, 3]\n\
                          [[waveform]]\nkind = 'noise'\ncolour = 'babble'\nsnr_db = [0, 10]";

    #[test]
    fn features_are_the_same_at_any_number_of_threads() {
        check(RECIPE);
        check(&format!("variants = 2\n{RECIPE}"));
    }

    fn check(recipe: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (corpus, root) = (folder.path().join("corpus"), folder.path().join("cache"));
        let options = SynthOptions { words: 4, sample_rate: 16_000, ..SynthOptions::default() };
        SynthCorpus::new(options).unwrap().write(&corpus).unwrap();
        let options =
            PrepareOptions { features: FeatureConfig::log_mel(), ..PrepareOptions::new(&corpus, &root) };
        prepare(&options, &Storage::native(), &Silent).unwrap();
        let recipe = AugmentationRecipe::from_toml(recipe).unwrap();
        let cache = Cache::open(&root).unwrap();
        let set = cache.feature_set(None).unwrap();
        let split = cache.split(set, &"random".parse().unwrap()).unwrap();
        let utterances = split.side(Side::Train);
        let computed = |threads: usize| -> Vec<Computed> {
            let (recipe, cache) = (&recipe, root.as_path());
            let options = OnTheFlyOptions { recipe, set, utterances, cache, data: &[], seed: 0, threads };
            let on_the_fly = OnTheFly::new(options).unwrap().unwrap();
            let order: Vec<usize> = (0..utterances.len()).rev().collect();
            let steps: Vec<StepRequest<'_>> = order
                .chunks(7)
                .enumerate()
                .map(|(step, indices)| StepRequest { place: step * 7, indices })
                .collect();
            std::thread::scope(|scope| {
                let epoch = |number: u32| -> Vec<Computed> {
                    let ahead = on_the_fly.start(scope, number, &steps, 2);
                    steps.iter().map(|_| ahead.next().unwrap()).collect()
                };
                let computed = epoch(3);
                let again = epoch(5);
                for (one, other) in computed.iter().zip(&again) {
                    assert_eq!(one.features == other.features, recipe.variants > 0, "two epochs later");
                }
                computed
            })
        };
        let one = computed(1);
        assert!(one.len() > 2);
        for threads in [2, 5] {
            for (one, other) in one.iter().zip(computed(threads)) {
                assert_eq!(one.frames, other.frames);
                assert!(one.features == other.features, "{threads} threads");
            }
        }
    }
}
