//! A recording in the body of a request.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::upload::Upload;
use crate::app::App;
use crate::prediction::Prediction;
use crate::problem::Problem;

/// Which model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PredictQuery {
    /// Name of a model; the first one without it.
    model: Option<String>,
}

/// What a recording expresses: the body is the file as it is, or a form with one file in it.
#[utoipa::path(
    post,
    tag = "recordings",
    path = "/v1/predict",
    params(PredictQuery),
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
    query: Result<Query<PredictQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<Prediction>, Problem> {
    let Query(query) = query.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let served = app.model(query.model.as_deref())?;
    let upload = Upload::read(&app, request).await?;
    let began = Instant::now();
    let answer = upload.answered(|bytes| app.recording(&served, bytes)).await?;
    app.metrics.upload_seconds.observe(began.elapsed().as_secs_f64());
    Ok(Json(Prediction::of(&answer, &served)))
}
