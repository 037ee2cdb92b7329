//! The page: files that lie in the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(async || file("text/html", include_str!("../../page/index.html"))))
        .route("/app.js", get(async || file("text/javascript", include_str!("../../page/app.js"))))
        .route("/worklet.js", get(async || file("text/javascript", include_str!("../../page/worklet.js"))))
        .route("/style.css", get(async || file("text/css", include_str!("../../page/style.css"))))
}

fn file(kind: &str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        // Kept, but asked about: another version of the server may run the next time.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}
