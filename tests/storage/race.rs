//! Several processes at one cache, and results that depend on neither their number nor their order.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ser_cache::{Cache, Index};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_prepare::{PrepareOptions, prepare};

use crate::common::{Ran, contents};
use crate::common_disk::{
    After, Failing, Failure, assert_same, check, corpus, kept, prepared, small_options,
};

const WORDS: [&str; 6] = ["bar", "dog", "fit", "gin", "hit", "jar"];

fn start(data: &Path, out: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-prep"));
    command.arg("--data").arg(data).arg("--out").arg(out).arg("--quiet").args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

/// What an undisturbed run over `data` leaves.
fn undisturbed(data: &Path, more: &[&str]) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    end(start(data, out.path(), more)).ends(0);
    kept(out.path())
}

// Writers.

#[test]
fn writers_that_wait_all_end_well_and_leave_what_one_would_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
    corpus(&data, &WORDS, 0);
    let few = ["--wait", "--shard-bytes", "400000"];
    let expected = undisturbed(&data, &few);
    for _ in 0..3 {
        let writers: Vec<Child> = (0..6).map(|_| start(&data, &out, &few)).collect();
        writers.into_iter().for_each(|writer| _ = end(writer).ends(0));
        assert_same(&kept(&out), &expected, "six writers");
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn writers_that_do_not_wait_name_the_one_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
    corpus(&data, &WORDS, 0);
    let few = ["--shard-bytes", "400000"];
    let expected = undisturbed(&data, &few);
    let mut losers = 0;
    for round in 0.. {
        fs::create_dir_all(&out).unwrap();
        // Left by a process that was killed long ago: no number is that large.
        fs::write(out.join(".lock"), "process 4194999\n").unwrap();
        let writers: Vec<Child> = (0..6).map(|_| start(&data, &out, &few)).collect();
        let processes: Vec<String> =
            writers.iter().map(|writer| format!("(process {})", writer.id())).collect();
        let ended: Vec<Ran> = writers.into_iter().map(end).collect();
        assert!(ended.iter().any(|ran| ran.code == Some(0)), "{ended:?}");
        for ran in ended.iter().filter(|ran| ran.code != Some(0)) {
            losers += 1;
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert!(processes.iter().any(|process| ran.stderr.contains(process)), "{processes:?}: {ran:?}");
            assert!(ran.stderr.contains("--wait"), "{ran:?}");
        }
        assert_same(&kept(&out), &expected, "six writers");
        fs::remove_dir_all(&out).unwrap();
        if losers >= 20 {
            break;
        }
        assert!(round < 50, "only {losers} writers met another");
    }
}

#[test]
fn a_killed_writer_leaves_no_lock_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
    crate::common::speech(&data, 20);
    let one = ["--jobs", "1", "--shard-bytes", "1000000"];
    let expected = undisturbed(&data, &[]).len();
    let whole = undisturbed(&data, &one);
    assert!(whole.len() > expected);

    let mut holder = start(&data, &out, &one);
    let name = format!("process {}", holder.id());
    let started = Instant::now();
    while !fs::read_to_string(out.join(".lock")).is_ok_and(|text| text.trim() == name) {
        assert!(started.elapsed() < Duration::from_secs(30) && holder.try_wait().unwrap().is_none());
    }
    let refused = end(start(&data, &out, &one)).ends(1);
    assert!(refused.stderr.contains(&format!("({name})")), "{refused:?}");
    let mut waiting = start(&data, &out, &["--wait", one[0], one[1], one[2], one[3]]);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(waiting.try_wait().unwrap(), None, "it did not wait");
    assert_eq!(holder.try_wait().unwrap(), None, "the corpus is too small for this test");
    holder.kill().unwrap();
    holder.wait().unwrap();
    end(waiting).ends(0);
    assert_same(&kept(&out), &whole, "after a killed writer");
    end(start(&data, &out, &one)).ends(0);
}

// Readers.

#[test]
fn readers_see_one_version_while_writers_replace_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
    corpus(&data, &WORDS, 0);
    end(start(&data, &out, &[])).ends(0);
    let early = Cache::open(&out).unwrap();
    let first = paths_of(&early);
    let versions = Mutex::new(BTreeSet::from([first.clone()]));
    let (done, seen) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    let read = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    check(&out).unwrap();
                    let paths = paths_of(&Cache::open(&out).unwrap());
                    // A version is known before its writer starts.
                    assert!(versions.lock().unwrap().contains(&paths), "a mixture of versions");
                    seen.lock().unwrap().insert(paths);
                    read.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let stop = Stop(&done);
        for turn in 0_u32..16 {
            let path = data.join(format!("OAF_sad/OAF_{}_sad.wav", WORDS[turn as usize % 3]));
            if path.exists() {
                fs::remove_file(path).unwrap()
            } else {
                corpus(&data, &WORDS[..3], turn)
            }
            versions.lock().unwrap().insert(recordings_in(&data));
            end(start(&data, &out, &["--seed", &turn.to_string()])).ends(0);
        }
        drop(stop);
    });
    // A cache opened before all this still gives what was opened.
    assert_eq!(paths_of(&early), first);
    println!(
        "{} versions, {} of them seen, {} times read",
        versions.lock().unwrap().len(),
        seen.lock().unwrap().len(),
        read.load(Ordering::Relaxed)
    );
    assert!(seen.into_inner().unwrap().len() >= 3);
}

/// Releases the readers even if the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The recordings of the split `random`, every row of which must be whole.
fn paths_of(cache: &Cache) -> BTreeSet<String> {
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    Side::ALL.iter().for_each(|part| cache.side(set, &split, *part).unwrap().check().unwrap());
    split.sides.values().flatten().map(|utterance| utterance.path.clone()).collect()
}

fn recordings_in(data: &Path) -> BTreeSet<String> {
    contents(data).into_keys().collect()
}

// Order.

#[test]
fn neither_jobs_nor_interruptions_nor_the_order_on_disk_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("corpus");
    corpus(&data, &WORDS, 0);
    let options = |data: &Path, name: &str, jobs: usize| PrepareOptions {
        jobs,
        ..small_options(data, &folder.path().join(name))
    };
    let one = options(&data, "one", 1);
    prepared(&one);
    let expected = kept(&one.out);
    for jobs in [2, 3, 8] {
        let several = options(&data, &format!("jobs-{jobs}"), jobs);
        prepared(&several);
        assert_same(&kept(&several.out), &expected, &format!("{jobs} jobs"));
    }
    for healthy in [3, 17, 30, 44, 80] {
        let disturbed = options(&data, &format!("disturbed-{healthy}"), 3);
        for (more, jobs) in [(0, 3), (9, 1), (5, 8)] {
            let failing = Failing::new(Failure { healthy: healthy + more, errno: 5, after: After::Nothing });
            let options = PrepareOptions { jobs, ..disturbed.clone() };
            prepare(&options, &Storage::on(Arc::new(failing)), &Silent).unwrap_err();
        }
        prepared(&disturbed);
        assert_same(&kept(&disturbed.out), &expected, &format!("interrupted after {healthy} operations"));
    }

    // The same files in folders that list them in another order.
    let reversed = folder.path().join("reversed");
    for (path, bytes) in contents(&data).into_iter().rev() {
        crate::common::put(&reversed, &path, &bytes);
    }
    let other = options(&reversed, "other", 1);
    prepared(&other);
    let [mut a, mut b] = [expected, kept(&other.out)];
    let [a_index, b_index] = [&mut a, &mut b].map(|kept| {
        let index = Index::decode(&kept.remove(Path::new("index.bin")).unwrap()).unwrap();
        // The only place that holds the files' times and inode numbers.
        let files: Vec<_> = index.files.iter().map(|seen| (seen.path.clone(), seen.content)).collect();
        (index.feature_sets, files)
    });
    assert_same(&b, &a, "another order on disk");
    assert!(a_index == b_index);
}
