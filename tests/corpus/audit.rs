//! The leakage audit: every kind of leak is planted and caught, clean corpora are not accused, and the gate holds.

use std::fs;
use std::path::{Path, PathBuf};

use ser_cache::audit::{Audit, Cue, Requirement, require};
use ser_cache::collect::{GarbageOptions, collect};
use ser_cache::verify::verify;
use ser_cache::{Cache, Sha};
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_features::FeatureConfig;
use ser_prepare::{NearDuplicates, PrepareOptions, PrepareReport, prepare};

use crate::common::{noise, options, plain_corpus, put, ser_prep, speech, wav, wav_of};

/// A recording of the speaker YAF, a copy of which is planted under the other speaker's name.
const ORIGINAL: &str = "YAF_angry/YAF_bar_angry.wav";
const RATE: u32 = 16_000;

struct Place {
    _folder: tempfile::TempDir,
    data: PathBuf,
    out: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, out) = (folder.path().join("corpus"), folder.path().join("cache"));
        Self { _folder: folder, data, out }
    }

    fn speech() -> Self {
        let place = Self::new();
        speech(&place.data, 6);
        place
    }

    fn prepare(&self) -> PrepareReport {
        self.prepare_with(NearDuplicates::Report)
    }

    fn prepare_with(&self, near_duplicates: NearDuplicates) -> PrepareReport {
        let mut options = options(&self.data, &self.out);
        options.near_duplicates = near_duplicates;
        prepare(&options, &Storage::native(), &Silent).unwrap()
    }

    fn audit_file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.out.join("audit")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    fn original(&self) -> Vec<f32> {
        let bytes = fs::read(self.data.join(ORIGINAL)).unwrap();
        // The synthesiser writes the canonical header of 44 bytes.
        let samples = bytes[44..].as_chunks::<2>().0;
        samples.iter().map(|bytes| f32::from(i16::from_le_bytes(*bytes))).collect()
    }
}

fn rounded(samples: impl IntoIterator<Item = f32>) -> Vec<i16> {
    samples.into_iter().map(|sample| sample.round() as i16).collect()
}

/// Plants `copy` as a recording of OAF and makes sure that the audit names both and counts them where OAF is tested.
fn is_caught(name: &str, copy: impl FnOnce(&[f32]) -> Vec<u8>) {
    let place = Place::speech();
    let path = format!("OAF_angry/OAF_{name}");
    put(&place.data, &path, &copy(&place.original()));
    let report = place.prepare();
    let pairs: Vec<_> = report.near_duplicates.iter().map(|pair| [&pair.path[..], &pair.of[..]]).collect();
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert!(pairs[0].contains(&path.as_str()) && pairs[0].contains(&ORIGINAL), "{pairs:?}");
    let audit = &report.audits["speaker-OAF"];
    assert_eq!(audit.near_duplicates_across_sides, Some(1));
    let pair = &audit.near_duplicates_list[0];
    assert_eq!((pair.test.as_str(), pair.other.as_str()), (path.as_str(), ORIGINAL));
    assert!(audit.findings().iter().any(|f| f.to_string().starts_with("leak: 1 pair of near-duplicates")));
    let error = require(&[Requirement::NoNearDuplicates], "speaker-OAF", audit).unwrap_err().to_string();
    assert!(error.contains(ORIGINAL) && error.contains(&path), "{error}");
    // What is stored says the same.
    let cache = Cache::open(&place.out).unwrap();
    let split = cache.split(&cache.feature_sets()[0], &Protocol::Speaker("OAF".to_owned())).unwrap();
    assert_eq!(split.info.audit, *audit);
    assert!(
        ser::tables::preparation(&report).contains("near-duplicates:"),
        "{}",
        ser::tables::preparation(&report)
    );
}

#[test]
fn a_copy_cut_at_both_ends_is_caught() {
    // 231 and 173 ms: no multiples of a hop of 16 ms.
    is_caught("cut_angry.wav", |samples| wav(RATE, &rounded(samples[3700..samples.len() - 2770].to_vec())));
}

#[test]
fn a_softer_copy_is_caught() {
    is_caught("soft_angry.wav", |samples| wav(RATE, &rounded(samples.iter().map(|sample| sample * 0.23))));
}

#[test]
fn a_copy_of_eight_bits_is_caught() {
    is_caught("byte_angry.wav", |samples| {
        let bytes: Vec<u8> = samples.iter().map(|sample| ((sample / 256.0).round() + 128.0) as u8).collect();
        wav_of(1, 8, RATE, &bytes)
    });
}

#[test]
fn a_copy_with_a_little_noise_is_caught() {
    is_caught("noisy_angry.wav", |samples| {
        let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
        let added: Vec<f32> = noise(7, samples.len()).into_iter().map(f32::from).collect();
        let added_power = added.iter().map(|sample| sample * sample).sum::<f32>() / added.len() as f32;
        // 30 dB below the speech.
        let scale = (power / added_power / 1000.0).sqrt();
        let noisy = samples.iter().zip(&added).map(|(sample, noise)| sample * 0.9 + noise * scale);
        wav(RATE, &rounded(noisy))
    });
}

#[test]
fn a_copy_at_telephone_rate_is_caught() {
    is_caught("phone_angry.wav", |samples| {
        // A windowed sinc that passes what is below 3.6 kHz, and every second sample of it.
        let tap = |n: i32| {
            let (x, half) = (std::f32::consts::PI * n as f32, 60.0);
            let sinc = if n == 0 { 0.45 } else { (0.45 * x).sin() / x };
            sinc * (0.5 + 0.5 * (x / half).cos())
        };
        let low = |at: usize| {
            let taps =
                (-60..=60).filter_map(|n| Some((n, *samples.get(at.checked_add_signed(n as isize)?)?)));
            taps.map(|(n, sample)| sample * tap(n)).sum::<f32>()
        };
        wav(8_000, &rounded((0..samples.len()).step_by(2).map(low)))
    });
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit").join(name)).unwrap()
}

#[test]
fn a_copy_encoded_as_mp3_is_caught() {
    is_caught("mp_angry.mp3", |_| fixture("YAF_bar_angry.mp3"));
}

#[test]
fn a_copy_encoded_as_ogg_vorbis_is_caught() {
    is_caught("ogg_angry.ogg", |_| fixture("YAF_bar_angry.ogg"));
}

#[test]
fn copies_under_another_label_are_said_to_be() {
    let place = Place::speech();
    put(&place.data, "OAF_fear/OAF_other_fear.mp3", &fixture("YAF_bar_sad.mp3"));
    let report = place.prepare();
    assert_eq!(report.near_duplicates.len(), 1);
    assert!(report.near_duplicates[0].labels_differ);
    let doubt = &report.doubts[0];
    assert_eq!(doubt.path, "YAF_sad/YAF_bar_sad.wav");
    assert!(
        doubt.text.contains("a copy of OAF_fear/OAF_other_fear.mp3, which is labelled fear"),
        "{doubt:?}"
    );
    assert!(report.needs_attention());
    assert!(
        ser::tables::preparation(&report).contains("under another label"),
        "{}",
        ser::tables::preparation(&report)
    );
}

#[test]
fn one_sound_of_two_speakers_is_doubtful() {
    let place = Place::speech();
    let bytes = fs::read(place.data.join(ORIGINAL)).unwrap();
    put(&place.data, "OAF_angry/OAF_same_angry.wav", &bytes);
    let report = place.prepare();
    assert_eq!(report.duplicates.len(), 1);
    let doubt = &report.doubts[0];
    assert_eq!(doubt.path, ORIGINAL);
    assert!(
        doubt.text.contains("is of speaker YAF, and sounds as OAF_angry/OAF_same_angry.wav of speaker OAF")
    );
    assert!(report.needs_attention());
    // Of one speaker it is an ordinary copy.
    fs::rename(
        place.data.join("OAF_angry/OAF_same_angry.wav"),
        place.data.join("YAF_angry/YAF_same_angry.wav"),
    )
    .unwrap();
    let report = place.prepare();
    assert_eq!((report.duplicates.len(), report.doubts.len()), (1, 0), "{:?}", report.doubts);
}

#[test]
fn speakers_and_words_that_are_heard_in_training_are_named_and_counted() {
    let place = Place::speech();
    let report = place.prepare();
    let random = &report.audits["random"];
    assert_eq!(random.shared_speakers, ["OAF", "YAF"]);
    assert!(random.shared_words > 0 && random.shared_words <= random.test_words);
    let findings: Vec<String> = random.findings().iter().map(ToString::to_string).collect();
    let findings = findings.join("\n");
    assert!(findings.contains("leak: 2 of 2 speakers") && findings.contains(": OAF, YAF"), "{findings}");
    let (word, speaker) = (&report.audits["word"], &report.audits["speaker-OAF"]);
    assert_eq!((word.shared_words, word.shared_speakers.len()), (0, 2));
    assert_eq!((speaker.shared_words, speaker.shared_speakers.len()), (speaker.test_words, 0));
}

#[test]
fn a_clean_synthetic_corpus_is_not_accused() {
    let place = Place::new();
    speech(&place.data, 20);
    let report = place.prepare();
    assert_eq!(report.near_duplicates, []);
    for (protocol, audit) in &report.audits {
        assert_eq!(audit.near_duplicates_across_sides, Some(0), "{protocol}");
        assert_eq!((audit.identical_sounds_across_sides, audit.copies_apart), (0, Some(0)), "{protocol}");
        require(&[Requirement::NoNearDuplicates], protocol, audit).unwrap();
    }
    let speaker = &report.audits["speaker-YAF"];
    require(&[Requirement::SpeakerIndependent], "speaker-YAF", speaker).unwrap();
    require(&[Requirement::WordIndependent], "word", &report.audits["word"]).unwrap();
}

#[test]
fn the_real_tess_is_not_accused() {
    let Some(tess) = std::env::var_os("SER_TESS").filter(|path| !path.is_empty()) else {
        eprintln!("SKIPPED: set SER_TESS to the folder of TESS");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = options(Path::new(&tess), &folder.path().join("cache"));
    let report = prepare(&options, &Storage::native(), &Silent).unwrap();
    assert_eq!(report.near_duplicates, []);
    // Durations differ so much between its classes that they say much by themselves.
    let duration = &report.audits["random"].shortcuts[0];
    assert!(duration.cue == Cue::Duration && duration.uar > 2.0 * duration.chance, "{duration}");
}

#[test]
fn the_real_ravdess_is_not_accused() {
    let Some(ravdess) = std::env::var_os("SER_RAVDESS").filter(|path| !path.is_empty()) else {
        eprintln!("SKIPPED: set SER_RAVDESS to the folder of RAVDESS");
        return;
    };
    for features in [FeatureConfig::default(), FeatureConfig::log_mel()] {
        let folder = tempfile::tempdir().unwrap();
        let options =
            PrepareOptions { features, ..options(Path::new(&ravdess), &folder.path().join("cache")) };
        let report = prepare(&options, &Storage::native(), &Silent).unwrap();
        assert_eq!(report.near_duplicates, []);
    }
}

#[test]
fn two_takes_with_one_spectrogram_are_no_copies_for_their_waveforms_differ() {
    let place = Place::speech();
    // The same moments of loudness in every band, with the waveform of another take: each block of a few periods upside
    // down or not, by chance.
    let original = place.original();
    let turned = original.chunks(400).zip(noise(3, original.len())).flat_map(|(block, chance)| {
        let sign = if chance > 0 { 1.0 } else { -1.0 };
        block.iter().map(move |sample| sign * sample)
    });
    put(&place.data, "OAF_angry/OAF_turned_angry.wav", &wav(RATE, &rounded(turned)));
    assert_eq!(place.prepare().near_duplicates, []);
}

#[test]
fn near_duplicates_are_found_whatever_the_features_are() {
    for features in [
        FeatureConfig::log_mel(),
        FeatureConfig::mfcc_mean_subtracted(),
        FeatureConfig::librosa(),
        // Frames too far apart, and too few coefficients: the recordings themselves are looked at.
        FeatureConfig { hop_length: 1024, n_fft: 1024, win_length: 1024, ..FeatureConfig::default() },
        FeatureConfig { n_mfcc: 4, ..FeatureConfig::default() },
    ] {
        let place = Place::speech();
        put(&place.data, "OAF_angry/OAF_mp_angry.mp3", &fixture("YAF_bar_angry.mp3"));
        let options = PrepareOptions { features, ..options(&place.data, &place.out) };
        let report = prepare(&options, &Storage::native(), &Silent).unwrap();
        assert_eq!(report.near_duplicates.len(), 1, "{:?}", options.features);
        // What is said of a pair is how well its waveforms correlate.
        let similarity = report.near_duplicates[0].similarity;
        assert!(similarity > 0.95 && similarity <= 1.0, "{similarity}");
        assert_eq!(report.audits["speaker-OAF"].near_duplicates_across_sides, Some(1));
    }
}

#[test]
fn a_measurement_of_an_older_version_is_no_damage_and_is_made_again() {
    let place = Place::speech();
    place.prepare();
    let path = place.audit_file();
    let whole = fs::read_to_string(&path).unwrap();
    let older = whole.replacen("\"version\":2", "\"version\":1", 1);
    assert_ne!(older, whole);
    fs::write(&path, older).unwrap();
    assert!(verify(&place.out, 0, &Silent).unwrap().is_whole());
    place.prepare();
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn of_near_duplicates_one_is_kept_if_asked_for() {
    let place = Place::speech();
    put(&place.data, "OAF_angry/OAF_mp_angry.mp3", &fixture("YAF_bar_angry.mp3"));
    put(&place.data, "OAF_angry/OAF_ogg_angry.ogg", &fixture("YAF_bar_angry.ogg"));
    let (reported, kept) = (place.prepare(), place.prepare_with(NearDuplicates::KeepOne));
    assert_eq!((reported.used, kept.used), (86, 84));
    assert_eq!((reported.duplicates.len(), kept.duplicates.len()), (0, 2));
    assert!(kept.duplicates.iter().all(|copy| copy.kept == "OAF_angry/OAF_mp_angry.mp3"), "{kept:?}");
    assert!(kept.audits.values().all(|audit| audit.near_duplicates_across_sides == Some(0)));
}

#[test]
fn copies_that_a_table_names_are_no_near_duplicates_of_their_parents() {
    let place = Place::speech();
    let mut table = "path,label,parent\n".to_owned();
    for (path, bytes) in crate::common::contents(&place.data) {
        let label = path.split(['_', '/']).nth(1).unwrap().to_lowercase();
        let copy = path.replace(".wav", "-soft.wav");
        let samples = bytes[44..].as_chunks::<2>().0.iter();
        put(
            &place.data,
            &copy,
            &wav(RATE, &rounded(samples.map(|b| 0.5 * f32::from(i16::from_le_bytes(*b))))),
        );
        table += &format!("{path},{label},\n{copy},{label},{path}\n");
    }
    let labels = place.out.with_file_name("labels.csv");
    fs::write(&labels, table).unwrap();
    let mut options = options(&place.data, &place.out);
    options.labels = vec![labels.to_str().unwrap().parse().unwrap()];
    options.near_duplicates = NearDuplicates::KeepOne;
    let report = prepare(&options, &Storage::native(), &Silent).unwrap();
    assert_eq!(
        (report.used, report.duplicates.len(), report.near_duplicates.len()),
        (168, 0, 0),
        "{report:?}"
    );
}

#[test]
fn duration_alone_is_worth_everything_where_each_class_has_its_own_and_a_guess_where_all_are_equal() {
    let place = Place::new();
    for (number, class) in ["angry", "calm", "sad"].into_iter().enumerate() {
        for file in 0..12 {
            let samples = noise((number * 100 + file + 1) as u32, 1600 * (number + 2) + file);
            put(&place.data, &format!("{class}/{file}.wav"), &wav(RATE, &samples));
        }
    }
    let duration = |report: &PrepareReport| report.audits["random"].shortcuts[0];
    let found = duration(&place.prepare());
    assert_eq!((found.cue, found.uar, found.chance), (Cue::Duration, 1.0, 1.0 / 3.0));

    let place = Place::new();
    plain_corpus(&place.data, &["angry", "calm", "sad"], 12);
    let report = place.prepare();
    assert_eq!(duration(&report).uar, 1.0 / 3.0);
    assert!(
        ser::tables::preparation(&report).contains("speakers unknown, words unknown; duration alone 0.33")
    );
}

#[test]
fn a_run_again_takes_the_measurement_from_the_cache_and_one_about_other_recordings_does_not() {
    let place = Place::speech();
    put(&place.data, "OAF_angry/OAF_mp_angry.mp3", &fixture("YAF_bar_angry.mp3"));
    assert_eq!(place.prepare().near_duplicates.len(), 1);
    // A different but intact measurement is trusted, so nothing was measured again.
    let path = place.audit_file();
    let text = fs::read_to_string(&path).unwrap();
    let (header, content) = text.trim_end().split_once('\n').unwrap();
    let mut header: serde_json::Value = serde_json::from_str(header).unwrap();
    let mut content: serde_json::Value = serde_json::from_str(content).unwrap();
    content["near_duplicates"] = serde_json::json!([]);
    let content = content.to_string();
    let (id, of) = (header["feature_set"].as_str().unwrap(), header["of"].as_str().unwrap());
    let checksum = Sha::of(&[id.as_bytes(), &of.parse::<Sha>().unwrap().0, content.as_bytes()]);
    header["checksum"] = checksum.to_string().into();
    fs::write(&path, format!("{header}\n{content}\n")).unwrap();
    assert!(verify(&place.out, 0, &Silent).unwrap().is_whole());
    assert_eq!(place.prepare().near_duplicates.len(), 0);
    // Another recording makes it one about other recordings.
    put(&place.data, "OAF_angry/OAF_ogg_angry.ogg", &fixture("YAF_bar_angry.ogg"));
    assert_eq!(place.prepare().near_duplicates.len(), 3);
}

#[test]
fn a_damaged_measurement_is_noticed_and_rebuilt() {
    let place = Place::speech();
    put(&place.data, "OAF_angry/OAF_mp_angry.mp3", &fixture("YAF_bar_angry.mp3"));
    place.prepare();
    let path = place.audit_file();
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let found = verify(&place.out, 0, &Silent).unwrap();
        assert_eq!(found.damage.len(), 1, "byte {at} of {}", whole.len());
    }
    for damaged in [&whole[..0], &whole[..whole.len() / 2], &whole[1..]] {
        fs::write(&path, damaged).unwrap();
        assert!(!verify(&place.out, 0, &Silent).unwrap().is_whole());
        assert_eq!(place.prepare().near_duplicates.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn ser_cache_counts_the_measurement_and_removes_one_that_no_feature_set_needs() {
    let place = Place::speech();
    place.prepare();
    let path = place.audit_file();
    let usage = ser_cache::usage::usage(&place.out).unwrap();
    assert_eq!((usage.audits, usage.foreign), (fs::metadata(&path).unwrap().len(), 0));
    let unneeded = path.with_file_name("0123456789ab.jsonl");
    fs::copy(&path, &unneeded).unwrap();
    // Another test may be starting a program, which holds the files of this process open until it runs.
    let options = GarbageOptions { root: place.out.clone(), drop: Vec::new(), dry_run: false, wait: true };
    let removed = collect(&options, &Storage::native()).unwrap().removed;
    assert_eq!(removed.len(), 1);
    assert!(!unneeded.exists() && path.exists());
}

#[test]
fn the_gate_names_the_speakers() {
    let report = Place::speech().prepare();
    let gate = |requirement, protocol: &str| require(&[requirement], protocol, &report.audits[protocol]);
    let error = gate(Requirement::SpeakerIndependent, "random").unwrap_err().to_string();
    assert!(error.contains("not speaker-independent") && error.contains("OAF, YAF"), "{error}");
    gate(Requirement::SpeakerIndependent, "speaker-OAF").unwrap();
    gate(Requirement::WordIndependent, "word").unwrap();
    gate(Requirement::WordIndependent, "speaker-OAF").unwrap_err();
    // The sessions are unknown, so nothing can be promised about them.
    let error = gate(Requirement::SessionIndependent, "speaker-OAF").unwrap_err().to_string();
    assert!(error.contains("not every recording names its session"), "{error}");
    // An audit from before near-duplicates were searched for promises nothing either.
    let old: Audit = toml::from_str(
        "speakers_known = true\ntest_speakers = []\nshared_speakers = []\nwords_known = true\ntest_words = 0\n\
         shared_words = 0\nidentical_sounds_across_sides = 0",
    )
    .unwrap();
    require(&[Requirement::NoNearDuplicates], "random", &old).unwrap_err();
}

#[test]
fn ser_prep_changes_no_split_where_none_is_what_is_required() {
    let place = Place::new();
    plain_corpus(&place.data, &["angry", "sad"], 10);
    let (data, out) = (place.data.to_str().unwrap(), place.out.to_str().unwrap());
    let ran = ser_prep(["--data", data, "--out", out, "--require", "speaker-independent"]).ends(1);
    assert!(ran.stderr.contains("not every recording names its speaker"), "{ran:?}");
    assert!(!place.out.join("index.bin").exists() && !place.out.join("splits").exists());
    ser_prep(["--data", data, "--out", out, "--require", "no-near-duplicates"]).ends(0);

    let place = Place::speech();
    let (data, out) = (place.data.to_str().unwrap(), place.out.to_str().unwrap());
    let both = ["--require", "speaker-independent", "--require", "no-near-duplicates"];
    ser_prep(["--data", data, "--out", out].into_iter().chain(both)).ends(0);
    let both = ["--require", "speaker-independent", "--require", "word-independent"];
    let ran = ser_prep(["--data", data, "--out", out].into_iter().chain(both)).ends(1);
    assert!(ran.stderr.contains("OAF, YAF"), "{ran:?}");
}
