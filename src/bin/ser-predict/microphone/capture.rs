//! Sound from the microphone, whatever its samples are.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use ser_core::{Error, ErrorKind, Result};

/// Sends what `device` hears to `sender`, mixed down to mono; what ends that is put into `broken`.
pub(super) fn stream(
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

/// What is said of a microphone that does not work.
pub(super) fn failed(error: &cpal::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the microphone cannot be used: {error}"))
        .help("see whether it is connected, allowed, and not used by another program")
}
