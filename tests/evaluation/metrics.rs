//! Metrics and their tables: against scikit-learn and SciPy, and by their properties.

use proptest::prelude::*;
use ser_core::ErrorKind;
use ser_eval::metrics::{
    Calibration, ClassAverage, ConfusionMatrix, Metrics, mean_cross_entropy, wilson_interval,
};
use ser_eval::render::text::{self, classification_report, confusion_matrix};
use ser_eval::{Evaluation, Prediction, Provenance, protocol_in_words};
use serde::Deserialize;

const TESS: [&str; 7] = ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"];

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    log_loss: LogLoss,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<String>,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    report: String,
    confusion_matrix: Vec<Vec<u64>>,
    accuracy: f64,
    accuracy_interval: [f64; 2],
    balanced_accuracy: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<f64>,
    #[serde(rename = "macro")]
    macro_average: [f64; 3],
    weighted: [f64; 3],
}

#[derive(Deserialize)]
struct LogLoss {
    truth: Vec<usize>,
    probabilities: Vec<f32>,
    log_loss: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/metrics/metrics.json")).unwrap()
}

fn metrics(case: &Case) -> Metrics {
    Metrics::of(&case.truth, &case.predicted, case.labels.len()).unwrap()
}

fn names(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[test]
fn the_classification_report_is_scikit_learns_byte_for_byte() {
    for mut case in fixture().cases {
        let metrics = metrics(&case);
        if metrics.n_correct == 0 {
            case.report = with_whole_supports(&case.report);
        }
        assert_eq!(classification_report(&metrics, &case.labels).unwrap(), case.report, "{}", case.name);
    }
}

/// Where nothing is right, scikit-learn counts in floating point and prints "27.0" for a support of 27. This
/// oddity, and nothing else, is left out.
fn with_whole_supports(report: &str) -> String {
    report
        .split_inclusive('\n')
        .map(|line| match line.strip_suffix(".0\n").and_then(|line| line.rsplit_once(' ')) {
            Some((rest, support)) => format!("{rest}   {support}\n"),
            None => line.to_owned(),
        })
        .collect()
}

#[test]
fn every_number_is_that_of_scikit_learn_and_scipy() {
    let fixture = fixture();
    assert_eq!(fixture.cases.len(), 17);
    for case in fixture.cases {
        let metrics = metrics(&case);
        let equal = |ours: f64, theirs: f64, what: &str| {
            assert!((ours - theirs).abs() <= 1e-12, "{}: {what} {ours} is not {theirs}", case.name);
        };
        equal(metrics.accuracy, case.accuracy, "accuracy");
        equal(metrics.accuracy_interval.lower, case.accuracy_interval[0], "lower end");
        equal(metrics.accuracy_interval.upper, case.accuracy_interval[1], "upper end");
        equal(metrics.uar, case.balanced_accuracy, "UAR");
        for (ours, theirs) in
            [(metrics.macro_average, case.macro_average), (metrics.weighted_average, case.weighted)]
        {
            let ClassAverage { precision, recall, f1 } = ours;
            equal(precision, theirs[0], "average precision");
            equal(recall, theirs[1], "average recall");
            equal(f1, theirs[2], "average F1");
        }
        assert_eq!(metrics.classes.len(), case.support.len());
        for (i, class) in metrics.classes.iter().enumerate() {
            equal(class.precision, case.precision[i], "precision");
            equal(class.recall, case.recall[i], "recall");
            equal(class.f1, case.f1[i], "F1");
            assert_eq!(class.support as f64, case.support[i], "{}", case.name);
        }
        let mut matrix = ConfusionMatrix::new(case.labels.len()).unwrap();
        matrix.add_batch(&case.truth, &case.predicted).unwrap();
        assert!(matrix.rows().eq(&case.confusion_matrix), "{}", case.name);
    }
}

#[test]
fn the_cross_entropy_is_scikit_learns_log_loss() {
    let LogLoss { truth, probabilities, log_loss } = fixture().log_loss;
    assert!(truth.iter().enumerate().any(|(row, &class)| probabilities[row * 5 + class] == 0.0));
    let ours = mean_cross_entropy(&truth, &probabilities, 5).unwrap();
    assert!((ours - log_loss).abs() <= 1e-12, "{ours} is not {log_loss}");
}

#[derive(Deserialize)]
struct CalibrationCase {
    n_classes: usize,
    truth: Vec<usize>,
    probabilities: Vec<f32>,
    brier: f64,
    bins: Vec<CalibrationBins>,
}

#[derive(Deserialize)]
struct CalibrationBins {
    n_bins: usize,
    counts: Vec<u64>,
    ece: f64,
    mce: f64,
    mean_confidence: f64,
}

#[test]
fn calibration_is_that_of_numpy_and_scikit_learn() {
    let cases: Vec<CalibrationCase> =
        serde_json::from_str(include_str!("../fixtures/metrics/calibration.json")).unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let rows: Vec<Vec<f32>> = case.probabilities.chunks(case.n_classes).map(<[f32]>::to_vec).collect();
        let predictions: Vec<Prediction> = (rows.iter().zip(&case.truth).enumerate())
            .map(|(i, (row, &truth))| {
                Prediction::most_probable(format!("{i}.wav"), truth, row.clone()).unwrap()
            })
            .collect();
        let predicted: Vec<usize> = predictions.iter().map(|prediction| prediction.predicted).collect();
        let of = |n_bins| {
            Calibration::of(&case.truth, &predicted, &case.probabilities, case.n_classes, n_bins).unwrap()
        };
        for theirs in &case.bins {
            let ours = of(theirs.n_bins);
            for (ours, theirs, what) in [
                (ours.ece, theirs.ece, "ECE"),
                (ours.mce, theirs.mce, "MCE"),
                (ours.brier, case.brier, "Brier score"),
                (ours.mean_confidence, theirs.mean_confidence, "mean confidence"),
            ] {
                assert!((ours - theirs).abs() <= 1e-12, "{what}: {ours} is not {theirs}");
                assert_eq!(format!("{ours:.4}"), format!("{theirs:.4}"));
            }
            let counts: Vec<u64> = ours.bins.iter().map(|bin| bin.n_utterances).collect();
            assert_eq!(counts, theirs.counts);
        }
        let labels = (0..case.n_classes).map(|class| format!("class {class}")).collect();
        assert_eq!(Evaluation::new(labels, &predictions, provenance()).unwrap().calibration, of(15));
    }
}

#[test]
fn classes_without_utterances_or_predictions_are_named() {
    let metrics = Metrics::of(&[0, 0, 2], &[0, 1, 1], 4).unwrap();
    assert_eq!((metrics.without_utterances, metrics.never_predicted), (vec![1, 3], vec![2, 3]));
    // The two classes with utterances alone make the UAR; scikit-learn's macro recall divides by all four.
    assert_eq!((metrics.uar, metrics.macro_average.recall), (0.25, 0.125));
}

#[test]
fn invalid_input_is_an_error() {
    let kind = |truth: &[usize], predicted: &[usize], n| Metrics::of(truth, predicted, n).unwrap_err().kind();
    assert_eq!(kind(&[], &[], 2), ErrorKind::Unusable);
    assert_eq!(kind(&[0], &[0, 1], 2), ErrorKind::Mismatch);
    assert_eq!(kind(&[2], &[0], 2), ErrorKind::Mismatch);
    assert_eq!(kind(&[0], &[usize::MAX], 2), ErrorKind::Mismatch);
    assert_eq!(kind(&[0], &[0], 0), ErrorKind::Usage);

    let metrics = Metrics::of(&[0], &[0], 2).unwrap();
    assert_eq!(classification_report(&metrics, &names(&["a"])).unwrap_err().kind(), ErrorKind::Mismatch);
    let matrix = ConfusionMatrix::new(2).unwrap();
    assert_eq!(confusion_matrix(&matrix, &names(&["a"]), 80, true).unwrap_err().kind(), ErrorKind::Mismatch);
}

/// `n` utterances of each class, every tenth of them taken for the next class.
fn matrix(n_classes: usize, n: usize) -> ConfusionMatrix {
    let truth: Vec<usize> = (0..n_classes).flat_map(|class| vec![class; n]).collect();
    let predicted: Vec<usize> = truth
        .iter()
        .enumerate()
        .map(|(i, &class)| if i % 10 == 3 { (class + 1) % n_classes } else { class })
        .collect();
    let mut matrix = ConfusionMatrix::new(n_classes).unwrap();
    matrix.add_batch(&truth, &predicted).unwrap();
    matrix
}

#[test]
fn the_confusion_matrix_of_seven_emotions_fits_eighty_columns_with_its_labels() {
    let table = confusion_matrix(&matrix(7, 60), &names(&TESS), 80, true).unwrap();
    let expected = "\
Rows are the true classes, columns the predicted ones; a dot is 0, % the recall.

                   angry  disgust  fear  happy  neutral  pleasant…  sad        %
angry                 54        6     .      .        .          .    .    90.00
disgust                .       54     6      .        .          .    .    90.00
fear                   .        .    54      6        .          .    .    90.00
happy                  .        .     .     54        6          .    .    90.00
neutral                .        .     .      .       54          6    .    90.00
pleasant_surprise      .        .     .      .        .         54    6    90.00
sad                    6        .     .      .        .          .   54    90.00
";
    assert_eq!(table, expected);
}

#[test]
fn the_confusion_matrix_has_whole_labels_where_they_fit_and_numbers_where_none_do() {
    let wide = confusion_matrix(&matrix(7, 60), &names(&TESS), 120, false).unwrap();
    assert!(wide.contains("  pleasant_surprise  sad\n") && !wide.contains('%'), "{wide}");

    let narrow = confusion_matrix(&matrix(7, 60), &names(&TESS), 60, true).unwrap();
    assert!(narrow.contains("\n                      1   2   3   4   5   6   7        %\n"), "{narrow}");
    assert!(narrow.contains("\n6 pleasant_surprise   .   .   .   .   .  54   6    90.00\n"), "{narrow}");

    // Shortened labels would be the same.
    let twins = names(&["a_very_long_label_1", "a_very_long_label_2", "a_very_long_label_3"]);
    let numbered = confusion_matrix(&matrix(3, 10), &twins, 60, true).unwrap();
    assert!(numbered.contains("\n2 a_very_long_label_2  "), "{numbered}");
}

#[test]
fn a_confusion_matrix_of_many_classes_continues_below_or_becomes_a_list() {
    let labels: Vec<String> = (0..30).map(|i| format!("class_{i}")).collect();
    let table = confusion_matrix(&matrix(30, 200), &labels, 80, true).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(table.matches("\n17 class_16").count(), 2, "{table}");
    assert_eq!(table.matches("90.00\n").count(), 30, "{table}");
    assert_eq!(table.matches("180").count(), 30, "{table}");

    let labels: Vec<String> = (0..100).map(|i| format!("class_{i}")).collect();
    let list = confusion_matrix(&matrix(100, 200), &labels, 80, true).unwrap();
    assert!(
        list.contains("100 classes are too many for a table; the 20 most frequent of 100 kinds"),
        "{list}"
    );
    assert!(list.contains("\nclass_3    class_4         20     200\n"), "{list}");
    assert_eq!(list.lines().count(), 23, "{list}");
}

#[test]
fn wide_characters_stay_in_their_columns_and_control_characters_out_of_the_terminal() {
    let labels = names(&["嬉しい", "悲しい", "怒\u{1b}[2J"]);
    let table = confusion_matrix(&matrix(3, 10), &labels, 80, true).unwrap();
    let expected = "\
             嬉しい  悲しい  怒\\u{1b}[2J        %
嬉しい            9       1            .    90.00
悲しい            .       9            1    90.00
怒\\u{1b}[2J       1       .            9    90.00
";
    assert!(table.ends_with(expected), "{table}");
}

#[test]
fn only_a_perfect_recall_is_shown_as_one_hundred_percent() {
    let mut matrix = ConfusionMatrix::new(2).unwrap();
    matrix.add_batch(&vec![0; 100_000], &vec![0; 100_000]).unwrap();
    matrix.add_batch(&[0], &[1]).unwrap();
    let table = confusion_matrix(&matrix, &names(&["a", "b"]), 80, true).unwrap();
    assert!(table.contains("99.99\n") && table.ends_with("none\n"), "{table}");
}

fn provenance() -> Provenance {
    let sentence = protocol_in_words("random", &Default::default(), &Default::default(), &Default::default());
    Provenance {
        checkpoint: "best.pt".into(),
        epoch: 12,
        seed: 7,
        members: Vec::new(),
        cache: "cache".into(),
        protocol: "random".into(),
        protocol_in_words: sentence,
    }
}

fn three_predictions() -> Vec<Prediction> {
    [("a.wav", 0, [0.75, 0.25, 0.0]), ("b.wav", 0, [0.125, 0.875, 0.0]), ("c.wav", 1, [0.0, 1.0, 0.0])]
        .into_iter()
        .map(|(path, truth, p)| Prediction::most_probable(path, truth, p.to_vec()).unwrap())
        .collect()
}

#[test]
fn the_json_object_holds_what_the_page_shows_and_more() {
    let labels = names(&["angry", "happy", "sad"]);
    let evaluation = Evaluation::new(labels, &three_predictions(), provenance()).unwrap();
    let json = serde_json::to_value(&evaluation).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "accuracy",
        "accuracy_interval",
        "cache",
        "calibration",
        "chance_uar",
        "checkpoint",
        "classes",
        "confusion_matrix",
        "cross_entropy",
        "definitions",
        "epoch",
        "labels",
        "macro_average",
        "macro_f1",
        "n_correct",
        "n_utterances",
        "notes",
        "protocol",
        "protocol_in_words",
        "seed",
        "uar",
        "weighted_average",
    ];
    assert_eq!(keys, expected);
    assert_eq!(json["confusion_matrix"], serde_json::json!([[1, 1, 0], [0, 1, 0], [0, 0, 0]]));
    assert_eq!(json["classes"][1]["label"], "happy");
    assert_eq!((&json["classes"][1]["recall"], &json["classes"][1]["predicted"]), (&1.0.into(), &2.into()));
    assert_eq!((&json["uar"], &json["chance_uar"]), (&0.75.into(), &0.5.into()));
    assert_eq!(json["notes"][0], "no test utterance of: sad; left out of the UAR, 0 in the macro averages");
    assert_eq!(json["notes"][1], "never predicted: sad; precision is 0 by convention");
    let cross_entropy = -(0.75f64.ln() + 0.125f64.ln()) / 3.0;
    assert!((json["cross_entropy"].as_f64().unwrap() - cross_entropy).abs() < 1e-12);

    let json = serde_json::to_value(evaluation.with_errors(&three_predictions()).unwrap()).unwrap();
    expected.insert(11, "errors");
    assert!(json.as_object().unwrap().keys().eq(&expected));
    let wrong = serde_json::json!([{
        "path": "b.wav", "true": "angry", "predicted": "happy",
        "probability_true": 0.125, "probability_predicted": 0.875,
    }]);
    assert_eq!(json["errors"], wrong);
}

#[test]
fn the_page_shows_every_metric_with_its_meaning() {
    let labels = names(&["angry", "happy", "sad"]);
    let evaluation = Evaluation::new(labels.clone(), &three_predictions(), provenance()).unwrap();
    let evaluation = evaluation.with_errors(&three_predictions()).unwrap();
    let page = text::evaluation(&evaluation, 80).unwrap();
    let interval = wilson_interval(2, 3).unwrap();
    let report = classification_report(&Metrics::of(&[0, 0, 1], &[0, 1, 1], 3).unwrap(), &labels).unwrap();
    for part in [
        &format!("accuracy (WA)  0.6667   95 % interval {:.4} to {:.4};", interval.lower, interval.upper),
        "; 2 of 3 utterances\n",
        "UAR            0.7500   a guess: 0.5000 (1 of 2 classes)\n",
        "macro-F1       0.4444\n",
        "\nRandom split (0 utterances in training,",
        "\nNote: never predicted: sad; precision is 0 by convention.\n",
        &report,
        "\nRows are the true classes, columns the predicted ones;",
        "\nWrong answers: 1\n",
        "b.wav\n",
        "\nUAR = unweighted average recall: mean recall over the classes that have test\n    utterances\n",
        "\ncheckpoint best.pt (epoch 12, seed 7), cache cache\n",
    ] {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn an_evaluation_refuses_what_does_not_fit_together() {
    let evaluate = |labels: &[&str], rows: &[Prediction]| {
        Evaluation::new(names(labels), rows, provenance()).unwrap_err().to_string()
    };
    assert_eq!(evaluate(&["a", "b", "a"], &three_predictions()), "the label \"a\" stands for two classes");
    assert_eq!(evaluate(&["a", "b"], &three_predictions()), "a.wav: has 3 probabilities for 2 classes");
    assert_eq!(evaluate(&["a", "b", "c"], &[]), "there is no utterance to compute metrics of");
}

/// Truth and prediction over some number of classes.
fn classifications() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
    (1usize..12).prop_flat_map(|n| (Just(n), prop::collection::vec((0..n, 0..n), 1..200)))
}

fn filled(n_classes: usize, pairs: &[(usize, usize)]) -> ConfusionMatrix {
    let (truth, predicted): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let mut matrix = ConfusionMatrix::new(n_classes).unwrap();
    matrix.add_batch(&truth, &predicted).unwrap();
    matrix
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn metrics_stay_in_their_bounds((n_classes, pairs) in classifications()) {
        let metrics = filled(n_classes, &pairs).metrics().unwrap();
        let class_values = metrics.classes.iter().flat_map(|c| [c.precision, c.recall, c.f1]);
        let averages = [metrics.macro_average, metrics.weighted_average];
        let average_values = averages.iter().flat_map(|a| [a.precision, a.recall, a.f1]);
        for value in class_values.chain(average_values).chain([metrics.accuracy, metrics.uar]) {
            prop_assert!((0.0..=1.0 + 1e-15).contains(&value), "{value}");
        }
        let interval = metrics.accuracy_interval;
        prop_assert!(0.0 <= interval.lower && interval.upper <= 1.0);
        prop_assert!(interval.lower <= metrics.accuracy && metrics.accuracy <= interval.upper);
        for class in &metrics.classes {
            let (low, high) = (class.precision.min(class.recall), class.precision.max(class.recall));
            prop_assert!(low - 1e-15 <= class.f1 && class.f1 <= high + 1e-15);
        }
        // Recall weighted by support is accuracy by definition.
        prop_assert!((metrics.weighted_average.recall - metrics.accuracy).abs() < 1e-12);
        prop_assert_eq!(metrics.classes.iter().map(|c| c.support).sum::<u64>(), pairs.len() as u64);
        prop_assert_eq!(metrics.classes.iter().map(|c| c.predicted).sum::<u64>(), pairs.len() as u64);
    }

    #[test]
    fn the_order_of_utterances_changes_nothing(
        (case, shuffled) in classifications().prop_flat_map(|(n, pairs)| {
            (Just((n, pairs.clone())), Just(pairs).prop_shuffle())
        })
    ) {
        prop_assert_eq!(filled(case.0, &case.1).metrics().unwrap(), filled(case.0, &shuffled).metrics().unwrap());
    }

    #[test]
    fn merged_parts_are_the_whole((n_classes, pairs) in classifications(), cut in 0usize..200) {
        let (first, second) = pairs.split_at(cut.min(pairs.len()));
        let mut merged = filled(n_classes, first);
        merged.merge(&filled(n_classes, second)).unwrap();
        prop_assert_eq!(&merged, &filled(n_classes, &pairs));
        let mut batched = ConfusionMatrix::new(n_classes).unwrap();
        for pair in &pairs {
            batched.add_batch(&[pair.0], &[pair.1]).unwrap();
        }
        prop_assert_eq!(merged, batched);
    }

    #[test]
    fn the_interval_narrows_with_more_utterances(correct in 0u64..1000, wrong in 0u64..1000) {
        prop_assume!(correct + wrong > 0);
        let one = wilson_interval(correct, correct + wrong).unwrap();
        let ten = wilson_interval(10 * correct, 10 * (correct + wrong)).unwrap();
        prop_assert!(ten.upper - ten.lower < one.upper - one.lower);
    }

    #[test]
    fn tables_of_any_labels_and_width_are_made_and_aligned(
        (n_classes, pairs) in classifications(), stem in "\\PC{0,30}", width in 0usize..200
    ) {
        let labels: Vec<String> = (0..n_classes).map(|i| format!("{stem}{i}")).collect();
        let matrix = filled(n_classes, &pairs);
        let table = confusion_matrix(&matrix, &labels, width, true).unwrap();
        let counts = table.split_whitespace().filter_map(|word| word.parse::<f64>().ok()).count();
        prop_assert!(counts >= matrix.rows().flatten().filter(|&&count| count > 0).count());
        let report = classification_report(&matrix.metrics().unwrap(), &labels).unwrap();
        let widths: std::collections::BTreeSet<usize> =
            report.lines().filter(|line| !line.is_empty()).map(|line| line.chars().count()).collect();
        prop_assert_eq!(widths.len(), 1);
    }
}
