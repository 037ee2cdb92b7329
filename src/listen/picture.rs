//! A mel spectrogram as a picture: time to the right, frequency upwards, 60 dB from dark to bright.

use crate::Result;
use crate::features::{FeatureConfig, Framing, MelFilterBank, PowerSpectrum, window};

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
    let framing = Framing::new(config);
    let frames = framing.count(samples.len())?.min(MOST_FRAMES);
    let window = window(config.window, config.win_length, config.n_fft);
    let mut spectrum = PowerSpectrum::new(config.n_fft);
    let bank = MelFilterBank::new(config);
    let (mut frame, mut power) = (vec![0.0; config.n_fft], vec![0.0; spectrum.bins()]);
    let mut mel = vec![0.0; config.n_mels];
    let mut columns = Vec::with_capacity(frames);
    for index in 0..frames {
        framing.windowed(samples, index, &window, &mut frame);
        spectrum.compute(&mut frame, &mut power)?;
        bank.apply(&power, &mut mel);
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
    Ok(png(&pixels, frames * SCALE))
}

/// A PNG file of `pixels` in rows of `width`, each a place in the palette. It is not compressed: pictures are small.
fn png(pixels: &[u8], width: usize) -> Vec<u8> {
    let height = pixels.len() / width.max(1);
    let mut rows = Vec::with_capacity(pixels.len() + height);
    for row in pixels.chunks_exact(width.max(1)) {
        // No filter.
        rows.push(0);
        rows.extend(row);
    }
    // A zlib stream of stored blocks.
    let mut data = vec![0x78, 0x01];
    let mut blocks = rows.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        data.push(u8::from(blocks.peek().is_none()));
        let length = block.len() as u16;
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(block);
    }
    data.extend(adler32(&rows).to_be_bytes());

    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    // 8 bits, with a palette, not interlaced.
    header.extend([8, 3, 0, 0, 0]);
    let palette: Vec<u8> = (0..=255_u8).flat_map(colour).collect();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, bytes) in [(b"IHDR", &header), (b"PLTE", &palette), (b"IDAT", &data), (b"IEND", &Vec::new())] {
        file.extend((bytes.len() as u32).to_be_bytes());
        let start = file.len();
        file.extend(kind);
        file.extend(bytes);
        let checksum = crc32fast::hash(file.get(start..).unwrap_or_default());
        file.extend(checksum.to_be_bytes());
    }
    file
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
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
