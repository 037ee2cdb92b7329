//! `voices FOLDER`: changes the speech in FOLDER/original, raw f32 at 16 kHz, with ser and with libraries.
//! Writes FOLDER/LIBRARY/CHANGE/VALUE/NAME; prints CPU milliseconds per second of speech, of the second of two runs.

use rustix::time::{ClockId, clock_gettime};
use ser_features::augmentation::{Augmenter, AugmentationRecipe};
use ser_core::random::Random;
use std::{error::Error, fs, num::NonZeroU16, num::NonZeroU32, path::Path, time::Duration};

type Run = Box<dyn FnMut(&[f32]) -> Vec<f32>>;
const RATE: NonZeroU32 = NonZeroU32::new(16_000).unwrap();
const CHANGES: [(&str, [f64; 4]); 3] = [
    ("pitch", [-5.0, -3.0, 3.0, 5.0]),
    ("stretch", [0.74, 0.87, 1.15, 1.35]),
    ("formants", [0.82, 0.91, 1.1, 1.22]),
];

fn ours(change: &str, value: f64) -> Run {
    let step = match change {
        "pitch" => format!("kind = 'pitch-shift'\nsemitones = {value:.1}"),
        "stretch" => format!("kind = 'time-stretch'\nfactor = {value}"),
        _ => format!("kind = 'vtlp'\nfactor = {value}"),
    };
    let recipe = AugmentationRecipe::from_toml(&format!("[[waveform]]\n{step}")).expect("a recipe");
    let mut augmenter = Augmenter::new(&recipe, RATE.get()).expect("a sample rate");
    Box::new(move |speech| {
        let mut out = Vec::new();
        augmenter.augment(speech, &mut Random::new(&[]), &mut |_| None, &mut out).expect("speech");
        out
    })
}

fn signalsmith(change: &str, value: f64, block_s: f64) -> Run {
    let block = (block_s * f64::from(RATE.get())) as usize;
    let mut stretch = signalsmith_stretch::Stretch::new(1, block, block / 4);
    let or = |wanted, otherwise| if change == wanted { value } else { otherwise };
    let duration = or("stretch", 1.0);
    stretch.set_transpose_factor_semitones(or("pitch", 0.0) as f32, None);
    stretch.set_formant_factor(or("formants", 1.0) as f32, true);
    Box::new(move |speech| {
        let mut out = vec![0.0; (speech.len() as f64 * duration).round() as usize];
        stretch.reset();
        assert!(stretch.exact(speech, &mut out), "too short for this library");
        out
    })
}

fn cpu_ms() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time").as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder")?;
    let mut speech = Vec::new();
    for entry in fs::read_dir(Path::new(&folder).join("original"))? {
        let entry = entry?;
        speech.push((entry.file_name(), bytemuck::pod_collect_to_vec::<u8, f32>(&fs::read(entry.path())?)));
    }
    let seconds =
        speech.iter().map(|(_, samples)| samples.len()).sum::<usize>() as f64 / f64::from(RATE.get());
    for (change, value) in CHANGES.iter().flat_map(|(change, values)| values.map(|value| (*change, value))) {
        let mut libraries = vec![
            ("ser", ours(change, value)),
            ("signalsmith-stretch", signalsmith(change, value, 0.12)),
            ("signalsmith-stretch at 50 ms", signalsmith(change, value, 0.05)),
        ];
        if change == "stretch" {
            let run = move |x: &[f32]| {
                wsola::stretch(x, RATE, NonZeroU16::MIN, (1.0 / value) as f32).expect("speech")
            };
            libraries.push(("wsola", Box::new(run)));
        }
        for (library, mut run) in libraries {
            let to = Path::new(&folder).join(format!("{library}/{change}/{value}"));
            fs::create_dir_all(&to)?;
            let mut spent = 0.0;
            for (name, samples) in &speech {
                run(samples);
                let start = cpu_ms();
                let out = run(samples);
                spent += cpu_ms() - start;
                fs::write(to.join(name), bytemuck::cast_slice(&out))?;
            }
            println!("{library}\t{change}\t{value}\t{:.3}", spent / seconds);
        }
    }
    Ok(())
}
