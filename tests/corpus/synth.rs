//! The synthetic corpus: its shape, its reproducibility, its oddities, and that it sounds the way it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ser_core::ErrorKind;
use ser_synth::{
    Emotion, MAX_SPEAKERS, Oddity, Summary, SynthCorpus, SynthOptions, WORD_COUNT, speakers, utterance, words,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const RATE: u32 = 24_414;

fn small() -> SynthOptions {
    SynthOptions { words: 2, ..SynthOptions::default() }
}

fn written(options: SynthOptions) -> (TempDir, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = SynthCorpus::new(options).unwrap().write(folder.path()).unwrap();
    (folder, summary)
}

/// Every file below `folder` with its bytes, by path relative to it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The chunks of a whole RIFF file, each with its body; fails if their sizes do not add up to the file's.
fn chunks(file: &[u8]) -> Vec<(&[u8], &[u8])> {
    assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
    assert_eq!(u32_at(file, 4) as usize, file.len() - 8, "size of the RIFF chunk");
    let mut chunks = Vec::new();
    let mut at = 12;
    while at < file.len() {
        let size = u32_at(file, at + 4) as usize;
        chunks.push((&file[at..at + 4], &file[at + 8..at + 8 + size]));
        at += 8 + size + size % 2;
    }
    assert_eq!(at, file.len(), "chunks fill the file");
    chunks
}

fn pcm(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect()
}

/// The one file with `oddity`: its path and bytes, and the same file of the corpus without oddities.
fn planted(oddity: Oddity) -> (String, Vec<u8>, Vec<u8>) {
    let (folder, summary) = written(SynthOptions { oddities: vec![oddity], ..small() });
    let (plain, _) = written(small());
    let path = summary.oddities[&oddity][0].clone();
    let bytes = fs::read(folder.path().join(&path)).unwrap();
    let original = fs::read(plain.path().join(&path)).unwrap_or_default();
    (path, bytes, original)
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ser-synth")).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

// --- shape ---

#[test]
fn folders_and_files_are_named_as_in_tess() {
    let (folder, summary) = written(small());
    let files = contents(folder.path());
    let folders: BTreeSet<&str> = files.keys().map(|path| path.split('/').next().unwrap()).collect();
    let expected = [
        "OAF_Fear",
        "OAF_Pleasant_surprise",
        "OAF_Sad",
        "OAF_angry",
        "OAF_disgust",
        "OAF_happy",
        "OAF_neutral",
        "YAF_angry",
        "YAF_disgust",
        "YAF_fear",
        "YAF_happy",
        "YAF_neutral",
        "YAF_pleasant_surprised",
        "YAF_sad",
    ];
    assert_eq!(folders.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(files.len(), 2 * 7 * 2);
    assert_eq!((summary.files, summary.folders), (28, 14));
    assert_eq!(summary.bytes, files.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    for path in
        ["OAF_Fear/OAF_bar_fear.wav", "YAF_pleasant_surprised/YAF_bar_ps.wav", "OAF_Sad/OAF_bar_sad.wav"]
    {
        assert!(files.contains_key(path), "{path}");
    }
    let seconds: f64 = files.values().map(|bytes| (bytes.len() - 44) as f64 / 2.0 / f64::from(RATE)).sum();
    assert!((summary.seconds - seconds).abs() < 1e-6);
}

#[test]
fn a_file_is_mono_16_bit_wav_with_a_header_of_44_bytes() {
    let (folder, _) = written(SynthOptions { speakers: 1, emotions: vec![Emotion::Happy], ..small() });
    for (path, bytes) in contents(folder.path()) {
        let chunks = chunks(&bytes);
        let names: Vec<&[u8]> = chunks.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [&b"fmt "[..], &b"data"[..]], "{path}");
        let format = chunks[0].1;
        assert_eq!((format.len(), u16_at(format, 0), u16_at(format, 2)), (16, 1, 1));
        assert_eq!((u32_at(format, 4), u32_at(format, 8)), (RATE, 2 * RATE));
        assert_eq!((u16_at(format, 12), u16_at(format, 14)), (2, 16));
        assert_eq!(bytes.len(), 44 + chunks[1].1.len());
    }
}

#[test]
fn more_speakers_and_fewer_emotions_come_as_asked() {
    let (folder, summary) = written(SynthOptions {
        words: 1,
        speakers: 4,
        emotions: vec![Emotion::Sad, Emotion::Angry],
        ..small()
    });
    assert_eq!(summary.speakers, ["OAF", "YAF", "S03", "S04"]);
    let files = contents(folder.path());
    assert_eq!(files.len(), 8);
    assert!(files.contains_key("S04_angry/S04_bar_angry.wav"));
}

// --- reproducibility ---

#[test]
fn one_thread_and_many_write_the_same_bytes() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = SynthOptions { oddities: Oddity::ALL.to_vec(), ..small() };
        contents(pool.install(|| written(options)).0.path())
    };
    let (one, five) = (on(1), on(5));
    assert_eq!(one.len(), 29);
    assert!(one == five);
}

#[test]
fn an_utterance_does_not_depend_on_the_size_of_its_corpus() {
    let (small_folder, _) = written(small());
    let (large_folder, _) = written(SynthOptions { words: 5, speakers: 3, ..SynthOptions::default() });
    let large = contents(large_folder.path());
    // By the names of files: folders of three speakers are not spelt as those of TESS's two.
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let large: BTreeMap<String, Vec<u8>> =
        large.into_iter().map(|(path, bytes)| (name(&path), bytes)).collect();
    for (path, bytes) in contents(small_folder.path()) {
        assert!(large[&name(&path)] == bytes, "{path}");
    }
}

#[test]
fn every_seed_gives_takes_of_its_own() {
    let takes: BTreeSet<Vec<u32>> = (0..4)
        .map(|seed| utterance("OAF", "moon", Emotion::Neutral, seed, RATE).unwrap())
        .map(|samples| samples.iter().map(|sample| sample.to_bits()).collect())
        .collect();
    assert_eq!(takes.len(), 4);
}

#[test]
fn the_bytes_are_the_same_on_every_machine() {
    // A deliberate change to the synthesiser changes this digest; nothing else may.
    let mut hash = Sha256::new();
    for (speaker, emotion) in ["OAF", "YAF", "S03", "S99"].into_iter().zip(Emotion::ALL) {
        for sample in utterance(speaker, "judge", emotion, 7, 16_000).unwrap() {
            hash.update(sample.to_le_bytes());
        }
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "e811eb50e6bc0f1a442312b0baa60adfc0431116dfa3a89576202be2ce104d0e");
}

// --- sound ---

#[test]
fn every_word_and_voice_stays_within_range_and_of_sensible_length() {
    for (index, word) in words(WORD_COUNT).into_iter().enumerate() {
        let speaker = &speakers(MAX_SPEAKERS)[index % MAX_SPEAKERS];
        let emotion = Emotion::ALL[index % 7];
        let samples = utterance(speaker, word, emotion, 3, 16_000).unwrap();
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(samples.iter().all(|sample| sample.is_finite()), "{speaker} {word} {emotion}");
        assert!((0.1..0.95).contains(&peak), "{speaker} {word} {emotion}: peak {peak}");
        let seconds = samples.len() as f64 / 16_000.0;
        assert!((0.9..2.8).contains(&seconds), "{speaker} {word} {emotion}: {seconds} s");
    }
}

#[test]
fn the_lowest_and_the_highest_sample_rate_work() {
    for rate in [8_000, 192_000] {
        let samples = utterance("YAF", "ship", Emotion::Angry, 0, rate).unwrap();
        let seconds = samples.len() as f64 / f64::from(rate);
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(
            (0.9..2.5).contains(&seconds) && (0.1..0.95).contains(&peak),
            "{rate} Hz: {seconds} s, {peak}"
        );
    }
}

/// Median pitch in Hz over the clearly voiced frames, by autocorrelation.
fn pitch(samples: &[f32]) -> f64 {
    let rate = 16_000.0;
    let loud = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())) * 0.1;
    let mut pitches: Vec<f64> = samples
        .chunks_exact(640)
        .filter(|frame| frame.iter().any(|sample| sample.abs() > loud))
        .filter_map(|frame| {
            let at = |lag: usize| -> f32 { frame[..320].iter().zip(&frame[lag..]).map(|(a, b)| a * b).sum() };
            let best = (40..200).max_by(|a, b| at(*a).total_cmp(&at(*b)))?;
            (at(best) > 0.6 * at(0)).then_some(rate / best as f64)
        })
        .collect();
    pitches.sort_by(f64::total_cmp);
    pitches[pitches.len() / 2]
}

/// How far the loudest 40 ms lie above the mean power of the clip, in decibels.
fn crest(samples: &[f32]) -> f64 {
    let power = |frame: &[f32]| frame.iter().map(|x| f64::from(x * x)).sum::<f64>() / frame.len() as f64;
    let loudest = samples.chunks_exact(640).map(power).fold(0.0, f64::max);
    10.0 * (loudest / power(samples)).log10()
}

/// Mean of `measure` over 12 words.
fn mean(speaker: &str, emotion: Emotion, measure: impl Fn(&[f32]) -> f64) -> f64 {
    let words = words(12);
    let values = words.iter().map(|word| measure(&utterance(speaker, word, emotion, 1, 16_000).unwrap()));
    values.sum::<f64>() / words.len() as f64
}

#[test]
fn the_older_voice_is_lower_than_the_younger() {
    let (older, younger) = (mean("OAF", Emotion::Neutral, pitch), mean("YAF", Emotion::Neutral, pitch));
    assert!((150.0..210.0).contains(&older), "{older} Hz");
    assert!((195.0..260.0).contains(&younger), "{younger} Hz");
    assert!(younger > 1.1 * older, "{older} and {younger} Hz");
}

#[test]
fn anger_is_higher_and_more_dynamic_than_sadness() {
    for speaker in ["OAF", "YAF"] {
        let (angry, sad) = (mean(speaker, Emotion::Angry, pitch), mean(speaker, Emotion::Sad, pitch));
        assert!(angry > 1.15 * sad, "{speaker}: {angry} and {sad} Hz");
        let (angry, sad) = (mean(speaker, Emotion::Angry, crest), mean(speaker, Emotion::Sad, crest));
        assert!(angry > sad + 1.5, "{speaker}: {angry} and {sad} dB");
    }
}

/// How far the band of an /i/'s second formant (2.2–3.4 kHz) lies above that of an /ɑ/'s (0.75–1.5 kHz), in decibels, in
/// the loudest 64 ms of the clip's second half, where the spoken word's vowel is.
fn frontness(samples: &[f32]) -> f64 {
    let power = |frame: &[f32]| frame.iter().map(|x| x * x).sum::<f32>();
    let frame = samples[samples.len() / 2..].windows(1024).step_by(64);
    let frame = frame.max_by(|a, b| power(a).total_cmp(&power(b))).unwrap();
    let transform = ser_fft::single(1024).forward;
    let mut spectrum = transform.make_output_vec();
    transform.process(&mut frame.to_vec(), &mut spectrum).unwrap();
    let band = |low: f32, high: f32| -> f32 {
        spectrum[(low / 15.625) as usize..(high / 15.625) as usize].iter().map(|bin| bin.norm_sqr()).sum()
    };
    f64::from(10.0 * (band(2200.0, 3400.0) / band(750.0, 1500.0)).log10())
}

#[test]
fn the_formants_of_front_and_back_vowels_lie_where_they_should() {
    for speaker in ["OAF", "YAF", "S03", "S04"] {
        for emotion in [Emotion::Neutral, Emotion::Angry, Emotion::Happy] {
            let of = |word| frontness(&utterance(speaker, word, emotion, 0, 16_000).unwrap());
            let (front, back) = (of("deep"), of("dock"));
            assert!(front > back + 10.0, "{speaker} {emotion}: /i/ {front:.1} dB, /ɑ/ {back:.1} dB");
        }
    }
}

// --- oddities ---

#[test]
fn aiff_files_hold_the_same_samples_under_another_header() {
    let (folder, summary) = written(SynthOptions { oddities: vec![Oddity::Aiff], ..small() });
    let (plain, _) = written(small());
    assert_eq!(summary.oddities[&Oddity::Aiff].len(), 2);
    for path in &summary.oddities[&Oddity::Aiff] {
        let file = fs::read(folder.path().join(path)).unwrap();
        assert_eq!((&file[..4], &file[8..16], &file[38..42]), (&b"FORM"[..], &b"AIFFCOMM"[..], &b"SSND"[..]));
        assert_eq!(u32::from_be_bytes(file[4..8].try_into().unwrap()) as usize, file.len() - 8);
        // 24,414 as an 80-bit float: 2^14 · 1.49…; the mantissa's leading bit is explicit.
        assert_eq!(u16::from_be_bytes([file[28], file[29]]), 16_383 + 14);
        assert_eq!(u64::from_be_bytes(file[30..38].try_into().unwrap()) >> 49, 24_414);
        let swapped: Vec<u8> = file[54..].chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        assert!(swapped == fs::read(plain.path().join(path)).unwrap()[44..], "{path}");
    }
}

#[test]
fn the_file_at_another_rate_lasts_as_long() {
    let (path, file, original) = planted(Oddity::Rate);
    assert_eq!(u32_at(chunks(&file)[0].1, 4), 96_000);
    let (here, there) = ((file.len() - 44) as f64 / 96_000.0, (original.len() - 44) as f64 / f64::from(RATE));
    assert!((here - there).abs() < 0.01, "{path}: {here} and {there}");
    let (folder, summary) = written(SynthOptions {
        words: 1,
        sample_rate: 96_000,
        oddities: vec![Oddity::Rate],
        ..SynthOptions::default()
    });
    let file = fs::read(folder.path().join(&summary.oddities[&Oddity::Rate][0])).unwrap();
    assert_eq!(u32_at(&file, 24), 48_000);
}

#[test]
fn half_of_the_files_carry_a_list_chunk_after_the_samples() {
    let (folder, summary) = written(SynthOptions { oddities: vec![Oddity::List], ..small() });
    let (plain, _) = written(small());
    let marked: BTreeSet<&String> = summary.oddities[&Oddity::List].iter().collect();
    assert_eq!(marked.len(), 14);
    for (path, original) in contents(plain.path()) {
        let file = fs::read(folder.path().join(&path)).unwrap();
        let chunks = chunks(&file);
        assert_eq!(chunks.len(), if marked.contains(&path) { 3 } else { 2 }, "{path}");
        assert!(chunks[1].1 == &original[44..]);
        if let Some((name, body)) = chunks.get(2) {
            assert_eq!((*name, &body[..4]), (&b"LIST"[..], &b"INFO"[..]));
        }
    }
}

#[test]
fn one_name_lacks_a_letter() {
    let (path, file, _) = planted(Oddity::Name);
    let (folder, name) = path.split_once('/').unwrap();
    assert_eq!(name.split('_').next().unwrap().len(), 2, "{path}");
    assert!(folder.starts_with("OAF_") || folder.starts_with("YAF_"));
    assert_eq!(chunks(&file).len(), 2);
}

#[test]
fn a_truncated_file_promises_more_samples_than_it_has() {
    let (path, file, original) = planted(Oddity::Truncated);
    assert_eq!(file.len(), original.len() / 2, "{path}");
    assert!(file == original[..file.len()]);
    assert_eq!(u32_at(&file, 40) as usize, original.len() - 44);
}

#[test]
fn empty_silent_and_foreign_files_are_so() {
    assert!(planted(Oddity::Empty).1.is_empty());
    let (_, silent, original) = planted(Oddity::Silent);
    assert_eq!(silent.len(), original.len());
    assert!(chunks(&silent)[1].1.iter().all(|byte| *byte == 0));
    let text = String::from_utf8(planted(Oddity::NotAudio).1).unwrap();
    assert!(text.contains("saved a note"));
}

#[test]
fn a_float_file_has_a_stretch_of_nan_between_speech() {
    let (_, file, original) = planted(Oddity::Nan);
    let chunks = chunks(&file);
    assert_eq!((u16_at(chunks[0].1, 0), u16_at(chunks[0].1, 14)), (3, 32));
    let samples: Vec<f32> =
        chunks[1].1.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let bad = samples.iter().filter(|sample| sample.is_nan()).count();
    assert!((samples.len() / 11..samples.len() / 9).contains(&bad), "{bad} of {}", samples.len());
    let pairs = samples.iter().zip(pcm(&original[44..])).filter(|(sample, _)| !sample.is_nan());
    assert!(pairs.map(|(a, b)| (a - b).abs()).all(|error| error < 1e-3));
}

#[test]
fn the_duplicate_is_one_more_file_with_the_same_bytes() {
    let (folder, summary) = written(SynthOptions { oddities: vec![Oddity::Duplicate], ..small() });
    let [copy] = summary.oddities[&Oddity::Duplicate].as_slice() else { panic!("{:?}", summary.oddities) };
    let original = copy.split_once('/').unwrap().1;
    let read = |path: &str| fs::read(folder.path().join(path)).unwrap();
    assert!(read(copy) == read(original));
    assert_eq!(summary.files, 29);
    assert_eq!(contents(folder.path()).len(), 29);
}

#[test]
fn all_oddities_fall_on_different_files() {
    let (folder, summary) = written(SynthOptions { oddities: Oddity::ALL.to_vec(), ..small() });
    assert_eq!(summary.oddities.len(), Oddity::ALL.len());
    let paths: Vec<&String> = summary.oddities.values().flatten().collect();
    assert!(paths.iter().all(|path| folder.path().join(path).is_file()));
    let alone = summary.oddities.iter().filter(|(oddity, _)| **oddity != Oddity::List);
    let alone: Vec<&String> = alone.flat_map(|(_, paths)| paths).collect();
    assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), 10);
    assert!(alone.iter().all(|path| !summary.oddities[&Oddity::List].contains(path)));
}

#[test]
fn too_few_utterances_for_the_oddities_are_refused() {
    let options = SynthOptions {
        words: 1,
        speakers: 1,
        emotions: vec![Emotion::Sad],
        oddities: vec![Oddity::Aiff],
        ..SynthOptions::default()
    };
    let error = SynthCorpus::new(options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().starts_with("2 utterances are needed"), "{error}");
}

// --- the command ---

#[test]
fn the_command_prints_a_table_and_lists_what_it_planted() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/corpus");
    let out = folder.to_str().unwrap();
    let run = command(&["--out", out, "--words", "2", "--oddities"]);
    assert!(run.status.success(), "{}", stderr(&run));
    let table = String::from_utf8(run.stdout).unwrap();
    for row in
        ["files      29 in 15 folders", "speakers   OAF, YAF", "words      2", "at 24414 Hz", "seed       0"]
    {
        assert!(table.contains(row), "{row:?} in\n{table}");
    }
    for &oddity in Oddity::ALL {
        assert!(table.lines().any(|line| line.starts_with(oddity.name())), "{oddity} in\n{table}");
    }
    assert_eq!(contents(&folder).len(), 29);
}

#[test]
fn json_is_one_object_and_quiet_is_silent() {
    let parent = tempfile::tempdir().unwrap();
    let folder = |name| parent.path().join(name).to_str().unwrap().to_owned();
    let options = ["--words", "1", "--speakers", "1", "--emotions", "ps,angry", "--oddities", "list"];
    let run = command(&[&["--out", &folder("a"), "--json"], &options[..]].concat());
    assert!(run.status.success() && run.stderr.is_empty(), "{}", stderr(&run));
    let value: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(value["files"], 2);
    assert_eq!(value["emotions"], serde_json::json!(["angry", "pleasant_surprise"]));
    assert_eq!(value["oddities"]["list"].as_array().unwrap().len(), 1);
    assert_eq!((&value["sample_rate"], &value["seed"]), (&24_414.into(), &0.into()));

    let run = command(&[&["--out", &folder("b"), "--quiet"], &options[..]].concat());
    assert!(run.status.success() && run.stderr.is_empty() && run.stdout.is_empty());
    assert!(contents(&parent.path().join("a")) == contents(&parent.path().join("b")));
}

#[test]
fn a_folder_that_holds_something_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let (mine, theirs) =
        (folder.path().join("OAF_angry/OAF_bar_angry.wav"), folder.path().join("thesis.txt"));
    fs::create_dir(folder.path().join("OAF_angry")).unwrap();
    fs::write(&mine, "old").unwrap();
    fs::write(&theirs, "precious").unwrap();
    let run = command(&["--out", out, "--words", "1"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains(&format!("{out}: is not empty")) && stderr(&run).contains("--force"));
    assert_eq!(contents(folder.path()).len(), 2);

    let run = command(&["--out", out, "--words", "1", "--force"]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(fs::read(&theirs).unwrap(), b"precious");
    assert_eq!(&fs::read(&mine).unwrap()[..4], b"RIFF");
    assert_eq!(contents(folder.path()).len(), 15);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let out = file.join("corpus");
    let run = command(&["--out", out.to_str().unwrap(), "--words", "1"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains(out.to_str().unwrap()), "{}", stderr(&run));
}

#[test]
fn absurd_options_are_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("corpus");
    for (options, message) in [
        (&["--words", "0"][..], "0 words are too few; ask for 1 to 223"),
        (&["--words", "224"], "224 words are too many; ask for 1 to 223"),
        (&["--speakers", "0"], "0 speakers are too few; ask for 1 to 99"),
        (&["--speakers", "100"], "100 speakers are too many; ask for 1 to 99"),
        (&["--sample-rate", "7999"], "7999 Hz is outside 8000 to 192000 Hz"),
        (&["--sample-rate", "192001"], "192001 Hz is outside 8000 to 192000 Hz"),
        (&["--oddities", "aiff,ghost"], "unknown oddity \"ghost\"; choose among aiff, rate"),
        (&["--emotions", "bored"], "invalid value 'bored'"),
        (&["--words", "-1"], "'-1'"),
        (&["--seed", "x"], "invalid value 'x'"),
    ] {
        let run = command(&[&["--out", out.to_str().unwrap()], options].concat());
        assert_eq!(run.status.code(), Some(2), "{options:?}");
        assert!(stderr(&run).contains(message), "{options:?}: {}", stderr(&run));
        assert!(!out.exists());
    }
    assert_eq!(command(&[]).status.code(), Some(2));
}

#[test]
fn unknown_speakers_words_and_rates_are_refused_by_the_library() {
    for (speaker, word, rate, message) in [
        ("XAF", "moon", RATE, "unknown speaker \"XAF\""),
        ("S02", "moon", RATE, "unknown speaker \"S02\""),
        ("OAF", "synthesiser", RATE, "the word \"synthesiser\" is not in the list"),
        ("OAF", "moon", 0, "a sample rate of 0 Hz is outside"),
    ] {
        let error = utterance(speaker, word, Emotion::Sad, 0, rate).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
