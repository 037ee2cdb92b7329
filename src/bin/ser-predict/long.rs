//! Timelines of long recordings.

use std::path::{Path, PathBuf};

use clap::Args;
use ser::Bar;
use ser_core::remedy::Setting;
use ser_core::storage::Storage;
use ser_core::text::printable;
use ser_core::{Error, ErrorKind, Result, threads};
use ser_model::domain::OUT_OF_DOMAIN_LEVEL;
use ser_predict::timeline::{Format, Passage, SPEECH_THRESHOLD, Timeline, TimelineOptions, listen};
use ser_predict::{FrontEnd, Input, Inputs, Model, Outcome, name_of, stdin};

use crate::Arguments;
use crate::json_line::json_line;
use crate::places::{Plan, Planned, refuse_taken};
use crate::results::complain;
use crate::words;

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

    /// Whether timelines are kept in files.
    pub(crate) fn saves(&self) -> bool {
        !self.save.is_empty() || self.figure.is_some()
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
    let patterns = arguments.timeline.files()?;
    arguments.timeline_options().lengths(model.about())?;
    let plan = Plan::new(&patterns, Inputs::new(arguments.recordings.clone()), arguments.resume)?;
    if plan.done > 0 && !arguments.json && !arguments.quiet {
        ser::print(&format!("{} left out, whose files are all there\n", plan.done))?;
    }
    let threads = threads::count(arguments.jobs, Setting::Jobs)?;
    let mut whole = model.front_end(arguments.limits().of_segmented())?;
    // A window is as long as it is, whatever limits recordings have.
    let limits = arguments.limits().of_any_duration();
    let front_ends: Result<Vec<FrontEnd>> = (0..threads).map(|_| model.front_end(limits)).collect();
    let mut front_ends = front_ends?;
    let mut unusable = 0;
    for planned in plan.recordings {
        let name = match &planned {
            Ok(Planned { input, .. }) => input.to_string(),
            Err(error) => error.path().map(name_of).unwrap_or_default(),
        };
        let heard = planned.and_then(|Planned { input, places }| {
            let timeline = timeline_of(arguments, model, &mut whole, &mut front_ends, &input)?;
            Ok((places, timeline))
        });
        match heard {
            Err(error) if is_about_recording(&error) => {
                unusable += 1;
                match arguments.json {
                    true => {
                        ser::print(&json_line(model.about(), &Outcome { name, answer: Err(error) })?)?;
                    }
                    false => complain(&error, &name),
                }
            }
            Err(error) => return Err(error),
            Ok((places, timeline)) => {
                save(&places, &timeline)?;
                show(arguments, &timeline)?;
            }
        }
    }
    Ok(unusable)
}

fn save(places: &[(PathBuf, Format)], timeline: &Timeline) -> Result<()> {
    for (path, format) in places {
        // Another run may have written it meanwhile.
        refuse_taken(path)?;
        Storage::native().replace_file(path, &[format.write(timeline)?.as_bytes()])?;
    }
    Ok(())
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
    let heard = timeline.heard_in.map_or_else(String::new, |side| format!("; heard in {side}"));
    let mut text = format!(
        "{}: {:.1} s, {:.1} s of it speech; windows of {:.2} s every {:.2} s{heard}\n",
        printable(&timeline.recording),
        timeline.seconds,
        timeline.speech_s,
        timeline.window_s,
        timeline.hop_s
    );
    text.extend(timeline.passages.iter().map(|passage| line(passage, &timeline.labels)));
    if timeline.passages.is_empty() {
        text += "no speech was found in it; lower --speech-threshold if there is some\n";
    }
    ser::print(&text)
}

/// `  0:01.00 to   0:03.50  happy      0.87  unsure: happy, surprise`.
fn line(passage: &Passage, labels: &[String]) -> String {
    let unlike = passage.share_as_unusual.filter(|share| *share <= OUT_OF_DOMAIN_LEVEL);
    let unsure = words::unsure(passage.set.as_deref(), labels);
    let notes: Vec<String> = unsure.into_iter().chain(unlike.map(words::unlike_training)).collect();
    format!(
        "{:>9} to {:>9}  {}  {}\n",
        clock(passage.start_s),
        clock(passage.end_s),
        words::label_with_probability(labels, passage.predicted, &passage.probabilities),
        printable(&notes.join("; "))
    )
}

/// `1:02.50`.
fn clock(seconds: f64) -> String {
    let hundredths = (seconds * 100.0).round() as u64;
    format!("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100)
}
