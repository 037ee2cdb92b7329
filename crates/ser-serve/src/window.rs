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

/// The last samples of a stream.
#[derive(Debug)]
pub(crate) struct Window {
    /// The last of them are the window; some older ones lie before it until they are worth moving.
    samples: Vec<f32>,
    capacity: usize,
    /// Samples that came since the stream began.
    total: u64,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { samples: Vec::with_capacity(2 * capacity), capacity, total: 0 }
    }

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
        if self.samples.len() >= 2 * self.capacity {
            self.samples.drain(..self.samples.len() - self.capacity);
        }
        Ok(())
    }

    /// Samples that came since the stream began.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The last samples, as many as the window holds at most.
    pub(crate) fn latest(&self, most: usize) -> &[f32] {
        &self.samples[self.samples.len().saturating_sub(most.min(self.capacity))..]
    }
}

/// The level of `samples`: their root mean square in dB below a full-scale square wave; −120 and less is −120.
pub(crate) fn level_dbfs(samples: &[f32]) -> f64 {
    let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
    let mean = power / samples.len().max(1) as f64;
    (10.0 * mean.max(1e-12).log10()).max(-120.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_formats_say_the_same() {
        let (mut float, mut integer) = (Window::new(8), Window::new(8));
        for sample in [-32_768i16, -1, 0, 16_384] {
            integer.push(PcmFormat::I16, &sample.to_le_bytes()).unwrap();
            float.push(PcmFormat::F32, &(f32::from(sample) / 32_768.0).to_le_bytes()).unwrap();
        }
        assert_eq!(float.latest(8), integer.latest(8));
        assert_eq!(float.latest(2), [0.0, 0.5]);
    }

    #[test]
    fn what_is_no_sample_is_refused_and_leaves_the_window_as_it_was() {
        let mut window = Window::new(4);
        window.push(PcmFormat::F32, &0.5f32.to_le_bytes()).unwrap();
        for (bytes, complaint) in [
            (vec![0; 5], "5 bytes are not a whole number of samples"),
            (f32::NAN.to_le_bytes().to_vec(), "a sample is NaN"),
            (1e20f32.to_le_bytes().to_vec(), "a sample is 100000000000000000000"),
        ] {
            let error = window.push(PcmFormat::F32, &bytes).unwrap_err();
            assert!(error.starts_with(complaint), "{error}");
            assert_eq!((window.latest(4), window.total()), (&[0.5][..], 1));
        }
    }

    #[test]
    fn levels_are_those_of_full_scale() {
        assert_eq!(level_dbfs(&[1.0, -1.0]), 0.0);
        assert!((level_dbfs(&[0.1; 100]) + 20.0).abs() < 1e-6);
        assert_eq!(level_dbfs(&[0.0; 100]), -120.0);
        assert_eq!(level_dbfs(&[]), -120.0);
    }

    proptest! {
        #[test]
        fn the_window_is_the_end_of_all_that_was_pushed(
            pieces in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 0..50), 0..30),
            capacity in 1usize..40,
            most in 0usize..60,
        ) {
            let mut window = Window::new(capacity);
            let all: Vec<f32> = pieces.concat();
            for piece in &pieces {
                let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                window.push(PcmFormat::F32, &bytes).unwrap();
            }
            prop_assert_eq!(window.total(), all.len() as u64);
            let expected = &all[all.len().saturating_sub(most.min(capacity))..];
            prop_assert_eq!(window.latest(most), expected);
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for format in [PcmFormat::F32, PcmFormat::I16] {
                let mut window = Window::new(16);
                let taken = window.push(format, &bytes);
                prop_assert!(taken.is_ok() || window.total() == 0);
                prop_assert!(window.latest(16).iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
