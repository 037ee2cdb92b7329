//! What every request shares.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use ser_core::Result;
use ser_predict::timeline::{Format, TimelineOptions};
use ser_predict::{Answer, Clip};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::front_ends::FrontEndPool;
use crate::guard::Guard;
use crate::inference::Inference;
use crate::latency::Latency;
use crate::limits::ServeLimits;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::timelines::Timelines;

/// A model and the way to it.
#[derive(Debug)]
pub(crate) struct Served {
    /// What clients call it.
    pub(crate) name: String,
    pub(crate) inference: Inference,
    pub(crate) recordings: FrontEndPool,
    /// For windows of streams.
    pub(crate) windows: FrontEndPool,
    pub(crate) timelines: Timelines,
}

impl Served {
    /// Seconds of sound that a window of a stream holds: a typical training utterance, and no more than the model hears.
    pub(crate) fn window_s(&self) -> f64 {
        let about = self.inference.about();
        about.typical_s.clamp(0.5, 10.0).min(about.longest_s)
    }
}

/// The state of a server.
#[derive(Debug)]
pub(crate) struct App {
    /// In the order in which they were named; the first is asked where a client names none.
    pub(crate) models: Vec<Arc<Served>>,
    pub(crate) limits: ServeLimits,
    pub(crate) guard: Guard,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) latency: Latency,
    /// Recordings that are being answered for.
    pub(crate) uploads: Arc<Semaphore>,
    /// Bytes of all recordings that are being read or answered for.
    pub(crate) upload_memory: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    /// Threads that decode recordings, and others that make clips of windows, so that a long recording delays no stream.
    decoding: Arc<Semaphore>,
    windows: Arc<Semaphore>,
    /// The thread that makes timelines.
    listening: Arc<Semaphore>,
    /// Becomes true when the server is to end.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(
        models: Vec<Arc<Served>>,
        limits: ServeLimits,
        guard: Guard,
        metrics: Arc<Metrics>,
        jobs: usize,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            models,
            limits,
            guard,
            metrics,
            latency: Latency::default(),
            uploads: Arc::new(Semaphore::new(limits.max_uploads)),
            upload_memory: Arc::new(Semaphore::new(limits.upload_memory())),
            streams: Arc::new(Semaphore::new(limits.max_streams)),
            decoding: Arc::new(Semaphore::new(jobs)),
            windows: Arc::new(Semaphore::new(jobs)),
            listening: Arc::new(Semaphore::new(1)),
            stopping,
        }
    }

    /// The model of that name; the first without one.
    ///
    /// # Errors
    /// 404 with the names that there are.
    pub(crate) fn model(&self, name: Option<&str>) -> Result<Arc<Served>, Problem> {
        let found = match name {
            Some(name) => self.models.iter().find(|served| served.name == name),
            None => self.models.first(),
        };
        found.map(Arc::clone).ok_or_else(|| {
            let names: Vec<&str> = self.models.iter().map(|served| served.name.as_str()).collect();
            let what = format!("there is no such model; there is {}", names.join(", "));
            Problem::new(StatusCode::NOT_FOUND, what)
        })
    }

    /// Waits until the server is to end.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // An error means that nobody is left who could say so.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Streams that are open.
    pub(crate) fn open_streams(&self) -> usize {
        self.limits.max_streams.saturating_sub(self.streams.available_permits())
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// 503 where there is none, or where it would make all of them late.
    pub(crate) fn admit_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let wait = Duration::from_secs(10);
        let open = self.open_streams();
        let promise = Duration::from_secs_f64(self.limits.promise_s.clamp(0.0, 3_600.0));
        if !self.latency.admits(open, promise) {
            let what = format!(
                "{open} streams are all that this server can answer within {} ms",
                promise.as_millis()
            );
            return Err(Problem::busy(what, wait));
        }
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| Problem::busy(format!("{open} streams are open, and no more are allowed"), wait))
    }

    /// The answer for the recording with these bytes.
    ///
    /// # Errors
    /// When it cannot be used, or there is too much to do.
    pub(crate) async fn recording(&self, served: &Arc<Served>, bytes: Vec<u8>) -> Result<Answer, Problem> {
        let model = Arc::clone(served);
        let clip = self.blocking(&self.decoding, move || model.recordings.recording(bytes)).await?;
        served.inference.answer(clip).await
    }

    /// The timeline of the recording with these bytes.
    ///
    /// # Errors
    /// When it cannot be used, or there is too much to do.
    pub(crate) async fn timeline(
        &self,
        served: &Arc<Served>,
        bytes: Vec<u8>,
        options: TimelineOptions,
        format: Format,
    ) -> Result<String, Problem> {
        let model = Arc::clone(served);
        self.blocking(&self.listening, move || model.timelines.of(bytes, &options, format)).await
    }

    /// The answer for a window of a stream; `None` where nobody speaks.
    ///
    /// # Errors
    /// When there is too much to do.
    pub(crate) async fn window(
        &self,
        served: &Arc<Served>,
        samples: Vec<f32>,
        sample_rate: u32,
    ) -> Result<Option<Answer>, Problem> {
        let model = Arc::clone(served);
        let clip: Option<Clip> =
            self.blocking(&self.windows, move || model.windows.window(&samples, sample_rate)).await?;
        match clip {
            Some(clip) => served.inference.answer(clip).await.map(Some),
            None => Ok(None),
        }
    }

    /// Does `work` on a thread that may block, once one of `threads` is free.
    async fn blocking<T: Send + 'static>(
        &self,
        threads: &Arc<Semaphore>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let stopping = |_| Problem::internal("the server is stopping");
        let thread = Arc::clone(threads).acquire_owned().await.map_err(stopping)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Also where the client is gone and nobody waits for this.
            drop(thread);
            result
        });
        match done.await {
            Ok(result) => result.map_err(|error| Problem::from(&error)),
            Err(_) => Err(Problem::internal("the recording could not be read")),
        }
    }
}
