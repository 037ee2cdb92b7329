//! A stream from its first message on: samples come, and each window that is due is answered for, one at a time.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::{WebSocket, close_code};
use ser_predict::timeline::level_dbfs;
use ser_predict::{Answer, Opinion};
use tokio::time::sleep_until;

use super::messages::{Hello, Ready, WindowAnswer};
use super::schedule::{Due, Schedule};
use super::socket::{End, Incoming, receive, send};
use crate::app::{App, Served};
use crate::problem::Problem;
use crate::stream_buffer::{PcmFormat, StreamBuffer};

/// Rates that a stream may have, Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Seconds of sound that may come before their time.
const AHEAD_S: f64 = 10.0;

/// A window that the model is asked about.
#[derive(Debug)]
struct Window {
    /// Where it ends, in samples.
    end: u64,
    /// Whether there is too little sound to say anything yet: then the model is not asked.
    filling: bool,
    level_dbfs: f64,
    /// Windows that were skipped since the last answer.
    skipped: u64,
    /// When its last sample came.
    received: Instant,
    /// From when on this server is to blame for its being late.
    since: Instant,
}

/// What the model says of a window; nothing of one without speech.
type Answered = (Window, Result<Option<Answer>, Problem>);

type InFlight = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// A stream whose first message was right.
pub(super) struct Session {
    app: Arc<App>,
    served: Arc<Served>,
    format: PcmFormat,
    sample_rate: u32,
    hop_s: f64,
    sound: StreamBuffer,
    schedule: Schedule,
    /// Samples that a whole window has.
    whole: usize,
    /// Samples that the level of a window may be that of: all since the last one, which may be longer than a window.
    span: usize,
    began: Instant,
    /// When the last samples came.
    heard: Instant,
    /// Where the last window ended that was given to the network, in samples.
    answered_to: u64,
    in_flight: Option<InFlight>,
    /// Windows that were skipped and of which the client does not know yet.
    skipped: u64,
}

impl Session {
    /// A stream that begins with `hello`.
    ///
    /// # Errors
    /// When it asks for what there is not.
    pub(super) fn new(app: &Arc<App>, hello: &Hello) -> Result<Self, End> {
        let refuse = |what: String| End::wrong(close_code::POLICY, what);
        if !RATES.contains(&hello.sample_rate) {
            let what = format!("sample_rate = {} is not from 8000 to 192000", hello.sample_rate);
            return Err(refuse(what));
        }
        let hop_s = hello.hop_s.unwrap_or(0.5);
        if !(0.1..=10.0).contains(&hop_s) {
            return Err(refuse(format!("hop_s = {hop_s} is not from 0.1 to 10")));
        }
        let served =
            app.model(hello.model.as_deref()).map_err(|problem| End::Wrong(close_code::POLICY, problem))?;
        let rate = f64::from(hello.sample_rate);
        let whole = (served.window_s() * rate).round() as usize;
        let hop = (hop_s * rate).round().max(1.0) as u64;
        let now = Instant::now();
        Ok(Self {
            app: Arc::clone(app),
            served,
            format: hello.format,
            sample_rate: hello.sample_rate,
            hop_s,
            sound: StreamBuffer::default(),
            schedule: Schedule::new(hop),
            whole,
            span: whole.max(hop as usize),
            began: now,
            heard: now,
            answered_to: 0,
            in_flight: None,
            skipped: 0,
        })
    }

    /// What the client is told first.
    pub(super) fn ready(&self) -> Ready {
        Ready {
            model: self.served.name.clone(),
            labels: self.served.inference.about().labels.clone(),
            window_s: self.served.window_s(),
            hop_s: self.hop_s,
        }
    }

    /// Takes samples and gives answers until one side has enough.
    pub(super) async fn run(&mut self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let app = Arc::clone(&self.app);
        loop {
            let idle = sleep_until((self.heard + app.limits.idle()).into());
            tokio::select! {
                biased;
                () = app.stopped() => return Err(End::Stopping),
                (window, result) = finished(&mut self.in_flight) => {
                    self.in_flight = None;
                    self.tell(socket, window, result).await?;
                }
                message = receive(socket) => match message? {
                    Incoming::Binary(bytes) => self.take(&bytes)?,
                    Incoming::Text(_) => {
                        let what = "after the first message only samples may come";
                        return Err(End::wrong(close_code::UNSUPPORTED, what));
                    }
                },
                () = idle => return Err(End::wrong(close_code::POLICY, "no samples came for too long")),
            }
            self.ask();
        }
    }

    /// Adds the samples of a message, with which windows may become due.
    fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.sound.push(self.format, bytes).map_err(|wrong| End::wrong(close_code::INVALID, wrong))?;
        self.heard = Instant::now();
        let seconds = self.seconds(self.sound.total());
        if seconds > self.began.elapsed().as_secs_f64() * 1.1 + AHEAD_S {
            let what = "samples come faster than they are spoken; send recordings to /v1/predict";
            return Err(End::wrong(close_code::POLICY, what));
        }
        for late in self.schedule.advance(self.sound.total(), self.heard) {
            // Not where the client itself runs ahead of real time.
            if self.seconds(late.end) <= self.began.elapsed().as_secs_f64() + self.hop_s {
                self.app.latency.skipped();
            }
            self.app.metrics.skipped.inc();
            self.skipped += 1;
        }
        Ok(())
    }

    /// Asks the model about the next window that is due, unless it still works on one.
    fn ask(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let Some(due) = self.schedule.pop() else { return };
        let window = self.window(due);
        let samples = match window.filling {
            true => Vec::new(),
            false => self.sound.before(due.end, self.whole).to_vec(),
        };
        self.sound.forget_before(self.schedule.following().saturating_sub(self.span as u64));
        let (app, served, rate) = (Arc::clone(&self.app), Arc::clone(&self.served), self.sample_rate);
        self.in_flight = Some(Box::pin(async move {
            let result = match window.filling {
                true => Ok(None),
                false => app.window(&served, samples, rate).await,
            };
            (window, result)
        }));
    }

    /// What is known of a window before the model has answered.
    fn window(&mut self, due: Due) -> Window {
        let since_last = usize::try_from(due.end - self.answered_to).unwrap_or(self.span).min(self.span);
        self.answered_to = due.end;
        Window {
            end: due.end,
            filling: (due.end as usize) < self.whole / 2,
            level_dbfs: level_dbfs(self.sound.before(due.end, since_last)),
            skipped: std::mem::take(&mut self.skipped),
            received: due.received,
            since: if due.first { due.received } else { Instant::now() },
        }
    }

    /// Where the sample with this number is, seconds since the stream began.
    fn seconds(&self, sample: u64) -> f64 {
        sample as f64 / f64::from(self.sample_rate)
    }

    /// Sends what came of a window.
    async fn tell(
        &mut self,
        socket: &mut WebSocket,
        window: Window,
        result: Result<Option<Answer>, Problem>,
    ) -> Result<(), End> {
        let app = &self.app;
        let said = match result {
            Ok(said) => said,
            // The next one may be in time.
            Err(problem) if problem.retry_after_s.is_some() => {
                app.latency.skipped();
                app.metrics.skipped.inc();
                self.skipped += 1 + window.skipped;
                return Ok(());
            }
            Err(problem) => return Err(End::Wrong(close_code::ERROR, problem)),
        };
        let labels = &self.served.inference.about().labels;
        let answer = WindowAnswer {
            t: self.seconds(window.end),
            filling: window.filling,
            speech: said.is_some(),
            level_dbfs: window.level_dbfs,
            opinion: said.map(|said| Opinion::of(&said, labels)),
            latency_ms: window.received.elapsed().as_secs_f64() * 1e3,
            skipped: window.skipped,
        };
        send(socket, &answer).await?;
        if !window.filling {
            app.latency.answered(window.since.elapsed());
            app.metrics.window_seconds.observe(window.received.elapsed().as_secs_f64());
            app.metrics.windows.inc();
        }
        Ok(())
    }
}

/// The answer in work, once it is there.
async fn finished(in_flight: &mut Option<InFlight>) -> Answered {
    match in_flight {
        Some(answer) => answer.await,
        None => pending().await,
    }
}
