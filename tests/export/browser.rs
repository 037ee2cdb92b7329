//! The page that `ser-export --web` writes, in a real browser.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ser_audio::{ResamplerPool, pcm16_wav};
use ser_features::FeatureConfig;
use ser_model::FeatureNormalisation;
use ser_model::network::Arch;
use serde::Deserialize;
use serde_json::json;

use crate::common_fit::succeed;
use crate::common_python::python_with;
use crate::corpus::{CLIPS, samples};
use crate::parity::noise;
use crate::runtime::{Answer, write_samples};
use crate::subject::{LABELS, Subject};

/// What tests/browser/export.py found.
#[derive(Deserialize)]
struct Found {
    answers: Vec<Answer>,
    files: Vec<Opened>,
    over: OpenedOver,
    wrong: Vec<String>,
    heard: Heard,
    /// How many microphones two clicks at once opened, and how many of their tracks were on after one more click.
    microphones: [usize; 2],
    silence: Listened,
    complaints: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Opened {
    answer: String,
    state: String,
    rows: usize,
}

/// A file that was opened while another, a long one, was being judged.
#[derive(Debug, Deserialize)]
struct OpenedOver {
    #[serde(flatten)]
    opened: Opened,
    /// Stretches of the other that were asked about after that.
    asked_of_first: isize,
}

#[derive(Debug, Deserialize)]
struct Listened {
    said: Vec<String>,
    state: String,
    stopped: String,
}

/// The part of what a microphone heard that was asked about last.
#[derive(Deserialize)]
struct Heard {
    #[serde(flatten)]
    listened: Listened,
    samples: Vec<f32>,
    rate: u32,
    /// The one that was shown, and the one to the same samples asked about again.
    answers: [Vec<f64>; 2],
}

/// The folder that `./just web-runtime` fetches the runtime into.
fn runtime() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/onnxruntime-web");
    let complete = ser_export::RUNTIME_FILES.iter().all(|name| folder.join(name).is_file());
    if !complete {
        eprintln!("SKIPPED: {} lacks onnxruntime-web; ./just web-runtime fetches it", folder.display());
    }
    complete.then_some(folder)
}

fn chromium() -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("SKIPPED: there is no chromium on the PATH");
    }
    found
}

/// A steady vowel of this pitch, which sounds the same in every window.
fn vowel(pitch: f32, seconds: f32) -> Vec<f32> {
    vowel_at(16_000, pitch, seconds)
}

fn vowel_at(rate: u32, pitch: f32, seconds: f32) -> Vec<f32> {
    let sample = |n: usize| {
        let t = n as f32 / rate as f32;
        let harmonics =
            (1..20).map(|k| (std::f32::consts::TAU * pitch * k as f32 * t).sin() / (k * k) as f32);
        0.3 * harmonics.sum::<f32>()
    };
    (0..(seconds * rate as f32) as usize).map(sample).collect()
}

/// How alike samples are to themselves a period later: 1 where they repeat.
fn periodicity(samples: &[f32], period: f64) -> f64 {
    let lag = period.round() as usize;
    let pairs = || samples.iter().zip(&samples[lag..]).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    product / pairs().map(|(a, b)| (a * a + b * b) / 2.0).sum::<f64>()
}

/// Recordings of TESS from all over the corpus, if there is a copy.
fn of_tess() -> Vec<Vec<f32>> {
    let Some(tess) = std::env::var_os("SER_TESS").filter(|path| !path.is_empty()) else {
        eprintln!("SER_TESS does not name a copy of TESS: the browser is asked about synthetic sounds alone");
        return Vec::new();
    };
    let files =
        walkdir::WalkDir::new(tess).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "wav")).collect();
    assert!(files.len() > CLIPS);
    files.iter().step_by(files.len() / CLIPS).take(CLIPS).map(|path| samples(path)).collect()
}

fn most_probable(probabilities: &[f64]) -> &'static str {
    let best = probabilities.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap().0;
    LABELS[best]
}

#[test]
fn the_page_hears_and_reads_and_answers_in_chromium_as_ser_does() {
    let (Some(chromium), Some(runtime)) = (chromium(), runtime()) else { return };
    let Some(python) = python_with("http.server") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let network = Arch::named("cnn-statistics").unwrap().default_network();
    let features = FeatureConfig::default();
    let mut subject = Subject::new("page", &network, &features, FeatureNormalisation::Utterance, 1);
    subject.write(&folder.join("best.pt"));
    let mut export = Command::new(env!("CARGO_BIN_EXE_ser-export"));
    succeed(export.current_dir(folder).args(["--web", "page", "--runtime"]).arg(&runtime));

    let mut clips = vec![vowel(140.0, 1.0), vowel(230.0, 2.5), vec![0.0; 8_000]];
    clips.extend(of_tess());
    let mut paths = Vec::new();
    for (number, clip) in clips.iter().enumerate() {
        paths.push((folder.join(format!("{number}.f32")), 16_000));
        write_samples(&paths[number].0, clip);
    }
    let at_44100 = folder.join("44100.f32");
    let mut fast = vowel_at(44_100, 200.0, 1.5);
    // Without some noise the upper half of the spectrum would be the rounding errors of each resampler.
    let noise = noise("44100", fast.len(), 0.003);
    fast.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise);
    write_samples(&at_44100, &fast);
    paths.push((at_44100, 44_100));
    let wav = |name: &str, samples: &[f32]| {
        let path = folder.join(name);
        std::fs::write(&path, pcm16_wav(samples, 16_000)).unwrap();
        path
    };
    let recording = vowel(180.0, 12.0);
    let files = [
        wav("short.wav", &clips[1]),
        wav("long.wav", &recording[..160_000]),
        wav("longest.wav", &recording[..16_000].repeat(602)),
    ];
    let task = json!({
        "clips": paths, "files": files,
        "recording": wav("recording.wav", &recording), "silence": wav("silence.wav", &vec![0.0; 16_000]),
    });
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/export.py"))
        .args([chromium.as_path(), &folder.join("page"), &folder.join("shots")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Found = serde_json::from_slice(&output.stdout).unwrap();

    let (resampled_answer, answers) = found.answers.split_last().unwrap();
    // The page has a resampler of its own.
    let mut resampled = Vec::new();
    ResamplerPool::new(16_000).get(44_100).unwrap().process(&fast, &mut resampled).unwrap();
    for (said, expected) in resampled_answer.probabilities.iter().zip(subject.answer(&resampled).unwrap()) {
        let off = (said.unwrap() - expected).abs();
        assert!(off < 0.01, "{resampled_answer:?} and {expected}: {off:.4}");
    }
    assert_eq!(answers.len(), clips.len());
    let mut largest: f64 = 0.0;
    for (samples, answer) in clips.iter().zip(answers) {
        let unusual = subject.share_as_unusual(samples);
        assert_eq!(answer.share_as_unusual.is_some(), unusual.is_some());
        let off = answer.share_as_unusual.unwrap_or_default() - unusual.unwrap_or_default();
        assert!(off.abs() < 1.01 / 21.0, "{answer:?} and {unusual:?}");
        let Some(expected) = subject.answer(samples) else {
            assert!(answer.probabilities.iter().all(Option::is_none), "{answer:?}");
            continue;
        };
        for (said, expected) in answer.probabilities.iter().zip(&expected) {
            let off = (said.unwrap() - expected).abs();
            assert!(off <= 1e-3, "{answer:?} and {expected:?}");
            largest = largest.max(off);
        }
    }
    println!("{} recordings in the browser: probabilities within {largest:.1e}", clips.len());
    let [short, long, longest] = &found.files[..] else { panic!("{:?}", found.files) };
    let expected = most_probable(&subject.answer(&clips[1]).unwrap());
    assert_eq!((short.answer.as_str(), short.rows), (expected, 0), "{short:?}");
    assert_eq!(short.state, "short.wav, 2.5 s.");
    assert_eq!(long.rows, 4, "{long:?}");
    let expected = most_probable(&subject.answer(&recording[..48_000]).unwrap());
    assert_eq!(long.answer, expected, "{long:?}");
    assert_eq!((longest.state.as_str(), longest.rows), ("longest.wav, the first 600 s of 602 s.", 200));
    let OpenedOver { opened, asked_of_first } = &found.over;
    let of_short = (short.answer.as_str(), short.state.as_str(), short.rows);
    assert_eq!((opened.answer.as_str(), opened.state.as_str(), opened.rows), of_short);
    assert_eq!(*asked_of_first, 0, "what is no longer shown is not asked about");
    let heard = &found.heard;
    assert!(heard.listened.state.starts_with("Listening at "), "{:?}", heard.listened);
    assert_eq!(heard.listened.stopped, "Stopped.");
    assert!(heard.listened.said.iter().all(|said| LABELS.contains(&said.as_str())), "{:?}", heard.listened);
    let periodic = periodicity(&heard.samples, f64::from(heard.rate) / 180.0);
    assert!(periodic > 0.8, "a vowel of 180 Hz is not what was heard: {periodic:.2}");
    let [shown, again] = &heard.answers;
    assert_eq!(shown, again);
    assert_eq!(found.microphones, [1, 0], "two clicks open one microphone, which a third ends");
    assert_eq!(found.silence.said, ["silence"], "{:?}", found.silence);
    assert_eq!(found.wrong, [""; 0]);
    assert_eq!(found.complaints, [""; 0]);
}
