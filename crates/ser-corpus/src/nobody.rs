//! Names of folders that are no person's: how, where or in which language was spoken, and what was done to the recordings.

use crate::PublishedSide;
use crate::lexicon::plain;

/// Words about recordings. In lower case, with `_` for spaces and hyphens.
#[rustfmt::skip]
const ABOUT_RECORDINGS: &[&str] = &[
    // What was done to them
    "aug", "augmented", "augmentation", "clean", "converted", "denoised", "noise", "noised", "noisy", "normalised",
    "normalized", "original", "originals", "pitch", "pitched", "processed", "raw", "resampled", "reverb", "shifted",
    "speed", "stretch", "stretched", "synthetic", "trimmed",
    // What they are as files
    "aac", "aiff", "audio", "audios", "flac", "m4a", "mono", "mp3", "mp4", "ogg", "opus", "recordings", "sentences",
    "stereo", "wav", "wave", "waves", "wavs", "words",
    // Where and how they were made
    "acted", "headset", "improvised", "indoor", "indoors", "laptop", "microphone", "mobile", "outdoor", "outdoors",
    "phone", "scripted", "smartphone", "spontaneous", "studio", "telephone",
    // Where they are from
    "film", "films", "internet", "movie", "movies", "podcast", "podcasts", "radio", "television", "tv", "web",
    "youtube",
];

/// Languages, in words and as codes.
#[rustfmt::skip]
const LANGUAGES: &[&str] = &[
    "arabic", "bengali", "chinese", "danish", "dutch", "english", "french", "german", "greek", "hindi", "italian",
    "japanese", "korean", "mandarin", "persian", "polish", "portuguese", "russian", "spanish", "tamil", "turkish",
    "urdu", "deutsch", "englisch", "français", "anglais", "español", "italiano", "中文", "英语", "日本語", "英語",
    "ar", "bn", "cn", "da", "de", "deu", "el", "en", "eng", "es", "esp", "fa", "fr", "fra", "hi", "it", "ita", "ja",
    "jp", "ko", "nl", "pl", "pt", "ru", "rus", "ta", "tr", "ur", "zh",
];

/// Sample rates in Hz, as folders are named for them.
const RATES: &[&str] =
    &["8000", "11025", "12000", "16000", "22050", "24000", "32000", "44100", "48000", "96000"];

/// Whether it is a word about recordings.
pub(crate) fn is_about_recordings(text: &str) -> bool {
    ABOUT_RECORDINGS.contains(&plain(text).as_str())
}

/// The first of `names` that tells that they are not names of people: one word about recordings is enough, sides of a
/// split have to be half of them, and languages, years and sample rates all of them, since such a word or number may be
/// somebody's by chance.
pub(crate) fn nobody_among<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let about_recordings = names.iter().copied().find(|name| is_about_recordings(name));
    if about_recordings.is_some() {
        return about_recordings;
    }
    let sides: Vec<&str> = names.iter().copied().filter(|name| PublishedSide::is_within(name)).collect();
    if 2 * sides.len() >= names.len() && !sides.is_empty() {
        return sides.first().copied();
    }
    let are_all = |is: fn(&str) -> bool| names.iter().all(|name| is(name));
    let first = names.first().copied();
    first.filter(|_| are_all(is_a_language) || are_all(is_a_year) || are_all(is_a_rate))
}

fn is_a_language(text: &str) -> bool {
    LANGUAGES.contains(&plain(text).as_str())
}

fn is_a_year(text: &str) -> bool {
    text.len() == 4 && text.parse::<u16>().is_ok_and(|year| (1980..2050).contains(&year))
}

/// `16000`, `16k`, `44.1 kHz`.
fn is_a_rate(text: &str) -> bool {
    let text = plain(text);
    let hertz = text.strip_suffix("hz").unwrap_or(&text);
    let kilohertz = hertz.strip_suffix('k').map(|number| number.trim_end_matches('_'));
    match kilohertz {
        Some(number) => number.parse::<f64>().is_ok_and(|rate| (4.0..=192.0).contains(&rate)),
        None => RATES.contains(&hertz.trim_end_matches('_')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_recordings_is_nobody() {
        for (names, first) in [
            (&["original", "noisy", "glorp"][..], "original"),
            (&["bea", "Phone"], "Phone"),
            (&["YouTube", "Movies"], "YouTube"),
            (&["train_x", "test_x"], "train_x"),
            (&["English", "German"], "English"),
            (&["en", "de"], "en"),
            (&["2019", "2020"], "2019"),
            (&["16000", "8000"], "16000"),
            (&["16k", "44.1 kHz", "48khz"], "16k"),
        ] {
            assert_eq!(nobody_among(names.iter().copied()), Some(first), "{names:?}");
        }
    }

    #[test]
    fn names_and_numbers_of_people_are_theirs() {
        for names in [
            &["bea", "kim", "sam"][..],
            &["German", "Anna"],
            &["dev", "anna", "bert"],
            &["0011", "0012"],
            &["1985", "0231"],
            &["S1", "S2"],
            &["DC", "JE", "IT"],
            &[],
        ] {
            assert_eq!(nobody_among(names.iter().copied()), None, "{names:?}");
        }
    }
}
