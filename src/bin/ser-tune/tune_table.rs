//! What `ser-tune` prints: a line for each trial as it ends, and at the end a table of all.

use std::collections::BTreeMap;
use std::fmt::Write;

use ser::print;
use ser_core::Result;
use ser_core::text::{columns, left, right};
use ser_tune::{SearchEvent, StudySummary, TrialSummary};
use serde_json::Value as Json;

/// Prints a search as it progresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TuneTable {
    silent: bool,
}

impl TuneTable {
    /// A table that prints nothing if it is `silent`.
    pub(crate) fn new(silent: bool) -> Self {
        Self { silent }
    }

    /// Reports events on stderr.
    pub(crate) fn add(&self, event: &SearchEvent<'_>) {
        if self.silent {
            return;
        }
        match event {
            SearchEvent::Began { number, resumed: true } => ser::say(&format!("trial {number} continues")),
            SearchEvent::Began { .. } => {}
            SearchEvent::Ended(trial) => {
                let value = trial.value.map_or(String::new(), |value| format!("  {value:.4}"));
                let error = trial.text_attr("error").map_or(String::new(), |error| format!("  {error}"));
                let params = in_words(&trial.external_params());
                ser::say(&format!("trial {} {}{value}  {params}{error}", trial.number, trial.state.name()));
            }
        }
    }

    /// Prints all trials, the importance of the options, and the best.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn conclude(&self, outcome: &StudySummary) -> Result<()> {
        if self.silent { Ok(()) } else { print(&text(outcome)) }
    }
}

fn text(outcome: &StudySummary) -> String {
    [trials(outcome), importance(outcome), best(outcome)].concat()
}

/// A line for each trial, below the heads of the columns.
fn trials(outcome: &StudySummary) -> String {
    let mut rows =
        vec![["trial", "state", outcome.objective.name(), "epochs", "seconds", "options"].map(String::from)];
    rows.extend(outcome.trials.iter().map(row));
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let [a, b, c, d, e] = widths;
    let line = |[number, state, value, epochs, seconds, options]: &[String; 6]| {
        let cells = [right(number, a), left(state, b), right(value, c), right(epochs, d), right(seconds, e)];
        format!("{}  {options}\n", cells.join("  "))
    };
    rows.iter().map(line).collect()
}

/// How much each option decides, the most first; nothing where that is not known.
fn importance(outcome: &StudySummary) -> String {
    if outcome.importance.is_empty() {
        return String::new();
    }
    let mut text = "\nimportance of the options (PED-ANOVA, of 1)\n".to_owned();
    let mut options: Vec<(&String, &f64)> = outcome.importance.iter().collect();
    options.sort_by(|a, b| b.1.total_cmp(a.1));
    let width = options.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    for (name, importance) in options {
        let _ = writeln!(text, "  {}  {importance:.3}", left(name, width));
    }
    text
}

/// The best trial, and what to do with it.
fn best(outcome: &StudySummary) -> String {
    let Some(best) = &outcome.best else { return "\nno trial is complete yet\n".to_owned() };
    let splits = match outcome.splits.as_slice() {
        [] => String::new(),
        splits => format!(" --protocols {} --runs runs", splits.join(",")),
    };
    format!(
        "\nbest: trial {} with {} {:.4}, {}; it chose the trial and so flatters it\n\
         train it with: ser-fit --config {}{splits}\n",
        best.number,
        outcome.objective.name(),
        best.value.unwrap_or(f64::NAN),
        outcome.validation_in_words(),
        outcome.best_path().display(),
    )
}

fn row(trial: &TrialSummary) -> [String; 6] {
    let error = trial.error.as_ref().map_or(String::new(), |error| format!("  {error}"));
    [
        trial.number.to_string(),
        trial.state.to_owned(),
        trial.value.map_or("-".to_owned(), |value| format!("{value:.4}")),
        trial.epochs.to_string(),
        trial.seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1}")),
        in_words(&trial.params) + &error,
    ]
}

/// Options in a line; numbers with as many digits as distinguish them.
fn in_words(params: &BTreeMap<String, Json>) -> String {
    let word = |(name, value): (&String, &Json)| match value {
        Json::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let shown = if number.abs() >= 0.001 { format!("{number:.4}") } else { format!("{number:.2e}") };
            format!("{name}={shown}")
        }
        Json::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    };
    params.iter().map(word).collect::<Vec<_>>().join(" ")
}
