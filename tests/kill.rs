//! `ser-prep` killed at random moments: 100 times on a synthetic corpus, or `SER_KILLS` times, and then on the corpus
//! that `SER_TESS` names, if it names one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod common;
mod common_disk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ser_cache::Sha;
use ser_core::random::Random;

use common_disk::{Blobs, assert_same, check, kept, scratches};

/// The two tests measure time, so one runs after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn kills() -> usize {
    std::env::var("SER_KILLS").map_or(100, |count| count.parse().expect("SER_KILLS is a number"))
}

/// TESS, if a number of kills was asked for, or 168 synthetic utterances in `folder`.
fn recordings(folder: &Path) -> PathBuf {
    let tess = std::env::var_os("SER_TESS").filter(|tess| !tess.is_empty());
    if let (Some(tess), Ok(_)) = (tess, std::env::var("SER_KILLS")) {
        return tess.into();
    }
    let data = folder.join("corpus");
    common::speech(&data, 12);
    data
}

/// Ten utterances in a shard, so that there are many.
fn ser_prep(data: &Path, out: &Path, seed: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-prep"));
    command.arg("--data").arg(data).arg("--out").arg(out).args(["--quiet", "--shard-bytes", "1000000"]);
    command.args(["--seed", &seed.to_string()]).stdin(Stdio::null());
    command
}

/// Runs `command` to its end and returns how long that took.
fn undisturbed(mut command: Command) -> Duration {
    let started = Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    started.elapsed()
}

/// Kills `command` after `moment`, unless it ends before.
fn killed(mut command: Command, moment: Duration) -> Option<ExitStatus> {
    let mut child = command.spawn().unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    status.code().map(|_| status)
}

/// A moment between nothing and `longest`.
fn moment(random: &mut Random, longest: Duration) -> Duration {
    longest.mul_f64(random.between(0.0, 1.0))
}

#[test]
fn a_run_killed_again_and_again_ends_as_if_nothing_had_happened() {
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let data = recordings(folder.path());
    let out = folder.path().join("cache");
    let whole = undisturbed(ser_prep(&data, &out, 0));
    let expected = kept(&out);
    fs::remove_dir_all(&out).unwrap();

    let mut random = Random::new(&["kills of a run that computes"]);
    let shortest = (whole / 2).min(Duration::from_secs(2));
    let mut longest = shortest;
    let (mut kills_left, mut completed, mut left) = (kills() / 2, 0, BTreeMap::new());
    let mut known = BTreeSet::new();
    while kills_left > 0 {
        if let Some(status) = killed(ser_prep(&data, &out, 0), moment(&mut random, longest)) {
            assert!(status.success());
            assert_same(&kept(&out), &expected, "killed and run again");
            assert_eq!(scratches(&out), Vec::<PathBuf>::new());
            completed += 1;
            fs::remove_dir_all(&out).unwrap();
            (known, longest) = (BTreeSet::new(), shortest);
            continue;
        }
        kills_left -= 1;
        let before = known.len();
        *left.entry(look(&out, &expected, &mut known)).or_insert(0) += 1;
        // A run has to find again what is there before it goes on: give it more time until it does.
        longest = if known.len() > before { shortest } else { longest.mul_f64(1.2) };
    }
    undisturbed(ser_prep(&data, &out, 0));
    assert_same(&kept(&out), &expected, "killed and run again");
    println!(
        "{} kills, mostly within {shortest:?}, of a run of {whole:?}, which left {left:?}; {} whole caches",
        kills() / 2,
        completed + 1
    );
    assert!(left.contains_key("shards"), "{left:?}");
}

/// What is in `out`; whatever has a final name must be whole.
fn look(out: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>, known: &mut BTreeSet<PathBuf>) -> &'static str {
    if out.join("index.bin").exists() {
        assert!(check(out).unwrap() > 0);
        let index = Path::new("index.bin");
        assert!(fs::read(out.join(index)).unwrap() == expected[index]);
        return "a cache";
    }
    let shards = fs::read_dir(out.join("shards")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let shards: Vec<PathBuf> =
        shards.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect();
    for path in &shards {
        if known.insert(path.clone()) {
            let name = Sha::of(&[&fs::read(path).unwrap()]).to_string();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(name.as_str()), "a shard is not whole");
        }
    }
    if shards.is_empty() { "nothing" } else { "shards" }
}

#[test]
fn new_splits_killed_at_any_moment_leave_the_old_ones_or_the_new_ones() {
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let data = recordings(folder.path());
    let out = folder.path().join("cache");
    undisturbed(ser_prep(&data, &out, 0));
    let (old, blobs) = (fs::read(out.join("index.bin")).unwrap(), Blobs::new(&folder.path().join("blobs")));
    let before = blobs.tree(&out);
    fs::remove_dir_all(&out).unwrap();
    let fresh = || {
        let _ = fs::remove_dir_all(&out);
        blobs.lay_out(&before, &out);
    };
    fresh();
    let whole = undisturbed(ser_prep(&data, &out, 1));
    let expected = kept(&out);
    let new = &expected[Path::new("index.bin")];
    assert!(*new != old);

    let mut random = Random::new(&["kills of a run that changes the splits"]);
    let (mut kills_left, mut left) = (kills().div_ceil(2), BTreeMap::new());
    let mut more = 200; // until more than one state has been seen: what is written last takes a moment
    while kills_left > 0 || (left.len() < 2 && more > 0) {
        fresh();
        if killed(ser_prep(&data, &out, 1), moment(&mut random, whole)).is_none() {
            (kills_left, more) = match kills_left {
                0 => (0, more - 1),
                some => (some - 1, more),
            };
            assert!(check(&out).unwrap() > 0);
            let index = fs::read(out.join("index.bin")).unwrap();
            assert!(index == old || index == *new, "the index is neither the old one nor the new one");
            let manifests = fs::read_dir(out.join("manifests")).unwrap().count();
            let state = match (index == *new, manifests > 1) {
                (false, false) => "the old splits",
                (false, true) => "the old splits and new manifests",
                (true, _) => "the new splits",
            };
            *left.entry(state).or_insert(0) += 1;
            undisturbed(ser_prep(&data, &out, 1));
        }
        assert_same(&kept(&out), &expected, "killed and run again");
        assert_eq!(scratches(&out), Vec::<PathBuf>::new());
    }
    println!("{} kills or more within {whole:?}, which left {left:?}", kills().div_ceil(2));
    assert!(left.len() >= 2, "{left:?}");
}
