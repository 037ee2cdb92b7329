//! Time to extract one utterance, on one core: the whole computation and each of its stages.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ser::features::{
    Dct, Decibels, Delta, Extractor, FeatureConfig, Framing, MelFilterBank, PowerSpectrum, window,
};

/// A voiced-like sum of harmonics with a little noise, at 16 kHz.
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

fn extract(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extract");
    let preset = [("default", FeatureConfig::default()), ("librosa", FeatureConfig::librosa())];
    for (name, config) in preset {
        for seconds in [2, 10] {
            let samples = utterance(f64::from(seconds));
            let mut extractor = Extractor::new(&config).unwrap();
            let mut tensor = vec![0.0; extractor.shape().iter().product()];
            group.throughput(Throughput::Elements(samples.len() as u64));
            group.bench_function(format!("{name}, {seconds} s"), |bencher| {
                bencher.iter(|| extractor.extract(black_box(&samples), black_box(&mut tensor)).unwrap());
            });
        }
    }
    group.finish();
}

fn stages(criterion: &mut Criterion) {
    let config = FeatureConfig::default();
    let samples = utterance(2.0);
    let window = window(config.window, config.win_length, config.n_fft);
    let mut group = criterion.benchmark_group("stage, one frame");

    let framing = Framing::new(&config);
    let mut frame = vec![0.0; config.n_fft];
    group.bench_function("windowed", |bencher| {
        bencher.iter(|| framing.windowed(black_box(&samples), 60, &window, &mut frame));
    });
    let mut spectrum = PowerSpectrum::new(config.n_fft);
    let mut power = vec![0.0; spectrum.bins()];
    group.bench_function("power", |bencher| {
        bencher.iter(|| spectrum.compute(black_box(&mut frame), &mut power).unwrap());
    });
    framing.windowed(&samples, 60, &window, &mut frame);
    spectrum.compute(&mut frame, &mut power).unwrap();
    let bank = MelFilterBank::new(&config);
    let mut mel = vec![0.0; config.n_mels];
    group.bench_function("mel", |bencher| bencher.iter(|| bank.apply(black_box(&power), &mut mel)));
    let decibels = Decibels::new(&config);
    let mut db = vec![0.0; config.n_mels];
    group.bench_function("decibels", |bencher| bencher.iter(|| decibels.convert(black_box(&mel), &mut db)));
    let mut dct = Dct::new(config.n_mels, config.n_mfcc);
    let mut coefficients = vec![0.0; config.n_mfcc];
    group.bench_function("dct", |bencher| bencher.iter(|| dct.apply(black_box(&db), &mut coefficients)));
    group.finish();

    let delta = Delta::new(config.delta_width, 2);
    let row: Vec<f32> = samples[..126].to_vec();
    let mut derivative = vec![0.0; row.len()];
    criterion.bench_function("delta, one coefficient of 126 frames", |bencher| {
        bencher.iter(|| delta.apply(black_box(&row), &mut derivative));
    });
}

criterion_group!(benches, extract, stages);
criterion_main!(benches);
