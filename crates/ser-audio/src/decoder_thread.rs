//! Third-party decoders on a thread of their own, so that one that never returns costs one file.
//!
//! A thread cannot be killed. One whose decoder has not returned in time is abandoned with the file's bytes, and
//! ends when its decoder does or with the process; the next file is served by a new one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::guard::{Deadline, too_slow};
use crate::{DecodedRecording, Limits};

/// How a thread decodes: as [`crate::decode()`] does.
pub(super) type Decode = fn(&[u8], &Limits, &mut Vec<f32>) -> Result<DecodedRecording>;

/// How long to wait at a time. A process that was suspended meanwhile loses at most this much of its time limit.
const TICK: Duration = Duration::from_millis(100);

/// How much longer than twice the limit to wait, so that a decoder that can stop by itself does so first.
const GRACE: Duration = Duration::from_secs(1);

/// A thread that decodes one file at a time for the thread that owns this.
#[derive(Debug)]
pub(super) struct DecoderThread {
    decode: Decode,
    thread: Option<Thread>,
}

#[derive(Debug)]
struct Thread {
    files: Sender<File>,
    decoded: Receiver<Decoded>,
}

/// A file sent to the thread, with the buffer for its samples.
struct File {
    bytes: Vec<u8>,
    limits: Limits,
    mono: Vec<f32>,
}

/// The same on the way back.
struct Decoded {
    bytes: Vec<u8>,
    mono: Vec<f32>,
    outcome: Result<DecodedRecording>,
}

impl DecoderThread {
    /// Starts no thread before there is a file for it.
    pub(super) fn new(decode: Decode) -> Self {
        Self { decode, thread: None }
    }

    /// Decodes `bytes` into `mono`. Both are moved to the thread; if it is abandoned, both are left empty.
    ///
    /// # Errors
    /// Those of the decoder; `Limit` when it has not returned after twice [`Limits::max_decoding_s`] and a second.
    pub(super) fn decode(
        &mut self,
        bytes: &mut Vec<u8>,
        limits: &Limits,
        mono: &mut Vec<f32>,
    ) -> Result<DecodedRecording> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(self.decode)?,
        };
        let file = File { bytes: std::mem::take(bytes), limits: *limits, mono: std::mem::take(mono) };
        let patience = Deadline::limit(limits).saturating_mul(2).saturating_add(GRACE);
        let sent = thread.files.send(file).map_err(|_| RecvTimeoutError::Disconnected);
        match sent.and_then(|()| wait(&thread.decoded, patience)) {
            Ok(decoded) => {
                (*bytes, *mono) = (decoded.bytes, decoded.mono);
                self.thread = Some(thread);
                decoded.outcome
            }
            Err(RecvTimeoutError::Timeout) => Err(too_slow(limits, "its decoder does not return")),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::new(ErrorKind::Damaged, "ends its decoder's thread"))
            }
        }
    }
}

impl Thread {
    fn start(decode: Decode) -> Result<Self> {
        let (files, inbox) = channel::<File>();
        let (outbox, decoded) = channel();
        let work = move || {
            for File { bytes, limits, mut mono } in inbox {
                let outcome = decode(&bytes, &limits, &mut mono);
                if outbox.send(Decoded { bytes, mono, outcome }).is_err() {
                    return; // given up
                }
            }
        };
        std::thread::Builder::new().name("ser-decoder".to_owned()).spawn(work).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot be decoded: no thread can be started: {error}"))
                .help(remedy!["give fewer ", Setting::Jobs])
        })?;
        Ok(Self { files, decoded })
    }
}

fn wait(decoded: &Receiver<Decoded>, patience: Duration) -> Result<Decoded, RecvTimeoutError> {
    let mut left = patience;
    loop {
        let tick = left.min(TICK);
        match decoded.recv_timeout(tick) {
            Err(RecvTimeoutError::Timeout) if left > tick => left -= tick,
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Container;
    use std::time::Instant;

    /// Hangs on a file of one byte, and ends its thread on one of two.
    fn decode(bytes: &[u8], _: &Limits, mono: &mut Vec<f32>) -> Result<DecodedRecording> {
        match bytes.len() {
            1 => loop {
                std::thread::park();
            },
            2 => panic!("outside of any guard"),
            _ => mono.push(0.5),
        }
        let container = Container::Ogg;
        Ok(DecodedRecording {
            container,
            codec: "test",
            sample_rate: 8_000,
            channels: 1,
            only_channel: None,
            samples: 1,
        })
    }

    #[test]
    fn a_decoder_that_never_returns_costs_one_file() {
        let limits = Limits { max_decoding_s: 0.05, ..Limits::default() };
        let mut companion = DecoderThread::new(decode);
        let mut mono = Vec::new();
        let mut load = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            mono.clear();
            let outcome = companion.decode(&mut bytes, &limits, &mut mono);
            (outcome, bytes, mono.clone())
        };
        let (outcome, bytes, mono) = load(&[1, 2, 3]);
        assert_eq!((outcome.unwrap().samples, bytes, mono), (1, vec![1, 2, 3], vec![0.5]));

        let started = Instant::now();
        let (outcome, bytes, mono) = load(&[1]);
        let error = outcome.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!((error.kind(), bytes.len(), mono.len()), (ErrorKind::Limit, 0, 0));
        assert!(error.to_string().contains("its decoder does not return"), "{error}");
        assert!(error.to_string().contains("file_timeout"), "{error}");
        assert_eq!(load(&[1, 2, 3]).0.unwrap().samples, 1);

        assert_eq!(load(&[1, 2]).0.unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(load(&[1, 2, 3]).0.unwrap().samples, 1);
    }
}
