//! The paths of the server.

mod health;
mod models;
mod openapi;
mod page;
mod predict;
mod stream;
mod timeline;
mod upload;
mod upload_body;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::listen::Peer;
use crate::metrics;
use crate::problem::Problem;
use crate::unread_body::DrainedBody;

/// Everything that the server answers to.
pub(crate) fn router(app: Arc<App>) -> Router {
    let body = DefaultBodyLimit::max(app.limits.max_body_bytes);
    Router::new()
        .route("/v1/predict", post(predict::predict))
        .route("/v1/timeline", post(timeline::timeline))
        .route("/v1/stream", get(stream::stream))
        .route("/v1/models", get(models::models))
        .route("/openapi.json", get(openapi::document))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(page::router())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .layer(body)
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal("the server has made a mistake").into_response()
        }))
        .layer(from_fn_with_state(Arc::clone(&app), guarded))
        .with_state(app)
}

/// Lets nobody in who may not, counts, and says to browsers what a page of this server may do: nothing but what it comes
/// with.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // The path as the router knows it, so that nobody can make up series of metrics.
    let path = request.extensions().get::<MatchedPath>().map_or("other", |path| metric_path(path.as_str()));
    let request = request.map(|body| Body::new(DrainedBody::new(body)));
    let peer = request.extensions().get::<Peer>().copied();
    let allowed = match peer {
        Some(Peer(peer)) => app.guard.check(peer, request.uri(), request.headers()),
        None => Err(Problem::internal("nobody is there")),
    };
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    app.metrics.requests.get_or_create(&metrics::Request { path, status: response.status().as_u16() }).inc();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Said with every response, unless it says otherwise itself.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
];

/// `path` as a constant: one for all files of the page, and `other` for what there is not.
fn metric_path(path: &str) -> &'static str {
    const PATHS: [&str; 8] = [
        "/v1/predict",
        "/v1/timeline",
        "/v1/stream",
        "/v1/models",
        "/openapi.json",
        "/metrics",
        "/healthz",
        "/readyz",
    ];
    PATHS.into_iter().find(|known| *known == path).unwrap_or(if path == "other" { "other" } else { "page" })
}
