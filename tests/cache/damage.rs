//! Files of a cache that are damaged, cut, swapped, foreign, from the future, or lead elsewhere: refused, with what to
//! do. Damage to checkpoints is in `tests/checkpoint.rs`, to recordings in `tests/audio/decoding.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::{Cache, Generation, Index, Shard, SplitManifest, StoredSplit, Utterance};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind};
use ser_corpus::{ColumnNames, LabelTable, Protocol, scan};
use ser_features::FeatureConfig;
use ser_prepare::{PrepareOptions, prepare};
use tempfile::TempDir;

use crate::checked::check;
use crate::common::{options, plain_corpus, put, speech};

/// A corpus and a small cache of it.
struct Made {
    data: TempDir,
    out: TempDir,
}

impl Made {
    /// Two folders of four short recordings.
    fn plain() -> Self {
        let made = Self { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
        plain_corpus(made.data.path(), &["calm", "loud"], 4);
        made.prepare(small());
        made
    }

    fn prepare(&self, features: FeatureConfig) -> (usize, usize) {
        let options = PrepareOptions { features, ..options(self.data.path(), self.out.path()) };
        let report = prepare(&options, &Storage::native(), &Silent).unwrap();
        (report.computed, report.reused)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.out.path().join(inside)
    }

    fn shard(&self) -> PathBuf {
        self.shards().pop().unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("shards")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn random(&self) -> PathBuf {
        self.path("splits/random").canonicalize().unwrap()
    }

    /// Opens everything and compares every tensor with its checksum.
    fn check(&self) -> ser_core::Result<usize> {
        check(self.out.path())
    }

    /// Replaces the manifests, digests and all, as no damage could.
    fn forge(&self, change: impl Fn(&mut Utterance)) {
        let cache = Cache::open(self.out.path()).unwrap();
        let mut split = cache.split(cache.feature_set(None).unwrap(), &Protocol::Random).unwrap();
        split.sides.values_mut().flatten().for_each(change);
        let splits = [SplitManifest { info: split.info, sides: split.sides }];
        let generation = Generation::of(splits.clone()).unwrap();
        generation.write(&Storage::native(), &self.path("manifests"), splits).unwrap();
        self.forge_index(|index| index.feature_sets[0].manifests = generation.name());
    }

    fn forge_index(&self, change: impl FnOnce(&mut Index)) {
        let mut index = Index::read(&self.path("index.bin")).unwrap().unwrap();
        change(&mut index);
        index.write(&Storage::native(), &self.path("index.bin")).unwrap();
    }
}

/// Features so small that every byte of a shard can be tried.
fn small() -> FeatureConfig {
    FeatureConfig { n_mels: 8, n_mfcc: 4, max_frames: 8, ..FeatureConfig::default() }
}

/// The error says what is wrong and names what fixes it.
fn helps(error: &Error) {
    let text = error.to_string();
    assert!(text.contains("prepare "), "{text}");
    assert!(error.path().is_some(), "{text}");
}

// --- every byte, every length ---

#[test]
fn every_flipped_byte_of_a_shard_is_found() {
    let made = Made::plain();
    let path = made.shard();
    let layout = Cache::open(made.out.path()).unwrap().feature_set(None).unwrap().layout();
    let whole = fs::read(&path).unwrap();
    let verify = || Shard::open(&path, &layout).and_then(|shard| shard.verified_rows());
    assert_eq!(verify().unwrap().len(), 8);
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(&path, altered).unwrap();
        let error = verify().expect_err(&format!("byte {at}"));
        assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Mismatch), "{error}");
    }
    println!("{} flips found", whole.len());
}

#[test]
fn every_prefix_of_a_shard_is_refused_at_open() {
    let made = Made::plain();
    let path = made.shard();
    let layout = Cache::open(made.out.path()).unwrap().feature_set(None).unwrap().layout();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Shard::open(&path, &layout).expect_err(&format!("cut to {length}"));
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        helps(&error);
    }
    for more in [&b"\0"[..], b"\0\0\0\0", &whole] {
        fs::write(&path, [&whole, more].concat()).unwrap();
        helps(&Shard::open(&path, &layout).unwrap_err());
    }
    println!("{} prefixes refused", whole.len());
}

#[test]
fn every_prefix_and_every_flipped_byte_of_a_manifest_is_refused_at_open() {
    let made = Made::plain();
    let cache = Cache::open(made.out.path()).unwrap();
    let open = || cache.split(cache.feature_set(None).unwrap(), &Protocol::Random);
    let mut tried = 0;
    for name in StoredSplit::FILES {
        let path = made.random().join(name);
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8], what: String| {
            fs::write(&path, bytes).unwrap();
            helps(&open().expect_err(&what));
        };
        for length in 0..whole.len() {
            refused(&whole[..length], format!("{name} cut to {length}"));
            let mut altered = whole.clone();
            altered[length] ^= 1 << (length % 8);
            refused(&altered, format!("{name} byte {length}"));
        }
        tried += 2 * whole.len();
        fs::write(&path, whole).unwrap();
    }
    assert!(open().is_ok());
    println!("{tried} altered manifests refused");
}

// --- the wrong file in the right place ---

#[test]
fn swapped_files_are_refused() {
    let (made, other) = (Made::plain(), Made::plain());
    let extra = fs::read(other.data.path().join("calm/000.wav")).unwrap();
    // Another corpus: the same files but one.
    put(other.data.path(), "calm/000.wav", &[&extra[..extra.len() - 2], b"\x01\x02"].concat());
    other.prepare(small());
    made.prepare(FeatureConfig { delta_order: 0, ..small() });
    let whole = fs::read(made.path("index.bin")).unwrap();

    // The index of another cache names shards and manifests that are not there.
    fs::copy(other.path("index.bin"), made.path("index.bin")).unwrap();
    helps(&made.check().unwrap_err());
    fs::write(made.path("index.bin"), whole).unwrap();
    assert_eq!(made.check().unwrap(), 16);

    // A shard of another feature set under this name, and one of another corpus with the same features.
    let [first, second] = made.shards().try_into().unwrap();
    let kept = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    fs::write(&first, &kept.1).unwrap();
    let error = made.check().unwrap_err();
    assert!(error.to_string().contains("another configuration"), "{error}");
    fs::write(&first, &kept.0).unwrap();
    for foreign in other.shards().iter().map(|path| fs::read(path).unwrap()) {
        for (place, own) in [(&first, &kept.0), (&second, &kept.1)] {
            if foreign != *own {
                fs::write(place, &foreign).unwrap();
                assert!(made.check().is_err());
                fs::write(place, own).unwrap();
            }
        }
    }
    assert_eq!(made.check().unwrap(), 16);

    // Sides of a split under each other's names.
    let (train, test) = (made.random().join("train.jsonl"), made.random().join("test.jsonl"));
    let sides = (fs::read(&train).unwrap(), fs::read(&test).unwrap());
    fs::write(&train, &sides.1).unwrap();
    fs::write(&test, &sides.0).unwrap();
    helps(&made.check().unwrap_err());
}

#[test]
fn a_split_under_the_name_of_another_is_refused() {
    let made = Made { data: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap() };
    speech(made.data.path(), 8);
    made.prepare(small());
    let generation = made.path("splits").canonicalize().unwrap();
    let swap = |a: &str, b: &str| {
        fs::rename(generation.join(a), generation.join("x")).unwrap();
        fs::rename(generation.join(b), generation.join(a)).unwrap();
        fs::rename(generation.join("x"), generation.join(b)).unwrap();
    };
    swap("random", "word");
    helps(&made.check().unwrap_err());
    swap("random", "word");
    // Even if the index agrees, since a split that tests known words must not pass for one of unknown words.
    made.check().unwrap();
    swap("word", "random");
    let name = ser_cache::generation_name(&generation).unwrap();
    fs::rename(&generation, made.path("manifests").join(name.to_string())).unwrap();
    made.forge_index(|index| index.feature_sets[0].manifests = name);
    let error = made.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("is the split \"word\" under another split's name"), "{error}");
}

#[test]
fn foreign_files_are_refused_with_what_to_do() {
    let made = Made::plain();
    let path = made.shard();
    let layout = Cache::open(made.out.path()).unwrap().feature_set(None).unwrap().layout();
    let (index, shard) = (fs::read(made.path("index.bin")).unwrap(), fs::read(&path).unwrap());
    let recording = fs::read(made.data.path().join("calm/000.wav")).unwrap();
    let torch =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint/torch.pt")).unwrap();
    let plain = br#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let plain = [&(plain.len() as u64).to_le_bytes()[..], plain, &[0; 4]].concat();
    for foreign in
        [&b""[..], b"{}", b"PK\x03\x04", &recording, &torch, &plain, &vec![0; 9000], &vec![0xff; 9000]]
    {
        fs::write(&path, foreign).unwrap();
        helps(&Shard::open(&path, &layout).unwrap_err());
        fs::write(made.path("index.bin"), foreign).unwrap();
        helps(&Cache::open(made.out.path()).unwrap_err());
    }
    fs::write(made.path("index.bin"), &shard).unwrap();
    helps(&Cache::open(made.out.path()).unwrap_err());
    fs::write(&path, &index).unwrap();
    helps(&Shard::open(&path, &layout).unwrap_err());
}

#[test]
fn versions_of_the_future_are_refused_with_the_command_that_rebuilds() {
    let made = Made::plain();
    let mut index = fs::read(made.path("index.bin")).unwrap();
    index[8] = 2;
    fs::write(made.path("index.bin"), &index).unwrap();
    let error = Cache::open(made.out.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    assert!(text.contains("is an index of version 2; this program reads version 1"), "{text}");
    assert!(text.contains("prepare a corpus into <another folder>"), "{text}");
    // A writer neither treats it as damaged nor replaces it.
    let writer = prepare(&options(made.data.path(), made.out.path()), &Storage::native(), &Silent);
    assert_eq!(writer.unwrap_err().to_string(), text);
    assert_eq!(fs::read(made.path("index.bin")).unwrap(), index);

    let made = Made::plain();
    let path = made.shard();
    let layout = Cache::open(made.out.path()).unwrap().feature_set(None).unwrap().layout();
    let mut shard = fs::read(&path).unwrap();
    let field = br#""version":"1""#;
    let at = shard.windows(field.len()).position(|window| window == field).unwrap();
    shard[at + field.len() - 2] = b'2';
    fs::write(&path, shard).unwrap();
    let error = Shard::open(&path, &layout).unwrap_err();
    assert!(error.to_string().contains("version \"2\""), "{error}");
    helps(&error);
}

// --- paths and links ---

/// Paths that lead somewhere else, as an attacker would write them.
const ASTRAY: [&str; 20] = [
    "/etc/passwd",
    "../secret.wav",
    "calm/../../secret.wav",
    "..",
    ".",
    "",
    "calm/",
    "calm//000.wav",
    "./calm/000.wav",
    "calm/\0.wav",
    "..\\secret.wav",
    "calm\\000.wav",
    "\\\\host\\share\\x.wav",
    "C:\\x.wav",
    "c:x.wav",
    "//host/x.wav",
    "%2e%2e/secret.wav",
    "calm%2F..%2F..%2Fsecret.wav",
    "%2Fetc%2Fpasswd",
    "calm/%00.wav",
];

#[test]
fn a_path_in_a_manifest_or_an_index_that_leads_astray_is_refused() {
    for path in ASTRAY {
        let made = Made::plain();
        made.forge(|utterance| utterance.path = path.to_owned());
        let error = made.check().expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        helps(&error);

        let made = Made::plain();
        made.forge_index(|index| index.files[0].path = path.to_owned());
        let error = Cache::open(made.out.path()).expect_err(path);
        assert!(error.to_string().contains("names a file outside the corpus"), "{error}");
    }
    let sha = "0".repeat(64);
    let shards = [
        format!("shards/{sha}"),
        format!("../shards/{sha}.safetensors"),
        format!("/shards/{sha}.safetensors"),
        format!("shards/../{sha}.safetensors"),
        format!("shards/./{sha}.safetensors"),
        format!("shards\\{sha}.safetensors"),
        format!("shards/{}.safetensors", &sha[1..]),
        format!("shards/{sha}.safetensors\0"),
        format!("shards/%2e%2e%2f{}.safetensors", &sha[8..]),
        String::new(),
    ];
    for shard in shards {
        let made = Made::plain();
        made.forge(|utterance| utterance.shard.clone_from(&shard));
        let error = made.check().expect_err(&shard);
        assert!(error.to_string().contains("is not the path of a shard in a cache"), "{error}");
        // Every line of every side is wrong, and they are read side by side: it is always the first that is named.
        assert!(error.path().unwrap().ends_with("train.jsonl"), "{error}");
        assert!(error.to_string().contains("line 1:"), "{error}");
    }
}

#[test]
fn a_protocol_in_a_manifest_that_is_none_is_refused() {
    let made = Made::plain();
    let path = made.random().join("split.toml");
    let whole = fs::read_to_string(&path).unwrap();
    for protocol in
        ["../random", "speaker-../x", "speaker-", "speaker-.x", "random/", "", "speaker-a:b", "sentence"]
    {
        fs::write(&path, whole.replace("protocol = \"random\"", &format!("protocol = {protocol:?}")))
            .unwrap();
        let error = StoredSplit::read(&made.random()).expect_err(protocol);
        assert!(error.to_string().contains("unknown protocol"), "{error}");
    }
}

#[test]
fn a_path_in_a_table_of_labels_that_leads_astray_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.csv");
    // A table may separate folders with backslashes and begin with `./`; an empty path has its own message.
    for path in ASTRAY.into_iter().filter(|path| !["", "./calm/000.wav", "calm\\000.wav"].contains(path)) {
        fs::write(&file, format!("path,label\n{path},calm\n")).unwrap();
        let error = LabelTable::read(&file, &ColumnNames::default(), folder.path()).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_recording_with_a_name_that_would_lead_astray_elsewhere_is_named_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["good.wav", "x\\bad.wav", "%2e%2e%2fbad.wav", "100% fine.wav"] {
        put(folder.path(), &format!("calm/{name}"), b"x");
    }
    let found = scan(folder.path()).unwrap();
    let names: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["calm/100% fine.wav", "calm/good.wav"]);
    assert_eq!(found.unusable.len(), 2);
    for (_, error) in &found.unusable {
        assert!(error.to_string().contains("rename it"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_of_the_cache_are_refused_and_those_inside_are_not() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    let made = Made::plain();
    let shard = made.shard();
    let places = [
        made.path("index.bin"),
        shard,
        made.random().join("train.jsonl"),
        made.random(),
        made.path("shards"),
    ];
    for place in places {
        // The very same content, but elsewhere.
        let away = outside.path().join("away");
        fs::rename(&place, &away).unwrap();
        symlink(&away, &place).unwrap();
        let error = made.check().expect_err(&place.display().to_string());
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
        assert!(error.to_string().contains("leads out of the cache"), "{error}");
        helps(&error);
        fs::remove_file(&place).unwrap();
        fs::rename(&away, &place).unwrap();

        let beside = made.path("beside");
        fs::rename(&place, &beside).unwrap();
        symlink(&beside, &place).unwrap();
        assert_eq!(made.check().unwrap(), 8, "{}", place.display());
        fs::remove_file(&place).unwrap();
        fs::rename(&beside, &place).unwrap();
    }
    assert_eq!(made.check().unwrap(), 8);

    // A writer does not reuse a shard outside, and replaces the link with its own.
    let shard = made.shard();
    let away = outside.path().join("away");
    fs::rename(&shard, &away).unwrap();
    symlink(&away, &shard).unwrap();
    assert_eq!(made.prepare(small()), (8, 0));
    assert!(!shard.is_symlink());
    assert_eq!(fs::read(&shard).unwrap(), fs::read(&away).unwrap());
    assert_eq!(made.check().unwrap(), 8);
}
