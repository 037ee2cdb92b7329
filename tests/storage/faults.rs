//! Writes that fail: what existed stays, the error names the file, and nothing unfinished is left behind.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ser_cache::Cache;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind};
use ser_prepare::{PrepareOptions, prepare};

use crate::common_disk::{
    After, Blobs, Failing, Failure, PowerLoss, Recording, Tree, assert_same, check, corpus, kept, prepared,
    quick_folder, scratches, side_by_side, small_options,
};

const NO_SPACE: i32 = 28;
const INPUT_OUTPUT: i32 = 5;
const QUOTA: i32 = 122;
const READ_ONLY: i32 = 30;

/// Lets every operation of a run fail in turn, in every way: a corpus beside a cache that is `before`, and the options
/// of a run that takes it further. Returns how many failures were tried.
fn fail_everywhere(folder: &Path, before: &Tree, blobs: &Blobs, options: &PrepareOptions) -> usize {
    let start = |name: &str| {
        let disk = folder.join(name);
        blobs.lay_out(before, &disk);
        let options = PrepareOptions { out: disk.join("cache"), ..options.clone() };
        (disk, options)
    };
    let (undisturbed, whole) = start("undisturbed");
    let recording = Recording::default();
    prepare(&whole, &Storage::on(Arc::new(recording.clone())), &Silent).unwrap();
    let expected = kept(&undisturbed);
    let old = before.get(Path::new("cache/index.bin")).map(|_| {
        let (disk, options) = start("old");
        (fs::read(options.out.join("index.bin")).unwrap(), kept(&disk))
    });

    let operations = recording.operations().len();
    let errors = [NO_SPACE, INPUT_OUTPUT, QUOTA, READ_ONLY];
    let failures = (0..operations).flat_map(|healthy| {
        let afters = [After::Healthy, After::OnlyRemoving, After::Nothing].into_iter().enumerate();
        afters.map(move |(turn, after)| Failure {
            healthy: healthy as i64,
            errno: errors[(healthy + turn) % 4],
            after,
        })
    });
    let tried = AtomicUsize::new(0);
    side_by_side(failures, |failure| {
        let number = tried.fetch_add(1, Ordering::Relaxed);
        let (disk, options) = start(&format!("failing-{number}"));
        let failing = Failing::new(failure);
        let result = prepare(&options, &Storage::on(Arc::new(failing.clone())), &Silent);
        assert!(failing.has_failed(), "{failure:?}");
        let error = result.expect_err(&format!("{failure:?} was not noticed"));
        assert_names_the_file(&error, &disk, failure);

        match (&old, fs::read(options.out.join("index.bin"))) {
            (None, Err(_)) => {
                assert_eq!(Cache::open(&options.out).unwrap_err().kind(), ErrorKind::Missing, "{failure:?}");
            }
            (old, index) => {
                let index = index.unwrap_or_else(|error| panic!("{failure:?}: the index is lost: {error}"));
                let is_new = index == expected[Path::new("cache/index.bin")];
                assert!(is_new || old.as_ref().is_some_and(|(old, _)| *old == index), "{failure:?}");
                check(&options.out).unwrap_or_else(|error| panic!("{failure:?}: {error}"));
                assert_still_there(old.as_ref().map(|(_, kept)| kept), &kept(&disk), failure);
            }
        }
        if failure.after != After::Nothing {
            assert_eq!(scratches(&disk), Vec::<PathBuf>::new(), "{failure:?}");
        }

        prepared(&options);
        assert_same(&kept(&disk), &expected, &format!("{failure:?}"));
        assert_eq!(scratches(&disk), Vec::<PathBuf>::new(), "{failure:?}");
        fs::remove_dir_all(disk).unwrap();
    });
    println!("{operations} operations, {} failures", tried.load(Ordering::Relaxed));
    tried.into_inner()
}

fn assert_names_the_file(error: &Error, disk: &Path, failure: Failure) {
    assert_eq!(error.kind(), ErrorKind::Io, "{failure:?}: {error}");
    let path = error.path().unwrap_or_else(|| panic!("{failure:?}: no file is named: {error}"));
    // The folder that holds the disk's is made durable first.
    assert!(path.starts_with(disk) || disk.parent() == Some(path), "{failure:?}: {error}");
    let cause = std::io::Error::from_raw_os_error(failure.errno).to_string();
    assert!(error.to_string().contains(&cause), "{failure:?}: {error}");
}

/// Shards and manifests are never changed; only the index, the link and the report may be new.
fn assert_still_there(
    old: Option<&BTreeMap<PathBuf, Vec<u8>>>,
    found: &BTreeMap<PathBuf, Vec<u8>>,
    failure: Failure,
) {
    for (path, bytes) in old.into_iter().flatten() {
        let is_immutable = path.starts_with("cache/shards") || path.starts_with("cache/manifests");
        assert!(
            !is_immutable || found.get(path) == Some(bytes),
            "{failure:?}: {} is not as it was",
            path.display()
        );
        assert!(found.contains_key(path), "{failure:?}: {} is lost", path.display());
    }
}

#[test]
fn a_first_run_may_fail_anywhere() {
    let folder = quick_folder();
    let blobs = Blobs::new(&folder.path().join("blobs"));
    corpus(&folder.path().join("corpus"), &["bar", "dog", "fit", "gin"], 0);
    let options = small_options(&folder.path().join("corpus"), Path::new(""));
    assert!(fail_everywhere(folder.path(), &Tree::new(), &blobs, &options) > 300);
}

#[test]
fn a_run_over_a_changed_corpus_may_fail_anywhere() {
    let folder = quick_folder();
    let (data, disk) = (folder.path().join("corpus"), folder.path().join("disk"));
    let blobs = Blobs::new(&folder.path().join("blobs"));
    corpus(&data, &["bar", "dog", "fit", "gin"], 0);
    fs::create_dir(&disk).unwrap();
    let options = small_options(&data, &disk.join("cache"));
    prepared(&options);
    corpus(&data, &["dog", "hit"], 1);
    // What a killed writer left is cleared away, which may fail as well.
    fs::write(disk.join("cache/shards/.scratch-1-0"), "torn").unwrap();
    let before = blobs.tree(&disk);
    let options = PrepareOptions { seed: 1, ..options };
    // The scratch file of the killed writer stays where its removal fails.
    let (without, with): (Tree, Tree) = (
        before
            .iter()
            .filter(|(path, _)| !path.ends_with(".scratch-1-0"))
            .map(|(p, n)| (p.clone(), n.clone()))
            .collect(),
        before,
    );
    assert!(fail_everywhere(folder.path(), &without, &blobs, &options) > 300);
    let (torn, options) =
        (folder.path().join("torn"), PrepareOptions { out: folder.path().join("torn/cache"), ..options });
    blobs.lay_out(&with, &torn);
    let failure = Failure { healthy: 2, errno: INPUT_OUTPUT, after: After::Healthy };
    let mut healthy = 0;
    // It is the first removal that fails, whichever operation that is.
    let error = loop {
        let failing = Failing::new(Failure { healthy, ..failure });
        match prepare(&options, &Storage::on(Arc::new(failing)), &Silent) {
            Err(error) if error.to_string().contains("cannot be removed") => break error,
            _ => healthy += 1,
        }
        assert!(healthy < 20 && torn.join("cache/shards/.scratch-1-0").exists());
    };
    assert!(error.path().unwrap().ends_with(".scratch-1-0"), "{error}");
    prepared(&options);
    assert_eq!(scratches(&torn), Vec::<PathBuf>::new());
}

// Checkpoints: a file that is replaced, and kept under a second name before.

/// What training does after each epoch.
fn save(storage: &Storage, folder: &Path, epoch: u8) -> ser_core::Result<()> {
    let [last, previous, best] = ["last.pt", "previous.pt", "best.pt"].map(|name| folder.join(name));
    if last.exists() {
        storage.keep_as(&last, &previous)?;
    }
    storage.replace_file(&last, &[&vec![epoch; 5000], b"end"])?;
    if epoch.is_multiple_of(2) {
        storage.replace_file(&best, &[&vec![epoch; 5000], b"end"])?;
    }
    Ok(())
}

/// The epoch of a checkpoint, which must be whole; 0 for none.
fn epoch_of(bytes: Option<Vec<u8>>) -> u8 {
    let Some(bytes) = bytes else { return 0 };
    assert!(bytes.len() == 5003 && bytes.ends_with(b"end"), "{} bytes", bytes.len());
    let epoch = bytes[0];
    assert!(bytes[..5000].iter().all(|byte| *byte == epoch));
    epoch
}

#[test]
fn a_loss_of_power_while_checkpoints_are_replaced_leaves_whole_ones() {
    let folder = quick_folder();
    let (disk, blobs) = (folder.path().join("disk"), Blobs::new(&folder.path().join("blobs")));
    fs::create_dir(&disk).unwrap();
    let recording = Recording::default();
    let storage = Storage::on(Arc::new(recording.clone()));
    let mut done = Vec::new();
    for epoch in 1..=4 {
        save(&storage, &disk, epoch).unwrap();
        done.push(recording.operations().len());
    }
    let mut model = PowerLoss::new(&blobs, &disk, &Tree::new());
    let mut states = 0;
    for (position, operation) in recording.operations().iter().enumerate() {
        model.apply(operation);
        let reported = done.iter().filter(|end| **end <= position + 1).count() as u8;
        for state in model.possible().into_iter().chain([model.as_seen()]) {
            states += 1;
            let [last, previous, best] = ["last.pt", "previous.pt", "best.pt"].map(|name| {
                epoch_of(state.get(Path::new(name)).map(|node| match node {
                    crate::common_disk::Node::File(sha) => blobs.read(sha),
                    other => panic!("{other:?}"),
                }))
            });
            let when = format!("after {operation:?}, {reported} epochs saved: {last} {previous} {best}");
            assert!(last == reported || last == reported + 1, "{when}");
            assert!(previous + 1 == last || previous == last || last == 1, "{when}");
            assert!(best >= reported / 2 * 2 && best <= last / 2 * 2, "{when}");
        }
    }
    println!("{states} states");
    assert!(states > 60);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_those_before_it() {
    let mut tried = 0;
    for errno in [NO_SPACE, INPUT_OUTPUT, QUOTA, READ_ONLY] {
        for after in [After::Healthy, After::OnlyRemoving, After::Nothing] {
            for healthy in 0.. {
                let folder = quick_folder();
                save(&Storage::native(), folder.path(), 1).unwrap();
                save(&Storage::native(), folder.path(), 2).unwrap();
                let failure = Failure { healthy, errno, after };
                let failing = Failing::new(failure);
                let result = save(&Storage::on(Arc::new(failing.clone())), folder.path(), 3)
                    .and_then(|()| save(&Storage::on(Arc::new(failing.clone())), folder.path(), 4));
                if !failing.has_failed() {
                    break;
                }
                tried += 1;
                assert_names_the_file(&result.unwrap_err(), folder.path(), failure);
                let [last, previous, best] = ["last.pt", "previous.pt", "best.pt"]
                    .map(|name| epoch_of(fs::read(folder.path().join(name)).ok()));
                assert!(last >= 2 && previous >= 1 && best >= 2 && previous <= last, "{failure:?}");
                if after != After::Nothing {
                    assert_eq!(scratches(folder.path()), Vec::<PathBuf>::new(), "{failure:?}");
                }
            }
        }
    }
    println!("{tried} failures");
    assert!(tried > 150);
}

// A file system that is really full.

#[test]
fn a_full_file_system_leaves_the_old_cache_and_the_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (data, old, mounted) =
        (folder.path().join("corpus"), folder.path().join("old"), folder.path().join("mounted"));
    fs::create_dir(&mounted).unwrap();
    if !run_mounted(&mounted, 1 << 20, "true", &[]).success() {
        eprintln!("SKIPPED: this user may not mount a file system, so none was filled; root may");
        return;
    }
    corpus(&data, &["bar", "dog", "fit", "gin"], 0);
    // Default features: a shard of 4 tensors has 96 kB.
    let prep = format!(
        "{} --shard-bytes 400000 --data {} --quiet --out",
        env!("CARGO_BIN_EXE_ser-prep"),
        data.display()
    );
    let run = |line: &str| Command::new("sh").arg("-c").arg(line).output().unwrap();
    assert!(run(&format!("{prep} {}", old.display())).status.success());
    let before = kept(&old);
    corpus(&data, &["dog", "hit", "jar"], 1);
    let new = folder.path().join("new");
    assert!(
        run(&format!("cp -a {} {}; {prep} {}", old.display(), new.display(), new.display())).status.success()
    );
    let expected = kept(&new);

    let pages = |cache: &BTreeMap<PathBuf, Vec<u8>>| {
        cache.values().map(|b| b.len().div_ceil(4096) * 4096).sum::<usize>()
    };
    let (least, most) = (pages(&before), pages(&expected));
    let mut full = BTreeMap::new();
    // Shards take most of it; then the manifests, the index and the report, by a few pages at a time.
    let shards = (0..4).map(|step| least + 16_384 + (most - least) * step / 5);
    for (step, size) in shards.chain((0..20).map(|pages| most + 40_960 - pages * 12_288)).enumerate() {
        let back = folder.path().join(format!("back-{step}"));
        let script = "cp -a \"$1\" \"$0/cache\" && { $3 \"$0/cache\" 2>\"$2.err\"; echo $? >\"$2.code\"; cp -a \"$0/cache\" \"$2\"; }";
        let arguments = [old.to_str().unwrap(), back.to_str().unwrap(), &prep];
        assert!(run_mounted(&mounted, size, script, &arguments).success());
        let code = fs::read_to_string(folder.path().join(format!("back-{step}.code"))).unwrap();
        let said = fs::read_to_string(folder.path().join(format!("back-{step}.err"))).unwrap();
        match code.trim() {
            "0" => assert_same(&kept(&back), &expected, "there was room"),
            "1" => {
                assert!(said.contains("No space left on device"), "{said}");
                let named = said.split(": ").nth(1).unwrap();
                assert!(Path::new(named).starts_with(mounted.join("cache")), "{said}");
                let place = named.rsplit('/').nth(1).unwrap().to_owned();
                *full.entry(place).or_insert(0) += 1;
                check(&back).unwrap_or_else(|error| panic!("{step}: {error}"));
                let found = kept(&back);
                let index = Path::new("index.bin");
                assert!(found[index] == before[index] || found[index] == expected[index]);
                for (path, bytes) in before.iter().filter(|(path, _)| path.iter().count() > 1) {
                    let kept = found.get(path) == Some(bytes);
                    // What the audit measured says which tensors it is about, and is measured again for others.
                    let newer = path.starts_with("audit") && found.get(path) == expected.get(path);
                    assert!(kept || newer, "{} is not as it was", path.display());
                }
                assert_eq!(scratches(&back), Vec::<PathBuf>::new());
                // With space again, the next run ends as if nothing had happened.
                assert!(run(&format!("{prep} {}", back.display())).status.success());
                assert_same(&kept(&back), &expected, &said);
            }
            code => panic!("{code}: {said}"),
        }
    }
    println!("full {full:?}");
    assert!(full.values().sum::<i32>() >= 8 && full.len() >= 2, "{full:?}");
}

/// Runs a shell script, `$0` of which is a file system of `size` bytes that nobody else sees and that ends with it.
fn run_mounted(place: &Path, size: usize, script: &str, arguments: &[&str]) -> std::process::ExitStatus {
    let mounting = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && {{ {script}; }}");
    let output =
        Command::new("unshare").args(["-Urm", "sh", "-c", &mounting]).arg(place).args(arguments).output();
    let output = output.expect("unshare is a part of util-linux");
    if !output.stderr.is_empty() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status
}
