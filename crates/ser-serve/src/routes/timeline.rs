//! A long recording in the body of a request.

use std::path::Path;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ser_predict::timeline::{Format, TimelineOptions};
use serde::Deserialize;
use utoipa::IntoParams;

use super::upload::Upload;
use crate::app::App;
use crate::problem::Problem;

/// Windows cannot follow each other faster than this, seconds: they would say the same and cost the more.
const SHORTEST_HOP_S: f64 = 0.25;

/// Which model is asked, and for what.
#[derive(Debug, Clone, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct How {
    /// Name of a model; the first one without it.
    model: Option<String>,
    /// `json` (without it), `csv`, `vtt`, `srt`, `textgrid`, `txt` (labels of Audacity) or `svg`.
    format: Option<String>,
    /// Seconds from one window to the next: 0.25 to 10, 0.5 without it.
    hop_s: Option<f64>,
}

/// What a long recording expresses from moment to moment, where somebody speaks.
#[utoipa::path(
    post,
    tag = "recordings",
    path = "/v1/timeline",
    params(How),
    request_body(
        content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data")),
        description = "As for /v1/predict",
    ),
    security((), ("token" = [])),
    responses(
        (status = 200, description = "The timeline in the format asked for", body = String),
        (status = "4XX", description = "As for /v1/predict", body = Problem),
        (status = 503, description = "There is too much to do; Retry-After says when to come back", body = Problem),
    ),
)]
pub(crate) async fn timeline(
    State(app): State<Arc<App>>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(how) = how.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let served = app.model(how.model.as_deref())?;
    let (format, kind) = format(how.format.as_deref().unwrap_or("json"))?;
    let hop_s = how.hop_s.unwrap_or(TimelineOptions::default().hop_s);
    if !(SHORTEST_HOP_S..=10.0).contains(&hop_s) {
        let what = format!("hop_s = {hop_s} is not from {SHORTEST_HOP_S} to 10");
        return Err(Problem::new(StatusCode::BAD_REQUEST, what));
    }
    // No longer than a window.
    let hop_s = hop_s.min(served.inference.about().typical_s);
    let upload = Upload::read(&app, request).await?;
    let text = upload.answered(|bytes| app.timeline(&served, bytes, hop_s, format)).await?;
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The format of that name and its media type.
fn format(name: &str) -> Result<(Format, &'static str), Problem> {
    let unknown =
        || Problem::new(StatusCode::BAD_REQUEST, "format is none of json, csv, vtt, srt, textgrid, txt, svg");
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric());
    let format = Format::of(Path::new(&format!("timeline.{name}")));
    let format = format.ok().filter(|_| is_word).ok_or_else(unknown)?;
    let kind = match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
        Format::Vtt => "text/vtt; charset=utf-8",
        Format::Svg => "image/svg+xml",
        Format::Srt | Format::Txt | Format::TextGrid => "text/plain; charset=utf-8",
    };
    Ok((format, kind))
}
