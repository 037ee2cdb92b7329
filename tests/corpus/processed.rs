//! The doctor: copies of known corpora that are not as published, and recordings and speakers unlike all others.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_corpus::doctor::{DoctorReport, FindingKind};
use tempfile::TempDir;

use crate::common::{noise, plain_corpus, put, ser_prep, wav};
use crate::doctor::{diagnose, items, kinds};

/// Noise of a level of its own, 0.5 to 1 of what it would be.
fn voice(seed: u32, count: usize) -> Vec<i16> {
    let factor = 128 + (seed % 101) as i32 * 128 / 100;
    noise(seed, count).iter().map(|sample| (i32::from(*sample) * factor / 256) as i16).collect()
}

/// 535 recordings with names of EMO-DB in its folder `wav`; `samples` says how many each has.
fn named_as_emo_db(sample_rate: u32, samples: impl Fn(usize) -> usize + Sync) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("wav")).unwrap();
    let texts = ["a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"];
    let speakers = ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"];
    let mut names = Vec::new();
    for text in texts {
        for emotion in ["W", "L", "E", "A", "F", "T", "N"] {
            names.extend(speakers.map(|speaker| format!("{speaker}{text}{emotion}a")));
        }
    }
    names.truncate(535);
    names.par_iter().enumerate().for_each(|(index, name)| {
        let sound = wav(sample_rate, &voice(index as u32 + 1, samples(index)));
        fs::write(folder.path().join(format!("wav/{name}.wav")), sound).unwrap();
    });
    folder
}

#[test]
fn a_copy_as_published_is_complete_and_nothing_is_wrong_with_it() {
    let folder = named_as_emo_db(16_000, |index| 20_000 + 16 * index);
    let report = diagnose(folder.path());
    assert_eq!(kinds(&report), []);
    let verdict = "This is EMO-DB, complete: 535 recordings, 10 sentences by 10 speakers in 7 emotions. Nothing is \
                   wrong with it.";
    assert_eq!(report.verdict, verdict);
}

#[test]
fn a_processed_copy_is_complete_by_its_names_but_not_as_published() {
    let folder = named_as_emo_db(22_050, |_| 44_100);
    let report = diagnose(folder.path());
    assert_eq!(kinds(&report), [(FindingKind::NotAsPublished, 535), (FindingKind::EqualLengths, 535)]);
    assert_eq!(
        items(&report, FindingKind::NotAsPublished),
        [
            ("", "every recording has 22,050 Hz (published: 16,000 Hz)"),
            ("", "every recording is exactly 2.00 s long (published: 1.2 to 9.0 s)"),
        ]
    );
    let verdict = "This is EMO-DB, complete by its names, but not as published: every recording has 22,050 Hz \
                   (published: 16,000 Hz); every recording is exactly 2.00 s long (published: 1.2 to 9.0 s).";
    assert_eq!(report.verdict, verdict);
    assert!(report.healthy, "it can be used");
    let ran = ser_prep(["--doctor", "--json", "--data", folder.path().to_str().unwrap()]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let finding = &json["findings"][0];
    let source = finding["summary"].as_str().unwrap();
    assert_eq!((finding["kind"].as_str(), finding["count"].as_u64()), (Some("not_as_published"), Some(535)));
    assert!(source.contains("https://doi.org/10.21437/Interspeech.2005-446"), "{source}");
}

#[test]
fn recordings_that_are_not_as_published_are_named_where_the_others_are() {
    let folder = named_as_emo_db(16_000, |index| 20_000 + 16 * index);
    put(folder.path(), "wav/03a01Wa.wav", &wav(8_000, &voice(999, 12_000)));
    put(folder.path(), "wav/08a01Wa.wav", &wav(16_000, &voice(998, 8_000)));
    put(folder.path(), "wav/09a01Wa.wav", &wav(16_000, &voice(997, 152_000)));
    let report = diagnose(folder.path());
    assert_eq!(
        items(&report, FindingKind::NotAsPublished),
        [
            ("wav/03a01Wa.wav", "8,000 Hz (published: 16,000 Hz)"),
            ("wav/08a01Wa.wav", "0.50 s long (published: 1.2 to 9.0 s)"),
            ("wav/09a01Wa.wav", "9.50 s long (published: 1.2 to 9.0 s)"),
        ]
    );
    let verdict = "This is EMO-DB, complete by its names, but not as published: 1 of 535 has 8,000 Hz (published: \
                   16,000 Hz); 2 of 535 are 0.50 to 9.50 s long (published: 1.2 to 9.0 s).";
    assert!(report.verdict.starts_with(verdict), "{}", report.verdict);
}

/// Runs where `SER_RAVDESS` names a folder with RAVDESS's recordings of actors 01 to 16, resampled to 16 kHz.
#[test]
fn of_a_part_of_the_real_ravdess_at_another_rate_both_is_said_and_nothing_that_is_not_so() {
    let Some(root) = std::env::var_os("SER_RAVDESS").filter(|root| !root.is_empty()).map(PathBuf::from)
    else {
        eprintln!(
            "SKIPPED: set SER_RAVDESS to a folder with Actor_01 to Actor_16 at 16 kHz to run this test"
        );
        return;
    };
    let report = diagnose(&root);
    let verdict = "This is RAVDESS (speech) without 480 of its 1,440 recordings. It has 16 of its 24 speakers. It is \
                   not as published: every recording has 16,000 Hz (published: 48,000 Hz).";
    assert!(report.verdict.starts_with(verdict), "{}", report.verdict);
    assert_eq!(
        items(&report, FindingKind::NotAsPublished),
        [("", "every recording has 16,000 Hz (published: 48,000 Hz)")]
    );
    for kind in [
        FindingKind::EqualLengths,
        FindingKind::EqualPeaks,
        FindingKind::UnusualLength,
        FindingKind::SpeakerLevel,
    ] {
        assert_eq!(report.finding(kind), None);
    }
}

/// Two classes of ten recordings, each with a length and a level of its own, and what `add` adds.
fn varied(add: impl FnOnce(&Path)) -> DoctorReport {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=20 {
        let class = if seed % 2 == 0 { "calm" } else { "loud" };
        let sound = voice(seed * 5, 8_000 + 400 * seed as usize);
        put(folder.path(), &format!("{class}/{seed:03}.wav"), &wav(16_000, &sound));
    }
    add(folder.path());
    diagnose(folder.path())
}

#[test]
fn lengths_and_levels_that_differ_are_no_finding() {
    assert_eq!(kinds(&varied(|_| {})), []);
}

#[test]
fn recordings_of_one_length_are_said_to_be_processed() {
    let folder = tempfile::tempdir().unwrap();
    plain_corpus(folder.path(), &["calm", "loud"], 10);
    let report = diagnose(folder.path());
    assert_eq!(items(&report, FindingKind::EqualLengths), [("", "all 20 are exactly 0.10 s long")]);
    assert!(report.verdict.contains("Worth knowing: 20 of equal length"), "{}", report.verdict);
    assert!(report.healthy);

    put(folder.path(), "calm/other.wav", &wav(16_000, &voice(77, 2_400)));
    let report = diagnose(folder.path());
    assert_eq!(items(&report, FindingKind::EqualLengths), [("", "20 of 21 are exactly 0.10 s long")]);
}

#[test]
fn recordings_with_one_peak_are_said_to_be_normalised() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=20usize {
        let mut samples = voice(seed as u32, 8_000 + 400 * seed);
        samples[4_000] = 29_205; // -1 dB
        put(folder.path(), &format!("{}/{seed}.wav", ["calm", "loud"][seed % 2]), &wav(16_000, &samples));
    }
    let report = diagnose(folder.path());
    assert_eq!(kinds(&report), [(FindingKind::EqualPeaks, 20)]);
    assert_eq!(items(&report, FindingKind::EqualPeaks), [("", "all 20 have a peak of -1.00 dBFS")]);
    assert!(report.verdict.ends_with("Worth knowing: 20 with equal peaks."), "{}", report.verdict);
}

#[test]
fn a_call_of_four_minutes_among_utterances_is_named() {
    let call = wav(4_000, &voice(500, 240 * 4_000));
    let report = varied(|folder| put(folder, "calm/call.wav", &call));
    let text = "240.00 s, where the median is 0.78 s";
    assert_eq!(items(&report, FindingKind::UnusualLength), [("calm/call.wav", text)]);
    assert!(report.verdict.contains("1 of unusual length"), "{}", report.verdict);
}

#[test]
fn a_speaker_much_softer_than_the_others_is_named() {
    let corpus = |soft: i16| {
        let folder = tempfile::tempdir().unwrap();
        let mut seed = 0;
        for speaker in ["AB", "CD", "EF", "GH"] {
            // Everybody is loud when angry.
            for (class, factor) in [("angry", 1), ("sad", 16)] {
                for word in 0..4 {
                    seed += 1;
                    let factor = if speaker == "EF" { factor * soft } else { factor };
                    let samples: Vec<i16> = voice(seed, 8_000 + 100 * seed as usize);
                    let samples: Vec<i16> = samples.iter().map(|sample| sample / factor).collect();
                    let path = format!("{speaker}_{class}/{speaker}_w{word}_{class}.wav");
                    put(folder.path(), &path, &wav(16_000, &samples));
                }
            }
        }
        diagnose(folder.path())
    };
    assert_eq!(kinds(&corpus(1)), []);
    let report = corpus(10);
    let far = items(&report, FindingKind::SpeakerLevel);
    assert_eq!(far, [("", "speaker EF is 19.2 dB softer than the other speakers, class by class")]);
    assert!(report.verdict.contains("1 speaker far from the level of the others"), "{}", report.verdict);
}
