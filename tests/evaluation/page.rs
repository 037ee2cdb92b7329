//! What is made to be shown to others: the page, its figures, the model card. In text, and in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ser_cache::audit::Audit;
use ser_core::random::Random;
use ser_core::storage::Storage;
use ser_corpus::Corpora;
use ser_corpus::split::Side;
use ser_eval::render::html::{self, Audio, PageOptions};
use ser_eval::render::svg::{Plot, figures};
use ser_eval::render::{model_card, write_figures};
use ser_eval::{
    CommandLine, Evaluation, History, Prediction, Provenance, RunRecord, SplitSide, protocol_in_words,
};
use ser_features::FeatureConfig;
use ser_model::{EpochRecord, FitConfig};

use crate::common::{noise, wav};
use crate::common_python::python_with;

const TESS: [&str; 7] = ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"];
/// Names that would do harm if treated as anything but text.
const HOSTILE: [&str; 4] = [
    "<script>document.title='x'</script>",
    "\"><img src=x onerror=alert(1)>'&amp;",
    "\u{202e}gnirts\u{2066} سعيد \u{7}\u{1b}[31m\n| *a* `b` [c](http://example.org)",
    "]]>--></style></title><!-- a_very_long_label_without_any_break_in_it_whatever_0123456789",
];

// The text of the page.

#[test]
fn the_page_is_well_formed_and_points_nowhere_outside() {
    for example in [Example::of_tess(), Example::hostile(), Example::perfect(), Example::of_many_classes()] {
        for page in [example.page(Audio::None), example.page_without_a_run()] {
            let tree = parse(&page);
            for node in tree.descendants().filter(roxmltree::Node::is_element) {
                let name = node.tag_name().name();
                let allowed =
                    !["script", "img", "iframe", "link", "object", "embed", "form", "base", "image", "use"]
                        .contains(&name);
                assert!(allowed, "{name}");
                for attribute in node.attributes() {
                    assert!(!attribute.name().starts_with("on"), "{attribute:?}");
                    if ["href", "src", "style", "action"].contains(&attribute.name()) {
                        assert!(attribute.value().starts_with('#'), "{attribute:?}");
                    }
                }
            }
            let style = tree.descendants().find(|node| node.has_tag_name("style")).unwrap().text().unwrap();
            assert!(!style.contains("url(") && !style.contains("@import"));
            let policy = tree.descendants().find(|node| node.attribute("http-equiv").is_some()).unwrap();
            let policy = policy.attribute("content").unwrap();
            assert!(
                policy.starts_with("default-src 'none';") && policy.contains("media-src 'none'"),
                "{policy}"
            );
        }
    }
}

#[test]
fn names_from_the_corpus_are_text_wherever_they_stand() {
    let example = Example::hostile();
    let page = example.page(Audio::None);
    assert!(
        !page.contains("<script")
            && !page.contains("<img")
            && !page.contains('\u{202e}')
            && !page.contains('\u{7}')
    );
    let tree = parse(&page);
    let shown: Vec<&str> =
        tree.descendants().filter(|node| node.has_tag_name("bdi")).filter_map(|node| node.text()).collect();
    for label in [HOSTILE[0], HOSTILE[1], HOSTILE[3]] {
        assert!(shown.contains(&label), "{label} is not in {shown:?}");
    }
    assert!(shown.iter().any(|text| text.contains("\\u{202e}gnirts") && text.contains("سعيد")), "{shown:?}");
    for figure in example.figures() {
        roxmltree::Document::parse(&figure.to_svg()).unwrap();
    }
    let card = model_card(&example.evaluation, &example.run);
    assert!(!card.contains('\u{202e}') && !card.contains('\u{7}'), "{card}");
    // After the metadata, which is YAML, and outside the commands, which are code, nothing is markup.
    let text = card.split_once("\n---\n").unwrap().1;
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        assert!(!line.contains(['<']) && !line.contains("[c]("), "{line}");
    }
}

#[test]
fn the_page_and_the_card_say_the_numbers_of_the_json() {
    let example = Example::of_tess();
    let json = serde_json::to_value(&example.evaluation).unwrap();
    let page = example.page(Audio::None);
    let tree = parse(&page);
    let cells: Vec<Vec<String>> = (tree.descendants().filter(|node| node.has_tag_name("tr")))
        .map(|row| row.children().map(|cell| text_of(&cell)).collect())
        .collect();
    let card = model_card(&example.evaluation, &example.run);
    let number = |value: &serde_json::Value| format!("{:.4}", value.as_f64().unwrap());
    for class in json["classes"].as_array().unwrap() {
        let label = class["label"].as_str().unwrap();
        let mut row = vec![label.to_owned()];
        row.extend(["precision", "recall", "f1"].map(|key| number(&class[key])));
        assert!(card.contains(&format!(
            "| {} | {} | {} | {} | {} |",
            label.replace('_', "\\_"),
            row[1],
            row[2],
            row[3],
            class["support"]
        )));
        row.extend(["support", "predicted"].map(|key| class[key].to_string()));
        assert!(cells.contains(&row), "{row:?}");
    }
    for (label, counts) in TESS.iter().zip(json["confusion_matrix"].as_array().unwrap()) {
        let mut row = vec![(*label).to_owned()];
        row.extend(counts.as_array().unwrap().iter().map(ToString::to_string));
        assert!(cells.contains(&row), "{row:?}");
    }
    let text = text_of(&tree.root_element());
    for key in ["accuracy", "macro_f1", "cross_entropy"] {
        assert!(text.contains(&number(&json[key])) && card.contains(&number(&json[key])), "{key}");
    }
    for key in ["ece", "mce", "brier", "mean_confidence"] {
        let value = number(&json["calibration"][key]);
        assert!(text.contains(&value) && card.contains(&value), "{key} {value}");
    }
    assert!(text.contains(&format!("{:.3}", json["uar"].as_f64().unwrap())));
    for said in [
        json["protocol_in_words"].as_str().unwrap(),
        "! shared2 of 2 speakers of the test side also in training or validation: OAF, YAF.",
        "ser-prep --data 'my corpus' --out cache",
        &"5".repeat(64),
        &"a".repeat(64),
        "trained toepoch 9, seed 3",
    ] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
    assert!(card.contains(&"5".repeat(64)) && card.contains("    ser-prep --data 'my corpus' --out cache"));
}

#[test]
fn the_card_has_the_headings_of_the_field_and_data_that_a_hub_reads() {
    let example = Example::of_tess();
    let card = model_card(&example.evaluation, &example.run);
    let headings: Vec<&str> = card.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ];
    assert_eq!(headings, expected);
    assert!(card.starts_with("---\nlibrary_name: ser\n") && card.contains("\n---\n\n# Model card"));
    let Some(python) = python_with("yaml") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, example) in [("tess", example), ("hostile", Example::hostile())] {
        let path = folder.path().join(name);
        fs::write(&path, model_card(&example.evaluation, &example.run)).unwrap();
        let script = "import sys, yaml\nfront = open(sys.argv[1], encoding='utf-8').read().split('\\n---\\n')[0]\n\
                      card = yaml.safe_load(front)\nprint(card['model-index'][0]['results'][0]['metrics'][0]['value'])";
        let output = Command::new(&python).arg("-c").arg(script).arg(&path).output().unwrap();
        let value: f64 =
            String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{output:?}"));
        assert!((value - example.evaluation.uar).abs() <= 5e-5);
    }
}

#[test]
fn figures_are_written_as_svg_and_png() {
    let folder = tempfile::tempdir().unwrap();
    let example = Example::of_tess();
    let written =
        write_figures(&folder.path().join("figures"), &example.figures(), &Storage::native()).unwrap();
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected = ["confusion-matrix", "loss-curve", "accuracy-curve", "reliability-diagram"];
    assert_eq!(names, expected.map(|name| [format!("{name}.svg"), format!("{name}.png")]).concat());
    for path in written {
        let bytes = fs::read(&path).unwrap();
        if path.extension().unwrap() == "png" {
            assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() > 10_000, "{}", path.display());
        } else {
            let text = String::from_utf8(bytes).unwrap();
            let tree = roxmltree::Document::parse(&text).unwrap();
            assert!(tree.descendants().any(|node| node.has_tag_name("text")), "{}", path.display());
        }
    }
    // Without a history there are no curves, and nothing else is missing.
    let names: Vec<_> = figures(&example.evaluation, None).iter().map(|figure| figure.name).collect();
    assert_eq!(names, ["confusion-matrix", "reliability-diagram"]);
}

#[test]
fn recordings_are_linked_or_embedded_only_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut example = Example::of_tess();
    example.give_recordings(folder.path());
    let sources = |audio| {
        let page = example.page_at(audio, &folder.path().join("report.html"));
        let tree = parse(&page);
        let policy = tree
            .descendants()
            .find_map(|node| node.attribute("content").filter(|text| text.contains("default-src")));
        let policy = policy.unwrap().to_owned();
        let players = tree.descendants().filter(|node| node.has_tag_name("audio"));
        (policy, players.map(|node| node.attribute("src").unwrap().to_owned()).collect::<Vec<_>>())
    };
    let (policy, linked) = sources(Audio::Link);
    assert!(policy.contains("media-src 'self' file:") && linked.len() == 24, "{policy} {linked:?}");
    assert!(
        linked.iter().all(|source| source.starts_with("corpus/") && source.ends_with(".wav")),
        "{linked:?}"
    );
    let (policy, embedded) = sources(Audio::Embed);
    assert!(policy.contains("media-src data:") && embedded.len() == 24, "{policy}");
    assert!(embedded.iter().all(|source| source.starts_with("data:audio/wav;base64,UklGR")));
    let (policy, none) = sources(Audio::None);
    assert!(policy.contains("media-src 'none'") && none.is_empty(), "{policy} {none:?}");
}

// In a browser.

#[test]
fn a_browser_shows_the_page_without_complaint() {
    let Some(chromium) = chromium() else { return };
    let Some(python) = python_with("json") else { return };
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    let mut tess = Example::of_tess();
    tess.give_recordings(&out);
    let mut hostile = Example::hostile();
    hostile.run.history = History::Unknown("no metrics.jsonl is next to the checkpoint".to_owned());
    let examples = [
        ("linked", tess.page_at(Audio::Link, &out.join("linked.html"))),
        ("embedded", tess.page_at(Audio::Embed, &out.join("embedded.html"))),
        ("hostile", hostile.page(Audio::None)),
        ("many", Example::of_many_classes().page(Audio::None)),
        ("alone", tess.page_without_a_run()),
    ];
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.py"))
        .arg(&chromium)
        .arg(&out);
    for (name, page) in &examples {
        let path = out.join(format!("{name}.html"));
        fs::write(&path, page).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, _) in &examples {
        let found = &found[name];
        assert_eq!(found["wrong"], serde_json::json!([]), "{name}: {:#}", found["wrong"]);
        // The checks saw the page, and paper is white.
        assert!(found["texts"].as_u64().unwrap() > 40, "{name}");
        assert_eq!(found["print_ground"], "rgb(255, 255, 255)", "{name}");
        let plays = if ["linked", "embedded"].contains(name) { "plays" } else { "no player" };
        assert_eq!(found["audio"], plays, "{name}");
    }
    eprintln!("screenshots in {}", out.display());
}

/// The browser that SER_CHROMIUM names, or the first of the usual names in PATH. Without one a line says so.
fn chromium() -> Option<PathBuf> {
    let works = |program: &Path| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    if let Some(named) = std::env::var_os("SER_CHROMIUM").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(works(&named), "SER_CHROMIUM is set, but {} does not run", named.display());
        return Some(named);
    }
    let usual = ["chromium", "google-chrome", "chromium-browser", "google-chrome-stable", "chrome"];
    let found = usual.iter().map(PathBuf::from).find(|program| works(program));
    if found.is_none() {
        eprintln!("SKIPPED: there is no chromium or google-chrome; set SER_CHROMIUM to one");
    }
    found
}

// Examples.

struct Example {
    evaluation: Evaluation,
    predictions: Vec<Prediction>,
    run: RunRecord,
}

fn corpora(only: PathBuf) -> Option<Corpora> {
    Some(Corpora::new(&[only.into()]).unwrap())
}

impl Example {
    /// Seven emotions in two voices, confused as people confuse them, and too sure of itself.
    fn of_tess() -> Self {
        let mut random = Random::new(&["page", "answers"]);
        let like = [(0, 1), (2, 5), (3, 5), (5, 3), (6, 4), (4, 6), (1, 0)];
        Self::new(&TESS, 60, |truth| {
            let roll = random.below(100);
            match roll {
                0..64 => truth,
                64..90 => like.iter().find(|pair| pair.0 == truth).unwrap().1,
                _ => random.below(7) as usize,
            }
        })
    }

    fn hostile() -> Self {
        let mut example = Self::new(&HOSTILE, 8, |truth| (truth + truth / 2) % 4);
        example.run.audit.test_speakers = vec![HOSTILE[0].to_owned()];
        example.run.audit.shared_speakers = vec![HOSTILE[1].to_owned()];
        example.run.commands[0].words.extend(HOSTILE.map(str::to_owned));
        example.run.version = HOSTILE[0].to_owned();
        example.run.corpora = corpora(PathBuf::from(HOSTILE[3]));
        example.run.model["arch"] = HOSTILE[2].into();
        example
    }

    fn perfect() -> Self {
        let mut example = Self::new(&TESS, 20, |truth| truth);
        example.run.audit.shared_speakers.clear();
        example.run.audit.shared_words = 0;
        example
    }

    fn of_many_classes() -> Self {
        let labels: Vec<String> = (0..30).map(|class| format!("speaker_{class:02}_calm")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        Self::new(&labels, 9, |truth| if truth % 3 == 0 { (truth * 7 + 1) % 30 } else { truth })
    }

    fn new(labels: &[&str], n: usize, mut answer: impl FnMut(usize) -> usize) -> Self {
        let mut random = Random::new(&["page", "confidence"]);
        let mut predictions = Vec::new();
        for truth in 0..labels.len() {
            for utterance in 0..n {
                let said = answer(truth);
                let right = said == truth;
                // From 0.35 to 1, more of it when right.
                let confidence =
                    0.35 + 0.65 * (random.below(1000) as f32 / 1000.0).powf(if right { 0.25 } else { 0.8 });
                let mut p = vec![(1.0 - confidence) / (labels.len() as f32 - 1.0); labels.len()];
                p[said] = confidence.max(1.001 / labels.len() as f32);
                let voice = ["OAF", "YAF"][utterance % 2];
                let word = utterance / 2;
                let path =
                    format!("{voice}_{label}/{voice}_word{word:02}_{label}.wav", label = labels[truth]);
                predictions.push(Prediction::most_probable(path, truth, p).unwrap());
            }
        }
        let side = |words: std::ops::Range<usize>| {
            let mut side = SplitSide::default();
            for voice in labels.iter().flat_map(|_| ["OAF", "YAF"]) {
                words.clone().for_each(|word| side.add(Some(voice), Some(&format!("word{word:02}"))));
            }
            side
        };
        let sides = [side(0..n * 5 / 2), side(0..n / 2), side(0..n / 2)];
        let provenance = Provenance {
            checkpoint: "runs/2026-11-22T20-51-04.073/best.pt".to_owned(),
            epoch: 9,
            seed: 3,
            members: Vec::new(),
            cache: "cache".to_owned(),
            protocol: "random".to_owned(),
            protocol_in_words: protocol_in_words("random", &sides[0], &sides[1], &sides[2]),
        };
        let names: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let counts = |_: &String| Side::ALL.into_iter().zip([n * 5, n, n]).collect::<BTreeMap<_, _>>();
        let command = |purpose: &str, words: &[&str]| CommandLine {
            purpose: purpose.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let run = RunRecord {
            version: "0.1.0".to_owned(),
            checkpoint_digest: "5".repeat(64),
            n_parameters: 1_145_223,
            model: serde_json::json!({"arch": "cnn-bilstm", "hidden": 128}),
            features: serde_json::to_value(FeatureConfig::default()).unwrap(),
            feature_set: "26742b1d8ee4".to_owned(),
            input_shape: vec![3, 40, 200],
            fit: FitConfig::default(),
            split_seed: 0,
            split_digest: "a".repeat(64),
            sides: Side::ALL.into_iter().zip(sides).collect(),
            counts_by_label: names.iter().map(|label| (label.clone(), counts(label))).collect(),
            audit: Audit {
                speakers_known: true,
                test_speakers: vec!["OAF".to_owned(), "YAF".to_owned()],
                shared_speakers: vec!["OAF".to_owned(), "YAF".to_owned()],
                words_known: true,
                test_words: 30,
                shared_words: 30,
                ..Audit::default()
            },
            history: History::Epochs((1..=12).map(epoch).collect()),
            corpora: None,
            commands: vec![
                command("Prepare the recordings", &["ser-prep", "--data", "my corpus", "--out", "cache"]),
                command(
                    "Train, by the recipe below",
                    &["ser-fit", "--config", "recipe.toml", "--cache", "cache"],
                ),
                command("Report", &["ser-report", "--html", "report.html"]),
            ],
        };
        Self { evaluation: Evaluation::new(names, &predictions, provenance).unwrap(), predictions, run }
    }

    /// Puts a recording under every path, and says where.
    fn give_recordings(&mut self, folder: &Path) {
        let corpus = folder.join("corpus");
        for (number, prediction) in self.predictions.iter().enumerate() {
            crate::common::put(&corpus, &prediction.path, &wav(16_000, &noise(number as u32 + 1, 1600)));
        }
        self.run.corpora = corpora(corpus);
    }

    fn page(&self, audio: Audio) -> String {
        self.page_at(audio, Path::new("report.html"))
    }

    fn page_at(&self, audio: Audio, path: &Path) -> String {
        html::page(&self.evaluation, &self.predictions, Some(&self.run), &PageOptions { audio, path })
            .unwrap()
    }

    fn page_without_a_run(&self) -> String {
        let options = PageOptions { audio: Audio::Link, path: Path::new("report.html") };
        html::page(&self.evaluation, &self.predictions, None, &options).unwrap()
    }

    fn figures(&self) -> Vec<Plot> {
        figures(&self.evaluation, Some(&self.run))
    }
}

fn epoch(epoch: u32) -> EpochRecord {
    let t = f64::from(epoch);
    EpochRecord {
        epoch,
        steps: 10 * u64::from(epoch),
        train_loss: 1.9 * (-t / 3.0).exp() + 0.02,
        train_accuracy: 1.0 - 0.8 * (-t / 2.5).exp(),
        val_loss: 1.8 * (-t / 3.0).exp() + 0.35 + 0.012 * t,
        val_accuracy: 0.72 - 0.5 * (-t / 2.0).exp(),
        val_uar: 0.70 - 0.5 * (-t / 2.0).exp(),
        seconds: 1.0,
        samples_per_s: 320.0,
        waiting_share: 0.0,
        validated_per_s: 320.0,
        finished: 1e9 + t,
        best: true,
    }
}

/// The page is written so that a reader of XML understands it too.
fn parse(page: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    roxmltree::Document::parse_with_options(page, options).unwrap()
}

fn text_of(node: &roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect()
}
