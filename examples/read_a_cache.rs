//! The test side of a split, read from a cache:
//!
//! ```console
//! $ cargo run --release --example read_a_cache -- cache speaker-OAF
//! speaker-OAF: 1399 utterances to test, 7 classes: angry, disgust, …
//! OAF_angry/OAF_back_angry.wav: angry, 98 frames, mean of MFCC 0: -318.42
//! ```
//!
//! `read_a_cache.py` does the same in Python, without ser.

use std::path::PathBuf;

use ser_cache::Cache;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::split::Side;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let root: PathBuf = arguments.next().unwrap_or_else(|| "cache".to_owned()).into();
    let protocol = arguments.next().unwrap_or_else(|| "random".to_owned()).parse()?;

    let cache = Cache::open(&root)?;
    let set = cache.feature_set(None)?;
    let split = cache.split(set, &protocol)?;
    let labels = split.info.labels.join(", ");
    let utterances = split.side(Side::Test);
    println!(
        "{protocol}: {} utterances to test, {} classes: {labels}",
        utterances.len(),
        split.info.labels.len()
    );

    // Opened once: the tensors are mapped, and checked against their checksums when first used.
    let dataset = cache.side(set, &split, Side::Test)?;
    let utterance =
        utterances.first().ok_or_else(|| Error::new(ErrorKind::Unusable, "the test side is empty"))?;
    let stretches = dataset.stretches(&[0])?;
    let features = stretches.first().map_or(&[][..], |stretch| stretch);
    // [channel, n_mfcc, frame], row-major: the first row of channel 0 is MFCC 0, of which `frames` values are real.
    let row = &features[..utterance.frames as usize];
    let mean = row.iter().sum::<f32>() / row.len() as f32;
    println!("{}: {}, {} frames, mean of MFCC 0: {mean:.2}", utterance.path, utterance.label, row.len());
    Ok(())
}
