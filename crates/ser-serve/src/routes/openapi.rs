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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn described() -> Value {
        serde_json::to_value(Document::openapi()).unwrap()
    }

    /// The parameters of every operation with their paths.
    fn parameters(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().values().map(move |operation| (path, operation))
        });
        let of = |(path, operation): (&String, &Value)| {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            parameters.into_iter().map(|parameter| (path.clone(), parameter)).collect::<Vec<_>>()
        };
        operations.flat_map(of).collect()
    }

    #[test]
    fn what_is_in_a_path_occurs_in_it_and_the_rest_is_optional() {
        let mut names = Vec::new();
        for (path, parameter) in parameters(&described()) {
            let name = parameter["name"].as_str().unwrap();
            match parameter["in"].as_str().unwrap() {
                "path" => assert!(path.contains(&format!("{{{name}}}")), "{path}: {parameter}"),
                place => {
                    assert_eq!((place, &parameter["required"]), ("query", &Value::Bool(false)), "{path}")
                }
            }
            names.push(format!("{path}?{name}"));
        }
        names.sort_unstable();
        assert_eq!(
            names,
            ["/v1/predict?model", "/v1/timeline?format", "/v1/timeline?hop_s", "/v1/timeline?model"]
        );
    }

    #[test]
    fn a_timeline_is_described_in_each_of_its_media_types() {
        let content = &described()["paths"]["/v1/timeline"]["post"]["responses"]["200"]["content"];
        let kinds: Vec<&str> = content.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(kinds.len(), 5, "{content}");
        for kind in ["application/json", "text/csv", "text/vtt", "text/plain", "image/svg+xml"] {
            assert!(kinds.contains(&kind), "{content}");
        }
    }
}
