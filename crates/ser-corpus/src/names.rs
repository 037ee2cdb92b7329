//! The rules for names that are read from a file: paths stay below a folder, and IDs can name one.

use ser_core::{Error, ErrorKind, Result};

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

/// Whether `id` can name a speaker: 1 to 64 of `A-Z a-z 0-9 . _ -`, no dot first.
pub(crate) fn is_speaker_id(id: &str) -> bool {
    id.len() <= 64 && names_a_folder(id)
}

/// Whether `name` can be part of a protocol's name and so of a folder's: 1 to 128 of `A-Z a-z 0-9 . _ -`, no dot
/// first. Twice as long as a speaker's ID, since the name of a corpus may precede it.
pub(crate) fn names_a_folder(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
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
