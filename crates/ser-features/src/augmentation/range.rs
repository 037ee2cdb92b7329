//! Ranges that parameters are drawn from, and the bounds of parameters.

use libm::{exp, log};
use ser_core::random::Random;
use ser_core::{Error, ErrorKind, Result};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// From `low` to `high`; in text `[low, high]`, or one number for both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Range {
    /// The range of `value` alone.
    pub const fn only(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// A value, each equally likely.
    pub fn draw(&self, random: &mut Random) -> f64 {
        random.between(self.low, self.high).clamp(self.low, self.high)
    }

    /// A value whose logarithm is uniform: as likely within a factor of two below 1 as above.
    pub fn draw_ratio(&self, random: &mut Random) -> f64 {
        exp(random.between(log(self.low), log(self.high))).clamp(self.low, self.high)
    }

    /// The octaves at its two ends, of ratios.
    pub fn octaves_of_ratios(&self) -> [f64; 2] {
        [self.low.log2(), self.high.log2()]
    }

    /// The octaves at its two ends, of semitones.
    pub fn octaves_of_semitones(&self) -> [f64; 2] {
        [self.low / 12.0, self.high / 12.0]
    }

    /// Rejects a range of parameter `key` that is reversed or not within `lowest` to `highest`, in `unit`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the parameter, its value and what it may be.
    pub fn validate(&self, key: &str, lowest: f64, highest: f64, unit: &str) -> Result<()> {
        if self.low <= self.high && lowest <= self.low && self.high <= highest {
            return Ok(());
        }
        let Self { low, high } = self;
        let what = format!("{key} = [{low}, {high}] is not allowed");
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let help = format!("it must be [low, high] within {lowest} to {highest}{unit}");
        Err(Error::new(ErrorKind::Usage, what).help(help))
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // −0 equals 0 but would print differently.
        [self.low + 0.0, self.high + 0.0].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "it must be [low, high] or one number")]
        enum Text {
            Both([f64; 2]),
            One(f64),
        }
        Ok(match Text::deserialize(deserializer)? {
            Text::Both([low, high]) => Self { low, high },
            Text::One(value) => Self::only(value),
        })
    }
}
