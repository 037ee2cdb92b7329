//! Text for a terminal: widths, cuts and lines.
//!
//! Those who print a table lay it out with [`left`], [`right`] and [`cut`]. Crates for tables fold or cut every cell that is
//! too wide; here heads are shortened only while they stay different, and what is still too wide continues below.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Marks text that was cut.
const CUT: char = '…';

/// Columns that `text` takes in a terminal.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `text` with spaces after it, up to `width` columns.
pub fn left(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(columns(text)))
}

/// `text` with spaces before it, up to `width` columns.
pub fn right(text: &str, width: usize) -> String {
    format!("{:1$}{text}", "", width.saturating_sub(columns(text)))
}

/// `text`, or as much of its beginning as fits into `width` columns with an ellipsis.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push(CUT);
    Cow::Owned(out)
}

/// `text`, or as much of its end as fits into `width` columns with an ellipsis: the end of a path tells more than its
/// beginning.
pub fn cut_front(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut starts = text.char_indices().map(|(position, _)| position);
    let fits = starts.find(|position| columns(&text[*position..]) < width);
    Cow::Owned(format!("{CUT}{}", fits.map_or("", |position| &text[position..])))
}

/// `text` in lines of at most `width` columns where its words allow, all but the first indented by `indent`.
///
/// `textwrap` adds up the widths of characters, which breaks lines elsewhere in Arabic and beside emoji of several
/// characters; [`columns`] is the width of the whole.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        if used > 0 && used + 1 + columns(word) > width {
            let _ = write!(out, "\n{:indent$}", "");
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += columns(word);
    }
    out
}

/// `count` with a comma between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes, such as `1.5 KiB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

/// `text` with a capital letter at the start and a full stop at the end.
pub fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(std::iter::once('.')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_columns_and_not_characters() {
        assert_eq!(right("嬉しい", 8), "  嬉しい");
        assert_eq!(left("嬉しい", 8), "嬉しい  ");
        assert_eq!(cut("嬉しい", 5), "嬉し…");
        assert_eq!(cut("嬉しい", 4), "嬉…");
        assert_eq!(cut("fear", 4), "fear");
        assert_eq!(cut("fear", 0), "…");
        assert_eq!([5, 4, 0].map(|width| cut_front("嬉しい", width)), ["…しい", "…い", "…"]);
        assert_eq!(cut_front("runs/a", 6), "runs/a");
    }

    #[test]
    fn lines_break_between_words_and_a_long_word_keeps_its_line() {
        assert_eq!(wrap("one two  three", 8, 2), "one two\n  three");
        assert_eq!(wrap("extraordinarily long", 4, 0), "extraordinarily\nlong");
    }

    #[test]
    fn bytes_have_a_unit_of_their_size() {
        assert_eq!([1023, 1536, 3 << 30].map(bytes), ["1023 B", "1.5 KiB", "3072.0 MiB"]);
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
