//! Hidden states compared with those of `transformers`, for every family and every odd option: the fixtures in
//! `tests/fixtures/encoders`, beside the script that made them. And what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use ser_core::ErrorKind;
use ser_features::{EncoderPrecision, Pooling};
use tch::{Device, Kind, Tensor};

use crate::Encoder;

const FIXTURES: [&str; 10] = [
    "wav2vec2-base",
    "wav2vec2-pickled",
    "wav2vec2-large",
    "hubert-base",
    "hubert-large",
    "wavlm-base",
    "wavlm-large",
    "data2vec-audio",
    "whisper",
    "whisper-bf16",
];

/// The largest difference allowed between any number of a state here and in `transformers`, whose states reach 3 to 9.
const TOLERANCE: f64 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders")
}

fn floats(view: &TensorView<'_>) -> Vec<f32> {
    view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The recordings of a fixture, and the states that `transformers` computes of each alone.
fn expected(name: &str) -> Vec<(Vec<f32>, Tensor)> {
    expected_in(&fixtures().join(name))
}

fn expected_in(folder: &Path) -> Vec<(Vec<f32>, Tensor)> {
    let bytes = fs::read(folder.parent().unwrap().join("samples.safetensors")).unwrap();
    let samples = floats(&SafeTensors::deserialize(&bytes).unwrap().tensor("samples").unwrap());
    let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let places = tensors.tensor("utterances").unwrap();
    let places: Vec<usize> =
        places.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as usize).collect();
    let utterances = places.as_chunks::<2>().0.iter().enumerate().map(|(number, [start, length])| {
        let states = tensors.tensor(&format!("states_{number}")).unwrap();
        let shape: Vec<i64> = states.shape().iter().map(|size| *size as i64).collect();
        (
            samples[*start..start + length].to_vec(),
            Tensor::from_slice(&floats(&states)).view(shape.as_slice()),
        )
    });
    utterances.collect()
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let difference = (a - b).abs().max().double_value(&[]);
    assert!(difference.is_finite());
    difference
}

#[test]
fn every_family_computes_the_states_of_transformers_alone_and_in_a_batch() {
    println!("{:18} {:>6} {:>9} {:>9} {:>9}", "", "layers", "largest", "alone", "batch");
    let mut folders: Vec<PathBuf> = FIXTURES.iter().map(|name| fixtures().join(name)).collect();
    // Models of the usual sizes, if `make.py --base` has made them.
    if let Some(more) = std::env::var_os("SER_ENCODERS").filter(|more| !more.is_empty()) {
        let more = fs::read_dir(more).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(more.filter(|path| path.join("expected.safetensors").is_file()));
    }
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let mut encoder = Encoder::open(&folder, Device::Cpu).unwrap();
        let expected = expected_in(&folder);
        let (mut alone, mut largest) = (0.0_f64, 0.0_f64);
        for (samples, states) in &expected {
            let ours = encoder.states(&[samples]).unwrap();
            assert_eq!(states.size()[0] as usize, encoder.layers() + 1);
            assert_eq!(states.size()[1] as usize, encoder.frames_of(samples.len()), "{name}");
            assert_eq!(states.size()[2] as usize, encoder.dimension());
            alone = alone.max(difference(&ours[0].states, states));
            largest = largest.max(states.abs().max().double_value(&[]));
        }
        let clips: Vec<&[f32]> = expected.iter().map(|(samples, _)| samples.as_slice()).collect();
        let together = encoder.states(&clips).unwrap();
        let batch = together.iter().zip(&expected);
        let batch = batch.map(|(ours, (_, states))| difference(&ours.states, states)).fold(0.0, f64::max);
        println!("{name:18} {:>6} {largest:>9.2} {alone:>9.1e} {batch:>9.1e}", encoder.layers());
        assert!(largest > 1.0, "{name}: {largest}");
        assert!(alone < TOLERANCE && batch < TOLERANCE, "{name}: alone {alone:e}, in a batch {batch:e}");
    }
}

/// In bf16, which has 8 bits of precision, by how much the states of each layer are off where they are largest.
#[test]
fn every_family_computes_nearly_the_same_in_bf16() {
    for name in FIXTURES {
        let mut encoder =
            Encoder::open_in(&fixtures().join(name), Device::Cpu, EncoderPrecision::Bf16).unwrap();
        for (samples, states) in expected_in(&fixtures().join(name)) {
            let ours = encoder.states(&[&samples]).unwrap().remove(0).states;
            assert_eq!(ours.kind(), Kind::Float);
            let layers = 0..states.size()[0];
            let share = layers.map(|layer| {
                let largest = states.get(layer).abs().max().double_value(&[]);
                difference(&ours.get(layer), &states.get(layer)) / largest
            });
            let share = share.fold(0.0, f64::max);
            println!("{name:18} {share:.1e}");
            assert!(share > 1e-5, "{name}: nothing was computed in bf16");
            assert!(share < 0.05, "{name}: {share:e}");
        }
    }
    let refused = Encoder::open_in(&fixtures().join("ge2e"), Device::Cpu, EncoderPrecision::Bf16);
    assert!(refused.unwrap_err().to_string().contains("computes in f32 alone"));
}

/// Windows of several lengths and levels: the states of the LSTM's layers and the embeddings.
#[test]
fn the_speaker_encoder_computes_the_states_and_embeddings_of_resemblyzer() {
    let folder = fixtures().join("ge2e");
    let bytes = fs::read(fixtures().join("samples.safetensors")).unwrap();
    let samples = floats(&SafeTensors::deserialize(&bytes).unwrap().tensor("samples").unwrap());
    let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let recordings = tensors.tensor("recordings").unwrap();
    let recordings: Vec<f64> =
        recordings.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let clips: Vec<Vec<f32>> = recordings
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[count, level]| {
            let repeated = samples.iter().cycle().take(*count as usize);
            repeated.map(|sample| sample * *level as f32).collect()
        })
        .collect();
    assert_eq!(clips.len(), 4);
    let mut encoder = Encoder::open(&folder, Device::Cpu).unwrap();
    let batch: Vec<&[f32]> = clips.iter().map(Vec::as_slice).collect();
    let together = encoder.states(&batch).unwrap();
    let mut counts = Vec::new();
    for (number, (clip, together)) in clips.iter().zip(&together).enumerate() {
        let view = tensors.tensor(&format!("states_{number}")).unwrap();
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        let states = Tensor::from_slice(&floats(&view)).view(shape.as_slice());
        assert_eq!(encoder.frames_of(clip.len()) as i64, shape[1]);
        counts.push(shape[1]);
        let alone = encoder.states(&[clip]).unwrap();
        let (alone, batch) = (difference(&alone[0].states, &states), difference(&together.states, &states));
        println!(
            "{:18} {:>6} {:>9.2} {alone:>9.1e} {batch:>9.1e}",
            "ge2e",
            3,
            states.abs().max().double_value(&[])
        );
        assert!(alone < TOLERANCE && batch < TOLERANCE, "alone {alone:e}, in a batch {batch:e}");
    }
    assert_eq!(counts, [1, 3, 4, 2]);
}

#[test]
fn pooled_states_are_the_mean_and_the_deviation_of_the_layers_asked_for() {
    for name in ["wavlm-base", "whisper"] {
        let mut encoder = Encoder::open(&fixtures().join(name), Device::Cpu).unwrap();
        let expected = expected(name);
        let clips: Vec<&[f32]> = expected.iter().map(|(samples, _)| samples.as_slice()).collect();
        let layers = [0, encoder.layers() as u32];
        let mean = encoder.pooled(&clips, &layers, Pooling::Mean).unwrap();
        let statistics = encoder.pooled(&clips, &layers, Pooling::Statistics).unwrap();
        let size = encoder.dimension() as i64;
        for (((_, states), mean), statistics) in expected.iter().zip(&mean).zip(&statistics) {
            let mean = Tensor::from_slice(mean).view([2, size]);
            let statistics = Tensor::from_slice(statistics).view([2, 2 * size]);
            for (place, layer) in layers.iter().enumerate() {
                let (place, frames) = (place as i64, states.get(i64::from(*layer)));
                let deviation = (&frames - frames.mean_dim(0, true, Kind::Float)).square();
                let deviation = deviation.mean_dim(0, false, Kind::Float).sqrt();
                let expected = frames.mean_dim(0, false, Kind::Float);
                assert!(difference(&mean.get(place), &expected) < TOLERANCE);
                assert!(difference(&statistics.get(place).narrow(0, 0, size), &expected) < TOLERANCE);
                assert!(difference(&statistics.get(place).narrow(0, size, size), &deviation) < TOLERANCE);
            }
        }
        let too_high = [encoder.layers() as u32 + 1];
        assert!(encoder.pooled(&clips, &too_high, Pooling::Mean).is_err());
    }
}

#[test]
fn recordings_without_a_frame_or_beyond_the_limit_are_refused() {
    for (name, least) in [("wavlm-base", 30), ("whisper", 1), ("ge2e", 1)] {
        let mut encoder = Encoder::open(&fixtures().join(name), Device::Cpu).unwrap();
        assert_eq!((encoder.frames_of(least - 1), encoder.frames_of(least)), (0, 1), "{name}");
        let short = vec![0.1; least - 1];
        assert_eq!(encoder.states(&[&short]).unwrap_err().kind(), ErrorKind::Unusable);
        let long = vec![0.0; encoder.most_samples() + 1];
        let error = encoder.states(&[&long[1..], &long]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        encoder.states(&[&long[..least]]).unwrap();
        let error = encoder.states(&[&[f32::NAN; 900]]).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
    }
}

/// A copy of a fixture that may be changed.
struct Copied(tempfile::TempDir);

impl Copied {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(fixtures().join(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Sets a value of its settings.
    fn set(&self, file: &str, key: &str, value: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let mut json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        json.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        fs::write(self.path(file), serde_json::to_string(&json).unwrap()).unwrap();
    }

    /// Changes the list of its tensors.
    fn change(&self, change: impl FnOnce(&mut Vec<(String, TensorView<'_>)>)) {
        let path = self.path("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let mut tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        change(&mut tensors);
        let changed = safetensors::serialize(tensors, None).unwrap();
        fs::write(&path, changed).unwrap();
    }

    /// What opening it says.
    fn error(&self) -> String {
        Encoder::open(self.0.path(), Device::Cpu).unwrap_err().to_string()
    }
}

#[test]
fn missing_unknown_and_misshapen_tensors_are_refused_by_name() {
    for name in [
        "wav2vec2-base",
        "hubert-base",
        "hubert-large",
        "wavlm-base",
        "data2vec-audio",
        "whisper-bf16",
        "ge2e",
    ] {
        let bytes = fs::read(fixtures().join(name).join("model.safetensors")).unwrap();
        let all = SafeTensors::deserialize(&bytes).unwrap();
        let of_encoder = |name: &&str| {
            let is_head =
                ["projector", "classifier", "layer_weights"].iter().any(|head| name.starts_with(head));
            !is_head && !name.contains("masked_spec_embed") && !name.contains("num_batches_tracked")
        };
        for tensor in all.names().into_iter().filter(of_encoder) {
            let copied = Copied::of(name);
            copied.change(|tensors| tensors.retain(|(name, _)| name != tensor));
            let error = copied.error();
            // Of a weight in two parts either may be missed.
            let part = tensor.replace("parametrizations.weight.original0", "weight_g");
            assert!(error.contains(tensor) || error.contains(&part), "{name} without {tensor}: {error}");
            let copied = Copied::of(name);
            copied.change(|tensors| {
                let (_, view) = tensors.iter_mut().find(|(name, _)| name == tensor).unwrap();
                let mut shape = view.shape().to_vec();
                shape.push(1);
                *view = TensorView::new(view.dtype(), shape, view.data()).unwrap();
            });
            let error = copied.error();
            assert!(error.contains(tensor) && error.contains("of shape ["), "{name} with {tensor}: {error}");
        }
        let copied = Copied::of(name);
        let prefix = match name {
            "hubert-large" => "hubert.",
            "whisper-bf16" => "encoder.",
            _ => "",
        };
        let odd = format!("{prefix}adapter.weight");
        copied.change(|tensors| {
            let view = tensors[0].1.clone();
            tensors.push((odd.clone(), view));
        });
        let error = copied.error();
        assert!(error.contains(&format!("no place for, {odd};")), "{error}");
    }
}

#[test]
fn settings_out_of_reason_are_refused_before_anything_is_allocated() {
    let huge = "4611686018427387904";
    for (name, key, value) in [
        ("wav2vec2-base", "hidden_size", huge),
        ("wav2vec2-base", "hidden_size", "0"),
        ("wav2vec2-base", "hidden_size", "-16"),
        ("wav2vec2-base", "hidden_size", "17"),
        ("wav2vec2-base", "num_attention_heads", "3"),
        ("wav2vec2-base", "num_attention_heads", "0"),
        ("wav2vec2-base", "num_hidden_layers", huge),
        ("wav2vec2-base", "num_hidden_layers", "1"),
        ("wav2vec2-base", "num_hidden_layers", "3"),
        ("wav2vec2-base", "intermediate_size", huge),
        ("wav2vec2-base", "conv_dim", "[]"),
        ("wav2vec2-base", "conv_dim", "[8, 8]"),
        ("wav2vec2-base", "conv_kernel", "[10, 3]"),
        ("wav2vec2-base", "conv_kernel", "[10, 3, 0]"),
        ("wav2vec2-base", "conv_stride", "[5, 2, 0]"),
        ("wav2vec2-base", "conv_stride", "[5, 2, 2, 1]"),
        ("wav2vec2-base", "conv_bias", "true"),
        ("wav2vec2-base", "num_conv_pos_embeddings", huge),
        ("wav2vec2-base", "num_conv_pos_embedding_groups", "3"),
        ("wav2vec2-base", "num_conv_pos_embedding_groups", "0"),
        ("wav2vec2-base", "layer_norm_eps", "-1.0"),
        ("wav2vec2-base", "hidden_act", "\"tanhshrink\""),
        ("wav2vec2-base", "feat_extract_activation", "7"),
        ("wav2vec2-base", "feat_extract_norm", "\"batch\""),
        ("wav2vec2-base", "add_adapter", "true"),
        ("wav2vec2-base", "adapter_attn_dim", "16"),
        ("wav2vec2-base", "model_type", "\"sew\""),
        ("wav2vec2-base", "model_type", "\"hubert\""),
        ("hubert-base", "conv_pos_batch_norm", "false"),
        ("hubert-base", "feat_proj_layer_norm", "true"),
        ("wavlm-base", "num_buckets", "3"),
        ("wavlm-base", "num_buckets", huge),
        ("wavlm-base", "max_bucket_distance", "2"),
        ("data2vec-audio", "num_conv_pos_embeddings", "4"),
        ("data2vec-audio", "conv_pos_kernel_size", "5"),
        ("whisper-bf16", "d_model", huge),
        ("whisper-bf16", "encoder_layers", "0"),
        ("whisper-bf16", "max_source_positions", "1500"),
        ("whisper-bf16", "max_source_positions", huge),
        ("whisper-bf16", "num_mel_bins", "80"),
        ("ge2e", "num_mel_bins", "41"),
        ("ge2e", "hidden_size", huge),
        ("ge2e", "num_hidden_layers", "2"),
        ("ge2e", "num_hidden_layers", "4"),
    ] {
        let copied = Copied::of(name);
        copied.set("config.json", key, value);
        let opened = Encoder::open(copied.0.path(), Device::Cpu);
        // Another family's model has the same tensors where no option tells them apart.
        if value == "\"hubert\"" {
            assert_eq!(opened.unwrap().family(), "hubert");
            continue;
        }
        let error = opened.unwrap_err().to_string();
        assert!(
            error.contains("expected") || error.contains("holds") || error.contains("not supported"),
            "{error}"
        );
    }
    for (key, value) in [
        ("n_fft", huge),
        ("n_fft", "0"),
        ("hop_length", "0"),
        ("chunk_length", huge),
        ("chunk_length", "2"),
        ("dither", "0.1"),
        ("feature_size", "80"),
        ("sampling_rate", "0"),
        ("feature_extractor_type", "\"Wav2Vec2FeatureExtractor\""),
    ] {
        let copied = Copied::of("whisper-bf16");
        copied.set("preprocessor_config.json", key, value);
        let error = copied.error();
        assert!(error.contains("expected"), "{key}: {error}");
    }
}

#[test]
fn damaged_files_are_refused_by_name_and_never_panic() {
    let bytes = fs::read(fixtures().join("wav2vec2-base/model.safetensors")).unwrap();
    let mut with_nan = bytes.clone();
    let end = with_nan.len();
    let start = 8 + bytes[..8].iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    with_nan[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut long_header = bytes.clone();
    long_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let damaged =
        [&bytes[..end - 1], &bytes[..100], &bytes[..5], &[], &with_nan, &long_header, b"not safetensors"];
    for (number, damaged) in damaged.into_iter().enumerate() {
        let copied = Copied::of("wav2vec2-base");
        fs::write(copied.path("model.safetensors"), damaged).unwrap();
        let error = copied.error();
        assert!(error.contains(copied.0.path().to_str().unwrap()), "{number}: {error}");
    }
    let copied = Copied::of("wav2vec2-pickled");
    let pickled = fs::read(copied.path("pytorch_model.bin")).unwrap();
    for damaged in [&pickled[..pickled.len() / 2], b"\x80\x02csystem\n".as_slice()] {
        fs::write(copied.path("pytorch_model.bin"), damaged).unwrap();
        let error = copied.error();
        assert!(error.contains("pytorch_model.bin") && error.contains("weights_only=True"), "{error}");
    }
    let copied = Copied::of("wav2vec2-base");
    fs::write(copied.path("config.json"), "[1, 2]").unwrap();
    assert!(copied.error().contains("config.json: is not a JSON object"));
}

#[test]
fn the_digest_follows_the_files_and_not_the_place() {
    let original = Encoder::open(&fixtures().join("wav2vec2-base"), Device::Cpu).unwrap().digest();
    let digest = |copied: &Copied| Encoder::open(copied.0.path(), Device::Cpu).unwrap().digest();
    let copied = Copied::of("wav2vec2-base");
    assert_eq!(digest(&copied), original);
    copied.set("preprocessor_config.json", "do_normalize", "false");
    assert_ne!(digest(&copied), original);
    let copied = Copied::of("wav2vec2-base");
    copied.set("config.json", "layer_norm_eps", "1e-4");
    assert_ne!(digest(&copied), original);
    let copied = Copied::of("wav2vec2-base");
    copied.change(|tensors| {
        let value = tensors.iter().position(|(name, _)| name == "encoder.layer_norm.bias").unwrap();
        let other = tensors.iter().position(|(name, _)| name == "encoder.layers.0.layer_norm.bias").unwrap();
        let (a, b) = (tensors[value].1.clone(), tensors[other].1.clone());
        tensors[value].1 = b;
        tensors[other].1 = a;
    });
    assert_ne!(digest(&copied), original);
}
