//! What nobody reads of a request's body, read and dropped: a client that sends all of it before it listens hears why it was
//! refused only if the connection stays open until then.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// What is read and dropped at most, in bytes and in time; the connection is closed then.
const MOST_BYTES: usize = 64 << 20;
const LONGEST: Duration = Duration::from_secs(5);

/// A body whose rest is read and dropped once whoever reads it lets go of it.
#[derive(Debug)]
pub(crate) struct DrainedBody(Option<Body>);

impl DrainedBody {
    pub(crate) fn new(body: Body) -> Self {
        Self(Some(body))
    }
}

impl HttpBody for DrainedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        let Some(body) = self.0.take().filter(|body| !body.is_end_stream()) else { return };
        // There is no runtime any more once the server has ended.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(read_out(body));
        }
    }
}

async fn read_out(mut body: Body) {
    let rest = async {
        let mut left = MOST_BYTES;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(fewer) = left.checked_sub(bytes) else { break };
            left = fewer;
        }
    };
    let _ = timeout(LONGEST, rest).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A body of this many pieces of a mebibyte, which counts those that are taken.
    struct Pieces {
        left: usize,
        taken: Arc<AtomicUsize>,
    }

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            self.taken.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1 << 20])))))
        }
    }

    #[test]
    fn what_nobody_reads_is_read_up_to_a_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (pieces, expected) in [(0, 0), (3, 3), (1_000, 65)] {
            let taken = Arc::new(AtomicUsize::new(0));
            let body = Body::new(Pieces { left: pieces, taken: Arc::clone(&taken) });
            runtime.block_on(async {
                drop(DrainedBody::new(body));
                tokio::time::sleep(Duration::from_millis(50)).await;
            });
            assert_eq!(taken.load(Ordering::Relaxed), expected, "of {pieces}");
        }
    }
}
