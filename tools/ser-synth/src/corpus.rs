//! The folder: which files it has, and writing them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_audio::float_wav;
use ser_core::random::Random;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::oddity::{aiff, wav};
use crate::{Emotion, MAX_SPEAKERS, Oddity, SAMPLE_RATES, WORD_COUNT, speakers, utterance, words};

/// The nested folder in which the Kaggle copy of TESS holds everything a second time.
const NESTED_COPY: &str = "TESS Toronto emotional speech set data";

/// What a corpus holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthOptions {
    /// Words each speaker says with each emotion: 1 to [`WORD_COUNT`].
    pub words: usize,
    /// Speakers: 1 to [`MAX_SPEAKERS`].
    pub speakers: usize,
    /// Sample rate in Hz, within [`SAMPLE_RATES`].
    pub sample_rate: u32,
    /// Seed: another seed gives other takes by the same speakers.
    pub seed: u64,
    /// Emotions, in any order.
    pub emotions: Vec<Emotion>,
    /// Oddities to plant, in any order.
    pub oddities: Vec<Oddity>,
    /// Whether to write into a folder that is not empty. Files of the same names are replaced; nothing is
    /// deleted.
    pub force: bool,
}

impl Default for SynthOptions {
    /// 560 files as TESS has them: 2 speakers, 7 emotions, 40 words, 24,414 Hz, seed 0, no oddities.
    fn default() -> Self {
        Self {
            words: 40,
            speakers: 2,
            sample_rate: 24_414,
            seed: 0,
            emotions: Emotion::ALL.to_vec(),
            oddities: Vec::new(),
            force: false,
        }
    }
}

/// A corpus that can be written.
#[derive(Debug, Clone)]
pub struct SynthCorpus {
    options: SynthOptions,
    speakers: Vec<String>,
    /// Every utterance, in the order of its path.
    clips: Vec<PlannedClip>,
}

/// An utterance and how it is written.
#[derive(Debug, Clone)]
struct PlannedClip {
    speaker: String,
    word: &'static str,
    emotion: Emotion,
    /// The emotion as its folder has it: as in TESS only where the speakers are TESS's.
    folder: &'static str,
    /// The oddity it has for itself.
    oddity: Option<Oddity>,
    list: bool,
    duplicate: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Number of files.
    pub files: usize,
    /// Number of folders that hold them.
    pub folders: usize,
    /// Size of all files in bytes.
    pub bytes: u64,
    /// Duration of the speech synthesised, in seconds, counting each utterance once and in full.
    pub seconds: f64,
    /// Names of the speakers.
    pub speakers: Vec<String>,
    /// The words.
    pub words: Vec<&'static str>,
    /// The emotions.
    pub emotions: Vec<Emotion>,
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Seed.
    pub seed: u64,
    /// Files with an oddity: paths relative to the corpus, with `/` between folders.
    pub oddities: BTreeMap<Oddity, Vec<String>>,
}

impl SynthCorpus {
    /// A corpus of `options`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a number outside its range, no emotions, or more oddities than there are utterances.
    pub fn new(mut options: SynthOptions) -> Result<Self> {
        within("words", options.words, WORD_COUNT)?;
        within("speakers", options.speakers, MAX_SPEAKERS)?;
        if !SAMPLE_RATES.contains(&options.sample_rate) {
            let (low, high) = (SAMPLE_RATES.start(), SAMPLE_RATES.end());
            let what = format!("a sample rate of {} Hz is outside {low} to {high} Hz", options.sample_rate);
            return Err(Error::new(ErrorKind::Usage, what).help("choose one within, such as 24414"));
        }
        options.emotions = options.emotions.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        options.oddities = options.oddities.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if options.emotions.is_empty() {
            return Err(
                Error::new(ErrorKind::Usage, "there is no emotion to speak with").help("name at least one")
            );
        }
        let speakers = speakers(options.speakers);
        let mut clips = Vec::new();
        for speaker in &speakers {
            for &emotion in &options.emotions {
                let folder = match options.speakers {
                    0..=2 => emotion.in_folder_names(speaker),
                    _ => emotion.label(),
                };
                for word in words(options.words) {
                    let speaker = speaker.clone();
                    clips.push(PlannedClip {
                        speaker,
                        word,
                        emotion,
                        folder,
                        oddity: None,
                        list: false,
                        duplicate: false,
                    });
                }
            }
        }
        let mut corpus = Self { options, speakers, clips };
        corpus.plant()?;
        Ok(corpus)
    }

    /// How many files [`write`](Self::write) makes.
    pub fn files(&self) -> usize {
        self.clips.len() + self.clips.iter().filter(|clip| clip.duplicate).count()
    }

    /// Writes the corpus into `folder`, which is made if need be, with all threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] if `folder` holds something and the options do not say `force`; [`ErrorKind::Io`] if a
    /// file cannot be written. What was written until then stays.
    pub fn write(&self, folder: &Path) -> Result<Summary> {
        self.write_with(folder, &|| ())
    }

    /// As [`write`](Self::write), calling `written` after each file.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_with(&self, folder: &Path, written: &(dyn Fn() + Sync)) -> Result<Summary> {
        self.claim(folder)?;
        let folders: BTreeSet<PathBuf> = self
            .clips
            .iter()
            .flat_map(PlannedClip::paths)
            .filter_map(|path| Some(path.parent()?.to_owned()))
            .collect();
        for name in &folders {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(|error| Error::io("cannot create the folder", path, error))?;
        }
        let sizes = self.clips.par_iter().map(|clip| {
            let (bytes, seconds) = self.render(clip)?;
            let paths = clip.paths();
            for path in &paths {
                let path = folder.join(path);
                fs::write(&path, &bytes).map_err(|error| Error::io("cannot write", path, error))?;
                written();
            }
            Ok((bytes.len() as u64 * paths.len() as u64, seconds))
        });
        let sizes = sizes.collect::<Result<Vec<(u64, f64)>>>()?;
        let mut oddities: BTreeMap<Oddity, Vec<String>> = BTreeMap::new();
        for clip in &self.clips {
            let mut note = |oddity, path: String| oddities.entry(oddity).or_default().push(path);
            if let Some(oddity) = clip.oddity {
                note(oddity, clip.path());
            }
            if clip.list {
                note(Oddity::List, clip.path());
            }
            if clip.duplicate {
                note(Oddity::Duplicate, format!("{NESTED_COPY}/{}", clip.path()));
            }
        }
        Ok(Summary {
            files: self.files(),
            folders: folders.len(),
            bytes: sizes.iter().map(|(bytes, _)| bytes).sum(),
            seconds: sizes.iter().map(|(_, seconds)| seconds).sum(),
            speakers: self.speakers.clone(),
            words: words(self.options.words),
            emotions: self.options.emotions.clone(),
            sample_rate: self.options.sample_rate,
            seed: self.options.seed,
            oddities,
        })
    }

    /// Decides which utterance gets which oddity.
    fn plant(&mut self) -> Result<()> {
        let wanted = &self.options.oddities;
        // Copies and LIST chunks go with files that are otherwise in order.
        let companions = wanted.iter().any(|oddity| oddity.utterances() == 0);
        let needed = wanted.iter().map(|oddity| oddity.utterances()).sum::<usize>() + usize::from(companions);
        if needed > self.clips.len() {
            let what = format!(
                "{needed} utterances are needed for these oddities and there are {}",
                self.clips.len()
            );
            return Err(Error::new(ErrorKind::Usage, what).help("ask for more words or fewer oddities"));
        }
        let mut order: Vec<usize> = (0..self.clips.len()).collect();
        Random::new(&["ser-synth oddities", &self.options.seed.to_string()]).shuffle(&mut order);
        let owners = wanted.iter().flat_map(|oddity| std::iter::repeat_n(*oddity, oddity.utterances()));
        let mut order = order.into_iter();
        for oddity in owners {
            if let Some(index) = order.next() {
                self.clips[index].oddity = Some(oddity);
            }
        }
        for (turn, index) in order.enumerate() {
            let clip = &mut self.clips[index];
            clip.list = turn % 2 == 0 && self.options.oddities.contains(&Oddity::List);
            clip.duplicate = turn == 0 && self.options.oddities.contains(&Oddity::Duplicate);
        }
        Ok(())
    }

    /// Makes sure that `folder` is there and that it may be written into.
    fn claim(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|error| Error::io("cannot create the folder", folder, error))?;
        let mut entries =
            fs::read_dir(folder).map_err(|error| Error::io("cannot read the folder", folder, error))?;
        if entries.next().is_some() && !self.options.force {
            return Err(Error::new(ErrorKind::Usage, "is not empty").at(folder).help(remedy![
                "name a new folder, or add ",
                Setting::Force,
                " to write among what is there"
            ]));
        }
        Ok(())
    }

    /// The bytes of a clip's file, and the seconds of speech in the utterance.
    fn render(&self, clip: &PlannedClip) -> Result<(Vec<u8>, f64)> {
        let sample_rate = match clip.oddity {
            Some(Oddity::Rate) if self.options.sample_rate == 96_000 => 48_000,
            Some(Oddity::Rate) => 96_000,
            _ => self.options.sample_rate,
        };
        let mut samples = utterance(&clip.speaker, clip.word, clip.emotion, self.options.seed, sample_rate)?;
        let seconds = samples.len() as f64 / f64::from(sample_rate);
        let bytes = match clip.oddity {
            Some(Oddity::Aiff) => aiff(&samples, sample_rate),
            Some(Oddity::Truncated) => {
                let mut whole = wav(&samples, sample_rate, false);
                whole.truncate(whole.len() / 2);
                whole
            }
            Some(Oddity::Empty) => Vec::new(),
            Some(Oddity::Silent) => wav(&vec![0.0; samples.len()], sample_rate, false),
            Some(Oddity::NotAudio) => {
                format!("The word {:?} was to be recorded here, but somebody saved a note.\n", clip.word)
                    .into_bytes()
            }
            Some(Oddity::Nan) => {
                let middle = samples.len() * 45 / 100..samples.len() * 55 / 100;
                samples[middle].fill(f32::NAN);
                float_wav(&samples, sample_rate)
            }
            Some(Oddity::Rate | Oddity::Name | Oddity::List | Oddity::Duplicate) | None => {
                wav(&samples, sample_rate, clip.list)
            }
        };
        Ok((bytes, seconds))
    }
}

impl PlannedClip {
    /// Where it is written, relative to the corpus, with `/` between folder and file.
    fn path(&self) -> String {
        let Self { speaker, word, emotion, .. } = self;
        let mut prefix = speaker.clone();
        if self.oddity == Some(Oddity::Name) {
            prefix.pop();
        }
        format!("{speaker}_{}/{prefix}_{word}_{}.wav", self.folder, emotion.in_file_names())
    }

    /// All places where it is written.
    fn paths(&self) -> Vec<PathBuf> {
        let copy = self.duplicate.then(|| Path::new(NESTED_COPY).join(self.path()));
        std::iter::once(PathBuf::from(self.path())).chain(copy).collect()
    }
}

/// Checks that there are between 1 and `most` of `things`.
fn within(things: &str, count: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    let what = format!("{count} {things} are too {}", if count == 0 { "few" } else { "many" });
    Err(Error::new(ErrorKind::Usage, what).help(format!("ask for 1 to {most}")))
}
