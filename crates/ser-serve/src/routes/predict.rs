//! A recording in the body of a request.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::within;
use crate::answers::Prediction;
use crate::app::App;
use crate::problem::Problem;

/// Which model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Name of a model; the first one without it.
    model: Option<String>,
}

/// What a recording expresses: the body is the file as it is, or a form with one file in it.
#[utoipa::path(
    post,
    path = "/v1/predict",
    params(Which),
    request_body(
        content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data")),
        description = "WAV, AIFF, FLAC, MP3, Ogg, WebM, Matroska, MP4, AAC or CAF, told by its content",
    ),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "The answer", body = Prediction),
        (status = 400, description = "The request is not as described here", body = Problem),
        (status = 401, description = "The token is missing or wrong", body = Problem),
        (status = 404, description = "There is no such model", body = Problem),
        (status = 408, description = "The body did not come in time", body = Problem),
        (status = 413, description = "The recording is too large, too long or too slow to decode", body = Problem),
        (status = 415, description = "The recording is of a kind that is not decoded", body = Problem),
        (status = 422, description = "The recording is damaged, silent or too short", body = Problem),
        (status = 429, description = "This address asks too often", body = Problem),
        (status = 503, description = "There is too much to do; Retry-After says when to come back", body = Problem),
    ),
)]
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
    request: Request,
) -> Result<Json<Prediction>, Problem> {
    let Query(which) = which.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let served = app.model(which.model.as_deref())?;
    let second = std::time::Duration::from_secs(1);
    let place = Arc::clone(&app.uploads).try_acquire_owned();
    let _place = place.map_err(|_| Problem::busy("as many recordings as allowed are being answered for", second))?;
    let slow = || Problem::new(StatusCode::REQUEST_TIMEOUT, "the recording did not come in time");
    let bytes = within(app.limits.request(), body(request), slow).await?;
    let began = Instant::now();
    let late = || Problem::busy("the recording could not be answered for in time", second);
    let answer = within(app.limits.request(), app.recording(&served, bytes.into()), late).await?;
    app.metrics.upload_seconds.observe(began.elapsed().as_secs_f64());
    Ok(Json(Prediction::of(&answer, &served)))
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
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "the recording is larger than this server takes"),
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body broke off, or is no form as its type says"),
    }
}
