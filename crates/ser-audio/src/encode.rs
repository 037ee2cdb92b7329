//! Samples as WAV files: mono, 16-bit or float.

/// A 16-bit WAV file of samples within −1 to 1; what lies beyond is cut off.
pub fn pcm16_wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| pcm16(*sample).to_le_bytes()).collect();
    riff(1, 16, sample_rate, &data)
}

/// A 32-bit float WAV file.
pub fn float_wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    riff(3, 32, sample_rate, &data)
}

/// A sample within −1 to 1 as 16 bits.
pub fn pcm16(sample: f32) -> i16 {
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
