//! The doctor: what it says about a corpus, with one planted case per kind of finding, and none about a healthy one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::conventions::named;
use ser_corpus::doctor::{DoctorReport, ExamineOptions, FindingKind, examine};
use ser_prepare::prepare;
use ser_synth::{Oddity, SynthCorpus};
use tempfile::TempDir;

use crate::common::{contents, noise, plain_corpus, put, ser_prep, wav, wav_of};

const EMOTIONS: [(&str, &str); 7] = [
    ("angry", "angry"),
    ("disgust", "disgust"),
    ("Fear", "fear"),
    ("happy", "happy"),
    ("neutral", "neutral"),
    ("Pleasant_surprise", "ps"),
    ("Sad", "sad"),
];

/// The words of TESS, as the doctor knows them.
fn words() -> BTreeSet<String> {
    let tess = named("tess").unwrap().published().unwrap();
    let word = |name: &str| name.split(' ').nth(1).unwrap().to_owned();
    (tess.all.unwrap())().iter().map(|recording| word(&recording.name)).collect()
}

pub(crate) fn diagnose(folder: &Path) -> DoctorReport {
    examine(&ExamineOptions::new(folder), &Silent).unwrap()
}

/// All kinds of findings, with how many there are of each.
pub(crate) fn kinds(report: &DoctorReport) -> Vec<(FindingKind, usize)> {
    report.findings.iter().map(|finding| (finding.kind, finding.count)).collect()
}

/// Path and text of all findings of a kind.
pub(crate) fn items(report: &DoctorReport, kind: FindingKind) -> Vec<(&str, &str)> {
    let finding = report.finding(kind).unwrap_or_else(|| panic!("no {kind:?} in {:?}", report.findings));
    finding.items.iter().map(|item| (item.path.as_str(), item.text.as_str())).collect()
}

/// Two healthy classes of four recordings.
fn healthy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    plain_corpus(folder.path(), &["calm", "loud"], 4);
    folder
}

/// The healthy corpus with one more file; the report must have findings of one kind alone.
fn with_file(path: &str, bytes: &[u8], kind: FindingKind) -> (DoctorReport, String) {
    let folder = healthy();
    put(folder.path(), path, bytes);
    let report = diagnose(folder.path());
    assert_eq!(kinds(&report), [(kind, 1)], "{:?}", report.findings);
    let text = items(&report, kind)[0].1.to_owned();
    assert_eq!(items(&report, kind)[0].0, path);
    (report, text)
}

/// A folder named as TESS is, 2,800 recordings of a sixteenth of a second, each another noise.
fn named_as_tess() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (words, mut names) = (words(), Vec::new());
    for speaker in ["OAF", "YAF"] {
        for (in_folder, in_file) in EMOTIONS {
            fs::create_dir(folder.path().join(format!("{speaker}_{in_folder}"))).unwrap();
            for word in &words {
                names.push(format!("{speaker}_{in_folder}/{speaker}_{word}_{in_file}.wav"));
            }
        }
    }
    names.par_iter().enumerate().for_each(|(index, name)| {
        fs::write(folder.path().join(name), wav(8_000, &noise(index as u32 + 1, 500))).unwrap();
    });
    folder
}

fn copy_into(folder: &Path, nested: &str) {
    for (path, bytes) in contents(folder) {
        put(folder, &format!("{nested}/{path}"), &bytes);
    }
}

// --- TESS ---

/// Runs where `SER_TESS` names the folder that holds `OAF_angry` and the others.
#[test]
fn of_the_real_tess_the_known_facts_are_said_and_nothing_that_is_not_so() {
    let Some(root) = std::env::var_os("SER_TESS").filter(|root| !root.is_empty()).map(PathBuf::from) else {
        eprintln!("SKIPPED: set SER_TESS to the folder of TESS that holds OAF_angry to run this test");
        return;
    };
    let report = diagnose(&root);
    let missing: Vec<&str> = items(&report, FindingKind::Missing).iter().map(|(path, _)| *path).collect();
    assert_eq!(missing, ["OAF back angry", "YAF beg sad"]);
    let of_kind = |kind| items(&report, kind).iter().map(|(path, _)| *path).collect::<Vec<_>>();
    assert_eq!(of_kind(FindingKind::OtherRate), ["OAF_fear/OAF_food_fear.wav"]);
    assert_eq!(of_kind(FindingKind::Misnamed), ["OAF_neutral/OA_bite_neutral.wav"]);
    assert_eq!(
        of_kind(FindingKind::Disguised),
        ["YAF_angry/YAF_germ_angry.wav", "YAF_fear/YAF_neat_fear.wav"]
    );
    // Fifty samples of -32,768 in a row, as any editor shows.
    let clipped = "50 samples at full scale in runs of up to 50, the first at 1.355 s";
    assert_eq!(items(&report, FindingKind::Clipped), [("OAF_pleasant_surprise/OAF_pad_ps.wav", clipped)]);
    assert_eq!(
        kinds(&report).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>(),
        [
            FindingKind::Missing,
            FindingKind::Clipped,
            FindingKind::OtherRate,
            FindingKind::Disguised,
            FindingKind::Misnamed
        ]
    );
    assert!(report.findings.iter().skip(2).all(|finding| finding.items.iter().all(|item| item.known)));
    assert_eq!(
        report.verdict,
        "This is TESS, complete but for 2 recordings: OAF back angry, YAF beg sad. Its 4 known oddities are \
         there. Worth knowing: 1 clipped."
    );
    let numbers = &report.numbers;
    assert_eq!(
        (numbers.recordings, numbers.usable, numbers.words, numbers.classes.len()),
        (2798, 2798, 200, 7)
    );
    assert_eq!((numbers.chunks["LIST"], numbers.bit_depths[&16], numbers.channels[&1]), (1398, 2798, 2798));
    assert_eq!((numbers.speakers["OAF"], numbers.speakers["YAF"]), (1399, 1399));
}

#[test]
fn a_tess_that_is_complete_by_its_names_alone_is_not_called_complete() {
    let folder = named_as_tess();
    let report = diagnose(folder.path());
    assert_eq!(kinds(&report), [(FindingKind::NotAsPublished, 2800), (FindingKind::EqualLengths, 2800)]);
    assert!(report.healthy);
    // Of the recording that has another rate in the published corpus, the rate is not compared.
    let verdict = "This is TESS, complete by its names, but not as published: every recording has 8,000 Hz \
                   (published: 24,414 Hz); every recording is exactly 0.06 s long (published: 1.2 to 3.0 s).";
    assert_eq!(report.verdict, verdict);
    ser_prep(["--doctor", "--data", folder.path().to_str().unwrap()]).ends(0);
}

#[test]
fn what_tess_lacks_and_has_too_much_is_named() {
    let folder = named_as_tess();
    let at = |path: &str| folder.path().join(path);
    fs::remove_file(at("YAF_happy/YAF_dog_happy.wav")).unwrap();
    fs::remove_dir_all(at("YAF_Sad")).unwrap();
    put(folder.path(), "OAF_angry/OAF_zebra_angry.wav", &wav(8_000, &noise(5001, 500)));
    put(folder.path(), "OAF_angry/OAF_dog_angry (1).wav", &wav(8_000, &noise(5002, 500)));
    put(folder.path(), "angry/OAF_dog_angry.wav", &wav(8_000, &noise(5003, 500)));
    put(
        folder.path(),
        "OAF_neutral/OA_bite_neutral.wav",
        &fs::read(at("OAF_neutral/OAF_bite_neutral.wav")).unwrap(),
    );
    fs::remove_file(at("OAF_neutral/OAF_bite_neutral.wav")).unwrap();
    fs::rename(at("YAF_happy/YAF_love_happy.wav"), at("OAF_happy/YAF_love_happy.wav")).unwrap();
    fs::rename(at("OAF_Fear/OAF_love_fear.wav"), at("OAF_happy/OAF_love_fear.wav")).unwrap();
    fs::write(at("OAF_angry/OAF_base_angry.wav"), b"").unwrap();

    let report = diagnose(folder.path());
    assert_eq!(
        items(&report, FindingKind::Missing),
        [("YAF dog happy", ""), ("YAF sad", "all 200 recordings")]
    );
    assert_eq!(report.finding(FindingKind::Missing).unwrap().count, 201);
    let extra: Vec<&str> = items(&report, FindingKind::Extra).iter().map(|(path, _)| *path).collect();
    assert_eq!(extra, ["OAF_angry/OAF_dog_angry (1).wav", "OAF_angry/OAF_zebra_angry.wav"]);
    assert_eq!(
        items(&report, FindingKind::TwoTakes),
        [("angry/OAF_dog_angry.wav", "OAF dog angry is also OAF_angry/OAF_dog_angry.wav, another sound")]
    );
    assert_eq!(
        items(&report, FindingKind::Mislabelled),
        [
            ("OAF_happy/OAF_love_fear.wav", "its folder says happy, its name says fear"),
            ("OAF_happy/YAF_love_happy.wav", "its folder says speaker OAF, its name says YAF"),
        ]
    );
    let misnamed = report.finding(FindingKind::Misnamed).unwrap();
    assert!(misnamed.items.len() == 1 && misnamed.items[0].known, "{misnamed:?}");
    assert_eq!(items(&report, FindingKind::Empty)[0].0, "OAF_angry/OAF_base_angry.wav");
    assert!(!report.healthy);
    assert!(
        report.verdict.starts_with("This is TESS without 201 of its 2,800 recordings."),
        "{}",
        report.verdict
    );
    assert!(
        report.verdict.contains("To fix: 1 unusable, 2 with a name and a folder that disagree."),
        "{}",
        report.verdict
    );
}

#[test]
fn a_part_of_tess_is_called_a_part() {
    let folder = tempfile::tempdir().unwrap();
    for (index, word) in ["back", "bar", "base"].iter().enumerate() {
        for (class, emotion) in ["sad", "fear"].iter().enumerate() {
            let samples = noise((index * 2 + class + 1) as u32, 1600);
            put(folder.path(), &format!("OAF_{emotion}/OAF_{word}_{emotion}.wav"), &wav(16_000, &samples));
        }
    }
    let report = diagnose(folder.path());
    assert!(
        report.verdict.starts_with("This is a part of TESS: 6 of its 2,800 recordings."),
        "{}",
        report.verdict
    );
    assert_eq!(report.finding(FindingKind::Missing).unwrap().count, 2794);
}

#[test]
fn a_doubled_copy_is_recognised_as_the_kaggle_copy_is() {
    let folder = named_as_tess();
    copy_into(folder.path(), "TESS Toronto emotional speech set data");
    let report = diagnose(folder.path());
    assert_eq!(
        kinds(&report),
        [
            (FindingKind::NotAsPublished, 5600),
            (FindingKind::Doubled, 2800),
            (FindingKind::EqualLengths, 5600)
        ]
    );
    assert!(report.healthy, "doubling changes nothing");
    let doubled = report.finding(FindingKind::Doubled).unwrap();
    let summary = "All in TESS Toronto emotional speech set data/, which repeats what is beside it.";
    assert_eq!(doubled.summary.as_deref(), Some(summary));
    assert!(doubled.items.iter().all(|item| item.path.starts_with("TESS Toronto")), "the copy is the copy");
    assert!(report.verdict.starts_with("This is TESS, complete"), "{}", report.verdict);
    assert!(report.verdict.ends_with("Every sound is there twice."), "{}", report.verdict);
}

// --- the synthetic copy ---

#[test]
fn every_oddity_of_the_synthetic_corpus_is_found_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let options = ser_synth::SynthOptions {
        words: 10,
        sample_rate: 16_000,
        oddities: Oddity::ALL.to_vec(),
        ..Default::default()
    };
    let summary = SynthCorpus::new(options).unwrap().write(folder.path()).unwrap();
    let report = diagnose(folder.path());
    for (oddity, kind) in [
        (Oddity::Aiff, FindingKind::Disguised),
        (Oddity::Rate, FindingKind::OtherRate),
        (Oddity::Name, FindingKind::Misnamed),
        (Oddity::Truncated, FindingKind::Damaged),
        (Oddity::Empty, FindingKind::Empty),
        (Oddity::Silent, FindingKind::Silent),
        (Oddity::NotAudio, FindingKind::NotAudio),
        (Oddity::Nan, FindingKind::Useless),
    ] {
        let found: BTreeSet<&str> = items(&report, kind).iter().map(|(path, _)| *path).collect();
        let planted: BTreeSet<&str> = summary.oddities[&oddity].iter().map(String::as_str).collect();
        assert_eq!(found, planted, "{oddity}");
    }
    assert_eq!(report.finding(FindingKind::Doubled).unwrap().count, 1);
    assert_eq!(report.findings.len(), 9, "{:?}", kinds(&report));
    // The duplicated file may carry the chunk as well.
    let lists = summary.oddities[&Oddity::List].len();
    assert!((lists..=lists + 1).contains(&report.numbers.chunks["LIST"]), "{:?}", report.numbers.chunks);
}

#[test]
fn doubling_is_found_and_leaves_every_split_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::speech(folder.path(), 6);
    let caches = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let splits = |cache: &TempDir| {
        let options = crate::common::options(folder.path(), cache.path());
        prepare(&options, &Storage::native(), &Silent).unwrap();
        let mut files = contents(&fs::canonicalize(cache.path().join("splits")).unwrap());
        files.retain(|path, _| path.ends_with(".jsonl"));
        files
    };
    assert!(diagnose(folder.path()).finding(FindingKind::Doubled).is_none());
    let single = splits(&caches[0]);
    copy_into(folder.path(), "TESS Toronto emotional speech set data");
    assert_eq!(diagnose(folder.path()).finding(FindingKind::Doubled).unwrap().count, 84);
    let doubled = splits(&caches[1]);
    assert!(single.len() >= 12, "{:?}", single.keys());
    assert!(single == doubled, "the manifests differ");
}

// --- one planted case for each kind ---

#[test]
fn a_healthy_corpus_is_not_accused() {
    let report = diagnose(healthy().path());
    assert_eq!(report.findings, []);
    assert_eq!(report.verdict, "8 recordings in 2 classes. Nothing is wrong with it.");
}

#[test]
fn what_cannot_be_decoded_is_sorted_by_its_reason() {
    let sound = wav(16_000, &noise(99, 1600));
    for (bytes, kind, reason) in [
        (&b""[..], FindingKind::Empty, "is empty (0 bytes)"),
        (b"a note that somebody saved", FindingKind::NotAudio, "is not audio"),
        (&sound[..sound.len() / 2], FindingKind::Damaged, "is cut short"),
        (&sound[..20], FindingKind::Damaged, "is cut short inside its header"),
        (&wav(16_000, &[0; 1600]), FindingKind::Silent, "is digital silence"),
        (&wav(16_000, &noise(98, 10)), FindingKind::Useless, "lasts only"),
        (&wav(16_000, &[]), FindingKind::Useless, "holds no samples"),
        (&wav_of(3, 32, 16_000, &[255; 6400]), FindingKind::Useless, "not a finite number"),
        (&wav(4_000, &noise(97, 1_200_100)), FindingKind::BeyondLimit, "more than the limit of 300 s"),
    ] {
        let (report, text) = with_file("calm/odd.wav", bytes, kind);
        assert!(text.contains(reason), "{text}");
        assert!(!report.healthy && report.verdict.contains("To fix: 1 unusable."), "{}", report.verdict);
        assert_eq!((report.numbers.recordings, report.numbers.usable), (9, 8));
    }
}

#[test]
fn levels_are_remarks() {
    let mut clipped = noise(99, 1600);
    clipped[100..103].fill(32_767);
    clipped[200..210].fill(-32_768);
    let (report, text) = with_file("calm/odd.wav", &wav(16_000, &clipped), FindingKind::Clipped);
    assert_eq!(text, "13 samples at full scale in runs of up to 10, the first at 0.006 s");
    assert!(report.healthy);

    clipped = noise(99, 1600);
    clipped[100..102].fill(32_767); // a peak that just reaches full scale
    let folder = healthy();
    put(folder.path(), "calm/odd.wav", &wav(16_000, &clipped));
    assert_eq!(diagnose(folder.path()).findings, []);

    let quiet: Vec<i16> = noise(99, 1600).iter().map(|sample| sample / 1000).collect();
    let (_, text) = with_file("calm/odd.wav", &wav(16_000, &quiet), FindingKind::NearlySilent);
    assert_eq!(text, "its peak is -66.2 dBFS");

    let offset: Vec<i16> = noise(99, 1600).iter().map(|sample| sample / 2 + 3277).collect();
    let (_, text) = with_file("calm/odd.wav", &wav(16_000, &offset), FindingKind::DcOffset);
    assert!(text.starts_with("a mean of +0.1"), "{text}");

    let mut late = vec![1i16; 8000];
    late.extend(noise(99, 1600));
    late.extend([1i16; 1600]);
    let (_, text) = with_file("calm/odd.wav", &wav(16_000, &late), FindingKind::MostlySilence);
    assert_eq!(text, "0.50 s before and 0.10 s after the sound, of 0.70 s");
}

#[test]
fn another_rate_other_channels_and_another_container_are_remarks() {
    let (_, text) = with_file("calm/odd.wav", &wav(44_100, &noise(99, 4410)), FindingKind::OtherRate);
    assert_eq!(text, "44,100 Hz, most have 16,000 Hz");

    let mut stereo = wav(16_000, &noise(99, 3200));
    stereo[22] = 2;
    stereo[32] = 4;
    let (_, text) = with_file("calm/odd.wav", &stereo, FindingKind::OtherChannels);
    assert_eq!(text, "2, most have 1");

    let (_, text) = with_file("calm/odd.mp3", &wav(16_000, &noise(99, 1600)), FindingKind::Disguised);
    assert_eq!(text, "is WAV inside .mp3");
}

#[test]
fn where_no_rate_prevails_it_is_said_once_and_not_for_each_file() {
    let folder = healthy();
    for file in 0..4 {
        put(folder.path(), &format!("calm/other{file}.wav"), &wav(8_000, &noise(500 + file, 800)));
    }
    let report = diagnose(folder.path());
    let text = "no sample rate predominates: 4 have 8000 Hz, 8 have 16000 Hz";
    assert_eq!(items(&report, FindingKind::OtherRate), [("", text)]);
}

#[test]
fn one_sound_under_two_labels_is_a_problem_also_in_other_wrappings() {
    let folder = healthy();
    let sound = noise(99, 1600);
    put(folder.path(), "calm/same.wav", &wav(16_000, &sound));
    put(folder.path(), "loud/same.wav", &wav(16_000, &sound));
    let mut tagged = wav(16_000, &sound);
    tagged.extend(b"LIST\x04\0\0\0INFO");
    put(folder.path(), "loud/tagged.wav", &tagged);
    let report = diagnose(folder.path());
    let text = "labelled loud, the same file as calm/same.wav, labelled calm";
    assert_eq!(items(&report, FindingKind::TwoLabels), [("loud/same.wav", text)]);
    assert_eq!(items(&report, FindingKind::Doubled), [("loud/tagged.wav", "sounds as loud/same.wav")]);
    assert!(!report.healthy);
}

#[test]
fn what_lies_about_beside_the_recordings_is_named() {
    let folder = healthy();
    put(folder.path(), "calm/notes.txt", b"x");
    put(folder.path(), ".DS_Store", b"x");
    put(folder.path(), "scans/deep/page.pdf", b"x");
    fs::create_dir_all(folder.path().join("angry/new")).unwrap();
    let report = diagnose(folder.path());
    assert_eq!(items(&report, FindingKind::Foreign), [("calm/notes.txt", ""), ("scans/deep/page.pdf", "")]);
    assert_eq!(items(&report, FindingKind::EmptyFolder), [("angry", ""), ("scans", "")]);
    assert!(report.healthy);
}

#[test]
fn a_recording_without_a_label_and_classes_too_small_are_problems() {
    let folder = healthy();
    put(folder.path(), "loose.wav", &wav(16_000, &noise(99, 1600)));
    put(folder.path(), "rare/1.wav", &wav(16_000, &noise(98, 1600)));
    let report = diagnose(folder.path());
    assert!(items(&report, FindingKind::Unlabelled)[0].1.contains("directly in the corpus"));
    assert!(items(&report, FindingKind::Classes)[0].1.contains("\"rare\" has 1"));
    assert_eq!(items(&report, FindingKind::Imbalance), [("", "loud has 4, rare 1: 4.0 times as many")]);
}

#[test]
fn a_speaker_who_lacks_a_class_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (speaker, class)) in [("AB", "sad"), ("AB", "happy"), ("CD", "sad")].into_iter().enumerate() {
        for word in 0..4 {
            let samples = noise((index * 10 + word + 1) as u32, 1600);
            put(
                folder.path(),
                &format!("{speaker}_{class}/{speaker}_w{word}_{class}.wav"),
                &wav(16_000, &samples),
            );
        }
    }
    let report = diagnose(folder.path());
    assert_eq!(items(&report, FindingKind::AbsentClass), [("", "speaker CD has no happy")]);
}

#[test]
fn a_table_of_labels_says_what_is_what() {
    let folder = healthy();
    let table = folder.path().join("labels.csv");
    let rows = (0..4).map(|n| format!("calm/{n:03}.wav,calm,A,w{n}\n")).collect::<String>();
    fs::write(&table, format!("path,label,speaker,word\n{rows}")).unwrap();
    let options = ExamineOptions {
        labels: ser_corpus::LabelSource::Table(table),
        ..ExamineOptions::new(folder.path())
    };
    let report = examine(&options, &Silent).unwrap();
    assert_eq!(report.finding(FindingKind::Unlabelled).unwrap().count, 4);
    assert_eq!(report.numbers.speakers["A"], 4);
}

#[test]
fn other_corpora_are_counted_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0;
    for actor in 1..=24 {
        for (emotion, intensity) in (1..=8).flat_map(|emotion| [(emotion, 1), (emotion, 2)]) {
            for take in ["01-01", "01-02", "02-01", "02-02"] {
                if (emotion, intensity) == (1, 2) || (actor, emotion, intensity, take) == (7, 5, 2, "02-01") {
                    continue;
                }
                seed += 1;
                let path = format!("{emotion}/03-01-{emotion:02}-{intensity:02}-{take}-{actor:02}.wav");
                put(folder.path(), &path, &wav(8_000, &noise(seed, 500)));
            }
        }
    }
    let report = diagnose(folder.path());
    let verdict = "This is RAVDESS (speech), complete but for 1 recording: 03-01-05-02-02-01-07.";
    assert!(report.verdict.starts_with(verdict), "{}", report.verdict);
}

// --- hostile corpora ---

#[cfg(unix)]
#[test]
fn pipes_loops_broken_links_and_strange_names_are_named_and_nothing_hangs() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let folder = healthy();
    let at = |path: &str| folder.path().join(path);
    assert!(Command::new("mkfifo").arg(at("calm/pipe.wav")).status().unwrap().success());
    symlink("..", at("calm/loop")).unwrap();
    symlink("nowhere.wav", at("calm/gone.wav")).unwrap();
    symlink("/dev/zero", at("calm/device.wav")).unwrap();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"calm/\xff.wav")), b"x").unwrap();
    let report = diagnose(folder.path());
    let unreadable = items(&report, FindingKind::Unreadable);
    for (path, reason) in [
        ("calm/pipe.wav", "is a FIFO"),
        ("calm/loop", "is a link back to"),
        ("calm/gone.wav", "cannot be accessed"),
        ("calm/device.wav", "is a device"),
        ("calm/\u{fffd}.wav", "has a name that is not UTF-8"),
    ] {
        let found = unreadable.iter().find(|(found, _)| *found == path);
        assert!(found.is_some_and(|(_, text)| text.contains(reason)), "{path} in {unreadable:?}");
    }
    assert_eq!((report.findings.len(), unreadable.len(), report.numbers.usable), (1, 5, 8));
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_unreadable() {
    use std::os::unix::fs::PermissionsExt;
    let folder = healthy();
    let path = folder.path().join("calm/secret.wav");
    fs::write(&path, wav(16_000, &noise(99, 1600))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("SKIPPED: whoever runs this test may read everything");
        return;
    }
    let report = diagnose(folder.path());
    assert!(items(&report, FindingKind::Unreadable)[0].1.contains("ermission"), "{:?}", report.findings);
}

#[test]
fn bytes_that_are_cut_or_altered_anywhere_never_stop_it() {
    let folder = healthy();
    let sound = wav(16_000, &noise(99, 1000));
    for length in 0..60 {
        put(folder.path(), &format!("calm/cut{length}.wav"), &sound[..length]);
    }
    for at in 0..60 {
        let mut altered = sound.clone();
        altered[at] ^= 0xff;
        put(folder.path(), &format!("calm/altered{at}.wav"), &altered);
    }
    let report = diagnose(folder.path());
    assert_eq!(report.numbers.recordings, 8 + 120);
    let broken: usize = report.findings.iter().filter(|f| f.kind.is_unusable()).map(|f| f.count).sum();
    assert_eq!(broken + report.numbers.usable, report.numbers.recordings);
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let folder = healthy();
    put(folder.path(), "calm/\u{1b}[31mred\n.wav", b"");
    // What turns the reading direction around makes one name look like another.
    put(folder.path(), "calm/a\u{202e}vaw\u{2066}b\u{61c}c.wav", b"");
    let table = doctor(folder.path(), &[]).ends(3).stdout;
    assert!(table.contains("calm/\\u{1b}[31mred\\n.wav: is empty"), "{table}");
    assert!(table.contains("calm/a\\u{202e}vaw\\u{2066}b\\u{61c}c.wav: is empty"), "{table}");
    assert!(!table.contains(['\u{1b}', '\u{202e}', '\u{2066}', '\u{61c}']), "{table}");
}

#[test]
fn a_name_keeps_its_spaces_and_is_broken_between_words() {
    let folder = healthy();
    put(folder.path(), "calm/two  spaces.wav", b"");
    let long = "a_very_long_name_that_does_not_fit_on_a_line_together_with_what_is_said_of_it";
    put(folder.path(), &format!("calm/{long}.wav"), b"");
    let table = doctor(folder.path(), &[]).ends(3).stdout;
    assert!(table.contains("    - calm/two  spaces.wav: is empty (0 bytes)"), "{table}");
    assert!(table.contains(&format!("    -\n        calm/{long}.wav:\n        is empty (0")), "{table}");
}

// --- the command ---

fn doctor(folder: &Path, more: &[&str]) -> crate::common::Ran {
    ser_prep([&["--doctor", "--data", folder.to_str().unwrap()], more].concat())
}

#[test]
fn the_command_exits_with_3_where_there_is_something_to_fix_and_writes_nothing() {
    let folder = healthy();
    doctor(folder.path(), &[]).ends(0);
    doctor(folder.path(), &["--quiet"]).ends(0);
    put(folder.path(), "calm/bad.wav", b"");
    let before = contents(folder.path());
    let ran = doctor(folder.path(), &[]).ends(3);
    assert!(
        ran.stdout.starts_with("9 recordings in 2 classes. To fix: 1 unusable.\n\nTo fix\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("- calm/bad.wav: is empty (0 bytes)"), "{}", ran.stdout);
    doctor(folder.path(), &["--strict"]).ends(1);
    let quiet = doctor(folder.path(), &["--quiet"]).ends(3);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.contains("1 unusable")), ("", true));
    assert!(contents(folder.path()) == before, "something was written");
}

#[test]
fn the_json_has_verdict_findings_and_numbers() {
    let folder = healthy();
    put(folder.path(), "calm/bad.wav", b"");
    let ran = doctor(folder.path(), &["--json"]).ends(3);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let fields: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["corpus", "data", "findings", "healthy", "labels_by", "numbers", "seconds", "verdict"];
    assert_eq!(fields, BTreeSet::from(expected));
    let finding = &json["findings"][0];
    assert_eq!((finding["kind"].as_str(), finding["severity"].as_str()), (Some("empty"), Some("problem")));
    assert_eq!(
        (finding["items"][0]["path"].as_str(), finding["count"].as_u64()),
        (Some("calm/bad.wav"), Some(1))
    );
    assert_eq!(json["numbers"]["sample_rates"]["16000"], 8);
    assert!(json["numbers"]["classes"][0]["rms_dbfs"].as_f64().unwrap() < 0.0);
}

#[test]
fn options_that_make_no_sense_with_it_are_refused() {
    let folder = healthy();
    for more in [
        &["--out", "cache"][..],
        &["--dry-run"],
        &["--seed", "1"],
        &["--n-mfcc", "13"],
        &["--exclude", "calm"],
        &["--min-duration", "9", "--max-duration", "1"],
        &["--jobs", "99999"],
    ] {
        doctor(folder.path(), more).ends(2);
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(doctor(empty.path(), &[]).ends(1).stderr.contains("holds no recordings"));
    doctor(&empty.path().join("nowhere"), &[]).ends(1);
}

#[test]
fn a_table_fits_80_columns_where_names_allow_it() {
    let folder = tempfile::tempdir().unwrap();
    let oddities = Oddity::ALL.to_vec();
    let options = ser_synth::SynthOptions { words: 3, sample_rate: 16_000, oddities, ..Default::default() };
    SynthCorpus::new(options).unwrap().write(folder.path()).unwrap();
    let table = doctor(folder.path(), &[]).stdout;
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}
