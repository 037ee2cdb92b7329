//! Whether the recordings of a known corpus are as they were published: names alone do not tell a processed copy, but
//! rates, sample formats and lengths often do.

use std::collections::BTreeMap;

use ser_core::text::thousands;

use crate::conventions::PublishedAudio;
use crate::doctor::FindingKind;
use crate::doctor::levels::bit_depth;
use crate::doctor::published::Recognition;
use crate::doctor::recording::{Examined, Sound};
use crate::doctor::sameness::shared_length;

/// One way in which recordings of a known corpus are not as it was published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deviation {
    /// What is said of what they have: they *have* 22,050 Hz, or they *are* 9.50 s long.
    verb: Verb,
    /// What they have, in words.
    value: String,
    /// What the published ones have, in words.
    published: String,
    /// Which recordings, each with what it has itself, in words.
    recordings: Vec<(usize, String)>,
    /// Among how many.
    of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    Have,
    Be,
}

impl Deviation {
    /// A clause: `every recording has 22,050 Hz (published: 16,000 Hz)`.
    pub(super) fn in_words(&self) -> String {
        let count = self.recordings.len();
        let (one, many) = match self.verb {
            Verb::Have => ("has", "have"),
            Verb::Be => ("is", "are"),
        };
        let who = match self.is_of_all() {
            true => format!("every recording {one}"),
            false => {
                let [count, of] = [count, self.of].map(|number| thousands(number as u64));
                format!("{count} of {of} {}", if self.recordings.len() == 1 { one } else { many })
            }
        };
        format!("{who} {} (published: {})", self.value, self.published)
    }

    /// Whether every recording deviates in this way.
    pub(super) fn is_of_all(&self) -> bool {
        self.recordings.len() == self.of
    }

    /// Each recording that deviates, and how.
    pub(super) fn recordings(&self) -> impl Iterator<Item = (usize, String)> {
        self.recordings.iter().map(|(index, own)| (*index, format!("{own} (published: {})", self.published)))
    }
}

/// All deviations of the recordings of the corpus that was recognised. A recording that is known to be odd in some respect
/// is not compared in that one.
pub(super) fn deviations(examined: &[Examined], recognition: &Recognition) -> Vec<Deviation> {
    let Some(audio) = &recognition.corpus.audio else { return Vec::new() };
    let sounds: Vec<(usize, &Sound)> = examined
        .iter()
        .zip(&recognition.recordings)
        .enumerate()
        .filter(|(_, (_, recording))| recording.is_some())
        .filter_map(|(index, (examined, _))| Some((index, examined.sound.as_ref().ok()?)))
        .collect();
    let except = |kind| {
        let unknown = |(index, _): &&(usize, &Sound)| !recognition.is_known(*index, kind);
        sounds.iter().filter(unknown).copied().collect::<Vec<_>>()
    };
    let comparison = Comparison { audio };
    let mut all = comparison.containers(&except(FindingKind::Disguised));
    all.extend(comparison.sample_rates(&except(FindingKind::OtherRate)));
    all.extend(comparison.bit_depths(&sounds));
    all.extend(comparison.channels(&except(FindingKind::OtherChannels)));
    all.extend(comparison.lengths(&sounds));
    all
}

struct Comparison<'a> {
    audio: &'a PublishedAudio,
}

impl Comparison<'_> {
    fn containers(&self, sounds: &[(usize, &Sound)]) -> Vec<Deviation> {
        let published = self.audio.containers;
        let value = |sound: &Sound| {
            let container = sound.recording.container;
            (!published.contains(&container)).then(|| container.to_string())
        };
        by_value(Verb::Be, sounds, value, listed(published.iter().map(ToString::to_string)))
    }

    fn sample_rates(&self, sounds: &[(usize, &Sound)]) -> Vec<Deviation> {
        let published = self.audio.sample_rates;
        let hertz = |rate: u32| format!("{} Hz", thousands(u64::from(rate)));
        let value = |sound: &Sound| {
            let rate = sound.recording.sample_rate;
            (self.is_comparable(sound) && !is_one_of(rate, published)).then(|| hertz(rate))
        };
        by_value(Verb::Have, sounds, value, listed(published.iter().copied().map(hertz)))
    }

    fn bit_depths(&self, sounds: &[(usize, &Sound)]) -> Vec<Deviation> {
        let published = self.audio.bit_depth;
        let value = |sound: &Sound| {
            let (own, published) = (bit_depth(sound.recording.codec)?, published?);
            (own != published).then(|| format!("{own} bits a sample"))
        };
        by_value(Verb::Have, sounds, value, listed(published.iter().map(ToString::to_string)))
    }

    fn channels(&self, sounds: &[(usize, &Sound)]) -> Vec<Deviation> {
        let published = self.audio.channels;
        let value = |sound: &Sound| {
            let own = sound.recording.channels;
            let text = if own == 1 { "1 channel".to_owned() } else { format!("{own} channels") };
            (self.is_comparable(sound) && !is_one_of(own, published)).then_some(text)
        };
        by_value(Verb::Have, sounds, value, listed(published.iter().map(ToString::to_string)))
    }

    /// That nearly all are of one length is more than that some are too long or too short.
    fn lengths(&self, sounds: &[(usize, &Sound)]) -> Option<Deviation> {
        let range = &self.audio.duration_s;
        let published = format!("{:.1} to {:.1} s", range.start(), range.end());
        let deviation = |value, recordings| Deviation {
            verb: Verb::Be,
            value,
            published: published.clone(),
            recordings,
            of: sounds.len(),
        };
        if let Some(shared) = shared_length(sounds) {
            let value = format!("exactly {:.2} s long", shared.value);
            let recordings = shared.indices.into_iter().map(|index| (index, value.clone())).collect();
            return Some(deviation(value, recordings));
        }
        let lengths = || sounds.iter().map(|(index, sound)| (*index, sound.recording.duration_s()));
        let outside: Vec<(usize, f64)> = lengths().filter(|(_, length)| !range.contains(length)).collect();
        let shortest = outside.iter().map(|(_, length)| *length).min_by(f64::total_cmp)?;
        let longest = outside.iter().map(|(_, length)| *length).max_by(f64::total_cmp)?;
        let value = match outside.len() {
            1 => format!("{shortest:.2} s long"),
            _ => format!("{shortest:.2} to {longest:.2} s long"),
        };
        let own = |(index, length)| (index, format!("{length:.2} s long"));
        Some(deviation(value, outside.into_iter().map(own).collect()))
    }

    /// Whether rate and channels of the published files are known for this one's container. One of a container in which
    /// the corpus was never published was made from those.
    fn is_comparable(&self, sound: &Sound) -> bool {
        self.audio.containers.iter().skip(1).all(|other| *other != sound.recording.container)
    }
}

/// A deviation for each value that is not as published.
fn by_value(
    verb: Verb,
    sounds: &[(usize, &Sound)],
    value: impl Fn(&Sound) -> Option<String>,
    published: String,
) -> Vec<Deviation> {
    let mut groups: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (index, sound) in sounds {
        if let Some(value) = value(sound) {
            groups.entry(value.clone()).or_default().push((*index, value));
        }
    }
    let deviation = |(value, recordings)| Deviation {
        verb,
        value,
        published: published.clone(),
        recordings,
        of: sounds.len(),
    };
    groups.into_iter().map(deviation).collect()
}

/// Where nothing was published of it, anything is.
fn is_one_of<T: PartialEq>(own: T, published: &[T]) -> bool {
    published.is_empty() || published.contains(&own)
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ser_audio::{Container, DecodedRecording};

    use crate::conventions::{CONVENTIONS, PublishedCorpus, named};
    use crate::doctor::{Levels, published};

    /// A recording of as many milliseconds.
    fn sound(container: Container, codec: &'static str, rate: u32, channels: u16, ms: u64) -> Sound {
        let samples = u64::from(rate) * ms / 1000;
        Sound {
            recording: DecodedRecording {
                container,
                codec,
                sample_rate: rate,
                channels,
                only_channel: None,
                samples,
            },
            bytes: 0,
            file_hash: 0,
            audio_hash: 0,
            levels: Levels::default(),
            chunks: Vec::new(),
        }
    }

    fn examined(path: &str, sound: Sound) -> Examined {
        Examined { path: path.to_owned(), annotation: Err("not looked for".to_owned()), sound: Ok(sound) }
    }

    /// What is said of a corpus of these recordings.
    fn said_of(examined: &[Examined]) -> Vec<String> {
        let paths: Vec<&str> = examined.iter().map(|examined| examined.path.as_str()).collect();
        let recognition = published::recognise(&paths).unwrap();
        deviations(examined, &recognition).iter().map(Deviation::in_words).collect()
    }

    /// Twenty paths of recordings of the corpus.
    fn paths(corpus: &PublishedCorpus) -> Vec<String> {
        let numbers = 0..20usize;
        match corpus.name {
            "TESS" => ["back", "bar", "base", "bath", "bean"]
                .into_iter()
                .flat_map(|word| {
                    ["sad", "happy", "angry", "disgust"].map(|it| format!("OAF_{it}/OAF_{word}_{it}.wav"))
                })
                .collect(),
            "RAVDESS (speech)" => numbers.map(|n| format!("03-01-03-01-01-01-{:02}.wav", n + 1)).collect(),
            "CREMA-D" => numbers.map(|n| format!("{}_DFA_ANG_XX.wav", n + 1001)).collect(),
            "EMO-DB" => numbers.map(|n| format!("03a01W{}.wav", char::from(b'a' + n as u8))).collect(),
            "SAVEE" => numbers.map(|n| format!("DC/n{:02}.wav", n + 1)).collect(),
            other => panic!("no paths of {other}"),
        }
    }

    /// Twenty recordings of the corpus, each of another length within the published range.
    fn copy(corpus: &PublishedCorpus, container: Container, codec: &'static str, rate: u32) -> Vec<Examined> {
        let audio = corpus.audio.as_ref().unwrap();
        let span = audio.duration_s.end() - audio.duration_s.start();
        let length = |n: usize| 1 + (1000.0 * (audio.duration_s.start() + span * n as f64 / 20.0)) as u64;
        let channels = audio.channels.first().copied().unwrap_or(1);
        let of =
            |(n, path): (usize, String)| examined(&path, sound(container, codec, rate, channels, length(n)));
        paths(corpus).into_iter().enumerate().map(of).collect()
    }

    fn corpus(name: &str) -> &'static PublishedCorpus {
        named(name).unwrap().published().unwrap()
    }

    #[test]
    fn of_every_corpus_a_copy_as_published_is_accepted_and_one_at_another_rate_is_not() {
        let published: Vec<_> = CONVENTIONS.iter().filter_map(|convention| convention.published()).collect();
        assert_eq!(published.len(), 5);
        for corpus in published {
            let rate = corpus.audio.as_ref().unwrap().sample_rates[0];
            assert_eq!(said_of(&copy(corpus, Container::Wav, "pcm_s16le", rate)), [""; 0], "{}", corpus.name);
            let own = format!("every recording has 22,050 Hz (published: {} Hz)", thousands(rate.into()));
            assert_eq!(said_of(&copy(corpus, Container::Wav, "pcm_s16le", 22_050)), [own], "{}", corpus.name);
        }
    }

    #[test]
    fn another_container_other_bits_and_other_channels_are_told() {
        let emo_db = corpus("emo-db");
        let said = said_of(&copy(emo_db, Container::Flac, "flac", 16_000));
        assert_eq!(said, ["every recording is FLAC (published: WAV)"]);
        let said = said_of(&copy(emo_db, Container::Wav, "pcm_f32le", 16_000));
        assert_eq!(said, ["every recording has 32 bits a sample (published: 16)"]);
        let mut stereo = copy(emo_db, Container::Wav, "pcm_s16le", 16_000);
        for examined in &mut stereo[..7] {
            examined.sound.as_mut().map(|sound| sound.recording.channels = 2).ok();
        }
        assert_eq!(said_of(&stereo), ["7 of 20 have 2 channels (published: 1)"]);
    }

    #[test]
    fn what_is_known_to_be_odd_in_the_published_corpus_is_no_deviation() {
        let mut tess = copy(corpus("tess"), Container::Wav, "pcm_s16le", 24_414);
        tess.push(examined(
            "OAF_fear/OAF_food_fear.wav",
            sound(Container::Wav, "pcm_s16le", 96_000, 1, 1500),
        ));
        tess.push(examined(
            "YAF_angry/YAF_germ_angry.wav",
            sound(Container::Aiff, "pcm_s16be", 24_414, 1, 1500),
        ));
        assert_eq!(said_of(&tess), [""; 0]);
        tess.push(examined(
            "YAF_fear/YAF_food_fear.wav",
            sound(Container::Wav, "pcm_s16le", 96_000, 1, 1500),
        ));
        assert_eq!(said_of(&tess), ["1 of 22 has 96,000 Hz (published: 24,414 Hz)"]);
        let mut ravdess = copy(corpus("ravdess"), Container::Wav, "pcm_s16le", 48_000);
        ravdess[3].sound.as_mut().map(|sound| sound.recording.channels = 2).ok();
        assert_eq!(said_of(&ravdess), [""; 0], "a few are stereo");
    }

    #[test]
    fn crema_d_is_published_as_mp3_too_of_which_only_the_lengths_are_known() {
        let mut mp3 = copy(corpus("crema-d"), Container::Mp3, "mp3", 44_100);
        assert_eq!(said_of(&mp3), [""; 0]);
        mp3[3].sound = Ok(sound(Container::Mp3, "mp3", 44_100, 2, 7_500));
        assert_eq!(said_of(&mp3), ["1 of 20 is 7.50 s long (published: 1.2 to 5.1 s)"]);
    }

    #[test]
    fn a_file_of_another_name_is_not_compared() {
        let mut emo_db = copy(corpus("emo-db"), Container::Wav, "pcm_s16le", 16_000);
        emo_db.push(examined("notes.wav", sound(Container::Wav, "pcm_s16le", 8_000, 2, 100)));
        assert_eq!(said_of(&emo_db), [""; 0]);
    }
}
