//! Caches that earlier versions wrote, one for each version of the format: they stay readable, or are refused with the
//! command that rebuilds them. `tests/fixtures/cache/make.sh` makes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, Sha, Shard, feature_set_id};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::FeatureConfig;
use ser_prepare::{PrepareOptions, prepare};
use serde::Deserialize;

use crate::common::{noise, options, put, wav};

/// The versions that are still read.
const READABLE: [&str; 1] = ["v1"];

/// What Python read from a row when the cache was new.
#[derive(Deserialize)]
struct Expected {
    path: String,
    label: String,
    shape: [usize; 3],
    frames: u32,
    sha256: Sha,
    first: Vec<f32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cache")
}

fn expected(version: &str) -> BTreeMap<Sha, Expected> {
    let text = fs::read_to_string(fixtures().join(format!("{version}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Opens everything, checks every row of every shard, and compares it with what was stored; returns how many.
fn compare(root: &Path, expected: &BTreeMap<Sha, Expected>) -> usize {
    let cache = Cache::open(root).unwrap();
    let mut compared = 0;
    for set in cache.feature_sets() {
        let layout = set.layout();
        for name in &set.shards {
            let path = root.join(format!("shards/{name}.safetensors"));
            assert!(!Shard::open(&path, &layout).unwrap().verified_rows().unwrap().is_empty());
        }
        let split = cache.split(set, &Protocol::Random).unwrap();
        for part in Side::ALL {
            let dataset = cache.side(set, &split, part).unwrap();
            dataset.check().unwrap();
            for (index, utterance) in split.side(part).iter().enumerate() {
                let Some(expected) = expected.get(&utterance.key) else { continue };
                let row = dataset.stretches(&[index]).unwrap().concat();
                let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
                assert_eq!(Sha::of(&[&bytes]), expected.sha256, "{}", expected.path);
                assert_eq!(row[..expected.first.len()], expected.first);
                assert_eq!(dataset.shape(), expected.shape);
                assert_eq!((dataset.frames(index), utterance.frames), (expected.frames, expected.frames));
                assert_eq!((&utterance.path, &utterance.label), (&expected.path, &expected.label));
                compared += 1;
            }
        }
    }
    compared
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The configuration of the newer of the two feature sets.
fn features() -> FeatureConfig {
    FeatureConfig {
        sample_rate: 8_000,
        f_max: 4_000.0,
        n_mels: 16,
        n_mfcc: 8,
        max_frames: 12,
        ..FeatureConfig::default()
    }
}

#[test]
fn an_old_cache_holds_what_was_stored() {
    for version in READABLE {
        let expected = expected(version);
        assert_eq!(expected.len(), 16);
        assert_eq!(compare(&fixtures().join(version), &expected), 16, "{version}");
    }
}

#[test]
fn the_current_writer_extends_an_old_cache() {
    for version in READABLE {
        let folder = tempfile::tempdir().unwrap();
        let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
        copy(&fixtures().join("corpus"), &data);
        copy(&fixtures().join(version), &out);
        let run = |features| {
            let options = PrepareOptions { features, shard_bytes: 4096, ..options(&data, &out) };
            let report = prepare(&options, &Storage::native(), &Silent).unwrap();
            (report.computed, report.reused)
        };
        // Where the extractor is still the same, nothing is computed again; a newer one adds another feature set.
        let same = Cache::open(&out)
            .unwrap()
            .feature_set(Some(&feature_set_id(&features().to_canonical_json())))
            .is_ok();
        assert_eq!(run(features()), if same { (0, 8) } else { (8, 0) });
        assert_eq!(compare(&out, &expected(version)), 16);
        // One file more, and one feature set more.
        put(&data, "OAF_angry/OAF_more_angry.wav", &wav(8_000, &noise(5, 2_000)));
        assert_eq!(run(features()), (1, 8));
        assert_eq!(run(FeatureConfig { n_mfcc: 5, ..features() }), (9, 0));
        assert_eq!(Cache::open(&out).unwrap().feature_sets().len(), if same { 3 } else { 4 });
        assert_eq!(compare(&out, &expected(version)), 16);
    }
}

#[test]
fn a_cache_of_an_unknown_version_is_refused_with_the_command_that_rebuilds_it() {
    for unknown in [0u32, 2, u32::MAX] {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixtures().join("v1"), folder.path());
        let path = folder.path().join("index.bin");
        let mut index = fs::read(&path).unwrap();
        index[8..12].copy_from_slice(&unknown.to_le_bytes());
        fs::write(&path, index).unwrap();
        let error = Cache::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("prepare a corpus into <another folder>"), "{error}");
    }
}
