//! The promises of ser-serve, measured on loopback: `cargo bench --bench load -- [SECONDS [CHECKPOINT]]`.
//!
//! Clients run on the same processors as the server. Without a checkpoint a network of the default size is trained for one
//! epoch: its answers are poor, and take as long as any.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark may stop"
)]

#[path = "../tests/common_fit/mod.rs"]
mod common_fit;
#[path = "../tests/common_serve/mod.rs"]
mod common_serve;

use std::path::PathBuf;
use std::time::Duration;

use ser_audio::pcm16_wav;

use common_fit::{prepared, ser_fit, succeed};
use common_serve::Serving;
use common_serve::load::{first_answer, streams, uploads};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let seconds = arguments.next().map_or(20, |seconds| seconds.parse().expect("SECONDS is a whole number"));
    let checkpoint = arguments.next().map_or_else(trained, PathBuf::from);
    let duration = Duration::from_secs(seconds);

    let voice = voice();
    let files: Vec<Vec<u8>> = (0..16).map(|n| pcm16_wav(&voice[n * 4_000..][..2 * 48_000], 48_000)).collect();
    let starts: Vec<Duration> = (0..3).map(|_| first_answer(&checkpoint, &files[0])).collect();
    println!(
        "{:44} {:7.0} ms, promised 1000",
        "start to first answer",
        starts.iter().max().unwrap().as_secs_f64() * 1e3
    );

    let server = Serving::start(&[&checkpoint], &["--max-rate", "1000000"]);
    for (count, promise) in [(1, 50), (50, 250)] {
        let apart = Duration::from_millis(if count > 1 { 400 } else { 0 });
        let streamed = streams(&server, count, duration + apart * count as u32, apart, &voice);
        println!(
            "{:44} {:7.1} ms, promised {promise}; median {:.1} ms, {} windows ({} with speech), {} skipped, {} streams refused",
            format!("{count} streams: 99 % of windows answered within"),
            streamed.times.quantile(0.99),
            streamed.times.quantile(0.5),
            streamed.times.count(),
            streamed.spoken,
            streamed.skipped,
            streamed.refused,
        );
    }
    let mut memory = Vec::new();
    for clients in [1, 4, 8] {
        let uploaded = uploads(&server, clients, duration, &files);
        memory.push(server.memory() >> 20);
        println!(
            "{:44} {:7.0} a second, promised 200; median {:.1} ms, 99 % {:.1} ms, {} refused",
            format!("recordings of 2 s, {clients} clients"),
            uploaded.per_second,
            uploaded.times.quantile(0.5),
            uploaded.times.quantile(0.99),
            uploaded.refused,
        );
    }
    for _ in 0..3 {
        uploads(&server, 8, duration, &files);
        memory.push(server.memory() >> 20);
    }
    println!("{:44} {memory:?} MiB", "memory after each round of recordings");
}

/// A network of the default size on the default features.
fn trained() -> PathBuf {
    let prepared = prepared(&[]);
    let folder = prepared.recipe.parent().unwrap();
    let mut fit = ser_fit(folder);
    fit.arg("--cache").arg(&prepared.cache);
    succeed(fit.args(["--epochs", "1", "--device", "cpu", "--run", "run", "--quiet"]));
    folder.join("run/best.pt")
}

/// Some seconds of synthetic speech at 48,000 Hz.
fn voice() -> Vec<f32> {
    let corpus = &prepared(&[]).corpus;
    let mut paths: Vec<PathBuf> = walkdir::WalkDir::new(corpus)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "wav"))
        .collect();
    paths.sort();
    let mut loader =
        ser_audio::Loader::new(48_000, ser_audio::LevelNormalisation::Peak, ser_audio::Limits::default());
    let mut voice = Vec::new();
    for path in paths.iter().step_by(7).take(12) {
        let mut bytes = std::fs::read(path).unwrap();
        voice.extend_from_slice(loader.load(&mut bytes).unwrap().samples);
    }
    assert!(voice.len() > 3 * 48_000 + 16 * 4_000, "{}", voice.len());
    voice
}
