//! What the tests of pretrained encoders share: the tiny ones with random weights, and a run on one in a folder, whose corpus is
//! in `corpus`, its cache in `cache` and its checkpoint `run/best.pt`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common_fit::{manifest, ser_predict, ser_report, succeed};

/// The folder of the tiny encoder of this name.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders").join(name)
}

/// What a command prints with `--json`.
pub(crate) fn json(command: &mut Command) -> Value {
    serde_json::from_str(&succeed(command.arg("--json"))).unwrap()
}

/// Paths of the test side, relative to the folder.
pub(crate) fn test_side(folder: &Path) -> Vec<String> {
    let utterances = manifest(&folder.join("cache"), "random", "test");
    utterances.iter().map(|line| format!("corpus/{}", line["path"].as_str().unwrap())).collect()
}

/// `ser-predict` answers for the test side of the run in `folder` as `ser-report` does, to the last digit.
pub(crate) fn assert_answers_are_reported(folder: &Path) {
    std::fs::write(folder.join("list.txt"), test_side(folder).join("\n")).unwrap();
    let model = ["--checkpoint", "run/best.pt", "--threads", "1", "--device", "cpu", "--quiet"];
    succeed(ser_predict(folder).args(["list.txt", "--csv", "answers.csv"]).args(model));
    succeed(ser_report(folder).args(["--csv", "report.csv"]).args(model));
    let (answers, reported) = (rows(&folder.join("answers.csv")), rows(&folder.join("report.csv")));
    assert!(answers.len() > 5 && answers.len() == reported.len(), "{} answers", answers.len());
    for (answer, reported) in answers.iter().zip(&reported) {
        assert!(answer["path"].ends_with(&reported["path"]), "{answer:?} {reported:?}");
        assert_eq!((&answer["label"], &answer["set"]), (&reported["predicted"], &reported["set"]));
        assert_eq!(answer["share_as_unusual"], reported["share_as_unusual"]);
        for (column, value) in reported.iter().filter(|(column, _)| column.starts_with("probability_")) {
            assert_eq!(answer[column], *value, "{column} of {}", answer["path"]);
        }
    }
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}
