//! Equaliser: a smooth random frequency response, as of another microphone or room.

use std::fmt;

use ser_core::Result;
use ser_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, Sound, Step, VoiceChange, require};

/// `kind = "equaliser"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equaliser {
    /// Frequencies at which a gain is drawn, 2 to 64: evenly spaced on the mel scale, from 0 Hz to half the sample rate.
    #[serde(default = "five")]
    pub nodes: usize,
    /// Standard deviation of the gain at each node, in dB, 0 to 24, normal with mean 0. Gains are cut off at three
    /// times that.
    pub deviation_db: f64,
}

const fn five() -> usize {
    5
}

impl Augmentation for Equaliser {
    const KIND: &'static str = "equaliser";

    fn validate(&self) -> Result<()> {
        require((2..=64).contains(&self.nodes), "nodes", self.nodes, "2 to 64")?;
        let deviation = self.deviation_db;
        require((0.0..=24.0).contains(&deviation), "deviation_db", deviation, "0 to 24 dB")
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        let gain = |_| self.deviation_db * random.normal().clamp(-3.0, 3.0);
        Ok(Box::new(EqualiserGains { gains_db: (0..self.nodes).map(gain).collect() }))
    }
}

/// An equaliser as drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct EqualiserGains {
    /// Gains at the nodes in dB, from 0 Hz up.
    pub gains_db: Vec<f64>,
}

impl Step for EqualiserGains {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        sound.change_voice(VoiceChange::Equaliser { gains_db: self.gains_db.clone() })
    }
}

impl fmt::Display for EqualiserGains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gains: Vec<String> = self.gains_db.iter().map(|gain| format!("{gain:+.1}")).collect();
        write!(f, "equaliser {} dB", gains.join(" "))
    }
}
