//! The rules for names that are read from a file: paths stay below a folder, and IDs can name one.

use ser_core::{Error, ErrorKind, Result};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Checks that `path` leads to something below the folder it is relative to, for safe reading: with `/` between
/// names, none of them empty, `.` or `..`; without a zero byte, a backslash or a drive letter in front, which other
/// systems take for something else; and also once its percent-encoding, if it is any, is decoded.
///
/// It is about names alone: what a symbolic link on the way points at has to be asked of the file system.
///
/// ```
/// use ser_corpus::check_relative;
/// assert!(check_relative("OAF_angry/OAF_back_angry.wav").is_ok());
/// assert!(check_relative("../secret.wav").is_err());
/// ```
///
/// # Errors
/// `Unusable`, naming the path and what is wrong with it.
pub fn check_relative(path: &str) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(ErrorKind::Unusable, format!("the path {path:?} {what}"))
            .help("rename it, without \\, %2F and the like"))
    };
    for text in [Some(path.as_bytes().to_vec()), percent_decoded(path)].into_iter().flatten() {
        if text.contains(&0) {
            return refuse("holds a zero byte");
        }
        if text.contains(&b'\\') {
            return refuse("holds a backslash, which separates folders elsewhere");
        }
        if matches!(text[..], [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            return refuse("begins with a drive letter");
        }
        if text.starts_with(b"/") {
            return refuse("is absolute");
        }
        if text.split(|&byte| byte == b'/').any(|name| matches!(name, b"" | b"." | b"..")) {
            return refuse("does not lead straight down from its folder");
        }
    }
    Ok(())
}

/// `path` with each `%XX` decoded; nothing where there is none.
fn percent_decoded(path: &str) -> Option<Vec<u8>> {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut found = false;
    while let [first, after @ ..] = rest {
        rest = after;
        let code = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
                found = true;
            }
            None => decoded.push(*first),
        }
    }
    found.then_some(decoded)
}

/// What the ID of a speaker may be, for people.
pub(crate) const SPEAKER_ID_RULE: &str = "use 1 to 64 letters or digits of any script, spaces, and . _ - ' within or between them, neither a dot \
     nor a space in front or at the end";

/// The longest ID of a speaker, bytes. With `speaker-` and the name of a corpus in front it still names a folder.
const LONGEST_ID: usize = 160;

/// The longest part of a protocol's name, bytes. The name of a folder has 255 on every common file system, and some of
/// them have something before and after it.
const LONGEST_PART: usize = 200;

/// Whether `id` can name a speaker: at most 64 characters and 160 bytes of what [`names_a_folder`] allows.
pub(crate) fn is_speaker_id(id: &str) -> bool {
    id.len() <= LONGEST_ID && id.chars().count() <= 64 && names_a_folder(id)
}

/// Whether `name` can be part of a protocol's name and so of a folder's: letters, digits and their marks, of any
/// script, spaces, and `. _ - '`, in NFC and at most 200 bytes; no dot and no space in front or at the end. None of
/// these leads to another folder, hides a folder, moves the cursor or reverses the reading direction, so the name is
/// the folder's name as it stands.
pub(crate) fn names_a_folder(name: &str) -> bool {
    (1..=LONGEST_PART).contains(&name.len())
        && !name.starts_with(['.', ' '])
        && !name.ends_with(['.', ' '])
        && name.chars().all(is_allowed)
        && is_nfc(name)
}

/// Whether `letter` may be in a name that names a folder.
pub(crate) fn is_allowed(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter) || matches!(letter, '.' | '_' | '-' | '\'' | ' ')
}

/// `text` in NFC: `é` as one character, whichever system wrote it.
pub(crate) fn composed(text: String) -> String {
    if is_nfc(&text) { text } else { text.nfc().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_give_pass() {
        for path in [
            "a.wav",
            "a/b/c.wav",
            "100%.wav",
            "50%-60% loud/a b.wav",
            "..a/b..wav",
            "...",
            "ä/é\n.wav",
            "a:b",
        ] {
            // A drive letter is one letter; `a:b` begins with one.
            assert_eq!(check_relative(path).is_ok(), path != "a:b", "{path}");
        }
    }

    #[test]
    fn names_of_people_in_any_script_can_name_a_folder() {
        let longest = "说".repeat(53);
        for id in [
            "OAF",
            "1",
            "-",
            "José",
            "Speaker 1",
            "Mrs. Bing",
            "说话人1",
            "O'Brien",
            "สมชาย",
            "अनीता",
            &longest,
        ] {
            assert!(is_speaker_id(id), "{id}");
        }
        assert_eq!(composed("Jose\u{301}".to_owned()), "José");
        let too_long = "说".repeat(54);
        for id in [
            "",
            "a/b",
            "a\\b",
            "..",
            ".hidden",
            " a",
            "a ",
            "a.",
            "a\tb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{a0}b",
            "Jose\u{301}",
            "a:b",
            "a*",
            &too_long,
        ] {
            assert!(!is_speaker_id(id), "{id:?}");
        }
    }

    #[test]
    fn whatever_leads_elsewhere_is_refused() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            ".",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a/./b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "\0",
            "..\\a",
            "a\\..\\b",
            "\\\\host\\share",
            "C:\\a",
            "C:a",
            "c:/a",
            "//host/share",
            "%2e%2e/a",
            "%2E%2e%2Fa",
            "a%2f..%2Fb",
            "%2Fetc",
            "a%5c..",
            "a%00.wav",
            "C%3A/a",
            "%2e",
        ] {
            let error = check_relative(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unusable, "{path}");
        }
    }
}
