//! The resampler's promises: flat in the speech band, no aliases, no delay, the exact length, no memory.

use std::f64::consts::TAU;

use ser_audio::{Resampler, resampled_len};

const TARGET: u32 = 16_000;

/// The rates that corpora come in.
const RATES: [u32; 6] = [24_414, 22_050, 44_100, 48_000, 96_000, 32_000];

fn tone(frequency: f64, rate: u32, length: usize) -> Vec<f32> {
    (0..length).map(|n| (TAU * frequency * n as f64 / f64::from(rate)).sin() as f32).collect()
}

fn resample(input: &[f32], from: u32, to: u32) -> Vec<f32> {
    let mut output = Vec::new();
    Resampler::new(from, to).unwrap().process(input, &mut output).unwrap();
    output
}

/// The middle half, away from the edges where the tone begins and ends.
fn middle(samples: &[f32]) -> (usize, &[f32]) {
    let quarter = samples.len() / 4;
    (quarter, &samples[quarter..samples.len() - quarter])
}

fn rms_db(samples: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = samples.fold((0.0, 0.0), |(sum, count), x| (sum + x * x, count + 1.0));
    10.0 * (sum / count).log10()
}

/// Level in dB of what comes out of a tone that swells and fades, relative to what went in. An abrupt beginning
/// would be heard at every frequency.
fn gain_db(frequency: f64, from: u32, to: u32) -> f64 {
    let length = from as usize;
    let swell = |n: usize| (TAU / 2.0 * n as f64 / length as f64).sin().powi(2);
    let tone = tone(frequency, from, length);
    let input: Vec<f32> = tone.iter().enumerate().map(|(n, &x)| (f64::from(x) * swell(n)) as f32).collect();
    let output = resample(&input, from, to);
    let level = |samples: &[f32]| rms_db(samples.iter().map(|&x| f64::from(x)));
    level(&output) - level(&input)
}

#[test]
fn the_pass_band_is_flat_within_a_hundredth_of_a_decibel_up_to_7800_hz() {
    for from in RATES {
        for frequency in [100.0, 440.0, 1_000.0, 3_400.0, 5_000.0, 7_000.0, 7_500.0, 7_800.0] {
            let gain = gain_db(frequency, from, TARGET);
            assert!(gain.abs() < 0.01, "{from} Hz: {gain:.4} dB at {frequency} Hz");
        }
    }
}

#[test]
fn tones_above_the_new_nyquist_frequency_are_down_by_100_db() {
    for from in RATES {
        let nyquist = f64::from(from) / 2.0;
        let above =
            [8_050.0, 8_200.0, 9_000.0, 10_500.0, 12_100.0, 14_000.0, 17_000.0, 20_000.0, 25_000.0, 40_000.0];
        for frequency in above.into_iter().filter(|&frequency| frequency < nyquist - 100.0) {
            let gain = gain_db(frequency, from, TARGET);
            assert!(gain < -100.0, "{from} Hz: {gain:.1} dB at {frequency} Hz");
        }
    }
}

#[test]
fn a_tone_comes_out_as_the_same_tone_in_the_same_place() {
    for from in RATES.into_iter().chain([8_000, 11_025, 16_001]) {
        for frequency in [233.0, 1_234.5, 3_456.7] {
            let output = resample(&tone(frequency, from, from as usize), from, TARGET);
            let (start, output) = middle(&output);
            let expected = |n: usize| (TAU * frequency * (start + n) as f64 / f64::from(TARGET)).sin();
            let error = rms_db(output.iter().enumerate().map(|(n, &x)| f64::from(x) - expected(n)));
            // A shift by a thousandth of a sample would show as -60 dB at 3,456.7 Hz.
            assert!(error < -100.0, "{from} Hz: {error:.1} dB at {frequency} Hz");
        }
    }
}

#[test]
fn nothing_is_imaged_when_the_rate_goes_up() {
    for from in [8_000, 11_025, 12_000] {
        let frequency = f64::from(from) / 2.0 - 500.0;
        let output = resample(&tone(frequency, from, from as usize), from, TARGET);
        let (start, output) = middle(&output);
        let expected = |n: usize| (TAU * frequency * (start + n) as f64 / f64::from(TARGET)).sin();
        let error = rms_db(output.iter().enumerate().map(|(n, &x)| f64::from(x) - expected(n)));
        assert!(error < -100.0, "{from} Hz: {error:.1} dB");
    }
}

#[test]
fn a_click_lands_on_its_instant_at_the_start_the_middle_and_the_end() {
    for from in RATES {
        let length = from as usize;
        for instant in [length / 200, length / 2, length - length / 200] {
            // A band-limited click: a Gaussian pulse of 0.3 ms.
            let width = 0.0003 * f64::from(from);
            let click: Vec<f32> = (0..length)
                .map(|n| (-0.5 * ((n as f64 - instant as f64) / width).powi(2)).exp() as f32)
                .collect();
            let output = resample(&click, from, TARGET);
            let (mut moment, mut mass) = (0.0, 0.0);
            for (n, &x) in output.iter().enumerate() {
                moment += n as f64 * f64::from(x) * f64::from(x);
                mass += f64::from(x) * f64::from(x);
            }
            let peak = (0..output.len()).max_by(|&a, &b| output[a].total_cmp(&output[b])).unwrap();
            let wanted = instant as f64 * f64::from(TARGET) / f64::from(from);
            assert!((peak as f64 - wanted).abs() <= 0.51, "{from} Hz: {peak} instead of {wanted}");
            let centre = moment / mass;
            assert!((centre - wanted).abs() < 0.001, "{from} Hz: {centre} instead of {wanted}");
        }
    }
}

#[test]
fn the_length_is_the_exact_ratio_rounded_up() {
    assert_eq!(resampled_len(24_414, 24_414, TARGET), 16_000);
    assert_eq!(resampled_len(24_415, 24_414, TARGET), 16_001);
    for from in [24_414, 44_100, 8_000, 767_999, 4_000] {
        let mut resampler = Resampler::new(from, TARGET).unwrap();
        let mut output = Vec::new();
        for length in [1usize, 2, 7, 1_000, 12_207, 12_208, 50_001] {
            resampler.process(&vec![0.5; length], &mut output).unwrap();
            let exact = (length as f64 * f64::from(TARGET) / f64::from(from)).ceil();
            assert_eq!(output.len() as f64, exact, "{length} samples at {from} Hz");
        }
        resampler.process(&[], &mut output).unwrap();
        assert!(output.is_empty());
    }
}

#[test]
fn nothing_of_one_clip_is_heard_in_the_next() {
    for from in RATES {
        let first: Vec<f32> = tone(700.0, from, 20_011).iter().map(|x| x * 1e6).collect();
        let second = tone(1_900.0, from, 33_333);
        let mut resampler = Resampler::new(from, TARGET).unwrap();
        let mut output = Vec::new();
        resampler.process(&first, &mut output).unwrap();
        resampler.process(&second, &mut output).unwrap();
        let alone = resample(&second, from, TARGET);
        assert!(output.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits()), "{from} Hz");
        assert_eq!(output.len(), alone.len());
    }
}

#[test]
fn equal_rates_change_nothing() {
    let clip = tone(5_000.0, TARGET, 12_345);
    assert_eq!(resample(&clip, TARGET, TARGET), clip);
}

#[test]
fn impossible_rates_are_refused() {
    for (from, to) in [(0, 16_000), (16_000, 0), (3_999, 16_000), (16_000, 768_001)] {
        let error = Resampler::new(from, to).unwrap_err();
        assert_eq!(error.kind(), ser_core::ErrorKind::Unsupported);
    }
    assert!(Resampler::new(4_000, 768_000).is_ok());
}
