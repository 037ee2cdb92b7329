//! Reverberation: a synthetic room.

use std::collections::BTreeMap;
use std::fmt;

use libm::exp;
use ser_core::Result;
use ser_core::random::Random;
use ser_core::ratio::decibels;
use serde::{Deserialize, Serialize};

use crate::augmentation::transform::Transform;
use crate::augmentation::{Augmentation, Parts, Range, Sound, Step};

/// `kind = "reverberation"`
///
/// The room's response is the direct sound followed by exponentially decaying noise, the model of diffuse sound in
/// Polack (1988), "La transmission de l'énergie sonore dans les salles" (thesis, Université du Maine, Le Mans). The
/// utterance keeps its length: what would ring on after its end is cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reverberation {
    /// Reverberation time: seconds in which the room's sound falls by 60 dB, 0.05 to 5, log-uniform.
    pub rt60_s: Range,
    /// Energy of the direct sound over that of the room, −20 to 60 dB, uniform.
    pub direct_to_reverberant_db: Range,
}

/// From the direct sound to the room's first, in seconds: a wall that is half a metre away.
const DELAY_S: f64 = 0.003;

impl Augmentation for Reverberation {
    const KIND: &'static str = "reverberation";

    fn validate(&self) -> Result<()> {
        self.rt60_s.validate("rt60_s", 0.05, 5.0, "s")?;
        self.direct_to_reverberant_db.validate("direct_to_reverberant_db", -20.0, 60.0, "dB")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        Ok(Box::new(Room {
            rt60_s: self.rt60_s.draw_ratio(random),
            direct_to_reverberant_db: self.direct_to_reverberant_db.draw(random),
        }))
    }
}

#[derive(Debug)]
struct Room {
    rt60_s: f64,
    direct_to_reverberant_db: f64,
}

impl Step for Room {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let Parts { samples, sample_rate, random, workspaces, .. } = sound.parts()?;
        let response = self.impulse_response(f64::from(sample_rate), random);
        workspaces.get(Convolution::default).apply(&response, samples)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rt60_s, direct_to_reverberant_db } = self;
        write!(f, "reverberation of {rt60_s:.2} s, {direct_to_reverberant_db:+.1} dB direct")
    }
}

impl Room {
    /// Its impulse response; the first sample is the direct sound, 1.
    fn impulse_response(&self, sample_rate: f64, random: &mut Random) -> Vec<f32> {
        let delay = (DELAY_S * sample_rate).ceil() as usize;
        let length = (self.rt60_s * sample_rate).ceil() as usize + delay;
        // 60 dB in rt60_s are a factor of e in rt60_s / ln 1000.
        let decay = std::f64::consts::LN_10 * 3.0 / (self.rt60_s * sample_rate);
        let mut room: Vec<f64> =
            (delay..length.max(delay + 1)).map(|n| random.spread(1.0) * exp(-decay * n as f64)).collect();
        let energy: f64 = room.iter().map(|x| x * x).sum();
        let factor =
            if energy > 0.0 { decibels(-self.direct_to_reverberant_db) / energy.sqrt() } else { 0.0 };
        room.iter_mut().for_each(|x| *x *= factor);
        let mut response = vec![0.0; delay];
        if let Some(direct) = response.first_mut() {
            *direct = 1.0;
        }
        response.extend(room.iter().map(|&x| x as f32));
        response
    }
}

/// Convolves waveforms with the responses of rooms, with its transforms and buffers.
#[derive(Debug, Clone, Default)]
struct Convolution {
    /// By their lengths, which are powers of two.
    transforms: BTreeMap<usize, Transform>,
    output: Vec<f32>,
}

impl Convolution {
    /// Convolves `samples` with `response` in place, without what rings on after their end: block by block, by Fourier
    /// transforms.
    fn apply(&mut self, response: &[f32], samples: &mut [f32]) -> Result<()> {
        let response = response.get(..samples.len()).unwrap_or(response);
        let length = (2 * response.len()).next_power_of_two().max(64);
        let step = length - response.len() + 1;
        let transform = self.transforms.entry(length).or_insert_with(|| Transform::new(length));
        let mut block = transform.samples();
        let (mut spectrum, mut filter) = (transform.spectrum(), transform.spectrum());
        block.iter_mut().zip(response).for_each(|(value, tap)| *value = tap / length as f32);
        transform.run(&mut block, &mut filter)?;
        self.output.clear();
        self.output.resize(samples.len(), 0.0);
        for (index, input) in samples.chunks(step).enumerate() {
            block.fill(0.0);
            block.iter_mut().zip(input).for_each(|(value, sample)| *value = *sample);
            transform.run(&mut block, &mut spectrum)?;
            spectrum.iter_mut().zip(&filter).for_each(|(bin, filter)| *bin *= filter);
            transform.run_back(&mut spectrum, &mut block)?;
            let sums = self.output.get_mut(index * step..).unwrap_or_default();
            sums.iter_mut().zip(&block).for_each(|(sum, value)| *sum += value);
        }
        samples.copy_from_slice(&self.output);
        Ok(())
    }
}
