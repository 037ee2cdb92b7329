//! A stream: samples in, answers out, over a WebSocket.

mod messages;
mod schedule;
mod session;
mod socket;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use self::session::Session;
use self::socket::{End, Incoming, PATIENCE, receive, send};
use crate::app::App;
use crate::problem::Problem;

pub(super) use self::messages::{Hello, Ready, WindowAnswer};

/// The protocol that a client may ask for.
const PROTOCOL: &str = "ser.v1";

/// Answers while somebody speaks. The first message is a text, a `Hello`; the others are samples. The server says `Ready`,
/// then a `WindowAnswer` for each window. What is wrong is a `Problem`, and then the stream ends.
#[utoipa::path(
    get,
    tag = "streams",
    path = "/v1/stream",
    security((), ("token" = [])),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 400, description = "The request asks for no WebSocket", body = Problem),
        (status = 401, description = "The token is missing or wrong", body = Problem),
        (status = 503, description = "One more stream would be late; Retry-After says when to come back", body = Problem),
    ),
)]
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let place = app.admit_stream()?;
    let most = app.limits.max_message_bytes;
    let upgrade = upgrade.max_message_size(most).max_frame_size(most).protocols([PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| serve(app, socket, place)))
}

/// Serves one stream from its first message to its last.
async fn serve(app: Arc<App>, mut socket: WebSocket, place: OwnedSemaphorePermit) {
    app.metrics.streams.inc();
    let Err(end) = converse(&app, &mut socket).await;
    // A client that does not listen to this is gone.
    let _ = timeout(PATIENCE, end.tell(&mut socket)).await;
    app.metrics.streams.dec();
    drop(place);
}

/// Takes the client's messages and answers them, until there is a reason to end.
async fn converse(app: &Arc<App>, socket: &mut WebSocket) -> Result<Infallible, End> {
    let hello = hello(socket).await?;
    let mut session = Session::new(app, &hello)?;
    send(socket, &session.ready()).await?;
    session.run(socket).await
}

/// The first message.
async fn hello(socket: &mut WebSocket) -> Result<Hello, End> {
    let refuse = |what: String| End::wrong(close_code::POLICY, what);
    let first = timeout(PATIENCE, receive(socket)).await;
    match first.map_err(|_| refuse("the first message did not come in time".to_owned()))?? {
        Incoming::Text(text) => serde_json::from_str(&text)
            .map_err(|error| refuse(format!("the first message cannot be understood: {error}"))),
        Incoming::Binary(_) => Err(refuse("the first message must be JSON with sample_rate".to_owned())),
    }
}
