//! Decoded channels to one, sample by sample, up to a limit.

use symphonia::core::audio::conv::IntoSample;
use symphonia::core::audio::sample::Sample;
use symphonia::core::audio::{Audio, AudioBuffer, GenericAudioBufferRef};

/// Frames that are mixed at a time, so that the sum stays in a small buffer on the stack.
const BLOCK: usize = 512;

/// Appends the mean of the channels to `mono`. The mean is taken in f64, where every integer format is exact.
pub(super) fn mix_down(buffer: &GenericAudioBufferRef<'_>, mono: &mut Vec<f32>) {
    match buffer {
        GenericAudioBufferRef::U8(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::U16(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::U24(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::U32(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::S8(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::S16(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::S24(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::S32(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::F32(buffer) => mix(buffer, mono),
        GenericAudioBufferRef::F64(buffer) => mix(buffer, mono),
    }
}

fn mix<S: Sample + IntoSample<f64>>(buffer: &AudioBuffer<S>, mono: &mut Vec<f32>) {
    let channels = buffer.num_planes().max(1) as f64;
    let mut start = 0;
    while start < buffer.frames() {
        // Starting from +0 also turns a negative zero into a positive one, so equal audio has equal bits.
        let mut sums = [0f64; BLOCK];
        let length = BLOCK.min(buffer.frames() - start);
        for plane in buffer.iter_planes() {
            for (sum, &sample) in sums.iter_mut().zip(plane.iter().skip(start).take(length)) {
                let sample: f64 = sample.into_sample();
                *sum += sample;
            }
        }
        mono.extend(sums.iter().take(length).map(|sum| (sum / channels) as f32));
        start += length;
    }
}
