//! The WebSocket of a stream: messages in and out, and how it ends.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::problem::Problem;

/// How long the first message may take to come, and any of ours to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A message of the client's with something in it.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The next message. No part of it is lost where this is dropped before it has come.
///
/// # Errors
/// When the client is gone, or the message is larger than is taken.
pub(super) async fn receive(socket: &mut WebSocket) -> Result<Incoming, End> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return Ok(Incoming::Text(text)),
            Some(Ok(Message::Binary(bytes))) => return Ok(Incoming::Binary(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) => return Err(End::of_unreadable(&error)),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
        }
    }
}

/// Sends `message` as JSON.
///
/// # Errors
/// When the client does not take it.
pub(super) async fn send(socket: &mut WebSocket, message: &impl Serialize) -> Result<(), End> {
    let text = serde_json::to_string(message).map_err(|_| End::Gone)?;
    let sent = timeout(PATIENCE, socket.send(Message::Text(text.into()))).await;
    sent.map_err(|_| End::Gone)?.map_err(|_| End::Gone)
}

/// Why a stream ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it, or is gone.
    Gone,
    /// The server ends.
    Stopping,
    /// The client did what it must not.
    Wrong(u16, Problem),
}

impl End {
    /// The client did what it must not; `code` is that of the close.
    pub(super) fn wrong(code: u16, what: impl Into<String>) -> Self {
        Self::Wrong(code, Problem::new(StatusCode::BAD_REQUEST, what))
    }

    /// What a message that cannot be read means: too large a one is the client's mistake.
    fn of_unreadable(error: &axum::Error) -> Self {
        match error.to_string().contains("too long") {
            true => Self::wrong(close_code::SIZE, "a message is larger than this server takes"),
            false => Self::Gone,
        }
    }

    /// Says why, as a message and as the code of the close.
    pub(super) async fn tell(self, socket: &mut WebSocket) {
        let (code, problem) = match self {
            Self::Gone => return,
            Self::Stopping => {
                let restart = Problem::busy("the server is stopping", Duration::from_secs(5));
                (close_code::AWAY, restart)
            }
            Self::Wrong(code, problem) => (code, problem),
        };
        let reason = Utf8Bytes::from(problem.error.chars().take(100).collect::<String>());
        if send(socket, &problem).await.is_ok() {
            // A reason has room for 123 bytes.
            let reason = if reason.len() <= 123 { reason } else { Utf8Bytes::default() };
            let _ = socket.send(Message::Close(Some(CloseFrame { code, reason }))).await;
            // The client's own close; without it the message above may be lost with the connection, and where nothing
            // more can be read, a moment gives it time.
            while let Some(Ok(_)) = socket.recv().await {}
            sleep(Duration::from_millis(200)).await;
        }
    }
}
