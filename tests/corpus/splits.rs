//! How utterances are assigned to train, validation and test.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ser_core::ErrorKind;
use ser_corpus::split::{
    Fractions, MOST_LINES, Side, Split, SplitPlan, SplitPlanner, UtteranceInfo, ValidationBy, plan_splits,
};
use ser_corpus::{Annotation, Protocol};

type Corpus = Vec<(String, Annotation)>;

fn utterance(path: String, label: &str, speaker: Option<&str>, word: Option<&str>) -> (String, Annotation) {
    let [speaker, word] = [speaker, word].map(|text| text.map(str::to_owned));
    (path, Annotation { speaker, word, ..Annotation::labelled(label) })
}

/// 200 words × 2 speakers × 7 emotions without two files, as TESS.
fn tess() -> Corpus {
    let labels = ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprise", "sad"];
    let words = ser_synth::words(200);
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

fn plan_with(corpus: &Corpus, fractions: Fractions, seed: u64) -> ser_core::Result<SplitPlan> {
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
    Side::ALL.map(|part| split.side(part).len())
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
    let mut all: Vec<usize> = Side::ALL.iter().flat_map(|part| split.side(*part)).copied().collect();
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
        for part in Side::ALL {
            assert!(split.side(part).is_sorted());
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
        for (part, share) in [(Side::Train, 0.7), (Side::Val, 0.15), (Side::Test, 0.15)] {
            let count = by_stratum(&corpus, split.side(part))[&(label, speaker)];
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
    ser_core::random::Random::new(&["test", "3"]).shuffle(&mut turned);
    let paths = |corpus: &Corpus, part: &[usize]| -> BTreeSet<String> {
        part.iter().map(|&index| corpus[index].0.clone()).collect()
    };
    let (plan, turned_plan) = (plan(&corpus, 1), plan(&turned, 1));
    for (split, turned_split) in plan.splits.iter().zip(&turned_plan.splits) {
        assert_eq!(split.protocol, turned_split.protocol);
        for part in Side::ALL {
            assert_eq!(paths(&corpus, split.side(part)), paths(&turned, turned_split.side(part)));
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
    // Without words, validation is drawn as in the random protocol.
    assert_eq!(of(&plan, "speaker-YAF").val.len(), 210);
}

#[test]
fn a_single_speaker_cannot_be_left_out() {
    let corpus: Corpus =
        tess().into_iter().filter(|(_, annotation)| annotation.speaker.as_deref() == Some("OAF")).collect();
    let plan = plan(&corpus, 0);
    assert_eq!(plan.left_out, ["no speaker split: there is just one speaker"]);
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
fn of_three_words_one_is_tested_and_validation_is_drawn_for_one_would_be_half_of_the_rest() {
    let corpus: Corpus = (0..60)
        .map(|n| {
            let (label, speaker) = (["a", "b"][n % 2], ["s", "t"][n / 2 % 2]);
            utterance(format!("{n}"), label, Some(speaker), Some(["x", "y", "z"][n / 4 % 3]))
        })
        .collect();
    let plan = plan(&corpus, 0);
    assert_eq!(plan.left_out, Vec::<String>::new());
    assert_eq!(sizes(of(&plan, "word")), [33, 7, 20]);
    assert_eq!(sizes(of(&plan, "speaker-s")), [25, 5, 30]);
    let drawn = |protocol: &str| of(&plan, protocol).validation == Some(ValidationBy::Drawn);
    assert!(drawn("word") && drawn("speaker-s"));
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

// --- folds of speakers ---

/// Speakers `s00`, `s01` … of whom each says as many utterances as given, of two classes.
fn many_speakers(utterances: &[usize]) -> Corpus {
    let of = |(speaker, count): (usize, &usize)| {
        let id = format!("s{speaker:02}");
        (0..*count).map(move |n| utterance(format!("{id}/{n:03}"), ["a", "b"][n % 2], Some(&id), None))
    };
    utterances.iter().enumerate().flat_map(of).collect::<Vec<_>>()
}

fn plan_of_folds(corpus: &Corpus, folds: Option<u32>, seed: u64) -> SplitPlan {
    let subjects: Vec<_> = corpus.iter().map(|(path, a)| UtteranceInfo::of(path, a)).collect();
    let planner = SplitPlanner::new(subjects, Fractions::default(), seed).unwrap().with_folds(folds);
    let mut left_out = Vec::new();
    let splits = planner.splits(|why| left_out.push(why)).collect();
    SplitPlan { splits, left_out }
}

fn folds(plan: &SplitPlan) -> Vec<&Split> {
    plan.splits.iter().filter(|split| matches!(split.protocol, Protocol::SpeakerFold { .. })).collect()
}

#[test]
fn every_speaker_is_in_the_test_of_one_fold_and_no_side_shares_one_with_another() {
    let corpus = many_speakers(&[20; 23]);
    let plan = plan_of_folds(&corpus, None, 3);
    let folds = folds(&plan);
    let names: Vec<String> = folds.iter().map(|split| split.protocol.to_string()).collect();
    assert_eq!(names, (1..=5).map(|fold| format!("speakers-{fold}-of-5")).collect::<Vec<_>>());
    let mut tested = BTreeSet::new();
    for split in &folds {
        assert_partition(split, corpus.len());
        let [train, val, test] = Side::ALL.map(|part| speakers(&corpus, split.side(part)));
        assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
        assert!(test.iter().all(|speaker| tested.insert(*speaker)));
        // 0.15 · 23 = 3.45
        assert_eq!(val.len(), 3);
    }
    assert_eq!(tested.len(), 23);
}

#[test]
fn of_sixteen_speakers_in_four_folds_four_are_tested_two_validate_and_ten_are_learnt_from() {
    let corpus = many_speakers(&[20; 16]);
    let of_side = |split: &Split| Side::ALL.map(|part| speakers(&corpus, split.side(part)).len());
    for seed in 0..5 {
        let plan = plan_of_folds(&corpus, Some(4), seed);
        let mut validating = BTreeSet::new();
        for split in folds(&plan) {
            assert_eq!(of_side(split), [10, 2, 4], "{}", split.protocol);
            validating.extend(speakers(&corpus, &split.val));
        }
        assert!(validating.len() > 2, "each fold has a draw of its own");
    }
}

#[test]
fn validation_of_a_fold_has_two_voices_or_more_and_comes_as_near_to_its_share_as_they_allow() {
    // Six speakers in three folds: a share of 0.15 would be less than one of them.
    let six = many_speakers(&[20; 6]);
    for split in folds(&plan_of_folds(&six, Some(3), 0)) {
        assert_eq!(sizes(split), [40, 40, 40]);
    }
    // Speakers of every size: half of what one of them says is the most that it is off.
    let utterances: Vec<usize> = (0..30).map(|n| 4 + n * 7 % 40).collect();
    let corpus = many_speakers(&utterances);
    for seed in 0..20 {
        for split in folds(&plan_of_folds(&corpus, None, seed)) {
            let share = split.val.len() as f64 / corpus.len() as f64;
            assert!((share - 0.15).abs() < 0.04, "{}: {share}", split.protocol);
            assert!(speakers(&corpus, &split.val).len() >= 2);
        }
    }
}

#[test]
fn folds_are_balanced_in_utterances_also_where_some_speakers_say_much_more() {
    let mut utterances = [10; 40].to_vec();
    utterances[7] = 90;
    utterances[20] = 50;
    let corpus = many_speakers(&utterances);
    let plan = plan_of_folds(&corpus, Some(4), 0);
    let sizes: Vec<usize> = folds(&plan).iter().map(|split| split.test.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), corpus.len());
    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 10, "{sizes:?}");
}

#[test]
fn folds_need_two_speakers_each_and_say_so_only_if_they_were_asked_for() {
    let nine = many_speakers(&[10; 9]);
    let plan = plan_of_folds(&nine, None, 0);
    assert!(folds(&plan).is_empty() && plan.left_out.len() == 1, "{:?}", plan.left_out);
    let asked = plan_of_folds(&nine, Some(5), 0);
    assert_eq!(asked.left_out[1], "no folds of speakers: 5 folds need 10 speakers, there are 9");
    assert_eq!(folds(&plan_of_folds(&nine, Some(4), 0)).len(), 4);
    assert_eq!(folds(&plan_of_folds(&many_speakers(&[10; 10]), None, 0)).len(), 5);
    assert_eq!(folds(&plan_of_folds(&many_speakers(&[10; 10]), Some(0), 0)).len(), 0);
}

#[test]
fn folds_depend_on_the_seed_and_on_nothing_else() {
    let corpus = many_speakers(&[20; 12]);
    let mut turned = corpus.clone();
    turned.reverse();
    let tested = |corpus: &Corpus, seed| -> Vec<BTreeSet<String>> {
        let plan = plan_of_folds(corpus, None, seed);
        let of = |split: &&Split| split.test.iter().map(|&i| corpus[i].0.clone()).collect();
        folds(&plan).iter().map(of).collect()
    };
    assert_eq!(tested(&corpus, 1), tested(&turned, 1));
    assert_ne!(tested(&corpus, 1), tested(&corpus, 2));
}

#[test]
fn a_split_for_each_speaker_is_made_up_to_a_stated_number_of_lines() {
    let per_speaker = |speakers: usize| MOST_LINES / (speakers * speakers);
    for (speakers, made) in [(100, 100), (101, 0)] {
        let corpus = many_speakers(&vec![per_speaker(100); speakers]);
        let subjects: Vec<_> = corpus.iter().map(|(path, a)| UtteranceInfo::of(path, a)).collect();
        let planner = SplitPlanner::new(subjects, Fractions::default(), 0).unwrap();
        let mut left_out = Vec::new();
        let protocols: Vec<Protocol> =
            planner.splits(|why| left_out.push(why)).map(|split| split.protocol).collect();
        let single = protocols.iter().filter(|protocol| matches!(protocol, Protocol::Speaker(_))).count();
        assert_eq!(single, made, "{left_out:?}");
        assert_eq!(left_out.iter().any(|line| line.contains("more than 2000000")), made == 0);
        assert!(protocols.contains(&Protocol::SpeakerFold { fold: 1, of: 5 }));
    }
}

// --- what keeps validation apart from training ---

/// Speakers who say two sentences, each so many utterances of four classes.
fn two_sentences(utterances: &[usize]) -> Corpus {
    let of = |(speaker, count): (usize, &usize)| {
        let id = format!("{:02}", speaker + 1);
        (0..*count).map(move |n| {
            let (label, word) = (["a", "b", "c", "d"][n / 2 % 4], ["dogs", "kids"][n % 2]);
            utterance(format!("{id}/{n:03}"), label, Some(&id), Some(word))
        })
    };
    utterances.iter().enumerate().flat_map(of).collect()
}

#[test]
fn where_five_other_speakers_remain_validation_has_speakers_of_its_own_near_the_share() {
    // As many actors and sentences as RAVDESS, and the fewest for which it holds.
    for speakers_in_all in [24, 6] {
        let corpus = two_sentences(&vec![60; speakers_in_all]);
        let plan = plan(&corpus, 0);
        let splits = plan.splits.iter().filter(|split| matches!(split.protocol, Protocol::Speaker(_)));
        let mut validating = BTreeSet::new();
        for split in splits {
            assert_partition(split, corpus.len());
            assert_eq!(split.validation, Some(ValidationBy::Speakers));
            let [train, val, test] = Side::ALL.map(|part| speakers(&corpus, split.side(part)));
            assert!(train.is_disjoint(&val) && test.is_disjoint(&val), "{}", split.protocol);
            let share = split.val.len() as f64 / (corpus.len() - split.test.len()) as f64;
            assert!(share > 0.075 && share < 0.225, "{}: {share}", split.protocol);
            validating.insert(val);
        }
        assert_eq!(sizes(of(&plan, "speaker-02")).iter().sum::<usize>(), corpus.len());
        assert!(!validating.is_empty());
    }
    let plan = plan(&two_sentences(&[60; 24]), 0);
    assert_eq!(sizes(of(&plan, "speaker-24")), [1200, 180, 60]);
}

#[test]
fn validation_is_never_more_than_half_as_much_again_as_was_asked_for() {
    let most = |from: usize| (from as f64 * 0.15 * 1.5) as usize;
    // Too few speakers and two sentences; one speaker who says as much as all others; speakers of every size.
    for utterances in
        [&[60; 4][..], &[60; 5], &[600, 60, 60, 60, 60, 60, 60, 60], &[8, 400, 40, 16, 240, 80, 24]]
    {
        let corpus = two_sentences(utterances);
        for seed in 0..20 {
            for split in plan(&corpus, seed).splits {
                if matches!(split.protocol, Protocol::Speaker(_)) {
                    let from = corpus.len() - split.test.len();
                    assert!(
                        split.val.len() <= most(from),
                        "{utterances:?} {}: {:?}",
                        split.protocol,
                        sizes(&split)
                    );
                }
            }
        }
    }
    let few = plan(&two_sentences(&[60; 5]), 0);
    assert_eq!(of(&few, "speaker-01").validation, Some(ValidationBy::Drawn));
    assert_eq!(sizes(of(&few, "speaker-01")), [204, 36, 60]);
}

#[test]
fn validation_takes_no_speaker_who_alone_shows_a_class() {
    let mut corpus = two_sentences(&[60; 6]);
    for (_, annotation) in &mut corpus {
        // Each class but one is shown by one speaker and by the one who is tested.
        let only =
            format!("0{}", ["a", "b", "c"].iter().position(|l| *l == annotation.label).map_or(2, |n| n + 2));
        if annotation.speaker.as_deref() != Some(&only) && annotation.speaker.as_deref() != Some("01") {
            annotation.label = "d".to_owned();
        }
    }
    let plan = plan(&corpus, 0);
    let split = of(&plan, "speaker-01");
    let labels: BTreeSet<&str> = split.train.iter().map(|&index| corpus[index].1.label.as_str()).collect();
    assert_eq!(labels.len(), 4);
}

#[test]
fn two_other_speakers_with_many_words_are_validated_by_words_and_that_is_said() {
    let plan = plan(&tess(), 0);
    assert_eq!(of(&plan, "random").validation, None);
    for name in ["word", "speaker-OAF", "speaker-YAF"] {
        assert_eq!(of(&plan, name).validation, Some(ValidationBy::Words), "{name}");
    }
    assert_eq!(sizes(of(&plan, "speaker-OAF"))[2], 1399);
}

// --- across corpora ---

/// 12 speakers say two sentences with these labels, three times each.
fn of_corpus(name: &str, labels: &[&str]) -> Corpus {
    let mut corpus = Vec::new();
    for speaker in 0..12 {
        for label in labels {
            for take in 0..6 {
                let (id, word) = (format!("{name}-{speaker}"), format!("{name}-{}", take % 2));
                let mut made =
                    utterance(format!("{name}/{speaker}/{label}{take}"), label, Some(&id), Some(&word));
                made.1.corpus = Some(name.to_owned());
                corpus.push(made);
            }
        }
    }
    corpus
}

#[test]
fn a_test_across_corpora_is_over_the_classes_that_both_sides_have() {
    let corpus = [
        of_corpus("A", &["angry", "sad", "calm"]),
        of_corpus("B", &["angry", "sad", "happy"]),
        of_corpus("C", &["angry", "happy", "bored"]),
    ]
    .concat();
    let plan = plan(&corpus, 0);
    // Without A, speakers of B say twice as much as those of C, and three are nearer to the share than four.
    for (name, shared, other, voices) in [("A", 2, 72 * 4, 3), ("B", 3, 72 * 2, 4), ("C", 2, 72 * 4, 4)] {
        let split = of(&plan, &format!("corpus-{name}"));
        let labels = |part: &[usize]| -> BTreeSet<&str> {
            part.iter().map(|&index| corpus[index].1.label.as_str()).collect()
        };
        assert_eq!((labels(&split.test).len(), labels(&split.train).len()), (shared, shared), "{name}");
        assert_eq!(split.left_out.other_labels, other, "{name}");
        assert_eq!(sizes(split).iter().sum::<usize>() + other, corpus.len());
        let of_name = |index: &usize| corpus[*index].1.corpus.as_deref() == Some(name);
        assert!(split.test.iter().all(of_name));
        assert!(!split.train.iter().chain(&split.val).any(of_name));
        // Validation has voices of its own.
        let [train, val] = [&split.train, &split.val].map(|part| speakers(&corpus, part));
        assert!(train.is_disjoint(&val) && val.len() == voices, "{name}: {val:?}");
    }
}

#[test]
fn corpora_that_share_fewer_than_two_classes_cannot_be_tested_across() {
    let corpus = [of_corpus("A", &["angry", "calm"]), of_corpus("B", &["anger", "calm"])].concat();
    let plan = plan(&corpus, 0);
    assert!(!plan.splits.iter().any(|split| matches!(split.protocol, Protocol::Corpus(_))));
    let line = plan.left_out.iter().find(|line| line.contains("corpus-A")).unwrap();
    assert!(line.contains("has angry, calm, the others have anger, calm"), "{line}");
    assert!(line.contains("(map gives them common names)"), "{line}");
}

#[test]
fn one_corpus_alone_has_no_test_across_corpora() {
    let plan = plan(&of_corpus("A", &["angry", "calm"]), 0);
    assert!(!plan.splits.iter().any(|split| matches!(split.protocol, Protocol::Corpus(_))));
    assert!(!plan.left_out.iter().any(|line| line.contains("corpus-")), "{:?}", plan.left_out);
}

// --- augmented copies ---

fn copy_of(original: &(String, Annotation), number: usize) -> (String, Annotation) {
    let parent = Some(original.0.clone());
    (format!("{}-copy{number}", original.0), Annotation { parent, ..original.1.clone() })
}

fn assert_copies_follow(corpus: &Corpus, split: &Split) {
    let learnt: BTreeSet<&str> = split.train.iter().map(|&index| corpus[index].0.as_str()).collect();
    let mut left_out = 0;
    for (path, annotation) in corpus {
        let Some(parent) = &annotation.parent else { continue };
        assert_eq!(learnt.contains(path.as_str()), learnt.contains(parent.as_str()), "{}", split.protocol);
        left_out += usize::from(!learnt.contains(path.as_str()));
    }
    for part in [&split.val, &split.test] {
        assert!(part.iter().all(|&index| corpus[index].1.parent.is_none()), "{}", split.protocol);
    }
    assert_eq!(split.left_out.copies, left_out);
}

#[test]
fn copies_do_not_change_how_the_others_are_split() {
    let originals = tess();
    let mut corpus = originals.clone();
    corpus.extend(originals.iter().step_by(3).map(|original| copy_of(original, 1)));
    let (without, with) = (plan(&originals, 4), plan(&corpus, 4));
    assert_eq!(with.splits.len(), without.splits.len());
    for (with, without) in with.splits.iter().zip(&without.splits) {
        assert_copies_follow(&corpus, with);
        assert_eq!((&with.val, &with.test), (&without.val, &without.test));
        let learnt: Vec<usize> = with.train.iter().copied().filter(|i| *i < originals.len()).collect();
        assert_eq!(learnt, without.train);
        assert!(with.train.len() > without.train.len() && with.left_out.copies > 0);
    }
}

#[test]
fn a_copy_without_a_parent_or_of_a_copy_is_refused_with_both_names() {
    let originals: Corpus =
        (0..12).map(|n| utterance(format!("{n}.wav"), ["a", "b"][n % 2], None, None)).collect();
    let with = |extra: Vec<(String, Annotation)>| {
        plan_with(&[originals.clone(), extra].concat(), Fractions::default(), 0).unwrap_err().to_string()
    };
    let orphan = copy_of(&utterance("gone.wav".to_owned(), "a", None, None), 1);
    let error = with(vec![orphan]);
    assert!(
        error.starts_with("gone.wav-copy1: is a copy of gone.wav, which is not a recording here"),
        "{error}"
    );
    let first = copy_of(&originals[0], 1);
    let second = copy_of(&first, 2);
    let error = with(vec![first, second]);
    assert!(error.contains("0.wav-copy1-copy2: is a copy of 0.wav-copy1, which is a copy itself"), "{error}");
}

#[test]
fn copies_do_not_make_a_class_large_enough() {
    let mut corpus: Corpus = (0..6).map(|n| utterance(format!("{n}.wav"), "a", None, None)).collect();
    corpus.extend((0..2).map(|n| utterance(format!("b{n}.wav"), "b", None, None)));
    let copies: Vec<_> = (0..9).map(|number| copy_of(&corpus[6], number)).collect();
    corpus.extend(copies);
    let error = plan_with(&corpus, Fractions::default(), 0).unwrap_err();
    assert!(error.to_string().contains("\"b\" has 2"), "{error}");
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

    #[test]
    fn whatever_the_corpora_no_copy_leaves_its_parent_and_no_fold_shares_a_speaker(
        utterances in prop::collection::vec((0usize..3, 0usize..9, 0usize..3, 0usize..3), 20..160),
        folds in prop::option::of(3u32..5),
        seed: u64,
    ) {
        let mut corpus = Corpus::new();
        for (number, (label, speaker, name, copies)) in utterances.into_iter().enumerate() {
            let name = ["A", "B", "C-D"][name];
            let (label, id) = (["x", "y", "z"][label], format!("{name}-{speaker}"));
            let mut original = utterance(format!("{name}/{number:03}.wav"), label, Some(&id), None);
            original.1.corpus = Some(name.to_owned());
            let copies: Vec<_> = (0..copies).map(|copy| copy_of(&original, copy)).collect();
            corpus.push(original);
            corpus.extend(copies);
        }
        let subjects: Vec<_> = corpus.iter().map(|(path, a)| UtteranceInfo::of(path, a)).collect();
        let Ok(planner) = SplitPlanner::new(subjects, Fractions::default(), seed) else { return Ok(()) };
        let mut tested: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
        for split in planner.with_folds(folds).splits(|_| ()) {
            assert_copies_follow(&corpus, &split);
            prop_assert_eq!(&split.protocol.to_string().parse::<Protocol>().unwrap(), &split.protocol);
            let [train, val, test] = Side::ALL.map(|part| speakers(&corpus, split.side(part)));
            let left_out = split.left_out.copies + split.left_out.other_labels + split.left_out.unpublished;
            let placed = sizes(&split).iter().sum::<usize>() + left_out;
            match &split.protocol {
                Protocol::SpeakerFold { fold, .. } => {
                    prop_assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
                    prop_assert!(tested.values().all(|others| others.is_disjoint(&test)));
                    tested.insert(*fold, test);
                }
                Protocol::Corpus(_) | Protocol::Speaker(_) => {
                    prop_assert!(train.is_disjoint(&test) && val.is_disjoint(&test));
                }
                // As they are published, which is here in no way.
                Protocol::Official | Protocol::OfficialFold(_) => prop_assert!(false, "nothing is published"),
                Protocol::Random | Protocol::Word => {}
            }
            prop_assert_eq!(placed, corpus.len(), "{}", split.protocol);
        }
    }
}
