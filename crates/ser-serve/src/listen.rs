//! Connections: accepted up to a number, each with a time for its heads and for being read, and ended in order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::app::App;
use crate::tls::Tls;

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Bytes that a request's head may have.
const HEAD_BYTES: usize = 32 << 10;

/// Bytes that wait in the system for a client to read them. The system says that more can be written when a third of its buffer
/// is free, which it would otherwise make some megabytes large: a slow client would seem not to read at all.
const SEND_BUFFER: usize = 256 << 10;

/// How long what has begun may take once the server is to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves `router` to everyone who connects to `listener`, until the server is to end and what has begun is done.
pub(crate) async fn listen(app: Arc<App>, listener: TcpListener, tls: Option<Tls>, router: Router) {
    let connections = Arc::new(Semaphore::new(app.limits.max_connections));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(app.limits.idle()).max_buf_size(HEAD_BYTES);
    let mut tidying = interval(Duration::from_secs(60));
    tidying.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (stream, peer) = tokio::select! {
            () = app.stopped() => break,
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
        let (app, builder, router, tls) = (Arc::clone(&app), builder.clone(), router.clone(), tls.clone());
        tokio::spawn(async move {
            connect(&app, stream, peer, tls, &builder, router).await;
            drop(place);
        });
    }
    drop(listener);
    let all = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let _ = timeout(FAREWELL, connections.acquire_many(all(app.limits.max_connections))).await;
    // Streams are connections no more; each tells its client that the server ends.
    let _ = timeout(FAREWELL, app.streams.acquire_many(all(app.limits.max_streams))).await;
}

/// Serves one connection, over TLS where there is `tls`.
async fn connect(
    app: &App,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    builder: &http1::Builder,
    router: Router,
) {
    let _ = stream.set_nodelay(true);
    let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
    // A client that asks and never reads would hold its place for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(app.limits.idle()));
    let stream = Box::pin(stream);
    match tls {
        None => serve(app, stream, peer, builder, router).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(app.limits.idle(), tls.accept(stream)).await {
                serve(app, stream, peer, builder, router).await;
            }
        }
    }
}

/// Answers requests on one connection, until either side closes it or it has become a stream.
async fn serve(
    app: &App,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    builder: &http1::Builder,
    router: Router,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // An error is the client's: it went away, or spoke no HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = app.stopped() => {}
    }
    // The request in work is answered, and no other one.
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
