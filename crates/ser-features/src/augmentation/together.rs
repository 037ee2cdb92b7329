//! Bounds on the steps of a recipe together: each is within its own bounds, but their effects multiply.

use ser_core::{Error, ErrorKind, Result};

use crate::augmentation::{Reach, RecipeStep};

/// The most that all steps together may move something, in octaves: by a factor of 16.
const MOST_OCTAVES: f64 = 4.0;

/// Rounding allowed when logarithms are added up, so that steps that reach the bound exactly are accepted.
const ROUNDING: f64 = 1e-9;

/// Refuses steps that together could make a waveform, on its way through them, more than 16 times as long or as short
/// as it was, or move formants by more than that: memory and time would have no bound.
///
/// # Errors
/// `Usage`, naming the steps and their total.
pub(super) fn validate(steps: &[RecipeStep]) -> Result<()> {
    check(steps, "the number of samples", |reach| reach.samples)?;
    check(steps, "the frequencies of formants", |reach| reach.formants)
}

/// Adds up, upwards and downwards, the octaves between whose two ends a step may move `what`.
fn check(steps: &[RecipeStep], what: &str, ends: impl Fn(Reach) -> Option<[f64; 2]>) -> Result<()> {
    let (mut up, mut down, mut names) = (0.0_f64, 0.0_f64, Vec::new());
    for (index, RecipeStep { waveform, probability }) in steps.iter().enumerate() {
        if let Some(ends) = ends(waveform.reach()).filter(|_| *probability > 0.0) {
            up += ends.iter().copied().fold(0.0, f64::max);
            down -= ends.iter().copied().fold(0.0, f64::min);
            names.push(format!("waveform {} ({})", index + 1, waveform.kind()));
        }
    }
    let (most, how) = if up >= down { (up, "multiply") } else { (down, "divide") };
    if most <= MOST_OCTAVES + ROUNDING {
        return Ok(());
    }
    let names = names.join(", ");
    let what = format!("{names}: together they can {how} {what} by {:.1}", most.exp2());
    Err(Error::new(ErrorKind::Usage, what)
        .help("it must be at most 16: narrow their ranges or leave some of them out"))
}

#[cfg(test)]
mod tests {
    use crate::augmentation::AugmentationRecipe;

    /// A recipe of `count` steps with the lines of `step`.
    fn recipe(step: &str, count: usize) -> Result<AugmentationRecipe, String> {
        AugmentationRecipe::from_toml(&format!("[[waveform]]\n{step}\n").repeat(count))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn steps_that_reach_the_bound_are_possible_and_one_more_is_refused_by_name() {
        for (step, most, says) in [
            (
                "kind = 'time-stretch'\nfactor = 4",
                2,
                "can multiply the number of samples by 64.0; it must be",
            ),
            ("kind = 'time-stretch'\nfactor = [0.25, 1.5]", 2, "can divide the number of samples by 64.0"),
            ("kind = 'pitch-shift'\nsemitones = [-24, 3]", 2, "can multiply the number of samples by 64.0"),
            ("kind = 'pitch-shift'\nsemitones = [-3, 12]", 4, "can divide the number of samples by 32.0"),
            ("kind = 'vtlp'\nfactor = [0.5, 1]", 4, "can divide the frequencies of formants by 32.0"),
            ("kind = 'vtlp'\nfactor = 2", 4, "can multiply the frequencies of formants by 32.0"),
        ] {
            assert!(recipe(step, most).is_ok(), "{step}");
            let error = recipe(step, most + 1).unwrap_err();
            assert!(error.starts_with("waveform 1 (") && error.contains(says), "{step}: {error}");
        }
        let error = recipe("kind = 'time-stretch'\nfactor = 4\nprobability = 0.01", 64).unwrap_err();
        assert!(error.contains("waveform 64 (time-stretch): together"), "{error}");
        assert!(recipe("kind = 'time-stretch'\nfactor = 4\nprobability = 0", 64).is_ok());
    }

    #[test]
    fn steps_of_different_kinds_count_together() {
        let [slow, low, tape, short] = [
            "[[waveform]]\nkind = 'time-stretch'\nfactor = 4\n",
            "[[waveform]]\nkind = 'pitch-shift'\nsemitones = -24\n",
            "[[waveform]]\nkind = 'pitch-shift'\nsemitones = 24\nformants = 'move'\n",
            "[[waveform]]\nkind = 'vtlp'\nfactor = 2\n",
        ];
        assert!(AugmentationRecipe::from_toml(&[slow, low].concat()).is_ok());
        let error = AugmentationRecipe::from_toml(&[slow, short, low, low].concat()).unwrap_err().to_string();
        assert!(
            error.starts_with("waveform 1 (time-stretch), waveform 3 (pitch-shift), waveform 4"),
            "{error}"
        );
        assert!(AugmentationRecipe::from_toml(&[tape, short, short].concat()).is_ok());
        let error =
            AugmentationRecipe::from_toml(&[tape, short, short, short].concat()).unwrap_err().to_string();
        assert!(error.contains("can multiply the frequencies of formants by 32.0"), "{error}");
    }
}
