//! The vocal tract as digital resonators, after Klatt (1980), "Software for a cascade/parallel formant synthesizer".

use std::f64::consts::{PI, TAU};

use libm::{cos, exp};

/// A two-pole resonance of unit gain at 0 Hz, or the two-zero antiresonance that undoes it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resonance {
    a: f64,
    b: f64,
    c: f64,
    last: f64,
    before: f64,
}

impl Resonance {
    /// Moves the resonance to `frequency` and `bandwidth` (Hz), keeping what is ringing.
    pub(crate) fn tune(&mut self, frequency: f64, bandwidth: f64, sample_rate: f64) {
        let radius = exp(-PI * bandwidth / sample_rate);
        self.c = -radius * radius;
        self.b = 2.0 * radius * cos(TAU * frequency / sample_rate);
        self.a = 1.0 - self.b - self.c;
    }

    pub(crate) fn resonate(&mut self, input: f64) -> f64 {
        let output = self.a * input + self.b * self.last + self.c * self.before;
        self.before = self.last;
        self.last = output;
        output
    }

    pub(crate) fn antiresonate(&mut self, input: f64) -> f64 {
        let output = (input - self.b * self.last - self.c * self.before) / self.a;
        self.before = self.last;
        self.last = input;
        output
    }
}

/// A band of noise: a two-pole resonance with zeros at 0 Hz and at half the sample rate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Band {
    pole: Resonance,
    gain: f64,
    inputs: [f64; 2],
}

impl Band {
    /// Tunes the band so that white noise of variance 1 leaves it with a variance of about 1.
    pub(crate) fn tune(&mut self, centre: f64, bandwidth: f64, sample_rate: f64) {
        // What lies above the highest frequency there is, is lost.
        let highest = 0.42 * sample_rate;
        let loss = if centre > highest { (highest / centre) * (highest / centre) } else { 1.0 };
        let centre = centre.min(highest);
        let bandwidth = bandwidth.min(0.3 * sample_rate);
        self.pole.tune(centre, bandwidth, sample_rate);
        // Peak gain 1 is (1 − r²) / 2; its noise bandwidth is π/2 of the nominal one.
        let peak = 0.5 * (1.0 + self.pole.c);
        self.gain = loss * peak * (sample_rate / (PI * bandwidth)).sqrt() / self.pole.a;
    }

    pub(crate) fn pass(&mut self, input: f64) -> f64 {
        let [last, before] = self.inputs;
        self.inputs = [input, last];
        self.pole.resonate(self.gain * (input - before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain at `frequency`, measured with a long sine.
    fn gain(frequency: f64, sample_rate: f64, mut filter: impl FnMut(f64) -> f64) -> f64 {
        let samples = sample_rate as usize;
        let output: Vec<f64> = (0..samples)
            .map(|n| filter((TAU * frequency * n as f64 / sample_rate).sin()))
            .skip(samples / 2)
            .collect();
        (2.0 * output.iter().map(|x| x * x).sum::<f64>() / output.len() as f64).sqrt()
    }

    #[test]
    fn a_resonance_peaks_where_it_is_tuned_and_its_antiresonance_undoes_it() {
        let mut tuned = Resonance::default();
        tuned.tune(700.0, 60.0, 16_000.0);
        let at = |frequency| {
            let mut filter = tuned;
            gain(frequency, 16_000.0, |x| filter.resonate(x))
        };
        assert!((at(1.0) - 1.0).abs() < 0.01);
        assert!(at(700.0) > 8.0 && at(700.0) > at(660.0) && at(700.0) > at(740.0));
        let (mut forwards, mut backwards) = (tuned, tuned);
        for n in 0..500 {
            let input = f64::from(n % 7) - 3.0;
            assert!((backwards.antiresonate(forwards.resonate(input)) - input).abs() < 1e-9);
        }
    }

    #[test]
    fn a_band_keeps_the_power_of_white_noise() {
        let mut random = ser_core::random::Random::new(&["test"]);
        for (centre, bandwidth) in [(2500.0, 900.0), (7000.0, 1800.0)] {
            let mut band = Band::default();
            band.tune(centre, bandwidth, 24_414.0);
            let power = (0..100_000).map(|_| band.pass(random.spread(1.0))).map(|x| x * x).sum::<f64>();
            assert!((0.6..1.6).contains(&(power / 100_000.0)), "{centre} Hz: {power}");
        }
    }
}
