//! Feature extraction: its configuration, and properties that hold for any input.

use proptest::prelude::*;
use ser_audio::LevelNormalisation;
use ser_core::{ErrorKind, Result};
use ser_features::{
    Extraction, Extractor, FeatureConfig, MelNorm, MelScale, PadMode, Representation, Window,
};

fn extract(config: &FeatureConfig, samples: &[f32]) -> Result<(Extraction, Vec<f32>)> {
    let mut extractor = Extractor::new(config)?;
    let mut tensor = vec![f32::NAN; extractor.shape().iter().product()];
    let utterance = extractor.extract(samples, &mut tensor)?;
    Ok((utterance, tensor))
}

fn tone(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (n as f32 * 0.3).sin() * 0.5 + (n as f32 * 1.7).sin() * 0.01).collect()
}

#[test]
fn every_default_is_the_documented_one() {
    let expected = FeatureConfig {
        sample_rate: 16_000,
        normalisation: LevelNormalisation::Peak,
        n_fft: 512,
        win_length: 512,
        hop_length: 256,
        window: Window::Hann,
        center: true,
        pad_mode: PadMode::Constant,
        n_mels: 64,
        f_min: 0.0,
        f_max: 8_000.0,
        mel_scale: MelScale::Slaney,
        mel_norm: MelNorm::Slaney,
        amin: 1e-10,
        top_db: Some(80.0),
        n_mfcc: 40,
        delta_width: 9,
        delta_order: 2,
        max_frames: 200,
        representation: Representation::MFCC,
        trim_top_db: None,
        mean_subtraction: false,
        encoder: None,
    };
    let config = FeatureConfig::default();
    assert_eq!(config, expected);
    assert_eq!(config.shape(), [3, 40, 200]);
    assert_eq!(config.warnings(), [""; 0]);
    config.validate().unwrap();
}

#[test]
fn the_librosa_preset_differs_in_its_frames_and_bands_alone() {
    let preset = FeatureConfig::librosa();
    preset.validate().unwrap();
    assert_eq!(preset.shape(), [3, 40, 200]);
    let differences = FeatureConfig::default().differences(&preset);
    let expected =
        ["hop_length: 256 and 512", "n_fft: 512 and 2048", "n_mels: 64 and 128", "win_length: 512 and 2048"];
    assert_eq!(differences, expected);
}

#[test]
fn the_canonical_text_never_changes() {
    let expected = concat!(
        r#"{"sample_rate":16000,"normalisation":"peak","n_fft":512,"win_length":512,"hop_length":256,"#,
        r#""window":"hann","center":true,"pad_mode":"constant","n_mels":64,"f_min":0.0,"f_max":8000.0,"#,
        r#""mel_scale":"slaney","mel_norm":"slaney","amin":1e-10,"top_db":80.0,"n_mfcc":40,"delta_width":9,"#,
        r#""delta_order":2,"max_frames":200}"#
    );
    assert_eq!(FeatureConfig::default().to_canonical_json(), expected);
    let other = FeatureConfig { f_min: -0.0, ..FeatureConfig::default() };
    assert_eq!(other.to_canonical_json(), expected, "minus zero is zero");
}

#[test]
fn a_configuration_survives_toml_and_json() {
    let odd = FeatureConfig {
        normalisation: LevelNormalisation::Rms,
        window: Window::Hamming,
        pad_mode: PadMode::Reflect,
        mel_scale: MelScale::Htk,
        mel_norm: MelNorm::None,
        top_db: None,
        f_max: 7_600.1,
        ..FeatureConfig::default()
    };
    for config in [FeatureConfig::default(), FeatureConfig::librosa(), odd] {
        assert_eq!(FeatureConfig::from_toml(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert_eq!(serde_json::from_str::<FeatureConfig>(&config.to_canonical_json()).unwrap(), config);
    }
}

#[test]
fn toml_may_give_any_part_and_whole_numbers() {
    let config =
        FeatureConfig::from_toml("# narrow band\nf_max = 4000\ntop_db = 60\nwindow = 'hamming'").unwrap();
    let expected = FeatureConfig {
        f_max: 4000.0,
        top_db: Some(60.0),
        window: Window::Hamming,
        ..FeatureConfig::default()
    };
    assert_eq!(config, expected);
    assert_eq!(FeatureConfig::from_toml("").unwrap(), FeatureConfig::default());
}

#[test]
fn mistakes_in_toml_are_named_with_their_line() {
    for (toml, expected) in [
        ("n_fft = 512\nn_mel = 64", "line 2: unknown field `n_mel`"),
        ("\n\nwindow = 'kaiser'", "line 3: unknown variant `kaiser`, expected `hann` or `hamming`"),
        ("n_fft = -1", "line 1: invalid value: integer `-1`"),
        ("top_db = 'all'", "line 1: invalid value: string \"all\", expected a number or \"none\""),
        ("n_fft = ", "feature configuration, line 1: "),
        ("f_max = nan", "f_max = NaN is not allowed"),
    ] {
        let error = FeatureConfig::from_toml(toml).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{toml}");
        assert!(error.to_string().contains(expected), "{toml}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn every_impossible_value_is_refused_with_what_is_possible() {
    for (toml, expected) in [
        ("sample_rate = 999", "sample_rate = 999 is not allowed; it must be 1,000 to 384,000 Hz"),
        ("n_fft = 1", "n_fft = 1 is not allowed; it must be 2 to 65,536 samples"),
        ("n_fft = 65537", "n_fft = 65537 is not allowed; it must be 2 to 65,536 samples"),
        ("n_fft = 400", "win_length = 512 is not allowed; it must be 1 to 400 samples, not more than n_fft"),
        ("win_length = 0", "win_length = 0 is not allowed; it must be 1 to 512 samples, not more than n_fft"),
        ("hop_length = 0", "hop_length = 0 is not allowed; it must be 1 to 65,536 samples"),
        ("n_mels = 1025", "n_mels = 1025 is not allowed; it must be 1 to 1,024 bands"),
        (
            "sample_rate = 8000",
            "f_max = 8000.0 is not allowed; it must be 1 to 4000 Hz, not above half of sample_rate",
        ),
        ("f_max = inf", "f_max = inf is not allowed; it must be 1 to 8000 Hz, not above half of sample_rate"),
        ("f_min = -1", "f_min = -1.0 is not allowed; it must be 0 to 7999 Hz, at least 1 Hz below f_max"),
        ("f_min = nan", "f_min = NaN is not allowed; it must be 0 to 7999 Hz, at least 1 Hz below f_max"),
        ("amin = 0.0", "amin = 0.0 is not allowed; it must be 1e-100 to 1e100"),
        ("top_db = 0", "top_db = 0.0 is not allowed; it must be above 0, to 10,000 dB, or \"none\""),
        ("n_mfcc = 65", "n_mfcc = 65 is not allowed; it must be 1 to 64, not more than n_mels"),
        ("delta_width = 8", "delta_width = 8 is not allowed; it must be an odd number of frames, 3 to 999"),
        ("delta_width = 1", "delta_width = 1 is not allowed; it must be an odd number of frames, 3 to 999"),
        ("delta_order = 3", "delta_order = 3 is not allowed; it must be 0, 1 (Δ) or 2 (Δ and ΔΔ)"),
        ("max_frames = 0", "max_frames = 0 is not allowed; it must be 1 to 1,000,000 frames"),
        (
            "max_frames = 200000",
            "max_frames = 200000 needs more than 64 MiB an utterance, with 3 channels of n_mfcc = 40 and n_mels = 64; \
             give at most 139810",
        ),
        (
            "f_min = 1001\nf_max = 1002",
            "no frequency bin of n_fft = 512 falls between f_min = 1001 and f_max = 1002 Hz; raise n_fft or widen the range",
        ),
    ] {
        let error = FeatureConfig::from_toml(toml).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn mel_bands_without_a_bin_are_warned_of_but_work() {
    let config = FeatureConfig { n_mels: 200, ..FeatureConfig::default() };
    let expected = "3 of n_mels = 200 mel bands (between 0 and 50) hold no frequency bin of n_fft = 512 and are the \
                    same in every clip; lower n_mels or raise n_fft";
    assert_eq!(config.warnings(), [expected]);
    let (_, tensor) = extract(&config, &tone(4_000)).unwrap();
    assert!(tensor.iter().all(|value| value.is_finite()));
}

#[test]
fn a_tensor_of_the_wrong_size_is_refused() {
    let mut extractor = Extractor::new(&FeatureConfig::default()).unwrap();
    let error = extractor.extract(&tone(100), &mut [0.0; 7]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert_eq!(error.to_string(), "a tensor [3, 40, 200] cannot have 7 values");
}

#[test]
fn samples_that_cannot_be_used_are_refused() {
    let config = FeatureConfig::default();
    let error = extract(&config, &[]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unusable, "holds no samples"));
    for (bad, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut samples = tone(1_000);
        samples[700] = bad;
        let error = extract(&config, &samples).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(
            error.to_string().starts_with(&format!("sample 700 is {name}, not a finite number")),
            "{error}"
        );
    }
}

#[test]
fn one_sample_silence_denormals_and_the_loudest_floats_give_finite_numbers() {
    let loudest = |n: usize| if n.is_multiple_of(3) { f32::MAX } else { f32::MIN };
    for samples in [
        vec![0.5],
        vec![0.0; 3_000],
        vec![f32::from_bits(1); 3_000],
        vec![f32::MAX; 3_000],
        (0..3_000).map(loudest).collect(),
    ] {
        for top_db in [Some(80.0), None] {
            let config = FeatureConfig { top_db, ..FeatureConfig::default() };
            let (utterance, tensor) = extract(&config, &samples).unwrap();
            assert_eq!(utterance.frames, 1 + samples.len() / 256);
            assert!(tensor.iter().all(|value| value.is_finite()), "{:?}…", &samples[..1]);
        }
    }
}

#[test]
fn silence_is_amin_in_every_band_and_does_not_move() {
    let (utterance, tensor) = extract(&FeatureConfig::default(), &[0.0; 8_000]).unwrap();
    for (row, values) in tensor.chunks_exact(200).enumerate() {
        // −100 dB in 64 bands: the first coefficient is −100·√64, all else 0.
        let expected = if row == 0 { -800.0 } else { 0.0 };
        assert!(values[..utterance.frames].iter().all(|value| (value - expected).abs() < 1e-3), "row {row}");
    }
}

#[test]
fn an_extractor_gives_the_same_bits_whatever_it_did_before() {
    let mut used = Extractor::new(&FeatureConfig::default()).unwrap();
    let mut tensor = vec![f32::NAN; used.shape().iter().product()];
    for samples in [70_000, 1, 32_000, 600, 51_200] {
        let samples = tone(samples);
        let utterance = used.extract(&samples, &mut tensor).unwrap();
        let (fresh_utterance, fresh) = extract(&FeatureConfig::default(), &samples).unwrap();
        assert_eq!(utterance, fresh_utterance);
        assert!(
            tensor.iter().zip(&fresh).all(|(a, b)| a.to_bits() == b.to_bits()),
            "{} samples",
            samples.len()
        );
    }
}

#[test]
fn the_loudest_moment_counts_even_where_it_is_cut_off() {
    let config = FeatureConfig { max_frames: 10, ..FeatureConfig::default() };
    let mut samples: Vec<f32> = tone(32_000).iter().map(|sample| sample * 1e-5).collect();
    let (_, quiet) = extract(&config, &samples).unwrap();
    samples[31_000..].fill(1.0);
    let (utterance, with_bang) = extract(&config, &samples).unwrap();
    assert_eq!(utterance, Extraction { frames: 10, cut: 116 });
    // A bang 100 dB above lifts the floor over everything that is kept: each frame becomes the same constant.
    assert!(with_bang[0] > quiet[0]);
    assert!(with_bang[200 * 3..].iter().chain(&with_bang[10..20]).all(|value| value.abs() < 1e-3));
}

#[test]
fn an_extractor_can_be_moved_to_another_thread() {
    let extractor = Extractor::new(&FeatureConfig::default()).unwrap();
    let mut copy = extractor.clone();
    let on_thread = std::thread::spawn(move || {
        let mut tensor = vec![0.0; 24_000];
        copy.extract(&tone(9_000), &mut tensor).unwrap();
        tensor
    });
    assert_eq!(on_thread.join().unwrap(), extract(extractor.config(), &tone(9_000)).unwrap().1);
}

/// Any configuration within the bounds, kept small enough to be quick.
fn any_config() -> impl Strategy<Value = FeatureConfig> {
    let transform = (2_usize..700).prop_flat_map(|n_fft| (Just(n_fft), 1..=n_fft, 1_usize..600));
    let cepstrum = (1_usize..60).prop_flat_map(|n_mels| (Just(n_mels), 1..=n_mels));
    let range = (0.0..3_000.0_f64, 1.0..5_000.0_f64);
    let shapes = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let rest = (prop::option::of(1e-3..200.0_f64), -100.0..3.0_f64, 1_usize..12, 0_usize..=2, 1_usize..60);
    (transform, cepstrum, range, shapes, rest).prop_map(|(transform, cepstrum, range, shapes, rest)| {
        FeatureConfig {
            n_fft: transform.0,
            win_length: transform.1,
            hop_length: transform.2,
            window: if shapes.0 { Window::Hann } else { Window::Hamming },
            center: shapes.1,
            pad_mode: if shapes.2 { PadMode::Constant } else { PadMode::Reflect },
            n_mels: cepstrum.0,
            n_mfcc: cepstrum.1,
            f_min: range.0,
            f_max: range.0 + range.1,
            mel_scale: if shapes.3 { MelScale::Slaney } else { MelScale::Htk },
            mel_norm: if shapes.4 { MelNorm::Slaney } else { MelNorm::None },
            top_db: rest.0,
            amin: 10.0_f64.powf(rest.1),
            delta_width: 2 * rest.2 + 1,
            delta_order: rest.3,
            max_frames: rest.4,
            ..FeatureConfig::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_configuration_gives_finite_features_and_exact_zeros_after_them(
        config in any_config(),
        samples in prop::collection::vec(any::<f32>().prop_filter("finite", |sample| sample.is_finite()), 1..3_000),
    ) {
        let count = match Extractor::new(&config) {
            Ok(_) => if config.center { samples.len() + 2 * (config.n_fft / 2) } else { samples.len() },
            Err(error) => {
                prop_assert!(error.to_string().starts_with("no frequency bin"), "{error}");
                return Ok(());
            }
        };
        match extract(&config, &samples) {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Unusable);
                prop_assert!(count < config.n_fft);
            }
            Ok((utterance, tensor)) => {
                let frames = 1 + (count - config.n_fft) / config.hop_length;
                prop_assert_eq!(utterance.frames + utterance.cut, frames);
                prop_assert_eq!(utterance.frames, frames.min(config.max_frames));
                for row in tensor.chunks_exact(config.max_frames) {
                    let (real, padding) = row.split_at(utterance.frames);
                    prop_assert!(real.iter().all(|value| value.is_finite()));
                    prop_assert!(padding.iter().all(|value| value.to_bits() == 0));
                }
            }
        }
    }

    #[test]
    fn any_configuration_is_either_valid_or_refused(
        sizes in prop::array::uniform8(0_usize..100_000),
        frequencies in prop::array::uniform4(any::<f64>()),
        sample_rate in any::<u32>(),
    ) {
        let config = FeatureConfig {
            sample_rate,
            n_fft: sizes[0], win_length: sizes[1], hop_length: sizes[2], n_mels: sizes[3] % 2_000,
            n_mfcc: sizes[4] % 2_000, delta_width: sizes[5] % 2_000, delta_order: sizes[6] % 4,
            max_frames: sizes[7],
            f_min: frequencies[0], f_max: frequencies[1], amin: frequencies[2], top_db: Some(frequencies[3]),
            ..FeatureConfig::default()
        };
        let _ = config.warnings();
        prop_assert_eq!(config.validate().is_ok(), Extractor::new(&config).is_ok());
    }

    #[test]
    fn a_gain_moves_only_the_first_coefficient(gain_db in -40.0..40.0_f32, seed in 0_u32..1_000) {
        // Loud and broad enough that neither amin nor top_db touches it.
        let mut state = seed;
        let noise: Vec<f32> = (0..8_000).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        }).collect();
        let gain = 10.0_f32.powf(gain_db / 20.0);
        let louder: Vec<f32> = noise.iter().map(|sample| sample * gain).collect();
        let (utterance, before) = extract(&FeatureConfig::default(), &noise).unwrap();
        let (_, after) = extract(&FeatureConfig::default(), &louder).unwrap();
        for (row, (before, after)) in before.chunks_exact(200).zip(after.chunks_exact(200)).enumerate() {
            // A gain adds the same dB to all 64 bands, which is all in the first, orthonormal, coefficient.
            let expected = if row == 0 { gain_db * 8.0 } else { 0.0 };
            for (before, after) in before[..utterance.frames].iter().zip(after) {
                prop_assert!((after - before - expected).abs() < 2e-3, "row {}: {} to {}", row, before, after);
            }
        }
    }

    #[test]
    fn silence_around_a_clip_of_whole_hops_only_shifts_its_mfcc(hops in 1_usize..20) {
        let clip = tone(6_000);
        let mut delayed = vec![0.0; 256 * hops];
        delayed.extend_from_slice(&clip);
        let (utterance, tensor) = extract(&FeatureConfig::default(), &clip).unwrap();
        let (_, shifted) = extract(&FeatureConfig::default(), &delayed).unwrap();
        for (row, shifted) in tensor.chunks_exact(200).zip(shifted.chunks_exact(200)).take(40) {
            prop_assert_eq!(&row[..utterance.frames], &shifted[hops..hops + utterance.frames]);
        }
    }
}
