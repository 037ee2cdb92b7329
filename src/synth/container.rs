//! Files of samples: 16-bit WAV as most of TESS, and the other containers that turn up under its names.

/// The text of the LIST chunk, as an editor would leave it. Of even length.
const EDITOR: &[u8; 10] = b"ser-synth\0";

/// A mono 16-bit WAV file; with `list`, a LIST INFO chunk follows the samples.
pub(crate) fn wav(samples: &[f32], sample_rate: u32, list: bool) -> Vec<u8> {
    let mut data = Vec::with_capacity(2 * samples.len());
    for sample in samples {
        data.extend(pcm16(*sample).to_le_bytes());
    }
    let mut file = riff(1, 16, sample_rate, &data);
    if list {
        file.extend(b"LIST");
        file.extend((12 + EDITOR.len() as u32).to_le_bytes());
        file.extend(b"INFOISFT");
        file.extend((EDITOR.len() as u32).to_le_bytes());
        file.extend(EDITOR);
        let size = (file.len() as u32 - 8).to_le_bytes();
        file[4..8].copy_from_slice(&size);
    }
    file
}

/// A mono 32-bit float WAV file.
pub(crate) fn float_wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    riff(3, 32, sample_rate, &data)
}

/// A mono 16-bit AIFF file.
pub(crate) fn aiff(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let count = samples.len() as u32;
    let mut file = Vec::with_capacity(54 + 2 * samples.len());
    file.extend(b"FORM");
    file.extend((46 + 2 * count).to_be_bytes());
    file.extend(b"AIFFCOMM");
    file.extend(18_u32.to_be_bytes());
    file.extend(1_u16.to_be_bytes());
    file.extend(count.to_be_bytes());
    file.extend(16_u16.to_be_bytes());
    // The rate as an 80-bit float: exponent with bias 16,383, then 64 bits of which the first is the leading 1.
    let leading = sample_rate.leading_zeros();
    file.extend((16_383 + 31 - leading as u16).to_be_bytes());
    file.extend((u64::from(sample_rate) << (32 + leading)).to_be_bytes());
    file.extend(b"SSND");
    file.extend((8 + 2 * count).to_be_bytes());
    file.extend([0; 8]);
    for sample in samples {
        file.extend(pcm16(*sample).to_be_bytes());
    }
    file
}

fn pcm16(sample: f32) -> i16 {
    (sample * 32_767.0).round() as i16
}

/// A RIFF header of 44 bytes, then `data`.
fn riff(format: u16, bits: u16, sample_rate: u32, data: &[u8]) -> Vec<u8> {
    let frame = bits / 8;
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(format.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((sample_rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
