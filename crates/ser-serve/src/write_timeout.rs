//! A connection that is given up when the other end takes nothing more.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection on which writing fails once nothing could be written for a while: a client that asks and never reads would
/// hold its place for ever.
#[derive(Debug)]
pub(crate) struct WriteTimeout<S> {
    connection: S,
    timeout: Duration,
    /// Ends when the time is over; there while something waits to be written.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(crate) fn new(connection: S, timeout: Duration) -> Self {
        Self { connection, timeout, waiting: None }
    }

    /// `written`, unless that is still to come and the time is over.
    fn within_timeout(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let timeout = self.timeout;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(timeout)));
        waiting
            .as_mut()
            .poll(context)
            .map(|()| Err(Error::new(ErrorKind::TimedOut, "the other end reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.within_timeout(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, bytes);
        self.within_timeout(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// How writing 64 bytes ends where eight fit and `reads` of the rest are taken, one every 20 ms.
    fn written(reads: usize) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(8);
            let mut server = WriteTimeout::new(server, Duration::from_millis(400));
            let reading = async {
                for _ in 0..reads {
                    sleep(Duration::from_millis(20)).await;
                    client.read_exact(&mut [0; 8]).await?;
                }
                sleep(Duration::from_secs(2)).await;
                Ok(())
            };
            tokio::select! {
                written = server.write_all(&[1; 64]) => written,
                read = reading => read.and(Err(Error::other("it waits for ever"))),
            }
        })
    }

    #[test]
    fn writing_fails_only_where_the_other_end_reads_nothing_more() {
        for reads in [0, 3] {
            assert_eq!(written(reads).unwrap_err().kind(), ErrorKind::TimedOut, "after {reads}");
        }
        written(7).unwrap();
    }
}
