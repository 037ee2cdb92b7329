//! Recordings that a page can play.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ser_core::ErrorKind;
use ser_corpus::{Corpora, Segment, is_in_archive, read_recording};

/// The most bytes of recordings that a page embeds.
pub const MAX_EMBEDDED_BYTES: u64 = 16 << 20;

/// Whether and how a page has recordings.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Audio {
    /// Players that read the recordings where they lie
    #[default]
    Link,
    /// Players with the recordings inside the page, up to 16 MiB: mind their licence before you pass it on
    Embed,
    /// No players
    None,
}

/// What a recording is played from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlayerSource {
    Url(String),
    /// Not at all, for a reason worth reporting.
    Without(&'static str),
    /// Not at all, as requested or because there is no corpus.
    Silent,
}

/// Finds recordings.
#[derive(Debug)]
pub(super) struct Recordings<'a> {
    audio: Audio,
    corpora: Option<&'a Corpora>,
    /// The folder of the page, absolute.
    page_folder: Option<PathBuf>,
    embedded: u64,
}

impl<'a> Recordings<'a> {
    pub(super) fn new(audio: Audio, corpora: Option<&'a Corpora>, page: &Path) -> Self {
        let page_folder = std::path::absolute(page).ok().and_then(|page| Some(page.parent()?.to_owned()));
        Self { audio, corpora, page_folder, embedded: 0 }
    }

    /// What the page's policy has to allow.
    pub(super) fn media_sources(&self) -> &'static str {
        match self.audio {
            Audio::Link if self.corpora.is_some() => "'self' file:",
            Audio::Embed if self.embedded > 0 => "data:",
            _ => "'none'",
        }
    }

    /// Where a player gets the recording at `path`, as in manifests, from.
    pub(super) fn source(&mut self, path: &str) -> PlayerSource {
        let Some(corpora) = self.corpora.filter(|_| self.audio != Audio::None) else {
            return PlayerSource::Silent;
        };
        let location = corpora.location(path).ok();
        let Some(file) = location.filter(|file| file.is_file() || is_in_archive(file)) else {
            return PlayerSource::Without("the recording is not where the corpus is");
        };
        let played = match self.audio {
            Audio::Embed => self.embed(&file),
            _ if is_in_archive(&file) => {
                PlayerSource::Without("the recording lies in an archive, where a page cannot play it from")
            }
            _ => self.link(&file),
        };
        match (played, Segment::parse_path(path)) {
            // Of a segment only that: a media fragment, <https://www.w3.org/TR/media-frags/>.
            (PlayerSource::Url(url), (_, Some(segment))) => PlayerSource::Url(format!("{url}#t={segment}")),
            (played, _) => played,
        }
    }

    fn embed(&mut self, file: &Path) -> PlayerSource {
        let max_bytes = MAX_EMBEDDED_BYTES.saturating_sub(self.embedded);
        let mut bytes = Vec::new();
        match read_recording(file, max_bytes, &mut bytes) {
            Ok(()) => {
                self.embedded += bytes.len() as u64;
                PlayerSource::Url(format!("data:{};base64,{}", media_type(&bytes), STANDARD.encode(&bytes)))
            }
            Err(error) if error.kind() == ErrorKind::Limit => {
                PlayerSource::Without("left out: the page would hold more than 16 MiB of recordings")
            }
            Err(_) => PlayerSource::Without("the recording cannot be read"),
        }
    }

    /// Relative where the recording lies below the page, so that both can move together.
    fn link(&self, file: &Path) -> PlayerSource {
        let Ok(file) = std::path::absolute(file) else { return PlayerSource::Silent };
        let below = self.page_folder.as_deref().and_then(|folder| file.strip_prefix(folder).ok());
        match (below.and_then(Path::to_str), file.to_str()) {
            (Some(relative), _) => PlayerSource::Url(url_path(relative)),
            (None, Some(absolute)) => PlayerSource::Url(format!("file://{}", url_path(absolute))),
            _ => PlayerSource::Without("its name is not UTF-8"),
        }
    }
}

/// `path` as part of a URL: every byte that could mean something else is percent-encoded, `/` is not.
fn url_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// By content, as names may lie.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => "audio/wav",
        [b'F', b'O', b'R', b'M', ..] => "audio/aiff",
        [b'f', b'L', b'a', b'C', ..] => "audio/flac",
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        [b'c', b'a', b'f', b'f', ..] => "audio/x-caf",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "audio/mp4",
        [b'I', b'D', b'3', ..] | [0xff, 0xe2..=0xef | 0xf2..=0xf7 | 0xfa..=0xff, ..] => "audio/mpeg",
        [0xff, 0xf0 | 0xf1 | 0xf8 | 0xf9, ..] => "audio/aac",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_found_linked_and_embedded_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("corpus");
        std::fs::create_dir(&corpus).unwrap();
        std::fs::write(corpus.join("a #1.wav"), b"RIFF").unwrap();
        std::fs::write(folder.path().join("secret.wav"), b"RIFF").unwrap();
        let large = std::fs::File::create(corpus.join("large.wav")).unwrap();
        large.set_len(MAX_EMBEDDED_BYTES - 3).unwrap();
        let corpora = Corpora::new(&[corpus.into()]).unwrap();
        let corpora = Some(&corpora);

        let page = folder.path().join("report.html");
        let mut beside = Recordings::new(Audio::Link, corpora, &page);
        assert_eq!(beside.source("a #1.wav"), PlayerSource::Url("corpus/a%20%231.wav".to_owned()));
        assert_eq!(
            beside.source("a #1.wav#t=0.5,1.25"),
            PlayerSource::Url("corpus/a%20%231.wav#t=0.5,1.25".to_owned())
        );
        assert!(matches!(beside.source("missing.wav"), PlayerSource::Without(_)));
        assert!(matches!(beside.source("../secret.wav"), PlayerSource::Without(_)));
        let elsewhere = folder.path().join("elsewhere/report.html");
        let PlayerSource::Url(url) = Recordings::new(Audio::Link, corpora, &elsewhere).source("a #1.wav")
        else {
            panic!()
        };
        assert!(url.starts_with("file:///") && url.ends_with("/corpus/a%20%231.wav"), "{url}");

        let mut embedding = Recordings::new(Audio::Embed, corpora, &page);
        assert_eq!(embedding.media_sources(), "'none'");
        assert_eq!(
            embedding.source("a #1.wav"),
            PlayerSource::Url("data:audio/wav;base64,UklGRg==".to_owned())
        );
        assert_eq!(embedding.media_sources(), "data:");
        assert!(
            matches!(embedding.source("large.wav"), PlayerSource::Without(why) if why.contains("16 MiB"))
        );
        assert_eq!(Recordings::new(Audio::None, corpora, &page).source("a #1.wav"), PlayerSource::Silent);
    }

    #[test]
    fn a_path_in_a_url_says_nothing_but_itself() {
        assert_eq!(url_path("a b/c#d?e:f%g\"é.wav"), "a%20b/c%23d%3Fe%3Af%25g%22%C3%A9.wav");
    }

    #[test]
    fn of_several_corpora_each_recording_is_found_in_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["a", "b"].map(|name| folder.path().join(name));
        for corpus in &folders {
            std::fs::create_dir(corpus).unwrap();
        }
        std::fs::write(folders[1].join("1.wav"), b"RIFF").unwrap();
        let corpora = Corpora::new(&folders.map(Into::into)).unwrap();
        let mut recordings = Recordings::new(Audio::Link, Some(&corpora), &folder.path().join("report.html"));
        assert_eq!(recordings.source("b/1.wav"), PlayerSource::Url("b/1.wav".to_owned()));
        assert!(matches!(recordings.source("a/1.wav"), PlayerSource::Without(_)));
        assert!(matches!(recordings.source("1.wav"), PlayerSource::Without(_)));
    }
}
