//! Which models there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::model_card::ModelCard;
use crate::problem::Problem;

/// The models of this server, the default one first.
#[utoipa::path(get, tag = "models", path = "/v1/models", security((), ("token" = [])), responses(
    (status = 200, description = "The models", body = Vec<ModelCard>),
    (status = 401, description = "The token is missing or wrong", body = Problem),
))]
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<Vec<ModelCard>> {
    Json(app.models.iter().map(|served| ModelCard::of(served)).collect())
}
