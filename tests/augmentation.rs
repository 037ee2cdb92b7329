//! What each augmentation does physically, measured by methods that share nothing with how it is done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use ser::augmentation::{Applied, Augmenter, Recipe, Step};
use ser::random::Random;
use ser::synth::{Emotion, utterance};

const RATE: u32 = 16_000;

fn augmented(recipe: &str, samples: &[f32], seed: &str) -> (Vec<f32>, Applied) {
    let recipe = Recipe::from_toml(recipe).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let mut out = Vec::new();
    let mut random = Random::new(&["augmentation test", seed]);
    let applied = augmenter.augment(samples, &mut random, &mut |_| None, &mut out).unwrap();
    (out, applied)
}

fn step(text: &str) -> String {
    format!("[[waveform]]\n{text}\n")
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64
}

fn db(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// A vowel of `seconds` at a steady `f0`: pulses through resonators at `formants`.
fn vowel(f0: f64, formants: &[f64], seconds: f64) -> Vec<f32> {
    let rate = f64::from(RATE);
    let mut phase = 0.0;
    let mut signal: Vec<f64> = (0..(seconds * rate) as usize)
        .map(|_| {
            phase += f0 / rate;
            // Band-limited enough: a pulse is shared between the two samples it falls between.
            if phase >= 1.0 {
                phase -= 1.0;
                1.0 - phase * rate / f0 * 0.5
            } else if phase + f0 / rate >= 1.0 {
                0.5 * (1.0 - (1.0 - phase) * rate / f0)
            } else {
                0.0
            }
        })
        .collect();
    for &formant in formants {
        let radius = (-PI * (50.0 + 0.04 * formant) / rate).exp();
        let (b, c) = (2.0 * radius * (TAU * formant / rate).cos(), -radius * radius);
        let (mut last, mut before) = (0.0, 0.0);
        for x in &mut signal {
            let y = (1.0 - b - c) * *x + b * last + c * before;
            (before, last) = (last, y);
            *x = y;
        }
    }
    let peak = signal.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()));
    signal.iter().map(|x| (0.9 * x / peak) as f32).collect()
}

const AH: [f64; 4] = [700.0, 1220.0, 2600.0, 3500.0];

/// F0 of a stretch of speech by the first high peak of its normalised autocorrelation.
fn f0(samples: &[f32]) -> Option<f64> {
    let rate = f64::from(RATE);
    let score = |lag: usize| {
        let (a, b) = (&samples[..samples.len() - lag], &samples[lag..]);
        let dot: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let energy = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        dot / (energy(a) * energy(b)).sqrt().max(1e-12)
    };
    let (shortest, longest) = ((rate / 700.0) as usize, (rate / 60.0) as usize);
    let scores: Vec<f64> = (shortest - 1..=longest + 1).map(score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    if best < 0.5 {
        return None;
    }
    let peak = (1..scores.len() - 1)
        .find(|&n| scores[n] > 0.9 * best && scores[n] >= scores[n - 1] && scores[n] >= scores[n + 1])?;
    let [low, middle, high] = [scores[peak - 1], scores[peak], scores[peak + 1]];
    let offset = 0.5 * (low - high) / (low - 2.0 * middle + high);
    Some(rate / ((peak + shortest - 1) as f64 + offset))
}

/// Frequencies of the highest peaks of a smooth spectrum from linear prediction (autocorrelation method), in order.
fn formants(samples: &[f32], order: usize, count: usize) -> Vec<f64> {
    let emphasised: Vec<f64> = samples.windows(2).map(|w| f64::from(w[1]) - 0.9 * f64::from(w[0])).collect();
    let n = emphasised.len() as f64;
    let windowed: Vec<f64> =
        emphasised.iter().enumerate().map(|(i, x)| x * (0.5 - 0.5 * (TAU * i as f64 / n).cos())).collect();
    let r: Vec<f64> =
        (0..=order).map(|lag| windowed.iter().zip(&windowed[lag..]).map(|(a, b)| a * b).sum()).collect();
    let mut a = vec![1.0];
    let mut error = r[0] * 1.000_001;
    for i in 1..=order {
        let k = -(0..i).map(|j| a[j] * r[i - j]).sum::<f64>() / error;
        a.push(0.0);
        let old = a.clone();
        for j in 1..=i {
            a[j] = old[j] + k * old[i - j];
        }
        error *= 1.0 - k * k;
    }
    let gain = |hz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (k, a) in a.iter().enumerate() {
            let angle = TAU * hz * k as f64 / f64::from(RATE);
            re += a * angle.cos();
            im -= a * angle.sin();
        }
        1.0 / (re * re + im * im)
    };
    let grid: Vec<f64> = (0..1600).map(|n| gain(5.0 * f64::from(n))).collect();
    (1..grid.len() - 1)
        .filter(|&n| grid[n] > grid[n - 1] && grid[n] > grid[n + 1])
        .map(|n| 5.0 * n as f64)
        .filter(|&hz| hz > 200.0)
        .take(count)
        .collect()
}

/// Power at `hz` by the definition of the Fourier transform under a Hann window.
fn tone_power(samples: &[f32], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &x) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * n as f64 / samples.len() as f64).cos();
        let angle = TAU * hz * n as f64 / f64::from(RATE);
        re += window * f64::from(x) * angle.cos();
        im += window * f64::from(x) * angle.sin();
    }
    (re * re + im * im) / samples.len() as f64
}

fn middle(samples: &[f32]) -> &[f32] {
    &samples[samples.len() / 4..samples.len() * 3 / 4]
}

#[test]
fn a_pitch_shift_moves_f0_by_its_semitones_and_leaves_the_duration() {
    for base in [95.0, 180.0, 260.0] {
        let original = vowel(base, &AH, 1.2);
        assert!((f0(middle(&original)).unwrap() / base - 1.0).abs() < 0.01);
        for semitones in [-12.0, -5.0, -2.5, 1.0, 5.0, 9.0] {
            for mode in ["keep", "move"] {
                let recipe =
                    step(&format!("kind = 'pitch-shift'\nsemitones = {semitones:?}\nformants = '{mode}'"));
                let (shifted, _) = augmented(&recipe, &original, "1");
                assert_eq!(shifted.len(), original.len());
                let expected = base * (semitones / 12.0_f64).exp2();
                if !(62.0..500.0).contains(&expected) {
                    continue;
                }
                for part in middle(&shifted).chunks_exact(2400) {
                    let found = f0(part).unwrap();
                    assert!((found / expected - 1.0).abs() < 0.03, "{base} {semitones} {mode}: {found}");
                }
            }
        }
    }
}

#[test]
fn a_pitch_shift_of_speech_moves_f0_frame_by_frame() {
    let original = utterance("YAF", "moon", Emotion::Neutral, 3, RATE).unwrap();
    for semitones in [-5.0, 4.0_f64] {
        let (shifted, _) =
            augmented(&step(&format!("kind = 'pitch-shift'\nsemitones = {semitones:?}")), &original, "1");
        let ratios: Vec<f64> = original
            .chunks_exact(800)
            .zip(shifted.chunks_exact(800))
            .filter(|(a, _)| power(a) > 0.1 * power(&original))
            .filter_map(|(a, b)| Some(f0(b)? / f0(a)?))
            .collect();
        let mut sorted = ratios.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        assert!(ratios.len() > 8, "{ratios:?}");
        assert!((median / (semitones / 12.0).exp2() - 1.0).abs() < 0.03, "{semitones}: {ratios:?}");
    }
}

#[test]
fn a_pitch_shift_keeps_or_moves_the_formants_as_told() {
    let original = vowel(110.0, &AH, 1.0);
    let before = formants(middle(&original), 20, 4);
    for (found, expected) in before.iter().zip(AH) {
        assert!((found / expected - 1.0).abs() < 0.06, "{before:?}");
    }
    for semitones in [-5.0, -3.0, 3.0, 5.0_f64] {
        let ratio = (semitones / 12.0).exp2();
        let recipe = |mode: &str| {
            step(&format!("kind = 'pitch-shift'\nsemitones = {semitones:?}\nformants = '{mode}'"))
        };
        let kept = formants(middle(&augmented(&recipe("keep"), &original, "1").0), 20, 3);
        let moved = formants(middle(&augmented(&recipe("move"), &original, "1").0), 20, 3);
        for (n, before) in before.iter().take(3).enumerate() {
            println!(
                "{semitones} F{} {before} kept {} moved {}",
                n + 1,
                kept[n] / before,
                moved[n] / before / ratio
            );
            assert!((kept[n] / before - 1.0).abs() < 0.06, "{semitones} keep: {before:?} {kept:?}");
            assert!((moved[n] / before / ratio - 1.0).abs() < 0.06, "{semitones} move: {before:?} {moved:?}");
        }
    }
}

#[test]
fn a_formant_warp_moves_formants_by_its_factor_and_leaves_f0_and_duration() {
    let original = vowel(110.0, &AH, 1.0);
    let before = formants(middle(&original), 20, 3);
    for factor in [0.82, 0.9, 1.1, 1.22] {
        let (warped, applied) =
            augmented(&step(&format!("kind = 'vtlp'\nfactor = {factor}")), &original, "1");
        assert_eq!(warped.len(), original.len());
        assert!(
            matches!(applied.steps[..], [Step::Vtlp { factor: drawn }] if (drawn - factor).abs() < 1e-12)
        );
        let found = f0(middle(&warped)).unwrap();
        assert!((found / 110.0 - 1.0).abs() < 0.01, "{found}");
        let after = formants(middle(&warped), 20, 3);
        println!("{factor}: {:?}", after.iter().zip(&before).map(|(a, b)| a / b).collect::<Vec<_>>());
        for (after, before) in after.iter().zip(&before) {
            assert!((after / before / factor - 1.0).abs() < 0.06, "× {factor}: {after} from {before}");
        }
    }
}

#[test]
fn a_time_stretch_changes_the_duration_and_leaves_f0_and_formants() {
    for base in [90.0, 150.0, 280.0] {
        let original = vowel(base, &AH, 1.0);
        for factor in [0.5, 0.74, 1.0, 1.35, 2.0] {
            let (stretched, _) =
                augmented(&step(&format!("kind = 'time-stretch'\nfactor = {factor:?}")), &original, "1");
            assert_eq!(stretched.len(), (original.len() as f64 * factor).round() as usize);
            let found = f0(middle(&stretched)).unwrap();
            assert!((found / base - 1.0).abs() < 0.01, "{base} × {factor}: {found}");
            let level = db(power(middle(&stretched)) / power(middle(&original)));
            assert!(level.abs() < 1.0, "{base} × {factor}: {level} dB");
        }
    }
    // What happens in the original happens at the stretched time.
    let mut bursts = vec![0.0_f32; 16_000];
    bursts[8_000..8_800].copy_from_slice(&vowel(200.0, &AH, 0.05));
    let (stretched, _) = augmented(&step("kind = 'time-stretch'\nfactor = 1.3"), &bursts, "1");
    let centre = |samples: &[f32]| {
        let energy = |(n, x): (usize, &f32)| n as f64 * f64::from(*x).powi(2);
        samples.iter().enumerate().map(energy).sum::<f64>() / (power(samples) * samples.len() as f64)
    };
    assert!((centre(&stretched) - 1.3 * centre(&bursts)).abs() < 256.0);
}

#[test]
fn a_pass_that_changes_nothing_gives_the_samples_back() {
    let original = utterance("OAF", "moon", Emotion::Happy, 0, RATE).unwrap();
    for nothing in [
        "kind = 'time-stretch'\nfactor = 1",
        "kind = 'vtlp'\nfactor = 1",
        "kind = 'equaliser'\ndeviation_db = 0",
    ] {
        let (same, _) = augmented(&step(nothing), &original, "1");
        let error: Vec<f32> = same.iter().zip(&original).map(|(a, b)| a - b).collect();
        assert!(db(power(&error) / power(&original)) < -100.0, "{nothing}");
    }
}

#[test]
fn noise_hits_its_ratio() {
    let original = utterance("OAF", "moon", Emotion::Sad, 1, RATE).unwrap();
    for sound in ["colour = 'white'", "colour = 'pink'", "colour = 'brown'", "slope_db_per_octave = [-9, 6]"]
    {
        for snr in [-5.0, 10.0, 40.0] {
            let (noisy, _) =
                augmented(&step(&format!("kind = 'noise'\n{sound}\nsnr_db = {snr:?}")), &original, "2");
            let noise: Vec<f32> = noisy.iter().zip(&original).map(|(a, b)| a - b).collect();
            let found = db(power(&original) / power(&noise));
            assert!((found - snr).abs() < 0.2, "{sound} at {snr}: {found}");
            let halves = noise.split_at(noise.len() / 2);
            assert!(db(power(halves.0) / power(halves.1)).abs() < 3.0, "{sound} is louder at one end");
        }
    }
}

#[test]
fn babble_hits_its_ratio_and_is_made_of_what_it_is_given() {
    let original = vowel(120.0, &AH, 2.0);
    let other: Vec<f32> = (0..5000).map(|n| (TAU * 0.11 * f64::from(n)).sin() as f32 * 0.01).collect();
    let recipe =
        Recipe::from_toml(&step("kind = 'noise'\ncolour = 'babble'\ntalkers = 3\nsnr_db = 6")).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let (mut out, mut asked) = (Vec::new(), 0);
    let mut random = Random::new(&["test"]);
    let applied = augmenter
        .augment(
            &original,
            &mut random,
            &mut |_| {
                asked += 1;
                Some(other.clone())
            },
            &mut out,
        )
        .unwrap();
    assert_eq!(asked, 3);
    assert!(matches!(applied.steps[..], [Step::Babble { talkers: 3, .. }]));
    let noise: Vec<f32> = out.iter().zip(&original).map(|(a, b)| a - b).collect();
    assert!((db(power(&original) / power(&noise)) - 6.0).abs() < 0.2);
    assert!(tone_power(&noise, 0.11 * 16_000.0) > 100.0 * tone_power(&noise, 3000.0));
    let applied = augmenter.augment(&original, &mut random, &mut |_| None, &mut out).unwrap();
    assert!(matches!(applied.steps[..], [Step::Babble { talkers: 0, .. }]));
    assert_eq!(out, original);
}

#[test]
fn coloured_noise_falls_by_its_slope() {
    let silence_with_a_click: Vec<f32> = (0..160_000).map(|n| if n == 80_000 { 1.0 } else { 0.0 }).collect();
    for (sound, slope) in [
        ("colour = 'white'", 0.0),
        ("colour = 'pink'", -3.01),
        ("colour = 'brown'", -6.02),
        ("slope_db_per_octave = 4.5", 4.5),
    ] {
        let recipe = step(&format!("kind = 'noise'\n{sound}\nsnr_db = -40"));
        let (noise, _) = augmented(&recipe, &silence_with_a_click, "3");
        // Mean power over many frames at frequencies an octave apart.
        let density = |hz: f64| -> f64 {
            noise
                .chunks_exact(1024)
                .map(|frame| [0.97, 1.0, 1.03].iter().map(|part| tone_power(frame, hz * part)).sum::<f64>())
                .sum()
        };
        let levels: Vec<f64> = [250.0, 500.0, 1000.0, 2000.0, 4000.0].map(|hz| db(density(hz))).to_vec();
        let found = (levels[4] - levels[0]) / 4.0;
        assert!((found - slope).abs() < 0.35, "{sound}: {found} dB per octave, {levels:?}");
    }
}

#[test]
fn the_floor_lies_where_it_is_put_under_the_loudest_place() {
    // A band of 100 Hz at a density that is known: many tones of equal power, 10 Hz apart, from 950 to 1,050 Hz.
    let tones: Vec<f32> = (0..32_000)
        .map(|n| {
            let t = f64::from(n) / f64::from(RATE);
            (0..11).map(|k| (TAU * (950.0 + 10.0 * f64::from(k)) * t + f64::from(k * k)).sin()).sum::<f64>()
                as f32
                * 0.05
        })
        .collect();
    let (noisy, _) = augmented(&step("kind = 'noise'\ncolour = 'white'\nfloor_db = 30"), &tones, "1");
    let noise: Vec<f32> = noisy.iter().zip(&tones).map(|(a, b)| a - b).collect();
    // The loudest 32 ms and 100 Hz of it, by the definition of the Fourier transform.
    let mut loudest = 0.0_f64;
    for start in (0..tones.len() - 512).step_by(128) {
        let frame = &tones[start..start + 512];
        for bin in 26..38 {
            let mean = (0..3).map(|k| tone_power(frame, 31.25 * f64::from(bin + k))).sum::<f64>() / 3.0;
            loudest = loudest.max(mean);
        }
    }
    let level: f64 = noise
        .chunks_exact(512)
        .map(|frame| {
            (64..192).step_by(8).map(|bin| tone_power(frame, 31.25 * f64::from(bin))).sum::<f64>() / 16.0
        })
        .sum::<f64>()
        / (noise.len() / 512) as f64;
    let floor = db(loudest / level);
    assert!((floor - 30.0).abs() < 1.5, "{floor}");
}

#[test]
fn gain_is_exact() {
    let original = utterance("OAF", "moon", Emotion::Sad, 1, RATE).unwrap();
    for gain in [-60.0, -6.0, 0.0, 3.5, 60.0_f64] {
        let (changed, _) = augmented(&step(&format!("kind = 'gain'\ndb = {gain:?}")), &original, "1");
        let factor = 10.0_f64.powf(gain / 20.0);
        for (after, before) in changed.iter().zip(&original) {
            assert!(
                (f64::from(*after) - f64::from(*before) * factor).abs()
                    <= 1e-6 * f64::from(before.abs()) * factor
            );
        }
    }
}

#[test]
fn an_equaliser_has_the_response_it_drew() {
    // Noise, so that every frequency is there.
    let mut random = Random::new(&["noise"]);
    let original: Vec<f32> = (0..64_000).map(|_| random.symmetric() as f32).collect();
    let (changed, applied) =
        augmented(&step("kind = 'equaliser'\nnodes = 5\ndeviation_db = 6"), &original, "4");
    let [Step::Equaliser { gains_db }] = &applied.steps[..] else { panic!("{applied:?}") };
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let hz = |mel: f64| 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0);
    let density = |samples: &[f32], hz: f64| -> f64 {
        samples
            .chunks_exact(1024)
            .map(|frame| [-16.0, 0.0, 16.0].iter().map(|d| tone_power(frame, hz + d)).sum::<f64>())
            .sum()
    };
    for (node, gain) in gains_db.iter().enumerate().take(4).skip(1) {
        let frequency = hz(mel(8000.0) * node as f64 / 4.0);
        let found = db(density(&changed, frequency) / density(&original, frequency));
        assert!((found - gain).abs() < 1.0, "node {node} at {frequency} Hz: {found}, drew {gain}");
    }
}

#[test]
fn reverberation_decays_in_its_time() {
    let mut click = vec![0.0_f32; 32_000];
    click[0] = 1.0;
    for (rt60, direct) in [(0.2, 0.0), (0.6, 6.0), (1.2, -6.0)] {
        let recipe = step(&format!(
            "kind = 'reverberation'\nrt60_s = {rt60:?}\ndirect_to_reverberant_db = {direct:?}"
        ));
        let (response, _) = augmented(&recipe, &click, "5");
        assert!((response[0] - 1.0).abs() < 1e-5);
        let room: f64 = response[1..].iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((db(1.0 / room) - direct).abs() < 0.2, "{}", db(1.0 / room));
        // Schroeder's backward integration, from −5 to −25 dB.
        let mut left = 0.0;
        let mut decay: Vec<f64> = response[1..]
            .iter()
            .rev()
            .map(|&x| {
                left += f64::from(x).powi(2);
                left
            })
            .collect();
        decay.reverse();
        let at = |level: f64| decay.iter().position(|&e| db(e / decay[0]) < level).unwrap() as f64;
        let found = 3.0 * (at(-25.0) - at(-5.0)) / f64::from(RATE);
        assert!((found / rt60 - 1.0).abs() < 0.1, "{rt60}: {found}");
    }
}

#[test]
fn clipping_flattens_what_passes_its_threshold() {
    let original = vowel(120.0, &AH, 0.5);
    let peak = original.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    let (clipped, _) = augmented(&step("kind = 'clipping'\nthreshold_db = -12"), &original, "1");
    let threshold = f64::from(peak) * 10.0_f64.powf(-12.0 / 20.0);
    let found = clipped.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    assert!((f64::from(found) / threshold - 1.0).abs() < 1e-6);
    for (after, before) in clipped.iter().zip(&original) {
        assert!(after == before || (after.abs() == found && before.abs() > found));
    }
}

#[test]
fn a_telephone_passes_its_band_alone() {
    let gain = |hz: f64, mu_law: bool| {
        let tone: Vec<f32> = (0..16_000).map(|n| (TAU * hz * f64::from(n) / 16_000.0).sin() as f32).collect();
        let (heard, _) = augmented(&step(&format!("kind = 'telephone'\nmu_law = {mu_law}")), &tone, "1");
        db(power(middle(&heard)) / power(middle(&tone)))
    };
    for (hz, expected) in [(600.0, 0.0), (1000.0, 0.0), (3000.0, 0.0), (300.0, -3.01), (3400.0, -3.01)] {
        assert!((gain(hz, false) - expected).abs() < 0.6, "{hz} Hz: {}", gain(hz, false));
        assert!((gain(hz, true) - expected).abs() < 0.7, "{hz} Hz with μ-law: {}", gain(hz, true));
    }
    for hz in [75.0, 5000.0, 7000.0] {
        assert!(gain(hz, false) < -25.0, "{hz} Hz: {}", gain(hz, false));
    }
    // The error of 8-bit μ-law lies about 37 dB under the signal.
    let speech = utterance("OAF", "moon", Emotion::Sad, 1, RATE).unwrap();
    let (plain, _) = augmented(&step("kind = 'telephone'"), &speech, "1");
    let (coded, _) = augmented(&step("kind = 'telephone'\nmu_law = true"), &speech, "1");
    let error: Vec<f32> = plain.iter().zip(&coded).map(|(a, b)| a - b).collect();
    let ratio = db(power(&plain) / power(&error));
    assert!((30.0..42.0).contains(&ratio), "{ratio}");
}

const EVERYTHING: &str = include_str!("../recipes/augmentation.toml");

#[test]
fn the_recipe_that_is_shipped_does_what_it_says() {
    let recipe = Recipe::from_toml(EVERYTHING).unwrap();
    let kinds: Vec<&str> = recipe.waveform.iter().map(|entry| entry.waveform.kind()).collect();
    assert_eq!(kinds, ["pitch-shift", "vtlp", "time-stretch", "equaliser", "noise"]);
    let original = utterance("OAF", "moon", Emotion::Happy, 1, RATE).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let (mut out, mut noisy) = (Vec::new(), 0);
    let mut random = Random::new(&["test"]);
    for _ in 0..40 {
        let applied = augmenter.augment(&original, &mut random, &mut |_| None, &mut out).unwrap();
        let Step::TimeStretch { factor } = applied.steps[2] else { panic!("{applied}") };
        assert_eq!(out.len(), (original.len() as f64 * factor).round() as usize);
        assert!(out.iter().all(|x| x.is_finite() && x.abs() < 100.0), "{applied}");
        noisy += usize::from(applied.steps.len() == 5);
    }
    assert!((10..30).contains(&noisy), "{noisy}");
}

#[test]
fn draws_depend_on_the_recipe_and_the_seed_alone() {
    let recipe = Recipe::from_toml(EVERYTHING).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let mut out = Vec::new();
    let (mut one, mut other) = (Random::new(&["test", "7"]), Random::new(&["test", "7"]));
    let speech = utterance("OAF", "moon", Emotion::Happy, 1, RATE).unwrap();
    for length in [1, 17, 5_000, speech.len()] {
        let first = augmenter.augment(&speech[..length], &mut one, &mut |_| None, &mut out).unwrap();
        let second = augmenter.augment(&speech, &mut other, &mut |_| None, &mut out).unwrap();
        assert_eq!(first, second);
    }
    assert_eq!(one.below(1 << 40), other.below(1 << 40));
    // The first draws of a purpose never change: caches and runs of earlier versions rely on them.
    let mut random = Random::new(&["pinned", "1"]);
    let applied = augmenter.augment(&speech, &mut random, &mut |_| None, &mut out).unwrap();
    assert_eq!(applied.to_string(), PINNED);
}
const PINNED: &str = "pitch-shift +1.05 semitones, formants kept, vtlp × 0.862, time-stretch × 0.870, \
                      equaliser -4.0 -1.1 +1.2 -2.3 +1.1 dB";

#[test]
fn an_utterance_is_the_same_on_every_thread_and_after_any_other() {
    let recipe = Recipe::from_toml(EVERYTHING).unwrap();
    let speech = utterance("YAF", "moon", Emotion::Fear, 1, RATE).unwrap();
    let once = || {
        let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
        let mut out = Vec::new();
        augmenter.augment(&speech, &mut Random::new(&["x", "3"]), &mut |_| None, &mut out).unwrap();
        out
    };
    let expected = once();
    let threads: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(once)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(threads.iter().all(|out| *out == expected));
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let mut out = Vec::new();
    for seed in ["1", "2", "3"] {
        augmenter.augment(&speech, &mut Random::new(&["x", seed]), &mut |_| None, &mut out).unwrap();
    }
    assert_eq!(out, expected);
}

#[test]
fn samples_that_cannot_be_augmented_are_refused_and_odd_ones_are_not() {
    let recipe = Recipe::from_toml(EVERYTHING).unwrap();
    let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
    let mut out = Vec::new();
    let mut random = Random::new(&["test"]);
    for bad in [&[][..], &[f32::NAN], &[0.0, f32::INFINITY]] {
        assert!(augmenter.augment(bad, &mut random, &mut |_| None, &mut out).is_err());
    }
    for odd in [vec![0.0; 4000], vec![1.0], vec![1e-44; 3000], vec![f32::MAX; 3000], vec![-1.0; 2]] {
        for _ in 0..4 {
            augmenter.augment(&odd, &mut random, &mut |_| None, &mut out).unwrap();
            assert!(!out.is_empty() && out.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
#[ignore = "a measurement: 2 s utterances, one thread"]
fn how_long_the_shipped_recipe_takes() {
    let speech: Vec<f32> = vowel(200.0, &AH, 2.0);
    let mut out = Vec::new();
    let mut time = |name: &str, text: &str| {
        let recipe = Recipe::from_toml(text).unwrap();
        let mut augmenter = Augmenter::new(&recipe, RATE).unwrap();
        let mut random = Random::new(&["time"]);
        // Of this thread's own, since a machine may be busy.
        let now = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
        };
        let mut best = f64::INFINITY;
        for _ in 0..10 {
            let start = now();
            for _ in 0..40 {
                augmenter.augment(&speech, &mut random, &mut |_| None, &mut out).unwrap();
            }
            best = best.min((now() - start) / 40.0);
        }
        println!("{name}: {:.3} ms", best * 1000.0);
    };
    time("recipe", EVERYTHING);
    time("pitch", &step("kind = 'pitch-shift'\nsemitones = [-5, 5]"));
    time("pitch moved", &step("kind = 'pitch-shift'\nsemitones = [0, 5]\nformants = 'move'"));
    time("stretch", &step("kind = 'time-stretch'\nfactor = [0.74, 1.35]"));
    time("vtlp", &step("kind = 'vtlp'\nfactor = [0.82, 1.22]"));
    time("equaliser", &step("kind = 'equaliser'\ndeviation_db = 5"));
    time("noise snr", &step("kind = 'noise'\nsnr_db = 5"));
    time("noise floor", &step("kind = 'noise'\nfloor_db = 15"));
    time("reverberation", &step("kind = 'reverberation'\nrt60_s = 0.5\ndirect_to_reverberant_db = 0"));
    time("telephone", &step("kind = 'telephone'\nmu_law = true"));
}

fn a_step() -> impl Strategy<Value = String> {
    let range = |low: f64, high: f64| {
        (low..=high, low..=high).prop_map(|(a, b)| format!("[{:?}, {:?}]", a.min(b), a.max(b)))
    };
    let step = prop_oneof![
        (range(-24.0, 24.0), prop_oneof!["keep", "move"])
            .prop_map(|(r, f)| format!("kind = 'pitch-shift'\nsemitones = {r}\nformants = '{f}'")),
        range(0.25, 4.0).prop_map(|r| format!("kind = 'time-stretch'\nfactor = {r}")),
        range(0.5, 2.0).prop_map(|r| format!("kind = 'vtlp'\nfactor = {r}")),
        range(-60.0, 60.0).prop_map(|r| format!("kind = 'gain'\ndb = {r}")),
        (2..64, 0.0..24.0)
            .prop_map(|(n, d)| format!("kind = 'equaliser'\nnodes = {n}\ndeviation_db = {d:?}")),
        (range(0.05, 1.0), range(-20.0, 60.0)).prop_map(|(r, d)| format!(
            "kind = 'reverberation'\nrt60_s = {r}\ndirect_to_reverberant_db = {d}"
        )),
        range(-60.0, 0.0).prop_map(|r| format!("kind = 'clipping'\nthreshold_db = {r}")),
        any::<bool>().prop_map(|mu| format!("kind = 'telephone'\nmu_law = {mu}")),
        (range(-12.0, 12.0), range(0.0, 120.0))
            .prop_map(|(s, l)| format!("kind = 'noise'\nslope_db_per_octave = {s}\nfloor_db = {l}")),
        range(-60.0, 120.0).prop_map(|l| format!("kind = 'noise'\ncolour = 'babble'\nsnr_db = {l}")),
    ];
    (step, 0.0..=1.0).prop_map(|(text, p)| format!("[[waveform]]\n{text}\nprobability = {p:?}\n"))
}

fn any_audio() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        prop::collection::vec(-1.0_f32..1.0, 1..3000),
        prop::collection::vec(
            prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
            1..600
        ),
        (1..5000_usize, prop_oneof![Just(0.0_f32), Just(1.0), Just(1e-30), Just(-3e38)])
            .prop_map(|(n, x)| vec![x; n]),
        (1..5000_usize, 0.0..0.5_f64)
            .prop_map(|(n, f)| (0..n).map(|n| (TAU * f * n as f64).sin() as f32).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_the_recipe_and_the_audio_the_result_is_finite_and_not_empty(
        steps in prop::collection::vec(a_step(), 1..5),
        samples in any_audio(),
        rate in prop_oneof![Just(1_000_u32), Just(8_000), Just(16_000), Just(44_100), Just(384_000)],
        seed in any::<u32>(),
    ) {
        let recipe = Recipe::from_toml(&steps.concat()).unwrap();
        let again = Recipe::from_toml(&toml::to_string(&recipe).unwrap()).unwrap();
        prop_assert_eq!(again.to_canonical_json(), recipe.to_canonical_json());
        let mut augmenter = Augmenter::new(&recipe, rate).unwrap();
        let mut out = Vec::new();
        let mut random = Random::new(&["any", &seed.to_string()]);
        let other = samples.clone();
        augmenter.augment(&samples, &mut random, &mut |_| Some(other.clone()), &mut out).unwrap();
        prop_assert!(!out.is_empty());
        prop_assert!(out.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn no_text_makes_a_recipe_that_is_not_valid(
        words in prop::collection::vec(prop_oneof![
            Just("[[waveform]]\n"), Just("[features]\n"), Just("kind = 'noise'\n"), Just("kind = 'gain'\n"),
            Just("snr_db = [nan, inf]\n"), Just("db = 1e400\n"), Just("db = [1, 2, 3]\n"), Just("probability = -1\n"),
            Just("probability = 'often'\n"), Just("factor = [4, 0.25]\n"), Just("kind = 3\n"), Just("= ]\n"),
            Just("snr_db = 5\n"), Just("time_masks = -1\n"), Just("time_masks = 2\n"), Just("colour = 'mauve'\n"),
            Just("\u{0}"), Just("db = [[[[[["), Just("waveform = 3\n"), Just("kind = 'telephone'\n"),
        ], 0..8),
    ) {
        if let Ok(recipe) = Recipe::from_toml(&words.concat()) {
            prop_assert!(recipe.validate().is_ok());
            prop_assert!(Augmenter::new(&recipe, RATE).is_ok());
        }
    }
}

#[test]
fn a_wrong_recipe_is_refused_with_what_is_wrong_and_what_it_may_be() {
    for (text, wanted) in [
        ("kind = 'noise'\ncolour = 'white'", "waveform 1 (noise): needs either snr_db or floor_db"),
        ("kind = 'noise'\nsnr_db = 3\nfloor_db = 3", "needs either snr_db or floor_db"),
        (
            "kind = 'noise'\nsnr_db = [10, 300]",
            "snr_db = [10, 300] is not possible; it must be [low, high] within -60 to 120 dB",
        ),
        ("kind = 'pitch-shift'\nsemitones = [5, -5]", "semitones = [5, -5]"),
        ("kind = 'pitch-shift'\nsemitones = 5\nformant = 'keep'", "unknown field `formant`"),
        ("kind = 'pitch-shift'\nsemitones = nan", "semitones"),
        ("kind = 'gain'\ndb = 'loud'", "it must be [low, high] or one number"),
        ("kind = 'echo'", "unknown variant `echo`"),
        ("db = 3", "missing field `kind`"),
        ("kind = 'gain'\ndb = 3\nprobability = 1.5", "probability = 1.5 is not possible; it must be 0 to 1"),
        ("kind = 'telephone'\nband = 3", "unknown field `band`"),
        ("kind = 'equaliser'\nnodes = 1\ndeviation_db = 3", "nodes = 1 is not possible; it must be 2 to 64"),
    ] {
        let error = Recipe::from_toml(&step(text)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let error = Recipe::from_toml("[features]\ntime_masks = 1000").unwrap_err().to_string();
    assert!(
        error.contains("features: time_masks = 1000 is not possible; it must be 0 to 100 masks"),
        "{error}"
    );
    let missing = Recipe::read(std::path::Path::new("no/such/recipe.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/recipe.toml: cannot be read"), "{missing}");
}
