//! The body of an upload as it comes: given up when nothing more comes for a while, and when all uploads together hold as many
//! bytes as they may.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::problem::Problem;

/// The bytes that an upload holds, until this is dropped, and why it was given up.
#[derive(Debug, Default)]
pub(super) struct Intake {
    held: Mutex<Option<OwnedSemaphorePermit>>,
    problem: Mutex<Option<Problem>>,
}

impl Intake {
    /// Why the body was given up, if it was.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body that counts and times what comes.
#[derive(Debug)]
pub(super) struct UploadBody {
    body: Body,
    idle: Duration,
    /// Ends when nothing came for too long; there while something is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
    /// A permit for each byte that all uploads together may hold.
    memory: Arc<Semaphore>,
    intake: Arc<Intake>,
}

impl UploadBody {
    pub(super) fn new(body: Body, idle: Duration, memory: &Arc<Semaphore>, intake: &Arc<Intake>) -> Self {
        Self { body, idle, waiting: None, memory: Arc::clone(memory), intake: Arc::clone(intake) }
    }

    /// Counts `bytes` more; false where no more may be held.
    fn hold(&self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.memory).try_acquire_many_owned(bytes) else { return false };
        let mut held = self.intake.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        true
    }

    fn give_up(&self, problem: Problem) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let error = axum::Error::new(problem.error.clone());
        *self.intake.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for UploadBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let idle = self.idle;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(idle)));
            ready!(waiting.as_mut().poll(context));
            let what = "nothing more of the recording came for too long";
            return self.give_up(Problem::new(StatusCode::REQUEST_TIMEOUT, what));
        };
        self.waiting = None;
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
        match self.hold(data.map_or(0, Bytes::len)) {
            true => Poll::Ready(frame),
            false => {
                let what = "the recordings that are being sent are as large as this server takes together";
                self.give_up(Problem::busy(what, Duration::from_secs(1)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest, Request};

    use super::*;

    const IDLE: Duration = Duration::from_millis(200);

    /// What comes of reading `body` where `memory` bytes may be held, and how many may be held while that is kept.
    fn read(body: Body, memory: usize) -> (Result<usize, Problem>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (memory, intake) = (Arc::new(Semaphore::new(memory)), Arc::new(Intake::default()));
        let body = Body::new(UploadBody::new(body, IDLE, &memory, &intake));
        let read = runtime.block_on(Bytes::from_request(Request::new(body), &()));
        let read = read.map(|bytes| bytes.len()).map_err(|_| intake.problem().unwrap());
        (read, memory.available_permits())
    }

    /// A body of which nothing ever comes.
    struct Stalled;

    impl HttpBody for Stalled {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }

    #[test]
    fn bytes_are_counted_while_they_are_held() {
        assert_eq!(read(Body::from("recording"), 10), (Ok(9), 1));
        let (refused, _) = read(Body::from("recording"), 8);
        assert_eq!(refused.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn what_does_not_come_is_not_waited_for() {
        let (stalled, free) = read(Body::new(Stalled), 10);
        assert_eq!((stalled.unwrap_err().status, free), (StatusCode::REQUEST_TIMEOUT, 10));
    }
}
