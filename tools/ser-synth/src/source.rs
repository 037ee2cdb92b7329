//! The voice source: what the larynx sends into the vocal tract.

use ser_core::random::Random;
use ser_core::ratio::decibels;

use crate::emotion::Expression;

/// A vibrating glottis, after the KLGLOTT88 model of Klatt & Klatt (1990), "Analysis, synthesis, and perception of voice
/// quality variations": the flow of a cycle is 27/4·(u² − u³) while the glottis is open, u running from 0 to 1.
pub(crate) struct Glottis {
    sample_rate: f64,
    open_quotient: f64,
    /// Factor that gives the flow's derivative an effective value of 1 whatever the pitch and open quotient.
    level: f64,
    jitter: f64,
    shimmer: f64,
    creak: f64,
    /// Position within the cycle, 0 to 1.
    phase: f64,
    flow: f64,
    /// Length and amplitude of this cycle relative to the ideal.
    length: f64,
    amplitude: f64,
    odd: bool,
    /// The low-pass that takes `tilt` decibels at 3 kHz, and its memory.
    tilt_keep: f64,
    tilted: f64,
}

/// One sample of the source.
pub(crate) struct Pulse {
    /// Derivative of the flow: radiation at the lips is included.
    pub(crate) excitation: f64,
    /// Whether the glottis is open, 0 or 1: breath passes only then.
    pub(crate) open: f64,
}

impl Glottis {
    pub(crate) fn new(expression: &Expression, sample_rate: f64) -> Self {
        let open_quotient = expression.open_quotient;
        // A first-order low-pass loses 10·log10(1 + (3000 / cutoff)²) dB at 3 kHz.
        let loss = decibels(expression.tilt);
        let cutoff = 3000.0 / (loss * loss - 1.0).max(1e-3).sqrt();
        Self {
            sample_rate,
            open_quotient,
            // The mean square of 27/4·d(u² − u³)/du over a cycle is (27/4)²·(2/15) / open quotient.
            level: (open_quotient * 7.5).sqrt() / 6.75,
            jitter: expression.jitter,
            shimmer: expression.shimmer,
            creak: expression.creak,
            phase: 0.0,
            flow: 0.0,
            length: 1.0,
            amplitude: 1.0,
            odd: false,
            tilt_keep: one_pole(cutoff, sample_rate),
            tilted: 0.0,
        }
    }

    /// Advances by one sample at `pitch` Hz.
    pub(crate) fn next(&mut self, pitch: f64, random: &mut Random) -> Pulse {
        let advance = (pitch / (self.sample_rate * self.length)).min(0.45);
        self.phase += advance;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            self.odd = !self.odd;
            let creak = if self.odd { self.creak } else { 0.0 };
            self.length = (1.0 + random.spread(self.jitter)) * (1.0 + 0.05 * creak);
            self.amplitude = decibels(random.spread(self.shimmer)) * (1.0 - 0.5 * creak);
        }
        let open = self.phase < self.open_quotient;
        let flow = if open {
            let u = self.phase / self.open_quotient;
            6.75 * u * u * (1.0 - u)
        } else {
            0.0
        };
        // Differencing the sampled flow, not sampling its derivative, tames the aliasing of the closing edge.
        let derivative = (flow - self.flow) / advance.max(1e-6);
        self.flow = flow;
        let excitation = self.level * self.open_quotient * self.amplitude * derivative;
        self.tilted = excitation + self.tilt_keep * (self.tilted - excitation);
        Pulse { excitation: self.tilted, open: if open { 1.0 } else { 0.0 } }
    }
}

/// The coefficient with which a one-pole low-pass with 3 dB loss at `cutoff` Hz keeps its last output.
///
/// Chosen so that the loss at `cutoff` is exact at any sample rate: k = c − √(c² − 1) with c = 2 − cos ω.
fn one_pole(cutoff: f64, sample_rate: f64) -> f64 {
    let omega = std::f64::consts::TAU * cutoff / sample_rate;
    let c = 2.0 - libm::cos(omega.min(std::f64::consts::PI));
    (c - (c * c - 1.0).sqrt()).clamp(0.0, 1.0)
}
