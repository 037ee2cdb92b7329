//! The command `ser-cache`: every kind of damage is reported, what can be repaired is repaired to the same bytes, and
//! nothing that is needed is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ser_cache::verify::{DamageKind, verify};
use ser_cache::{Cache, Index};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_features::FeatureConfig;
use ser_prepare::{PrepareOptions, prepare};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Ran, contents, noise, options, plain_corpus, put, speech, wav};
use crate::common_python::python_with;

fn ser_cache<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ser-cache")).args(arguments).output().unwrap();
    let ran = Ran::of(&output);
    assert!(!ran.stderr.contains("panicked") && ran.code.is_some_and(|code| code <= 3), "{ran:?}");
    ran
}

/// A corpus and a cache of it in shards of a few rows.
struct Made {
    folder: TempDir,
}

impl Made {
    /// Two classes of six recordings, four rows in a shard.
    fn plain() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        plain_corpus(&made.data(), &["calm", "loud"], 6);
        made.prepare();
        assert_eq!(made.shards().len(), 3);
        made
    }

    fn speech() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        speech(&made.data(), 3);
        made.prepare();
        made
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn options(&self) -> PrepareOptions {
        PrepareOptions { shard_bytes: 4 * 4 * 24_000, ..options(&self.data(), &self.root()) }
    }

    fn prepare(&self) {
        prepare(&self.options(), &Storage::native(), &Silent).unwrap();
    }

    /// A second feature set, the newest from now on.
    fn prepare_small(&self) {
        let features = FeatureConfig { n_mfcc: 13, max_frames: 50, ..FeatureConfig::default() };
        prepare(&PrepareOptions { features, ..self.options() }, &Storage::native(), &Silent).unwrap();
    }

    fn index(&self) -> Index {
        Index::read(&self.root().join("index.bin")).unwrap().unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        let mut shards: Vec<PathBuf> =
            fs::read_dir(self.root().join("shards")).unwrap().map(|entry| entry.unwrap().path()).collect();
        shards.sort();
        shards
    }

    /// The newest generation of manifests.
    fn manifests(&self) -> PathBuf {
        let newest = self.index().feature_sets.last().unwrap().manifests;
        self.root().join("manifests").join(newest.to_string())
    }

    /// Runs `ser-cache <command> <root> …`.
    fn run(&self, command: &str, more: &[&str]) -> Ran {
        ser_cache([&[command, self.root().to_str().unwrap()], more].concat())
    }

    fn json(&self, command: &str, more: &[&str], code: i32) -> Value {
        let ran = self.run(command, &[more, &["--json"]].concat()).ends(code);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// All files, by name, but for those that differ from run to run.
    fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        let mut kept = contents(&self.root());
        kept.retain(|name, _| name != "prep-report.json" && name != ".lock");
        kept
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}

/// Where the data of a shard starts.
fn data_at(shard: &Path) -> usize {
    let bytes = fs::read(shard).unwrap();
    8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap()
}

const ROW: usize = 4 * 24_000;

// --- verify ---

#[test]
fn a_whole_cache_verifies_and_every_byte_of_it_was_read() {
    let made = Made::speech();
    made.prepare_small();
    let before = contents(&made.root());
    let found = made.json("verify", &[], 0);
    assert_eq!(contents(&made.root()), before, "verifying changed something");
    assert_eq!((&found["damage"], &found["notes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!((found["feature_sets"].as_u64(), found["rows"].as_u64()), (Some(2), Some(84)));
    let kept = ["shards/", "manifests/", "audit/"];
    let covered = before.iter().filter(|(name, _)| kept.iter().any(|folder| name.starts_with(folder)));
    let bytes: usize = covered.map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(found["bytes"], bytes);
    assert!(made.run("verify", &[]).ends(0).stdout.contains("everything is as it was written"));
    let quiet = made.run("verify", &["--quiet"]).ends(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn a_flipped_bit_is_found_in_every_file_wherever_it_is() {
    let made = Made::plain();
    let mut flips = 0;
    for (name, bytes) in made.kept() {
        let path = made.root().join(&name);
        let places: Vec<usize> = match name.starts_with("shards/") {
            // Header, padding, tensors, frames.
            true => (0..bytes.len()).step_by(bytes.len() / 60).chain([4095, 4096, bytes.len() - 1]).collect(),
            false => (0..bytes.len()).step_by((bytes.len() / 100).max(1)).chain([bytes.len() - 1]).collect(),
        };
        for at in places {
            flip(&path, at);
            flips += 1;
            // An unknown version is refused, not called damage.
            match verify(&made.root(), 1, &Silent) {
                Ok(found) => assert!(!found.is_whole(), "{name}: byte {at} was flipped and not found"),
                Err(error) => {
                    assert!(name == "index.bin" && error.to_string().contains("version"), "{error}")
                }
            }
            flip(&path, at);
        }
    }
    assert!(verify(&made.root(), 1, &Silent).unwrap().is_whole());
    eprintln!("{flips} flips found");
    assert!(flips > 600, "{flips}");
}

#[test]
fn all_damage_is_listed_with_rows_and_recordings() {
    let made = Made::plain();
    let root = made.root();
    let shards = made.shards();
    let start = data_at(&shards[0]);
    flip(&shards[0], start + 10);
    flip(&shards[0], start + 2 * ROW + 7);
    let length = fs::metadata(&shards[1]).unwrap().len();
    fs::File::options().write(true).open(&shards[1]).unwrap().set_len(length - ROW as u64).unwrap();
    fs::remove_file(&shards[2]).unwrap();
    flip(&made.manifests().join("random/train.jsonl"), 30);
    fs::remove_file(made.manifests().join("random/val.jsonl")).unwrap();
    fs::remove_file(root.join("splits")).unwrap();
    std::os::unix::fs::symlink("manifests/none", root.join("splits")).unwrap();

    let found = made.json("verify", &[], 1);
    let damage: BTreeMap<&str, &Value> =
        found["damage"].as_array().unwrap().iter().map(|d| (d["path"].as_str().unwrap(), d)).collect();
    let manifests = relative(&root, &made.manifests());
    let expected: BTreeSet<String> = [
        relative(&root, &shards[0]),
        relative(&root, &shards[1]),
        relative(&root, &shards[2]),
        format!("{manifests}/random/train.jsonl"),
        format!("{manifests}/random/val.jsonl"),
        "splits".to_owned(),
    ]
    .into();
    assert_eq!(damage.keys().map(ToString::to_string).collect::<BTreeSet<_>>(), expected);

    let rows = |shard: &Path| -> Vec<u64> {
        let rows = damage[relative(&root, shard).as_str()]["rows"].as_array().unwrap();
        rows.iter().map(|row| row["row"].as_u64().unwrap()).collect()
    };
    assert_eq!(rows(&shards[0]), [0, 2]);
    assert_eq!(rows(&shards[1]), [3], "the last row and the frames were cut off");
    assert_eq!(rows(&shards[2]), [0, 1, 2, 3]);
    // Each damaged row names the recording it came from.
    let set = &made.index().feature_sets[0];
    for shard in &shards {
        for row in damage[relative(&root, shard).as_str()]["rows"].as_array().unwrap() {
            let key = row["key"].as_str().unwrap().parse().unwrap();
            assert_eq!(u64::from(set.by_key().get(&key).unwrap().position), row["row"].as_u64().unwrap());
            let source = row["sources"][0].as_str().unwrap();
            let content = ser_cache::Sha::of(&[&fs::read(made.data().join(source)).unwrap()]);
            assert_eq!(ser_cache::key_of(&content, &set.configuration), key);
        }
    }
    let printed = made.run("verify", &[]).ends(1);
    assert!(printed.stdout.contains("2 of 4 rows are damaged") && printed.stdout.contains("  row 2: "));
    assert_eq!(printed.stderr, "");
}

#[test]
fn a_damaged_or_lost_index_is_named_and_the_shards_are_read_all_the_same() {
    let made = Made::plain();
    flip(&made.root().join("index.bin"), 60);
    let shard = &made.shards()[1];
    flip(shard, 5000);
    let found = verify(&made.root(), 0, &Silent).unwrap();
    let kinds: Vec<(DamageKind, &str)> = found.damage.iter().map(|d| (d.kind, d.path.as_str())).collect();
    let shard = relative(&made.root(), shard);
    assert_eq!(kinds, [(DamageKind::Index, "index.bin"), (DamageKind::Shard, shard.as_str())]);
    fs::remove_file(made.root().join("index.bin")).unwrap();
    let found = verify(&made.root(), 0, &Silent).unwrap();
    assert!(found.damage[0].what.contains("is missing"), "{:?}", found.damage);
}

#[test]
fn an_index_that_disagrees_with_a_whole_shard_is_damage() {
    let made = Made::plain();
    let mut index = made.index();
    let set = &mut index.feature_sets[0];
    set.entries[3].row.checksum.0[0] ^= 1;
    index.write(&Storage::native(), &made.root().join("index.bin")).unwrap();
    let found = verify(&made.root(), 0, &Silent).unwrap();
    assert_eq!(found.damage.len(), 1, "{:?}", found.damage);
    assert!(found.damage[0].what.contains("the index disagrees about 1 rows"), "{:?}", found.damage);
}

#[test]
fn leftovers_are_noted_and_are_not_damage() {
    let made = Made::plain();
    let orphan = made.root().join(format!("shards/{}.safetensors", "ab".repeat(32)));
    fs::write(&orphan, b"not a shard").unwrap();
    let old = made.manifests();
    put(&made.root(), "kept.txt", b"mine");
    prepare(&PrepareOptions { seed: 1, ..made.options() }, &Storage::native(), &Silent).unwrap();
    put(&made.root(), ".scratch-4711-0", b"half");
    let found = made.json("verify", &[], 0);
    let noted: BTreeSet<&str> =
        found["notes"].as_array().unwrap().iter().map(|note| note["path"].as_str().unwrap()).collect();
    let (orphan, old) = (relative(&made.root(), &orphan), relative(&made.root(), &old));
    assert_eq!(noted, [".scratch-4711-0", orphan.as_str(), old.as_str()].into());
}

// --- repair ---

#[test]
fn repair_gives_the_same_bytes_and_recomputes_only_what_is_damaged() {
    let made = Made::plain();
    made.prepare_small();
    let whole = made.kept();
    let shards: Vec<PathBuf> = made.shards();
    let large = |path: &&PathBuf| fs::metadata(path).unwrap().len() > 4 * ROW as u64;
    let large: Vec<&PathBuf> = shards.iter().filter(large).collect();
    // A tensor; the header; the end; the whole shard.
    flip(large[0], data_at(large[0]) + ROW + 1);
    flip(large[1], 100);
    let small: Vec<&PathBuf> = shards.iter().filter(|path| !large.contains(path)).collect();
    let bytes = fs::read(small[0]).unwrap();
    fs::write(small[0], [&bytes[..], b"more"].concat()).unwrap();
    fs::remove_file(large[2]).unwrap();

    let repair = made.json("verify", &["--repair"], 0);
    let recomputed: BTreeMap<&str, (u64, u64)> = repair["repaired"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (r["path"].as_str().unwrap(), (r["kept"].as_u64().unwrap(), r["recomputed"].as_u64().unwrap()))
        })
        .collect();
    let name = |path: &Path| relative(&made.root(), path);
    assert_eq!(recomputed[name(large[0]).as_str()], (3, 1));
    assert_eq!(recomputed[name(large[1]).as_str()], (4, 0));
    assert_eq!(recomputed[name(large[2]).as_str()], (0, 4));
    assert_eq!(recomputed[name(small[0]).as_str()].1, 0);
    assert_eq!(recomputed.len(), 4);
    assert!(made.kept() == whole, "the cache is not what it was");
    made.run("verify", &[]).ends(0);
    assert!(made.run("verify", &["--repair"]).ends(0).stdout.contains("everything is as it was written"));
}

#[test]
fn what_cannot_be_repaired_is_set_aside_and_ser_prep_rebuilds_it() {
    let made = Made::plain();
    let whole = made.kept();
    let shard = made.shards()[0].clone();
    flip(&shard, data_at(&shard) + 3);
    let hidden = made.folder.path().join("elsewhere");
    fs::rename(made.data(), &hidden).unwrap();
    let ran = made.run("verify", &["--repair"]).ends(1);
    assert!(
        ran.stdout.contains("not repaired shards/") && ran.stdout.contains("row 0 is lost"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("run ser-prep --data ") && ran.stdout.contains("--out "), "{}", ran.stdout);
    assert!(!shard.exists() && shard.with_extension("damaged").exists());

    // The recordings are back: one command rebuilds it, here from its remains.
    fs::rename(&hidden, made.data()).unwrap();
    made.prepare();
    fs::remove_file(shard.with_extension("damaged")).unwrap();
    assert!(made.kept() == whole, "the cache is not what it was");
    made.run("verify", &[]).ends(0);
}

#[test]
fn a_changed_recording_is_not_mistaken_for_the_original() {
    let made = Made::plain();
    let shard = made.shards()[0].clone();
    flip(&shard, data_at(&shard) + 3);
    let found = verify(&made.root(), 0, &Silent).unwrap();
    let source = made.data().join(&found.damage[0].rows[0].sources[0]);
    fs::write(&source, wav(16_000, &noise(4242, 1600))).unwrap();
    let ran = made.run("verify", &["--repair", "--data", made.data().to_str().unwrap()]).ends(1);
    assert!(ran.stdout.contains("has changed since"), "{}", ran.stdout);
    made.prepare();
    made.run("verify", &[]).ends(0);
    assert!(made.shards().iter().all(|path| *path != shard));
}

#[test]
fn a_damaged_index_is_set_aside_and_ser_prep_ends_with_the_undisturbed_bytes() {
    let made = Made::speech();
    let whole = made.kept();
    flip(&made.root().join("index.bin"), 100);
    let shard = made.shards()[2].clone();
    flip(&shard, data_at(&shard) + 2 * ROW);
    flip(&made.manifests_of(&whole).join("word/test.jsonl"), 5);
    let ran = made.run("verify", &["--repair"]).ends(1);
    assert!(ran.stdout.contains("index.bin: cannot be recovered; it was set aside"), "{}", ran.stdout);
    made.prepare();
    let mut now = made.kept();
    now.retain(|name, _| !name.ends_with(".damaged"));
    assert!(now == whole, "the cache is not what it was");
    made.run("verify", &[]).ends(0);
}

impl Made {
    /// The one generation in `contents`, for when the index cannot say.
    fn manifests_of(&self, contents: &BTreeMap<String, Vec<u8>>) -> PathBuf {
        let name = contents.keys().find(|name| name.ends_with("/random/split.toml")).unwrap();
        self.root().join(name).parent().unwrap().parent().unwrap().to_owned()
    }
}

#[test]
fn damaged_manifests_are_rebuilt_by_ser_prep_and_the_link_by_repair() {
    let made = Made::speech();
    let whole = made.kept();
    fs::remove_file(made.root().join("splits")).unwrap();
    let ran = made.run("verify", &["--repair"]).ends(0);
    assert!(ran.stdout.contains("repaired splits"), "{}", ran.stdout);
    assert!(made.root().join("splits/random/train.jsonl").is_file());
    flip(&made.manifests().join("random/split.toml"), 20);
    let ran = made.run("verify", &["--repair"]).ends(1);
    assert!(ran.stdout.contains("is rewritten with the splits"), "{}", ran.stdout);
    made.prepare();
    assert!(made.kept() == whole, "the cache is not what it was");
}

#[test]
fn an_index_that_names_a_file_outside_the_corpus_is_rejected() {
    let made = Made::plain();
    let mut index = made.index();
    index.files[0].path = "../outside.wav".to_owned();
    index.write(&Storage::native(), &made.root().join("index.bin")).unwrap();
    let ran = made.run("verify", &["--repair"]).ends(1);
    assert!(ran.stdout.contains("it names a file outside the corpus folder"), "{}", ran.stdout);
}

#[test]
fn a_repair_waits_for_the_writer_or_fails_at_once() {
    let made = Made::plain();
    let lock = fs::File::options().read(true).write(true).open(made.root().join(".lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran = made.run("verify", &["--repair"]).ends(1);
    assert!(ran.stderr.contains("is being written by another process"), "{}", ran.stderr);
    made.run("verify", &[]).ends(0);
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_ser-cache"))
        .args(["verify", "--quiet", "--repair", "--wait"])
        .arg(made.root())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    drop(lock);
    assert!(waiting.wait().unwrap().success());
}

// --- du and gc ---

/// Leaves garbage of every kind, and returns what it is.
fn leave_garbage(made: &Made) -> BTreeSet<String> {
    let old = relative(&made.root(), &made.manifests());
    prepare(&PrepareOptions { seed: 1, ..made.options() }, &Storage::native(), &Silent).unwrap();
    let orphan = format!("shards/{}.safetensors", "cd".repeat(32));
    let aside = format!("shards/{}.damaged", "cd".repeat(32));
    for path in [orphan.as_str(), &aside, ".scratch-1-2", "shards/.scratch-1-3", "index.bin.damaged"] {
        put(&made.root(), path, b"0123456789");
    }
    put(&made.root(), "manifests/.scratch-9-9/random/train.jsonl", b"0123456789");
    put(&made.root(), "my notes.txt", b"mine");
    put(&made.root(), "shards/mine.safetensors", b"mine");
    [
        old.as_str(),
        &orphan,
        &aside,
        ".scratch-1-2",
        "shards/.scratch-1-3",
        "index.bin.damaged",
        "manifests/.scratch-9-9",
    ]
    .map(str::to_owned)
    .into()
}

fn removed(collected: &Value) -> BTreeSet<String> {
    let removed = collected["removed"].as_array().unwrap();
    removed.iter().map(|garbage| garbage["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn gc_removes_exactly_what_nothing_names_and_a_dry_run_nothing() {
    let made = Made::plain();
    let garbage = leave_garbage(&made);
    let before = contents(&made.root());
    let total = made.json("du", &[], 0);
    assert_eq!(total["total"], before.values().map(Vec::len).sum::<usize>());

    let dry = made.json("gc", &["--dry-run"], 0);
    assert_eq!(removed(&dry), garbage);
    assert_eq!(contents(&made.root()), before, "a dry run changed something");
    assert_eq!(dry["bytes"], total["garbage"]);

    let real = made.json("gc", &[], 0);
    assert_eq!(removed(&real), garbage);
    let mut expected = before;
    expected.retain(|name, _| !garbage.iter().any(|garbage| name.starts_with(garbage.as_str())));
    expected.remove(".lock");
    let mut after = contents(&made.root());
    after.remove(".lock");
    assert_eq!(after.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(after == expected, "gc changed a file");
    assert_eq!(made.json("verify", &[], 0)["notes"], Value::Array(vec![]));
    assert!(made.run("gc", &[]).ends(0).stdout.contains("nothing to remove"));
}

#[test]
fn gc_drops_a_feature_set_and_leaves_the_other_as_it_was() {
    let made = Made::plain();
    let first = made.index().feature_sets[0].id.clone();
    let alone: BTreeSet<String> = made.kept().into_keys().collect();
    made.prepare_small();
    let second = made.index().feature_sets[1].id.clone();
    let dry = made.json("gc", &["--dry-run", "--drop", &second], 0);
    assert_eq!(made.index().feature_sets.len(), 2);
    let real = made.json("gc", &["--drop", &second[..8]], 0);
    assert_eq!(removed(&real), removed(&dry));
    assert_eq!(real["dropped"], serde_json::json!([second]));
    assert_eq!(made.kept().into_keys().collect::<BTreeSet<_>>(), alone);
    assert_eq!(made.index().feature_sets.iter().map(|set| &set.id).collect::<Vec<_>>(), [&first]);
    assert!(made.json("verify", &[], 0)["notes"].as_array().unwrap().is_empty());
    assert!(made.root().join("splits/random/train.jsonl").is_file(), "splits points at what is left");
    // The last one as well: an empty cache, which is still one.
    made.run("gc", &["--drop", &first]).ends(0);
    assert!(made.shards().is_empty() && !made.root().join("splits").exists());
    made.run("verify", &[]).ends(0);
    assert!(made.run("ls", &[]).ends(0).stdout.contains("no feature set"));
    let ran = made.run("gc", &["--drop", "zz"]).ends(1);
    assert!(ran.stderr.contains("holds no feature set \"zz\""), "{}", ran.stderr);
    made.prepare();
    made.run("verify", &[]).ends(0);
}

#[test]
fn gc_takes_nothing_from_a_running_reader() {
    let made = Made::plain();
    let garbage = leave_garbage(&made);
    let before = contents(&made.root());
    let reader = Cache::open(&made.root()).unwrap();
    for more in [&[][..], &["--drop", reader.feature_sets()[0].id.as_str()]] {
        let ran = made.run("gc", more).ends(1);
        assert!(ran.stderr.contains("is being read by another process; wait"), "{}", ran.stderr);
    }
    made.run("gc", &["--dry-run"]).ends(0);
    let mut now = contents(&made.root());
    now.insert(".lock".to_owned(), before[".lock"].clone());
    assert!(now == before, "something changed under a reader");

    let started = Instant::now();
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_ser-cache"))
        .args(["gc", "--quiet", "--wait"])
        .arg(made.root())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    // Others may still begin to read.
    drop(reader);
    assert!(waiting.wait().unwrap().success());
    assert!(started.elapsed() >= Duration::from_millis(300));
    for path in garbage {
        assert!(!made.root().join(path).exists());
    }
}

#[test]
fn a_dataset_keeps_the_lock_of_the_cache_it_came_from() {
    let made = Made::plain();
    leave_garbage(&made);
    let cache = Cache::open(&made.root()).unwrap();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    let dataset = cache.side(set, &split, Side::Train).unwrap();
    drop(cache);
    assert!(made.run("gc", &[]).ends(1).stderr.contains("is being read"));
    drop(dataset);
    made.run("gc", &[]).ends(0);
}

#[test]
fn a_reader_in_a_process_that_was_killed_holds_nothing() {
    let made = Made::plain();
    leave_garbage(&made);
    // `flock` of util-linux stands for a reader that lives long; it becomes `sleep`, which inherits the lock.
    let mut flock = Command::new("flock");
    flock.args(["--no-fork", "--shared"]).arg(made.root()).args(["sleep", "60"]);
    let mut reader = match flock.spawn() {
        Ok(reader) => reader,
        Err(error) => return eprintln!("SKIPPED: there is no command flock ({error})"),
    };
    let is_held = || {
        let folder = fs::File::open(made.root()).unwrap();
        rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
    };
    while !is_held() {
        assert!(reader.try_wait().unwrap().is_none(), "flock has ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(made.run("gc", &[]).ends(1).stderr.contains("is being read"));
    reader.kill().unwrap();
    reader.wait().unwrap();
    made.run("gc", &[]).ends(0);
}

#[test]
fn reading_works_where_nothing_may_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let made = Made::plain();
    let set = |mode| fs::set_permissions(made.root(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let (listed, verified) = (made.run("ls", &[]), made.run("verify", &[]));
    set(0o755);
    listed.ends(0);
    verified.ends(0);
}

// --- ls and du ---

#[test]
fn ls_says_what_each_feature_set_is() {
    let made = Made::speech();
    made.prepare_small();
    let listing = made.json("ls", &[], 0);
    let sets = listing["feature_sets"].as_array().unwrap();
    let newest: Vec<bool> = sets.iter().map(|set| set["newest"].as_bool().unwrap()).collect();
    assert_eq!(newest, [false, true]);
    assert_eq!(sets[0]["not_default"], serde_json::json!([]));
    assert_eq!(sets[1]["not_default"], serde_json::json!(["max_frames: 50", "n_mfcc: 13"]));
    assert_eq!(sets[1]["shape"], serde_json::json!([3, 13, 50]));
    assert_eq!(sets[0]["entries"], 42);
    assert_eq!(sets[0]["splits"]["speaker-OAF"]["test"], 21);
    let bytes: u64 = made.shards().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(sets[0]["bytes"].as_u64().unwrap() + sets[1]["bytes"].as_u64().unwrap(), bytes);
    let text = made.run("ls", &[]).ends(0).stdout;
    assert!(text.contains("(newest)") && text.contains("configuration: the default"), "{text}");
    assert!(made.run("ls", &["--long"]).stdout.contains("hop_length: 256"));
    // Manifests that cannot be read are named; the rest is listed.
    flip(&made.manifests().join("word/split.toml"), 0);
    let ran = made.run("ls", &[]).ends(3);
    assert!(ran.stdout.contains("damaged: ") && ran.stdout.contains("word/split.toml"), "{}", ran.stdout);
}

// --- export ---

const NUMPY: &str = r#"
import json, sys
import numpy as np
from safetensors import safe_open
cache, folder, protocol = sys.argv[1:]
labels = json.load(open(f"{folder}/labels.json"))
for side in ["train", "val", "test"]:
    lines = open(f"{folder}/{side}.jsonl", "rb").read()
    assert lines == open(f"{cache}/splits/{protocol}/{side}.jsonl", "rb").read()
    utterances = [json.loads(line) for line in lines.splitlines()]
    x = np.load(f"{folder}/{side}_features.npy")
    frames = np.load(f"{folder}/{side}_frames.npy")
    y = np.load(f"{folder}/{side}_labels.npy")
    assert (x.dtype, frames.dtype, y.dtype) == (np.float32, np.int32, np.int64)
    assert x.shape == (len(utterances), 3, 40, 200) and frames.shape == y.shape == (len(utterances),)
    for i, utterance in enumerate(utterances):
        with safe_open(f"{cache}/{utterance['shard']}", "np") as shard:
            assert np.array_equal(x[i], shard.get_slice("features")[utterance["row"]])
            assert frames[i] == shard.get_tensor("frames")[utterance["row"]]
        assert labels[y[i]] == utterance["label"]
    print(side, len(utterances))
"#;

#[test]
fn numpy_reads_what_was_exported_and_it_is_what_the_shards_hold() {
    let made = Made::speech();
    let folder = made.folder.path().join("new/export");
    made.run("export", &["--split", "word", "--numpy", folder.to_str().unwrap()]).ends(0);
    let files: BTreeSet<String> = contents(&folder).into_keys().collect();
    assert_eq!(files.len(), 13, "{files:?}");
    let Some(python) = python_with("safetensors.numpy") else { return };
    let root = made.root();
    let arguments = [root.as_os_str(), folder.as_os_str(), OsStr::new("word")];
    let output = Command::new(python).args(["-c", NUMPY]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cache = Cache::open(&made.root()).unwrap();
    let split = cache.split(cache.feature_set(None).unwrap(), &Protocol::Word).unwrap();
    let expected: String =
        Side::ALL.iter().map(|part| format!("{part} {}\n", split.side(*part).len())).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_damaged_tensor_is_not_exported() {
    let made = Made::plain();
    let folder = made.folder.path().join("export");
    for shard in made.shards() {
        let at = data_at(&shard) + 1000;
        (0..4).for_each(|row| flip(&shard, at + row * ROW));
    }
    let ran = made.run("export", &["--numpy", folder.to_str().unwrap()]).ends(1);
    assert!(
        ran.stderr.contains("has changed since it was written") && ran.stderr.contains("--repair"),
        "{}",
        ran.stderr
    );
    let files: Vec<String> = contents(&folder).into_keys().collect();
    assert_eq!(files, ["labels.json"], "half a file was left");
}

#[test]
fn the_csv_has_every_field_and_the_side_in_every_split() {
    let made = Made::speech();
    let file = made.folder.path().join("utterances.csv");
    made.run("export", &["--csv", file.to_str().unwrap()]).ends(0);
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let expected = "key path label speaker word sample_rate duration_s frames shard row session start_s end_s \
                    parent corpus side_random side_speaker-OAF side_speaker-YAF side_word";
    assert_eq!(columns.join(" "), expected);
    let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 42);
    let cache = Cache::open(&made.root()).unwrap();
    let set = cache.feature_set(None).unwrap();
    for protocol in ["random", "word", "speaker-OAF", "speaker-YAF"] {
        let split = cache.split(set, &protocol.parse().unwrap()).unwrap();
        for part in Side::ALL {
            for utterance in split.side(part) {
                let line = lines.iter().find(|line| line["path"] == utterance.path).unwrap();
                assert_eq!(line[&format!("side_{protocol}")], part.to_string());
                assert_eq!(line["key"], utterance.key.to_string());
                assert_eq!(
                    line["duration_s"].parse::<f64>().unwrap().to_bits(),
                    utterance.duration_s.to_bits()
                );
                assert_eq!(Some(&line["word"]), utterance.word.as_ref());
            }
        }
    }
}

// --- diff ---

fn diff(a: &Made, b: &Made, more: &[&str], code: i32) -> Value {
    let roots = [a.root(), b.root()];
    let arguments =
        [&["diff", "--json", roots[0].to_str().unwrap(), roots[1].to_str().unwrap()], more].concat();
    serde_json::from_str(&ser_cache(arguments).ends(code).stdout).unwrap()
}

#[test]
fn diff_says_which_utterances_changed_and_why() {
    let (a, b) = (Made::plain(), Made::plain());
    let same = diff(&a, &b, &[], 0);
    assert_eq!((&same["equal"], &same["same"]), (&true.into(), &12.into()));

    fs::write(b.data().join("calm/001.wav"), wav(16_000, &noise(99, 1600))).unwrap();
    fs::remove_file(b.data().join("calm/002.wav")).unwrap();
    put(&b.data(), "loud/new.wav", &wav(16_000, &noise(98, 1600)));
    b.prepare();
    let found = diff(&a, &b, &[], 1);
    assert_eq!(found["removed"], serde_json::json!(["calm/002.wav"]));
    assert_eq!(found["added"], serde_json::json!(["loud/new.wav"]));
    assert_eq!(found["configuration"], serde_json::json!([]));
    let content: Vec<&str> = found["changed"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|changed| changed["why"].as_array().unwrap().iter().any(|why| why["field"] == "content"))
        .map(|changed| changed["path"].as_str().unwrap())
        .collect();
    assert_eq!(content, ["calm/001.wav"]);
    let text = ser_cache([OsStr::new("diff"), a.root().as_os_str(), b.root().as_os_str()]).ends(1).stdout;
    assert!(text.contains("- calm/002.wav") && text.contains("! calm/001.wav: content differs"), "{text}");
}

#[test]
fn diff_tells_another_seed_label_and_configuration_apart() {
    let (a, b) = (Made::speech(), Made::speech());
    prepare(&PrepareOptions { seed: 7, ..b.options() }, &Storage::native(), &Silent).unwrap();
    let found = diff(&a, &b, &[], 1);
    let fields: BTreeSet<&str> = found["changed"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|changed| changed["why"].as_array().unwrap())
        .map(|why| why["field"].as_str().unwrap())
        .collect();
    assert!(fields.contains("side in random"), "{fields:?}");
    assert!(fields.iter().all(|field| field.starts_with("side in ")), "{fields:?}");

    // The same recordings under other labels, given by a table.
    let table = b.folder.path().join("labels.csv");
    let mut lines = "path,label\n".to_owned();
    for entry in walkdir::WalkDir::new(b.data()).into_iter().flatten().filter(|e| e.file_type().is_file()) {
        let path = relative(&b.data(), entry.path());
        lines += &format!("{path},{}\n", if path.contains("angry") { "cross" } else { "other" });
    }
    fs::write(&table, lines).unwrap();
    let labels = ser_corpus::LabelSource::Table(table);
    prepare(&PrepareOptions { labels: vec![labels], ..b.options() }, &Storage::native(), &Silent).unwrap();
    let found = diff(&a, &b, &[], 1);
    let angry =
        found["changed"].as_array().unwrap().iter().find(|c| c["path"].as_str().unwrap().contains("angry"));
    let why = angry.unwrap()["why"].as_array().unwrap();
    assert!(why.contains(&serde_json::json!({"field": "label", "a": "angry", "b": "cross"})), "{why:?}");
    assert!(found["protocols"].as_array().unwrap().contains(&"word".into()), "{}", found["protocols"]);

    // Two feature sets of one cache.
    a.prepare_small();
    let ids: Vec<String> = a.index().feature_sets.iter().map(|set| set.id.clone()).collect();
    let found = diff(&a, &a, &["--feature-set", &ids[0], "--feature-set", &ids[1]], 1);
    assert_eq!(
        found["configuration"],
        serde_json::json!([
            {"field": "max_frames", "a": "200", "b": "50"},
            {"field": "n_mfcc", "a": "40", "b": "13"},
        ])
    );
    assert_eq!(found["same"], 42, "the utterances themselves are the same");
}

// --- hostile places ---

#[test]
fn a_folder_that_is_not_a_cache_is_refused_by_every_command_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    put(place.path(), "file", b"a file");
    fs::create_dir(path("empty")).unwrap();
    put(place.path(), "foreign/index.bin", b"SERINDEX and nonsense");
    let (missing, file, empty, foreign) = (path("missing"), path("file"), path("empty"), path("foreign"));
    let before = contents(place.path());
    let out = path("out");
    for (root, says) in [
        (&missing, "missing: "),
        (&file, "file: "),
        (&empty, "empty: holds no cache; make one with: ser-prep"),
        (&foreign, "foreign/index.bin: is not a valid index"),
    ] {
        for command in [
            &["ls", root][..],
            &["verify", root],
            &["verify", "--repair", root],
            &["du", "--cache", root],
            &["gc", root],
            &["gc", "--dry-run", root],
            &["export", "--csv", &out, root],
            &["export", "--numpy", &out, root],
            &["diff", root, root],
        ] {
            let ran = ser_cache(command).ends(1);
            // Finding a damaged index is the job of verify.
            if command[0] == "verify" && root == &foreign {
                assert!(ran.stdout.contains("index.bin: is not a valid index"), "{ran:?}");
                let aside = path("foreign/index.bin.damaged");
                if Path::new(&aside).exists() {
                    fs::rename(aside, path("foreign/index.bin")).unwrap();
                }
                let _ = fs::remove_file(path("foreign/.lock"));
            } else {
                assert!(ran.stderr.contains(says), "{command:?}: {}", ran.stderr);
                assert_eq!(ran.stdout, "", "{command:?}");
            }
        }
    }
    // A refused repair and gc leave nothing behind where there is no cache.
    assert_eq!(contents(place.path()), before);
    assert!(!Path::new(&out).exists());
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["frobnicate"][..],
        &["export"],
        &["export", "--csv", "a", "--numpy", "b"],
        &["export", "--csv", "a", "--split", "nonsense"],
        &["verify", "--data", "x"],
        &["verify", "--quiet", "--json"],
        &["verify", "--jobs", "100000"],
        &["diff", "a"],
        &["ls", "a", "--cache", "b"],
    ] {
        ser_cache(arguments).ends(2);
    }
    for command in ["ls", "verify", "du", "gc", "export", "diff"] {
        assert!(ser_cache([command, "--help"]).ends(0).stdout.contains("--json"));
    }
}
