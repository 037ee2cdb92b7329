//! Text inside HTML and SVG.

use crate::text::printable;

/// `text` for an element's content or a quoted attribute of HTML or XML. Labels and paths come from the names of other
/// people's files: markup is escaped as entities, and what could reverse the reading direction, or what XML has no
/// way to say, as an escape that can be seen.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{61c}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}' => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_what_turns_text_around_is_text() {
        assert_eq!(
            escape("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;"
        );
        assert_eq!(escape("a\u{202e}b\u{0}c\u{ffff}d\n"), "a\\u{202e}b\\u{0}c\\u{ffff}d\\n");
        assert_eq!(escape("سعيد 嬉しい"), "سعيد 嬉しい");
    }
}
