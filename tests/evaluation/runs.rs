//! The table over runs and the comparison of checkpoints, from answers made by hand.

use std::sync::Arc;

use ser_core::ErrorKind;
use ser_eval::compare::Comparison;
use ser_eval::metrics::{BootstrapOptions, McNemarTest, SetCoverage};
use ser_eval::render::{self, markdown, text};
use ser_eval::runs::{RunsReport, UnusableRun};
use ser_eval::{Answers, SplitSide, TestSide, TestUtterance, TrainingSettings, Unit, Voices};
use serde_json::json;

const CLASSES: usize = 4;
const WORDS: usize = 12;

/// The tests' resamples: few, since the results are compared with SciPy elsewhere.
fn options() -> BootstrapOptions {
    BootstrapOptions { resamples: 400, seed: 0 }
}

/// A test side in which each of `speakers` says each word in each class, and a training side in which `heard` say
/// `said`.
fn side(protocol: &str, speakers: &[&str], heard: &[&str], said: std::ops::Range<usize>) -> Arc<TestSide> {
    let word = |word: usize| format!("word{word}");
    let mut train = SplitSide::default();
    for speaker in heard {
        said.clone().for_each(|n| (0..20).for_each(|_| train.add(Some(speaker), Some(&word(n)))));
    }
    let mut utterances = Vec::new();
    for speaker in speakers {
        for n in 0..WORDS {
            utterances.extend((0..CLASSES).map(|truth| TestUtterance {
                path: format!("{speaker}/{n}_{truth}.wav"),
                truth,
                speaker: Some((*speaker).to_owned()),
                word: Some(word(n)),
                duration_s: 1.5,
            }));
        }
    }
    Arc::new(TestSide {
        audit: String::new(),
        protocol: protocol.to_owned(),
        split: format!("{protocol}-digest"),
        labels: ["angry", "fear", "happy", "sad"].map(String::from).to_vec(),
        utterances,
        train,
    })
}

/// A run that gets the utterances wrong whose index `wrong` says.
fn run(test: &Arc<TestSide>, seed: u64, lr: f64, wrong: impl Fn(usize) -> bool) -> Answers {
    let answer = |(index, utterance): (usize, &TestUtterance)| {
        if wrong(index) { (utterance.truth + 1) % CLASSES } else { utterance.truth }
    };
    Answers {
        name: format!("runs/{}/seed-{seed}", test.protocol),
        seed,
        epoch: 7,
        recipe: TrainingSettings::of(&json!({"fit": {"lr": lr, "seed": seed}}), &test.labels),
        test: Arc::clone(test),
        predicted: test.utterances.iter().enumerate().map(answer).collect(),
        sets: None,
    }
}

fn random_side() -> Arc<TestSide> {
    side("random", &["OAF", "YAF"], &["OAF", "YAF"], 0..WORDS)
}

fn speaker_side(speaker: &str, others: &[&str]) -> Arc<TestSide> {
    side(&format!("speaker-{speaker}"), &[speaker], others, 0..WORDS)
}

fn report(answers: &[Answers]) -> RunsReport {
    RunsReport::new("runs", answers, Vec::new(), options()).unwrap()
}

/// As TESS: two speakers, two seeds, `random` nearly right and each speaker half right.
fn two_speakers() -> Vec<Answers> {
    let random = random_side();
    let (oaf, yaf) = (speaker_side("OAF", &["YAF"]), speaker_side("YAF", &["OAF"]));
    vec![
        run(&oaf, 0, 0.001, |i| i % 2 == 0),
        run(&oaf, 1, 0.001, |i| i % 4 == 0),
        run(&yaf, 0, 0.001, |i| i % 4 != 0),
        run(&yaf, 1, 0.001, |i| i % 2 == 0),
        run(&random, 1, 0.001, |i| i == 5),
        run(&random, 0, 0.001, |_| false),
    ]
}

#[test]
fn a_row_is_the_mean_and_deviation_over_seeds() {
    let report = report(&two_speakers());
    assert_eq!(report.recipes.len(), 1);
    let rows = &report.recipes[0].rows;
    let names: Vec<&str> = rows.iter().map(|row| row.protocol.as_str()).collect();
    assert_eq!(names, ["random", "speaker-OAF", "speaker-YAF", "speaker-independent"]);

    let random = &rows[0];
    assert_eq!((random.n_utterances, random.n_train, random.voices), (96, 480, Voices::Known));
    let scores = [1.0, 95.0 / 96.0];
    let mean = (scores[0] + scores[1]) / 2.0;
    assert!((random.accuracy.mean - mean).abs() < 1e-15);
    // Of two values the deviation with n - 1 is their distance over √2.
    let deviation = (scores[0] - scores[1]) / 2f64.sqrt();
    assert!((random.accuracy.deviation.unwrap() - deviation).abs() < 1e-15);
    let interval = random.accuracy.interval.unwrap();
    assert!(interval.lower < mean && mean < interval.upper);
    // Utterance 5 has class 1: only its recall suffers.
    let recall: Vec<f64> = random.recall.iter().map(|recall| recall.mean.unwrap()).collect();
    assert_eq!(recall, [1.0, (1.0 + 23.0 / 24.0) / 2.0, 1.0, 1.0]);
    assert_eq!(report.runs.len(), 6);
}

#[test]
fn two_speakers_are_not_resampled_but_ranged() {
    let report = report(&two_speakers());
    let [_, oaf, yaf, all] = report.recipes[0].rows.as_slice() else { panic!("{report:#?}") };
    assert_eq!((oaf.voices, oaf.resampled.unit, oaf.resampled.n), (Voices::New, Unit::Utterance, 48));
    assert!(oaf.resampled.in_words.contains("nothing about other speakers"), "{}", oaf.resampled.in_words);
    assert_eq!((all.resampled.unit, all.resampled.n), (Unit::Speaker, 2));
    assert_eq!(all.uar.interval, None);
    assert_eq!(all.uar.range, Some([yaf.uar.mean, oaf.uar.mean]));
    assert!((all.uar.mean - (oaf.uar.mean + yaf.uar.mean) / 2.0).abs() < 1e-15);
    // Seed 0: 1/2 and 1/4; seed 1: 3/4 and 1/2.
    assert!((all.accuracy.deviation.unwrap() - 0.25 / 2f64.sqrt()).abs() < 1e-15, "{all:#?}");
}

#[test]
fn the_gap_adds_up_as_printed() {
    let report = report(&two_speakers());
    let gap = report.recipes[0].gap.as_ref().unwrap();
    assert!((gap.gap - (gap.uar_random - gap.uar_new_voice)).abs() < 1e-15);
    let expected = "UAR is 0.995 on a random split and 0.500 on speakers that are not in training (OAF 0.625, YAF 0.375), a \
                    difference of 0.495. Side of it is that the random split shares its voices with training; part may be \
                    that training had 480 instead of 240 utterances.";
    assert_eq!(gap.in_words, expected);
    // With one of the speakers alone it says so; without a random split there is none.
    let answers = two_speakers();
    let one = RunsReport::new("runs", &[answers[0].clone(), answers[4].clone()], vec![], options()).unwrap();
    let words = &one.recipes[0].gap.as_ref().unwrap().in_words;
    assert!(words.contains("0.500 on speakers that are not in training (OAF alone)"), "{words}");
    let none = RunsReport::new("runs", &answers[..4], vec![], options()).unwrap();
    assert_eq!(none.recipes[0].gap, None);
}

#[test]
fn six_speakers_are_resampled() {
    let names = ["A", "B", "C", "D", "E", "F"];
    let runs: Vec<Answers> = (names.iter().zip(1..))
        .flat_map(|(name, k)| {
            let others: Vec<&str> = names.iter().copied().filter(|other| other != name).collect();
            let side = speaker_side(name, &others);
            [0, 1].map(|seed| run(&side, seed, 0.001, |i| (i + seed as usize) % 10 < k))
        })
        .collect();
    let report = report(&runs);
    let all = report.recipes[0].rows.last().unwrap();
    assert_eq!((all.protocol.as_str(), all.resampled.n, all.uar.range), ("speaker-independent", 6, None));
    let interval = all.uar.interval.unwrap();
    let speakers: Vec<f64> = report.recipes[0].rows[..6].iter().map(|row| row.uar.mean).collect();
    assert!(interval.lower < all.uar.mean && all.uar.mean < interval.upper);
    assert!(
        speakers.iter().any(|uar| *uar < interval.lower) && speakers.iter().any(|uar| *uar > interval.upper)
    );
    // Wider than the interval of any of them, which knows of utterances alone.
    assert_eq!(report.recipes[0].gap, None);
}

#[test]
fn folds_and_other_corpora_are_not_mixed_with_single_speakers() {
    let mut runs = two_speakers();
    for (fold, speakers, others) in [(1, ["OAF", "A"], ["YAF", "B"]), (2, ["YAF", "B"], ["OAF", "A"])] {
        let side = side(&format!("speakers-{fold}-of-2"), &speakers, &others, 0..WORDS);
        runs.push(run(&side, 0, 0.001, |i| i % 3 == 0));
    }
    // Its speakers are tested elsewhere too, and are as new.
    let corpus = side("corpus-tess", &["OAF", "YAF"], &["X"], 0..WORDS);
    runs.push(run(&corpus, 0, 0.001, |_| true));
    let report = report(&runs);
    let rows = &report.recipes[0].rows;
    let names: Vec<&str> = rows.iter().map(|row| row.protocol.as_str()).collect();
    let expected = [
        "random",
        "speaker-OAF",
        "speaker-YAF",
        "speakers-1-of-2",
        "speakers-2-of-2",
        "corpus-tess",
        "speaker-independent",
        "speakers, 2 folds",
    ];
    assert_eq!(names, expected, "{:?}", report.notes);
    assert_eq!((rows[6].resampled.n, rows[7].resampled.n), (2, 4));
    assert!((rows[6].uar.mean - 0.5).abs() < 1e-15 && (rows[7].uar.mean - 2.0 / 3.0).abs() < 1e-15);
    let words = &report.recipes[0].gap.as_ref().unwrap().in_words;
    assert!(words.contains("0.500 on speakers that are not in training (OAF 0.625, YAF 0.375)"), "{words}");
}

#[test]
fn speakers_of_two_corpora_are_not_pooled_and_missing_folds_are_counted() {
    let mut runs = two_speakers();
    for (speaker, other) in [("1", "2"), ("2", "1")] {
        runs.push(run(&speaker_side(speaker, &[other]), 0, 0.001, |i| i % 3 == 0));
    }
    for (fold, speakers, others) in [(1, ["A", "B"], ["C", "D"]), (2, ["C", "D"], ["A", "B"])] {
        let side = side(&format!("speakers-{fold}-of-5"), &speakers, &others, 0..WORDS);
        runs.push(run(&side, 0, 0.001, |i| i % 3 == 0));
    }
    let report = report(&runs);
    let pooled: Vec<(&str, usize)> = (report.recipes[0].rows.iter())
        .map(|row| (row.protocol.as_str(), row.resampled.n))
        .filter(|(name, _)| name.contains(", "))
        .collect();
    let expected = [
        ("speaker-independent, 1 to 2", 2),
        ("speaker-independent, OAF to YAF", 2),
        ("speakers, 2 of 5 folds", 4),
    ];
    assert_eq!(pooled, expected, "{:?}", report.notes);
    assert_eq!(report.recipes[0].gap, None);
}

#[test]
fn the_test_speakers_recordings_are_not_used_in_silence() {
    let side = random_side();
    let mut one = run(&side, 0, 0.001, |i| i == 3);
    one.recipe.set("fit.feature_normalisation", "speaker");
    let notes = report(&[one]).recipes[0].rows[0].notes.join("; ");
    assert!(notes.contains("normalised over the test speakers' own recordings"), "{notes}");
}

#[test]
fn words_are_resampled_where_they_are_what_is_new() {
    let word = side("word", &["OAF", "YAF"], &["OAF", "YAF"], WORDS..2 * WORDS);
    // Everything wrong about two of the words.
    let report = report(&[run(&word, 0, 0.001, |i| (i % 48) / 4 < 2)]);
    let row = &report.recipes[0].rows[0];
    assert_eq!((row.resampled.unit, row.resampled.n), (Unit::Word, WORDS));
    let interval = row.accuracy.interval.unwrap();
    assert!(interval.upper - interval.lower > 0.3, "of 12 words, not of 96 utterances: {interval:?}");
    assert_eq!(row.accuracy.deviation, None);
    assert!(row.notes[0].contains("a single run"), "{:?}", row.notes);
}

#[test]
fn recipes_that_differ_make_tables_of_their_own_and_say_how() {
    let side = random_side();
    let answers =
        [run(&side, 0, 0.001, |i| i == 3), run(&side, 0, 0.01, |i| i < 30), run(&side, 1, 0.001, |i| i == 4)];
    let report = report(&answers);
    let settings: Vec<_> = report.recipes.iter().map(|table| table.settings.clone()).collect();
    assert_eq!(settings, [["lr 0.001"], ["lr 0.01"]]);
    assert_eq!(report.recipes[0].rows[0].seeds, [0, 1]);
    assert_eq!(report.recipes[1].rows[0].seeds, [0]);
    assert!(text::runs(&report, 80).contains("Recipe: lr 0.01\n"));
}

#[test]
fn the_same_seed_is_counted_once_and_another_deal_of_a_split_is_another_row() {
    let side = random_side();
    let mut copy = run(&side, 0, 0.001, |i| i == 3);
    copy.name = "copy".to_owned();
    let again =
        RunsReport::new("runs", &[run(&side, 0, 0.001, |i| i == 3), copy], vec![], options()).unwrap();
    assert_eq!(again.recipes[0].rows[0].seeds, [0]);
    let expected = [
        "copy has the protocol, recipe and seed of runs/random/seed-0, and its answers, and was not counted",
    ];
    assert_eq!(again.notes, expected);

    let mut other = (*side).clone();
    other.split = "0123456789".to_owned();
    let other = Arc::new(other);
    let two = report(&[run(&side, 0, 0.001, |i| i == 3), run(&other, 0, 0.001, |i| i == 3)]);
    let deals: Vec<_> = two.recipes[0].rows.iter().map(|row| row.split.clone().unwrap()).collect();
    assert_eq!(deals, ["01234567", "random-d"]);
}

#[test]
fn a_perfect_row_says_what_its_interval_cannot() {
    let side = random_side();
    let report = report(&[run(&side, 0, 0.001, |_| false), run(&side, 1, 0.001, |_| false)]);
    let row = &report.recipes[0].rows[0];
    let interval = row.accuracy.interval.unwrap();
    assert_eq!((interval.lower, interval.upper), (1.0, 1.0));
    assert!(row.notes[0].contains("may still be as low as 0.96"), "{:?}", row.notes);
}

#[test]
fn the_text_fits_80_columns_and_lists_what_was_not_used() {
    let unusable = vec![UnusableRun { run: "runs/x".to_owned(), reason: "is unfinished".to_owned() }];
    let report = RunsReport::new("runs", &two_speakers(), unusable, options()).unwrap();
    let page = text::runs(&report, 80);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    for part in [
        "speaker-independent     2  0.5000 ± 0.1768   0.5000 ± 0.1768",
        "  range of 2 speakers      0.3750 to 0.6250  0.3750 to 0.6250",
        "96 utterances",
        "Not used\n\nruns/x: is unfinished\n",
        "6 runs in runs\n",
    ] {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }
    let markdown = markdown::runs(&report);
    let line = markdown.lines().find(|line| line.starts_with("| speaker-independent |")).unwrap();
    assert!(
        line.starts_with("| speaker-independent | 2 | 96 | 0.5000 ± 0.1768 [0.3750, 0.6250] |"),
        "{line}"
    );
    assert!(line.ends_with("| range of 2 speakers |"), "{line}");
    let mut bytes = Vec::new();
    render::csv::runs(&mut bytes, &report).unwrap();
    let mut csv = csv::Reader::from_reader(bytes.as_slice());
    let rows: Vec<std::collections::HashMap<String, String>> =
        csv.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!((rows[3]["protocol"].as_str(), rows[3]["uar_mean"].as_str()), ("speaker-independent", "0.5"));
    assert_eq!(rows[0]["seeds"], "1 0");
}

#[test]
fn prediction_sets_are_shown_beside_what_they_promise_where_all_runs_have_them() {
    let with_sets = |coverage: f64| {
        let measured = [0.7, 0.9, 0.8, 1.0, 0.6, 0.4];
        let runs = two_speakers().into_iter().zip(measured).map(|(run, measured)| Answers {
            sets: Some(SetCoverage { coverage, measured, mean_size: 2.0, single_share: 0.25 }),
            ..run
        });
        runs.collect::<Vec<_>>()
    };
    let mut answers = with_sets(0.9);
    let report = RunsReport::new("runs", &answers, vec![], options()).unwrap();
    let rows = &report.recipes[0].rows;
    let measured = |protocol: &str| {
        let mean = |runs: &[&Answers]| {
            runs.iter().map(|run| run.sets.unwrap().measured).sum::<f64>() / runs.len() as f64
        };
        mean(&answers.iter().filter(|run| run.test.protocol == protocol).collect::<Vec<_>>())
    };
    for row in rows.iter().filter(|row| row.protocol != "speaker-independent") {
        let sets = row.sets.unwrap();
        assert!((sets.measured - measured(&row.protocol)).abs() < 1e-12 && sets.mean_size == 2.0, "{row:?}");
    }
    let pooled = rows.iter().find(|row| row.protocol == "speaker-independent").unwrap().sets.unwrap();
    let both = (measured("speaker-OAF") + measured("speaker-YAF")) / 2.0;
    assert!((pooled.measured - both).abs() < 1e-12, "{pooled:?}");

    let page = text::runs(&report, 80);
    let line = page.lines().rfind(|line| line.starts_with("speaker-independent")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells, ["speaker-independent", "0.9", &format!("{both:.4}"), "2.0000", "0.2500"], "{page}");
    assert!(
        markdown::runs(&report)
            .contains(&format!("| speaker-independent | 0.9 | {both:.4} | 2.0000 | 0.2500 |"))
    );
    let mut bytes = Vec::new();
    render::csv::runs(&mut bytes, &report).unwrap();
    assert!(
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .contains("resampled,set_promised,set_coverage")
    );

    answers.iter_mut().for_each(|run| run.sets = None);
    let report = RunsReport::new("runs", &answers, vec![], options()).unwrap();
    assert!(report.recipes[0].rows.iter().all(|row| row.sets.is_none()));
    assert!(!text::runs(&report, 80).contains("Prediction sets"));
}

#[test]
fn no_runs_are_an_error() {
    let error = RunsReport::new("runs", &[], vec![], options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("runs: holds no run"), "{error}");
    let mut odd = run(&random_side(), 0, 0.001, |_| false);
    odd.predicted.pop();
    assert_eq!(RunsReport::new("runs", &[odd], vec![], options()).unwrap_err().kind(), ErrorKind::Mismatch);
}

// Two checkpoints on the same test set.

fn pair() -> [Answers; 2] {
    let side = random_side();
    // The second corrects 30 of the first's 40 errors and makes 4 of its own, all in class 0.
    let first = run(&side, 0, 0.001, |i| i < 40);
    let second = run(&side, 1, 0.002, |i| i < 10 || (i >= 40 && i % 4 == 0 && i < 56));
    [first, second]
}

#[test]
fn a_comparison_counts_who_alone_was_right() {
    let comparison = Comparison::new(&pair(), options()).unwrap();
    let pair = &comparison.pairs[0];
    assert_eq!(
        (pair.both_right, pair.mcnemar.only_first, pair.mcnemar.only_second, pair.both_wrong),
        (52, 4, 30, 10)
    );
    assert_eq!(pair.mcnemar.test, McNemarTest::ChiSquared);
    // (|4 − 30| − 1)² / 34
    assert!((pair.mcnemar.statistic.unwrap() - 625.0 / 34.0).abs() < 1e-12);
    assert!((pair.accuracy.value - 26.0 / 96.0).abs() < 1e-12);
    assert!(pair.accuracy.interval.lower > 0.1 && pair.accuracy.interval.upper < 0.45, "{pair:#?}");
    let angry = &pair.classes[0];
    assert_eq!((angry.support, angry.only_first, angry.only_second), (24, 4, 7));
    assert!((angry.difference.unwrap() - 3.0 / 24.0).abs() < 1e-12);
    assert_eq!(comparison.settings, [["lr 0.001"], ["lr 0.002"]]);
    assert!(pair.in_words.contains("has the higher UAR"), "{}", pair.in_words);
    assert!(comparison.meaning.contains("how seeds differ is not covered"), "{}", comparison.meaning);
    let page = text::comparison(&comparison, 80);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(page.contains("accuracy   +0.2708   95 % interval +0."), "{page}");
}

#[test]
fn a_checkpoint_does_not_differ_from_itself() {
    let [first, _] = pair();
    let comparison = Comparison::new(&[first.clone(), first], options()).unwrap();
    let pair = &comparison.pairs[0];
    assert_eq!((pair.uar.value, pair.uar.interval.lower, pair.uar.interval.upper), (0.0, 0.0, 0.0));
    assert_eq!(pair.mcnemar.p_value, 1.0);
    assert!(pair.in_words.contains("the very same utterances"), "{}", pair.in_words);
}

#[test]
fn other_test_utterances_are_refused_and_the_difference_named() {
    let [first, second] = pair();
    let refused = |change: &dyn Fn(&mut TestSide)| {
        let mut test = (*second.test).clone();
        change(&mut test);
        let other = Answers { test: Arc::new(test), ..second.clone() };
        let error = Comparison::new(&[first.clone(), other], options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        error.to_string()
    };
    let swapped = refused(&|test| test.utterances.swap(0, 4));
    assert!(
        swapped.contains("96 are the same; the first that differ are OAF/1_0.wav (1.500 s) and OAF/0_0.wav"),
        "{swapped}"
    );
    let longer = refused(&|test| test.utterances[3].duration_s = 1.25);
    assert!(longer.contains("OAF/0_3.wav (1.250 s) and OAF/0_3.wav (1.500 s)"), "{longer}");
    let labels = refused(&|test| test.labels[1] = "joy".to_owned());
    assert!(labels.contains("has the classes angry, joy, happy, sad"), "{labels}");
    // Another digest over the same utterances means another feature set, which is allowed.
    let mut test = (*second.test).clone();
    test.split = "another".to_owned();
    let other = Answers { test: Arc::new(test), ..second };
    assert!(Comparison::new(&[first.clone(), other], options()).is_ok());
    assert_eq!(Comparison::new(&[first], options()).unwrap_err().kind(), ErrorKind::Usage);
}
