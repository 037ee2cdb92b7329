//! `ser-fit` killed at random moments: what it saved stays intact, and it continues from there. `SER_KILLS` sets how
//! often (20).
#![cfg(all(unix, feature = "torch"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod common_fit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ser_core::random::Random;
use ser_model::checkpoint::Checkpoint;

use common_fit::training::Ended;
use common_fit::{SMALL_FEATURES, prepared, ser_fit, succeed};

const EPOCHS: &str = "12";
const CHECKPOINTS: [&str; 3] = ["last.pt", "previous.pt", "best.pt"];

fn kills() -> usize {
    std::env::var("SER_KILLS").map_or(20, |count| count.parse().expect("SER_KILLS is a number"))
}

#[test]
fn a_training_killed_at_any_moment_keeps_its_checkpoints_and_ends_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(&SMALL_FEATURES);
    let begin = |run: &Path| {
        let mut command = ser_fit(folder.path());
        command.arg("--cache").arg(&prepared.cache).arg("--config").arg(&prepared.recipe);
        command.args(["--epochs", EPOCHS, "--quiet", "--run"]).arg(run);
        command
    };
    let resume = |run: &Path| {
        let mut command = ser_fit(folder.path());
        command.arg("--quiet").arg("--resume").arg(run);
        command
    };
    let whole = folder.path().join("whole");
    succeed(&mut begin(&whole));
    let expected = Ended::at(&whole);

    let mut random = Random::new(&["kills of a training"]);
    let (mut kills_left, mut completed, mut left) = (kills(), 0, BTreeMap::new());
    let run = folder.path().join("run");
    while kills_left > 0 {
        let mut command = if run.join("config.toml").exists() { resume(&run) } else { begin(&run) };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let before = whole_ones(&run);
        // Counted in writes, not in time: starting takes longer than all the rest, and more so on a busy machine.
        wait_for_writes(&mut child, &run, random.below(40));
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let found = whole_ones(&run);
        for name in before.keys() {
            assert!(found.contains_key(name), "{name} is lost");
            assert!(found[name] >= before[name], "{name} went back from {} to {}", before[name], found[name]);
        }
        if output.status.code().is_none() {
            kills_left -= 1;
            *left.entry(found.get("last.pt").copied().unwrap_or(0)).or_insert(0) += 1;
            continue;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        completed += 1;
        assert!(Ended::at(&run) == expected, "the resumed run ended differently");
        assert_eq!(names_in(&run), names_in(&whole));
        fs::remove_dir_all(&run).unwrap();
    }
    succeed(&mut if run.join("config.toml").exists() { resume(&run) } else { begin(&run) });
    assert!(Ended::at(&run) == expected, "the resumed run ended differently");
    assert_eq!(names_in(&run), names_in(&whole));
    println!("{} kills, after epochs {left:?}; {} whole runs", kills(), completed + 1);
    assert!(left.len() >= 3, "{left:?}");
}

/// Waits until the process has changed its run's folder so many times, or has ended. An epoch changes it about ten times.
fn wait_for_writes(child: &mut Child, run: &Path, count: u64) {
    let changed = || fs::metadata(run).and_then(|metadata| metadata.modified()).ok();
    let started = Instant::now();
    for _ in 0..count {
        let before = changed();
        while changed() == before {
            if child.try_wait().unwrap().is_some() {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "it never writes");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// The epoch of each checkpoint that is there, all of which must be whole.
fn whole_ones(run: &Path) -> BTreeMap<&'static str, u64> {
    let there = CHECKPOINTS.iter().filter(|name| run.join(name).exists());
    there.map(|name| (*name, epoch_of(&run.join(name)))).collect()
}

fn epoch_of(path: &Path) -> u64 {
    let checkpoint = Checkpoint::read(path).unwrap_or_else(|error| panic!("{error}"));
    u64::from(ser_train::state::Origin::of(&checkpoint).unwrap().epoch)
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}
