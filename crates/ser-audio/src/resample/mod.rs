//! From one sample rate to another: a whole clip in, a whole clip out, aligned with the original.

mod polyphase;
mod synchronous;

use std::fmt;

use ser_core::{Error, ErrorKind, Result};

use crate::SAMPLE_RATES;
use crate::resample::polyphase::Polyphase;
use crate::resample::synchronous::Synchronous;

/// How many samples `len` samples at `from_hz` become at `to_hz`: `ceil(len · to / from)`, as in librosa.
pub fn resampled_len(len: usize, from_hz: u32, to_hz: u32) -> usize {
    let exact = (len as u128 * u128::from(to_hz)).div_ceil(u128::from(from_hz.max(1)));
    usize::try_from(exact).unwrap_or(usize::MAX)
}

/// Converts mono clips between two fixed sample rates.
///
/// Sample 0 of the result is the instant of sample 0 of the input. Before and after the clip there is silence. No
/// state passes from one clip to the next.
///
/// Lower rates, by a fifth to a twelfth, come from two filters of our own (see `polyphase.rs`), which give the same
/// bits on every machine; all others from rubato's synchronous FFT resampler, which may differ in the last bits
/// from one kind of processor to another.
///
/// To 16,000 Hz, from any usual rate: flat within 0.001 dB up to 7,800 Hz; what lies above 8,050 Hz is down by
/// more than 110 dB (`tests/audio/resampler.rs` holds it to 0.01 dB and 100 dB).
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    /// `None` where the rates are equal.
    engine: Option<Engine>,
}

enum Engine {
    Polyphase(Box<Polyphase>),
    Synchronous(Box<Synchronous>),
}

impl Resampler {
    /// A resampler from `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// `Unsupported` for rates outside of [`SAMPLE_RATES`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        for rate in [from_hz, to_hz] {
            if !SAMPLE_RATES.contains(&rate) {
                let (low, high) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
                let what = format!("cannot resample at {rate} Hz, only between {low} and {high} Hz");
                return Err(
                    Error::new(ErrorKind::Unsupported, what).help("choose a usual rate, such as 16000")
                );
            }
        }
        let engine = match Polyphase::new(from_hz, to_hz) {
            _ if from_hz == to_hz => None,
            Some(polyphase) => Some(Engine::Polyphase(Box::new(polyphase))),
            None => Some(Engine::Synchronous(Box::new(Synchronous::new(from_hz, to_hz)?))),
        };
        Ok(Self { from_hz, to_hz, engine })
    }

    /// The rate of the input, in Hz.
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The rate of the output, in Hz.
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// Bytes of its tables and workspaces, about.
    fn bytes(&self) -> usize {
        match &self.engine {
            None => 0,
            Some(Engine::Polyphase(polyphase)) => 4 * polyphase.size(),
            Some(Engine::Synchronous(synchronous)) => 90 * synchronous.block(),
        }
    }

    /// Converts the whole of a clip. `output` is replaced and has [`resampled_len`] samples; equal rates copy.
    ///
    /// # Errors
    /// Only an internal one, from the resampling library.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<()> {
        output.clear();
        let length = resampled_len(input.len(), self.from_hz, self.to_hz);
        match &mut self.engine {
            None => output.extend_from_slice(input),
            Some(Engine::Polyphase(polyphase)) => polyphase.process(input, output, length),
            Some(Engine::Synchronous(synchronous)) => synchronous.process(input, output, length)?,
        }
        Ok(())
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resampler({} Hz to {} Hz)", self.from_hz, self.to_hz)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn internal(error: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot be resampled: {error}"))
}

/// The resamplers to one target rate that a thread has needed lately, so that a corpus of one rate builds one.
#[derive(Debug)]
pub struct ResamplerPool {
    to_hz: u32,
    /// The most recently used comes last.
    recent: Vec<Resampler>,
}

impl ResamplerPool {
    /// How many source rates are kept.
    pub const CAPACITY: usize = 4;

    /// How much memory all that are kept may take together, bytes. Awkward rates need large tables.
    const MAX_BYTES: usize = 45 << 20;

    /// An empty pool of resamplers to `to_hz`.
    pub fn new(to_hz: u32) -> Self {
        Self { to_hz, recent: Vec::with_capacity(Self::CAPACITY) }
    }

    /// The resampler from `from_hz`; a new one takes the place of the one unused for longest.
    ///
    /// # Errors
    /// Those of [`Resampler::new`].
    pub fn get(&mut self, from_hz: u32) -> Result<&mut Resampler> {
        let found = self.recent.iter().position(|resampler| resampler.from_hz == from_hz);
        let resampler = match found {
            Some(index) => self.recent.remove(index),
            None => {
                let resampler = Resampler::new(from_hz, self.to_hz)?;
                self.make_room(resampler.bytes());
                resampler
            }
        };
        self.recent.push(resampler);
        self.recent.last_mut().ok_or_else(|| internal("the pool is empty"))
    }

    fn make_room(&mut self, bytes: usize) {
        let full = |recent: &[Resampler]| {
            let kept: usize = recent.iter().map(Resampler::bytes).sum();
            recent.len() >= Self::CAPACITY || kept + bytes > Self::MAX_BYTES
        };
        while !self.recent.is_empty() && full(&self.recent) {
            self.recent.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_the_rates_used_last() {
        let mut pool = ResamplerPool::new(16_000);
        for rate in [8_000, 22_050, 24_414, 44_100, 8_000, 48_000] {
            assert_eq!(pool.get(rate).unwrap().from_hz(), rate);
        }
        let kept: Vec<u32> = pool.recent.iter().map(Resampler::from_hz).collect();
        assert_eq!(kept, [24_414, 44_100, 8_000, 48_000]);
        assert!(pool.get(0).is_err());
        assert_eq!(pool.recent.len(), ResamplerPool::CAPACITY);
        // One that needs a lot of memory is kept alone.
        pool.get(767_999).unwrap();
        assert_eq!(pool.recent.len(), 1);
        pool.get(24_414).unwrap();
        assert_eq!(pool.recent.len(), 1);
    }
}
