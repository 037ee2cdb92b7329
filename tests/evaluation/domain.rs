//! What is out of domain, against scikit-learn and NumPy.

use ser_eval::OutOfDomain;
use ser_model::domain::{DomainReference, describe, ledoit_wolf};
use serde::Deserialize;

/// Made by `tests/fixtures/domain/make.py`.
#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    utterance: Utterance,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    training: Vec<Vec<f64>>,
    validation: Vec<Vec<f64>>,
    test: Vec<Vec<f64>>,
    shrinkage: f64,
    covariance: Vec<f64>,
    distances: Vec<f64>,
    shares_as_unusual: Vec<f64>,
    flagged: f64,
    auroc: f64,
}

#[derive(Deserialize)]
struct Utterance {
    shape: [usize; 3],
    frames: usize,
    features: Vec<f32>,
    described: Vec<f64>,
}

fn fixture() -> Fixture {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/domain/domain.json")).unwrap();
    assert_eq!(fixture.cases.len(), 7);
    fixture
}

#[track_caller]
fn close(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1.0), "{what}: {ours} is not {theirs}");
}

#[test]
fn an_utterance_is_described_as_numpy_does() {
    let Utterance { shape, frames, features, described } = fixture().utterance;
    let ours = describe(&features, shape, frames).unwrap();
    assert_eq!(ours.len(), described.len());
    ours.iter().zip(&described).for_each(|(ours, theirs)| close(*ours, *theirs, 1e-12, "describe"));
}

#[test]
fn a_covariance_is_shrunk_as_scikit_learn_does() {
    for case in fixture().cases {
        // One coefficient is no covariance to shrink, which scikit-learn leaves as it is; the result is the same.
        let found = ledoit_wolf(&standardised(&case.training)).unwrap();
        if case.training[0].len() > 1 {
            close(found.shrinkage, case.shrinkage, 1e-9, &case.name);
        }
        assert_eq!(found.covariance.values().len(), case.covariance.len());
        for (ours, theirs) in found.covariance.values().iter().zip(&case.covariance) {
            close(*ours, *theirs, 1e-9, &case.name);
        }
    }
}

fn standardised(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (n, length) = (rows.len() as f64, rows[0].len());
    let mean: Vec<f64> = (0..length).map(|j| rows.iter().map(|row| row[j]).sum::<f64>() / n).collect();
    let variance = |j: usize| rows.iter().map(|row| (row[j] - mean[j]).powi(2)).sum::<f64>() / n;
    let deviation: Vec<f64> = (0..length).map(|j| variance(j).sqrt().max(1e-5)).collect();
    rows.iter().map(|row| (0..length).map(|j| (row[j] - mean[j]) / deviation[j]).collect()).collect()
}

/// The whitening is kept in single precision.
#[test]
fn distances_and_what_a_report_says_of_them_are_those_of_numpy_and_scikit_learn() {
    for case in fixture().cases {
        let reference = DomainReference::fit(&case.training, &case.validation).unwrap();
        let distances: Vec<f64> =
            case.test.iter().map(|descriptor| reference.distance(descriptor).unwrap()).collect();
        for ((ours, theirs), share) in distances.iter().zip(&case.distances).zip(&case.shares_as_unusual) {
            close(*ours, *theirs, 1e-5, &case.name);
            close(reference.share_as_unusual(*ours), *share, 1e-13, &case.name);
        }
        let found = OutOfDomain::of(&reference, &distances).unwrap();
        assert_eq!(found.n_validation, 25);
        close(found.test.flagged, case.flagged, 1e-13, &case.name);
        close(found.test.auroc, case.auroc, 1e-12, &case.name);
    }
}
