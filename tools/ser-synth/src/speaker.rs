//! Who speaks: a vocal tract, a larynx, and a manner of her own for each emotion.

use ser_core::random::Random;

use crate::Emotion;
use crate::emotion::Expression;

/// The most speakers a corpus can have: `OAF`, `YAF`, `S03` … `S99`.
pub const MAX_SPEAKERS: usize = 99;

/// The first `count` speakers: TESS's two (an older and a younger woman), then `S03`, `S04` … up to [`MAX_SPEAKERS`].
pub fn speakers(count: usize) -> Vec<String> {
    (1..=count.min(MAX_SPEAKERS))
        .map(|number| match number {
            1 => "OAF".to_owned(),
            2 => "YAF".to_owned(),
            _ => format!("S{number:02}"),
        })
        .collect()
}

/// A voice, which depends on the speaker's name alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// Pitch of calm speech, in Hz.
    pub(crate) pitch: f64,
    /// Factor of all formants; inverse to the length of the vocal tract. 1 is the average woman's.
    pub(crate) formants: f64,
    /// Factor of the first formant's bandwidth and of those above it.
    pub(crate) bandwidth: f64,
    /// Tempo as a factor.
    rate: f64,
    /// Added to the voice source's loss at 3 kHz, in decibels.
    tilt: f64,
    /// Added to the open quotient.
    open_quotient: f64,
    /// Added to the aspiration, in decibels.
    aspiration: f64,
    /// Factor of jitter and shimmer.
    roughness: f64,
}

impl Voice {
    /// The voice of `speaker`.
    pub(crate) fn of(speaker: &str) -> Self {
        match speaker {
            // The older voice is lower, slower, rougher and a little breathier.
            "OAF" => Self {
                pitch: 186.0,
                formants: 0.975,
                bandwidth: 1.1,
                rate: 0.96,
                tilt: 1.0,
                open_quotient: 0.01,
                aspiration: 1.5,
                roughness: 1.4,
            },
            "YAF" => Self {
                pitch: 216.0,
                formants: 1.025,
                bandwidth: 1.0,
                rate: 1.03,
                tilt: -0.5,
                open_quotient: -0.01,
                aspiration: -0.5,
                roughness: 0.9,
            },
            _ => {
                let mut random = Random::new(&["ser-synth voice", speaker]);
                // Lower voices belong to longer tracts, loosely.
                let size = random.symmetric();
                Self {
                    pitch: 175.0 - 55.0 * size + random.spread(8.0),
                    formants: 0.95 - 0.09 * size + random.spread(0.02),
                    bandwidth: random.between(0.9, 1.2),
                    rate: random.between(0.92, 1.08),
                    tilt: random.spread(1.2),
                    open_quotient: random.spread(0.02),
                    aspiration: random.spread(1.5),
                    roughness: random.between(0.8, 1.5),
                }
            }
        }
    }

    /// How this speaker expresses `emotion`: the general tendency, her voice, and her own habit. Actors agree on the
    /// direction of a cue more than on which cues they use, so each cue is as likely to be overdone as to be left out.
    pub(crate) fn expression(&self, speaker: &str, emotion: Emotion) -> Expression {
        let calm = Expression::of(Emotion::Neutral);
        let tendency = Expression::of(emotion);
        let mut random = Random::new(&["ser-synth habit", speaker, emotion.label()]);
        let mut habit = |calm: f64, tendency: f64, deviation: f64| {
            calm + (tendency - calm) * (1.0 + random.spread(0.25)).clamp(0.0, 2.0) + random.spread(deviation)
        };
        Expression {
            pitch: habit(calm.pitch, tendency.pitch, 0.72),
            contour: std::array::from_fn(|point| habit(calm.contour[point], tendency.contour[point], 0.48)),
            rate: self.rate * habit(calm.rate, tendency.rate, 0.024),
            stretch: habit(calm.stretch, tendency.stretch, 0.036),
            accent: habit(calm.accent, tendency.accent, 0.72),
            decay: habit(calm.decay, tendency.decay, 0.72),
            attack: habit(calm.attack, tendency.attack, 0.0012).clamp(0.003, 0.03),
            tilt: (self.tilt + habit(calm.tilt, tendency.tilt, 0.9)).max(1.0),
            open_quotient: (self.open_quotient + habit(calm.open_quotient, tendency.open_quotient, 0.018))
                .clamp(0.35, 0.8),
            aspiration: self.aspiration + habit(calm.aspiration, tendency.aspiration, 1.2),
            jitter: self.roughness * habit(calm.jitter, tendency.jitter, 0.0012).max(0.002),
            shimmer: self.roughness * habit(calm.shimmer, tendency.shimmer, 0.06).max(0.1),
            creak: habit(calm.creak, tendency.creak, 0.018).clamp(0.0, 0.8),
            tremor: habit(calm.tremor, tendency.tremor, 0.03).max(0.0),
            openness: habit(calm.openness, tendency.openness, 0.012),
            smile: habit(calm.smile, tendency.smile, 0.009),
            reduction: habit(calm.reduction, tendency.reduction, 0.024).clamp(0.0, 0.5),
            nasality: habit(calm.nasality, tendency.nasality, 0.036).clamp(0.0, 0.9),
        }
    }
}

/// One take: the speaker's expression as it comes out this time.
pub(crate) fn take(usual: Expression, random: &mut Random) -> Expression {
    let mut vary = |value: f64, deviation: f64| value + random.spread(deviation);
    Expression {
        pitch: vary(usual.pitch, 0.8),
        contour: usual.contour.map(|point| vary(point, 0.7)),
        rate: usual.rate * vary(1.0, 0.07),
        stretch: vary(usual.stretch, 0.05),
        accent: vary(usual.accent, 0.8),
        decay: vary(usual.decay, 0.8),
        attack: vary(usual.attack, 0.001).max(0.002),
        tilt: vary(usual.tilt, 1.0).max(0.5),
        open_quotient: vary(usual.open_quotient, 0.02).clamp(0.3, 0.85),
        aspiration: vary(usual.aspiration, 1.2),
        jitter: usual.jitter * vary(1.0, 0.15),
        shimmer: usual.shimmer * vary(1.0, 0.15),
        creak: vary(usual.creak, 0.05).clamp(0.0, 0.85),
        tremor: vary(usual.tremor, 0.05).max(0.0),
        openness: vary(usual.openness, 0.02),
        smile: vary(usual.smile, 0.015),
        reduction: vary(usual.reduction, 0.03).clamp(0.0, 0.6),
        nasality: vary(usual.nasality, 0.06).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn speakers_have_names_and_voices_of_their_own() {
        let names = speakers(MAX_SPEAKERS);
        assert_eq!(names[..4], ["OAF", "YAF", "S03", "S04"]);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), MAX_SPEAKERS);
        let pitches: BTreeSet<u64> = names.iter().map(|name| Voice::of(name).pitch.to_bits()).collect();
        assert_eq!(pitches.len(), MAX_SPEAKERS);
        for name in &names {
            let voice = Voice::of(name);
            assert!((80.0..280.0).contains(&voice.pitch), "{name}: {voice:?}");
            assert!((0.75..1.2).contains(&voice.formants), "{name}: {voice:?}");
        }
    }
}
