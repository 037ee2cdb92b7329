//! What each augmentation does physically.

use std::f64::consts::TAU;

use ser_core::random::Random;
use ser_features::augmentation::{AugmentationRecipe, Augmenter, EqualiserGains};
use ser_synth::{Emotion, utterance};

use crate::measure::{AH, RATE, augmented, db, f0, formants, middle, power, step, tone_power, vowel};

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
        assert_eq!(applied.to_string(), format!("vtlp × {factor:.3}"));
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
    for base in [90.0, 110.0, 150.0, 280.0] {
        let original = vowel(base, &AH, 1.0);
        let before = formants(middle(&original), 20, 3);
        for factor in [0.5, 0.74, 1.0, 1.35, 2.0] {
            let (stretched, _) =
                augmented(&step(&format!("kind = 'time-stretch'\nfactor = {factor:?}")), &original, "1");
            assert_eq!(stretched.len(), (original.len() as f64 * factor).round() as usize);
            let found = f0(middle(&stretched)).unwrap();
            assert!((found / base - 1.0).abs() < 0.01, "{base} × {factor}: {found}");
            let level = db(power(middle(&stretched)) / power(middle(&original)));
            assert!(level.abs() < 1.0, "{base} × {factor}: {level} dB");
            let after = formants(middle(&stretched), 20, 3);
            let ratios: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after / before).collect();
            assert!(
                ratios.len() == 3 && ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.01),
                "{base} × {factor}: {after:?} from {before:?}"
            );
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
        AugmentationRecipe::from_toml(&step("kind = 'noise'\ncolour = 'babble'\ntalkers = 3\nsnr_db = 6"))
            .unwrap();
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
    assert!(applied.to_string().starts_with("babble of 3 "), "{applied}");
    let noise: Vec<f32> = out.iter().zip(&original).map(|(a, b)| a - b).collect();
    assert!((db(power(&original) / power(&noise)) - 6.0).abs() < 0.2);
    assert!(tone_power(&noise, 0.11 * 16_000.0) > 100.0 * tone_power(&noise, 3000.0));
    let applied = augmenter.augment(&original, &mut random, &mut |_| None, &mut out).unwrap();
    assert_eq!(applied.to_string(), "babble of no talkers");
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
    let drawn: &dyn std::any::Any = applied.steps[0].as_ref();
    let EqualiserGains { gains_db } = drawn.downcast_ref().unwrap();
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
