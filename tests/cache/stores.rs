//! Corpora and caches in object stores: the same as in folders, whatever goes wrong on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::common::{Ran, contents, noise, plain_corpus, wav};
use crate::common_store::{Fault, SECRET, Store, Web, run_in, run_with};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

fn prep(store: &Store, out: &Path, code: i32, more: &[&str]) -> Value {
    let out = out.to_str().unwrap();
    let arguments = [&["--data", "s3://bucket/corpus", "--out", out, "--json"], more].concat();
    let ran = store.run("ser-prep", &arguments).ends(code);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// The files of a cache but for the index, which knows sizes and times, and the report, which says where the corpus is.
fn made(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(out);
    for (path, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(SECRET), "{path} holds the secret");
    }
    files.retain(|path, _| !["index.bin", "prep-report.json", ".lock"].contains(&path.as_str()));
    files
}

/// The recordings that were read, each once.
fn read(store: &Store) -> usize {
    let mut read: Vec<String> = store
        .requests()
        .into_iter()
        .filter(|request| request.starts_with("GET") && request.ends_with(".wav"))
        .collect();
    read.sort_unstable();
    read.dedup();
    read.len()
}

#[test]
fn a_corpus_in_a_store_is_the_same_corpus_and_is_read_again_only_where_it_changed() {
    let Some(store) = Store::start() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (data, local, remote) =
        (scratch.path().join("corpus"), scratch.path().join("local"), scratch.path().join("remote"));
    plain_corpus(&data, &["calm", "a loud one"], 6);
    // What is no recording, what is one without being called so, and a class with a name of its own.
    fs::write(data.join("readme.txt"), "nothing").unwrap();
    fs::write(data.join("calm/unnamed"), wav(16_000, &noise(99, 1600))).unwrap();
    fs::write(data.join("calm/.hidden.wav"), "").unwrap();
    store.put_folder(&data, "corpus");

    let local_arguments = ["--data", data.to_str().unwrap(), "--out", local.to_str().unwrap(), "--json"];
    let by_folder = run_with("ser-prep", &local_arguments, NOWHERE).ends(0);
    let by_folder: Value = serde_json::from_str(&by_folder.stdout).unwrap();
    let by_store = prep(&store, &remote, 0, &[]);
    for field in ["found", "used", "computed", "ignored", "bytes_read"] {
        assert_eq!(by_store[field], by_folder[field], "{field}");
    }
    assert_eq!(made(&remote), made(&local));
    assert_eq!(by_store["corpora"][0]["data"], "s3://bucket/corpus");

    // An unchanged object is not read again, by its size and ETag, also where it was written anew.
    store.put("corpus/calm/000.wav", &fs::read(data.join("calm/000.wav")).unwrap());
    store.requests();
    let again = prep(&store, &remote, 0, &[]);
    assert_eq!(
        (&again["computed"], &again["reused"], &again["bytes_read"]),
        (&0.into(), &13.into(), &0.into())
    );
    assert_eq!(read(&store), 0);
    store.put("corpus/calm/000.wav", &wav(16_000, &noise(77, 1600)));
    assert_eq!(prep(&store, &remote, 0, &[])["computed"], 1);
    assert_eq!(read(&store), 1);
    let rehashed = prep(&store, &remote, 0, &["--rehash"]);
    assert_eq!((&rehashed["computed"], read(&store)), (&0.into(), 12));
    assert!(rehashed["bytes_read"].as_u64().unwrap() > 12 * 3200);

    // The doctor says of it what it says of the folder.
    fs::write(data.join("calm/000.wav"), wav(16_000, &noise(77, 1600))).unwrap();
    let doctor = |data: &str| {
        let ran = store.run("ser-prep", &["--doctor", "--data", data, "--json"]);
        let mut report: Value = serde_json::from_str(&ran.stdout).unwrap();
        for field in ["data", "seconds"] {
            assert!(report.as_object_mut().unwrap().remove(field).is_some());
        }
        (ran.code, report)
    };
    assert_eq!(doctor("s3://bucket/corpus"), doctor(data.to_str().unwrap()));
}

/// What a preparation of `url` makes in an environment, also when nothing has changed.
fn prepared_from(url: &str, out: &Path, environment: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let arguments = ["--data", url, "--out", out.to_str().unwrap(), "--json"];
    for (computed, reused) in [(12, 0), (0, 12)] {
        let ran = run_in("ser-prep", &arguments, environment).ends(0);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&report["computed"], &report["reused"]), (&computed.into(), &reused.into()), "{url}");
    }
    made(out)
}

#[test]
fn a_corpus_behind_googles_interface_or_webdav_is_the_same_corpus() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    let data = root.join("corpus");
    plain_corpus(&data, &["calm", "a loud one"], 6);
    let local = scratch.path().join("local");
    let by_folder = prepared_from(data.to_str().unwrap(), &local, &[]);

    // Google's interface for tools that speak S3's lists and reads objects as S3 does, without a signature.
    if let Some(store) = Store::start() {
        store.put_folder(&data, "corpus");
        let account = scratch.path().join("account.json");
        let text = serde_json::json!({
            "gcs_base_url": store.endpoint(),
            "disable_oauth": true,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        });
        fs::write(&account, text.to_string()).unwrap();
        let environment = [("GOOGLE_SERVICE_ACCOUNT", account.to_str().unwrap())];
        let out = scratch.path().join("google");
        assert_eq!(prepared_from("gs://bucket/corpus", &out, &environment), by_folder);
    }

    // Several files are written at once into folders that are not there yet.
    if let Some(web) = Web::start(&root) {
        let out = scratch.path().join("web");
        assert_eq!(prepared_from(&web.url("corpus"), &out, &[]), by_folder);
        fs::create_dir(root.join("caches")).unwrap();
        let (url, pulled) = (web.url("caches/small"), scratch.path().join("pulled"));
        run_in("ser-cache", &["push", local.to_str().unwrap(), &url], &[]).ends(0);
        run_in("ser-cache", &["pull", &url, pulled.to_str().unwrap()], &[]).ends(0);
        assert_eq!(copied(&pulled), copied(&local));
    }
}

#[test]
fn what_goes_wrong_for_a_while_leaves_no_trace_and_what_changes_or_is_lost_is_named() {
    let Some(store) = Store::start() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = |name: &str| scratch.path().join(name);
    let data = out("corpus");
    plain_corpus(&data, &["calm", "loud"], 6);
    store.put_folder(&data, "corpus");
    let local = out("local");
    run_with("ser-prep", &["--data", data.to_str().unwrap(), "--out", local.to_str().unwrap()], NOWHERE)
        .ends(0);

    // Every request goes wrong the first time.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    store.on(move |method, path| {
        let number = seen.len();
        let count = seen.entry(format!("{method} {path}")).or_insert(0);
        *count += 1;
        match (*count, number % 3) {
            (1, 0) => Fault::Status(500),
            (1, 1) => Fault::Truncated,
            (1, _) => Fault::Slow,
            _ => Fault::None,
        }
    });
    let report = prep(&store, &out("faults"), 0, &[]);
    assert_eq!(report["used"], 12);
    assert_eq!(made(&out("faults")), made(&local));

    // One object is replaced after it was listed: neither version is used, and it is named.
    let write = store.writer();
    store.on(move |method, path| {
        if method == "GET" && path == "/bucket/corpus/calm/003.wav" {
            write("corpus/calm/003.wav", &wav(16_000, &noise(55, 1600)));
        }
        Fault::None
    });
    let report = prep(&store, &out("changed"), 3, &[]);
    assert_eq!((&report["used"], &report["failed"][0]["path"]), (&11.into(), &"calm/003.wav".into()));
    let text = report["failed"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("has changed since it was listed; try again"), "{text}");

    // Refused, and not there.
    store.on(|method, path| match method == "GET" && path.ends_with("loud/002.wav") {
        true => Fault::Status(403),
        false => Fault::None,
    });
    let report = prep(&store, &out("refused"), 3, &[]);
    let text = report["failed"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("cannot be accessed: the store refuses (403); check the credentials"), "{text}");
    store.on(|_, _| Fault::None);
    for (url, says) in [
        ("s3://bucket/nothing", "s3://bucket/nothing: holds nothing: there is no such folder in the store"),
        ("s3://other/corpus", "s3://other/corpus: "),
    ] {
        let ran = store.run("ser-prep", &["--data", url, "--out", out("none").to_str().unwrap()]).ends(1);
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
    assert!(!out("none").exists());
}

/// The labels, speakers and keys of a cache by the names of the recordings, and where they are.
fn utterances(out: &Path) -> BTreeMap<String, Value> {
    let lines = ["train", "val", "test"].map(|part| out.join(format!("splits/random/{part}.jsonl")));
    let lines = lines.map(|file| fs::read_to_string(file).unwrap()).concat();
    let utterances = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    utterances.map(|utterance| (utterance["path"].as_str().unwrap().to_owned(), utterance)).collect()
}

#[test]
fn archives_and_tables_in_a_store_say_what_they_say_in_a_folder() {
    let Some(store) = Store::start() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus");
    let table = scratch.path().join("table");
    plain_corpus(&table, &["one", "two"], 4);
    let row = |folder: &str, n: usize| {
        format!("{folder}/{n:03}.wav,{}\n", if n.is_multiple_of(2) { "sad" } else { "angry" })
    };
    let rows: String = ["one", "two"].iter().flat_map(|folder| (0..4).map(move |n| row(folder, n))).collect();
    fs::write(table.join("metadata.csv"), format!("file_name,label\n{rows}")).unwrap();
    for (name, folder) in
        [("parquet", fixtures.join("parquet")), ("webdataset", fixtures.join("webdataset")), ("table", table)]
    {
        store.put_folder(&folder, name);
        let (local, remote) =
            (scratch.path().join("local").join(name), scratch.path().join("remote").join(name));
        let of = |data: &str, out: &Path| {
            store.run("ser-prep", &["--data", data, "--out", out.to_str().unwrap()]).ends(0);
        };
        of(folder.to_str().unwrap(), &local);
        of(&format!("s3://bucket/{name}"), &remote);
        assert!(utterances(&remote).len() >= 8);
        assert_eq!(utterances(&remote), utterances(&local), "{name}");
        assert_eq!(made(&remote), made(&local), "{name}");
    }
    // A table that cannot be read is an error, and not a reason to guess labels from folders.
    store.on(|method, path| match method == "GET" && path.ends_with("metadata.csv") {
        true => Fault::Status(403),
        false => Fault::None,
    });
    let out = scratch.path().join("guessed");
    let ran = store.run("ser-prep", &["--data", "s3://bucket/table", "--out", out.to_str().unwrap()]).ends(1);
    assert!(ran.stderr.contains("s3://bucket/table/metadata.csv: cannot be accessed"), "{ran:?}");
}

fn small_cache(folder: &Path) -> PathBuf {
    let (data, out) = (folder.join("corpus"), folder.join("cache"));
    plain_corpus(&data, &["calm", "loud"], 12);
    let arguments = [
        "--data",
        data.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--shard-bytes",
        "400000",
        "--quiet",
    ];
    run_with("ser-prep", &arguments, NOWHERE).ends(0);
    out
}

/// Everything a copy has, too.
fn copied(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(out);
    files.remove(".lock");
    files
}

#[test]
fn a_cache_is_pushed_and_pulled_whole_and_only_what_is_missing_is_copied() {
    let Some(store) = Store::start() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let cache = small_cache(scratch.path());
    let (folder, url) = (cache.to_str().unwrap(), "s3://bucket/caches/small");
    let json = |ran: Ran| serde_json::from_str::<Value>(&ran.ends(0).stdout).unwrap();
    let push = || store.run("ser-cache", &["push", folder, url, "--json"]);

    // A push that is stopped leaves no index; the next one goes on, and the index is the last to come.
    let written = AtomicUsize::new(0);
    store.on(move |method, _| match method == "PUT" && written.fetch_add(1, Ordering::Relaxed) >= 3 {
        true => Fault::Status(403),
        false => Fault::None,
    });
    let stopped = push().ends(1);
    assert!(stopped.stderr.contains("cannot be accessed: the store refuses (403)"), "{stopped:?}");
    store.on(|_, _| Fault::None);
    store.requests();
    let pushed = json(push());
    assert!(
        pushed["already_there"].as_u64().unwrap() >= 3 && pushed["copied"].as_u64().unwrap() > 3,
        "{pushed}"
    );
    let writes: Vec<String> =
        store.requests().into_iter().filter(|request| request.starts_with("PUT")).collect();
    assert_eq!(writes.last().unwrap(), "PUT /bucket/caches/small/index.bin");
    assert_eq!(writes.len() as u64, pushed["copied"].as_u64().unwrap());
    assert_eq!(json(push())["copied"], 0);

    // A shard that is not what its name says is not taken, and nothing looks like a cache until it is.
    let pulled = scratch.path().join("pulled");
    let pull = || store.run("ser-cache", &["pull", url, pulled.to_str().unwrap(), "--json"]);
    let files = copied(&cache);
    let shards: Vec<&String> = files.keys().filter(|path| path.starts_with("shards/")).collect();
    assert!(shards.len() > 3, "{shards:?}");
    let key = format!("caches/small/{}", shards[1]);
    let mut damaged = store.get(&key);
    *damaged.last_mut().unwrap() ^= 1;
    store.put(&key, &damaged);
    let refused = pull().ends(1);
    assert!(
        refused.stderr.contains(&format!("s3://bucket/{key}: is not what its SHA-256 says")),
        "{refused:?}"
    );
    assert!(!pulled.join("index.bin").exists() && !pulled.join("splits").exists());
    store.delete(&key);
    let missing = pull().ends(1);
    assert!(missing.stderr.contains("is named by the index there, but is not there; push"), "{missing:?}");
    assert_eq!(json(push())["copied"], 1);

    let first = json(pull());
    assert!(first["already_there"].as_u64().unwrap() > 0, "{first}");
    assert_eq!(copied(&pulled), copied(&cache));
    assert_eq!(fs::read_link(pulled.join("splits")).unwrap(), fs::read_link(cache.join("splits")).unwrap());
    store.run("ser-cache", &["verify", pulled.to_str().unwrap()]).ends(0);
    assert_eq!(json(pull())["copied"], 0);
    // Damage on this side is repaired by another pull.
    fs::write(pulled.join(shards[0]), "x").unwrap();
    assert_eq!(json(pull())["copied"], 1);
    assert_eq!(copied(&pulled), copied(&cache));

    // Damage is not pushed, and neither side loses feature sets to the other.
    fs::write(cache.join(shards[0]), "x").unwrap();
    let refused = store.run("ser-cache", &["push", folder, "s3://bucket/caches/other"]).ends(1);
    assert!(refused.stderr.contains("has changed since it was written, so it is not copied"), "{refused:?}");
    let data = scratch.path().join("corpus");
    let arguments = [
        "--data",
        data.to_str().unwrap(),
        "--out",
        pulled.to_str().unwrap(),
        "--max-frames",
        "40",
        "--quiet",
    ];
    run_with("ser-prep", &arguments, NOWHERE).ends(0);
    let lost = pull().ends(1);
    assert!(lost.stderr.contains("holds feature sets that would be lost: "), "{lost:?}");
    store.put("corpus/a.wav", b"x");
    let foreign = store.run("ser-cache", &["push", pulled.to_str().unwrap(), "s3://bucket/corpus"]).ends(1);
    assert!(foreign.stderr.contains("holds something that is no cache, such as a.wav"), "{foreign:?}");
    let none =
        store.run("ser-cache", &["pull", "s3://bucket/none", scratch.path().join("x").to_str().unwrap()]);
    assert!(none.ends(1).stderr.contains("s3://bucket/none: holds no cache: there is no index.bin"));
}

#[test]
fn nonsense_and_a_lost_store_are_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    let out = out.to_str().unwrap();
    let data = scratch.path().to_str().unwrap();
    let secret = format!("https://me:{SECRET}@example.org/corpus?sig={SECRET}");
    for (program, arguments, code, says) in [
        (
            "ser-prep",
            vec!["--data", "ftp://host/x", "--out", out],
            2,
            "ftp://host/x: is a URL of an unknown kind, \"ftp\"",
        ),
        (
            "ser-prep",
            vec!["--data", "http://example.org/x", "--out", out],
            2,
            "is not encrypted on its way; give it as https://",
        ),
        (
            "ser-prep",
            vec!["--data", &secret, "--out", out],
            2,
            "https://example.org/corpus: is given with a user",
        ),
        (
            "ser-prep",
            vec!["--data", "s3://bucket/corpus", "--out", out],
            1,
            "s3://bucket/corpus: cannot be reached: ",
        ),
        ("ser-prep", vec!["--data", data, "--out", "s3://bucket/cache"], 1, "holds no recordings"),
        (
            "ser-cache",
            vec!["verify", "s3://bucket/cache"],
            2,
            "bring it into a folder first, with ser-cache pull",
        ),
        (
            "ser-cache",
            vec!["push", "s3://bucket/cache", out],
            2,
            "is a URL where a folder belongs; the order is ser-cache push FOLDER URL",
        ),
        ("ser-cache", vec!["pull", out, data], 2, "is no URL of a folder in an object store"),
        ("ser-cache", vec!["push", data, "s3://bucket/cache"], 1, "holds no cache"),
        ("ser-cache", vec!["pull", "s3://bucket/cache", out], 1, "s3://bucket/cache: cannot be reached: "),
        ("ser-cache", vec!["pull", &secret, out], 2, "https://example.org/corpus: is given with a user"),
    ] {
        let ran = run_with(program, &arguments, NOWHERE).ends(code);
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    }
    assert!(!Path::new(out).exists());
    plain_corpus(&scratch.path().join("corpus"), &["calm", "loud"], 4);
    let data = scratch.path().join("corpus");
    let ran =
        run_with("ser-prep", &["--data", data.to_str().unwrap(), "--out", "s3://bucket/cache"], NOWHERE)
            .ends(2);
    assert!(
        ran.stderr
            .contains("s3://bucket/cache: lies in an object store, where nothing can be written in place"),
        "{ran:?}"
    );
}
