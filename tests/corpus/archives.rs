//! Corpora whose recordings lie in archives, as the libraries `datasets` and `webdataset` write them: the same utterances as in
//! folders, and damage of every kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, Utterance};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::split::Side;
use ser_corpus::{read_recording, scan};
use ser_prepare::{PrepareOptions, PrepareReport, prepare};

use crate::common::{noise, put, wav};

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

fn side(out: &Path, protocol: &str, part: Side) -> Vec<Utterance> {
    let cache = Cache::open(out).unwrap();
    let set = cache.feature_set(None).unwrap();
    cache.split(set, &protocol.parse().unwrap()).unwrap().side(part).to_vec()
}

/// Every utterance of a cache by the name of its recording.
fn all(out: &Path) -> BTreeMap<String, Utterance> {
    let utterances = Side::ALL.into_iter().flat_map(|part| side(out, "random", part));
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
    assert_eq!(of_side(Side::Test), ["s1"; 6]);
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

/// A tar file of these entries: name, kind (`0` a file, `1` and `2` links) and content.
fn tar_of(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, content) in entries {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].fill(b' ');
        header[156] = *kind;
        header[157..162].copy_from_slice(b"x.wav");
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

/// A corpus of one tar file, and what comes of it.
fn of_tar(entries: &[(&str, u8, &[u8])]) -> ser_core::Result<PrepareReport> {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("data"), "shard-000.tar", &tar_of(entries));
    let options = PrepareOptions::new(folder.path().join("data"), folder.path().join("cache"));
    prepare(&options, &Storage::native(), &Silent)
}

/// Six recordings, each another sound.
fn clips() -> Vec<Vec<u8>> {
    (0..6).map(|seed| wav(8_000, &noise(seed + 1, 800))).collect()
}

#[test]
fn samples_that_cannot_be_told_apart_or_read_are_an_error_and_an_archive_names_no_class() {
    let clips = clips();
    let names = |between: &str, ending: &str| -> Vec<String> {
        (0..6).map(|n| format!("d{}{between}u{}.{ending}", n / 2, n % 2)).collect()
    };
    let of = |between: &str, ending: &str, text: fn(usize) -> String| {
        let (sounds, files) = (names(between, "wav"), names(between, ending));
        let texts: Vec<String> = (0..6).map(text).collect();
        let sounds = sounds.iter().zip(&clips).map(|(name, clip)| (name.as_str(), b'0', clip.as_slice()));
        let files = files.iter().zip(&texts).map(|(name, text)| (name.as_str(), b'0', text.as_bytes()));
        of_tar(&sounds.chain(files).collect::<Vec<_>>())
    };
    let json = |n: usize| format!("{{\"emotion\": \"{}\"}}", ["calm", "sad"][n % 2]);
    assert_eq!(of("_", "json", json).unwrap().labels["calm"], 3);
    // With a dot in it, a name is that of a sample of several recordings.
    let error = of(".", "json", json).unwrap_err().to_string();
    assert!(error.contains("shard-000.tar: d0.u0.json and d0.u1.json in it describe one sample"), "{error}");
    let error = of("_", "json", |n| format!("{{\"emotion\": \"sad\", \"snr\": {}}}", ["1", "NaN"][n / 5]))
        .unwrap_err();
    assert!(error.to_string().contains("shard-000.tar: d2_u1.json in it is not a JSON object"), "{error}");
    let error = of("_", "json", |_| "{\"mood\": \"sad\"}".to_owned()).unwrap_err().to_string();
    assert!(error.contains("has no column for the label, only \"mood\""), "{error}");
    let error = of("_", "txt", |n| ["calm", "sad"][n % 2].to_owned()).unwrap_err().to_string();
    assert!(error.contains("lies in no folder but its archive, which names no class"), "{error}");
}

#[test]
fn what_is_in_a_tar_and_is_not_used_is_counted_or_named() {
    let clips = clips();
    let files: Vec<String> = (0..6).map(|n| format!("{}/{n}.wav", ["calm", "sad"][n % 2])).collect();
    let mut entries: Vec<(&str, u8, &[u8])> =
        files.iter().zip(&clips).map(|(name, clip)| (name.as_str(), b'0', clip.as_slice())).collect();
    let nameless = wav(8_000, &noise(99, 800));
    entries.extend([
        ("calm/", b'5', [].as_slice()),
        ("calm/link.wav", b'1', &[]),
        ("sad/link.wav", b'2', &[]),
        ("sad/link", b'2', &[]),
        ("notes.txt", b'0', b"what was said"),
        ("sad/voice", b'0', &nameless),
        ("sad/call.amr", b'0', b"#!AMR\n and so on"),
    ]);
    let report = of_tar(&entries).unwrap();
    assert_eq!((report.used, report.labels["sad"], report.ignored), (7, 4, 2), "{report:?}");
    let failed: Vec<(&str, &str)> =
        report.failed.iter().map(|failed| (failed.path.as_str(), failed.text.as_str())).collect();
    let paths = ["calm/link.wav", "sad/call.amr", "sad/link.wav"].map(|path| format!("shard-000.tar/{path}"));
    assert_eq!(failed.iter().map(|(path, _)| *path).collect::<Vec<_>>(), paths);
    assert!(failed[0].1.contains("is a link in a tar file") && failed[1].1.contains("is AMR"), "{failed:?}");
}

#[test]
fn a_parquet_dataset_without_a_known_label_is_an_error_and_is_read_by_the_column_that_is_named() {
    let (folder, data) = copied("parquet");
    for entry in fs::read_dir(data.join("data")).unwrap() {
        let file = entry.unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        // Another name of the same length, wherever it stands.
        for place in 0..bytes.len() - 5 {
            if &bytes[place..place + 5] == b"label" {
                bytes[place..place + 5].copy_from_slice(b"moods");
            }
        }
        fs::write(&file, bytes).unwrap();
    }
    let options = PrepareOptions::new(data, folder.path().join("cache"));
    let error = prepare(&options, &Storage::native(), &Silent).unwrap_err().to_string();
    assert!(error.contains("has no column for the label, only ") && error.contains("\"moods\""), "{error}");
    let options = PrepareOptions { columns: "label=moods".parse().unwrap(), ..options };
    let report = prepare(&options, &Storage::native(), &Silent).unwrap();
    assert_eq!(report.labels.keys().collect::<Vec<_>>(), ["angry", "happy", "sad"]);
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
