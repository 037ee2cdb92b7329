//! Text in Markdown. Names come from other people's files.

use ser_core::text::printable;

/// `text` as Markdown that shows it, whatever it holds.
pub(super) fn md(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' | '!' | '{' | '}' => {
                out.extend(['\\', c])
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
    fn what_markdown_would_read_is_shown() {
        assert_eq!(md("pleasant_surprise | *x*"), r"pleasant\_surprise \| \*x\*");
        assert_eq!(
            md("<b>&[a](b) `c` #1 ~d~ $e$ !{f}"),
            r"&lt;b&gt;&amp;\[a\](b) \`c\` \#1 \~d\~ \$e\$ \!\{f\}"
        );
        assert_eq!(md("a\u{202e}b\n"), r"a\\u\{202e\}b\\n");
        assert_eq!(md("嬉しい, 95 % ± 0.1 [n − 1]"), r"嬉しい, 95 % ± 0.1 \[n − 1\]");
    }
}
