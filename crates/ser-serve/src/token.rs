//! A secret that clients have to show.

use std::fmt;

use subtle::ConstantTimeEq;

/// A token. It is never printed, and compared in a time that does not tell how much of a guess was right.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
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
        let token = Token::new("s3cret");
        assert!(token.is("s3cret"));
        assert!(!token.is("s3creT") && !token.is("s3cre") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
