//! Throughput of each stage of a preparation, on one core: seconds of audio a second (printed as elements, one for
//! each second) or bytes a second.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ser_audio::{Container, Limits, Resampler, decode};
use ser_cache::{Checksum, Hex, RowInfo, Sha, Shard, ShardBuffer, ShardLayout, TensorSource, shard_path};
use ser_core::random::Random;
use ser_core::storage::Storage;
use ser_features::augmentation::{AugmentationRecipe, Augmenter};
use ser_features::{Delta, Extractor, FeatureConfig, ValueType};

/// A voiced-sounding sum of harmonics with a little noise, at 16 kHz.
fn utterance(seconds: f64) -> Vec<f32> {
    let mut state = 1_u32;
    (0..(seconds * 16_000.0) as usize)
        .map(|n| {
            let t = n as f64 / 16_000.0;
            let voice: f64 = (1..30).map(|k| (t * 880.0 * f64::from(k)).sin() / f64::from(k * k)).sum();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (0.4 * voice + 1e-3 * f64::from(state >> 16) / 65_536.0) as f32
        })
        .collect()
}

/// Seconds in every bench's clip, about what TESS's have.
const SECONDS: u32 = 2;

/// A 16-bit mono WAV of [`SECONDS`] seconds at `rate` Hz.
fn wav(rate: u32) -> Vec<u8> {
    let samples = utterance(f64::from(SECONDS) * f64::from(rate) / 16_000.0);
    let data: Vec<u8> = samples.iter().flat_map(|x| ((x * 20_000.0) as i16).to_le_bytes()).collect();
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(rate.to_le_bytes());
    wav.extend((2 * rate).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

fn audio(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("audio");
    group.throughput(Throughput::Elements(u64::from(SECONDS)));
    let file = wav(24_414);
    let mut mono = Vec::new();
    group.bench_function("decode, 24,414 Hz", |bencher| {
        bencher.iter(|| decode(black_box(&file), &Limits::default(), &mut mono).unwrap());
    });
    for rate in [24_414, 22_050, 44_100, 48_000, 8_000] {
        decode(&wav(rate), &Limits::default(), &mut mono).unwrap();
        let mut resampler = Resampler::new(rate, 16_000).unwrap();
        let mut output = Vec::new();
        group.bench_function(format!("resample, {rate} Hz"), |bencher| {
            bencher.iter(|| resampler.process(black_box(&mono), &mut output).unwrap());
        });
    }
    group.finish();
}

fn features(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("features");
    group.throughput(Throughput::Elements(u64::from(SECONDS)));
    let samples = utterance(f64::from(SECONDS));
    let bare = FeatureConfig { delta_order: 0, ..FeatureConfig::default() };
    let configs = [
        ("mfcc", bare),
        ("mfcc, delta, delta-delta", FeatureConfig::default()),
        ("librosa", FeatureConfig::librosa()),
    ];
    for (name, config) in configs {
        let mut extractor = Extractor::new(&config).unwrap();
        let mut tensor = vec![0.0; extractor.shape().iter().product()];
        group.bench_function(name, |bencher| {
            bencher.iter(|| extractor.extract(black_box(&samples), black_box(&mut tensor)).unwrap());
        });
    }
    let delta = Delta::new(9, 2);
    let row: Vec<f32> = samples[..126].to_vec();
    let mut derivative = vec![0.0; row.len()];
    group.bench_function("delta, 40 coefficients", |bencher| {
        bencher.iter(|| (0..40).for_each(|_| delta.apply(black_box(&row), &mut derivative)));
    });
    group.finish();
}

/// Rows as the default features have them: enough for a shard of 6 MiB.
const ROWS: usize = 64;

fn cache(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache");
    let file = wav(24_414);
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("hash of a file", |bencher| bencher.iter(|| Sha::of(&[black_box(&file)])));
    let features = utterance(1.5);
    group.throughput(Throughput::Bytes(4 * features.len() as u64));
    group.bench_function("checksum of a row", |bencher| {
        bencher.iter(|| Checksum::of_row(black_box(&features), ValueType::F32, 100));
    });

    let layout = ShardLayout { shape: [3, 40, 200], dtype: ValueType::F32, configuration: "{}".to_owned() };
    let mut buffer = ShardBuffer::default();
    for number in 0..ROWS {
        let source = TensorSource {
            sample_rate: 24_414,
            channels: ser_cache::SourceChannels::new(1, None),
            container: Container::Wav,
            samples: 48_828,
            sound: Hex([number as u8; 16]),
        };
        let checksum = Checksum::of_row(&features, ValueType::F32, 100);
        let row = RowInfo { key: Hex([number as u8; 32]), frames: 100, frames_cut: 0, checksum, source };
        buffer.push(&features, ValueType::F32, row);
    }
    let folder = tempfile::tempdir().unwrap();
    let bytes = (ROWS * layout.row_bytes()) as u64;
    group.throughput(Throughput::Bytes(bytes));
    group.sample_size(10);
    group.bench_function("write a shard, until it is on disk", |bencher| {
        bencher.iter(|| buffer.write(&Storage::native(), folder.path(), &layout).unwrap());
    });
    let (name, _) = buffer.write(&Storage::native(), folder.path(), &layout).unwrap();
    let shard = Shard::open(&shard_path(folder.path(), &name), &layout).unwrap();
    let mut batch = vec![0.0; 32 * features.len()];
    group.throughput(Throughput::Bytes(4 * batch.len() as u64));
    group.bench_function("gather a batch of 32", |bencher| {
        bencher.iter(|| {
            for (place, values) in batch.chunks_exact_mut(features.len()).enumerate() {
                values.copy_from_slice(&shard.features(black_box(place * 13 % ROWS), 1).unwrap());
            }
        });
    });
    group.finish();
}

fn augmentation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("augmentation");
    group.throughput(Throughput::Elements(u64::from(SECONDS)));
    let utterance = utterance(f64::from(SECONDS));
    let shipped = AugmentationRecipe::from_toml(include_str!("../recipes/augmentation.toml")).unwrap();
    let alone = shipped.waveform.iter().enumerate().map(|(number, step)| {
        let recipe = AugmentationRecipe { waveform: vec![step.clone()], ..AugmentationRecipe::default() };
        (format!("step {} of the recipe shipped", number + 1), recipe)
    });
    let recipes: Vec<(String, AugmentationRecipe)> =
        alone.chain([("the recipe shipped".to_owned(), shipped.clone())]).collect();
    let mut out = Vec::new();
    for (name, recipe) in recipes {
        let mut augmenter = Augmenter::new(&recipe, 16_000).unwrap();
        let mut random = Random::new(&["bench"]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                augmenter.augment(black_box(&utterance), &mut random, &mut |_| None, &mut out).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, audio, augmentation, features, cache);
criterion_main!(benches);
