//! From one sample rate to another: a whole clip in, a whole clip out, in time with the original.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::{Error, ErrorKind, Result};

use super::SAMPLE_RATES;

/// The least number of samples, at the lower of the two rates, that one transform works on. The filter is as long
/// as that; at 16,000 Hz its pass band reaches to within 20 Hz of the Nyquist frequency.
const BLOCK: usize = 8000;

/// How many samples `len` samples at `from_hz` become at `to_hz`: `ceil(len · to / from)`, as librosa has it.
pub fn resampled_len(len: usize, from_hz: u32, to_hz: u32) -> usize {
    let exact = (len as u128 * u128::from(to_hz)).div_ceil(u128::from(from_hz.max(1)));
    usize::try_from(exact).unwrap_or(usize::MAX)
}

/// Converts mono clips between two fixed sample rates.
///
/// The method is rubato's synchronous FFT resampler with a Blackman–Harris² windowed sinc. Its delay is
/// compensated: sample 0 of the result is the instant of sample 0 of the input. Before and after the clip there
/// is silence. No state passes from one clip to the next.
///
/// To 16,000 Hz, from any usual rate: flat within 0.0001 dB up to 7,900 Hz; what lies above 8,030 Hz is down by
/// more than 100 dB (`tests/resampler.rs` holds it to 0.01 dB and 100 dB). f32 is enough for that; f64 would cost
/// twice to six times the time.
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    /// Nothing where the rates agree.
    engine: Option<Engine>,
}

struct Engine {
    fft: Fft<f32>,
    block_in: Vec<f32>,
    block_out: Vec<f32>,
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
                    Error::new(ErrorKind::Unsupported, what).mend("choose a usual rate, such as 16000")
                );
            }
        }
        let engine = if from_hz == to_hz { None } else { Some(Engine::new(from_hz, to_hz)?) };
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

    /// Input samples in a block, which its memory is proportional to.
    fn block(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| engine.block_in.len())
    }

    /// Converts the whole of a clip. `output` is replaced and has [`resampled_len`] samples; equal rates copy.
    ///
    /// # Errors
    /// Only an internal one, from the resampling library.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<()> {
        output.clear();
        match &mut self.engine {
            None => output.extend_from_slice(input),
            Some(engine) => {
                let length = resampled_len(input.len(), self.from_hz, self.to_hz);
                engine.process(input, output, length)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resampler({} Hz to {} Hz)", self.from_hz, self.to_hz)
    }
}

impl Engine {
    fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        let window = WindowFunction::BlackmanHarris2;
        let (from, to) = (from_hz as usize, to_hz as usize);
        let block = block_in(from, to);
        let fft = Fft::new_custom(from, to, block, 1, 1, window, FixedSync::Both).map_err(internal)?;
        let block_in = vec![0.0; fft.input_frames_next()];
        let block_out = vec![0.0; fft.output_frames_next()];
        Ok(Self { fft, block_in, block_out })
    }

    fn process(&mut self, input: &[f32], output: &mut Vec<f32>, length: usize) -> Result<()> {
        self.fft.reset();
        output.reserve(length);
        let mut delay = self.fft.output_delay();
        let mut rest = input;
        while output.len() < length {
            let (now, later) = rest.split_at(rest.len().min(self.block_in.len()));
            let (filled, padding) = self.block_in.split_at_mut(now.len());
            filled.copy_from_slice(now);
            padding.fill(0.0);
            rest = later;

            let (frames_in, frames_out) = (self.block_in.len(), self.block_out.len());
            let source = InterleavedSlice::new(&self.block_in, 1, frames_in).map_err(internal)?;
            let mut sink = InterleavedSlice::new_mut(&mut self.block_out, 1, frames_out).map_err(internal)?;
            let (_, written) = self.fft.process_into_buffer(&source, &mut sink, None).map_err(internal)?;
            if written == 0 {
                return Err(internal("no samples came out"));
            }
            let skipped = delay.min(written);
            delay -= skipped;
            let wanted = length - output.len();
            output.extend(self.block_out.iter().take(written).skip(skipped).take(wanted));
        }
        Ok(())
    }
}

/// The number of input samples in a block: an even multiple of the shortest run of input samples that spans a
/// whole number of output samples. Only a filter of even length has its centre on a sample; that of an odd one
/// delays by half an input sample, which no number of output samples makes good.
fn block_in(from: usize, to: usize) -> usize {
    let common = greatest_common_divisor(from, to).max(1);
    let (period_in, period_out) = (from / common, to / common);
    let periods = BLOCK.div_ceil(period_in.min(period_out).max(1)).next_multiple_of(2);
    periods * period_in
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

    /// How many input samples the blocks of all that are kept may have together. Awkward rates need long blocks,
    /// and each sample costs some 90 bytes of tables and buffers.
    const MAX_BLOCKS: usize = 1 << 19;

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
                self.make_room(resampler.block());
                resampler
            }
        };
        self.recent.push(resampler);
        self.recent.last_mut().ok_or_else(|| internal("the pool is empty"))
    }

    fn make_room(&mut self, block: usize) {
        let full = |recent: &[Resampler]| {
            let blocks: usize = recent.iter().map(Resampler::block).sum();
            recent.len() >= Self::CAPACITY || blocks + block > Self::MAX_BLOCKS
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
        // One that needs very much memory is kept alone.
        pool.get(767_999).unwrap();
        assert_eq!(pool.recent.len(), 1);
        pool.get(24_414).unwrap();
        assert_eq!(pool.recent.len(), 1);
    }
}
