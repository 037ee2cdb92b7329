//! Decoded channels to one, sample by sample: their mean, or one of them where the others cancel it.

use symphonia::core::audio::conv::IntoSample;
use symphonia::core::audio::sample::Sample;
use symphonia::core::audio::{Audio, AudioBuffer, GenericAudioBufferRef};

/// Frames that are mixed at a time, so that the sum stays in a small buffer on the stack.
const BLOCK: usize = 512;

/// Channels cancel each other where their mean has less than this share of the energy that it would have if they had
/// nothing to do with each other. Of two equally loud channels that is a correlation below −0.8: microphones in one room
/// are far above that, and a channel recorded with its wires swapped is far below.
const CANCELLED: f64 = 0.2;

/// How channels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mixing {
    /// By their mean.
    #[default]
    Mean,
    /// By this one alone, counted from 0.
    One(usize),
}

/// Mixes the channels of one recording, and notices whether they cancel each other.
#[derive(Debug, Default)]
pub(super) struct Mixer {
    mixing: Mixing,
    /// Energy of each channel, and of their mean.
    channels: Vec<f64>,
    mean: f64,
}

impl Mixer {
    pub(super) fn new(mixing: Mixing) -> Self {
        Self { mixing, ..Self::default() }
    }

    /// The loudest channel, the first of equals, if the channels of what was mixed cancel each other.
    pub(super) fn cancelled(&self) -> Option<usize> {
        let channels = self.channels.len();
        if channels < 2 || self.mixing != Mixing::Mean {
            return None;
        }
        let unrelated = self.channels.iter().sum::<f64>() / (channels * channels) as f64;
        let loudest = (0..channels).rev().max_by(|a, b| self.channels[*a].total_cmp(&self.channels[*b]));
        loudest.filter(|_| self.mean < CANCELLED * unrelated)
    }

    /// Appends one sample for each frame to `mono`. Sums are taken in f64, where every integer format is exact.
    pub(super) fn mix_down(&mut self, buffer: &GenericAudioBufferRef<'_>, mono: &mut Vec<f32>) {
        match buffer {
            GenericAudioBufferRef::U8(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::U16(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::U24(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::U32(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::S8(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::S16(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::S24(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::S32(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::F32(buffer) => self.mix(buffer, mono),
            GenericAudioBufferRef::F64(buffer) => self.mix(buffer, mono),
        }
    }

    fn mix<S: Sample + IntoSample<f64>>(&mut self, buffer: &AudioBuffer<S>, mono: &mut Vec<f32>) {
        let planes = buffer.num_planes();
        let divisor = match self.mixing {
            Mixing::Mean => planes.max(1) as f64,
            Mixing::One(_) => 1.0,
        };
        self.channels.resize(planes.max(self.channels.len()), 0.0);
        let mut start = 0;
        while start < buffer.frames() {
            // Starting from +0 also turns a negative zero into a positive one, so equal audio has equal bits.
            let mut sums = [0f64; BLOCK];
            let length = BLOCK.min(buffer.frames() - start);
            for ((number, plane), energy) in buffer.iter_planes().enumerate().zip(&mut self.channels) {
                if matches!(self.mixing, Mixing::One(only) if only != number) {
                    continue;
                }
                let mut of_block = 0.0;
                for (sum, &sample) in sums.iter_mut().zip(plane.iter().skip(start).take(length)) {
                    let sample: f64 = sample.into_sample();
                    *sum += sample;
                    of_block += sample * sample;
                }
                *energy += of_block;
            }
            for sum in sums.iter_mut().take(length) {
                *sum /= divisor;
                self.mean += *sum * *sum;
            }
            mono.extend(sums.iter().take(length).map(|sum| *sum as f32));
            start += length;
        }
    }
}
