//! Augmentation on the fly: waveforms of the training side are augmented, and their features computed, while the steps before
//! still learn.
//!
//! What is drawn for an utterance follows from the seed, the epoch and its place in the epoch's order, so that a run is the
//! same at any number of threads, and a resumed one as if it had never stopped.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use rayon::prelude::*;
use ser_audio::{Limits, Loader};
use ser_cache::{FeatureSet, Utterance};
use ser_core::random::Random;
use ser_core::{Error, ErrorKind, Result};
use ser_features::augmentation::Augmenter;
use ser_features::{Extractor, FeatureConfig};
use ser_model::FitConfig;

use crate::batches::waveforms::Waveforms;

/// Augments the utterances of a training side.
#[derive(Debug)]
pub(crate) struct OnTheFly {
    seed: u64,
    features: FeatureConfig,
    waveforms: Waveforms,
    pool: rayon::ThreadPool,
    benches: Vec<Mutex<Bench>>,
}

/// The working state of one thread.
#[derive(Debug)]
struct Bench {
    loader: Loader,
    augmenter: Augmenter,
    extractor: Extractor,
    samples: Vec<f32>,
}

/// The features of a step's utterances.
#[derive(Debug)]
pub(crate) struct Computed {
    /// `[B, channel, band, frame]`, row-major.
    pub(crate) features: Vec<f32>,
    /// How many frames of each are real.
    pub(crate) frames: Vec<u32>,
}

/// A step whose utterances are requested: the position of the first in the epoch's order, and their indices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepRequest<'a> {
    pub(crate) place: usize,
    pub(crate) indices: &'a [usize],
}

/// Steps computed ahead, in their order.
#[derive(Debug)]
pub(crate) struct PrefetchedSteps(Receiver<Result<Computed>>);

impl OnTheFly {
    /// What the recipe of `config` asks for, if it augments waveforms; `utterances` are the training side in `set`.
    ///
    /// # Errors
    /// When the recordings cannot be found, or some of the utterances are augmented copies already.
    pub(crate) fn new(
        config: &FitConfig,
        set: &FeatureSet,
        utterances: &[Utterance],
    ) -> Result<Option<Self>> {
        if config.augment.leaves_waveforms() {
            return Ok(None);
        }
        let features: FeatureConfig = serde_json::from_str(&set.configuration).map_err(|error| {
            let what = format!("holds features that cannot be computed here: {error}");
            Error::new(ErrorKind::Unsupported, what).at(&config.cache)
        })?;
        let threads = config.threads as usize;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot start threads: {error}")).help("give fewer --threads")
        })?;
        let benches = (0..pool.current_num_threads())
            .map(|_| {
                Ok(Mutex::new(Bench {
                    loader: Loader::new(
                        features.sample_rate,
                        features.normalisation,
                        Limits::accepted_before(),
                    ),
                    augmenter: Augmenter::new(&config.augment, features.sample_rate)?,
                    extractor: Extractor::new(&features)?,
                    samples: Vec::new(),
                }))
            })
            .collect::<Result<_>>()?;
        let waveforms = Waveforms::new(config, set, utterances)?;
        Ok(Some(Self { seed: config.seed, features, waveforms, pool, benches }))
    }

    /// Starts computing `steps` of `epoch`, at most `ahead` of them in advance.
    pub(crate) fn start<'scope, 'env>(
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
        let row_len: usize = self.features.shape().iter().product();
        let mut features = vec![0.0; row_len * step.indices.len()];
        let rows = features.par_chunks_exact_mut(row_len.max(1)).zip(step.indices).enumerate();
        let frames = self.pool.install(|| {
            rows.map(|(position, (row, &index))| self.compute_one(epoch, step.place + position, index, row))
                .collect::<Result<_>>()
        })?;
        Ok(Computed { features, frames })
    }

    /// Augments utterance `index`, which has `place` in the order of `epoch`, and computes its features into `row`.
    fn compute_one(&self, epoch: u32, place: usize, index: usize, row: &mut [f32]) -> Result<u32> {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        let mut bench = self.benches[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let Bench { loader, augmenter, extractor, samples } = &mut *bench;
        let [seed, epoch, place] =
            [self.seed, u64::from(epoch), place as u64].map(|number| number.to_string());
        let mut random = Random::new(&["augmentation", &seed, &epoch, &place]);
        let original = self.waveforms.get(index, loader)?;
        let mut unreadable = None;
        let mut babble = |random: &mut Random| {
            let other = random.another(index, self.waveforms.len())?;
            let voice = self.waveforms.get(other, loader);
            voice.map(Cow::into_owned).map_err(|error| unreadable = Some(error)).ok()
        };
        let located = |error: Error| error.at(self.waveforms.path(index));
        augmenter.augment(&original, &mut random, &mut babble, samples).map_err(located)?;
        unreadable.map_or(Ok(()), Err)?;
        self.features.normalisation.apply(samples).map_err(located)?;
        let extraction = extractor.extract(samples, row).map_err(located)?;
        Ok(extraction.frames as u32)
    }
}

impl PrefetchedSteps {
    /// The next step's utterances.
    ///
    /// # Errors
    /// When one of them could not be read or computed.
    pub(crate) fn next(&self) -> Result<Computed> {
        let stopped = |_| Error::new(ErrorKind::Io, "the threads that augment have stopped");
        self.0.recv().map_err(stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Material;
    use ser_core::progress::Silent;
    use ser_core::storage::Storage;
    use ser_corpus::split::Part;
    use ser_features::augmentation::AugmentationRecipe;
    use ser_prepare::{PrepareOptions, prepare};
    use ser_synth::{SynthCorpus, SynthOptions};

    const RECIPE: &str = "[[waveform]]\nkind = 'pitch-shift'\nsemitones = [-3, 3]\n\
                          [[waveform]]\nkind = 'noise'\ncolour = 'babble'\nsnr_db = [0, 10]";

    #[test]
    fn features_are_the_same_at_any_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let (corpus, cache) = (folder.path().join("corpus"), folder.path().join("cache"));
        let options = SynthOptions { words: 4, sample_rate: 16_000, ..SynthOptions::default() };
        SynthCorpus::new(options).unwrap().write(&corpus).unwrap();
        let options =
            PrepareOptions { features: FeatureConfig::log_mel(), ..PrepareOptions::new(&corpus, &cache) };
        prepare(&options, &Storage::native(), &Silent).unwrap();
        let augment = AugmentationRecipe::from_toml(RECIPE).unwrap();
        let computed = |threads: u32| -> Vec<Computed> {
            let config =
                FitConfig { cache: cache.clone(), threads, augment: augment.clone(), ..FitConfig::default() };
            let material = Material::open(&config).unwrap();
            let utterances = material.split.part(Part::Train);
            let on_the_fly = OnTheFly::new(&config, &material.set, utterances).unwrap().unwrap();
            let order: Vec<usize> = (0..utterances.len()).rev().collect();
            let steps: Vec<StepRequest<'_>> = order
                .chunks(7)
                .enumerate()
                .map(|(step, indices)| StepRequest { place: step * 7, indices })
                .collect();
            std::thread::scope(|scope| {
                let ahead = on_the_fly.start(scope, 3, &steps, 2);
                steps.iter().map(|_| ahead.next().unwrap()).collect()
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
