//! The seven emotions and how each is heard in a voice.
//!
//! The directions follow published tendencies: Juslin & Laukka (2003), "Communication of emotions in vocal expression
//! and music performance", Psychological Bulletin 129(5), for anger, fear, happiness and sadness; Scherer (2003),
//! "Vocal communication of emotion", Speech Communication 40(1–2), for the same and the voice source; Murray & Arnott
//! (1993), "Toward the simulation of emotion in synthetic speech", JASA 93(2), for disgust (slow, low, grumbled). Pleasant
//! surprise is happiness with a breathier onset and a steep final rise. The sizes are ours.

/// What an utterance expresses.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Emotion {
    Angry,
    Disgust,
    Fear,
    Happy,
    Neutral,
    #[strum(to_string = "pleasant_surprise", serialize = "ps", serialize = "surprise")]
    PleasantSurprise,
    Sad,
}

impl Emotion {
    /// All seven, in alphabetical order.
    pub const ALL: [Self; 7] = [
        Self::Angry,
        Self::Disgust,
        Self::Fear,
        Self::Happy,
        Self::Neutral,
        Self::PleasantSurprise,
        Self::Sad,
    ];

    /// The canonical label: `angry` … `pleasant_surprise`, `sad`.
    pub fn label(self) -> &'static str {
        self.into()
    }

    /// As TESS writes it in the names of files: the label, but `ps` for pleasant surprise.
    pub fn in_file_names(self) -> &'static str {
        match self {
            Self::PleasantSurprise => "ps",
            other => other.label(),
        }
    }

    /// As TESS writes it in the names of folders, which differ from speaker to speaker.
    pub fn in_folder_names(self, speaker: &str) -> &'static str {
        match (speaker, self) {
            ("OAF", Self::Fear) => "Fear",
            ("OAF", Self::PleasantSurprise) => "Pleasant_surprise",
            ("OAF", Self::Sad) => "Sad",
            ("YAF", Self::PleasantSurprise) => "pleasant_surprised",
            _ => self.label(),
        }
    }
}

/// How an utterance is spoken, relative to the speaker's calm voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expression {
    /// Pitch level in semitones above the speaker's own.
    pub(crate) pitch: f64,
    /// Intonation in semitones around that level: on "say", on "the word", on the spoken word, and at the end.
    pub(crate) contour: [f64; 4],
    /// Tempo as a factor; 1 is calm speech.
    pub(crate) rate: f64,
    /// Lengthening of the spoken word as a factor.
    pub(crate) stretch: f64,
    /// How much louder the spoken word is than its carrier, in decibels.
    pub(crate) accent: f64,
    /// Change of level from the first to the last phone, in decibels.
    pub(crate) decay: f64,
    /// Time constant of rising and falling intensity, in seconds.
    pub(crate) attack: f64,
    /// Loss of the voice source at 3 kHz, in decibels: small for a pressed voice, large for a lax one.
    pub(crate) tilt: f64,
    /// Side of each period during which the glottis is open.
    pub(crate) open_quotient: f64,
    /// Aspiration noise in decibels relative to the voice: breathiness.
    pub(crate) aspiration: f64,
    /// Standard deviation of the period from one cycle to the next, relative.
    pub(crate) jitter: f64,
    /// Standard deviation of the amplitude from one cycle to the next, in decibels.
    pub(crate) shimmer: f64,
    /// Weakness of every second cycle, from 0 to 1: creaky voice.
    pub(crate) creak: f64,
    /// Depth of the 6 Hz tremor of pitch, in semitones.
    pub(crate) tremor: f64,
    /// Factor of the first formant: above 1 for an open jaw.
    pub(crate) openness: f64,
    /// Factor of the second and third formant: above 1 for spread lips.
    pub(crate) smile: f64,
    /// Pull of the vowels towards schwa, from 0 to 1.
    pub(crate) reduction: f64,
    /// Opening of the velum during vowels, from 0 to 1.
    pub(crate) nasality: f64,
}

impl Expression {
    /// The tendency of an emotion, before a speaker makes it her own.
    pub(crate) fn of(emotion: Emotion) -> Self {
        let neutral = Self {
            pitch: 0.0,
            contour: [1.0, 0.0, 1.5, -3.0],
            rate: 1.0,
            stretch: 1.0,
            accent: 2.0,
            decay: -4.0,
            attack: 0.008,
            tilt: 8.0,
            open_quotient: 0.58,
            aspiration: -26.0,
            jitter: 0.006,
            shimmer: 0.3,
            creak: 0.0,
            tremor: 0.0,
            openness: 1.0,
            smile: 1.0,
            reduction: 0.05,
            nasality: 0.05,
        };
        match emotion {
            Emotion::Neutral => neutral,
            Emotion::Angry => Self {
                pitch: 4.5,
                contour: [3.0, 0.0, 4.5, -1.0],
                rate: 1.1,
                accent: 7.0,
                decay: -1.0,
                attack: 0.004,
                tilt: 2.5,
                open_quotient: 0.44,
                aspiration: -31.0,
                jitter: 0.014,
                shimmer: 0.8,
                openness: 1.1,
                reduction: 0.0,
                ..neutral
            },
            Emotion::Disgust => Self {
                pitch: -1.5,
                contour: [0.5, -1.0, 2.5, -5.0],
                rate: 0.88,
                stretch: 1.15,
                accent: 4.5,
                tilt: 5.5,
                open_quotient: 0.5,
                jitter: 0.018,
                shimmer: 0.8,
                creak: 0.5,
                smile: 0.94,
                nasality: 0.6,
                ..neutral
            },
            Emotion::Fear => Self {
                pitch: 6.0,
                contour: [0.5, 0.0, 1.0, 1.0],
                rate: 1.14,
                accent: 1.0,
                decay: -2.0,
                attack: 0.006,
                tilt: 10.0,
                open_quotient: 0.66,
                aspiration: -19.0,
                jitter: 0.02,
                shimmer: 0.7,
                tremor: 0.5,
                ..neutral
            },
            Emotion::Happy => Self {
                pitch: 4.5,
                contour: [2.0, -1.0, 5.0, 0.0],
                rate: 1.06,
                accent: 4.0,
                decay: -2.0,
                attack: 0.006,
                tilt: 5.0,
                open_quotient: 0.54,
                openness: 1.04,
                smile: 1.06,
                reduction: 0.0,
                ..neutral
            },
            Emotion::PleasantSurprise => Self {
                pitch: 6.0,
                contour: [0.0, -1.0, 3.0, 8.0],
                stretch: 1.08,
                accent: 4.0,
                decay: -1.0,
                attack: 0.01,
                tilt: 7.0,
                open_quotient: 0.64,
                aspiration: -20.0,
                openness: 1.05,
                smile: 1.03,
                ..neutral
            },
            Emotion::Sad => Self {
                pitch: -1.5,
                contour: [0.0, -0.5, 0.0, -2.0],
                rate: 0.86,
                accent: 0.5,
                decay: -7.0,
                attack: 0.02,
                tilt: 14.0,
                open_quotient: 0.7,
                aspiration: -20.0,
                shimmer: 0.5,
                reduction: 0.3,
                ..neutral
            },
        }
    }
}
