//! A recording in the body of a request, read and answered for within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::upload_body::{Intake, UploadBody};
use crate::app::App;
use crate::problem::Problem;

/// When to come back where there is too much to do.
const SOON: Duration = Duration::from_secs(1);

/// The bytes of a recording, and its place among those that are worked on.
#[derive(Debug)]
pub(crate) struct Upload {
    bytes: Vec<u8>,
    limit: Duration,
    _place: OwnedSemaphorePermit,
    _intake: Arc<Intake>,
}

impl Upload {
    /// Reads the body of `request`: a recording as it is, or a form with one file in it. It takes a place only once it is all
    /// there, so that a client that sends nothing more keeps nobody out.
    ///
    /// # Errors
    /// 503 where as many as allowed are worked on, 408 where it does not come in time, 400 where there is none.
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let full = || Problem::busy("as many recordings as allowed are being answered for", SOON);
        if app.uploads.available_permits() == 0 {
            return Err(full());
        }
        let (limit, idle) = (app.limits.request(), app.limits.idle());
        let intake = Arc::new(Intake::default());
        let request = request.map(|body| Body::new(UploadBody::new(body, idle, &app.upload_memory, &intake)));
        let read = timeout(limit, body(request)).await.unwrap_or_else(|_| {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the recording did not come in time"))
        });
        let bytes = read.map_err(|problem| intake.problem().unwrap_or(problem))?;
        let place = Arc::clone(&app.uploads).try_acquire_owned().map_err(|_| full())?;
        Ok(Self { bytes: bytes.into(), limit, _place: place, _intake: intake })
    }

    /// What `answer` says of its bytes, unless that takes too long.
    ///
    /// # Errors
    /// Those of `answer`; 503 where it takes too long.
    pub(crate) async fn answered<T, F: Future<Output = Result<T, Problem>>>(
        self,
        answer: impl FnOnce(Vec<u8>) -> F,
    ) -> Result<T, Problem> {
        let late = || Err(Problem::busy("the recording could not be answered for in time", SOON));
        timeout(self.limit, answer(self.bytes)).await.unwrap_or_else(|_| late())
    }
}

/// The bytes of the recording in `request`.
async fn body(request: Request) -> Result<Bytes, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/"));
    let bytes = match is_form {
        true => file_of(request).await?,
        false => Bytes::from_request(request, &()).await.map_err(|error| unread(error.status()))?,
    };
    match bytes.is_empty() {
        true => Err(Problem::new(StatusCode::BAD_REQUEST, "the request holds no recording")),
        false => Ok(bytes),
    }
}

/// The one file of a form.
async fn file_of(request: Request) -> Result<Bytes, Problem> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let one = || Problem::new(StatusCode::BAD_REQUEST, "the form needs to hold one file, and nothing else");
    let field = form.next_field().await.map_err(of_form)?.ok_or_else(one)?;
    let bytes = field.bytes().await.map_err(of_form)?;
    match form.next_field().await.map_err(of_form)? {
        Some(_) => Err(one()),
        None => Ok(bytes),
    }
}

fn of_form(error: MultipartError) -> Problem {
    unread(error.into_response().status())
}

fn unread(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(status, "the recording is larger than this server takes")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body broke off, or is no form as its type says"),
    }
}
