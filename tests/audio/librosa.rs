//! Every stage of feature extraction against librosa, whose numbers `tests/fixtures/librosa/make.py` wrote.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};
use ser_features::{
    Dct, Decibels, Delta, Extractor, FeatureConfig, FrameLayout, MelFilterBank, PowerSpectrum, power_to_db,
    window,
};

/// Largest difference allowed, in dB and in units of the coefficients.
const TOLERANCE: f32 = 1e-3;

const CASES: [&str; 7] = ["noise", "chirp", "speech", "short", "librosa_preset", "odd", "odd_uncentred"];

struct Case {
    name: &'static str,
    config: FeatureConfig,
    bytes: Vec<u8>,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        CASES.into_iter().map(Self::read)
    }

    fn read(name: &'static str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/librosa");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config = serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        Self { name, config, bytes }
    }

    fn tensor(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), Dtype::F32);
        view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }

    /// The frames whose samples and power spectrum the fixture holds.
    fn frame_indices(&self) -> Vec<usize> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = tensors.tensor("frame_indices").unwrap();
        view.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as usize).collect()
    }

    fn frames(&self) -> usize {
        self.tensor("mfcc").len() / self.config.n_mfcc
    }

    fn window(&self) -> Vec<f64> {
        window(self.config.window, self.config.win_length, self.config.n_fft)
    }

    fn windowed(&self, index: usize) -> Vec<f64> {
        let mut frame = vec![f64::NAN; self.config.n_fft];
        FrameLayout::new(&self.config).windowed(&self.tensor("samples"), index, &self.window(), &mut frame);
        frame
    }

    fn power(&self, index: usize) -> Vec<f64> {
        let mut spectrum = PowerSpectrum::new(self.config.n_fft);
        let mut power = vec![f64::NAN; spectrum.bins()];
        spectrum.compute(&mut self.windowed(index), &mut power).unwrap();
        power
    }

    fn mel(&self) -> Vec<f64> {
        let bank = MelFilterBank::new(&self.config);
        let mut mel = vec![f64::NAN; self.frames() * self.config.n_mels];
        for (index, row) in mel.chunks_exact_mut(self.config.n_mels).enumerate() {
            bank.apply(&self.power(index), row);
        }
        mel
    }

    fn db(&self) -> Vec<f32> {
        let mel = self.mel();
        let mut db = vec![f32::NAN; mel.len()];
        power_to_db(&self.config, &mel, &mut db);
        db
    }

    /// `found` must be within the tolerance of the fixture's tensor `stage`.
    fn assert_close(&self, stage: &str, found: &[f32]) {
        let expected = self.tensor(stage);
        assert_eq!(found.len(), expected.len(), "{}: {stage}", self.name);
        let error = largest_difference(found, &expected);
        println!("{:16} {stage:12} {error:.1e}", self.name);
        assert!(error <= TOLERANCE, "{}: {stage} differs by {error}", self.name);
    }
}

/// Largest absolute difference; NaN counts as infinitely far.
fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    let difference = |(found, expected): (&f32, &f32)| {
        let difference = (found - expected).abs();
        if difference.is_nan() { f32::INFINITY } else { difference }
    };
    found.iter().zip(expected).map(difference).fold(0.0, f32::max)
}

/// Powers are compared in dB down to `amin`, without a cut-off relative to the loudest.
fn decibels(case: &Case, power: &[f64]) -> Vec<f32> {
    let mut db = vec![f32::NAN; power.len()];
    Decibels::new(&case.config).convert(power, &mut db);
    db
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn windowed_frames_agree() {
    for case in Case::all() {
        let indices = case.frame_indices();
        assert_eq!(indices.last(), Some(&(case.frames() - 1)), "{}", case.name);
        let frames: Vec<f32> =
            indices.iter().flat_map(|&index| case.windowed(index)).map(|value| value as f32).collect();
        let error = largest_difference(&frames, &case.tensor("windowed"));
        println!("{:16} windowed     {error:.1e}", case.name);
        assert!(error <= 1e-7, "{}: {error}", case.name);
    }
}

#[test]
fn the_number_of_frames_agrees() {
    for case in Case::all() {
        let samples = case.tensor("samples").len();
        assert_eq!(FrameLayout::new(&case.config).count(samples).unwrap(), case.frames(), "{}", case.name);
    }
}

#[test]
fn power_spectra_agree_in_decibels() {
    for case in Case::all() {
        let power: Vec<f64> = case.frame_indices().iter().flat_map(|&index| case.power(index)).collect();
        let expected = decibels(&case, &widened(&case.tensor("power")));
        let error = largest_difference(&decibels(&case, &power), &expected);
        println!("{:16} power        {error:.1e} dB", case.name);
        assert!(error <= TOLERANCE, "{}: {error} dB", case.name);
    }
}

#[test]
fn mel_spectrograms_agree_in_decibels() {
    for case in Case::all() {
        let expected = decibels(&case, &widened(&case.tensor("mel")));
        let error = largest_difference(&decibels(&case, &case.mel()), &expected);
        println!("{:16} mel          {error:.1e} dB", case.name);
        assert!(error <= TOLERANCE, "{}: {error} dB", case.name);
    }
}

#[test]
fn decibels_agree() {
    for case in Case::all() {
        case.assert_close("db", &case.db());
    }
}

#[test]
fn the_cosine_transform_agrees() {
    for case in Case::all() {
        let FeatureConfig { n_mels, n_mfcc, .. } = case.config;
        let mut dct = Dct::new(n_mels, n_mfcc);
        let mut mfcc = vec![f32::NAN; case.frames() * n_mfcc];
        let mut coefficients = vec![f32::NAN; n_mfcc];
        for (frame, row) in case.tensor("db").chunks_exact(n_mels).enumerate() {
            dct.apply(row, &mut coefficients);
            for (coefficient, &value) in coefficients.iter().enumerate() {
                mfcc[coefficient * case.frames() + frame] = value;
            }
        }
        case.assert_close("mfcc", &mfcc);
    }
}

#[test]
fn derivatives_agree() {
    for case in Case::all() {
        for (order, stage) in [(1, "delta"), (2, "delta_delta")] {
            let delta = Delta::new(case.config.delta_width, order);
            let mfcc = case.tensor("mfcc");
            let mut derivatives = vec![f32::NAN; mfcc.len()];
            let rows = mfcc.chunks_exact(case.frames()).zip(derivatives.chunks_exact_mut(case.frames()));
            rows.for_each(|(row, derivative)| delta.apply(row, derivative));
            case.assert_close(stage, &derivatives);
        }
    }
}

#[test]
fn whole_tensors_agree() {
    for case in Case::all() {
        let mut extractor = Extractor::new(&case.config).unwrap();
        let [_, n_mfcc, max_frames] = extractor.shape();
        let mut tensor = vec![f32::NAN; extractor.shape().iter().product()];
        let utterance = extractor.extract(&case.tensor("samples"), &mut tensor).unwrap();
        assert_eq!((utterance.frames, utterance.cut), (case.frames(), 0));
        let channels = tensor.chunks_exact(n_mfcc * max_frames);
        for (channel, stage) in channels.zip(["mfcc", "delta", "delta_delta"]) {
            let real: Vec<f32> =
                channel.chunks_exact(max_frames).flat_map(|row| row[..utterance.frames].to_vec()).collect();
            case.assert_close(stage, &real);
        }
    }
}

#[test]
fn an_utterance_that_is_cut_keeps_librosas_first_frames() {
    for case in Case::all() {
        for max_frames in [1, 3, 5, 8, case.frames() - 1] {
            let config = FeatureConfig { max_frames, ..case.config.clone() };
            let mut extractor = Extractor::new(&config).unwrap();
            let mut tensor = vec![f32::NAN; extractor.shape().iter().product()];
            let utterance = extractor.extract(&case.tensor("samples"), &mut tensor).unwrap();
            let frames = max_frames.min(case.frames());
            assert_eq!((utterance.frames, utterance.cut), (frames, case.frames() - frames));
            let channels = tensor.chunks_exact(config.n_mfcc * max_frames);
            for (channel, stage) in channels.zip(["mfcc", "delta", "delta_delta"]) {
                let expected = case.tensor(stage);
                for (row, expected) in
                    channel.chunks_exact(max_frames).zip(expected.chunks_exact(case.frames()))
                {
                    let error = largest_difference(&row[..frames], &expected[..frames]);
                    assert!(error <= TOLERANCE, "{}: {stage} of {max_frames} frames: {error}", case.name);
                }
            }
        }
    }
}

#[test]
fn the_front_ends_for_unseen_speakers_agree() {
    let presets = [
        ("log_mel", FeatureConfig::log_mel()),
        ("mfcc_mean_subtracted", FeatureConfig::mfcc_mean_subtracted()),
    ];
    for (name, preset) in presets {
        let case = Case::read(name);
        assert_eq!(case.config, preset);
        let mut extractor = Extractor::new(&preset).unwrap();
        let [channels, rows, max_frames] = extractor.shape();
        assert_eq!((channels, rows), (1, 40));
        let mut tensor = vec![f32::NAN; rows * max_frames];
        let utterance = extractor.extract(&case.tensor("samples"), &mut tensor).unwrap();
        let all = FrameLayout::new(&preset).count(case.tensor("samples").len()).unwrap();
        assert!(utterance.frames < all, "nothing was trimmed");
        let (real, padding): (Vec<_>, Vec<_>) =
            tensor.chunks_exact(max_frames).map(|row| row.split_at(utterance.frames)).unzip();
        case.assert_close("tensor", &real.concat());
        assert!(padding.concat().iter().all(|value| *value == 0.0));
    }
}
