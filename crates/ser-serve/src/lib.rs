//! Answers of trained models over HTTP.
//!
//! ```text
//! recording ─▶ POST /v1/predict ─▶ decoding threads ─┐                                    ┌─▶ JSON
//!                                  bytes to features ├─▶ queue ─▶ network's thread ───────┤
//! samples ──▶ GET /v1/stream ────▶ window threads ───┘    up to 64 answered together      └─▶ JSON, one a hop
//!                                  speech? features
//! ```
//!
//! A [`Server`] is bound to an address with its models loaded, and runs until it is told to stop. By default it is reached
//! from its own machine alone; every request passes the same guard (`guard.rs`: host, origin, token, rate), and everything
//! that a client can make grow has a limit ([`ServeLimits`]). Nothing that clients send is stored.

mod app;
mod front_ends;
mod guard;
mod inference;
mod latency;
mod limits;
mod listen;
mod metrics;
mod model_card;
mod prediction;
mod problem;
mod routes;
mod server;
mod stream_buffer;
mod timelines;
mod tls;
mod token;
mod unread_body;

pub use limits::ServeLimits;
pub use server::{ServeOptions, Server};
pub use tls::TlsFiles;
pub use token::Token;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
