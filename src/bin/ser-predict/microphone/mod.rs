//! Live sound from the microphone, answered in the terminal.

mod capture;
mod line;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{Live, Model};

use self::capture::{failed, stream};
use self::line::line;
use crate::Arguments;

/// Portions of sound that may wait while the network answers; more are dropped.
const WAITING: usize = 256;

/// How long nothing may come from a microphone that works.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers until Ctrl-C.
///
/// # Errors
/// When there is no microphone, or it stops.
pub(crate) fn listen(arguments: &Arguments, model: &mut Model) -> Result<()> {
    let options = arguments.timeline_options();
    let (window_s, hop_s) = options.lengths(model.about())?;
    let stop = ser::stop_on_interrupt("stopping")?;
    let device = cpal::default_host().default_input_device().ok_or_else(|| {
        let error = Error::new(ErrorKind::Missing, "no microphone was found");
        error.help("connect one, and see whether other programs hear it")
    })?;
    let config = device.default_input_config().map_err(|error| failed(&error))?;
    let (sender, portions) = sync_channel(WAITING);
    let broken = Arc::new(Mutex::new(None));
    let stream = stream(&device, &config, sender, &broken)?;
    stream.play().map_err(|error| failed(&error))?;

    let mut live = Live::new(config.sample_rate(), window_s, hop_s, options.speech_threshold);
    // A window is as long as it is, whatever limits recordings have.
    let mut front_end = model.front_end(arguments.limits().of_any_duration())?;
    if !arguments.json && !arguments.quiet {
        let about = model.about();
        ser::print(&format!(
            "{}: {}\nlistening at {} Hz; a line every {hop_s} s about the last {window_s:.2} s; Ctrl-C ends\n",
            printable(&about.name),
            about.in_words,
            config.sample_rate()
        ))?;
    }
    hear(&stop, &broken, &portions, |samples| {
        if live.hear(samples) {
            let moment = live.moment(model, &mut front_end)?;
            ser::print(&line(model.labels(), &moment, arguments.json))?;
        }
        Ok(())
    })
}

/// Hands over what comes from the microphone, until it is stopped.
fn hear(
    stop: &AtomicBool,
    broken: &Mutex<Option<cpal::Error>>,
    portions: &std::sync::mpsc::Receiver<Vec<f32>>,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let mut silent_for = Duration::ZERO;
    let step = Duration::from_millis(200);
    while !stop.load(Ordering::Relaxed) {
        if let Some(error) = broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            return Err(failed(&error));
        }
        match portions.recv_timeout(step) {
            Ok(samples) => {
                silent_for = Duration::ZERO;
                take(&samples)?;
            }
            Err(RecvTimeoutError::Timeout) => silent_for += step,
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if silent_for > PATIENCE {
            let error = Error::new(ErrorKind::Io, "nothing comes from the microphone");
            return Err(error.help("see whether it is muted, or used by another program"));
        }
    }
    Ok(())
}
