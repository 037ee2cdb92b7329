//! Temperature and prediction sets against SciPy, scikit-learn and NumPy.

use std::collections::BTreeSet;

use ser_eval::{DEFAULT_COVERAGE, RawAnswers, Uncertainty};
use ser_model::calibration::{Calibrator, ValidationAnswers};
use serde::Deserialize;

/// Made by `tests/fixtures/metrics/make_uncertainty.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    logits: Vec<f32>,
    truth: Vec<usize>,
    speakers: Option<Vec<usize>>,
    test_logits: Vec<f32>,
    test_truth: Vec<usize>,
    temperature: f64,
    uncalibrated: Errors,
    calibrated: Errors,
    sets: Vec<Sets>,
}

#[derive(Deserialize)]
struct Errors {
    cross_entropy: f64,
    ece: f64,
    brier: f64,
}

#[derive(Deserialize)]
struct Sets {
    coverage: f64,
    threshold: Option<f64>,
    measured: f64,
    mean_size: f64,
    single_share: f64,
    sets: Vec<Vec<usize>>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../fixtures/metrics/uncertainty.json")).unwrap();
    assert_eq!(cases.len(), 8);
    cases
}

fn fitted(case: &Case) -> Calibrator {
    Calibrator::fit(&ValidationAnswers {
        logits: &case.logits,
        classes: case.classes,
        truth: &case.truth,
        speakers: case.speakers.as_deref(),
    })
    .unwrap()
}

#[track_caller]
fn close(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1.0), "{what}: {ours} is not {theirs}");
}

#[test]
fn the_temperature_is_where_scipy_finds_the_least_negative_log_likelihood() {
    for case in cases() {
        close(fitted(&case).temperature.value(), case.temperature, 1e-10, &case.name);
    }
}

#[test]
fn prediction_sets_are_those_of_numpy() {
    for case in cases() {
        let calibrator = fitted(&case);
        for theirs in &case.sets {
            let what = format!("{}, {}", case.name, theirs.coverage);
            let threshold = calibrator.set_threshold(theirs.coverage).unwrap();
            match theirs.threshold {
                Some(value) => close(threshold.value(), value, 1e-10, &what),
                None => assert_eq!(threshold.value(), f64::INFINITY, "{what}"),
            }
            for (logits, theirs) in case.test_logits.chunks(case.classes).zip(&theirs.sets) {
                let probabilities = calibrator.probabilities(logits);
                let mut set = threshold.classes(&probabilities);
                assert!(set.is_sorted_by(|a, b| probabilities[*a] >= probabilities[*b]), "{what}");
                set.sort_unstable();
                assert_eq!(set, *theirs, "{what}");
            }
        }
    }
}

#[test]
fn what_a_report_measures_is_what_scikit_learn_does() {
    for case in cases() {
        let test = RawAnswers { logits: &case.test_logits, classes: case.classes, truth: &case.test_truth };
        let found = Uncertainty::of(&fitted(&case), &test, DEFAULT_COVERAGE).unwrap();
        for (ours, theirs) in [(found.uncalibrated, &case.uncalibrated), (found.calibrated, &case.calibrated)]
        {
            close(ours.cross_entropy, theirs.cross_entropy, 1e-6, &case.name);
            close(ours.ece, theirs.ece, 1e-6, &case.name);
            close(ours.brier, theirs.brier, 1e-6, &case.name);
        }
        assert_eq!(found.sets.len(), 3);
        for ours in found.sets {
            let theirs = case.sets.iter().find(|theirs| theirs.coverage == ours.coverage).unwrap();
            close(ours.measured, theirs.measured, 1e-13, &case.name);
            close(ours.mean_size, theirs.mean_size, 1e-13, &case.name);
            close(ours.single_share, theirs.single_share, 1e-13, &case.name);
        }
        let speakers = case.speakers.map(|speakers| BTreeSet::from_iter(speakers).len() as u64);
        assert_eq!(found.validation_speakers, speakers);
    }
}
