//! How utterances are dealt to train, validation and test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ser::ErrorKind;
use ser::corpus::{Annotation, Fractions, Part, Protocol, Split, SplitPlan, plan_splits};

type Corpus = Vec<(String, Annotation)>;

fn utterance(path: String, label: &str, speaker: Option<&str>, word: Option<&str>) -> (String, Annotation) {
    let [speaker, word] = [speaker, word].map(|text| text.map(str::to_owned));
    (path, Annotation { speaker, word, ..Annotation::labelled(label) })
}

/// 200 words × 2 speakers × 7 emotions without two files, as TESS.
fn tess() -> Corpus {
    let labels = ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"];
    let words = ser::synth::words(200);
    let mut corpus = Vec::new();
    for speaker in ["OAF", "YAF"] {
        for label in labels {
            for word in &words {
                if (speaker, label, *word) != ("OAF", "angry", words[0])
                    && (speaker, label, *word) != ("YAF", "sad", words[1])
                {
                    let path = format!("{speaker}_{label}/{speaker}_{word}_{label}.wav");
                    corpus.push(utterance(path, label, Some(speaker), Some(word)));
                }
            }
        }
    }
    assert_eq!(corpus.len(), 2798);
    corpus
}

fn plan_with(corpus: &Corpus, fractions: Fractions, seed: u64) -> ser::Result<SplitPlan> {
    let pairs: Vec<(&str, &Annotation)> = corpus.iter().map(|(path, a)| (path.as_str(), a)).collect();
    plan_splits(&pairs, fractions, seed)
}

fn plan(corpus: &Corpus, seed: u64) -> SplitPlan {
    plan_with(corpus, Fractions::default(), seed).unwrap()
}

fn of<'a>(plan: &'a SplitPlan, protocol: &str) -> &'a Split {
    let protocol: Protocol = protocol.parse().unwrap();
    plan.splits.iter().find(|split| split.protocol == protocol).unwrap()
}

fn sizes(split: &Split) -> [usize; 3] {
    Part::ALL.map(|part| split.part(part).len())
}

fn words<'a>(corpus: &'a Corpus, part: &[usize]) -> BTreeSet<&'a str> {
    part.iter().map(|&index| corpus[index].1.word.as_deref().unwrap()).collect()
}

fn speakers<'a>(corpus: &'a Corpus, part: &[usize]) -> BTreeSet<&'a str> {
    part.iter().map(|&index| corpus[index].1.speaker.as_deref().unwrap()).collect()
}

fn by_stratum<'a>(corpus: &'a Corpus, part: &[usize]) -> BTreeMap<(&'a str, Option<&'a str>), usize> {
    let mut counts = BTreeMap::new();
    for &index in part {
        let annotation = &corpus[index].1;
        *counts.entry((annotation.label.as_str(), annotation.speaker.as_deref())).or_default() += 1;
    }
    counts
}

fn assert_partition(split: &Split, len: usize) {
    let mut all: Vec<usize> = Part::ALL.iter().flat_map(|part| split.part(*part)).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..len).collect::<Vec<_>>(), "{}", split.protocol);
}

// --- a corpus of the shape of TESS ---

#[test]
fn a_corpus_as_tess_has_every_protocol_in_the_expected_sizes() {
    let corpus = tess();
    let plan = plan(&corpus, 0);
    let names: Vec<String> = plan.splits.iter().map(|split| split.protocol.to_string()).collect();
    assert_eq!(names, ["random", "word", "speaker-OAF", "speaker-YAF"]);
    assert!(plan.left_out.is_empty());
    for split in &plan.splits {
        assert_partition(split, corpus.len());
        for part in Part::ALL {
            assert!(split.part(part).is_sorted());
        }
    }
    assert_eq!(sizes(of(&plan, "random")), [1958, 420, 420]);
    let word = of(&plan, "word");
    assert_eq!([&word.train, &word.val, &word.test].map(|part| words(&corpus, part).len()), [140, 30, 30]);
    for (speaker, other) in [("OAF", "YAF"), ("YAF", "OAF")] {
        let split = of(&plan, &format!("speaker-{speaker}"));
        assert_eq!(split.test.len(), 1399);
        assert_eq!(speakers(&corpus, &split.test), [speaker].into());
        assert_eq!(speakers(&corpus, &[split.train.clone(), split.val.clone()].concat()), [other].into());
        assert_eq!(words(&corpus, &split.val).len(), 30);
    }
}

#[test]
fn the_random_split_has_the_same_share_of_every_label_and_speaker() {
    let corpus = tess();
    let plan = plan(&corpus, 0);
    let split = of(&plan, "random");
    for ((label, speaker), whole) in by_stratum(&corpus, &(0..corpus.len()).collect::<Vec<_>>()) {
        for (part, share) in [(Part::Train, 0.7), (Part::Val, 0.15), (Part::Test, 0.15)] {
            let count = by_stratum(&corpus, split.part(part))[&(label, speaker)];
            let exact = whole as f64 * share;
            assert!((count as f64 - exact).abs() <= 1.0, "{label} {speaker:?} {part}: {count}, not {exact}");
        }
    }
}

#[test]
fn words_of_the_test_side_are_nowhere_else_in_the_word_protocol() {
    let corpus = tess();
    let plan = plan(&corpus, 5);
    let split = of(&plan, "word");
    let [train, val, test] = [&split.train, &split.val, &split.test].map(|part| words(&corpus, part));
    assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
}

#[test]
fn words_of_validation_are_not_in_training_in_the_speaker_protocol() {
    let corpus = tess();
    let plan = plan(&corpus, 5);
    for name in ["speaker-OAF", "speaker-YAF"] {
        let split = of(&plan, name);
        assert!(words(&corpus, &split.train).is_disjoint(&words(&corpus, &split.val)));
    }
}

#[test]
fn a_split_does_not_depend_on_the_order_utterances_come_in() {
    let corpus = tess();
    let mut turned = corpus.clone();
    ser::random::Random::new(&["test", "3"]).shuffle(&mut turned);
    let paths = |corpus: &Corpus, part: &[usize]| -> BTreeSet<String> {
        part.iter().map(|&index| corpus[index].0.clone()).collect()
    };
    let (plan, turned_plan) = (plan(&corpus, 1), plan(&turned, 1));
    for (split, turned_split) in plan.splits.iter().zip(&turned_plan.splits) {
        assert_eq!(split.protocol, turned_split.protocol);
        for part in Part::ALL {
            assert_eq!(paths(&corpus, split.part(part)), paths(&turned, turned_split.part(part)));
        }
    }
}

#[test]
fn a_seed_gives_its_split_and_another_seed_another() {
    let corpus = tess();
    let (first, again, other) = (plan(&corpus, 1), plan(&corpus, 1), plan(&corpus, 2));
    assert_eq!(first.splits, again.splits);
    for name in ["random", "word", "speaker-OAF"] {
        assert_ne!(of(&first, name).val, of(&other, name).val, "{name}");
    }
    assert_ne!(of(&first, "random").test, of(&other, "random").test);
    assert_ne!(of(&first, "word").test, of(&other, "word").test);
    assert_eq!(of(&first, "speaker-OAF").test, of(&other, "speaker-OAF").test);
}

#[test]
fn other_fractions_give_other_sizes() {
    let corpus = tess();
    let plan = plan_with(&corpus, Fractions { val: 0.1, test: 0.2 }, 0).unwrap();
    assert_eq!(sizes(of(&plan, "random")), [1958, 280, 560]);
    assert_eq!(words(&corpus, &of(&plan, "word").test).len(), 40);
}

// --- what names do not say ---

#[test]
fn plain_folders_get_the_random_split_and_a_line_for_each_that_is_left_out() {
    let corpus: Corpus =
        (0..40).map(|n| utterance(format!("{n}.wav"), ["a", "b"][n % 2], None, None)).collect();
    let plan = plan(&corpus, 0);
    assert_eq!(plan.splits.len(), 1);
    assert_eq!(sizes(of(&plan, "random")), [28, 6, 6]);
    assert_eq!(
        plan.left_out,
        [
            "no word split: not every file says which word is spoken",
            "no speaker split: not every file says who speaks"
        ]
    );
}

#[test]
fn one_file_that_does_not_say_its_word_leaves_out_the_word_protocol_and_no_other() {
    let mut corpus = tess();
    corpus[7].1.word = None;
    let plan = plan(&corpus, 0);
    let names: Vec<String> = plan.splits.iter().map(|split| split.protocol.to_string()).collect();
    assert_eq!(names, ["random", "speaker-OAF", "speaker-YAF"]);
    for split in &plan.splits {
        assert_partition(split, corpus.len());
    }
    // Without words, validation is dealt as in the random protocol.
    assert_eq!(of(&plan, "speaker-YAF").val.len(), 210);
}

#[test]
fn a_single_speaker_cannot_be_left_out() {
    let corpus: Corpus =
        tess().into_iter().filter(|(_, annotation)| annotation.speaker.as_deref() == Some("OAF")).collect();
    let plan = plan(&corpus, 0);
    assert_eq!(plan.left_out, ["no speaker split: there is only one speaker"]);
    assert_eq!(plan.splits.len(), 2);
}

#[test]
fn a_class_that_only_the_test_speaker_shows_leaves_out_that_split_with_its_reason() {
    let mut corpus = tess();
    for (_, annotation) in &mut corpus {
        if annotation.speaker.as_deref() == Some("YAF") && annotation.label == "fear" {
            annotation.label = "terror".to_owned();
        }
    }
    let plan = plan(&corpus, 0);
    let names: Vec<String> = plan.splits.iter().map(|split| split.protocol.to_string()).collect();
    assert_eq!(names, ["random", "word"]);
    assert_eq!(
        plan.left_out,
        [
            "no split speaker-OAF: training would hold no \"fear\"",
            "no split speaker-YAF: training would hold no \"terror\""
        ]
    );
}

#[test]
fn three_words_are_one_for_each_side() {
    let corpus: Corpus = (0..60)
        .map(|n| {
            let (label, speaker) = (["a", "b"][n % 2], ["s", "t"][n / 2 % 2]);
            utterance(format!("{n}"), label, Some(speaker), Some(["x", "y", "z"][n / 4 % 3]))
        })
        .collect();
    let plan = plan(&corpus, 0);
    assert_eq!(plan.left_out, Vec::<String>::new());
    assert_eq!(sizes(of(&plan, "word")), [20, 20, 20]);
    assert_eq!(sizes(of(&plan, "speaker-s")), [20, 10, 30]);
}

#[test]
fn two_words_are_too_few_to_keep_some_apart() {
    let corpus: Corpus = (0..24)
        .map(|n| utterance(format!("{n}"), ["a", "b"][n % 2], Some("s"), Some(["x", "y"][n / 2 % 2])))
        .collect();
    let plan = plan(&corpus, 0);
    assert!(plan.left_out[0].contains("2 words are too few"), "{:?}", plan.left_out);
}

// --- what cannot be split ---

#[test]
fn no_utterances_one_class_or_a_class_of_one_or_two_are_refused() {
    let of_classes = |classes: &[(&str, usize)]| -> Corpus {
        let each = |(label, count): &(&str, usize)| {
            let label = (*label).to_owned();
            (0..*count).map(move |n| utterance(format!("{label}/{n}"), &label, None, None))
        };
        classes.iter().flat_map(each).collect()
    };
    for (classes, says) in [
        (&[][..], "not one recording can be used"),
        (&[("calm", 30)], "all recordings (30) are of one class, \"calm\""),
        (&[("calm", 30), ("sad", 1)], "\"sad\" has 1"),
        (&[("calm", 30), ("sad", 2), ("mad", 1)], "\"mad\" has 1, \"sad\" has 2"),
    ] {
        let error = plan_with(&of_classes(classes), Fractions::default(), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.to_string().contains(says), "{error}");
    }
    let smallest = plan(&of_classes(&[("calm", 3), ("sad", 3)]), 0);
    assert_eq!(sizes(of(&smallest, "random")), [2, 2, 2]);
}

// --- any corpus ---

fn any_corpus() -> impl Strategy<Value = Corpus> {
    let drawn =
        (0usize..4, prop::option::weighted(0.97, 0usize..4), prop::option::weighted(0.97, 0usize..12));
    prop::collection::vec(drawn, 0..120).prop_map(|utterances| {
        let names = |count: usize| (0..count).map(|n| format!("n{n}")).collect::<Vec<_>>();
        let (labels, speakers, words) = (names(4), names(4), names(12));
        let each = |(number, (label, speaker, word)): (usize, (usize, Option<usize>, Option<usize>))| {
            let speaker = speaker.map(|speaker| speakers[speaker].as_str());
            let word = word.map(|word| words[word].as_str());
            utterance(format!("{number:04}.wav"), &labels[label], speaker, word)
        };
        utterances.into_iter().enumerate().map(each).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_corpus_its_splits_are_partitions_and_training_shows_every_class(
        corpus in any_corpus(),
        val in 0.01f64..0.4,
        test in 0.01f64..0.4,
        seed: u64,
    ) {
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, annotation) in &corpus {
            *classes.entry(&annotation.label).or_default() += 1;
        }
        let possible = classes.len() > 1 && classes.values().all(|&count| count >= 3);
        let plan = plan_with(&corpus, Fractions { val, test }, seed);
        prop_assert_eq!(plan.is_ok(), possible);
        let Ok(plan) = plan else { return Ok(()) };
        prop_assert_eq!(&plan.splits[0].protocol, &Protocol::Random);
        for split in &plan.splits {
            assert_partition(split, corpus.len());
            let labels = |part: &[usize]| -> BTreeSet<&str> {
                part.iter().map(|&index| corpus[index].1.label.as_str()).collect()
            };
            prop_assert_eq!(labels(&split.train).len(), classes.len(), "{}", split.protocol);
            prop_assert!(!split.val.is_empty() && !split.test.is_empty());
            if split.protocol == Protocol::Random {
                prop_assert_eq!(labels(&split.val).len(), classes.len());
                prop_assert_eq!(labels(&split.test).len(), classes.len());
            }
        }
    }
}
