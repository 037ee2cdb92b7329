//! Text inside HTML and SVG.

use crate::text::printable;

/// Text of unknown origin inside HTML or XML: labels and paths come from the names of other people's files.
///
/// In a template of `maud` it shows as what it is. Markup is escaped, as the template does by itself, and what could
/// reverse the reading direction, or what XML has no way to say, is written as an escape that can be seen.
///
/// ```
/// use ser_core::text::Untrusted;
///
/// let label = "<b>\u{202e}yrgna";
/// assert_eq!(maud::html! { p { (Untrusted(label)) } }.into_string(), "<p>&lt;b&gt;\\u{202e}yrgna</p>");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untrusted<'a>(pub &'a str);

impl maud::Render for Untrusted<'_> {
    fn render_to(&self, page: &mut String) {
        escape_into(page, self.0);
    }
}

/// The same for SVG, which is written without templates: `text` for an element's content or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape_into(&mut out, text);
    out
}

fn escape_into(out: &mut String, text: &str) {
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

    #[test]
    fn a_template_shows_text_of_unknown_origin_in_content_and_attributes() {
        let name = "\"><script>\u{202e}\u{7}";
        let page = maud::html! { p title=(Untrusted(name)) { (Untrusted(name)) } }.into_string();
        let shown = "&quot;&gt;&lt;script&gt;\\u{202e}\\u{7}";
        assert_eq!(page, format!("<p title=\"{shown}\">{shown}</p>"));
    }
}
