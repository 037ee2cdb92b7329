//! A mel spectrogram as a picture: time to the right, frequency upwards, 60 dB from dark to bright.

use png::{BitDepth, ColorType, Encoder};
use ser_core::{Error, ErrorKind, Result};
use ser_features::{FeatureConfig, MelSpectrogram};

/// The range that is shown below the loudest place, dB.
const RANGE_DB: f64 = 60.0;

/// Pixels for each frame and each band.
const SCALE: usize = 2;

/// The most frames that are drawn: of a longer recording, its beginning.
const MOST_FRAMES: usize = 4000;

/// The bytes of a PNG file with the mel spectrogram of `samples`.
///
/// # Errors
/// Those of the features: no samples, or fewer than a frame.
pub(super) fn spectrogram(samples: &[f32], config: &FeatureConfig) -> Result<Vec<u8>> {
    let mut spectrogram = MelSpectrogram::new(config);
    let frames = spectrogram.count(samples)?.min(MOST_FRAMES);
    let mut columns = Vec::with_capacity(frames);
    for index in 0..frames {
        let mel = spectrogram.frame(samples, index)?;
        columns.push(mel.iter().map(|power| 10.0 * power.max(1e-30).log10()).collect::<Vec<f64>>());
    }
    let loudest = columns.iter().flatten().copied().fold(f64::MIN, f64::max);
    let level = |db: f64| (255.0 * (1.0 + (db - loudest) / RANGE_DB)).clamp(0.0, 255.0) as u8;
    let mut pixels = Vec::with_capacity(frames * config.n_mels * SCALE * SCALE);
    for row in (0..config.n_mels * SCALE).rev() {
        for column in &columns {
            let value = column.get(row / SCALE).map_or(0, |db| level(*db));
            pixels.extend([value; SCALE]);
        }
    }
    png(&pixels, frames * SCALE)
}

/// A PNG file of `pixels` in rows of `width`, each a place in the palette.
fn png(pixels: &[u8], width: usize) -> Result<Vec<u8>> {
    let too_large = || Error::new(ErrorKind::Limit, "a spectrogram is too large for a picture");
    let size = |length: usize| u32::try_from(length).map_err(|_| too_large());
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, size(width)?, size(pixels.len() / width.max(1))?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette((0..=255_u8).flat_map(colour).collect::<Vec<u8>>());
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    written.map_err(|error| {
        Error::new(ErrorKind::Unsupported, format!("a spectrogram cannot be drawn: {error}")).caused_by(error)
    })?;
    Ok(file)
}

/// From black through violet and orange to a pale yellow, evenly brighter.
fn colour(level: u8) -> [u8; 3] {
    const STOPS: [[f32; 3]; 5] = [
        [0.0, 0.0, 4.0],
        [81.0, 18.0, 124.0],
        [183.0, 55.0, 121.0],
        [252.0, 137.0, 97.0],
        [252.0, 253.0, 191.0],
    ];
    let place = f32::from(level) / 255.0 * (STOPS.len() - 1) as f32;
    let index = (place as usize).min(STOPS.len() - 2);
    let part = place - index as f32;
    std::array::from_fn(|channel| {
        let (low, high) = (STOPS[index][channel], STOPS[index + 1][channel]);
        (low + part * (high - low)).round() as u8
    })
}
