//! The colours of figures, for a light and a dark ground.
//!
//! Shares are shown by lightness alone, in equal steps of OKLab, which is made to be perceptually uniform (B. Ottosson,
//! "A perceptual color space for image processing", 2020), so that they read the same to the colour-blind and in
//! grey print. Lines differ in colour (after M. Okabe and K. Ito, "Color universal design", 2008) and in their marks.

use std::fmt::Write;

/// Steps between the colour of 0 % and that of 100 %.
pub(crate) const STEPS: usize = 20;

/// What a figure is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    Light,
    Dark,
}

/// A colour of sRGB, 0 to 255 a channel.
pub(crate) type Rgb = [u8; 3];

/// The colours besides the ramp, as CSS writes them.
pub(crate) struct Palette {
    pub(crate) paper: &'static str,
    pub(crate) ink: &'static str,
    pub(crate) muted: &'static str,
    pub(crate) grid: &'static str,
    pub(crate) train: &'static str,
    pub(crate) val: &'static str,
    pub(crate) uar: &'static str,
}

impl Ground {
    pub(crate) fn palette(self) -> Palette {
        match self {
            Self::Light => Palette {
                paper: "#ffffff",
                ink: "#1b1f24",
                muted: "#57606a",
                grid: "#d5dbe2",
                train: "#0072b2",
                val: "#c44f00",
                uar: "#00805c",
            },
            Self::Dark => Palette {
                paper: "#171b21",
                ink: "#e8edf2",
                muted: "#a3aebb",
                grid: "#3a434e",
                train: "#56b4e9",
                val: "#f0a04b",
                uar: "#4fcba0",
            },
        }
    }

    /// The colour of step `step` of [`STEPS`].
    pub(crate) fn ramp(self, step: usize) -> Rgb {
        let t = step.min(STEPS) as f64 / STEPS as f64;
        let between = |from: f64, to: f64| from + (to - from) * t;
        match self {
            Self::Light => oklch(between(0.975, 0.40), between(0.008, 0.125), 250.0),
            Self::Dark => oklch(between(0.26, 0.86), between(0.02, 0.105), 235.0),
        }
    }

    /// Black or white, whichever reads better on step `step`.
    pub(crate) fn ink_on(self, step: usize) -> Rgb {
        let ground = self.ramp(step);
        let [black, white] = [[0; 3], [255; 3]];
        if contrast(black, ground) >= contrast(white, ground) { black } else { white }
    }

    /// The rules that colour the classes which figures are drawn with.
    pub(crate) fn rules(self) -> String {
        let Palette { paper, ink, muted, grid, train, val, uar } = self.palette();
        let mut css = format!(
            ".fig text{{fill:{ink}}}.fig .paper{{fill:{paper}}}.fig .muted{{fill:{muted}}}\
             .fig .grid{{stroke:{grid}}}.fig .axis{{stroke:{muted}}}.fig .frame{{stroke:{muted};fill:none}}\
             .fig .diagonal{{stroke:{ink}}}"
        );
        for (class, colour) in [("train", train), ("val", val), ("uar", uar)] {
            let _ = write!(
                css,
                ".fig .line.{class}{{stroke:{colour};fill:none}}.fig .mark.{class}{{fill:{colour};stroke:{paper}}}\
                 .fig .area.{class}{{fill:{colour}}}.fig .outline.{class}{{stroke:{colour};fill:none}}"
            );
        }
        for step in 0..=STEPS {
            let (fill, ink) = (hex(self.ramp(step)), hex(self.ink_on(step)));
            let _ = write!(css, ".fig .s{step}{{fill:{fill}}}.fig .i{step}{{fill:{ink}}}");
        }
        css
    }
}

/// `#rrggbb`.
pub(crate) fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Contrast ratio of WCAG 2.2, 1 to 21.
pub(crate) fn contrast(a: Rgb, b: Rgb) -> f64 {
    let luminance = |[r, g, b]: Rgb| {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    if a > b { a / b } else { b / a }
}

/// Lightness 0 to 1, chroma and hue (degrees) of OKLab in its polar form, clipped to sRGB.
fn oklch(lightness: f64, chroma: f64, hue: f64) -> Rgb {
    let (sin, cos) = hue.to_radians().sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
    ];
    linear.map(|c| {
        let c = c.clamp(0.0, 1.0);
        let coded = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        (coded * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUNDS: [Ground; 2] = [Ground::Light, Ground::Dark];

    fn rgb(hex: &str) -> Rgb {
        [1, 3, 5].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
    }

    #[test]
    fn text_reads_on_its_ground_and_lines_stand_out() {
        for ground in GROUNDS {
            let Palette { paper, ink, muted, train, val, uar, .. } = ground.palette();
            for text in [ink, muted] {
                assert!(contrast(rgb(text), rgb(paper)) >= 4.5, "{text} on {paper}");
            }
            for line in [train, val, uar] {
                assert!(contrast(rgb(line), rgb(paper)) >= 4.5, "{line} on {paper}");
            }
            for step in 0..=STEPS {
                assert!(contrast(ground.ink_on(step), ground.ramp(step)) >= 4.5, "{ground:?} {step}");
            }
        }
    }

    #[test]
    fn the_ramp_goes_one_way() {
        for ground in GROUNDS {
            let luminance: Vec<f64> = (0..=STEPS).map(|step| contrast(ground.ramp(step), [0; 3])).collect();
            let rising = ground == Ground::Dark;
            assert!(luminance.windows(2).all(|pair| (pair[1] > pair[0]) == rising), "{luminance:?}");
        }
    }

    /// Reference values of the author of OKLab: white, and sRGB's red.
    #[test]
    fn oklch_meets_known_colours() {
        assert_eq!(oklch(1.0, 0.0, 0.0), [255; 3]);
        assert_eq!(oklch(0.627_955, 0.257_683, 29.2339), [255, 0, 0]);
    }
}
