//! The confusion matrix as a table for the terminal.

use ser_core::text::{columns, cut, left, printable, right, wrap};
use ser_core::{Error, ErrorKind, Result};

use crate::metrics::ConfusionMatrix;

/// Above this many classes a table no longer helps and the most frequent confusions are listed instead.
const MAX_TABLE_CLASSES: usize = 40;
/// How many confusions that list has.
const LISTED_CONFUSIONS: usize = 20;
/// Shortest heads that labels are cut to before numbers take their place.
const MIN_HEAD: usize = 4;
const GAP: usize = 2;
/// The column of recalls, "   100.00".
const RECALL_WIDTH: usize = 9;

/// The counts as a table `width` columns wide, rows true and columns predicted, which its first line says.
///
/// With `recall`, each row ends with its recall in percent. Columns are headed by labels where they fit, then by
/// shortened ones, then by numbers that the rows repeat; what is still too wide continues below. Above 40
/// classes, the 20 most frequent confusions are listed.
///
/// # Errors
/// [`ErrorKind::Mismatch`] if there is not one label for each class.
pub fn confusion_matrix(
    matrix: &ConfusionMatrix,
    labels: &[String],
    width: usize,
    recall: bool,
) -> Result<String> {
    if labels.len() != matrix.n_classes() {
        let what = format!("{} labels for {} classes", labels.len(), matrix.n_classes());
        return Err(Error::new(ErrorKind::Mismatch, what));
    }
    let labels: Vec<String> = labels.iter().map(|label| printable(label).into_owned()).collect();
    if labels.len() > MAX_TABLE_CLASSES {
        return Ok(frequent_confusions(matrix, &labels, width));
    }

    let legend = "Rows are the true classes, columns the predicted ones; a dot is 0";
    let mut table = wrap(&format!("{legend}{}", if recall { ", % the recall." } else { "." }), width, 0);
    table.push_str("\n\n");
    let layout = Layout::choose(matrix, &labels, width, recall);
    for (block, first) in (0..labels.len()).step_by(layout.per_block).enumerate() {
        if block > 0 {
            table.push('\n');
        }
        let shown = first..labels.len().min(first + layout.per_block);
        layout.write_block(&mut table, matrix, shown, recall);
    }
    Ok(table)
}

/// The layout of the table.
struct Layout {
    /// Begins each row; all padded to the same width.
    row_heads: Vec<String>,
    column_heads: Vec<String>,
    column_widths: Vec<usize>,
    gap: usize,
    /// Columns beside each other before the table continues below.
    per_block: usize,
}

impl Layout {
    fn choose(matrix: &ConfusionMatrix, labels: &[String], width: usize, recall: bool) -> Self {
        let n = labels.len();
        let count_widths = count_widths(matrix);
        let recall_width = if recall { RECALL_WIDTH } else { 0 };
        let longest = labels.iter().map(|label| columns(label)).max().unwrap_or(0);
        let fits = |head_width: usize, column_widths: &[usize], gap: usize| {
            head_width + recall_width + column_widths.iter().map(|w| w + gap).sum::<usize>() <= width
        };

        // Labels as heads, the longest of them cut just as far as necessary while they stay different.
        for head_width in (MIN_HEAD.min(longest)..=longest.min(width)).rev() {
            let column_heads: Vec<String> =
                labels.iter().map(|label| cut(label, head_width).into_owned()).collect();
            let column_widths = widths(&column_heads, &count_widths);
            if fits(longest, &column_widths, GAP) && all_different(&column_heads) {
                let row_heads = labels.iter().map(|label| left(label, longest)).collect();
                return Self { row_heads, column_heads, column_widths, gap: GAP, per_block: n };
            }
        }

        // Numbers as heads.
        let row_width = longest.min((width / 3).max(12));
        let number_width = n.to_string().len();
        let row_heads: Vec<String> = labels
            .iter()
            .enumerate()
            .map(|(i, label)| format!("{:>number_width$} {}", i + 1, left(&cut(label, row_width), row_width)))
            .collect();
        let head_width = number_width + 1 + row_width;
        let column_heads: Vec<String> = (1..=n).map(|number| number.to_string()).collect();
        let column_widths = widths(&column_heads, &count_widths);
        let gap = if fits(head_width, &column_widths, GAP) { GAP } else { 1 };
        let per_block = if fits(head_width, &column_widths, gap) {
            n
        } else {
            let widest = column_widths.iter().max().map_or(1, |w| w + gap);
            (width.saturating_sub(head_width + recall_width) / widest).max(1)
        };
        Self { row_heads, column_heads, column_widths, gap, per_block }
    }

    /// Writes the `shown` columns, and the recall beside the last of them.
    fn write_block(
        &self,
        table: &mut String,
        matrix: &ConfusionMatrix,
        shown: std::ops::Range<usize>,
        recall: bool,
    ) {
        let recall = recall && shown.end == self.column_heads.len();
        let gap = self.gap;
        let row_width = self.row_heads.first().map_or(0, |head| columns(head));

        table.push_str(&" ".repeat(row_width));
        let heads = self.column_heads.iter().zip(&self.column_widths);
        for (head, width) in heads.skip(shown.start).take(shown.len()) {
            table.push_str(&right(head, width + gap));
        }
        if recall {
            table.push_str(&right("%", RECALL_WIDTH));
        }
        table.push('\n');

        for (truth, (head, row)) in self.row_heads.iter().zip(matrix.rows()).enumerate() {
            table.push_str(head);
            for (count, width) in row.iter().zip(&self.column_widths).skip(shown.start).take(shown.len()) {
                table.push_str(&right(&cell(*count), width + gap));
            }
            if recall {
                table.push_str(&right(&percent(row[truth], row.iter().sum()), RECALL_WIDTH));
            }
            table.push('\n');
        }
    }
}

/// The widest count of each column.
fn count_widths(matrix: &ConfusionMatrix) -> Vec<usize> {
    let mut widths = vec![1; matrix.n_classes()];
    for row in matrix.rows() {
        for (width, count) in widths.iter_mut().zip(row) {
            *width = cell(*count).len().max(*width);
        }
    }
    widths
}

fn widths(heads: &[String], counts: &[usize]) -> Vec<usize> {
    heads.iter().zip(counts).map(|(head, &count)| columns(head).max(count)).collect()
}

fn all_different(heads: &[String]) -> bool {
    let mut seen = std::collections::HashSet::new();
    heads.iter().all(|head| seen.insert(head))
}

fn cell(count: u64) -> String {
    if count == 0 { ".".into() } else { count.to_string() }
}

/// `part` of `whole` in percent; 100 only if they are equal, despite rounding.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".into();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    format!("{:.2}", if part < whole { percent.min(99.99) } else { percent })
}

fn frequent_confusions(matrix: &ConfusionMatrix, labels: &[String], width: usize) -> String {
    let mut confusions: Vec<(u64, u64, usize, usize)> = Vec::new();
    for (truth, row) in matrix.rows().enumerate() {
        let support = row.iter().sum();
        let wrong = row.iter().enumerate().filter(|&(predicted, &count)| predicted != truth && count > 0);
        confusions.extend(wrong.map(|(predicted, &count)| (count, support, truth, predicted)));
    }
    confusions
        .sort_unstable_by_key(|&(count, _, truth, predicted)| (std::cmp::Reverse(count), truth, predicted));

    let n = labels.len();
    if confusions.is_empty() {
        return format!("All {n} classes without a confusion.\n");
    }
    let listed = &confusions[..confusions.len().min(LISTED_CONFUSIONS)];
    let mut list = format!(
        "{n} classes are too many for a table; the {} most frequent of {} kinds of confusion:\n\n",
        listed.len(),
        confusions.len()
    );
    let label_width = (width.saturating_sub(24) / 2).max(12);
    let longest = |class: fn(&(u64, u64, usize, usize)) -> usize| {
        listed.iter().map(|entry| columns(&labels[class(entry)]).min(label_width)).max().unwrap_or(0).max(9)
    };
    let (truth_width, predicted_width) = (longest(|entry| entry.2), longest(|entry| entry.3));
    list +=
        &format!("{}  {}    count      of\n", left("true", truth_width), left("predicted", predicted_width));
    for &(count, support, truth, predicted) in listed {
        let truth = left(&cut(&labels[truth], label_width), truth_width);
        let predicted = left(&cut(&labels[predicted], label_width), predicted_width);
        list += &format!("{truth}  {predicted}  {count:>7} {support:>7}\n");
    }
    list
}
