//! A secret that clients have to show.

use std::fmt;

use ser_core::{Error, ErrorKind, Result};
use subtle::ConstantTimeEq;

/// A token. It is never printed, and compared in a time that does not tell how much of a guess was right.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token with this text: visible characters of ASCII, which a header can hold, and no spaces.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where it holds anything else or nothing; the text is not repeated.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let what = match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true if text.is_empty() => "the token is empty",
            true => return Ok(Self(text)),
            false => {
                "the token holds a space or a character that is not visible ASCII, which no client could send"
            }
        };
        Err(Error::new(ErrorKind::Usage, what).help("choose one of letters and digits, or give none"))
    }

    /// Whether a client showed it.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_from_others_and_not_printed() {
        let token = Token::new("s3cret").unwrap();
        assert!(token.is("s3cret"));
        assert!(!token.is("s3creT") && !token.is("s3cre") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn only_what_every_client_can_send_is_a_token() {
        assert!(Token::new("abc/+~!\"=").is_ok());
        for wrong in ["", " ", "open sesame", "secret\n", "geheim ", "gehüim", "\0"] {
            let error = Token::new(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{wrong:?}");
            assert!(wrong.len() < 2 || !error.to_string().contains(wrong), "{error}");
        }
    }
}
