//! The page in a browser, with a recording in the place of a microphone.

use std::path::{Path, PathBuf};
use std::process::Command;

use ser_audio::pcm16_wav;
use ser_predict::{FrontEnd, Model};
use serde_json::{Value, json};

use crate::support::{checkpoint, model, recordings, repeated, samples};

const RATE: usize = 16_000;

#[test]
fn the_page_hears_a_clip_and_names_its_emotion() {
    let Some(chromium) = chromium() else {
        eprintln!("There is no chromium: the page of ser-serve was not looked at.");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve-page");
    std::fs::create_dir_all(&folder).unwrap();
    let (sound, label) = recognised();
    let (clip, silence) = (folder.join("clip.wav"), folder.join("silence.wav"));
    std::fs::write(&clip, pcm16_wav(&sound, RATE as u32)).unwrap();
    std::fs::write(&silence, pcm16_wav(&[0.0; 4 * RATE], RATE as u32)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/live.py");
    let output = Command::new("python3")
        .arg("-B")
        .arg(script)
        .arg(chromium)
        .arg(&folder)
        .arg(env!("CARGO_BIN_EXE_ser-serve"))
        .arg(checkpoint())
        .args([&clip, &silence])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| found[name].as_str().unwrap_or_else(|| panic!("{name}: {found:#}")).to_owned();

    let words = label.replace('_', " ");
    let answers = found["answers"].as_array().unwrap();
    let right = answers.iter().filter(|answer| **answer == *words).count();
    assert!(3 * right >= 2 * answers.len(), "{words} is heard in {right} of {}: {found:#}", answers.len());
    assert_eq!(text("recording"), words);
    assert_eq!(text("switched"), words, "the answer of a model that is no longer chosen");
    assert!(found["passages"].as_u64().unwrap() >= 1 && found["plays"] == true, "{found:#}");
    let (model, _) = model();
    assert!(text("about").starts_with(&model.about().in_words), "{found:#}");
    assert!(text("certainty").ends_with('.') && !text("announced").is_empty(), "{found:#}");
    assert!(text("lost").contains("Start ser-serve again"));
    assert_eq!(text("stopped"), "Not listening");
    assert!(text("silent").contains("Is it muted"));
    assert!(text("denied").contains("Allow it in the browser's settings"));
    let pressed = &found["pressed"];
    assert_eq!(pressed["opening"], "Stop", "{found:#}");
    assert_eq!((&pressed["answer"], &pressed["button"]), (&"Not listening".into(), &"Listen".into()));
    assert_eq!(pressed["tracks"], json!(["ended"]), "the microphone stays on: {found:#}");
    let refused = &found["refused"];
    assert!(refused["stream"].as_str().unwrap().contains("tries again in 4 seconds"), "{found:#}");
    assert_eq!(refused["sockets"], 2, "it asks and asks: {found:#}");
    let too_long = refused["too_long"].to_string();
    assert!(too_long.contains("No single answer") && too_long.contains("lasts too long"), "{found:#}");
    assert_eq!(found["wrong"], Value::Array(vec![]), "{found:#}");
    assert_eq!(found["errors"], Value::Array(vec![]), "{found:#}");
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// A training recording over and over with a pause at the end, of which the model recognises nearly every window.
fn recognised() -> (Vec<f32>, String) {
    let (mut model, mut front_end) = model();
    let window = (model.about().typical_s * RATE as f64) as usize;
    let share = |model: &mut Model, front_end: &mut FrontEnd, sound: &[f32], label: &str| {
        let windows: Vec<&[f32]> = sound.windows(window).step_by(RATE / 4).collect();
        let clips: Vec<_> =
            windows.iter().filter_map(|samples| front_end.samples(samples, RATE as u32).ok()).collect();
        let answers = model.answer(&clips).unwrap();
        let right = answers.iter().filter(|answer| model.labels()[answer.predicted] == label).count();
        right as f64 / windows.len() as f64
    };
    let candidates = recordings("train").into_iter().map(|(path, label)| {
        let one = samples(&path);
        let mut sound = repeated(&one, one.len() * 6);
        sound.extend(vec![0.0; RATE / 5]);
        let share = share(&mut model, &mut front_end, &sound, &label);
        (share, sound, label)
    });
    let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!(best.0 > 0.9, "the model recognises no recording when it is repeated: {}", best.0);
    (best.1, best.2)
}
