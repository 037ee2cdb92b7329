//! A stream: samples in, answers out, over a WebSocket.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use ser_predict::Answer;
use ser_predict::timeline::level_dbfs;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, sleep_until, timeout};
use utoipa::ToSchema;

use crate::answers::Opinion;
use crate::app::{App, Served};
use crate::problem::Problem;
use crate::stream_buffer::{PcmFormat, StreamBuffer};

/// The protocol that a client may ask for.
const PROTOCOL: &str = "ser.v1";

/// Rates that a stream may have, Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// How long the first message may take to come, and any of ours to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds of sound that may come before their time.
const AHEAD_S: f64 = 10.0;

/// The first message of a client.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    /// Rate of the samples, Hz: 8,000 to 192,000.
    sample_rate: u32,
    /// How samples are written.
    #[serde(default)]
    format: PcmFormat,
    /// Name of a model; the first one without it.
    model: Option<String>,
    /// Seconds from one answer to the next: 0.1 to 10, 0.5 without it.
    hop_s: Option<f64>,
}

/// The server's answer to it. Binary messages with samples may follow.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// The model that answers.
    model: String,
    /// Its labels.
    labels: Vec<String>,
    /// Seconds of sound behind each answer.
    window_s: f64,
    /// Seconds from one answer to the next.
    hop_s: f64,
}

/// What the server says of each window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct WindowAnswer {
    /// Where the window ends, seconds since the stream began.
    t: f64,
    /// Whether there is too little sound to say anything yet.
    filling: bool,
    /// Whether somebody speaks in the window. Nothing is said of one without speech.
    speech: bool,
    /// Level since the last answer, dB below full scale; -120 is silence.
    level_dbfs: f64,
    /// What the model says; absent without speech.
    #[serde(flatten)]
    opinion: Option<Opinion>,
    /// From the last sample to this answer, milliseconds.
    latency_ms: f64,
    /// Windows that were not answered for since the last answer, because this server had not answered for those before them
    /// when more samples came.
    skipped: u64,
}

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
    let end = match greet(&app, &mut socket).await {
        Ok(mut session) => session.run(&mut socket).await,
        Err(end) => end,
    };
    // A client that does not listen to this is gone.
    let _ = timeout(PATIENCE, end.tell(&mut socket)).await;
    app.metrics.streams.dec();
    drop(place);
}

/// Why a stream ends.
#[derive(Debug)]
enum End {
    /// The client closed it, or is gone.
    Gone,
    /// The server ends.
    Stopping,
    /// The client did what it must not.
    Wrong(u16, Problem),
}

impl End {
    fn wrong(code: u16, what: impl Into<String>) -> Self {
        Self::Wrong(code, Problem::new(axum::http::StatusCode::BAD_REQUEST, what))
    }

    /// Says why, as a message and as the code of the close.
    async fn tell(self, socket: &mut WebSocket) {
        let (code, problem) = match self {
            Self::Gone => return,
            Self::Stopping => {
                let restart = Problem::busy("the server is stopping", Duration::from_secs(5));
                (close_code::AWAY, restart)
            }
            Self::Wrong(code, problem) => (code, problem),
        };
        let reason = Utf8Bytes::from(problem.error.chars().take(100).collect::<String>());
        if say(socket, &problem).await.is_ok() {
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

/// Sends `message` as JSON.
async fn say(socket: &mut WebSocket, message: &impl Serialize) -> Result<(), End> {
    let text = serde_json::to_string(message).map_err(|_| End::Gone)?;
    let sent = timeout(PATIENCE, socket.send(Message::Text(text.into()))).await;
    sent.map_err(|_| End::Gone)?.map_err(|_| End::Gone)
}

/// Takes the first message.
async fn greet(app: &Arc<App>, socket: &mut WebSocket) -> Result<Session, End> {
    let first = async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => {
                    return Err(End::wrong(
                        close_code::POLICY,
                        "the first message must be JSON with sample_rate",
                    ));
                }
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            }
        }
    };
    let late = || End::wrong(close_code::POLICY, "the first message did not come in time");
    let text = timeout(PATIENCE, first).await.map_err(|_| late())??;
    let hello: Hello = serde_json::from_str(&text).map_err(|error| {
        End::wrong(close_code::POLICY, format!("the first message cannot be understood: {error}"))
    })?;
    let session = Session::new(app, &hello)?;
    say(socket, &session.ready()).await?;
    Ok(session)
}

/// What a message that cannot be read means: too large a one is the client's mistake.
fn broken(error: &axum::Error) -> End {
    match error.to_string().contains("too long") {
        true => End::wrong(close_code::SIZE, "a message is larger than this server takes"),
        false => End::Gone,
    }
}

type InFlight = Pin<Box<dyn Future<Output = (WindowAnswer, Times, Result<Option<Answer>, Problem>)> + Send>>;

/// A window whose last sample has come.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// Where it ends, in samples.
    end: u64,
    /// When its last sample came.
    received: Instant,
    /// Whether it is the first one of its message. The others wait for those before them because the client has sent them
    /// together, and not because this server is late.
    first: bool,
}

/// When things happened with a window that is answered for.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// When its last sample came.
    received: Instant,
    /// From when on this server is to blame for its being late.
    since: Instant,
}

/// A stream whose first message was right.
struct Session {
    app: Arc<App>,
    served: Arc<Served>,
    format: PcmFormat,
    sample_rate: u32,
    hop_s: f64,
    /// Samples from one answer to the next.
    hop: u64,
    sound: StreamBuffer,
    /// Samples that a whole window has.
    whole: usize,
    began: Instant,
    /// When the last samples came.
    heard: Instant,
    /// Where the last window ended that was given to the network, in samples.
    answered_to: u64,
    /// Where the next window ends that is not due yet.
    next: u64,
    /// Windows that are due and not given to the network yet: all by the same message.
    due: VecDeque<Due>,
    in_flight: Option<InFlight>,
    skipped: u64,
}

impl Session {
    fn new(app: &Arc<App>, hello: &Hello) -> Result<Self, End> {
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
            hop,
            sound: StreamBuffer::default(),
            whole,
            began: now,
            heard: now,
            answered_to: 0,
            next: hop,
            due: VecDeque::new(),
            in_flight: None,
            skipped: 0,
        })
    }

    fn ready(&self) -> Ready {
        Ready {
            model: self.served.name.clone(),
            labels: self.served.inference.about().labels.clone(),
            window_s: self.served.window_s(),
            hop_s: self.hop_s,
        }
    }

    /// Takes samples and gives answers until one side has enough.
    async fn run(&mut self, socket: &mut WebSocket) -> End {
        let app = Arc::clone(&self.app);
        loop {
            let idle = sleep_until((self.heard + app.limits.idle()).into());
            tokio::select! {
                biased;
                () = app.stopped() => return End::Stopping,
                (answer, times, result) = next(&mut self.in_flight) => {
                    self.in_flight = None;
                    if let Err(end) = self.answered(socket, answer, times, result).await {
                        return end;
                    }
                    self.answer_next();
                }
                message = socket.recv() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        if let Err(end) = self.take(&bytes) {
                            return end;
                        }
                        self.answer_next();
                    }
                    Some(Ok(Message::Text(_))) => {
                        return End::wrong(close_code::UNSUPPORTED, "after the first message only samples may come");
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Err(error)) => return broken(&error),
                    Some(Ok(Message::Close(_))) | None => return End::Gone,
                },
                () = idle => return End::wrong(close_code::POLICY, "no samples came for too long"),
            }
        }
    }

    /// Adds the samples of a message.
    fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.sound.push(self.format, bytes).map_err(|wrong| End::wrong(close_code::INVALID, wrong))?;
        self.heard = Instant::now();
        let seconds = self.seconds(self.sound.total());
        if seconds > self.began.elapsed().as_secs_f64() * 1.1 + AHEAD_S {
            let what = "samples come faster than they are spoken; send recordings to /v1/predict";
            return Err(End::wrong(close_code::POLICY, what));
        }
        self.expect_answers();
        Ok(())
    }

    /// Takes note of the windows that have become due with the last message: one at each hop, also where that lies inside the
    /// message. Those of an earlier message that still wait by then are skipped, since this server is late.
    fn expect_answers(&mut self) {
        let (total, received) = (self.sound.total(), self.heard);
        if self.next > total {
            return;
        }
        for late in std::mem::take(&mut self.due) {
            // Not where the client itself runs ahead of real time.
            if self.seconds(late.end) <= self.began.elapsed().as_secs_f64() + self.hop_s {
                self.app.latency.skipped();
            }
            self.app.metrics.skipped.inc();
            self.skipped += 1;
        }
        while self.next <= total {
            self.due.push_back(Due { end: self.next, received, first: self.due.is_empty() });
            self.next += self.hop;
        }
    }

    /// Has the next window that is due answered for, unless one is still in work.
    fn answer_next(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let Some(Due { end, received, first }) = self.due.pop_front() else { return };
        let times = Times { received, since: if first { received } else { Instant::now() } };
        // The level is that since the last answer, which may be longer than a window.
        let span = self.whole.max(self.hop as usize);
        let since = usize::try_from(end - self.answered_to).unwrap_or(span).min(span);
        self.answered_to = end;
        let answer = WindowAnswer {
            t: self.seconds(end),
            filling: (end as usize) < self.whole / 2,
            speech: false,
            level_dbfs: level_dbfs(self.sound.before(end, since)),
            opinion: None,
            latency_ms: 0.0,
            skipped: std::mem::take(&mut self.skipped),
        };
        let (app, served, rate) = (Arc::clone(&self.app), Arc::clone(&self.served), self.sample_rate);
        let samples = if answer.filling { Vec::new() } else { self.sound.before(end, self.whole).to_vec() };
        let following = self.due.front().map_or(self.next, |due| due.end);
        self.sound.forget_before(following.saturating_sub(span as u64));
        self.in_flight = Some(Box::pin(async move {
            let result = match answer.filling {
                true => Ok(None),
                false => app.window(&served, samples, rate).await,
            };
            (answer, times, result)
        }));
    }

    /// Where the sample with this number is, seconds since the stream began.
    fn seconds(&self, sample: u64) -> f64 {
        sample as f64 / f64::from(self.sample_rate)
    }

    /// Sends what came of a window.
    async fn answered(
        &mut self,
        socket: &mut WebSocket,
        mut answer: WindowAnswer,
        Times { received, since }: Times,
        result: Result<Option<Answer>, Problem>,
    ) -> Result<(), End> {
        let app = &self.app;
        match result {
            Ok(said) => {
                answer.speech = said.is_some();
                answer.opinion = said.map(|said| Opinion::of(&said, &self.served.inference.about().labels));
            }
            // The next one may be in time.
            Err(problem) if problem.retry_after_s.is_some() => {
                app.latency.skipped();
                app.metrics.skipped.inc();
                self.skipped += 1 + answer.skipped;
                return Ok(());
            }
            Err(problem) => return Err(End::Wrong(close_code::ERROR, problem)),
        }
        answer.latency_ms = received.elapsed().as_secs_f64() * 1e3;
        say(socket, &answer).await?;
        if !answer.filling {
            app.latency.answered(since.elapsed());
            app.metrics.window_seconds.observe(received.elapsed().as_secs_f64());
            app.metrics.windows.inc();
        }
        Ok(())
    }
}

/// The answer in work, once it is there.
async fn next(in_flight: &mut Option<InFlight>) -> (WindowAnswer, Times, Result<Option<Answer>, Problem>) {
    match in_flight {
        Some(future) => future.await,
        None => pending().await,
    }
}
