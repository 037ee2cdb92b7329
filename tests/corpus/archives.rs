//! Corpora whose recordings lie in archives, as the libraries `datasets` and `webdataset` write them: the same utterances as in
//! folders, and damage of every kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, Utterance};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::split::Part;
use ser_corpus::{read_recording, scan};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};

/// A corpus that `tests/fixtures/corpus/archives.py` wrote.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus").join(name)
}

/// A copy of a fixture that may be changed, and room for a cache.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for entry in walkdir::WalkDir::new(fixture(name)) {
        let entry = entry.unwrap();
        let to = data.join(entry.path().strip_prefix(fixture(name)).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(&to).unwrap(),
            false => _ = fs::copy(entry.path(), &to).unwrap(),
        }
    }
    (folder, data)
}

fn run(data: &Path, out: &Path) -> PrepareReport {
    prepare(&PrepareOptions::new(data.to_owned(), out.to_owned()), &Storage::native(), &Silent).unwrap()
}

fn side(out: &Path, protocol: &str, part: Part) -> Vec<Utterance> {
    let cache = Cache::open(out).unwrap();
    let set = cache.feature_set(None).unwrap();
    cache.split(set, &protocol.parse().unwrap()).unwrap().part(part).to_vec()
}

/// Every utterance of a cache by the name of its recording.
fn all(out: &Path) -> BTreeMap<String, Utterance> {
    let utterances = Part::ALL.into_iter().flat_map(|part| side(out, "random", part));
    utterances.map(|utterance| (utterance.path.rsplit('/').next().unwrap().to_owned(), utterance)).collect()
}

#[test]
fn utterances_in_archives_are_those_of_the_files_that_were_put_in() {
    let scratch = tempfile::tempdir().unwrap();
    let out = |name: &str| scratch.path().join(name);
    run(&fixture("clips"), &out("clips"));
    let clips = all(&out("clips"));
    assert_eq!(clips.len(), 12);
    for (name, first) in [
        ("parquet", "data/train-00000-of-00001.parquet/s0_00.wav"),
        ("webdataset", "shard-000000.tar/s0_00.wav"),
    ] {
        let report = run(&fixture(name), &out(name));
        assert_eq!((report.used, report.computed, report.failed.len()), (12, 12, 0), "{report:?}");
        let found = all(&out(name));
        assert_eq!(found["s0_00.wav"].path, first);
        for (clip, utterance) in &clips {
            let found = &found[clip];
            // The key is of the recording's bytes.
            assert_eq!((found.key, &found.label), (utterance.key, &utterance.label), "{name}: {clip}");
            assert_eq!(found.speaker.as_deref(), clip.get(..2), "{name}: {clip}");
        }
        let again = run(&fixture(name), &out(name));
        assert_eq!((again.computed, again.reused, again.bytes_read), (0, 12, 0), "{again:?}");
    }
    // Parquet files are called by the sides of the published split.
    let of_side = |part| -> Vec<String> {
        side(&out("parquet"), "official", part)
            .into_iter()
            .filter_map(|utterance| utterance.speaker)
            .collect()
    };
    assert_eq!(of_side(Part::Test), ["s1"; 6]);
    let columns = run(&fixture("parquet"), &out("again")).notes;
    assert!(columns.iter().any(|note| note.text.contains("\"gain\"")), "{columns:?}");
}

#[test]
fn a_recording_that_has_left_its_archive_is_named() {
    let (_folder, data) = copied("webdataset");
    let location = data.join("shard-000000.tar/s0_00.wav");
    let mut bytes = Vec::new();
    read_recording(&location, 1 << 20, &mut bytes).unwrap();
    assert_eq!(bytes, fs::read(fixture("clips/angry/s0_00.wav")).unwrap());
    let error = read_recording(&location, 100, &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    fs::copy(data.join("shard-000001.tar"), data.join("shard-000000.tar")).unwrap();
    let error = read_recording(&location, 1 << 20, &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("shard-000000.tar/s0_00.wav"), "{error}");
    fs::remove_file(data.join("shard-000000.tar")).unwrap();
    assert!(read_recording(&location, 1 << 20, &mut bytes).unwrap_err().to_string().contains("s0_00.wav"));
}

#[test]
fn what_is_whole_in_a_tar_that_ends_early_is_used_and_the_rest_named() {
    let (folder, data) = copied("webdataset");
    let shard = data.join("shard-000001.tar");
    let whole = fs::read(&shard).unwrap();
    // Within the sound of its fourth sample.
    fs::write(&shard, &whole[..34_000]).unwrap();
    let report = run(&data, &folder.path().join("cache"));
    assert_eq!(report.used, 9, "{report:?}");
    assert_eq!(report.failed.len(), 1, "{:?}", report.failed);
    let failed = &report.failed[0];
    assert!(failed.path == "shard-000001.tar" && failed.text.contains("ends within s1_09.wav"), "{failed:?}");
}

#[test]
fn an_archive_that_is_none_is_named_and_one_without_recordings_is_ignored() {
    let (folder, data) = copied("parquet");
    fs::write(data.join("data/val-00000.parquet"), b"PAR1 and no more").unwrap();
    fs::write(data.join("odd.tar"), [7; 2000]).unwrap();
    fs::write(data.join("empty.tar"), [0; 1024]).unwrap();
    let report = run(&data, &folder.path().join("cache"));
    let failed: Vec<&str> = report.failed.iter().map(|failed| failed.path.as_str()).collect();
    assert_eq!(failed, ["data/val-00000.parquet", "odd.tar"], "{:?}", report.failed);
    assert_eq!((report.used, report.ignored), (12, 1), "{report:?}");
}

/// Whatever bytes an archive has, listing and reading it ends with recordings or with an error.
#[test]
fn damaged_archives_never_panic() {
    for (name, file) in [("parquet", "data/test-00000-of-00001.parquet"), ("webdataset", "shard-000001.tar")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Path::new(file).file_name().unwrap());
        let whole = fs::read(fixture(name).join(file)).unwrap();
        let mut readable = 0;
        let mut check = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let mut content = Vec::new();
            for found in scan(folder.path()).unwrap().files {
                let read = read_recording(&found.location(folder.path()), 1 << 20, &mut content);
                readable += usize::from(read.is_ok());
            }
        };
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            check(&whole[..cut]);
        }
        for number in 0..300 {
            let mut bytes = whole.clone();
            // Most of what describes a Parquet file lies at its end.
            let place =
                if number % 2 == 0 { whole.len() - 1 - number * 13 } else { number * 97 % whole.len() };
            bytes[place] ^= 1 << (number % 8);
            check(&bytes);
        }
        assert!(readable > 300, "{name}: {readable}");
    }
}
