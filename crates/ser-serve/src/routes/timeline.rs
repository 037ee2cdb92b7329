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
#[into_params(parameter_in = Query)]
pub(crate) struct TimelineQuery {
    /// Name of a model; the first one without it.
    model: Option<String>,
    /// `json` (without it), `csv`, `vtt`, `srt`, `textgrid`, `txt` (labels of Audacity) or `svg`.
    format: Option<String>,
    /// Seconds from one window to the next: from 0.25 to the length of a window; 0.5 without it.
    hop_s: Option<f64>,
}

/// What a long recording expresses from moment to moment, where somebody speaks.
#[utoipa::path(
    post,
    tag = "recordings",
    path = "/v1/timeline",
    params(TimelineQuery),
    request_body(
        content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data")),
        description = "As for /v1/predict",
    ),
    security((), ("token" = [])),
    responses(
        (
            status = 200,
            description = "The timeline in the format asked for; without one as JSON",
            content(
                (serde_json::Value = "application/json"),
                (String = "text/csv"),
                (String = "text/vtt"),
                (String = "text/plain"),
                (String = "image/svg+xml"),
            ),
        ),
        (status = "4XX", description = "As for /v1/predict", body = Problem),
        (status = 503, description = "There is too much to do; Retry-After says when to come back", body = Problem),
    ),
)]
pub(crate) async fn timeline(
    State(app): State<Arc<App>>,
    query: Result<Query<TimelineQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let served = app.model(query.model.as_deref())?;
    let (format, kind) = format(query.format.as_deref().unwrap_or("json"))?;
    let options = TimelineOptions { hop_s: query.hop_s, ..TimelineOptions::default() };
    let refused = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let (window_s, _) = TimelineOptions { hop_s: None, ..options }
        .lengths(served.inference.about())
        .map_err(|error| refused(error.reason()))?;
    if let Some(hop_s) = query.hop_s.filter(|hop_s| !(SHORTEST_HOP_S..=window_s).contains(hop_s)) {
        return Err(refused(format!(
            "hop_s = {hop_s} is not from {SHORTEST_HOP_S} to {window_s}, the seconds of a window"
        )));
    }
    let upload = Upload::read(&app, request).await?;
    let text = upload.answered(|bytes| app.timeline(&served, bytes, options, format)).await?;
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
