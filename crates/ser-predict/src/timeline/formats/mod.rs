//! A timeline as files of other programs.

mod audacity;
mod csv;
mod figure;
mod json;
mod subtitles;
mod textgrid;

use std::path::Path;

use ser_core::{Error, ErrorKind, Result};

use crate::is_unsure;
use crate::timeline::{Passage, Timeline};

/// A format of timelines, chosen by the ending of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// A line a passage: start and end in seconds, label, probabilities.
    Csv,
    /// Everything: passages, and probabilities every hop.
    Json,
    /// Labels as Audacity imports them.
    Txt,
    /// Subtitles for a player of the web.
    Vtt,
    /// Subtitles for other players.
    Srt,
    /// Intervals for Praat.
    TextGrid,
    /// A picture: probabilities along the recording.
    Svg,
}

impl Format {
    /// The format that the ending of `path` stands for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another ending.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let formats = <Self as strum::VariantArray>::VARIANTS;
        let known = formats.iter().copied().find(|format| ending.as_deref() == Some((*format).into()));
        known.ok_or_else(|| {
            let endings: Vec<String> =
                formats.iter().map(|format| format!(".{}", <&str>::from(*format))).collect();
            Error::new(ErrorKind::Usage, "has an ending that stands for no format of timelines")
                .at(path)
                .help(format!("use one of {}", endings.join(", ")))
        })
    }

    /// `timeline` in this format.
    ///
    /// # Errors
    /// When it cannot be written so.
    pub fn write(self, timeline: &Timeline) -> Result<String> {
        match self {
            Self::Csv => csv::write(timeline),
            Self::Json => json::write(timeline),
            Self::Txt => Ok(audacity::write(timeline)),
            Self::Vtt => Ok(subtitles::web_vtt(timeline)),
            Self::Srt => Ok(subtitles::sub_rip(timeline)),
            Self::TextGrid => Ok(textgrid::write(timeline)),
            Self::Svg => Ok(figure::write(timeline)),
        }
    }
}

impl Timeline {
    fn label(&self, passage: &Passage) -> &str {
        self.labels.get(passage.predicted).map_or("?", String::as_str)
    }

    /// `happy`, or `happy?` where the prediction set holds other classes too.
    fn shown(&self, passage: &Passage) -> String {
        let mark = if is_unsure(passage.set.as_deref()) { "?" } else { "" };
        format!("{}{mark}", self.label(passage))
    }
}

/// A label on one line.
fn on_one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeardIn;
    use crate::timeline::Slot;

    fn example() -> Timeline {
        let passage = |start_s, end_s, predicted, probabilities: [f32; 2], set: &[usize]| Passage {
            start_s,
            end_s,
            predicted,
            probabilities: probabilities.to_vec(),
            set: Some(set.to_vec()),
            share_as_unusual: Some(0.25),
        };
        let slot = |start_s, end_s, probabilities: [f32; 2]| Slot {
            start_s,
            end_s,
            probabilities: probabilities.to_vec(),
            share_as_unusual: None,
        };
        Timeline {
            recording: "a <b> & \"c\".wav".to_owned(),
            seconds: 3725.5,
            heard_before: true,
            heard_in: Some(HeardIn::Validation),
            speech_s: 3.0,
            window_s: 2.0,
            hop_s: 0.5,
            labels: vec!["happy".to_owned(), "s\"a<d\n".to_owned()],
            passages: vec![
                passage(0.5, 2.0, 0, [0.75, 0.25], &[0]),
                passage(3723.0, 3724.5, 1, [0.4, 0.6], &[1, 0]),
            ],
            slots: vec![slot(0.5, 2.0, [0.75, 0.25]), slot(3723.0, 3724.5, [0.4, 0.6])],
        }
    }

    fn written(format: Format) -> String {
        format.write(&example()).unwrap()
    }

    #[test]
    fn the_ending_chooses_the_format() {
        assert_eq!(Format::of(Path::new("a/b.TextGrid")).unwrap(), Format::TextGrid);
        assert_eq!(Format::of(Path::new("b.VTT")).unwrap(), Format::Vtt);
        let error = Format::of(Path::new("b.docx")).unwrap_err().to_string();
        assert!(error.contains("b.docx") && error.contains(".textgrid") && error.contains(".srt"), "{error}");
    }

    #[test]
    fn audacity_gets_a_line_a_passage() {
        assert_eq!(
            written(Format::Txt),
            "0.500000\t2.000000\thappy 0.75\n3723.000000\t3724.500000\ts\"a<d ? 0.60\n"
        );
    }

    #[test]
    fn subtitles_have_their_times_and_no_markup_of_ours() {
        let vtt = written(Format::Vtt);
        assert!(vtt.starts_with("WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nhappy 0.75\n\n"), "{vtt}");
        assert!(vtt.ends_with("01:02:03.000 --> 01:02:04.500\ns\"a&lt;d ? 0.60\n"), "{vtt}");
        let srt = written(Format::Srt);
        assert!(srt.starts_with("1\n00:00:00,500 --> 00:00:02,000\nhappy 0.75\n\n2\n01:02:03,000"), "{srt}");
    }

    #[test]
    fn a_text_grid_covers_the_recording_without_gaps() {
        let grid = written(Format::TextGrid);
        let numbers = |key: &str| -> Vec<f64> {
            let lines = grid.lines().map(str::trim).filter_map(|line| line.strip_prefix(key));
            lines.map(|value| value.trim_start_matches(" = ").trim().parse().unwrap()).collect()
        };
        assert!(grid.contains("intervals: size = 5"), "{grid}");
        assert!(grid.contains("text = \"s\"\"a<d ?\""), "{grid}");
        // The first two pairs are those of the file and the tier.
        assert_eq!(numbers("xmin")[2..], [0.0, 0.5, 2.0, 3723.0, 3724.5]);
        assert_eq!(numbers("xmax")[2..], [0.5, 2.0, 3723.0, 3724.5, 3725.5]);
    }

    #[test]
    fn csv_and_json_read_back() {
        let csv = written(Format::Csv);
        let mut rows = ::csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<::csv::StringRecord> = rows.records().map(|row| row.unwrap()).collect();
        assert_eq!((&rows[1][0], &rows[1][2], &rows[1][3]), ("3723", "s\"a<d\n", "s\"a<d\n|happy"));
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(json["passages"][1]["label"], "s\"a<d\n");
        assert_eq!((&json["heard_before"], &json["heard_in"]), (&true.into(), &"validation".into()));
        assert_eq!(json["slots"][0]["probabilities"][0], 0.75);
    }

    #[test]
    fn the_labels_of_a_set_are_told_apart_in_csv() {
        let labels = ["happy", "sad|angry\\"].map(str::to_owned).to_vec();
        let csv = Format::Csv.write(&Timeline { labels, ..example() }).unwrap();
        let mut rows = ::csv::Reader::from_reader(csv.as_bytes());
        let row = rows.records().nth(1).unwrap().unwrap();
        assert_eq!((&row[2], &row[3]), ("sad|angry\\", r"sad\|angry\\|happy"));
    }

    #[test]
    fn the_figure_is_well_formed_whatever_the_names_hold() {
        let svg = written(Format::Svg);
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;.wav"), "{svg}");
        assert!(!svg.contains("NaN") && svg.trim_end().ends_with("</svg>"), "{svg}");
    }
}
