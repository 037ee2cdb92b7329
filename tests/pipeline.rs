//! The three commands one after the other, as the user types them, and what each of them loads.
#![cfg(feature = "torch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test stops at the first failure"
)]

mod common_fit;

use std::path::{Path, PathBuf};

use common_fit::{ser_fit, ser_prep, ser_report, succeed, synthesise};

#[test]
fn the_three_commands_work_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    synthesise(&folder.path().join("corpus"), 6);
    let prepared = succeed(ser_prep(folder.path()).args(["--data", "corpus", "--out", "cache/"]));
    assert!(prepared.contains("84"), "{prepared}");
    let trained = succeed(ser_fit(folder.path()).args(["--cache", "cache/", "--epochs", "2"]));
    assert!(trained.ends_with("ser-report --checkpoint best.pt\n"), "{trained}");
    let reported = succeed(ser_report(folder.path()).args(["--checkpoint", "best.pt"]));
    assert!(reported.contains("accuracy (WA)") && reported.contains("of 13 utterances"), "{reported}");
    assert!(reported.contains("pleasant_surprise") && reported.contains("weighted avg"), "{reported}");
    let mut left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["best.pt", "cache", "corpus", "runs"]);
    // Once more, on existing data: nothing is computed again, and the second run is beside the first.
    succeed(ser_prep(folder.path()).args(["--data", "corpus", "--out", "cache/"]));
    succeed(ser_fit(folder.path()).args(["--cache", "cache/", "--epochs", "1"]));
    assert_eq!(std::fs::read_dir(folder.path().join("runs")).unwrap().count(), 2);
}

#[test]
fn tess_is_recognised_in_three_epochs() {
    let Some(tess) = std::env::var_os("SER_TESS").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        eprintln!("SKIPPED: SER_TESS is not set; it names the folder of the TESS corpus");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    succeed(ser_prep(folder.path()).arg("--data").arg(tess).args(["--out", "cache/"]));
    let trained = succeed(ser_fit(folder.path()).args(["--cache", "cache/", "--epochs", "3"]));
    eprintln!("{trained}");
    let reported = succeed(ser_report(folder.path()).args(["--checkpoint", "best.pt", "--json"]));
    let object: serde_json::Value = serde_json::from_str(&reported).unwrap();
    eprintln!("accuracy {}, UAR {}", object["accuracy"], object["uar"]);
    assert!(object["accuracy"].as_f64().unwrap() >= 0.97, "{}", object["accuracy"]);
    assert!(object["n_utterances"].as_u64().unwrap() >= 400, "{}", object["n_utterances"]);
}

#[cfg(target_os = "linux")]
#[test]
fn only_training_and_reporting_load_libtorch() {
    let needs = |program: &str| elf::needed(&std::fs::read(Path::new(program)).unwrap());
    let light =
        [env!("CARGO_BIN_EXE_ser-prep"), env!("CARGO_BIN_EXE_ser-synth"), env!("CARGO_BIN_EXE_ser-tune")];
    for program in light {
        let needed = needs(program);
        assert!(needed.iter().any(|name| name.starts_with("libc.so")), "{program}: {needed:?}");
        let foreign =
            |name: &&String| ["torch", "c10", "gomp", "cuda"].iter().any(|part| name.contains(part));
        assert_eq!(needed.iter().find(foreign), None, "{program}: {needed:?}");
    }
    for program in [env!("CARGO_BIN_EXE_ser-fit"), env!("CARGO_BIN_EXE_ser-report")] {
        let needed = needs(program);
        assert!(needed.iter().any(|name| name.starts_with("libtorch_cpu.so")), "{program}: {needed:?}");
        // CUDA is loaded when it is asked for.
        assert!(!needed.iter().any(|name| name.contains("cuda")), "{program}: {needed:?}");
    }
}

/// As much of the Executable and Linkable Format, 64 bits and little-endian, as `readelf -d` needs.
#[cfg(target_os = "linux")]
mod elf {
    const PT_LOAD: u64 = 1;
    const PT_DYNAMIC: u64 = 2;
    const DT_NULL: u64 = 0;
    const DT_NEEDED: u64 = 1;
    const DT_STRTAB: u64 = 5;

    struct Segment {
        kind: u64,
        offset: u64,
        address: u64,
        size: u64,
    }

    /// The libraries that the program names as needed.
    pub(super) fn needed(bytes: &[u8]) -> Vec<String> {
        assert_eq!(bytes[..6], *b"\x7fELF\x02\x01", "is no 64-bit little-endian program");
        let (start, size, count) = (number(bytes, 32, 8), number(bytes, 54, 2), number(bytes, 56, 2));
        let segments: Vec<Segment> = (0..count)
            .map(|index| {
                let at = start + index * size;
                Segment {
                    kind: number(bytes, at, 4),
                    offset: number(bytes, at + 8, 8),
                    address: number(bytes, at + 16, 8),
                    size: number(bytes, at + 32, 8),
                }
            })
            .collect();
        let dynamic =
            segments.iter().find(|segment| segment.kind == PT_DYNAMIC).expect("is not linked dynamically");
        let entries: Vec<(u64, u64)> = (dynamic.offset..dynamic.offset + dynamic.size)
            .step_by(16)
            .map(|at| (number(bytes, at, 8), number(bytes, at + 8, 8)))
            .take_while(|(tag, _)| *tag != DT_NULL)
            .collect();
        let (_, address) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB).expect("has no names");
        let holds = |segment: &&Segment| {
            segment.kind == PT_LOAD && (segment.address..segment.address + segment.size).contains(address)
        };
        let segment = segments.iter().find(holds).expect("has its names nowhere");
        let names = segment.offset + address - segment.address;
        let needed = entries.iter().filter(|(tag, _)| *tag == DT_NEEDED);
        needed.map(|(_, at)| text(bytes, names + at)).collect()
    }

    fn number(bytes: &[u8], at: u64, length: usize) -> u64 {
        let mut wide = [0; 8];
        wide[..length].copy_from_slice(&bytes[at as usize..at as usize + length]);
        u64::from_le_bytes(wide)
    }

    fn text(bytes: &[u8], at: u64) -> String {
        let text = bytes[at as usize..].split(|&byte| byte == 0).next().unwrap();
        String::from_utf8(text.to_owned()).unwrap()
    }
}
