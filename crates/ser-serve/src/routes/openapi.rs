//! The description of this interface for programs.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::stream::{Hello, Ready, WindowAnswer};

/// What `/openapi.json` says.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "ser-serve",
        description = "Speech emotion recognition: recordings and live streams to labels, probabilities and prediction sets.",
    ),
    paths(
        super::predict::predict,
        super::timeline::timeline,
        super::stream::stream,
        super::models::models,
        super::health::metrics,
        super::health::healthz,
        super::health::readyz,
    ),
    components(schemas(Hello, Ready, WindowAnswer)),
    modifiers(&Token),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The OpenAPI document.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
