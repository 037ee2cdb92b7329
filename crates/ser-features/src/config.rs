//! Every parameter of feature extraction: defaults, bounds and the text that identifies a configuration.

use std::collections::{BTreeMap, BTreeSet};

use ser_audio::LevelNormalisation;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::{Deserialize, Serialize};

use crate::parameter::require;
use crate::{EncoderStates, FrameLevel, MelFilterBank, Pooling, Representation, SpectrumRows, ValueType};

/// The largest tensor of one utterance, and the largest mel spectrogram behind it, in bytes.
const MAX_TENSOR_BYTES: usize = 64 << 20;

/// What to compute from a recording. Names and meanings are librosa's; a TOML file may give any part of them.
///
/// ```
/// use ser_features::FeatureConfig;
/// let config = FeatureConfig::from_toml("hop_length = 160\ntop_db = 'none'")?;
/// assert_eq!(config.shape(), [3, 40, 200]);
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// Sampling rate that recordings are brought to, in Hz.
    pub sample_rate: u32,
    /// How the level of each recording is normalised.
    pub normalisation: LevelNormalisation,
    /// Samples of a frame, and length of its Fourier transform.
    pub n_fft: usize,
    /// Samples under the window, which sits in the middle of the frame.
    pub win_length: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Shape of the window.
    pub window: Window,
    /// Whether frame `t` is centred on sample `t · hop_length`, the clip being padded by `n_fft / 2` on either side;
    /// otherwise it starts there and nothing is padded.
    pub center: bool,
    /// What the padding holds.
    pub pad_mode: PadMode,
    /// Number of mel bands.
    pub n_mels: usize,
    /// Lower edge of the lowest band, in Hz.
    pub f_min: f64,
    /// Upper edge of the highest band, in Hz.
    pub f_max: f64,
    /// Which mel scale.
    pub mel_scale: MelScale,
    /// How the filters are scaled.
    pub mel_norm: MelNorm,
    /// Floor of the power, before the logarithm.
    pub amin: f64,
    /// Range kept below the loudest value of the clip, in dB; all of it if `None` (in text: `"none"`).
    #[serde(with = "number_or_none")]
    pub top_db: Option<f64>,
    /// Number of cepstral coefficients kept.
    pub n_mfcc: usize,
    /// Frames that a derivative is computed over, odd.
    pub delta_width: usize,
    /// Number of derivatives: 0 is MFCC alone, 1 adds Δ, 2 adds Δ and ΔΔ.
    pub delta_order: usize,
    /// Frames of the tensor: longer clips are cut at the end, shorter ones filled up with zeros.
    pub max_frames: usize,
    /// What the rows of the tensor are.
    #[serde(skip_serializing_if = "is_default")]
    pub representation: Representation,
    /// Frames before the first and after the last whose energy under the window lies within this of the loudest frame's,
    /// in dB, are left out; none if `None` (in text: `"none"`).
    #[serde(with = "number_or_none", skip_serializing_if = "Option::is_none")]
    pub trim_top_db: Option<f64>,
    /// Whether each row's mean over the frames kept is subtracted from it before derivatives are computed, which takes
    /// away what a microphone and a voice add to every frame: B. S. Atal, "Effectiveness of linear prediction
    /// characteristics of the speech wave for automatic speaker identification and verification", JASA 55 (1974).
    #[serde(skip_serializing_if = "is_default")]
    pub mean_subtraction: bool,
    /// The states of a pretrained encoder instead: then nothing but the sample rate and the level's normalisation of the
    /// above counts. See [`FeatureConfig::of_encoder`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderStates>,
}

/// Fields added after the first caches were written are left out of the text where they change nothing, so that the keys
/// of those caches stay what they are.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Shape of the analysis window, always periodic.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// `0.5 − 0.5·cos(2πn/N)`
    Hann,
    /// `0.54 − 0.46·cos(2πn/N)`
    Hamming,
}

/// What is assumed before the first and after the last sample.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// Zeros.
    Constant,
    /// The clip mirrored about its first and its last sample.
    Reflect,
}

/// Mel scale.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// Linear below 1 kHz, logarithmic above (Slaney's Auditory Toolbox).
    Slaney,
    /// `2595·log₁₀(1 + f/700)` (HTK).
    Htk,
}

/// Scaling of the mel filters.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum MelNorm {
    /// Equal area: divided by half the band's width in Hz.
    Slaney,
    /// Equal peak of 1.
    None,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            normalisation: LevelNormalisation::Peak,
            n_fft: 512,
            win_length: 512,
            hop_length: 256,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Constant,
            n_mels: 64,
            f_min: 0.0,
            f_max: 8_000.0,
            mel_scale: MelScale::Slaney,
            mel_norm: MelNorm::Slaney,
            amin: 1e-10,
            top_db: Some(80.0),
            n_mfcc: 40,
            delta_width: 9,
            delta_order: 2,
            max_frames: 200,
            representation: Representation::MFCC,
            trim_top_db: None,
            mean_subtraction: false,
            encoder: None,
        }
    }
}

impl FeatureConfig {
    /// The features that are `states` of an encoder for recordings at `sample_rate`, in Hz, whose level is left as it is.
    /// They are pooled over time to one frame; those that are not need its `hop_length` and `max_frames` too.
    pub fn of_encoder(states: EncoderStates, sample_rate: u32) -> Self {
        Self {
            sample_rate,
            normalisation: LevelNormalisation::None,
            delta_order: 0,
            f_max: (f64::from(sample_rate) / 2.0).min(Self::default().f_max),
            max_frames: 1,
            encoder: Some(states),
            ..Self::default()
        }
    }

    /// Reads a configuration in TOML; what it leaves out has its default.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for text that is not TOML, an unknown name, or a value that [`Self::validate`] refuses.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = error.message().replace('\n', " ");
            Error::new(ErrorKind::Usage, format!("feature configuration, line {line}: {message}"))
                .caused_by(error)
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks every value against its bounds and against the others.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], naming the parameter, its value and what it may be; [`ErrorKind::Limit`] when each is
    /// possible but the tensor would exceed 64 MiB.
    pub fn validate(&self) -> Result<()> {
        require(
            (1_000..=384_000).contains(&self.sample_rate),
            "sample_rate",
            self.sample_rate,
            "1,000 to 384,000 Hz",
        )?;
        if self.is_waveform() {
            return self.validate_waveform();
        }
        require((2..=65_536).contains(&self.n_fft), "n_fft", self.n_fft, "2 to 65,536 samples")?;
        let allowed = format!("1 to {} samples, not more than n_fft", self.n_fft);
        require((1..=self.n_fft).contains(&self.win_length), "win_length", self.win_length, allowed)?;
        require(
            (1..=65_536).contains(&self.hop_length),
            "hop_length",
            self.hop_length,
            "1 to 65,536 samples",
        )?;
        require((1..=1_024).contains(&self.n_mels), "n_mels", self.n_mels, "1 to 1,024 bands")?;
        let half_rate = f64::from(self.sample_rate) / 2.0;
        let allowed = format!("1 to {half_rate} Hz, not above half of sample_rate");
        require((1.0..=half_rate).contains(&self.f_max), "f_max", self.f_max, allowed)?;
        let highest = self.f_max - 1.0;
        let allowed = format!("0 to {highest} Hz, at least 1 Hz below f_max");
        require((0.0..=highest).contains(&self.f_min), "f_min", self.f_min, allowed)?;
        require((1e-100..=1e100).contains(&self.amin), "amin", self.amin, "1e-100 to 1e100")?;
        if let Some(top_db) = self.top_db {
            require(top_db > 0.0 && top_db <= 1e4, "top_db", top_db, "above 0, to 10,000 dB, or \"none\"")?;
        }
        if let Some(trim) = self.trim_top_db {
            require(trim > 0.0 && trim <= 1e4, "trim_top_db", trim, "above 0, to 10,000 dB, or \"none\"")?;
        }
        let allowed = format!("1 to {}, not more than n_mels", self.n_mels);
        require((1..=self.n_mels).contains(&self.n_mfcc), "n_mfcc", self.n_mfcc, allowed)?;
        let odd = (3..=999).contains(&self.delta_width) && self.delta_width % 2 == 1;
        require(odd, "delta_width", self.delta_width, "an odd number of frames, 3 to 999")?;
        require(self.delta_order <= 2, "delta_order", self.delta_order, "0, 1 (Δ) or 2 (Δ and ΔΔ)")?;
        require(
            (1..=1_000_000).contains(&self.max_frames),
            "max_frames",
            self.max_frames,
            "1 to 1,000,000 frames",
        )?;
        if let Some(states) = &self.encoder {
            states.validate()?;
            let mut alone = Self {
                normalisation: self.normalisation,
                ..Self::of_encoder(states.clone(), self.sample_rate)
            };
            if states.pooling == Pooling::None {
                (alone.hop_length, alone.max_frames) = (self.hop_length, self.max_frames);
            }
            if *self != alone {
                let differences = self.differences(&alone).join(", ");
                let what = format!("features of an encoder have no other parameters ({differences})");
                return Err(Error::new(ErrorKind::Usage, what).help("leave the others out"));
            }
            return self.validate_size();
        }
        let rows = self.rows();
        require(rows > 0, "representation", self.representation, "a kind with at least one row")?;
        self.validate_size()?;
        if MelFilterBank::new(self).empty_bands().count() == self.n_mels {
            let what = format!(
                "no frequency bin of n_fft = {} falls between f_min = {} and f_max = {} Hz",
                self.n_fft, self.f_min, self.f_max
            );
            return Err(Error::new(ErrorKind::Usage, what).help("raise n_fft or widen the range"));
        }
        Ok(())
    }

    /// What the numbers of a tensor are stored as.
    pub fn value_type(&self) -> ValueType {
        self.encoder.as_ref().map_or(ValueType::F32, |states| states.dtype)
    }

    /// Whether the features are the samples themselves.
    pub fn is_waveform(&self) -> bool {
        self.encoder.is_none() && self.representation == Representation::WAVEFORM
    }

    fn validate_waveform(&self) -> Result<()> {
        let most = "1 to 1,000,000 samples";
        require((1..=1_000_000).contains(&self.max_frames), "max_frames", self.max_frames, most)?;
        let Self { sample_rate, normalisation, max_frames, .. } = *self;
        let alone = Self { sample_rate, normalisation, max_frames, ..Self::waveform() };
        if *self != alone {
            let differences = self.differences(&alone).join(", ");
            let what = format!("a waveform has no other parameters ({differences})");
            return Err(Error::new(ErrorKind::Usage, what).help(remedy![
                "begin with ",
                Setting::Preset.to("waveform"),
                " and leave the others out"
            ]));
        }
        Ok(())
    }

    fn validate_size(&self) -> Result<()> {
        let [channels, rows, max_frames] = self.shape();
        let rows = (channels * rows).max(self.n_mels);
        if max_frames * rows * size_of::<f32>() <= MAX_TENSOR_BYTES {
            return Ok(());
        }
        let of_what = match &self.encoder {
            Some(states) => format!("{channels} layers of {} numbers", states.pooling.size(states.dimension)),
            None => format!("{channels} channels of n_mfcc = {} and n_mels = {}", self.n_mfcc, self.n_mels),
        };
        let mebibytes = MAX_TENSOR_BYTES >> 20;
        let what =
            format!("max_frames = {max_frames} needs more than {mebibytes} MiB an utterance, with {of_what}");
        let most = MAX_TENSOR_BYTES / (rows * size_of::<f32>());
        Err(Error::new(ErrorKind::Limit, what).help(format!("give at most {most}")))
    }

    /// What is possible but hardly meant, one sentence each; for a command to show.
    ///
    /// Today that is mel bands so narrow that no frequency bin falls into them, which librosa warns of as well.
    pub fn warnings(&self) -> Vec<String> {
        if self.validate().is_err() || self.is_waveform() {
            return Vec::new();
        }
        let empty: Vec<usize> = MelFilterBank::new(self).empty_bands().collect();
        let (Some(first), Some(last)) = (empty.first(), empty.last()) else { return Vec::new() };
        vec![format!(
            "{} of n_mels = {} mel bands (between {first} and {last}) hold no frequency bin of n_fft = {} and are \
             the same in every clip; lower n_mels or raise n_fft",
            empty.len(),
            self.n_mels,
            self.n_fft
        )]
    }

    /// Shape of an utterance's tensor: channels, rows (coefficients or bands), frames. Those of an encoder's states are
    /// layers, numbers, and one frame unless they are not pooled.
    pub fn shape(&self) -> [usize; 3] {
        if let Some(states) = &self.encoder {
            return [states.layers.len(), states.pooling.size(states.dimension), self.max_frames];
        }
        [self.delta_order.saturating_add(1), self.rows(), self.max_frames]
    }

    /// Rows of a channel: coefficients, bands or what else the kind's are.
    fn rows(&self) -> usize {
        self.representation.rows(self)
    }

    /// What the rows of the first channel say of a spectrum, if they do.
    pub fn spectrum(&self) -> Option<SpectrumRows> {
        if self.encoder.is_some() { None } else { self.representation.spectrum() }
    }

    /// How loud a frame is by the rows of the first channel, if they tell.
    pub fn level(&self) -> Option<FrameLevel> {
        if self.encoder.is_some() { None } else { self.representation.level(self) }
    }

    /// The configuration as one line of JSON that is the same for equal configurations, everywhere and always: it is
    /// part of cache keys. Fields are in the order of declaration, numbers in their shortest exact form.
    pub fn to_canonical_json(&self) -> String {
        // −0 equals 0 but would print differently.
        let canonical = Self { f_min: self.f_min + 0.0, ..self.clone() };
        #[expect(clippy::expect_used, reason = "numbers, booleans and unit variants always serialise")]
        serde_json::to_string(&canonical).expect("a feature configuration is plain data")
    }

    /// Where two configurations differ, as `hop_length: 256 and 160`, sorted by name.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let fields = |config: &Self| -> BTreeMap<String, serde_json::Value> {
            serde_json::from_str(&config.to_canonical_json()).unwrap_or_default()
        };
        let (ours, theirs) = (fields(self), fields(other));
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        // Left out of the text where it is the default.
        let shown =
            |value: Option<&serde_json::Value>| value.map_or("default".to_owned(), ToString::to_string);
        let differs = |name: &String| {
            let (ours, theirs) = (ours.get(name), theirs.get(name));
            (ours != theirs).then(|| format!("{name}: {} and {}", shown(ours), shown(theirs)))
        };
        names.into_iter().filter_map(differs).collect()
    }
}

/// `top_db` as a number or `"none"`: TOML has no null, and a missing key means the default.
mod number_or_none {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.serialize_f64(*number),
            None => serializer.serialize_str("none"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        deserializer.deserialize_any(NumberOrNone)
    }

    struct NumberOrNone;

    impl de::Visitor<'_> for NumberOrNone {
        type Value = Option<f64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or \"none\"")
        }

        fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
            Ok(Some(number))
        }

        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number as f64))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number as f64))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            match text {
                "none" => Ok(None),
                other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
            }
        }
    }
}
