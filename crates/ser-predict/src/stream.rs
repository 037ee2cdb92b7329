//! Any number of recordings, one answer after another.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};

use rayon::prelude::*;
use ser_audio::Limits;
use ser_core::progress::Progress;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, threads};

use crate::{Answer, Clip, FrontEnd, Input, Model, name_of};

/// Recordings that are decoded together, and the bytes that their features may take.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 64 << 20;

/// What came of one recording.
#[derive(Debug)]
pub struct Outcome {
    /// The recording, or the folder or list that could not be read: as it is named in results.
    pub name: String,
    /// The answer, or what is wrong.
    pub answer: Result<Answer>,
}

/// How many recordings the network answers at once. The last digit of an answer may depend on which are answered together:
/// products of other sizes are added up in another order.
pub fn recordings_at_once(model: &Model) -> usize {
    let tensor_bytes = model.features().shape().iter().product::<usize>() * size_of::<f32>();
    (BATCH_BYTES / tensor_bytes.max(1)).clamp(1, BATCH)
}

/// Decodes `inputs` on `jobs` threads (0 for one per processor), and hands `take` an outcome for each, in their order, as
/// soon as it is there. While the network answers, the next ones are decoded; memory does not grow with their number. What
/// cannot be used is an outcome like the others.
///
/// # Errors
/// Those of `take`; when the network cannot answer, or `jobs` is too large.
pub fn predict_all(
    model: &mut Model,
    inputs: impl Iterator<Item = Result<Input>> + Send,
    limits: Limits,
    jobs: usize,
    progress: &dyn Progress,
    mut take: impl FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let threads = threads::pool(jobs, Setting::Jobs)?;
    let front_ends = (0..threads.current_num_threads().max(1))
        .map(|_| model.front_end(limits).map(Mutex::new))
        .collect::<Result<Vec<_>>>()?;
    let batch = recordings_at_once(model);
    let decoding = Decoding { threads, front_ends, limits, batch };
    // One batch is answered, one waits, one is decoded.
    let (decoded, to_answer) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(|| decoding.run(inputs, decoded));
        for batch in to_answer {
            answer_batch(model, batch, progress, &mut take)?;
        }
        Ok(())
    })
}

type Decoded = Vec<(String, Result<Clip>)>;

struct Decoding {
    threads: rayon::ThreadPool,
    front_ends: Vec<Mutex<FrontEnd>>,
    limits: Limits,
    batch: usize,
}

impl Decoding {
    /// Sends the clips of `inputs` in their order, until nobody takes them.
    fn run(&self, mut inputs: impl Iterator<Item = Result<Input>>, decoded: SyncSender<Decoded>) {
        loop {
            let batch: Vec<Result<Input>> = inputs.by_ref().take(self.batch).collect();
            if batch.is_empty() {
                return;
            }
            let clips =
                self.threads.install(|| batch.into_par_iter().map(|input| self.decode(input)).collect());
            if decoded.send(clips).is_err() {
                return;
            }
        }
    }

    fn decode(&self, input: Result<Input>) -> (String, Result<Clip>) {
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                let name = error.path().map(name_of);
                return (name.unwrap_or_default(), Err(error));
            }
        };
        let thread = rayon::current_thread_index().unwrap_or(0) % self.front_ends.len();
        // Every recording begins with fresh buffers, so a front end that another one has left in a panic still serves.
        let mut front_end = self.front_ends[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let clip = match &input {
            Input::File(path) => front_end.file(path),
            Input::Stdin => stdin(&self.limits).and_then(|bytes| front_end.bytes(bytes)),
        };
        (input.to_string(), clip)
    }
}

/// All of standard input.
///
/// # Errors
/// When there is more than `limits` allow, or it cannot be read.
pub fn stdin(limits: &Limits) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Error::new(ErrorKind::Io, format!("standard input cannot be read: {error}")))?;
    Ok(bytes)
}

fn answer_batch(
    model: &mut Model,
    batch: Decoded,
    progress: &dyn Progress,
    take: &mut impl FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let count = batch.len() as u64;
    let (mut clips, mut names) = (Vec::new(), Vec::new());
    for (name, clip) in batch {
        names.push((name, clip.map(|clip| clips.push(clip))));
    }
    let mut answers = model.answer(&clips)?.into_iter();
    for (name, decoded) in names {
        let answer = decoded.and_then(|()| {
            answers.next().ok_or_else(|| Error::new(ErrorKind::Mismatch, "the network gave no answer"))
        });
        take(Outcome { name, answer })?;
    }
    progress.advance(count);
    Ok(())
}
