//! The comparison of checkpoints as text.

use ser_core::text::{columns, cut, cut_front, left, printable, right, thousands, wrap};

use crate::compare::{Comparison, MetricDifference, PairedComparison};
use crate::metrics::McNemarTest;

/// The narrowest useful width of a table, in columns.
const MIN_WIDTH: usize = 80;
/// Columns of the figures, "  0.6676" each.
const FIGURES: usize = 3 * 10;

/// The comparison for a terminal of `width` columns.
pub fn comparison(comparison: &Comparison, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let mut page = format!(
        "{}\n\n",
        wrap(
            &printable(&format!(
                "{} test utterances of {}, the same for all.",
                thousands(comparison.n_utterances),
                comparison.protocol
            )),
            width,
            0
        )
    );
    page += &checkpoints(comparison, width);
    for pair in &comparison.pairs {
        page += &format!(
            "\n{}\n\n",
            wrap(&printable(&format!("{} against {}", pair.second, pair.first)), width, 4)
        );
        page += &differences(pair, width);
        page += &format!("\n{}\n\n", wrap(&printable(&pair.in_words), width, 0));
        page += &classes(pair, width);
    }
    page + &format!("\n{}\n", wrap(&printable(&comparison.meaning), width, 0))
}

fn checkpoints(comparison: &Comparison, width: usize) -> String {
    let names: Vec<String> = comparison
        .checkpoints
        .iter()
        .map(|run| printable(&format!("{} (seed {}, epoch {})", run.name, run.seed, run.epoch)).into_owned())
        .collect();
    let longest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let head = longest.max("checkpoint".len()).min(width - FIGURES);
    let mut text = left("checkpoint", head);
    ["accuracy", "UAR", "macro-F1"].iter().for_each(|metric| text += &right(metric, 10));
    text.push('\n');
    for ((run, name), settings) in comparison.checkpoints.iter().zip(&names).zip(&comparison.settings) {
        // The end of a path tells more than its beginning.
        text += &left(&cut_front(name, head), head);
        for value in [run.scores.accuracy, run.scores.uar, run.scores.macro_f1] {
            text += &format!("{value:>10.4}");
        }
        text.push('\n');
        if !settings.is_empty() {
            text += &format!("    {}\n", wrap(&printable(&settings.join(", ")), width - 4, 4));
        }
    }
    text
}

fn differences(pair: &PairedComparison, width: usize) -> String {
    let line = |name: &str, difference: &MetricDifference| {
        format!(
            "{name:<9} {:>+8.4}   95 % interval {:+.4} to {:+.4}\n",
            difference.value, difference.interval.lower, difference.interval.upper
        )
    };
    let test = &pair.mcnemar;
    let form = match (test.test, test.statistic) {
        (McNemarTest::ChiSquared, Some(statistic)) => {
            format!("chi-squared {statistic:.2} with continuity correction")
        }
        _ => "exact binomial test".to_owned(),
    };
    let counts = format!(
        "McNemar p = {} ({form}): {} utterances right in the first alone, {} in the second alone, {} in both, {} in \
         neither",
        p_value(test.p_value),
        thousands(test.only_first),
        thousands(test.only_second),
        thousands(pair.both_right),
        thousands(pair.both_wrong)
    );
    line("accuracy", &pair.accuracy)
        + &line("UAR", &pair.uar)
        + &line("macro-F1", &pair.macro_f1)
        + &wrap(&counts, width, 4)
        + "\n"
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn classes(pair: &PairedComparison, width: usize) -> String {
    let labels: Vec<String> = pair.classes.iter().map(|class| printable(&class.label).into_owned()).collect();
    let longest = labels.iter().map(|label| columns(label)).max().unwrap_or(0);
    let head = longest.max("recall of".len()).min(width - 64);
    let heads = ["utterances", " first", "second", "difference", "first alone", "second alone"];
    let mut text = left("recall of", head);
    heads.iter().for_each(|name| text += &right(name, name.len() + 2));
    text.push('\n');
    for (class, label) in pair.classes.iter().zip(&labels) {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let cells = [
            thousands(class.support),
            number(class.recall_first),
            number(class.recall_second),
            class.difference.map_or("-".to_owned(), |value| format!("{value:+.4}")),
            thousands(class.only_first),
            thousands(class.only_second),
        ];
        text += &left(&cut(label, head), head);
        cells.iter().zip(heads).for_each(|(cell, name)| text += &right(cell, name.len() + 2));
        text.push('\n');
    }
    text
}
