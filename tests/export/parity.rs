//! Every architecture and every kind of features, with random weights, in onnxruntime: probabilities are within 1e-3 of
//! ser's, for speech, tones, noise, silence, and recordings of one sample or of too many.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use ser_audio::LevelNormalisation;
use ser_core::random::Random;
use ser_export::Model;
use ser_features::{FeatureConfig, MelNorm, MelScale, PadMode, Pooling, Preset, ValueType, Window};
use ser_model::FeatureNormalisation;
use ser_model::network::{
    Arch, CnnStatisticsConfig, EncoderHeadConfig, FinetuneConfig, HeadPooling, LoraTarget, NetworkConfig,
    Tune, Views,
};

use crate::common_python::python_with;
use crate::runtime::{answers, write_samples};
use crate::subject::{LABELS, Subject};

/// Of probabilities.
const TOLERANCE: f64 = 1e-3;

fn tone(hz: f32, count: usize) -> Vec<f32> {
    (0..count).map(|n| (TAU * hz * n as f32 / 16_000.0).sin()).collect()
}

pub(crate) fn noise(seed: &str, count: usize, level: f64) -> Vec<f32> {
    let mut random = Random::new(&["noise", seed]);
    (0..count).map(|_| (level * random.normal()) as f32).collect()
}

/// Something like words: bursts of harmonics with pauses.
fn babble(seed: u32, count: usize) -> Vec<f32> {
    let hiss = noise(&seed.to_string(), count, 0.002);
    let voice = |n: usize| {
        let t = n as f32 / 16_000.0;
        let pitch = 120.0 + 30.0 * seed as f32 + 40.0 * (3.0 * t + seed as f32).sin();
        let loud = (5.0 * t + seed as f32).sin().max(0.0);
        let harmonics = (1..12).map(|k| (TAU * pitch * k as f32 * t).sin() / k as f32);
        0.2 * loud * harmonics.sum::<f32>()
    };
    (0..count).map(|n| voice(n) + hiss[n]).collect()
}

/// Recordings by name.
fn clips() -> Vec<(&'static str, Vec<f32>)> {
    let amid_silence: Vec<f32> = [vec![0.0; 9_000], babble(4, 12_000), vec![0.0; 7_000]].concat();
    let not_a_number = [noise("a", 4_000, 0.1), vec![f32::NAN], noise("b", 4_000, 0.1)].concat();
    vec![
        ("words", babble(1, 30_000)),
        ("other words", babble(2, 22_222)),
        ("words amid silence", amid_silence),
        ("a tone of 1 kHz", tone(1_000.0, 16_000)),
        ("a tone between two bins", tone(440.3, 20_000)),
        ("noise", noise("c", 32_000, 0.1)),
        ("a loud click", [vec![0.0; 8_000], vec![1.0], vec![0.0; 8_000]].concat()),
        ("one sample", vec![0.5]),
        ("two samples", vec![0.5, -0.25]),
        ("less than a frame", noise("d", 100, 0.1)),
        ("fewer frames than a derivative wants", babble(3, 1_500)),
        ("as many as a derivative wants", babble(3, 8 * 256)),
        ("all frames of the tensor", babble(5, 199 * 256)),
        ("a few frames too many", babble(5, 203 * 256)),
        ("a few frames more than derivatives reach", babble(5, 215 * 256)),
        ("far too long", babble(6, 160_000)),
        ("silence", vec![0.0; 16_000]),
        ("all but silence", vec![1e-42; 8_000]),
        ("not a number", not_a_number),
        ("infinity", vec![0.25, f32::INFINITY, -0.25]),
    ]
}

/// Compares the answers of `subjects` for all recordings; their domains must tell some recordings from others.
fn ask(subjects: Vec<Subject>) {
    if let Some(told_apart) = compare(subjects, 15) {
        assert!(told_apart, "all recordings are unusual, or none");
    }
}

/// The same, of which at least so many must be `answered`, and whether their domains tell recordings apart; nothing where there
/// is no onnxruntime.
fn compare(subjects: Vec<Subject>, answered: usize) -> Option<bool> {
    let python = python_with("numpy, onnxruntime")?;
    let folder = tempfile::tempdir().unwrap();
    let clips = clips();
    let paths: Vec<PathBuf> =
        (0..clips.len()).map(|number| folder.path().join(format!("{number}.f32"))).collect();
    clips.iter().zip(&paths).for_each(|((_, samples), path)| write_samples(path, samples));
    let models: Vec<PathBuf> = (subjects.iter().enumerate())
        .map(|(number, subject)| exported(&folder.path().join(format!("{number}.onnx")), subject))
        .collect();
    let all = answers(&python, &models, &paths);
    let mut told_apart = false;
    for (mut subject, answers) in subjects.into_iter().zip(all) {
        let (mut seen, mut shares, mut passed) = (Vec::new(), Vec::new(), 0);
        let mut worst = (0.0, "");
        for ((clip, samples), answer) in clips.iter().zip(answers) {
            let name = format!("{}, {clip}", subject.name);
            let Some(probabilities) = subject.answer(samples) else {
                assert!(
                    answer.probabilities.iter().all(Option::is_none),
                    "{name}: {answer:?}, but ser refuses it"
                );
                continue;
            };
            for (said, expected) in answer.probabilities.iter().zip(&probabilities) {
                let off = (said.expect(&name) - expected).abs();
                assert!(off <= TOLERANCE, "{name}: {:?} and {probabilities:?}", answer.probabilities);
                worst = if off > worst.0 { (off, *clip) } else { worst };
            }
            // A distance that is rounded otherwise may pass one of the twenty known.
            let [said, expected] =
                [answer.share_as_unusual, subject.share_as_unusual(samples)].map(|share| share.expect(&name));
            assert!((said - expected).abs() < 1.01 / 21.0, "{name}: {said} as unusual, not {expected}");
            passed += usize::from((said - expected).abs() > 1e-6);
            shares.push(expected);
            seen.push(probabilities);
        }
        // Where all recordings got the same answer, or even ones, nothing would have been compared.
        let spread = |class: usize| {
            let of_class = || seen.iter().map(|probabilities| probabilities[class]);
            of_class().fold(0.0, f64::max) - of_class().fold(1.0, f64::min)
        };
        assert!(
            seen.len() >= answered && (0..LABELS.len()).any(|class| spread(class) > 0.3),
            "{}: {seen:?}",
            subject.name
        );
        assert!(passed <= 1, "{}: {passed} shares are off by one", subject.name);
        told_apart |= shares.iter().any(|share| *share > 0.1) && shares.iter().any(|share| *share < 0.1);
        println!("{:<50} {:.1e} ({})", subject.name, worst.0, worst.1);
    }
    Some(told_apart)
}

fn exported(path: &Path, subject: &Subject) -> PathBuf {
    let model = Model::from_bytes(&subject.checkpoint.to_bytes().unwrap()).unwrap();
    std::fs::write(path, model.to_onnx().unwrap()).unwrap();
    path.to_owned()
}

#[test]
fn every_architecture_and_ensemble_answers_in_onnxruntime_as_in_ser() {
    let features = FeatureConfig::default();
    let none = FeatureNormalisation::None;
    // Those that begin with an encoder are below.
    let mut subjects: Vec<Subject> = Arch::all()
        .into_iter()
        .filter(|arch| arch.name() != "finetune")
        .map(|arch| Subject::new(arch.name(), &arch.default_network(), &features, none, 1))
        .collect();
    let views = CnnStatisticsConfig { views: Views::FeaturesAndCepstrum, ..CnnStatisticsConfig::default() };
    let views = NetworkConfig::new(views);
    subjects.push(Subject::new("two views", &views, &features, none, 1));
    subjects.push(Subject::new("an ensemble of two views", &views, &features, none, 2));
    let lstm = Arch::default().default_network();
    subjects.push(Subject::new("an ensemble of three", &lstm, &features, none, 3));
    ask(subjects);
}

#[test]
fn every_encoder_with_a_graph_answers_in_onnxruntime_as_in_ser() {
    use LoraTarget::{Inner, Key, Outer, Output, Query, Value};
    let lora = FinetuneConfig {
        lora_targets: vec![Query, Key, Value, Output, Inner, Outer],
        lora_rank: 3,
        ..FinetuneConfig::default()
    };
    let top = FinetuneConfig { tune: Tune::Top, top_layers: 1, ..FinetuneConfig::default() };
    let alone = FinetuneConfig { tune: Tune::Head, ..FinetuneConfig::default() };
    // Half a second: there are distances beyond WavLM's last bucket, and recordings that are cut.
    let features = FeatureConfig { max_frames: 8_000, ..Preset::Waveform.config() };
    // Two windows of the speaker encoder; of half a second it would say what it says of the silence after it.
    let long = FeatureConfig { max_frames: 40_000, ..features.clone() };
    let peak = FeatureConfig { normalisation: LevelNormalisation::Peak, ..features.clone() };
    let subjects = [
        ("wav2vec2-base", &lora, &features, 1),
        ("wav2vec2-pickled", &top, &features, 1),
        ("wav2vec2-large", &top, &features, 2),
        ("hubert-base", &lora, &peak, 1),
        ("hubert-large", &lora, &features, 1),
        ("wavlm-base", &lora, &features, 1),
        ("wavlm-large", &top, &features, 1),
        ("data2vec-audio", &lora, &features, 1),
        ("whisper", &lora, &features, 1),
        ("whisper-bf16", &top, &peak, 1),
        ("ge2e", &alone, &long, 1),
    ];
    let subjects = subjects
        .map(|(name, sizes, features, members)| Subject::with_encoder(name, sizes, features, members));
    // Mean and deviation of a waveform tell little of its domain.
    compare(subjects.into(), 15);
}

#[test]
fn every_kind_of_states_answers_in_onnxruntime_as_in_ser() {
    let head = Arch::named("encoder-head").unwrap().default_network();
    let frames = Arch::named("cnn-transformer").unwrap().default_network();
    let [none, utterance, training] =
        [FeatureNormalisation::None, FeatureNormalisation::Utterance, FeatureNormalisation::Training];
    let (mean, f32, f16) = (Pooling::Mean, ValueType::F32, ValueType::F16);
    let subjects = [
        ("wav2vec2-base", &head, ("all", mean, f32), none, 1),
        ("wav2vec2-large", &head, ("all", Pooling::Statistics, f16), training, 2),
        ("hubert-large", &head, ("0,1", mean, f32), none, 1),
        ("wavlm-base", &head, ("all", Pooling::None, f16), training, 1),
        ("wavlm-large", &frames, ("last", Pooling::None, f32), utterance, 1),
        ("data2vec-audio", &head, ("last", Pooling::Statistics, f32), none, 1),
        ("whisper", &head, ("all", Pooling::Statistics, f32), training, 1),
        ("whisper-bf16", &head, ("1", Pooling::None, f32), none, 1),
        ("ge2e", &head, ("all", mean, f32), none, 1),
        ("ge2e", &head, ("1,3", Pooling::None, f32), none, 1),
    ];
    let subjects = subjects
        .map(|(name, network, states, way, members)| Subject::on_states(name, network, states, way, members));
    // The tiny Whisper hears 1 s at once, and what is longer has no answer.
    compare(subjects.into(), 6);
}

#[test]
fn every_kind_of_features_answers_in_onnxruntime_as_in_ser() {
    let network = |arch: &str| Arch::named(arch).unwrap().default_network();
    let [utterance, training, none] =
        [FeatureNormalisation::Utterance, FeatureNormalisation::Training, FeatureNormalisation::None];
    let odd = FeatureConfig {
        n_fft: 401,
        win_length: 300,
        hop_length: 160,
        window: Window::Hamming,
        pad_mode: PadMode::Reflect,
        mel_scale: MelScale::Htk,
        mel_norm: MelNorm::None,
        top_db: None,
        amin: 1e-6,
        n_mels: 33,
        n_mfcc: 13,
        delta_order: 1,
        delta_width: 5,
        max_frames: 99,
        normalisation: LevelNormalisation::Rms,
        ..FeatureConfig::default()
    };
    let bare = FeatureConfig { normalisation: LevelNormalisation::None, ..FeatureConfig::default() };
    let attention = HeadPooling::Attention;
    let attention =
        NetworkConfig::new(EncoderHeadConfig { pooling: attention, ..EncoderHeadConfig::default() });
    let trimmed =
        FeatureConfig { trim_top_db: Some(25.0), mean_subtraction: true, ..FeatureConfig::default() };
    ask(vec![
        Subject::new("log-mel", &network("cnn-statistics"), &Preset::LogMel.config(), none, 1),
        Subject::new(
            "coarse-log-mel",
            &network("cnn-statistics"),
            &Preset::CoarseLogMel.config(),
            utterance,
            1,
        ),
        Subject::new(
            "mfcc-mean-subtracted",
            &network("cnn-transformer"),
            &Preset::MfccMeanSubtracted.config(),
            none,
            1,
        ),
        Subject::new("librosa", &network("cnn-bilstm"), &Preset::Librosa.config(), training, 1),
        Subject::new("reflected", &attention, &odd, utterance, 1),
        Subject::new("not normalised", &network("cnn-transformer"), &bare, training, 1),
        Subject::new("trimmed with derivatives", &network("cnn-bilstm"), &trimmed, none, 1),
    ]);
}

/// Where frames are not centred, less than one is refused, and onnxruntime says so in words of its own.
#[test]
fn frames_that_are_not_centred_answer_in_onnxruntime_as_in_ser() {
    let Some(python) = python_with("numpy, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    let features = FeatureConfig { center: false, ..FeatureConfig::default() };
    let network = Arch::default().default_network();
    let mut subject = Subject::new("not centred", &network, &features, FeatureNormalisation::None, 1);
    let path = folder.path().join("clip.f32");
    let samples = babble(7, 20_000);
    write_samples(&path, &samples);
    let model = exported(&folder.path().join("model.onnx"), &subject);
    let answer = answers(&python, &[model], &[path]).remove(0).remove(0);
    let expected = subject.answer(&samples).unwrap();
    for (said, expected) in answer.probabilities.iter().zip(&expected) {
        assert!((said.unwrap() - expected).abs() <= TOLERANCE, "{answer:?} and {expected:?}");
    }
}
