//! `ser-cache merge`: portions put together with the options that they were prepared with.

use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use ser_cache::prep_report;
use ser_core::storage::objects::is_url;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::CorpusFolder;

use super::{Arguments, EncoderOptions};
use crate::Ending;

/// Portions, and where to put them together.
#[derive(Debug, Args)]
pub struct Merge {
    /// Folders of all portions, each prepared by ser-prep --shard with the same options
    #[arg(value_name = "PORTION", required = true)]
    portions: Vec<PathBuf>,
    /// Folder of the cache
    #[arg(long, value_name = "FOLDER", default_value = "cache")]
    out: PathBuf,
    /// Folder of recordings, as given to ser-prep: once for each corpus, FOLDER or NAME=FOLDER [default: what the portions were
    /// given]
    #[arg(long, value_name = "FOLDER")]
    data: Vec<CorpusFolder>,
    /// Wait while another process writes the cache
    #[arg(long)]
    wait: bool,
    /// Files read at once; 0 for one per processor
    #[arg(long, short, default_value_t = 0)]
    jobs: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

impl Merge {
    /// Does what `ser-prep --merge` does with the options of the portions.
    ///
    /// # Errors
    /// When their options are not known or not the same, and those of that command.
    pub fn run(&self) -> Result<Ending> {
        let mut common: Option<(&Path, Arguments)> = None;
        for portion in &self.portions {
            let given = self.in_place_of(given_to(portion)?);
            match &common {
                None => common = Some((portion, given)),
                Some((first, known)) if given != *known => {
                    let what = format!("was prepared with other options than {}", first.display());
                    return Err(Error::new(ErrorKind::Mismatch, what)
                        .at(portion)
                        .help("see \"arguments\" in their prep-report.json, and prepare one of them again"));
                }
                Some(_) => {}
            }
        }
        let Some((_, arguments)) = common else {
            return Err(Error::new(ErrorKind::Usage, "no portions are given"));
        };
        if let Some(encoder) = &arguments.encoder.encoder {
            let what = "the portions hold states of a pretrained encoder, which ser-cache cannot load";
            let with = format!("ser-prep --encoder {} --merge, and their other options", encoder.display());
            return Err(Error::new(ErrorKind::Usage, what).help(format!("put them together with {with}")));
        }
        let is_missing = |corpus: &&CorpusFolder| !is_url(&corpus.folder) && !corpus.folder.exists();
        if let Some(corpus) = arguments.data.iter().find(is_missing) {
            let what = "is not here: it is where the portions found their recordings";
            return Err(Error::new(ErrorKind::Missing, what)
                .at(&corpus.folder)
                .help("say where they are with --data, once for each corpus"));
        }
        super::run(&arguments, None)
    }

    /// What a portion was given, with what is given here in its place.
    fn in_place_of(&self, given: Arguments) -> Arguments {
        Arguments {
            data: if self.data.is_empty() { given.data } else { self.data.clone() },
            out: self.out.clone(),
            shard: None,
            merge: self.portions.clone(),
            wait: self.wait,
            jobs: self.jobs,
            json: self.json,
            quiet: self.quiet,
            splits: false,
            rehash: false,
            // Portions may have been computed on different devices.
            encoder: EncoderOptions { device: "cpu".to_owned(), ..given.encoder },
            ..given
        }
    }
}

/// What `ser-prep` was given when it prepared a portion.
fn given_to(portion: &Path) -> Result<Arguments> {
    let unknown = |what: &str| {
        Error::new(ErrorKind::Missing, what.to_owned())
            .at(portion)
            .help("prepare it to its end with ser-prep --shard, or use ser-prep --merge with its options")
    };
    let report = prep_report(portion).ok_or_else(|| {
        unknown("holds no portion that was prepared to its end: prep-report.json is missing")
    })?;
    let words = report.get("arguments").and_then(|words| words.as_array());
    let words: Option<Vec<&str>> = words.and_then(|words| words.iter().map(|word| word.as_str()).collect());
    let words = words.ok_or_else(|| unknown("has a prep-report.json that does not say its options"))?;
    let words = std::iter::once("ser-prep").chain(without_number(words));
    Arguments::try_parse_from(words).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        unknown(&format!("was prepared with options that this version does not know: {first}"))
    })
}

/// The words without those that say which portion it is: that may have been in the environment of the machine that prepared it.
fn without_number(words: Vec<&str>) -> impl Iterator<Item = &str> {
    let mut is_number = false;
    words.into_iter().filter(move |word| {
        let is_left_out = is_number || *word == "--shard" || word.starts_with("--shard=");
        is_number = !is_number && *word == "--shard";
        !is_left_out
    })
}
