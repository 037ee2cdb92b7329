//! From phones to the movements of tongue, lips, velum and breath: a control frame every 2 ms.

use libm::exp;
use ser_core::random::Random;
use ser_core::ratio::decibels;

use crate::emotion::Expression;
use crate::phone::{Friction, Manner, Phone, phone};
use crate::words::transcription;

/// Seconds from one control frame to the next.
pub(crate) const FRAME: f64 = 0.002;

/// What is said before each word, as in TESS: "say the word …".
const CARRIER: [&str; 2] = ["S EY", "DH AH W ER D"];

/// The formants of a neutral vowel, in Hz.
const SCHWA: [f64; 3] = [600.0, 1600.0, 2800.0];

/// What the larynx and the tract are set to at one moment. Amplitudes are linear; 1 is a calm vowel's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Fundamental frequency in Hz; set by prosody.
    pub(crate) pitch: f64,
    pub(crate) voicing: f64,
    pub(crate) aspiration: f64,
    pub(crate) friction: f64,
    /// Centre and bandwidth of the friction noise, in Hz.
    pub(crate) friction_band: [f64; 2],
    /// F1, F2, F3 of the reference voice, in Hz.
    pub(crate) formants: [f64; 3],
    /// Opening of the velum, 0 to 1.
    pub(crate) nasality: f64,
}

/// Where in the phrase something is said, in seconds from its first phone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    /// Start and end of the vowels of "say", "word", and the spoken word.
    pub(crate) nuclei: [[f64; 2]; 3],
    /// Start of the spoken word.
    pub(crate) word: f64,
    /// End of the last phone.
    pub(crate) end: f64,
}

/// A stretch of time with one set of targets.
struct Segment {
    duration: f64,
    formants: [f64; 3],
    glide: [f64; 3],
    voicing: f64,
    aspiration: f64,
    friction: Friction,
    nasality: f64,
}

/// The control frames of "say the word `word`", and its marks; `None` for a word that is not in the list.
pub(crate) fn articulate(
    word: &str,
    expression: &Expression,
    random: &mut Random,
) -> Option<(Vec<Frame>, Marks)> {
    let parts = [CARRIER[0], CARRIER[1], transcription(word)?];
    let mut segments = Vec::new();
    let mut marks = Marks::default();
    let mut now = 0.0;
    for (part, transcription) in parts.iter().enumerate() {
        if part == 2 {
            marks.word = now;
        }
        let phones: Vec<Phone> = transcription.split(' ').filter_map(phone).collect();
        for index in 0..phones.len() {
            let place = Place { part, index, phones: &phones };
            let start = now;
            for segment in place.segments(expression, random) {
                now += segment.duration;
                segments.push(segment);
            }
            // The last vowel of a part is the one that carries its tone.
            if phones[index].manner == Manner::Vowel {
                marks.nuclei[part] = [start, now];
            }
        }
    }
    marks.end = now;
    Some((frames(&segments, expression), marks))
}

/// A phone among its neighbours.
struct Place<'a> {
    part: usize,
    index: usize,
    phones: &'a [Phone],
}

impl Place<'_> {
    fn segments(&self, expression: &Expression, random: &mut Random) -> Vec<Segment> {
        let phone = self.phones[self.index];
        let tempo = self.tempo(expression) * (1.0 + random.spread(0.06));
        let colour = 1.0 + random.spread(0.012);
        let (formants, glide) = self.formants(expression);
        let base = Segment {
            duration: phone.duration * tempo,
            formants: [formants[0], formants[1] * colour, formants[2]],
            glide: [glide[0], glide[1] * colour, glide[2]],
            voicing: 1.0,
            aspiration: 0.0,
            friction: Friction { level: -120.0, ..phone.friction },
            nasality: expression.nasality,
        };
        let voicing = if phone.voiced { 1.0 } else { 0.0 };
        // Opening the glottis lets more breath through in a breathy voice.
        let breath = decibels(-15.0 + 0.3 * (expression.aspiration + 26.0));
        let last = self.index + 1 == self.phones.len();
        match phone.manner {
            Manner::Vowel => vec![base],
            Manner::Approximant => vec![Segment { voicing: 0.7, ..base }],
            Manner::Nasal => vec![Segment { voicing: 0.5, nasality: 1.0, ..base }],
            Manner::Fricative => {
                vec![Segment { voicing: 0.35 * voicing, friction: phone.friction, nasality: 0.0, ..base }]
            }
            Manner::Breath => vec![Segment { voicing: 0.0, aspiration: breath, ..base }],
            Manner::Affricate => {
                let closure = Segment { voicing: 0.12 * voicing, nasality: 0.0, ..base };
                let release = Segment {
                    duration: 0.075 * tempo,
                    voicing: 0.2 * voicing,
                    friction: phone.friction,
                    ..closure
                };
                vec![closure, release]
            }
            Manner::Stop => {
                let closure = Segment { voicing: 0.12 * voicing, nasality: 0.0, ..base };
                let (formants, glide) = (closure.formants, closure.glide);
                // "word" runs into what follows without a release.
                if last && self.part < 2 {
                    return vec![closure];
                }
                let fall = if last { 5.0 } else { 0.0 };
                let friction = Friction { level: phone.friction.level - fall, ..phone.friction };
                let burst = Segment { duration: 0.012, friction, ..closure };
                if phone.voiced {
                    return vec![closure, burst];
                }
                let (aspiration, lag) = if last { (0.4 * breath, 0.035) } else { (breath, 0.045) };
                let after = Segment {
                    duration: lag * tempo,
                    formants: if last { formants } else { self.vowel_after().unwrap_or(formants) },
                    glide,
                    voicing: 0.0,
                    aspiration,
                    friction: Friction { level: -120.0, ..friction },
                    nasality: 0.0,
                };
                vec![closure, burst, after]
            }
        }
    }

    /// Duration relative to the phone's own.
    fn tempo(&self, expression: &Expression) -> f64 {
        let vowel = self.phones[self.index].manner == Manner::Vowel;
        // Vowels are longer before voice and shorter before voiceless consonants.
        let coda = match self.phones.get(self.index + 1) {
            Some(next) if vowel && next.voiced => 1.1,
            Some(_) if vowel => 0.85,
            _ => 1.0,
        };
        let position = match self.part {
            0 => 0.9,
            1 => 0.75,
            _ => 1.15 * expression.stretch,
        };
        coda * position / expression.rate
    }

    /// Targets at the phone's start and end: vowels pulled to schwa, consonants to the vowel beside them.
    fn formants(&self, expression: &Expression) -> ([f64; 3], [f64; 3]) {
        let phone = self.phones[self.index];
        if phone.manner == Manner::Vowel {
            // "the" has no vowel of its own.
            let pull = if self.part == 1 && self.index == 1 { 0.7 } else { expression.reduction };
            return (mix(phone.formants, SCHWA, pull), mix(phone.glide, SCHWA, pull));
        }
        let pull = match phone.manner {
            Manner::Breath => 1.0,
            Manner::Stop => 0.35,
            Manner::Fricative | Manner::Affricate => 0.25,
            _ => 0.15,
        };
        let vowel = self.vowel_after().or_else(|| self.vowel_before()).unwrap_or(phone.formants);
        // The jaw, and with it F1, is the consonant's own.
        let [f1, f2, f3] = mix(phone.formants, vowel, pull);
        let f1 = if phone.manner == Manner::Breath { f1 } else { phone.formants[0] };
        ([f1, f2, f3], [f1, f2, f3])
    }

    fn vowel_after(&self) -> Option<[f64; 3]> {
        self.phones[self.index..]
            .iter()
            .find(|phone| phone.manner == Manner::Vowel)
            .map(|phone| phone.formants)
    }

    fn vowel_before(&self) -> Option<[f64; 3]> {
        self.phones[..self.index].iter().rfind(|phone| phone.manner == Manner::Vowel).map(|phone| phone.glide)
    }
}

fn mix(from: [f64; 3], to: [f64; 3], part: f64) -> [f64; 3] {
    std::array::from_fn(|n| from[n] + part * (to[n] - from[n]))
}

/// Samples the targets and lets the articulators take their time.
fn frames(segments: &[Segment], expression: &Expression) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut end = 0.0;
    for segment in segments {
        let start = end;
        end += segment.duration;
        while frames.len() as f64 * FRAME < end {
            let part = ((frames.len() as f64 * FRAME - start) / segment.duration).clamp(0.0, 1.0);
            // Diphthongs rest on the first target, glide, and rest on the second.
            let part = ((part - 0.2) / 0.6).clamp(0.0, 1.0);
            frames.push(Frame {
                pitch: 0.0,
                voicing: segment.voicing,
                aspiration: segment.aspiration,
                friction: decibels(segment.friction.level),
                friction_band: [segment.friction.centre, segment.friction.bandwidth],
                formants: mix(segment.formants, segment.glide, part),
                nasality: segment.nasality,
            });
        }
    }
    // The sound dies away within 60 ms of the last phone's end.
    if let Some(last) = frames.last().copied() {
        let rest = Frame { voicing: 0.0, aspiration: 0.0, friction: 0.0, ..last };
        frames.extend([rest; 30]);
    }
    for formant in 0..3 {
        smooth(&mut frames, 0.012, |frame| &mut frame.formants[formant]);
    }
    smooth(&mut frames, expression.attack, |frame| &mut frame.voicing);
    smooth(&mut frames, 0.5 * expression.attack + 0.002, |frame| &mut frame.aspiration);
    smooth(&mut frames, 0.004, |frame| &mut frame.friction);
    smooth(&mut frames, 0.004, |frame| &mut frame.friction_band[0]);
    smooth(&mut frames, 0.004, |frame| &mut frame.friction_band[1]);
    smooth(&mut frames, 0.015, |frame| &mut frame.nasality);
    frames
}

/// A one-pole smoother run forwards, then backwards: movements begin before their phone does (coarticulation).
fn smooth(frames: &mut [Frame], seconds: f64, field: impl Fn(&mut Frame) -> &mut f64) {
    let keep = exp(-FRAME / seconds);
    let run = |frames: &mut dyn Iterator<Item = &mut Frame>| {
        let mut state = None;
        for frame in frames {
            let value = field(frame);
            let smoothed = *value + keep * (state.unwrap_or(*value) - *value);
            *value = smoothed;
            state = Some(smoothed);
        }
    };
    run(&mut frames.iter_mut());
    run(&mut frames.iter_mut().rev());
}
