//! Checkpoints: we read what PyTorch writes, PyTorch reads what we write, and nothing else is accepted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first failure"
)]

mod common_python;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ser_core::ErrorKind;
use ser_core::storage::Storage;
use ser_model::checkpoint::{
    Checkpoint, DictKey, Dtype, MAX_FILE_BYTES, Tensor, Value, read, read_bytes, to_bytes, write,
};
use serde_json::json;

use common_python::python_with;

// What PyTorch wrote.

#[test]
fn a_file_of_torch_save_is_read_value_by_value() {
    let value = read(fixture("torch.pt")).unwrap();
    let expected = fs::read_to_string(fixture("torch.json")).unwrap();
    assert_eq!(as_json(&value), serde_json::from_str::<serde_json::Value>(&expected).unwrap());
}

#[test]
fn a_checkpoint_saved_in_python_is_read() {
    let checkpoint = Checkpoint::read(fixture("small.pt")).unwrap();
    assert_eq!(checkpoint.labels, ["angry", "disgust", "fear", "happy", "neutral"]);
    assert_eq!(checkpoint.model_state.len(), 26);
    assert_eq!(checkpoint.tensor("lstm.weight_ih_l0_reverse").unwrap().shape(), [64, 24]);
    assert_eq!(checkpoint.tensor("cnn.5.num_batches_tracked").unwrap().to_i64().unwrap(), [41]);
    assert!(checkpoint.config.contains("cnn-bilstm"));
    assert!(checkpoint.extra.is_empty());
}

#[test]
fn typed_access_widens_but_never_rounds() {
    let value = read(fixture("torch.pt")).unwrap();
    let tensor = |name| value.get("dtypes").unwrap().get(name).unwrap().as_tensor().unwrap();
    assert_eq!(tensor("bfloat16").to_f32().unwrap()[..2], [1.0, -3.140625]);
    assert_eq!(tensor("float16").to_f64().unwrap()[..2], [0.5, 65504.0]);
    assert_eq!(tensor("int32").to_i64().unwrap(), [i64::from(i32::MIN), i64::from(i32::MAX)]);
    assert_eq!(tensor("bool").to_bool().unwrap(), [true, false, false, true]);
    assert_eq!(tensor("float64").to_f32().unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(tensor("float32").to_i64().unwrap_err().kind(), ErrorKind::Mismatch);
}

// What is written.

#[test]
fn the_bytes_of_a_checkpoint_are_pinned() {
    // written.pt was checked with PyTorch when it was committed. If the format changes on purpose, raise the
    // version where old readers would be misled, and rewrite the file with SER_WRITE_FIXTURES=1.
    let bytes = resumable().to_bytes().unwrap();
    if std::env::var_os("SER_WRITE_FIXTURES").is_some() {
        fs::write(fixture("written.pt"), &bytes).unwrap();
    }
    assert!(bytes == fs::read(fixture("written.pt")).unwrap());
    assert_eq!(resumable().to_bytes().unwrap(), bytes);
}

#[test]
fn a_checkpoint_survives_the_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.pt");
    resumable().write(&Storage::native(), &path).unwrap();
    let read = Checkpoint::read(&path).unwrap();
    assert_eq!(read, resumable());
    assert_eq!(read.extra("epoch").and_then(Value::as_int), Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_value_survives_the_round_trip(value in any_value()) {
        let bytes = to_bytes(&value).unwrap();
        let read = read_bytes(&bytes).unwrap();
        prop_assert_eq!(as_json(&read), as_json(&value));
        prop_assert_eq!(to_bytes(&read).unwrap(), bytes);
    }
}

#[test]
fn tensor_data_is_aligned_to_64_bytes() {
    let bytes = resumable().to_bytes().unwrap();
    let entries = unpack(&bytes);
    assert!(entries.len() > 10);
    assert!(entries.iter().all(|entry| entry.data_at % 64 == 0));
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let refused = |change: fn(&mut Checkpoint)| {
        let mut checkpoint = resumable();
        change(&mut checkpoint);
        checkpoint.to_bytes().unwrap_err().kind()
    };
    assert_eq!(refused(|checkpoint| checkpoint.labels.clear()), ErrorKind::Usage);
    assert_eq!(refused(|checkpoint| checkpoint.labels.push("angry".into())), ErrorKind::Usage);
    assert_eq!(refused(|checkpoint| checkpoint.config = "no JSON".into()), ErrorKind::Usage);
    assert_eq!(refused(|checkpoint| checkpoint.config = "[1]".into()), ErrorKind::Usage);
    assert_eq!(refused(|checkpoint| checkpoint.extra.push(("labels".into(), Value::None))), ErrorKind::Usage);
    assert_eq!(
        refused(|checkpoint| checkpoint.model_state.extend(resumable().model_state)),
        ErrorKind::Usage
    );
    assert_eq!(
        refused(|checkpoint| checkpoint.config = format!("{{\"x\":\"{}\"}}", "y".repeat(3 << 20))),
        ErrorKind::Limit
    );
    let deep = (0..70).fold(Value::None, |value, _| Value::List(vec![value]));
    assert_eq!(to_bytes(&deep).unwrap_err().kind(), ErrorKind::Limit);
}

// Python.

#[test]
fn real_pytorch_opens_what_is_written() {
    let Some(python) = python_with("torch, safetensors") else { return };
    let folder = tempfile::tempdir().unwrap();
    let values = [
        read(fixture("torch.pt")).unwrap(),
        read_bytes(&resumable().to_bytes().unwrap()).unwrap(),
        read(fixture("small.pt")).unwrap(),
    ];
    for (index, value) in values.into_iter().enumerate() {
        let path = folder.path().join(format!("{index}.pt"));
        write(&Storage::native(), &path, &value).unwrap();
        let script = "import json, sys, zipfile, torch; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1])\n\
            from make import plain\n\
            assert zipfile.ZipFile(sys.argv[2]).testzip() is None\n\
            loaded = plain(torch.load(sys.argv[2], weights_only=True))\n\
            assert plain(torch.load(sys.argv[2], weights_only=True, mmap=True)) == loaded\n\
            print(json.dumps(loaded))";
        let output = run(Command::new(&python).args(["-c", script]).arg(fixture("")).arg(&path));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&output).unwrap(), as_json(&value));
    }
}

#[test]
fn the_class_and_the_script_of_the_document_work() {
    let Some(python) = python_with("torch, safetensors") else { return };
    run(Command::new(python).arg("-B").arg(fixture("parity.py")).arg("--check"));
}

// Damage.

#[test]
fn every_flipped_bit_of_a_small_checkpoint_is_found() {
    let bytes = resumable().to_bytes().unwrap();
    let mut altered = bytes.clone();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            altered[at] = bytes[at] ^ 1 << bit;
            assert!(Checkpoint::from_bytes(&altered).is_err(), "bit {bit} of byte {at}");
        }
        altered[at] = bytes[at];
    }
    assert!(Checkpoint::from_bytes(&altered).is_ok());
}

#[test]
fn flipped_bits_of_a_large_checkpoint_are_found() {
    let mut checkpoint = resumable();
    let weights: Vec<f32> = (0..400_000_u32).map(|index| f64::from(index).sin() as f32).collect();
    checkpoint.model_state.push(("lstm.weight".into(), Tensor::from_f32(&[400, 1000], &weights).unwrap()));
    let mut bytes = checkpoint.to_bytes().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..300 {
        let (at, bit) = (below(&mut random, bytes.len()), below(&mut random, 8));
        bytes[at] ^= 1 << bit;
        assert!(Checkpoint::from_bytes(&bytes).is_err(), "bit {bit} of byte {at}");
        bytes[at] ^= 1 << bit;
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    for bytes in [resumable().to_bytes().unwrap(), fs::read(fixture("torch.pt")).unwrap()] {
        for length in 0..bytes.len() {
            assert!(read_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        for junk in [&b"\0"[..], b"PK\x05\x06", &[b'x'; 22], &bytes] {
            assert!(read_bytes(&[&bytes, junk].concat()).is_err(), "appended {} bytes", junk.len());
            assert!(read_bytes(&[junk, &bytes].concat()).is_err(), "prefixed {} bytes", junk.len());
        }
    }
    let message = read_bytes(&large().to_bytes().unwrap()[..5000]).unwrap_err().to_string();
    assert!(message.contains("cut short"), "{message}");
}

#[test]
fn mutated_files_never_panic_nor_take_much_memory() {
    let original = fs::read(fixture("torch.pt")).unwrap();
    let entries = unpack(&original);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut accepted = 0;
    for round in 0..20_000 {
        // Half of the mutations hit the container; the other half the pickle, behind a CRC that fits.
        let mut bytes = if round % 2 == 0 { original.clone() } else { entries[0].data.to_vec() };
        for _ in 0..1 + below(&mut random, 4) {
            let at = below(&mut random, bytes.len());
            match below(&mut random, 5) {
                0 => bytes[at] ^= 1 << below(&mut random, 8),
                1 => {
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'.', b'(', b't', b'R', b'Q'][below(&mut random, 10)]
                }
                2 => _ = bytes.remove(at),
                3 => bytes.insert(at, (random.next_u32() & 0xff) as u8),
                _ => {
                    let other = below(&mut random, bytes.len());
                    bytes.swap(at, other);
                }
            }
        }
        if round % 2 == 1 {
            let storages = entries[1..].iter().map(|entry| (entry.name.as_str(), entry.data));
            bytes = zip(&[("data.pkl", bytes.as_slice())].into_iter().chain(storages).collect::<Vec<_>>());
        }
        accepted += usize::from(read_bytes(&bytes).is_ok());
    }
    assert!(accepted > 0, "no mutation was harmless, so the readers' depths were not reached");
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 1 << 20, "the tests together took {kib} KiB");
    }
}

// Hostile pickles.

#[test]
fn pickles_that_run_code_are_refused_by_name() {
    for (code, named) in [
        (&b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."[..], "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.", "posix.system"),
        (b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.", "builtins.eval"),
        (b"\x80\x02c__builtin__\nexec\nX\x01\0\0\x001\x85R.", "__builtin__.exec"),
        (b"\x80\x02ctorch.hub\nload\n)R.", "torch.hub.load"),
        (b"\x80\x02ctorch\nStorage\n.", "torch.Storage"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__class__\n.", "_rebuild_tensor_v2.__class__"),
        (b"\x80\x02(ios\nsystem\n.", "INST"),
        (b"\x80\x02(ccollections\nOrderedDict\no.", "OBJ"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"\x80\x02ccollections\nOrderedDict\n)}\x92.", "NEWOBJ_EX"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\0.", "EXT2"),
        (b"\x80\x02\x84\x01\0\0\0.", "EXT4"),
        (b"\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93.", "STACK_GLOBAL"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}X\x0c\0\0\0__setstate__K\x01sb.", "BUILD"),
        (b"\x80\x02ccollections\nOrderedDict\n}X\x09\0\0\0_metadataK\x01sb.", "BUILD"),
        (b"\x80\x02}}X\x09\0\0\0_metadataK\x01sb.", "BUILD"),
        (b"\x80\x02X\x01\0\0\0x)R.", "callable"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "unknown arguments"),
        (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.", "unknown arguments"),
        (b"\x80\x02X\x06\0\0\0moduleQ.", "persistent id"),
        (b"\x80\x02P0\n.", "PERSID"),
        (b"\x80\x02ccollections\nOrderedDict\n.", "function or class"),
        (b"\x80\x02C\x01x.", "SHORT_BINBYTES"),
        (b"\x80\x02\xff.", "unknown (0xff)"),
    ] {
        let error = read_bytes(&zip(&[("data.pkl", code)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.to_string().contains("nothing was executed"), "{error}");
    }
}

#[test]
fn malformed_pickles_are_refused() {
    for code in [
        &b""[..],
        b".",
        b"\x80",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02N",
        b"\x80\x02NN.",
        b"\x80\x02N..",
        b"\x80\x02(N.",
        b"\x80\x03N.",
        b"\x80\x02\x80\x02N.",
        b"\x80\x02K",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x02X\x01\0\0\0\xff.",
        b"\x80\x02\x8a\x09123456789.",
        b"\x80\x02\x8a\xff.",
        b"\x80\x02h\x00.",
        b"\x80\x02j\xff\xff\xff\xff.",
        b"\x80\x02q\x00.",
        b"\x80\x02t.",
        b"\x80\x02](NNN\x87a.",
        b"\x80\x02N(\x85.",
        b"\x80\x02K\x01(K\x02R.",
        b"\x80\x02]K\x01K\x02s.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}]K\x01s.",
        b"\x80\x02}K\x01NsK\x01Ns.",
        b"\x80\x02}K\x01a.",
        b"\x80\x02ccollections\nOrderedDict",
    ] {
        let error = read_bytes(&zip(&[("data.pkl", code)])).expect_err(&format!("{code:?}"));
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn structures_that_explode_in_memory_are_refused() {
    let kind = |code: &[u8]| read_bytes(&zip(&[("data.pkl", code)])).unwrap_err().kind();
    // A list that holds itself.
    assert_eq!(kind(b"\x80\x02]q\0h\0a."), ErrorKind::Limit);
    // Nested deeper than any checkpoint or call stack.
    assert_eq!(kind(&[b"\x80\x02N", [0x85; 65].as_slice(), b"."].concat()), ErrorKind::Limit);
    assert_eq!(kind(&[b"\x80\x02N", vec![0x85; 2_000_000].as_slice(), b"."].concat()), ErrorKind::Limit);
    // A tuple of forty lists, each holding the one before twice.
    let mut laughs = b"\x80\x02(]q\0".to_vec();
    for level in 1..40 {
        laughs.extend([b']', b'q', level, b'(', b'h', level - 1, b'h', level - 1, b'e']);
    }
    laughs.extend(b"t.");
    assert_eq!(kind(&laughs), ErrorKind::Limit);
    // A text of a megabyte, a hundred thousand times.
    let mut texts = b"\x80\x02(X\0\0\x10\0".to_vec();
    texts.resize(texts.len() + (1 << 20), b'x');
    texts.extend_from_slice(b"q\0");
    texts.extend(b"h\0".repeat(100_000));
    texts.extend_from_slice(b"t.");
    assert_eq!(kind(&texts), ErrorKind::Limit);
    assert_eq!(kind(&vec![b'N'; 3 << 20]), ErrorKind::Limit);
}

#[test]
fn tensors_must_lie_within_their_storages() {
    let data = [0; 24]; // six float32
    let file = |offset: i64, shape: &[i64], strides: &[i64], length: i64| {
        zip(&[("data.pkl", &tensor_pickle(offset, shape, strides, length)), ("data/0", &data)])
    };
    let good = read_bytes(&file(0, &[3, 2], &[1, 3], 6)).unwrap();
    assert_eq!(good.as_tensor().unwrap().shape(), [3, 2]);
    for (offset, shape, strides, length) in [
        (1, &[2, 3][..], &[3, 1][..], 6),
        (0, &[2, 3], &[3, 2], 6),
        (-1, &[2], &[1], 6),
        (0, &[-2], &[1], 6),
        (0, &[2], &[-1], 6),
        (0, &[2], &[i64::MAX], 6),
        (i64::MAX, &[2], &[1], 6),
        (0, &[i64::MAX, i64::MAX], &[0, 0], 6),
        (0, &[i64::MAX], &[0], 6),
        (0, &[1 << 30], &[0], 6),
        (0, &[2, 3], &[3], 6),
        (0, &[1; 65], &[1; 65], 6),
        (0, &[6], &[1], 5),
        (0, &[6], &[1], 7),
        (0, &[6], &[1], 0),
        (0, &[6], &[1], i64::MAX),
        (0, &[6], &[1], -6),
    ] {
        let error = read_bytes(&file(offset, shape, strides, length));
        assert!(error.is_err(), "offset {offset}, shape {shape:?}, strides {strides:?}, {length} elements");
    }
}

#[test]
fn storages_must_be_there_and_belong_to_a_tensor() {
    let pickle = tensor_pickle(0, &[6], &[1], 6);
    let message = |entries: &[(&str, &[u8])]| read_bytes(&zip(entries)).unwrap_err().to_string();
    assert!(message(&[("data.pkl", &pickle)]).contains("lacks the storage `0`"));
    assert!(message(&[("data.pkl", &pickle), ("data/0", &[0; 23])]).contains("23 bytes"));
    assert!(
        message(&[("data.pkl", &pickle), ("data/0", &[0; 24]), ("data/1", &[])])
            .contains("belongs to no tensor")
    );
    assert!(message(&[("data/0", &[0; 24])]).contains("without a data.pkl"));
    assert!(message(&[("data.pkl", &pickle), ("data/../0", &[0; 24])]).contains("does not write"));
}

// Foreign and hostile archives.

#[test]
fn other_formats_are_refused_with_a_way_out() {
    let none = b"\x80\x02N.".as_slice();
    for (bytes, says) in [
        (vec![], "is empty"),
        (b"hello".to_vec(), "does not start as a PyTorch file"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), "before version 1.6"),
        (b"\x80\x02}.".to_vec(), "bare pickle"),
        (zip(&[("data.pkl", none), ("constants.pkl", none)]), "TorchScript"),
        (zip(&[("data.pkl", none), ("code/__torch__.py", b"")]), "TorchScript"),
        (zip(&[("data.pkl", none), ("byteorder", b"big")]), "big-endian"),
        (zip(&[("data.pkl", none), ("version", b"11\n")]), "unknown version 11"),
        (zip(&[("data.pkl", none), ("version", b"x")]), "give the version"),
        (zip(&[("data.pkl", none), ("extra/notes", b"x")]), "`extra/notes`"),
        (zip(&[("notes.txt", b"x")]), "`notes.txt`"),
        (zip(&[]), "does not start"),
    ] {
        let message = read_bytes(&bytes).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn archives_that_hide_something_are_refused() {
    let good = zip(&[("data.pkl", b"\x80\x02N.".as_slice()), ("version", b"3\n")]);
    assert_eq!(read_bytes(&good).unwrap(), Value::None);
    let local = |at: usize| find(&good, b"PK\x03\x04", at);
    let central = |at: usize| find(&good, b"PK\x01\x02", at);
    let end = find(&good, b"PK\x05\x06", 0);
    let altered = |changes: &[(usize, &[u8])]| {
        let mut bytes = good.clone();
        for (at, new) in changes {
            bytes[*at..at + new.len()].copy_from_slice(new);
        }
        read_bytes(&bytes).unwrap_err().to_string()
    };
    for (changes, says) in [
        (vec![(local(0) + 8, &[8, 0][..]), (central(0) + 10, &[8, 0])], "deflated"),
        (vec![(local(0) + 8, &[93, 0]), (central(0) + 10, &[93, 0])], "compressed"),
        (vec![(local(0) + 6, &[1, 0]), (central(0) + 8, &[1, 0])], "encrypted"),
        (vec![(local(0) + 6, &[0, 0x20]), (central(0) + 8, &[0, 0x20])], "unusual way"),
        (vec![(local(0) + 6, &[8, 0]), (central(0) + 8, &[8, 0])], "contradicts"),
        (vec![(local(0) + 8, &[8, 0])], "contradicts"),
        (vec![(local(0) + 30, b"x")], "contradicts"),
        (vec![(local(0) + 18, &[0xff; 8]), (central(0) + 20, &[0xff; 8])], "cut short"),
        (vec![(central(0) + 24, &[0xff; 4])], "contradicts itself"),
        // The second entry overlaps the first: both are said to start at 0.
        (vec![(central(1) + 42, &[0; 4])], "does not start where"),
        (vec![(central(0) + 42, &[1, 0, 0, 0])], "does not start where"),
        (vec![(end + 8, &[1, 0, 1, 0])], "belong to no entry"),
        (vec![(end + 8, &[3, 0, 3, 0])], "cut short"),
        (vec![(end + 8, &[0xff, 0xff, 0xff, 0xff])], "cut short"),
        (vec![(end + 12, &[0xff; 4])], "does not fit"),
        (vec![(end + 16, &[0xff; 4])], "does not fit"),
        (vec![(end + 20, &[1, 0])], "contradicts itself"),
        (vec![(end + 4, &[1, 0])], "contradicts itself"),
        (vec![(good.len() - 1, &[1])], "contradicts itself"),
        (vec![(central(0) + 4, &[63])], "altered"),
        (vec![(central(0) + 38, &[1])], "altered"),
        (vec![(local(0) + 10, &[1]), (central(0) + 12, &[1])], "altered"),
        (vec![(local(1) + 30 + 15 + 4, &[1])], "altered"),
    ] {
        let message = altered(&changes);
        assert!(message.contains(says), "{changes:?}: {message}");
    }

    let none = b"\x80\x02N.".as_slice();
    let twice = read_bytes(&zip(&[("data.pkl", none), ("data.pkl", none)])).unwrap_err();
    assert!(twice.to_string().contains("two entries named `data.pkl`"), "{twice}");
    let mut two_folders = zip(&[("data.pkl", none), ("version", b"3\n")]);
    for at in [find(&two_folders, b"archive/version", 0), find(&two_folders, b"archive/version", 1)] {
        two_folders[at] = b'b';
    }
    assert!(read_bytes(&two_folders).unwrap_err().to_string().contains("two folders"));
}

#[test]
fn contradictory_zip64_records_are_refused() {
    let good = fs::read(fixture("torch.pt")).unwrap();
    assert!(read_bytes(&good).is_ok());
    let record = good.len() - 98;
    assert_eq!(good[record..record + 4], *b"PK\x06\x06");
    for at in (record..record + 12).chain(record + 16..good.len()) {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(read_bytes(&bytes).is_err(), "bit {bit} of byte {at}");
        }
    }
}

// The checkpoint's own keys.

#[test]
fn files_that_are_not_checkpoints_of_this_version_are_refused_clearly() {
    let own = || {
        vec![
            ("format", Value::from("ser")),
            ("version", Value::Int(1)),
            ("model_state_dict", Value::Dict(vec![])),
            ("labels", Value::List(vec!["sad".into()])),
            ("config", "{}".into()),
        ]
    };
    let message = |key: &str, value: Option<Value>| {
        let mut entries = own();
        let at = entries.iter().position(|entry| entry.0 == key).unwrap();
        match value {
            Some(value) => entries[at].1 = value,
            None => _ = entries.remove(at),
        }
        Checkpoint::from_bytes(&to_bytes(&Value::dict(entries)).unwrap()).unwrap_err().to_string()
    };
    assert!(Checkpoint::from_bytes(&to_bytes(&Value::dict(own())).unwrap()).is_ok());
    assert_eq!(
        message("version", Some(Value::Int(2))),
        "was written by a newer ser (version 2; this one reads 1); update ser, or train again"
    );
    assert!(message("format", Some("fairseq".into())).contains("not a checkpoint of ser"));
    assert!(message("format", None).contains("not a checkpoint of ser"));
    assert!(message("version", Some(Value::Bool(true))).contains("`version`"));
    assert!(message("version", Some(Value::Int(0))).contains("`version`"));
    assert!(message("labels", None).contains("lacks `labels`"));
    assert!(message("labels", Some(Value::List(vec![]))).contains("no labels"));
    assert!(message("labels", Some(Value::List(vec![Value::Int(1)]))).contains("not a string"));
    assert!(message("labels", Some(Value::List(vec!["a".into(), "a".into()]))).contains("\"a\" twice"));
    assert!(message("config", Some("{".into())).contains("not a JSON object"));
    assert!(message("config", Some(Value::None)).contains("`config`"));
    assert!(
        message("model_state_dict", Some(Value::dict([("w", Value::Int(1))]))).contains("model_state_dict")
    );
    let error = Checkpoint::read(fixture("torch.pt")).unwrap_err();
    assert!(
        error.to_string().contains("torch.pt: is a PyTorch file, but not a checkpoint of ser"),
        "{error}"
    );
}

// Files.

#[test]
fn unreadable_paths_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pt");
    let error = read(&missing).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Io, Some(missing.as_path())));
    assert_eq!(read(folder.path()).unwrap_err().kind(), ErrorKind::Usage);
    let huge = folder.path().join("huge.pt");
    fs::File::create(&huge).unwrap().set_len(MAX_FILE_BYTES as u64 + 1).unwrap();
    assert_eq!(read(&huge).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn a_write_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.pt");
    fs::write(&path, "old").unwrap();
    resumable().write(&Storage::native(), &path).unwrap();
    assert_eq!(Checkpoint::read(&path).unwrap(), resumable());
    assert_eq!(names_in(folder.path()), ["best.pt"]);
}

#[test]
fn a_failed_rename_leaves_no_scratch_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.pt");
    fs::create_dir(&path).unwrap();
    let error = resumable().write(&Storage::native(), &path).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Io, Some(path.as_path())));
    assert_eq!(names_in(folder.path()), ["best.pt"]);
    assert!(resumable().write(&Storage::native(), folder.path().join("missing/best.pt")).is_err());
    assert!(resumable().write(&Storage::native(), folder.path().join("..")).is_err());
}

/// Runs this test again in a process that may write no file beyond 4 KiB: the closest to a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_half_way_leaves_the_old_file_and_no_scratch_file() {
    if let Some(path) = std::env::var_os("SER_TEST_LIMITED_WRITE") {
        let error = large().write(&Storage::native(), Path::new(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.pt");
    resumable().write(&Storage::native(), &path).unwrap();
    let before = fs::read(&path).unwrap();
    let name = "a_write_that_fails_half_way_leaves_the_old_file_and_no_scratch_file";
    // Without the signal, the write itself fails with EFBIG.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact {name}");
    let output = run(Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("SER_TEST_LIMITED_WRITE", &path));
    assert!(output.contains("1 passed"), "{output}");
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(names_in(folder.path()), ["best.pt"]);
}

// Helpers.

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint").join(name)
}

/// A checkpoint with one of everything.
fn resumable() -> Checkpoint {
    let moments = Tensor::from_f32(&[2, 3], &[0.0, -0.0, 1.5, f32::MIN_POSITIVE, 1e30, -7.0]).unwrap();
    let tensors = [
        ("cnn.0.weight", moments.clone()),
        ("cnn.1.num_batches_tracked", Tensor::from_i64(&[], &[1 << 40]).unwrap()),
        ("empty", Tensor::from_f64(&[0, 5], &[]).unwrap()),
        ("head.0.weight", Tensor::new(Dtype::BF16, &[2], vec![0x80, 0x3f, 0x49, 0xc0]).unwrap()),
        ("head.3.weight", Tensor::new(Dtype::F16, &[1], vec![0, 0x38]).unwrap()),
        ("mask", Tensor::from_bool(&[3], &[true, false, true]).unwrap()),
        ("steps", Tensor::from_i32(&[2], &[-1, 7]).unwrap()),
        ("tail", Tensor::from_f64(&[1, 1], &[0.1]).unwrap()),
    ];
    let optimizer = Value::dict([
        ("name", Value::from("adam")),
        ("betas", Value::Tuple(vec![0.9.into(), 0.999.into()])),
        ("first_moment", moments.into()),
        ("amsgrad", false.into()),
        ("weight_decay", Value::None),
        ("groups", Value::Dict(vec![(DictKey::Int(0), vec![Value::Int(-1), Value::Int(1 << 33)].into())])),
    ]);
    Checkpoint {
        labels: ["angry", "disgust", "überrascht 😮"].map(String::from).to_vec(),
        config: r#"{"model":{"arch":"cnn-bilstm"},"seed":42}"#.into(),
        model_state: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).to_vec(),
        extra: vec![
            ("optimizer".into(), optimizer),
            ("generator".into(), Tensor::from_u8(&[4], &[1, 2, 3, 255]).unwrap().into()),
            ("epoch".into(), Value::Int(3)),
        ],
    }
}

fn large() -> Checkpoint {
    let mut checkpoint = resumable();
    checkpoint.model_state.push(("lstm.weight".into(), Tensor::from_f32(&[9999], &[0.5; 9999]).unwrap()));
    checkpoint
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-70_000_i64..70_000).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        (prop::collection::vec(0_usize..4, 0..4), any::<u8>()).prop_map(|(shape, fill)| {
            let count: usize = shape.iter().product();
            Value::Tensor(Tensor::new(Dtype::F16, &shape, vec![fill; 2 * count]).unwrap())
        }),
        prop::collection::vec(any::<i64>(), 0..5)
            .prop_map(|values| Value::Tensor(Tensor::from_i64(&[values.len()], &values).unwrap())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let keys = prop_oneof![any::<String>().prop_map(DictKey::Text), any::<i64>().prop_map(DictKey::Int)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Tuple),
            prop::collection::hash_map(keys, inner, 0..6)
                .prop_map(|dict| Value::Dict(dict.into_iter().collect())),
        ]
    })
}

/// A value as `plain` in make.py renders it.
fn as_json(value: &Value) -> serde_json::Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match value {
        Value::None => serde_json::Value::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!({"float": hex(&value.to_be_bytes())}),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(as_json).collect(),
        Value::Tuple(items) => json!({"tuple": items.iter().map(as_json).collect::<Vec<_>>()}),
        Value::Dict(entries) => {
            let key = |key: &DictKey| match key {
                DictKey::Text(text) => json!(text),
                DictKey::Int(number) => json!(number),
            };
            json!({"dict": entries.iter().map(|(k, v)| json!([key(k), as_json(v)])).collect::<Vec<_>>()})
        }
        Value::Tensor(tensor) => {
            let dtype = match tensor.dtype() {
                Dtype::F32 => "float32",
                Dtype::F64 => "float64",
                Dtype::I64 => "int64",
                Dtype::I32 => "int32",
                Dtype::U8 => "uint8",
                Dtype::Bool => "bool",
                Dtype::BF16 => "bfloat16",
                Dtype::F16 => "float16",
            };
            json!({"tensor": dtype, "shape": tensor.shape(), "hex": hex(tensor.bytes())})
        }
    }
}

/// Runs a command that must succeed, and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{printed}\n{complained}");
    printed.into_owned()
}

fn names_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn below(random: &mut impl Rng, bound: usize) -> usize {
    (random.next_u64() % bound as u64) as usize
}

fn find(bytes: &[u8], pattern: &[u8], nth: usize) -> usize {
    let hits = bytes.windows(pattern.len()).enumerate().filter(|(_, window)| *window == pattern);
    hits.map(|(at, _)| at).nth(nth).unwrap()
}

/// `_rebuild_tensor_v2` of a float32 storage `0` with whatever geometry.
fn tensor_pickle(offset: i64, shape: &[i64], strides: &[i64], length: i64) -> Vec<u8> {
    let int = |value: i64| [&[0x8a, 8], value.to_le_bytes().as_slice()].concat();
    let ints = |values: &[i64]| {
        [b"(".to_vec(), values.iter().flat_map(|&value| int(value)).collect(), b"t".to_vec()].concat()
    };
    [
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n".to_vec(),
        b"X\x01\0\0\x000X\x03\0\0\0cpu".to_vec(),
        int(length),
        b"tQ".to_vec(),
        int(offset),
        ints(shape),
        ints(strides),
        b"\x89ccollections\nOrderedDict\n)RtR.".to_vec(),
    ]
    .concat()
}

struct Unpacked<'a> {
    name: String,
    data: &'a [u8],
    data_at: usize,
}

/// The entries of an archive, found through its local headers and its directory, trusting it wholly.
fn unpack(bytes: &[u8]) -> Vec<Unpacked<'_>> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let end = bytes.len() - 22;
    let mut header = u32_at(end + 16);
    let mut entries = Vec::new();
    for _ in 0..u16_at(end + 10) {
        let (size, name_length, local) = (u32_at(header + 24), u16_at(header + 28), u32_at(header + 42));
        let name = std::str::from_utf8(&bytes[header + 46..header + 46 + name_length]).unwrap();
        let data_at = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let name = name.split_once('/').unwrap().1.to_owned();
        entries.push(Unpacked { name, data: &bytes[data_at..data_at + size], data_at });
        header += 46 + name_length;
    }
    entries
}

/// An archive in the form that ser writes, with any entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (name, data) in entries {
        let name = format!("archive/{name}");
        let offset = bytes.len() as u32;
        let padding = (64 - (bytes.len() + 30 + name.len() + 4) % 64) % 64;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32fast::hash(data).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend((padding as u16 + 4).to_le_bytes());
        bytes.extend(name.bytes());
        bytes.extend(b"FB");
        bytes.extend((padding as u16).to_le_bytes());
        bytes.resize(bytes.len() + padding, 0);
        bytes.extend(*data);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &(directory.len() as u32).to_le_bytes()].concat();
    let offset = bytes.len() as u32;
    [bytes, directory, end, offset.to_le_bytes().to_vec(), vec![0, 0]].concat()
}
