//! An encoder as it is used: opened from a folder, and given recordings.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ser_cache::Sha;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, remedy};
use ser_features::{EncoderPrecision, Extraction, Pooling};
use ser_torch::Result;
use tch::{Device, Kind, Tensor};

use crate::families::{Model, Receiver, Source, named};
use crate::folder::Folder;
use crate::replay::{Replay, ReplayedStates};
use crate::settings::Settings;
use crate::windows::{self, Window};

/// A pretrained speech encoder. Its own tensors are frozen; [`Tunable`](crate::Tunable) makes one with others.
#[derive(Debug)]
pub struct Encoder {
    folder: PathBuf,
    family: &'static str,
    digest: Sha,
    precision: EncoderPrecision,
    device: Device,
    model: Box<dyn Model>,
}

/// The states of one recording.
#[derive(Debug)]
pub struct LayerStates {
    /// `[layer, frame, dimension]`, f32 on the CPU. Layer 0 is what goes into the first layer of the transformer.
    pub states: Tensor,
}

impl Encoder {
    /// Reads the encoder in a Hugging Face folder: `config.json`, `preprocessor_config.json`, and `model.safetensors`, its
    /// shards, or `pytorch_model.bin`.
    ///
    /// # Errors
    /// When a file is missing or damaged, the model is of another family or has a part that is not supported, or tensors
    /// are missing, unknown, or of other shapes than its settings ask for. Errors name the file and the setting or tensor.
    pub fn open(path: &Path, device: Device) -> ser_core::Result<Self> {
        Self::open_in(path, device, EncoderPrecision::F32)
    }

    /// The same, which computes matrix products and convolutions in `precision`; what layers add to, their normalisation and
    /// what is pooled are in f32.
    ///
    /// # Errors
    /// As [`Self::open`], and where the family computes in f32 alone.
    pub fn open_in(path: &Path, device: Device, precision: EncoderPrecision) -> ser_core::Result<Self> {
        let folder = Folder::find(path)?;
        let config = Settings::read(&folder.config)?;
        let preprocessor = Settings::read(&folder.preprocessor)?;
        let family = named(&config)?;
        let source = Source {
            folder: &folder,
            config: &config,
            preprocessor,
            device,
            held: None,
            taken: None,
            precision,
            frozen: true,
        };
        let (digest, model) = std::thread::scope(|scope| {
            // Hashing hundreds of MB takes as long as reading them does.
            let digest = std::thread::Builder::new().spawn_scoped(scope, || folder.digest());
            let model = tch::no_grad(|| (family.build)(source));
            let digest = match digest {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // There was no thread to be had.
                Err(_) => folder.digest(),
            };
            (digest, model)
        });
        let (digest, model) = (digest?, model?);
        Ok(Self { folder: folder.path, family: family.name, digest, precision, device, model })
    }

    /// One whose tensors may be others than those of its folder.
    pub(crate) fn of(
        folder: PathBuf,
        family: &'static str,
        digest: Sha,
        precision: EncoderPrecision,
        device: Device,
        model: Box<dyn Model>,
    ) -> Self {
        Self { folder, family, digest, precision, device, model }
    }

    /// The same encoder for another thread: it shares the weights and has nothing else in common.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { folder: self.folder.clone(), model: self.model.share(), ..*self }
    }

    /// SHA-256 over the folder's files: two encoders of one digest compute the same.
    pub fn digest(&self) -> Sha {
        self.digest
    }

    /// The family, as `model_type` names it: `wav2vec2`, `hubert`, `wavlm`, `data2vec-audio` or `whisper`.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// What it computes in.
    pub fn precision(&self) -> EncoderPrecision {
        self.precision
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Sampling rate of the recordings it takes, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.model.sample_rate()
    }

    /// Layers of the transformer. There are states of one more: what goes into the first.
    pub fn layers(&self) -> usize {
        self.model.layers()
    }

    /// Numbers of a state.
    pub fn dimension(&self) -> usize {
        self.model.dimension()
    }

    /// Frames of a recording of `samples`, 0 if it is too short for one.
    pub fn frames_of(&self, samples: usize) -> usize {
        self.model.frames_of(samples)
    }

    /// The most samples of a recording.
    pub fn most_samples(&self) -> usize {
        self.model.most_samples()
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.model.hop()
    }

    /// Refuses a recording of `samples` that is too short for a frame, or too long.
    ///
    /// # Errors
    /// As said; none names the file.
    pub fn check_length(&self, samples: usize) -> ser_core::Result<()> {
        let (rate, most) = (self.sample_rate(), self.most_samples());
        let seconds = |samples: usize| samples as f64 / f64::from(rate);
        if samples > most {
            let what = format!(
                "lasts {:.1} s, more than the {:.1} s that a {} encoder takes",
                seconds(samples),
                seconds(most),
                self.family
            );
            return Err(Error::new(ErrorKind::Limit, what).help(remedy!["cut it into utterances"]));
        }
        if self.frames_of(samples) == 0 {
            let what = format!("lasts {:.4} s, too short for a frame of the encoder", seconds(samples));
            return Err(Error::new(ErrorKind::Unusable, what)
                .help(remedy!["leave it out, or raise ", Setting::MinDuration]));
        }
        Ok(())
    }

    /// The states of every layer for a batch of recordings, mono at [`Self::sample_rate`], in their order: what
    /// `transformers` gives as `hidden_states`, over real frames alone.
    ///
    /// A recording's states do not depend on the others of its batch.
    ///
    /// # Errors
    /// As [`Self::check_length`], when states are not finite, or the device lacks memory.
    pub fn states(&mut self, batch: &[&[f32]]) -> ser_core::Result<Vec<LayerStates>> {
        let mut layers: Vec<Vec<Tensor>> = batch.iter().map(|_| Vec::new()).collect();
        self.run(batch, self.layers(), &mut |_, states, frames| {
            for ((number, length), layers) in (0..).zip(frames.lengths()).zip(&mut layers) {
                layers.push(states.f_get(number)?.f_narrow(0, 0, *length)?.f_to_device(Device::Cpu)?);
            }
            Ok(())
        })?;
        let stacked = layers.iter().map(|layers| Ok(LayerStates { states: Tensor::f_stack(layers, 0)? }));
        Ok(stacked.collect::<Result<_>>()?)
    }

    /// What the encoder says last of a batch of recordings, `last_hidden_state` in `transformers`, `[B, frame, D]`, and how
    /// many frames of each are real. Gradients flow back to the changes of [`Tunable::with`](crate::Tunable::with). A recording
    /// that is too short for a frame is filled up with silence.
    ///
    /// # Errors
    /// When a recording is too long, or the device lacks memory.
    pub fn last_states(&self, batch: &[&[f32]]) -> Result<(Tensor, Vec<i64>)> {
        let filled = self.filled_up(batch);
        let batch: Vec<&[f32]> = filled.iter().map(AsRef::as_ref).collect();
        batch.iter().try_for_each(|samples| self.check_length(samples.len()))?;
        let last = self.layers();
        let mut said = None;
        self.model.run(&batch, last, &mut |layer, states, frames| {
            if layer == last {
                said = Some((self.model.last(states)?, frames.lengths().to_vec()));
            }
            Ok(())
        })?;
        said.ok_or_else(|| Error::new(ErrorKind::Unsupported, "the encoder has no layers").into())
    }

    /// As [`Self::last_states`], but the layers keep nothing for gradients. They flow back as far as the states; from there
    /// [`Replay::backward`] takes them to the layers from the number `from` on, from 0, by running each layer again.
    ///
    /// # Errors
    /// As [`Self::last_states`], and when the encoder is no transformer.
    pub fn last_states_to_replay(&self, batch: &[&[f32]], from: usize) -> Result<(Tensor, Vec<i64>, Replay)> {
        let filled = self.filled_up(batch);
        let batch: Vec<&[f32]> = filled.iter().map(AsRef::as_ref).collect();
        batch.iter().try_for_each(|samples| self.check_length(samples.len()))?;
        let ReplayedStates { states, lengths, replay } = Replay::of(self.model.share(), &batch, from)?;
        Ok((states, lengths, replay))
    }

    /// Recordings with silence after those that are too short for a frame.
    fn filled_up<'a>(&self, batch: &[&'a [f32]]) -> Vec<Cow<'a, [f32]>> {
        let least = self.least_samples();
        let filled = batch.iter().map(|samples| match samples.len() < least {
            true => samples.iter().copied().chain(std::iter::repeat(0.0)).take(least).collect(),
            false => Cow::Borrowed(*samples),
        });
        filled.collect()
    }

    /// Hides frames of the recordings `rows` of a batch, each of so many `samples`, from the transformer from now on, as the
    /// folder says that the encoder learns. `unit` draws numbers from 0 to below 1, for all of the batch.
    pub fn hide_frames(&mut self, samples: &[usize], rows: Range<usize>, unit: &mut dyn FnMut() -> f64) {
        let Some(masks) = self.model.time_masks() else { return };
        let least = self.least_samples();
        let spans = samples.iter().map(|samples| masks.draw(self.frames_of((*samples).max(least)), unit));
        let spans: Vec<_> = spans.collect();
        self.model.hide(spans.into_iter().skip(rows.start).take(rows.len()).collect());
    }

    /// The fewest samples of which there is a frame.
    fn least_samples(&self) -> usize {
        let (mut too_few, mut enough) = (0, self.most_samples());
        while too_few + 1 < enough {
            let middle = too_few + (enough - too_few) / 2;
            match self.frames_of(middle) {
                0 => too_few = middle,
                _ => enough = middle,
            }
        }
        enough
    }

    /// The states of some `layers` pooled over time for a batch of recordings, in their order: `[layer, number]` each,
    /// where a layer has [`Pooling::size`] numbers. The deviation is the root of the mean squared distance from the mean.
    ///
    /// # Errors
    /// As [`Self::states`], for a layer that is not there, and for [`Pooling::None`], which is what
    /// [`Self::frames_of_any_length`] is for.
    pub fn pooled(
        &mut self,
        batch: &[&[f32]],
        layers: &[u32],
        pooling: Pooling,
    ) -> ser_core::Result<Vec<Vec<f32>>> {
        let last = self.last_of(layers)?;
        check_pools(pooling)?;
        let size = pooling.size(self.dimension());
        let mut pooled: Vec<Vec<f32>> = batch.iter().map(|_| vec![0.0; layers.len() * size]).collect();
        self.run(batch, last, &mut |layer, states, frames| {
            let places: Vec<usize> =
                (0..layers.len()).filter(|place| layers.get(*place) == Some(&(layer as u32))).collect();
            if places.is_empty() {
                return Ok(());
            }
            for ((number, length), pooled) in (0..).zip(frames.lengths()).zip(&mut pooled) {
                let values = pool(&states.f_get(number)?.f_narrow(0, 0, *length)?, pooling)?;
                for place in &places {
                    let row = pooled.get_mut(place * size..(place + 1) * size).unwrap_or_default();
                    values.f_copy_data(row, size)?;
                }
            }
            Ok(())
        })?;
        Ok(pooled)
    }

    /// As [`Self::pooled`] of one recording, however long. One of more than [`Self::most_samples`] is heard in windows,
    /// each as a recording of its own: neighbours overlap by 4 s (a quarter of a window at most), and every frame counts
    /// once, in the window that it is further inside of. Memory does not grow with the number of windows.
    ///
    /// # Errors
    /// As [`Self::pooled`], but for long recordings.
    pub fn pooled_of_any_length(
        &mut self,
        samples: &[f32],
        layers: &[u32],
        pooling: Pooling,
    ) -> ser_core::Result<Vec<f32>> {
        if samples.len() <= self.most_samples() {
            return Ok(self.pooled(&[samples], layers, pooling)?.pop().unwrap_or_default());
        }
        let last = self.last_of(layers)?;
        check_pools(pooling)?;
        let zeros = vec![0.0; self.dimension()];
        let mut sums = vec![Sums { count: 0, sum: zeros.clone(), squares: zeros }; layers.len()];
        for window in self.windows(samples.len()) {
            let (first, count) = (window.frames.start as i64, window.frames.len() as i64);
            let samples = samples.get(window.samples).unwrap_or_default();
            self.run(&[samples], last, &mut |layer, states, _| {
                let of_layer = layers.iter().zip(&mut sums).filter(|(number, _)| **number as usize == layer);
                for (_, sums) in of_layer {
                    sums.add(&states.f_get(0)?.f_narrow(0, first, count)?.f_to_kind(Kind::Double)?)?;
                }
                Ok(())
            })?;
        }
        Ok(sums.iter().flat_map(|sums| sums.pooled(pooling)).collect())
    }

    /// The states of some `layers` for one recording, however long, frame after frame, into `tensor` `[layer, D, frame]`:
    /// as many frames as it has room for. Frames after the last are left as they are. Of a long recording, windows are
    /// heard as by [`Self::pooled_of_any_length`].
    ///
    /// # Errors
    /// As [`Self::pooled_of_any_length`].
    pub fn frames_of_any_length(
        &mut self,
        samples: &[f32],
        layers: &[u32],
        tensor: &mut [f32],
    ) -> ser_core::Result<Extraction> {
        let last = self.last_of(layers)?;
        let size = self.dimension();
        let room = tensor.len() / (layers.len() * size).max(1);
        let (mut filled, mut found) = (0, 0);
        for window in self.windows(samples.len()) {
            let count = window.frames.len().min(room - filled);
            found += window.frames.len();
            if count == 0 {
                continue;
            }
            let samples = samples.get(window.samples).unwrap_or_default();
            let mut rows = vec![0.0; size * count];
            self.run(&[samples], last, &mut |layer, states, _| {
                let chosen = layers.iter().position(|number| *number as usize == layer);
                let Some(place) = chosen else { return Ok(()) };
                let states = states.f_get(0)?.f_narrow(0, window.frames.start as i64, count as i64)?; // [frame, D]
                let states = states.f_to_device(Device::Cpu)?.f_transpose(0, 1)?.f_contiguous()?;
                states.f_copy_data(&mut rows, size * count)?;
                let of_layer = tensor.chunks_exact_mut(room).skip(place * size);
                for (row, values) in of_layer.zip(rows.chunks_exact(count)) {
                    row.iter_mut().skip(filled).zip(values).for_each(|(to, from)| *to = *from);
                }
                Ok(())
            })?;
            filled += count;
        }
        Ok(Extraction { frames: filled, cut: found - filled })
    }

    /// The highest of `layers`.
    fn last_of(&self, layers: &[u32]) -> ser_core::Result<usize> {
        let last = layers.iter().copied().max().unwrap_or_default() as usize;
        if last <= self.layers() {
            return Ok(last);
        }
        let what = format!("there is no layer {last} in an encoder of {} layers", self.layers());
        Err(Error::new(ErrorKind::Usage, what))
    }

    /// How a recording of `samples` is heard: at once, or in windows of which every frame counts once. Those of which
    /// none counts are left out.
    fn windows(&self, samples: usize) -> Vec<Window> {
        let most = self.most_samples();
        if samples <= most {
            // One too short for a frame is refused when it is heard.
            return vec![Window { samples: 0..samples, frames: 0..self.frames_of(samples).max(1) }];
        }
        let overlap = windows::OVERLAP_S * self.sample_rate() as usize;
        let mut windows =
            windows::over(samples, most, overlap, self.hop(), |samples| self.frames_of(samples));
        windows.retain(|window| !window.frames.is_empty());
        windows
    }

    fn run(&self, batch: &[&[f32]], last: usize, each: &mut Receiver<'_>) -> ser_core::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.iter().try_for_each(|samples| self.check_length(samples.len()))?;
        let mut checked = |layer: usize, states: &Tensor, frames: &crate::parts::Frames| {
            // What is not finite stays so in later layers.
            if layer == last && !bool::try_from(states.f_isfinite()?.f_all()?)? {
                return Err(Error::new(ErrorKind::Unusable, "gives states that are not finite")
                    .at(&self.folder)
                    .help("check its weights, and the recordings for values that are not finite")
                    .into());
            }
            each(layer, states, frames)
        };
        Ok(tch::no_grad(|| self.model.run(batch, last, &mut checked))?)
    }
}

fn check_pools(pooling: Pooling) -> ser_core::Result<()> {
    match pooling {
        Pooling::Mean | Pooling::Statistics => Ok(()),
        Pooling::None => Err(Error::new(ErrorKind::Usage, "states of frames are not pooled")),
    }
}

/// Sums over the frames of several windows.
#[derive(Debug, Clone)]
struct Sums {
    count: usize,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    /// Adds states `[frame, dimension]` in f64.
    fn add(&mut self, states: &Tensor) -> Result<()> {
        let time = [0i64];
        let mut row = vec![0.0; self.sum.len()];
        for (sums, values) in
            [(&mut self.sum, states.shallow_clone()), (&mut self.squares, states.f_square()?)]
        {
            let values = values.f_sum_dim_intlist(time.as_slice(), false, Kind::Double)?;
            values.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut row, sums.len())?;
            sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value);
        }
        self.count += states.size().first().copied().unwrap_or_default() as usize;
        Ok(())
    }

    /// What is kept of them.
    fn pooled(&self, pooling: Pooling) -> Vec<f32> {
        let count = self.count.max(1) as f64;
        let means: Vec<f64> = self.sum.iter().map(|sum| sum / count).collect();
        let deviations = self
            .squares
            .iter()
            .zip(&means)
            .map(|(squares, mean)| (squares / count - mean * mean).max(0.0).sqrt() as f32);
        let mut pooled: Vec<f32> = means.iter().map(|mean| *mean as f32).collect();
        if pooling == Pooling::Statistics {
            pooled.extend(deviations);
        }
        pooled
    }
}

/// What is kept of states `[frame, dimension]`, on the CPU.
fn pool(states: &Tensor, pooling: Pooling) -> Result<Tensor> {
    let time = [0i64];
    let mean = states.f_mean_dim(time.as_slice(), false, Kind::Float)?;
    let pooled = if pooling == Pooling::Statistics {
        Tensor::f_cat(&[mean, states.f_std_dim(time.as_slice(), false, false)?], 0)?
    } else {
        mean
    };
    Ok(pooled.f_to_device(Device::Cpu)?.f_contiguous()?)
}
