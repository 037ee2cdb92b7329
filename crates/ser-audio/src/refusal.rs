//! What the decoders share: limits, and the messages with which a recording is rejected.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use symphonia::core::errors::Error as SymphoniaError;

use crate::{Limits, MAX_CHANNELS, SAMPLE_RATES};

/// What a decoder found.
pub(super) struct Format {
    pub(super) codec: &'static str,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
}

/// The remedy for a file that was truncated in transit.
pub(super) const COPY_AGAIN: &str = "copy it again from its source";

pub(super) fn seconds(samples: u64, sample_rate: u32) -> f64 {
    samples as f64 / f64::from(sample_rate.max(1))
}

/// Refuses rates and channel counts outside of the limits.
pub(super) fn check_format(sample_rate: u32, channels: usize) -> Result<()> {
    if !SAMPLE_RATES.contains(&sample_rate) {
        let (low, high) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
        let what = format!("states a sample rate of {sample_rate} Hz, outside of {low} to {high} Hz");
        return Err(Error::new(ErrorKind::Unsupported, what).help("resample it"));
    }
    check_channels(channels)
}

/// Refuses channel counts outside of the limits.
pub(super) fn check_channels(channels: usize) -> Result<()> {
    if channels == 0 || channels > usize::from(MAX_CHANNELS) {
        let what = format!("states {channels} channels; 1 to {MAX_CHANNELS} are handled");
        return Err(Error::new(ErrorKind::Unsupported, what).help("mix it down"));
    }
    Ok(())
}

/// The most frames that the limits allow at a sample rate.
pub(super) fn max_frames(limits: &Limits, sample_rate: u32) -> u64 {
    frames_of_duration(limits, sample_rate).min(limits.max_samples)
}

/// The most that the duration limit allows.
fn frames_of_duration(limits: &Limits, sample_rate: u32) -> u64 {
    // A float above the range saturates; NaN allows nothing.
    (limits.max_duration_s * f64::from(sample_rate)) as u64
}

/// The error for a recording above the limits of its length, of `frames` frames where that is known.
pub(super) fn too_long(frames: Option<u64>, limits: &Limits, sample_rate: u32) -> Error {
    let most = limits.max_samples;
    if frames.unwrap_or(most) <= frames_of_duration(limits, sample_rate) {
        let what = match frames {
            Some(frames) => format!("has {frames} samples, more than the limit of {most}"),
            None => format!("has more than the limit of {most} samples"),
        };
        return Error::new(ErrorKind::Limit, what).help("cut it into utterances, or lower its sample rate");
    }
    let limit = limits.max_duration_s;
    let what = match frames {
        Some(frames) if frames > max_frames(limits, sample_rate) => {
            format!("lasts {:.3} s, more than the limit of {limit} s", seconds(frames, sample_rate))
        }
        _ => format!("lasts more than the limit of {limit} s"),
    };
    Error::new(ErrorKind::Limit, what)
        .help(remedy!["cut it into utterances, or raise the limit with ", Setting::MaxDuration])
}

/// The error for a recording that holds `present` of `promised` frames.
pub(super) fn cut_short(promised: u64, present: u64, sample_rate: u32) -> Error {
    let what = format!(
        "is cut short: its header declares {:.3} s ({promised} samples) but it has {:.3} s ({present})",
        seconds(promised, sample_rate),
        seconds(present, sample_rate),
    );
    Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
}

/// The error for a recording of whose stated length only `present` frames could be decoded.
pub(super) fn shorter_than_stated(stated_s: f64, present: u64, sample_rate: u32) -> Error {
    let what = format!(
        "is cut short: by its times it lasts {stated_s:.3} s, but {:.3} s of audio are there",
        seconds(present, sample_rate)
    );
    Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
}

/// The error for a recording whose bytes ended too early, after `present` frames.
pub(super) fn shorter_than_promised(promised: Option<u64>, present: u64, sample_rate: u32) -> Error {
    match promised {
        Some(promised) if promised > present => cut_short(promised, present, sample_rate),
        _ => {
            let what = format!(
                "is cut short: it ends inside its data, after {:.3} s",
                seconds(present, sample_rate)
            );
            Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
        }
    }
}

/// What symphonia reported after `done` samples, as one of our errors.
pub(super) fn decoder_error(error: SymphoniaError, done: usize, sample_rate: u32) -> Error {
    let at = format!("after {:.3} s", seconds(done as u64, sample_rate));
    let (kind, what) = match &error {
        SymphoniaError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Damaged, format!("is cut short: it ends inside its data, {at}"))
        }
        SymphoniaError::Unsupported(what) => (ErrorKind::Unsupported, format!("cannot be decoded ({what})")),
        SymphoniaError::LimitError(what) => (ErrorKind::Limit, format!("exceeds a limit {at} ({what})")),
        SymphoniaError::ResetRequired => {
            (ErrorKind::Unsupported, format!("holds several recordings, the second {at}"))
        }
        SymphoniaError::DecodeError(what) => (ErrorKind::Damaged, format!("is corrupt {at} ({what})")),
        other => (ErrorKind::Damaged, format!("cannot be decoded {at} ({other})")),
    };
    let help = match kind {
        ErrorKind::Damaged => COPY_AGAIN,
        _ => "convert it to WAV or FLAC",
    };
    Error::new(kind, what).help(help).caused_by(error)
}

impl Limits {
    /// Rejects limits that nothing can satisfy.
    ///
    /// # Errors
    /// `Usage`, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let (least, most) = (self.min_duration_s, self.max_duration_s);
        if !(least >= 0.0 && most > least && most.is_finite()) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("no recording can last from {least} to {most} seconds"),
            )
            .help(remedy![
                "give a ",
                Setting::MaxDuration,
                " above ",
                Setting::MinDuration,
                ", and that 0 or above"
            ]));
        }
        let decoding = self.max_decoding_s;
        if !(decoding > 0.0 && decoding.is_finite()) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("no file can be decoded in {decoding} seconds"),
            )
            .help(remedy!["give a ", Setting::FileTimeout, " above 0"]));
        }
        Ok(())
    }

    /// The same for stretches of a recording, which may be of any length.
    #[must_use]
    pub fn of_any_duration(self) -> Self {
        Self { min_duration_s: 0.0, max_duration_s: f64::MAX, max_samples: u64::MAX, ..self }
    }

    /// Refuses a file of `size` bytes that is empty or too large.
    ///
    /// # Errors
    /// `Unusable` or `Limit`, naming the size and the limit.
    pub fn check_bytes(&self, size: u64) -> Result<()> {
        if size == 0 {
            return Err(
                Error::new(ErrorKind::Unusable, "is empty (0 bytes)").help("copy it again from its source")
            );
        }
        if size > self.max_bytes {
            let what = format!("has {size} bytes, more than the limit of {}", self.max_bytes);
            return Err(Error::new(ErrorKind::Limit, what).help("cut it into utterances"));
        }
        Ok(())
    }

    /// Refuses a recording of `frames` frames that is too long or too short.
    ///
    /// # Errors
    /// `Limit` or `Unusable`, naming the length and the limit.
    pub fn check_duration(&self, frames: u64, sample_rate: u32) -> Result<()> {
        if frames > max_frames(self, sample_rate) {
            return Err(too_long(Some(frames), self, sample_rate));
        }
        let duration = seconds(frames, sample_rate);
        if duration < self.min_duration_s {
            let what = format!(
                "lasts only {duration:.4} s ({frames} samples), less than the minimum of {} s",
                self.min_duration_s
            );
            return Err(Error::new(ErrorKind::Unusable, what)
                .help(remedy!["leave it out, or lower the limit with ", Setting::MinDuration]));
        }
        Ok(())
    }
}
