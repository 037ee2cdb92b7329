//! A corpus prepared in portions and put together is what one run makes of it, and nonsense is refused by name.

use std::path::Path;
use std::process::Command;

use crate::common::{Ran, speech};
use crate::common_disk::{assert_same, kept};

/// Small shards, so that there are many of them.
const OPTIONS: [&str; 5] = ["--shard-bytes", "200000", "--quiet", "--max-frames", "100"];

fn prep(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-prep"));
    command.current_dir(folder).args(["--data", "corpus"]).args(OPTIONS).args(arguments);
    command
}

fn succeed(command: &mut Command) {
    Ran::of(&command.output().unwrap()).ends(0);
}

/// What a command complains of that must end with `code`.
fn fail(command: &mut Command, code: i32) -> String {
    let ran = Ran::of(&command.output().unwrap()).ends(code);
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran.stderr
}

/// Prepares all portions of the corpus in `folder`, as `portions/<number>`.
fn prepare_portions(folder: &Path, of: u32) {
    for number in 1..=of {
        let (out, shard) = (format!("portions/{number}"), format!("{number}/{of}"));
        let done = prep(folder, &["--out", &out, "--shard", &shard]).output().unwrap();
        assert!([Some(0), Some(3)].contains(&done.status.code()), "{done:?}");
    }
}

#[test]
fn portions_put_together_are_what_one_run_makes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 6);
    // The same sound twice, perhaps in two portions, and a recording that cannot be used.
    let copied = walkdir::WalkDir::new(folder.join("corpus")).into_iter().map(Result::unwrap);
    let copied = copied.into_iter().find(|entry| entry.file_type().is_file()).unwrap().into_path();
    std::fs::copy(&copied, copied.with_file_name("again.wav")).unwrap();
    std::fs::write(copied.with_file_name("broken.wav"), b"RIFF").unwrap();
    let one = prep(folder, &["--out", "one"]).output().unwrap();
    assert_eq!(one.status.code(), Some(3), "{one:?}");

    prepare_portions(folder, 3);
    let sizes =
        |number: u32| std::fs::read_dir(folder.join(format!("portions/{number}/shards"))).unwrap().count();
    assert!((1..=3).all(|number| sizes(number) > 0));
    // A portion can be looked after like a cache, and is none to train on.
    let cache = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser-cache"));
        command.current_dir(folder).args(arguments);
        command
    };
    succeed(&mut cache(&["verify", "portions/1"]));
    let removed = Ran::of(&cache(&["gc", "portions/1"]).output().unwrap()).ends(0).stdout;
    assert!(removed.contains("nothing to remove"), "{removed}");
    let complaint = fail(&mut cache(&["export", "portions/1", "--numpy", "out"]), 1);
    assert!(complaint.contains("is a portion of a preparation"), "{complaint}");
    let merge = ["--out", "merged", "--merge", "portions/2", "portions/3", "portions/1"];
    let merged = prep(folder, &merge).output().unwrap();
    assert_eq!(merged.status.code(), Some(3), "{merged:?}");
    assert_eq!(merged.stderr, one.stderr);
    assert_same(&kept(&folder.join("merged")), &kept(&folder.join("one")), "three portions put together");

    // Where files have other times than those that the portions have seen, they are read, and no more.
    let touch = |entry: walkdir::DirEntry| {
        let file = std::fs::File::options().append(true).open(entry.path()).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    let files = walkdir::WalkDir::new(folder.join("corpus")).into_iter().map(Result::unwrap);
    files.filter(|entry| entry.file_type().is_file()).for_each(touch);
    let _ = prep(folder, &["--out", "later"]).output().unwrap();
    let merge = ["--out", "later-merged", "--merge", "portions/1", "portions/2", "portions/3"];
    let _ = prep(folder, &merge).output().unwrap();
    assert_same(&kept(&folder.join("later-merged")), &kept(&folder.join("later")), "files with other times");

    // A run that was put together goes on like any other.
    let again = prep(folder, &["--out", "later-merged"]).output().unwrap();
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    assert_same(&kept(&folder.join("later-merged")), &kept(&folder.join("later")), "prepared once more");
}

/// `ser-cache merge` in `folder`.
fn merge(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser-cache"));
    command.current_dir(folder).arg("merge").args(arguments);
    command
}

#[test]
fn portions_are_put_together_with_their_own_options() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 4);
    std::fs::write(folder.join("louder.toml"), "[[waveform]]\nkind = \"gain\"\ndb = [-6.0, 6.0]\n").unwrap();
    let options = ["--augment", "louder.toml", "--seed", "7", "--val-fraction", "0.2"];
    succeed(prep(folder, &["--out", "one"]).args(options));
    succeed(prep(folder, &["--out", "portions/1", "--shard=1/2", "--jobs", "1"]).args(options));
    // Its number is in an environment that is gone when it is put together.
    let pod = ["--out", "portions/2", "--shard", "kubernetes/2"];
    succeed(prep(folder, &pod).args(options).env("JOB_COMPLETION_INDEX", "1"));
    succeed(&mut merge(folder, &["portions/2", "portions/1", "--out", "merged", "--quiet"]));
    assert_same(&kept(&folder.join("merged")), &kept(&folder.join("one")), "with their options");

    // The recordings are elsewhere now.
    std::fs::rename(folder.join("corpus"), folder.join("moved")).unwrap();
    let complaint = fail(&mut merge(folder, &["portions/1", "portions/2", "--out", "moved-cache"]), 1);
    assert!(complaint.contains("corpus: is not here") && complaint.contains("--data"), "{complaint}");
    let moved = ["portions/1", "portions/2", "--out", "moved-cache", "--data", "corpus=moved", "--quiet"];
    succeed(&mut merge(folder, &moved));
    assert_same(&kept(&folder.join("moved-cache")), &kept(&folder.join("one")), "where recordings moved");
}

#[test]
fn portions_of_other_options_or_without_any_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 4);
    succeed(&mut prep(folder, &["--out", "1", "--shard", "1/2"]));
    succeed(&mut prep(folder, &["--out", "2", "--shard", "2/2", "--seed", "3"]));
    let complaint = fail(&mut merge(folder, &["1", "2"]), 1);
    assert!(complaint.contains("2: was prepared with other options than 1"), "{complaint}");
    let complaint = fail(&mut merge(folder, &["1"]), 1);
    assert!(complaint.contains("portions are missing: 2/2"), "{complaint}");
    std::fs::remove_file(folder.join("2/prep-report.json")).unwrap();
    let complaint = fail(&mut merge(folder, &["1", "2"]), 1);
    assert!(complaint.contains("2: holds no portion that was prepared to its end"), "{complaint}");
    let complaint = fail(&mut merge(folder, &["corpus"]), 1);
    assert!(complaint.contains("corpus: holds no portion"), "{complaint}");
    std::fs::write(folder.join("2/prep-report.json"), r#"{"arguments": ["--data", "x", "--newer"]}"#)
        .unwrap();
    let complaint = fail(&mut merge(folder, &["1", "2"]), 1);
    assert!(complaint.contains("options that this version does not know") && complaint.contains("--newer"));
    assert!(!folder.join("cache").exists());
}

#[test]
fn a_portion_that_was_stopped_goes_on_and_augmented_copies_are_with_their_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 4);
    std::fs::write(folder.join("louder.toml"), "[[waveform]]\nkind = \"gain\"\ndb = [-6.0, 6.0]\n").unwrap();
    let copies = ["--augment", "louder.toml", "--copies", "2"];
    succeed(prep(folder, &["--out", "one"]).args(copies));
    for number in 1..=2 {
        let (out, shard) = (format!("portions/{number}"), format!("{number}/2"));
        let portion = || {
            let mut command = prep(folder, &["--out", &out, "--shard", &shard]);
            command.args(copies);
            command
        };
        let mut child = portion().spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60));
        let _ = child.kill();
        child.wait().unwrap();
        succeed(&mut portion());
    }
    succeed(prep(folder, &["--out", "merged", "--merge", "portions/1", "portions/2"]).args(copies));
    assert_same(&kept(&folder.join("merged")), &kept(&folder.join("one")), "with copies");
}

#[test]
fn a_portion_and_a_whole_preparation_that_start_together_do_not_spoil_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 4);
    succeed(&mut prep(folder, &["--out", "whole"]));
    for attempt in 0..3 {
        let out = format!("out-{attempt}");
        let start = |more: &[&str]| {
            let mut command = prep(folder, &["--out", &out, "--wait"]);
            command.args(more).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let both = [start(&[]), start(&["--shard", "1/2"])];
        let [whole, portion] = both.map(|child| Ran::of(&child.wait_with_output().unwrap()));
        match (whole.code, portion.code) {
            (Some(0), Some(1)) => {
                assert!(portion.stderr.contains("is a whole cache"), "{portion:?}");
                assert_same(&kept(&folder.join(&out)), &kept(&folder.join("whole")), "the whole");
            }
            (Some(1), Some(0 | 3)) => assert!(whole.stderr.contains("holds portion 1/2"), "{whole:?}"),
            _ => panic!("{whole:?} {portion:?}"),
        }
    }
}

#[test]
fn what_does_not_belong_together_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 2);
    prepare_portions(folder, 3);
    succeed(&mut prep(folder, &["--out", "whole"]));
    succeed(&mut prep(folder, &["--out", "other-features", "--shard", "3/3", "--n-mfcc", "20"]));
    succeed(&mut prep(folder, &["--out", "of-two", "--shard", "2/2"]));
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let complaint = fail(&mut prep(folder, arguments), code);
        assert!(complaint.contains(says), "{arguments:?}: {complaint}");
        assert!(!folder.join("merged").exists(), "{arguments:?}");
    };
    let merged = |portions: &[&'static str]| [&["--out", "merged", "--merge"], portions].concat();
    for (portions, says) in [
        (&["portions/1", "portions/3"][..], "portions are missing: 2/3"),
        (&["portions/1", "portions/2", "portions/1"], "portions/1: is portion 1/3, as is portions/1"),
        (&["portions/1", "portions/2", "whole"], "whole: holds no portion: portion.json is missing"),
        (&["portions/1", "portions/2", "nowhere"], "nowhere: holds no portion"),
        (&["portions/1", "portions/2", "other-features"], "other-features: is of the feature set"),
        (&["portions/1", "of-two"], "of-two: is portion 2/2, but portions/1 is one of 3"),
    ] {
        refused(&merged(portions), 1, says);
    }
    for (arguments, says) in [
        (&["--out", "portions/1"][..], "portions/1: holds portion 1/3"),
        (&["--out", "portions/1", "--shard", "2/3"], "portions/1: holds portion 1/3"),
        (&["--out", "whole", "--shard", "2/3"], "whole: is a whole cache, and no portion of one"),
    ] {
        refused(arguments, 1, says);
    }
    refused(&["--out", "merged", "--shard", "4/3"], 2, "there is no portion 4 of 3");
    refused(&["--out", "merged", "--shard", "slurm"], 2, "SLURM_ARRAY_TASK_ID");

    std::fs::write(folder.join("portions/3/portion.json"), "{").unwrap();
    refused(&merged(&["portions/1", "portions/2", "portions/3"]), 1, "is not the record of a portion");
    prepare_again(folder);
    let shard = std::fs::read_dir(folder.join("portions/2/shards")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&shard).unwrap();
    let end = bytes.len() - 100;
    bytes[end] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let complaint = fail(&mut prep(folder, &merged(&["portions/1", "portions/2", "portions/3"])), 1);
    assert!(complaint.contains("portions/2/shards/"), "{complaint}");
    assert!(!folder.join("merged/index.bin").exists());

    let one = walkdir::WalkDir::new(folder.join("corpus")).into_iter().map(Result::unwrap);
    let one = one.into_iter().find(|entry| entry.file_type().is_file()).unwrap().into_path();
    std::fs::copy(&one, one.with_file_name("new.wav")).unwrap();
    let complaint = fail(&mut prep(folder, &merged(&["portions/1", "portions/2", "portions/3"])), 1);
    assert!(complaint.contains("portions/1: was prepared from other files"), "{complaint}");
}

/// The third portion, whose note was spoilt.
fn prepare_again(folder: &Path) {
    std::fs::remove_file(folder.join("portions/3/portion.json")).unwrap();
    std::fs::remove_file(folder.join("portions/3/index.bin")).unwrap();
    succeed(&mut prep(folder, &["--out", "portions/3", "--shard", "3/3"]));
}

#[test]
fn the_example_with_two_shells_makes_what_one_run_makes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speech(&folder.join("corpus"), 3);
    succeed(&mut prep(folder, &["--out", "one"]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster/two-shells");
    let mut command = Command::new(script);
    command.current_dir(folder).env("SER_PREP", env!("CARGO_BIN_EXE_ser-prep"));
    succeed(command.args(["corpus", "cache"]).args(OPTIONS));
    assert_same(&kept(&folder.join("cache")), &kept(&folder.join("one")), "two shells");
}
