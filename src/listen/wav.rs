//! Samples as a WAV file that everything plays: mono, 16 bits.

/// The peak that every example is brought to: a little below full scale.
const PEAK: f32 = 0.95;

/// The bytes of a WAV file; the largest sample becomes 0.95 of full scale.
pub(super) fn wav(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let scale = if peak > 0.0 { PEAK * 32_767.0 / peak } else { 0.0 };
    let length = u32::try_from(2 * samples.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(44 + 2 * samples.len());
    bytes.extend(b"RIFF");
    bytes.extend(length.saturating_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(sample_rate.to_le_bytes());
    bytes.extend(sample_rate.saturating_mul(2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    for sample in samples {
        bytes.extend(((sample * scale).round() as i16).to_le_bytes());
    }
    bytes
}
