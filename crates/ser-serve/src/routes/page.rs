//! The page: files that lie in the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// The files of the page by their paths, each with its media type.
const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html", include_str!("../../page/index.html")),
    ("/style.css", "text/css", include_str!("../../page/style.css")),
    ("/app.js", "text/javascript", include_str!("../../page/app.js")),
    ("/api.js", "text/javascript", include_str!("../../page/api.js")),
    ("/live.js", "text/javascript", include_str!("../../page/live.js")),
    ("/recording.js", "text/javascript", include_str!("../../page/recording.js")),
    ("/draw.js", "text/javascript", include_str!("../../page/draw.js")),
    ("/mel.js", "text/javascript", include_str!("../../page/mel.js")),
    ("/worklet.js", "text/javascript", include_str!("../../page/worklet.js")),
];

pub(super) fn router() -> Router<Arc<App>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || file(kind, text)))
    })
}

fn file(kind: &str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        // Kept, but asked about: another version of the server may run the next time.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}
