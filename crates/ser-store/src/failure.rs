//! What is wrong with a request, in words that repeat nothing of it: a request may be signed, and its URL hold a token.

use std::error::Error as StdError;

use ser_core::{Error, ErrorKind};

/// How a store ended a request.
pub(crate) fn failure(error: &object_store::Error, at: &str) -> Error {
    use object_store::Error as Failure;
    let new = |kind, what: &str| Error::new(kind, what).at(at);
    match error {
        Failure::NotFound { .. } => new(ErrorKind::Missing, "is not there"),
        Failure::Precondition { .. } => changed(at),
        Failure::PermissionDenied { .. } => {
            new(ErrorKind::Io, "cannot be accessed: the store refuses (403)").help(CREDENTIALS)
        }
        Failure::Unauthenticated { .. } => {
            new(ErrorKind::Io, "cannot be accessed: the store wants credentials (401)").help(CREDENTIALS)
        }
        Failure::NotSupported { .. } => {
            new(ErrorKind::Unsupported, "cannot be read in parts: the server ignores ranges")
        }
        Failure::InvalidPath { .. } => {
            new(ErrorKind::Unsupported, "holds a name that is no path, with an empty part, . or ..")
        }
        other => match status(other) {
            Some(status) if status / 100 == 5 || status == 429 || status == 408 => {
                let what = format!("cannot be read: the store keeps answering {status}");
                Error::new(ErrorKind::Unreachable, what).at(at).help(AGAIN)
            }
            Some(status) => {
                Error::new(ErrorKind::Io, format!("cannot be accessed: the store answers {status}"))
                    .at(at)
                    .help("check the URL, and the settings of the store in the environment")
            }
            None => {
                let what = format!("cannot be reached: {}", innermost(other));
                Error::new(ErrorKind::Unreachable, what).at(at).help(AGAIN)
            }
        },
    }
}

/// The object is not the one that was listed.
pub(crate) fn changed(at: &str) -> Error {
    Error::new(ErrorKind::Mismatch, "has changed since it was listed")
        .at(at)
        .help("try again when nobody writes there")
}

const CREDENTIALS: &str = "check the credentials in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do";
const AGAIN: &str = "try again; what was done is kept";

/// The status that the server answered at last, if it did.
pub(crate) fn status(error: &object_store::Error) -> Option<u16> {
    // object_store keeps the type that knows it to itself.
    const BEFORE: &str = "status code: ";
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        let text = error.to_string();
        let digits = text.find(BEFORE).and_then(|at| text.get(at + BEFORE.len()..)?.get(..3));
        if let Some(status) = digits.and_then(|digits| digits.parse().ok()) {
            return Some(status);
        }
        source = error.source();
    }
    None
}

/// The cause at the bottom, such as `Connection refused`. What lies above it repeats the URL.
pub(crate) fn innermost(error: &object_store::Error) -> String {
    let mut cause: &(dyn StdError + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    match text.contains("://") || text.contains('?') || text.len() > 200 {
        true => "the request failed".to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn nothing_of_a_request_is_repeated() {
        let secret = generic("error sending request for url (https://x/y?sig=hunter2)");
        assert!(!failure(&secret, "az://c/x").to_string().contains("hunter2"));
        let answered =
            generic("Server returned non-2xx status code: 503 Service Unavailable: <Key>hunter2</Key>");
        let error = failure(&answered, "s3://b/x");
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "s3://b/x: cannot be read: the store keeps answering 503; try again; what was done is kept"
        );
    }
}
