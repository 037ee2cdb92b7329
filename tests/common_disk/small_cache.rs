//! A corpus and a cache so small that thousands of them can be made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::verify::verify;
use ser_cache::{Cache, StoredSplit};
use ser_core::progress::Silent;
use ser_core::storage::{SCRATCH_PREFIX, Storage};
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::FeatureConfig;
use ser_prepare::{PrepareOptions, PrepareReport, prepare};

use crate::common::{noise, options, put, wav};

/// A folder in memory where there is one, for syncs by the thousand take long on a disk.
pub(crate) fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Recordings of a tenth of a second by two speakers in two classes, named as TESS names them, so that there are
/// splits of every protocol. Another `take` gives other sounds.
pub(crate) fn corpus(folder: &Path, words: &[&str], take: u32) {
    for (speaker, class, word) in recordings(words) {
        let mut seed = take;
        for byte in format!("{speaker}{class}{word}").bytes() {
            seed = seed.wrapping_mul(31).wrapping_add(u32::from(byte));
        }
        let path = format!("{speaker}_{class}/{speaker}_{word}_{class}.wav");
        put(folder, &path, &wav(16_000, &noise(seed, 1600)));
    }
}

fn recordings<'a>(words: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    let classes = ["OAF", "YAF"].into_iter().flat_map(|speaker| [(speaker, "angry"), (speaker, "sad")]);
    classes.flat_map(move |(speaker, class)| words.iter().map(move |word| (speaker, class, *word)))
}

/// Shards of four rows.
pub(crate) fn small_options(data: &Path, out: &Path) -> PrepareOptions {
    PrepareOptions { features: small_features(), shard_bytes: 8192, jobs: 1, ..options(data, out) }
}

pub(crate) fn small_features() -> FeatureConfig {
    FeatureConfig { n_mfcc: 13, max_frames: 12, ..FeatureConfig::default() }
}

pub(crate) fn prepared(options: &PrepareOptions) -> PrepareReport {
    prepare(options, &Storage::native(), &Silent).unwrap()
}

/// Reads everything that the cache in `out` names, through its index and through the link `splits`, and compares every
/// row of every split with its checksum; then all of it again, as `ser-cache verify` does. Returns how many rows there are.
pub(crate) fn check(out: &Path) -> ser_core::Result<usize> {
    let cache = Cache::open(out)?;
    let mut rows = 0;
    for set in cache.feature_sets() {
        let protocols = folders_in(&out.join("manifests").join(set.manifests.to_string()));
        assert!(!protocols.is_empty(), "{} has no manifests", set.id);
        for protocol in protocols {
            let split = cache.split(set, &protocol.parse::<Protocol>()?)?;
            for part in Side::ALL {
                let dataset = cache.side(set, &split, part)?;
                dataset.check()?;
                rows += dataset.len();
            }
        }
    }
    check_splits(out)?;
    let verified = verify(out, 0, &Silent)?;
    assert!(verified.is_whole(), "{:?}", verified.damage);
    Ok(rows)
}

/// What `splits` names must be whole as well, though it may be a version behind.
pub(crate) fn check_splits(out: &Path) -> ser_core::Result<()> {
    if out.join("splits").symlink_metadata().is_err() {
        return Ok(());
    }
    // Followed once: a writer may move the link between two files.
    let splits = fs::canonicalize(out.join("splits")).unwrap();
    for protocol in folders_in(&splits) {
        let split = StoredSplit::read(&splits.join(protocol))?;
        for utterance in split.sides.values().flatten() {
            assert!(out.join(&utterance.shard).is_file(), "{} is not there", utterance.shard);
        }
    }
    Ok(())
}

fn folders_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Everything that does not depend on the clock, and links by their targets.
pub(crate) fn kept(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(out).min_depth(1).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir()).map(|entry| {
        let bytes = match fs::read_link(entry.path()) {
            Ok(target) => target.into_os_string().into_encoded_bytes(),
            Err(_) => fs::read(entry.path()).unwrap(),
        };
        (entry.path().strip_prefix(out).unwrap().to_owned(), bytes)
    });
    files.filter(|(path, _)| !path.ends_with(".lock") && !path.ends_with("prep-report.json")).collect()
}

/// What differs, briefly: the bytes would fill the screen.
pub(crate) fn assert_same(
    found: &BTreeMap<PathBuf, Vec<u8>>,
    expected: &BTreeMap<PathBuf, Vec<u8>>,
    when: &str,
) {
    let all = found.keys().chain(expected.keys());
    let other: Vec<&PathBuf> = all.filter(|path| found.get(*path) != expected.get(*path)).collect();
    assert!(other.is_empty(), "{when}: these differ from an undisturbed run: {other:?}");
}

/// Unfinished things below `folder`.
pub(crate) fn scratches(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let unfinished = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX));
    unfinished.map(walkdir::DirEntry::into_path).collect()
}
