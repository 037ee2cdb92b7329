//! Axes: where a value lies, and which values are written beside it.

/// An axis from `low` to `high` over `from` to `to` of the drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
    /// The values written beside it.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to 1 in fifths.
    pub(super) fn unit(from: f64, to: f64) -> Self {
        let ticks = (0..=5).map(|fifth| f64::from(fifth) / 5.0).collect();
        Self { low: 0.0, high: 1.0, from, to, logarithmic: false, ticks }
    }

    /// The epochs 1 to `last`, a few of them written.
    pub(super) fn epochs(last: u32, from: f64, to: f64) -> Self {
        let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000]
            .into_iter()
            .find(|step| last / step <= 10)
            .unwrap_or(100_000);
        let ticks: Vec<f64> = (1..=last / step).map(|n| f64::from(n * step)).collect();
        let last = f64::from(last);
        // A single epoch is in the middle.
        let (low, high) = if last > 1.0 { (1.0, last) } else { (0.5, 1.5) };
        Self { low, high, from, to, logarithmic: false, ticks }
    }

    /// Round values about `values`: from 0, or in powers of ten where they differ more than 50-fold.
    pub(super) fn about(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let most = finite.clone().fold(0.0, f64::max);
        let least = finite.fold(f64::INFINITY, f64::min);
        if least > 0.0 && most / least > 50.0 {
            let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
            let every = ((high - low) / 6 + 1).max(1) as usize;
            let ticks = (low..=high).step_by(every).map(|power| 10f64.powi(power)).collect();
            let (low, high) = (10f64.powi(low), 10f64.powi(high));
            return Self { low, high, from, to, logarithmic: true, ticks };
        }
        let most = if most > 0.0 { most } else { 1.0 };
        let magnitude = 10f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| most / step <= 5.0)
            .unwrap_or(10.0 * magnitude);
        let count = (most / step - 1e-9).ceil().clamp(1.0, 10.0) as i32;
        let ticks = (0..=count).map(|n| f64::from(n) * step).collect();
        Self { low: 0.0, high: f64::from(count) * step, from, to, logarithmic: false, ticks }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where `value` lies; values beyond the ends lie at them.
    pub(super) fn at(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let (low, high) = (scaled(self.low), scaled(self.high));
        let share = ((scaled(value) - low) / (high - low)).clamp(0.0, 1.0);
        self.from + (self.to - self.from) * if share.is_finite() { share } else { 0.0 }
    }
}

/// A tick as it is written: as short as it can be.
pub(super) fn tick(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v.abs() < 1e-4 || v.abs() >= 1e6 => format!("{v:e}"),
        v => {
            let text = format!("{v:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let ticks = |values: &[f64]| {
            let scale = Scale::about(values.iter().copied(), 0.0, 1.0);
            scale.ticks.into_iter().map(tick).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks(&[0.3, 0.93]), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(ticks(&[1.2, 1.9]), "0 0.5 1 1.5 2");
        assert_eq!(ticks(&[0.0002, 0.93]), "0.0001 0.001 0.01 0.1 1");
        assert_eq!(ticks(&[]), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(ticks(&[f64::NAN, f64::INFINITY]), "0 0.2 0.4 0.6 0.8 1");
        let epochs =
            |last| Scale::epochs(last, 0.0, 1.0).ticks.into_iter().map(tick).collect::<Vec<_>>().join(" ");
        assert_eq!(epochs(6), "1 2 3 4 5 6");
        assert_eq!(epochs(20), "2 4 6 8 10 12 14 16 18 20");
        assert_eq!(epochs(1), "1");
    }

    #[test]
    fn values_lie_between_the_ends() {
        let scale = Scale::about([0.001, 1.0].into_iter(), 100.0, 0.0);
        assert!(scale.is_logarithmic());
        assert_eq!([0.001, 1.0, 0.0, f64::NAN].map(|value| scale.at(value)), [100.0, 0.0, 100.0, 100.0]);
        assert_eq!(Scale::epochs(1, 0.0, 10.0).at(1.0), 5.0);
    }
}
