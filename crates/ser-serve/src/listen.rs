//! Connections: accepted up to a number, each with a time for its heads, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::app::App;
use crate::tls::Tls;

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Bytes that a request's head may have.
const HEAD_BYTES: usize = 32 << 10;

/// How long what has begun may take once the server is to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves `router` to everyone who connects to `listener`, until the server is to end and what has begun is done.
pub(crate) async fn listen(app: Arc<App>, listener: TcpListener, tls: Option<Tls>, router: Router) {
    let connections = Arc::new(Semaphore::new(app.limits.max_connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(app.limits.idle()).max_buf_size(HEAD_BYTES);
    let mut stopping = app.stopping.clone();
    let mut tidying = interval(Duration::from_secs(60));
    tidying.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (stream, peer) = tokio::select! {
            _ = stopping.wait_for(|&stopping| stopping) => break,
            _ = tidying.tick() => {
                app.guard.tidy();
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Of one connection, or because there are too many files: both pass.
                Err(_) => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Whoever comes when all are taken finds the connection closed.
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let _ = stream.set_nodelay(true);
        let (builder, router, watcher, tls) =
            (builder.clone(), router.clone(), graceful.watcher(), tls.clone());
        let patience = app.limits.idle();
        tokio::spawn(async move {
            match tls {
                None => serve(stream, peer, &builder, router, watcher).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(patience, tls.accept(stream)).await {
                        serve(stream, peer, &builder, router, watcher).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(FAREWELL, graceful.shutdown()).await;
    // Streams are connections no more; each tells its client that the server ends.
    let all = u32::try_from(app.limits.max_streams).unwrap_or(u32::MAX);
    let _ = timeout(FAREWELL, app.streams.acquire_many(all)).await;
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    builder: &http1::Builder,
    router: Router,
    watcher: Watcher,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    // An error is the client's: it went away, or spoke no HTTP.
    let _ = watcher.watch(connection).await;
}
