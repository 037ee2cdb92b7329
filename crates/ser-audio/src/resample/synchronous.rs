//! Any rate to any other, by rubato's synchronous FFT resampler with a Blackman–Harris² windowed sinc.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};
use ser_core::Result;

use crate::resample::{greatest_common_divisor, internal};

/// The least number of samples, at the lower of the two rates, that one transform works on. The filter is as long
/// as that; at 16,000 Hz its pass band reaches to within 20 Hz of the Nyquist frequency.
const BLOCK: usize = 8000;

/// A resampler with its delay compensated. f32 is enough for 100 dB; f64 would cost twice to six times the time.
pub(super) struct Synchronous {
    fft: Fft<f32>,
    block_in: Vec<f32>,
    block_out: Vec<f32>,
}

impl Synchronous {
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        let window = WindowFunction::BlackmanHarris2;
        let (from, to) = (from_hz as usize, to_hz as usize);
        let block = block_in(from, to);
        let fft = Fft::new_custom(from, to, block, 1, 1, window, FixedSync::Both).map_err(internal)?;
        let block_in = vec![0.0; fft.input_frames_next()];
        let block_out = vec![0.0; fft.output_frames_next()];
        Ok(Self { fft, block_in, block_out })
    }

    /// Input samples in a block, which its memory is proportional to.
    pub(super) fn block(&self) -> usize {
        self.block_in.len()
    }

    pub(super) fn process(&mut self, input: &[f32], output: &mut Vec<f32>, length: usize) -> Result<()> {
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
