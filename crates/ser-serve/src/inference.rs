//! A thread of its own for each model, which answers what waits together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ser_core::{Error, ErrorKind, Result};
use ser_predict::{About, Answer, CheckpointFile, Clip, FrontEnds, Model, ModelOptions, recordings_at_once};
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::problem::Problem;

/// Clips that may wait. A client that comes when they do is told to come back.
const QUEUE: usize = 256;

/// How the threads of this server reach a model.
#[derive(Debug)]
pub(crate) struct Inference {
    about: About,
    front_ends: FrontEnds,
    queue: SyncSender<Job>,
    alive: Arc<AtomicBool>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    clip: Clip,
    reply: oneshot::Sender<Result<Answer>>,
}

impl Inference {
    /// Opens `checkpoint` in a thread of its own, and lets it answer once, so that the first client need not
    /// wait for what libtorch sets up on its first batch.
    ///
    /// # Errors
    /// As [`Model::of`]; when there can be no more threads.
    pub(crate) fn start(
        checkpoint: CheckpointFile,
        options: ModelOptions,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let (tell, told) = sync_channel(1);
        let alive = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&alive);
        // The number of libtorch's threads is a property of the thread that sets it, so the model is opened in it.
        let run = move || {
            let opened =
                Model::of(&checkpoint, &options).and_then(|mut model| warm(&mut model).map(|()| model));
            // Whoever makes timelines has it, too, until theirs is open.
            drop(checkpoint);
            match opened {
                Ok(mut model) => {
                    if tell.send(Ok((model.about().clone(), model.front_ends().clone()))).is_ok() {
                        answer_all(&mut model, &jobs, &metrics);
                    }
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
            flag.store(false, Ordering::Release);
        };
        let thread = std::thread::Builder::new().name("inference".to_owned()).spawn(run);
        let thread = thread
            .map_err(|error| Error::new(ErrorKind::Io, format!("a thread cannot be started: {error}")))?;
        let gone = |_| Error::new(ErrorKind::Io, "the thread of the network ended without a word");
        let (about, front_ends) = told.recv().map_err(gone)??;
        Ok(Self { about, front_ends, queue, alive, thread: std::sync::Mutex::new(Some(thread)) })
    }

    /// What the model is.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// What makes front ends for it.
    pub(crate) fn front_ends(&self) -> &FrontEnds {
        &self.front_ends
    }

    /// Whether its thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// The answer for `clip`, once it is there.
    ///
    /// # Errors
    /// 503 where too many wait, 500 where the network cannot answer.
    pub(crate) async fn answer(&self, clip: Clip) -> Result<Answer, Problem> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { clip, reply }).map_err(|error| match error {
            TrySendError::Full(_) => {
                Problem::busy("too many recordings wait for the network", Duration::from_secs(1))
            }
            TrySendError::Disconnected(_) => Problem::internal("the network is gone; restart the server"),
        })?;
        match answer.await {
            Ok(answer) => answer.map_err(|error| Problem::from(&error)),
            Err(_) => Err(Problem::internal("the network gave no answer")),
        }
    }

    /// Lets the thread end once nothing waits, and waits for it.
    pub(crate) fn join(self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(self.queue);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Answers for clips of zeros: one, and as many as fit a batch of streams.
fn warm(model: &mut Model) -> Result<()> {
    let size = model.features().shape().iter().product();
    let frames = model.features().max_frames as u32;
    let clip = Clip { features: vec![0.0; size], frames, frames_cut: 0, sound: [0; 8], seconds: 0.0 };
    model.answer(&[clip]).map(drop)
}

/// Answers until nobody can ask any more.
fn answer_all(model: &mut Model, jobs: &Receiver<Job>, metrics: &Metrics) {
    let most = recordings_at_once(model);
    while let Ok(first) = jobs.recv() {
        let waiting = std::iter::once(first).chain(jobs.try_iter());
        // Whoever is gone needs no answer.
        let batch: Vec<Job> = waiting.take(most).filter(|job| !job.reply.is_closed()).collect();
        if batch.is_empty() {
            continue;
        }
        metrics.batch_clips.observe(batch.len() as f64);
        let (clips, replies): (Vec<Clip>, Vec<_>) =
            batch.into_iter().map(|job| (job.clip, job.reply)).unzip();
        let answered = catch_unwind(AssertUnwindSafe(|| model.answer(&clips)))
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unsupported, "the network stopped short")));
        match answered {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    let _ = reply.send(Ok(answer));
                }
            }
            Err(error) => {
                for reply in replies {
                    // Of the server's making, whatever kind it is.
                    let _ = reply.send(Err(Error::new(ErrorKind::Io, error.reason())));
                }
            }
        }
    }
}
