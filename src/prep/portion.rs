//! Which portion of the recordings is this machine's: as it was given, or from the environment of what started it.

use ser_core::{Error, ErrorKind, Result};
use ser_prepare::Portion;

/// `2/8`; `slurm` in a task of a Slurm array; `kubernetes/8` in a pod of an indexed job of 8.
pub(super) fn portion(text: &str) -> Result<Portion> {
    portion_in(text, |name| std::env::var(name).ok())
}

fn portion_in(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Portion> {
    let number = |name: &str| -> Result<u32> {
        let value = variable(name).ok_or_else(|| {
            let what = format!("{text} needs {name}, which is not in the environment");
            Error::new(ErrorKind::Usage, what)
                .help("start it as a task of an array, or give the portion as 2/8")
        })?;
        let wrong = |_| Error::new(ErrorKind::Usage, format!("{name} is {value:?}, which is no number"));
        value.parse().map_err(wrong)
    };
    if text == "slurm" {
        let (id, first) = (number("SLURM_ARRAY_TASK_ID")?, number("SLURM_ARRAY_TASK_MIN")?);
        let step = variable("SLURM_ARRAY_TASK_STEP").map_or(Ok(1), |_| number("SLURM_ARRAY_TASK_STEP"))?;
        return Portion::new(id.saturating_sub(first) / step.max(1) + 1, number("SLURM_ARRAY_TASK_COUNT")?);
    }
    let Some(of) = text.strip_prefix("kubernetes/") else { return text.parse() };
    let of = format!("1/{of}").parse::<Portion>()?.of();
    Portion::new(number("JOB_COMPLETION_INDEX")?.saturating_add(1), of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> std::result::Result<String, String> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        portion_in(text, value).map(|portion| portion.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_portion_is_given_or_that_of_the_task() {
        assert_eq!(with("2/8", &[]).as_deref(), Ok("2/8"));
        let array =
            [("SLURM_ARRAY_TASK_ID", "14"), ("SLURM_ARRAY_TASK_MIN", "10"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(
            with("slurm", &[&array[..], &[("SLURM_ARRAY_TASK_STEP", "2")]].concat()).as_deref(),
            Ok("3/4")
        );
        assert!(with("slurm", &array).unwrap_err().contains("no portion 5 of 4"));
        assert_eq!(with("kubernetes/8", &[("JOB_COMPLETION_INDEX", "7")]).as_deref(), Ok("8/8"));
    }

    #[test]
    fn what_is_missing_or_no_number_is_named() {
        assert!(with("slurm", &[]).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
        assert!(with("kubernetes/8", &[]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
        assert!(with("kubernetes/8", &[("JOB_COMPLETION_INDEX", "x")]).unwrap_err().contains("is \"x\""));
        assert!(with("kubernetes/none", &[]).unwrap_err().contains("names no portion"));
    }
}
