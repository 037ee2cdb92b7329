//! Live sound from the microphone, answered in the terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};
use ser_predict::{Live, Model, Moment};

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

fn stream(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    sender: SyncSender<Vec<f32>>,
    broken: &Arc<Mutex<Option<cpal::Error>>>,
) -> Result<Stream> {
    let broken = Arc::clone(broken);
    match config.sample_format() {
        SampleFormat::F32 => typed::<f32>(device, config, sender, broken),
        SampleFormat::I16 => typed::<i16>(device, config, sender, broken),
        SampleFormat::I32 => typed::<i32>(device, config, sender, broken),
        SampleFormat::U8 => typed::<u8>(device, config, sender, broken),
        other => Err(Error::new(ErrorKind::Unsupported, format!("the microphone gives samples as {other}"))
            .help("choose another format in the settings of the system")),
    }
}

/// A stream of samples of type `T`, mixed down to mono.
fn typed<T>(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    sender: SyncSender<Vec<f32>>,
    broken: Arc<Mutex<Option<cpal::Error>>>,
) -> Result<Stream>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels()).max(1);
    let stream = device.build_input_stream(
        config.config(),
        move |samples: &[T], _: &cpal::InputCallbackInfo| {
            let mono = samples.chunks_exact(channels).map(|frame| {
                let sum: f32 = frame.iter().map(|sample| <f32 as cpal::Sample>::from_sample(*sample)).sum();
                sum / channels as f32
            });
            // What does not fit is lost rather than waited for: this is the sound system's thread.
            let _ = sender.try_send(mono.collect());
        },
        move |error: cpal::Error| {
            use cpal::ErrorKind::{DeviceChanged, RealtimeDenied, Xrun};
            // The stream goes on after these.
            if !matches!(error.kind(), DeviceChanged | RealtimeDenied | Xrun) {
                *broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            }
        },
        None,
    );
    stream.map_err(|error| failed(&error))
}

fn failed(error: &cpal::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the microphone cannot be used: {error}"))
        .help("see whether it is connected, allowed, and not used by another program")
}

/// `    3.50 s   -32 dBFS  happy  0.72  unsure: happy, sad`, or a JSON object.
fn line(labels: &[String], moment: &Moment, json: bool) -> String {
    let answer = moment.answer.as_ref();
    let names = |set: &Vec<usize>| -> Vec<&str> { set.iter().map(|class| labels[*class].as_str()).collect() };
    let set = answer.and_then(|answer| answer.set.as_ref().map(names));
    if json {
        let object = serde_json::json!({
            "t": moment.t,
            "level_dbfs": moment.level_dbfs,
            "label": answer.map(|answer| &labels[answer.predicted]),
            "probabilities": answer.map(|answer| labels.iter().zip(&answer.probabilities).collect::<std::collections::BTreeMap<_, _>>()),
            "set": set,
            "share_as_unusual": answer.and_then(|answer| answer.share_as_unusual),
        });
        return format!("{object}\n");
    }
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let said = match answer {
        None => "no speech".to_owned(),
        Some(answer) => {
            let mut said = format!(
                "{:width$}  {:.2}",
                printable(&labels[answer.predicted]),
                answer.probabilities[answer.predicted]
            );
            if let Some(set) = set.filter(|set| set.len() != 1) {
                said += &format!("  unsure: {}", printable(&set.join(", ")));
            }
            if answer.out_of_domain == Some(true) {
                said += "  unlike what the model was trained on";
            }
            said
        }
    };
    format!("{:>8.2} s  {:>4.0} dBFS  {said}\n", moment.t, moment.level_dbfs)
}
