//! The three commands one after the other, as the user types them.

use std::path::PathBuf;

use crate::common_fit::{ser_fit, ser_prep, ser_report, succeed, synthesise};

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
