//! The features of one recording, without a cache:
//!
//! ```console
//! $ cargo run --release --example features_of_a_file -- clip.wav
//! clip.wav: 2.10 s, 132 frames of 3 channels × 40 MFCC
//! first frame, MFCC 0 to 4: -512.3 58.1 -3.2 20.9 -7.7
//! ```

use std::path::PathBuf;

use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result};
use ser_features::FeatureConfig;
use ser_prepare::Pipeline;

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let path = path.ok_or_else(|| Error::new(ErrorKind::Usage, "name a recording"))?;

    let config = FeatureConfig::default();
    let mut pipeline = Pipeline::new(&config, None, Limits::default())?;
    pipeline.read(&path)?;
    let [channels, n_mfcc, max_frames] = pipeline.shape();
    let mut tensor = vec![0.0; channels * n_mfcc * max_frames];
    let recording = pipeline.decode(false).map_err(|error| error.at(&path))?;
    let computed = pipeline.tensor(&recording, None, None, &mut tensor).map_err(|error| error.at(&path))?;

    let seconds = computed.source.duration_s();
    let frames = computed.frames;
    println!("{}: {seconds:.2} s, {frames} frames of {channels} channels × {n_mfcc} MFCC", path.display());
    // The tensor is [channel, n_mfcc, frame], row-major: row `r` of channel 0 begins at r · max_frames.
    let first: Vec<String> = (0..5).map(|row| format!("{:.1}", tensor[row * max_frames])).collect();
    println!("first frame, MFCC 0 to 4: {}", first.join(" "));
    Ok(())
}
