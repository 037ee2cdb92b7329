//! Files of samples: 16-bit WAV as most of TESS, and the other containers that turn up under its names.

use ser_audio::{pcm16, pcm16_wav};

/// The text of the LIST chunk, as an editor would leave it. Of even length.
const EDITOR: &[u8; 10] = b"ser-synth\0";

/// A mono 16-bit WAV file; with `list`, a LIST INFO chunk follows the samples.
pub(crate) fn wav(samples: &[f32], sample_rate: u32, list: bool) -> Vec<u8> {
    let mut file = pcm16_wav(samples, sample_rate);
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
