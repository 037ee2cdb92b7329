//! The last seconds of a stream.

/// Samples as a client sends them: mono, little-endian.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PcmFormat {
    /// 32-bit floating point, −1 to 1.
    #[default]
    F32,
    /// 16-bit integers.
    I16,
}

/// Louder than this is no sound, but bytes of another format.
const LOUDEST: f32 = 16.0;

/// The last samples of a stream, of which windows are parts.
#[derive(Debug, Default)]
pub(crate) struct StreamBuffer {
    /// Some that are needed no more lie first, until they are worth moving.
    samples: Vec<f32>,
    /// Samples that came since the stream began.
    total: u64,
}

impl StreamBuffer {
    /// Adds the samples in `bytes`.
    ///
    /// # Errors
    /// What is wrong with them; none of them is added then.
    pub(crate) fn push(&mut self, format: PcmFormat, bytes: &[u8]) -> Result<(), String> {
        let before = self.samples.len();
        let rest = match format {
            PcmFormat::F32 => {
                let (samples, rest) = bytes.as_chunks::<4>();
                self.samples.extend(samples.iter().map(|&sample| f32::from_le_bytes(sample)));
                rest.len()
            }
            PcmFormat::I16 => {
                let (samples, rest) = bytes.as_chunks::<2>();
                let scaled = samples.iter().map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0);
                self.samples.extend(scaled);
                rest.len()
            }
        };
        let new = &self.samples[before..];
        let wrong = if rest > 0 {
            Some(format!("{} bytes are not a whole number of samples", bytes.len()))
        } else {
            let loud = new.iter().find(|sample| !sample.is_finite() || sample.abs() > LOUDEST);
            loud.map(|sample| format!("a sample is {sample}; samples are floating point from -1 to 1"))
        };
        if let Some(wrong) = wrong {
            self.samples.truncate(before);
            return Err(wrong);
        }
        self.total += new.len() as u64;
        Ok(())
    }

    /// Samples that came since the stream began.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The samples before the one with number `end`, `most` of them or as many as there are.
    pub(crate) fn before(&self, end: u64, most: usize) -> &[f32] {
        let after = usize::try_from(self.total.saturating_sub(end)).unwrap_or(usize::MAX);
        let end = self.samples.len().saturating_sub(after);
        &self.samples[end.saturating_sub(most)..end]
    }

    /// Says that samples before the one with number `start` are needed no more.
    pub(crate) fn forget_before(&mut self, start: u64) {
        let needed = usize::try_from(self.total.saturating_sub(start)).unwrap_or(usize::MAX);
        let old = self.samples.len().saturating_sub(needed);
        if old > needed {
            self.samples.drain(..old);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_formats_say_the_same() {
        let (mut float, mut integer) = (StreamBuffer::default(), StreamBuffer::default());
        for sample in [-32_768i16, -1, 0, 16_384] {
            integer.push(PcmFormat::I16, &sample.to_le_bytes()).unwrap();
            float.push(PcmFormat::F32, &(f32::from(sample) / 32_768.0).to_le_bytes()).unwrap();
        }
        assert_eq!(float.before(4, 8), integer.before(4, 8));
        assert_eq!(float.before(4, 2), [0.0, 0.5]);
    }

    #[test]
    fn what_is_no_sample_is_refused_and_leaves_what_was_heard_as_it_was() {
        let mut window = StreamBuffer::default();
        window.push(PcmFormat::F32, &0.5f32.to_le_bytes()).unwrap();
        for (bytes, complaint) in [
            (vec![0; 5], "5 bytes are not a whole number of samples"),
            (f32::NAN.to_le_bytes().to_vec(), "a sample is NaN"),
            (1e20f32.to_le_bytes().to_vec(), "a sample is 100000000000000000000"),
        ] {
            let error = window.push(PcmFormat::F32, &bytes).unwrap_err();
            assert!(error.starts_with(complaint), "{error}");
            assert_eq!((window.before(1, 4), window.total()), (&[0.5][..], 1));
        }
    }

    proptest! {
        #[test]
        fn what_is_still_needed_is_there(
            pieces in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 0..50), 0..30),
            needed in 0usize..60,
            earlier in 0usize..60,
        ) {
            let mut buffer = StreamBuffer::default();
            let all: Vec<f32> = pieces.concat();
            for piece in &pieces {
                let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                buffer.push(PcmFormat::F32, &bytes).unwrap();
                buffer.forget_before(buffer.total().saturating_sub(needed as u64));
                prop_assert!(buffer.samples.len() <= 2 * needed + piece.len());
            }
            prop_assert_eq!(buffer.total(), all.len() as u64);
            let end = all.len().saturating_sub(earlier.min(needed));
            let start = all.len().saturating_sub(needed);
            prop_assert_eq!(buffer.before(end as u64, end - start), &all[start..end]);
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for format in [PcmFormat::F32, PcmFormat::I16] {
                let mut window = StreamBuffer::default();
                let taken = window.push(format, &bytes);
                prop_assert!(taken.is_ok() || window.total() == 0);
                prop_assert!(window.before(window.total(), 16).iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
