//! Timelines of long recordings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use ser::Bar;
use ser_core::storage::Storage;
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result};
use ser_model::domain::OUT_OF_DOMAIN_LEVEL;
use ser_predict::timeline::{Format, SPEECH_THRESHOLD, Timeline, TimelineOptions, listen};
use ser_predict::{FrontEnd, Input, Inputs, Model, name_of, stdin};

use crate::Arguments;

/// In the name of a file to save, what stands for the name of the recording.
const RECORDING: &str = "{}";

/// How long recordings are heard, and where their timelines go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Long recordings")]
pub(crate) struct TimelineArguments {
    /// Answer along the recording instead of for all of it: where there is speech, in windows one after another
    #[arg(long)]
    timeline: bool,
    /// Save the timeline, in the format that the ending stands for: .csv, .json, .txt (labels of Audacity), .vtt, .srt,
    /// .TextGrid (Praat) or .svg (a picture); may be given more than once. {} stands for the name of the recording
    #[arg(long, value_name = "FILE", requires = "timeline")]
    save: Vec<PathBuf>,
    /// Save a picture of the timeline, as SVG
    #[arg(long, value_name = "FILE", requires = "timeline")]
    figure: Option<PathBuf>,
    /// Length of a window, seconds, no longer than what the model hears at once [default: of a typical training utterance]
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,
    /// From one window to the next, seconds [default: 0.5, or the window where that is shorter]
    #[arg(long, value_name = "SECONDS")]
    hop: Option<f64>,
    /// From which score of the voice-activity detector on there is speech, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "SCORE")]
    speech_threshold: Option<f64>,
}

impl TimelineArguments {
    pub(crate) fn wanted(&self) -> bool {
        self.timeline
    }

    pub(crate) fn options(&self) -> TimelineOptions {
        TimelineOptions {
            window_s: self.window,
            hop_s: self.hop,
            speech_threshold: self.speech_threshold.unwrap_or(SPEECH_THRESHOLD),
        }
    }

    /// Refuses what says how windows are heard where there are none.
    pub(crate) fn check(&self, microphone: bool) -> Result<()> {
        let given = [
            ("--window", self.window.is_some()),
            ("--hop", self.hop.is_some()),
            ("--speech-threshold", self.speech_threshold.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given && !self.timeline && !microphone) {
            None => Ok(()),
            Some((option, _)) => {
                let what = format!("{option} is about windows, and a recording is answered for as a whole");
                Err(Error::new(ErrorKind::Usage, what).help("add --timeline, or leave it out"))
            }
        }
    }

    /// Files to write, each with its format.
    fn files(&self) -> Result<Vec<(&Path, Format)>> {
        let figure = self.figure.iter().map(|path| match Format::of(path) {
            Ok(Format::Svg) => Ok((path.as_path(), Format::Svg)),
            _ => Err(Error::new(ErrorKind::Usage, "is not named as an SVG file")
                .at(path)
                .help("give a name that ends in .svg")),
        });
        let saved = self.save.iter().map(|path| Format::of(path).map(|format| (path.as_path(), format)));
        figure.chain(saved).collect()
    }
}

/// Prints and saves the timeline of every recording, and returns how many could not be used.
pub(crate) fn listen_to_all(arguments: &Arguments, model: &mut Model) -> Result<u64> {
    let files = arguments.timeline.files()?;
    let threads = match arguments.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs.min(1024),
    };
    let mut whole = model.front_end(arguments.limits().of_segmented())?;
    // A window is as long as it is, whatever limits recordings have.
    let limits = arguments.limits().of_any_duration();
    let front_ends: Result<Vec<FrontEnd>> = (0..threads).map(|_| model.front_end(limits)).collect();
    let mut front_ends = front_ends?;
    let (mut unusable, mut saved) = (0, BTreeMap::new());
    for input in Inputs::new(arguments.recordings.clone()) {
        let heard = input.and_then(|input| {
            // Before it is listened to, which takes a while.
            let places = places(&files, &input, &mut saved)?;
            let timeline = timeline_of(arguments, model, &mut whole, &mut front_ends, &input)?;
            Ok((places, timeline))
        });
        match heard {
            Err(error) if is_about_recording(&error) => {
                unusable += 1;
                let _ = writeln!(std::io::stderr(), "ser-predict: {error}");
            }
            Err(error) => return Err(error),
            Ok((places, timeline)) => {
                for (path, format) in &places {
                    Storage::native().replace_file(path, &[format.write(&timeline)?.as_bytes()])?;
                }
                show(arguments, &timeline)?;
            }
        }
    }
    Ok(unusable)
}

/// Where the timeline of `input` goes, in which formats; none of these files may be there, or be of another recording in `saved`.
fn places(
    files: &[(&Path, Format)],
    input: &Input,
    saved: &mut BTreeMap<PathBuf, String>,
) -> Result<Vec<(PathBuf, Format)>> {
    let mut places = Vec::new();
    for (pattern, format) in files {
        let path = file_for(pattern, input);
        if let Some(other) = saved.insert(path.clone(), input.to_string()) {
            let what = format!("would be written for {other} and for {input}");
            return Err(Error::new(ErrorKind::Usage, what).at(path).help(
                "put {} into its name, for the name of the recording, and name recordings differently",
            ));
        }
        // Also a link that leads nowhere.
        if path.symlink_metadata().is_ok() {
            let error = Error::new(ErrorKind::Usage, "is there already").at(path);
            return Err(error.help("name another file, or remove this one"));
        }
        places.push((path, *format));
    }
    Ok(places)
}

/// Wrong options concern every recording.
fn is_about_recording(error: &Error) -> bool {
    error.kind() != ErrorKind::Usage
}

fn timeline_of(
    arguments: &Arguments,
    model: &mut Model,
    whole: &mut FrontEnd,
    front_ends: &mut [FrontEnd],
    input: &Input,
) -> Result<Timeline> {
    let name = input.to_string();
    let (mono, sample_rate) = match input {
        Input::File(path) => whole.long_file(path)?,
        Input::Stdin => stdin(&arguments.limits())
            .and_then(|bytes| whole.long_bytes(bytes))
            .map_err(|error| error.at(&name))?,
    };
    let bar = Bar::new(arguments.quiet || arguments.json);
    let heard = listen(model, front_ends, &name, (mono, sample_rate), &arguments.timeline_options(), &bar);
    heard.map_err(|error| if error.kind() == ErrorKind::Usage { error } else { error.at(&name) })
}

/// Where the timeline of `input` goes that is saved by `pattern`.
fn file_for(pattern: &Path, input: &Input) -> PathBuf {
    let Some(text) = pattern.to_str().filter(|text| text.contains(RECORDING)) else {
        return pattern.to_owned();
    };
    let stem = match input {
        Input::File(path) => name_of(Path::new(path.file_stem().unwrap_or(path.as_os_str()))),
        Input::Stdin => "stdin".to_owned(),
    };
    PathBuf::from(text.replace(RECORDING, &stem))
}

fn show(arguments: &Arguments, timeline: &Timeline) -> Result<()> {
    if arguments.json {
        let text = Format::Json.write(timeline)?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("cannot be written as JSON: {error}"))
        })?;
        return ser::print(&format!("{value}\n"));
    }
    if arguments.quiet {
        return Ok(());
    }
    let mut text = format!(
        "{}: {:.1} s, {:.1} s of it speech; windows of {:.2} s every {:.2} s\n",
        printable(&timeline.recording),
        timeline.seconds,
        timeline.speech_s,
        timeline.window_s,
        timeline.hop_s
    );
    let width = timeline.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    for passage in &timeline.passages {
        let label = |class: &usize| timeline.labels[*class].as_str();
        let mut notes = Vec::new();
        if let Some(set) = passage.set.as_ref().filter(|set| set.len() != 1) {
            notes.push(format!("unsure: {}", set.iter().map(label).collect::<Vec<_>>().join(", ")));
        }
        if let Some(share) = passage.share_as_unusual.filter(|share| *share <= OUT_OF_DOMAIN_LEVEL) {
            notes.push(format!("unlike what the model was trained on ({share:.3})"));
        }
        text += &format!(
            "{:>9} to {:>9}  {:width$}  {:.2}  {}\n",
            clock(passage.start_s),
            clock(passage.end_s),
            printable(label(&passage.predicted)),
            passage.probabilities[passage.predicted],
            printable(&notes.join("; "))
        );
    }
    if timeline.passages.is_empty() {
        text += "no speech was found in it; lower --speech-threshold if there is some\n";
    }
    ser::print(&text)
}

/// `1:02.50`.
fn clock(seconds: f64) -> String {
    let hundredths = (seconds * 100.0).round() as u64;
    format!("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100)
}
