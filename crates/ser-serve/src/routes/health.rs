//! For whatever watches over the server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// Whether the server can work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether recordings are answered.
    ready: bool,
    /// Whether one more stream would be taken.
    takes_streams: bool,
    /// Streams that are open.
    streams: usize,
}

/// The process runs.
#[utoipa::path(get, tag = "operation", path = "/healthz", responses((status = 200, description = "It runs", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Models are loaded and their threads run.
#[utoipa::path(get, tag = "operation", path = "/readyz", responses(
    (status = 200, description = "It answers", body = Readiness),
    (status = 503, description = "It is ending, or a network is gone", body = Readiness),
))]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let ready = !*app.stopping.borrow() && app.models.iter().all(|served| served.inference.is_alive());
    let readiness =
        Readiness { ready, takes_streams: ready && app.admit_stream().is_ok(), streams: app.open_streams() };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Counters for Prometheus.
#[utoipa::path(get, tag = "operation", path = "/metrics", security((), ("token" = [])), responses(
    (status = 200, description = "Counters", body = String, content_type = "application/openmetrics-text"),
))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPENMETRICS)], app.metrics.text()).into_response()
}
