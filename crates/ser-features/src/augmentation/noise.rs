//! Additive noise: of a colour, or of other people talking.

use std::f64::consts::LOG10_2;
use std::fmt;

use ser_core::random::Random;
use ser_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::augmentation::noise_maker::NoiseMaker;
use crate::augmentation::{Augmentation, Parts, Range, Sound, Step, require};

/// `kind = "noise"`
///
/// Either `colour` or `slope_db_per_octave`, and either `snr_db` or `floor_db`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Its colour. White if neither this nor a slope is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// How its power density changes with frequency, −12 to 12 dB per octave, uniform: 0 is white, −3 pink, −6 brown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope_db_per_octave: Option<Range>,
    /// Mean power of the utterance over mean power of the noise, −60 to 120 dB, uniform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<Range>,
    /// How far the noise's power density at 1 kHz lies below the highest that the utterance ever has: the loudest 100 Hz
    /// of its loudest 32 ms. 0 to 120 dB, uniform. This is what a spectrogram shows as its floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_db: Option<Range>,
    /// Number of talkers in babble, 1 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talkers: Option<usize>,
}

/// A kind of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// The same power in every hertz.
    White,
    /// The same power in every octave: −3 dB per octave.
    Pink,
    /// −6 dB per octave.
    Brown,
    /// Other training utterances, mixed.
    Babble,
}

/// How loud noise is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseLevel {
    /// Signal-to-noise ratio in dB.
    SnrDb(f64),
    /// How far it is below the utterance's highest power density, in dB.
    FloorDb(f64),
}

/// Constructs a level from its dB: one of the two variants.
type LevelOf = fn(f64) -> NoiseLevel;

/// Talkers in babble if none are given.
const TALKERS: usize = 4;

impl Augmentation for Noise {
    const KIND: &'static str = "noise";

    fn validate(&self) -> Result<()> {
        let refuse = |what: &str, help: &str| Err(Error::new(ErrorKind::Usage, what).help(help));
        match (self.colour, self.slope_db_per_octave) {
            (Some(_), Some(_)) => {
                return refuse("has both colour and slope_db_per_octave", "give one of them");
            }
            (_, Some(slope)) => slope.validate("slope_db_per_octave", -12.0, 12.0, "dB per octave")?,
            _ => {}
        }
        self.level()?;
        if let Some(talkers) = self.talkers {
            if self.colour != Some(Colour::Babble) {
                return refuse("has talkers, which only babble takes", "give colour = \"babble\"");
            }
            require((1..=32).contains(&talkers), "talkers", talkers, "1 to 32")?;
        }
        if self.colour == Some(Colour::Babble) && self.floor_db.is_some() {
            return refuse("has floor_db, but babble has no steady floor", "give snr_db");
        }
        Ok(())
    }

    fn draw(&self, random: &mut Random) -> Result<Box<dyn Step>> {
        let (level, range) = self.level()?;
        let slope = match (self.colour, self.slope_db_per_octave) {
            (Some(Colour::Babble), _) => None,
            (Some(Colour::Pink), _) => Some(-10.0 * LOG10_2),
            (Some(Colour::Brown), _) => Some(-20.0 * LOG10_2),
            (_, Some(slope)) => Some(slope.draw(random)),
            (Some(Colour::White) | None, None) => Some(0.0),
        };
        let level = level(range.draw(random));
        Ok(match slope {
            Some(slope_db_per_octave) => Box::new(Coloured { slope_db_per_octave, level }),
            None => Box::new(Talkers { talkers: self.talkers.unwrap_or(TALKERS), level }),
        })
    }

    fn mixes_utterances(&self) -> bool {
        self.colour == Some(Colour::Babble)
    }
}

impl Noise {
    /// What its level is called, and the range that it is drawn from.
    fn level(&self) -> Result<(LevelOf, Range)> {
        match (self.snr_db, self.floor_db) {
            (Some(snr), None) => {
                snr.validate("snr_db", -60.0, 120.0, "dB")?;
                Ok((NoiseLevel::SnrDb, snr))
            }
            (None, Some(floor)) => {
                floor.validate("floor_db", 0.0, 120.0, "dB")?;
                Ok((NoiseLevel::FloorDb, floor))
            }
            _ => {
                Err(Error::new(ErrorKind::Usage, "needs either snr_db or floor_db").help("give one of them"))
            }
        }
    }
}

/// Noise of a slope.
#[derive(Debug)]
struct Coloured {
    slope_db_per_octave: f64,
    level: NoiseLevel,
}

impl Step for Coloured {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let Parts { samples, sample_rate, random, workspaces, .. } = sound.parts()?;
        let maker = workspaces.get(|| NoiseMaker::new(sample_rate));
        maker.add(self.slope_db_per_octave, self.level, random, samples)
    }
}

impl fmt::Display for Coloured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slope_db_per_octave, level } = self;
        write!(f, "noise with {slope_db_per_octave:+.1} dB per octave {level}")
    }
}

/// Babble; nothing is added if there are no talkers to be had.
#[derive(Debug)]
struct Talkers {
    talkers: usize,
    level: NoiseLevel,
}

impl Step for Talkers {
    fn apply(&mut self, sound: &mut Sound<'_>) -> Result<()> {
        let Parts { samples, sample_rate, random, babble, workspaces } = sound.parts()?;
        let voices = (0..self.talkers).map_while(|_| babble(random)).filter(|voice| !voice.is_empty());
        let voices: Vec<Vec<f32>> = voices.collect();
        self.talkers = voices.len();
        let maker = workspaces.get(|| NoiseMaker::new(sample_rate));
        maker.add_babble(&voices, self.level, random, samples);
        Ok(())
    }
}

impl fmt::Display for Talkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { talkers: 0, .. } => f.write_str("babble of no talkers"),
            Self { talkers, level } => write!(f, "babble of {talkers} {level}"),
        }
    }
}

impl fmt::Display for NoiseLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SnrDb(snr) => write!(f, "at {snr:.1} dB SNR"),
            Self::FloorDb(floor) => write!(f, "{floor:.1} dB under the peak"),
        }
    }
}
