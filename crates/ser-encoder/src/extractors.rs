//! An encoder as the last part of the pipeline: the states of an utterance, pooled `[layer, number, 1]` or of every frame
//! `[layer, number, frame]`.

use std::sync::{Arc, Mutex, PoisonError};

use ser_core::{Error, ErrorKind, Result};
use ser_features::{EncoderStates, Extraction, FeatureConfig, LayerChoice, Pooling, ValueType};
use ser_prepare::{Extractors, TensorExtractor};
use tch::Device;

use crate::Encoder;

impl Encoder {
    /// The features that are states of some of its layers, stored as `dtype`; `max_frames` of an utterance, if they are not
    /// pooled.
    ///
    /// # Errors
    /// When it has no such layer, or a tensor would be too large.
    pub fn features(
        &self,
        layers: &LayerChoice,
        pooling: Pooling,
        dtype: ValueType,
        max_frames: usize,
    ) -> Result<FeatureConfig> {
        let states = EncoderStates {
            family: self.family().to_owned(),
            digest: self.digest().to_string(),
            version: EncoderStates::VERSION,
            dimension: self.dimension(),
            layers: layers.layers_of(self.layers())?,
            pooling,
            dtype,
            precision: self.precision(),
        };
        let mut features = FeatureConfig::of_encoder(states, self.sample_rate());
        if pooling == Pooling::None {
            (features.hop_length, features.max_frames) = (self.hop(), max_frames);
        }
        features.validate()?;
        Ok(features)
    }
}

/// Extractors that share one encoder's weights.
///
/// Each runs one utterance at a time on one thread: several threads then scale as well as larger batches would, nothing is
/// spent on padding, and a tensor of the CPU is the same to the bit whatever else is computed, in which order and on how many
/// threads. On a GPU they take turns.
#[derive(Debug)]
pub struct EncoderExtractors {
    longest_s: f64,
    encoder: Mutex<Encoder>,
    states: EncoderStates,
    shape: [usize; 3],
    turn: Option<Turn>,
}

/// Held while a recording is heard.
type Turn = Arc<Mutex<()>>;

impl EncoderExtractors {
    /// Extractors of `features`, which must be this encoder's.
    ///
    /// # Errors
    /// When they are not.
    pub fn new(encoder: Encoder, features: &FeatureConfig) -> Result<Self> {
        let digest = encoder.digest().to_string();
        let frames_fit =
            |states: &EncoderStates| states.pooling != Pooling::None || features.hop_length == encoder.hop();
        let of_encoder = features.encoder.as_ref().filter(|states| {
            let same = states.digest == digest && states.precision == encoder.precision();
            same && states.dimension == encoder.dimension() && frames_fit(states)
        });
        let Some(states) = of_encoder.cloned() else {
            return Err(Error::new(ErrorKind::Mismatch, "the features are not those of this encoder"));
        };
        if states.version != EncoderStates::VERSION {
            let what = format!(
                "the states were computed by version {} of the encoders, and this program has version {}",
                states.version,
                EncoderStates::VERSION
            );
            return Err(Error::new(ErrorKind::Mismatch, what).help("prepare them and train again"));
        }
        let longest = match states.pooling {
            Pooling::None => features.max_frames * features.hop_length,
            Pooling::Mean | Pooling::Statistics => encoder.most_samples(),
        };
        let longest_s = longest as f64 / f64::from(encoder.sample_rate().max(1));
        // A GPU has memory for one recording, whatever the number of threads.
        let turn = (encoder.device() != Device::Cpu).then(Turn::default);
        Ok(Self { longest_s, encoder: Mutex::new(encoder), states, shape: features.shape(), turn })
    }

    /// The longest recording that is heard whole, seconds: in one window if states are pooled, else as many frames as are
    /// kept.
    pub fn longest_s(&self) -> f64 {
        self.longest_s
    }
}

impl Extractors for EncoderExtractors {
    fn extractor(&self) -> Result<Box<dyn TensorExtractor>> {
        let encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner).share();
        Ok(Box::new(StatesExtractor {
            encoder,
            layers: self.states.layers.clone(),
            pooling: self.states.pooling,
            dtype: self.states.dtype,
            shape: self.shape,
            turn: self.turn.clone(),
        }))
    }
}

/// One thread's.
#[derive(Debug)]
struct StatesExtractor {
    encoder: Encoder,
    layers: Vec<u32>,
    pooling: Pooling,
    dtype: ValueType,
    shape: [usize; 3],
    turn: Option<Turn>,
}

impl TensorExtractor for StatesExtractor {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn extract(&mut self, samples: &[f32], tensor: &mut [f32]) -> Result<Extraction> {
        // The number is each thread's own, and this may be its first.
        tch::set_num_threads(1);
        if tensor.len() != self.shape.iter().product::<usize>() {
            let what = format!("a tensor of {} numbers is none of {:?}", tensor.len(), self.shape);
            return Err(Error::new(ErrorKind::Mismatch, what));
        }
        let _turn = self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let extraction = if self.pooling == Pooling::None {
            tensor.fill(0.0);
            self.encoder.frames_of_any_length(samples, &self.layers, tensor)?
        } else {
            tensor.copy_from_slice(&self.encoder.pooled_of_any_length(
                samples,
                &self.layers,
                self.pooling,
            )?);
            Extraction { frames: 1, cut: 0 }
        };
        self.dtype.round(tensor)?;
        Ok(extraction)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ser_features::EncoderPrecision;
    use tch::Device;

    use super::*;

    #[test]
    fn a_tensor_is_the_same_to_the_bit_on_any_thread_and_after_anything() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders/wavlm-base");
        let encoder = Encoder::open(&fixture, Device::Cpu).unwrap();
        let features = encoder.features(&LayerChoice::All, Pooling::Statistics, ValueType::F32, 1).unwrap();
        assert_eq!(features.shape(), [4, 32, 1]);
        let extractors = EncoderExtractors::new(encoder, &features).unwrap();
        let clip = |seed: u32| -> Vec<f32> {
            (0..2000 + 300 * seed).map(|n| (n as f32 * 0.01 * (seed + 1) as f32).sin()).collect()
        };
        let tensor_of = |extractor: &mut Box<dyn TensorExtractor>, seed: u32| {
            let mut tensor = vec![0.0; 4 * 32];
            assert_eq!(extractor.extract(&clip(seed), &mut tensor).unwrap().frames, 1);
            tensor
        };
        let mut extractor = extractors.extractor().unwrap();
        let alone: Vec<Vec<f32>> = (0..6).map(|seed| tensor_of(&mut extractor, seed)).collect();
        std::thread::scope(|scope| {
            for shift in 0..3 {
                let (extractors, alone, tensor_of) = (&extractors, &alone, &tensor_of);
                scope.spawn(move || {
                    let mut extractor = extractors.extractor().unwrap();
                    for round in 0..12 {
                        let seed = (round * 5 + shift) % 6;
                        assert_eq!(tensor_of(&mut extractor, seed), alone[seed as usize]);
                    }
                });
            }
        });
        assert!(extractor.extract(&clip(0), &mut [0.0; 3]).is_err());
    }

    #[test]
    fn features_of_another_encoder_are_refused() {
        let fixture = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name);
            Encoder::open(&path, Device::Cpu).unwrap()
        };
        let features =
            fixture("hubert-base").features(&LayerChoice::Last, Pooling::Mean, ValueType::F32, 1).unwrap();
        EncoderExtractors::new(fixture("hubert-base"), &features).unwrap();
        assert!(EncoderExtractors::new(fixture("wavlm-base"), &features).is_err());
        assert!(EncoderExtractors::new(fixture("hubert-base"), &FeatureConfig::default()).is_err());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders/hubert-base");
        let in_bf16 = || Encoder::open_in(&path, Device::Cpu, EncoderPrecision::Bf16).unwrap();
        assert!(EncoderExtractors::new(in_bf16(), &features).is_err());
        let of_bf16 = in_bf16().features(&LayerChoice::Last, Pooling::Mean, ValueType::F32, 1).unwrap();
        assert!(EncoderExtractors::new(in_bf16(), &of_bf16).is_ok());
        assert!(of_bf16 != features && EncoderExtractors::new(fixture("hubert-base"), &of_bf16).is_err());
        let too_high = "9".parse().unwrap();
        assert!(fixture("hubert-base").features(&too_high, Pooling::Mean, ValueType::F32, 1).is_err());
        let frames =
            fixture("hubert-base").features(&LayerChoice::Last, Pooling::None, ValueType::F32, 9).unwrap();
        assert_eq!((frames.shape(), frames.hop_length), ([1, 16, 9], 20));
        assert!(EncoderExtractors::new(fixture("hubert-base"), &frames).is_ok());
        let other_hop = FeatureConfig { hop_length: 21, ..frames };
        assert!(EncoderExtractors::new(fixture("hubert-base"), &other_hop).is_err());
        assert!(
            fixture("hubert-base")
                .features(&LayerChoice::All, Pooling::None, ValueType::F32, 1 << 20)
                .is_err()
        );
    }

    /// The tiny Whisper hears 1 s at once. Its windows are computed apart here, and their frames put together by hand.
    #[test]
    fn a_recording_of_several_windows_counts_every_frame_once() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders/whisper");
        let mut encoder = Encoder::open(&fixture, Device::Cpu).unwrap();
        let rate = encoder.sample_rate() as usize;
        assert_eq!(encoder.most_samples(), rate);
        let samples: Vec<f32> = (0..rate * 5 / 2).map(|n| (n as f32 * n as f32 * 1e-5).sin()).collect();
        let (hop, size) = (encoder.hop(), encoder.dimension());
        assert!(samples.len().div_ceil(hop) > 100);
        // A quarter of a second is shared, so a window begins every three quarters of one.
        let half = rate / 8 / hop;
        let step = rate / hop - 2 * half;
        let mut frames: Vec<Vec<f32>> = Vec::new();
        for start in (0..4).map(|number| number * step) {
            let part = &samples[start * hop..samples.len().min((start + rate / hop) * hop)];
            let states = encoder.states(&[part]).unwrap().remove(0).states;
            let (count, layer) = (states.size()[1] as usize, states.get(1).contiguous());
            let mut flat = vec![0.0_f32; count * size];
            layer.copy_data(&mut flat, count * size);
            frames.truncate(if start == 0 { 0 } else { start + half });
            let skip = frames.len() - start;
            frames.extend(flat.chunks_exact(size).skip(skip).map(<[f32]>::to_vec));
            if start * hop + rate >= samples.len() {
                break;
            }
        }
        assert_eq!(frames.len(), encoder.frames_of(samples.len()));
        let pooled = encoder.pooled_of_any_length(&samples, &[1], Pooling::Statistics).unwrap();
        for number in 0..size {
            let values: Vec<f64> = frames.iter().map(|frame| f64::from(frame[number])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!((f64::from(pooled[number]) - mean).abs() < 1e-5, "{number}");
            assert!((f64::from(pooled[size + number]) - variance.sqrt()).abs() < 1e-5, "{number}");
        }
        assert!(encoder.pooled_of_any_length(&samples, &[9], Pooling::Mean).is_err());
        assert!(encoder.pooled_of_any_length(&samples, &[1], Pooling::None).is_err());

        // The same frames by themselves, as many as there is room for.
        for room in [frames.len() + 3, 60, 1] {
            let mut tensor = vec![7.0; 2 * size * room];
            let found = encoder.frames_of_any_length(&samples, &[0, 1], &mut tensor).unwrap();
            let filled = room.min(frames.len());
            assert_eq!((found.frames, found.cut), (filled, frames.len() - filled));
            for (number, row) in tensor.chunks_exact(room).skip(size).enumerate() {
                let expected = frames.iter().map(|frame| frame[number]);
                assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{room} {number}");
                assert!(row[filled..].iter().all(|after| *after == 7.0));
            }
        }
    }
}
