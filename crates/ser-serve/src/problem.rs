//! What goes wrong, as an answer over HTTP.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ser_core::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

/// An error, as the body of a response or a message of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What is wrong, and what to do where something can be done.
    pub(crate) error: String,
    /// Seconds after which it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_s: Option<u64>,
    #[serde(skip)]
    pub(crate) status: StatusCode,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { error: error.into(), retry_after_s: None, status }
    }

    /// There is more to do than can be done in time.
    pub(crate) fn busy(error: impl Into<String>, retry_after: Duration) -> Self {
        let retry_after_s = Some(retry_after.as_secs_f64().ceil().max(1.0) as u64);
        Self { retry_after_s, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error) }
    }

    /// Something that is the server's fault.
    pub(crate) fn internal(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

/// Why a recording got no answer. Remedies are for whoever runs the server, so they are left out.
impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Usage => StatusCode::BAD_REQUEST,
            ErrorKind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::Damaged | ErrorKind::Unusable => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let reason = error.reason();
        let remedy = error.remedy().map(|remedy| format!("; {remedy}"));
        let what = remedy.and_then(|remedy| reason.strip_suffix(&remedy)).unwrap_or(&reason);
        let what = match status {
            // It may name files.
            StatusCode::INTERNAL_SERVER_ERROR => "the recording could not be answered for".to_owned(),
            _ => format!("the recording {what}"),
        };
        Self::new(status, what)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after_s;
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use ser_core::remedy;
    use ser_core::remedy::Setting;

    use super::*;

    #[test]
    fn a_remedy_that_only_the_operator_has_is_left_out() {
        let error = Error::new(ErrorKind::Limit, "lasts longer than 300 s");
        let error = error.help(remedy!["raise ", Setting::MaxDuration]);
        let problem = Problem::from(&error);
        assert_eq!(problem.error, "the recording lasts longer than 300 s");
        assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_the_servers_fault_names_no_file() {
        let error = Error::io("cannot be read", "/secret/best.pt", std::io::Error::other("gone"));
        let problem = Problem::from(&error);
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.error.contains("secret"), "{}", problem.error);
    }

    #[test]
    fn whoever_is_busy_says_when_to_come_back() {
        let response = Problem::busy("full", Duration::from_millis(200)).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
