//! Text of unknown origin, made safe to print.

use std::borrow::Cow;

/// `text` with every character that could move the cursor, colour the terminal or reverse the reading direction
/// written as an escape: labels and paths come from the names of other people's files.
pub fn printable(text: &str) -> Cow<'_, str> {
    let unsafe_to_print = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(unsafe_to_print) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if unsafe_to_print(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{202e}"), "a\\u{1b}[31mb\\n\\u{202e}");
        assert_eq!(printable("\u{61c}a\u{2066}b"), "\\u{61c}a\\u{2066}b");
        assert_eq!(printable("glücklich/嬉しい"), "glücklich/嬉しい");
    }
}
