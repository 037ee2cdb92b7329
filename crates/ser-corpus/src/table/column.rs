//! What the columns of a table mean, by their names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use strum::VariantArray;

use crate::table::time;

/// What a column can say of an utterance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Column {
    /// Where its recording is, relative to the corpus.
    Path,
    /// Its class.
    Label,
    /// Who speaks.
    Speaker,
    /// Which word or sentence is spoken.
    Word,
    /// The recording session.
    Session,
    /// The recording it is an augmented copy of.
    Parent,
    /// When its segment of the recording starts, seconds.
    Start,
    /// When its segment ends, seconds.
    End,
    /// How long its segment lasts, seconds, where there is no end.
    Duration,
    /// The side of the published split it is on.
    Split,
    /// The published fold it is in: test where that fold is.
    Fold,
    /// The published fold in whose split it is on the side of validation.
    ValFold,
}

impl Column {
    /// The names that published tables give it, the usual one first; lower case, with `_` for spaces and hyphens.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Path => &["path", "file", "file_name", "filename", "filepath", "file_path", "audio", "wav"],
            Self::Label => &["label", "emotion", "class", "labels", "emotions", "category"],
            Self::Speaker => &["speaker", "speaker_id", "actor", "actor_id", "spk", "speakerid"],
            Self::Word => &["word", "sentence_id", "text_id"],
            Self::Session => &["session", "session_id"],
            Self::Parent => &["parent"],
            Self::Start => &["start", "start_s", "start_time", "begin", "onset"],
            Self::End => &["end", "end_s", "end_time", "stop"],
            Self::Duration => &["duration", "duration_s", "length"],
            Self::Split => &["split", "partition", "subset", "split_set"],
            Self::Fold => &["fold"],
            Self::ValFold => &["val_fold"],
        }
    }

    /// The column that a table's `name` stands for.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace([' ', '-'], "_");
        Self::VARIANTS.iter().copied().find(|column| column.names().contains(&name.as_str()))
    }
}

/// Which columns of a table mean what, where their names do not say: `path=clip,label=mood`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnNames(BTreeMap<Column, String>);

impl ColumnNames {
    /// Those that a table with this `header` has: of several tables each has its own columns.
    pub(super) fn among(&self, header: &[String]) -> Self {
        Self(self.0.iter().filter(|(_, name)| header.contains(name)).map(|(c, n)| (*c, n.clone())).collect())
    }

    /// Those that no table with one of these `headers` has.
    pub(super) fn missing_in<'h>(&self, headers: impl Iterator<Item = &'h [String]> + Clone) -> Self {
        let is_missing = |name: &String| !headers.clone().any(|header| header.contains(name));
        Self(self.0.iter().filter(|(_, name)| is_missing(name)).map(|(c, n)| (*c, n.clone())).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes sure that each of them is in one of the tables that labels come from, of which each says what it lacks.
    ///
    /// # Errors
    /// Where no labels come from a table, or none of the tables has a column.
    pub fn check_used(&self, lacked: &[Self]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if lacked.is_empty() {
            let given = Setting::Columns.to(self.to_string());
            let what = format!("{given} says what columns mean, but no labels come from a table");
            let help = remedy!["leave it out, or give the table with ", Setting::Labels.to("<its file>")];
            return Err(Error::new(ErrorKind::Usage, what).help(help));
        }
        let is_nowhere = |column: &Column| lacked.iter().all(|lacked| lacked.0.contains_key(column));
        match self.0.iter().find(|(column, _)| is_nowhere(column)) {
            Some((column, name)) => {
                let given = Setting::Columns.to(format!("{column}={name}"));
                Err(Error::new(ErrorKind::Usage, format!("{given}: no table has such a column")))
            }
            None => Ok(()),
        }
    }
}

impl FromStr for ColumnNames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut names = BTreeMap::new();
        for assignment in text.split(',').filter(|part| !part.trim().is_empty()) {
            let parsed = assignment
                .split_once('=')
                .and_then(|(column, name)| Some((column.trim().parse::<Column>().ok()?, name.trim())));
            let known = Column::VARIANTS.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let Some((column, name)) = parsed.filter(|(_, name)| !name.is_empty()) else {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("{assignment:?} does not say what a column means"),
                )
                .help(format!("give path=NAME,label=NAME and the like; the meanings are {known}")));
            };
            if names.insert(column, name.to_owned()).is_some() {
                return Err(Error::new(ErrorKind::Usage, format!("{column} is given two columns")));
            }
        }
        Ok(Self(names))
    }
}

impl fmt::Display for ColumnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(column, name)| format!("{column}={name}")).collect();
        f.write_str(&parts.join(","))
    }
}

/// Where the columns of one table are.
#[derive(Debug)]
pub(super) struct Places {
    of: BTreeMap<Column, usize>,
    /// The columns that say nothing that is used.
    pub(super) unused: Vec<String>,
}

impl Places {
    /// Finds the columns of a table with this `header`.
    ///
    /// # Errors
    /// When a column that was named is not there, or two have one meaning; the message completes "the table …".
    pub(super) fn of(header: &[String], names: &ColumnNames) -> Result<Self, String> {
        let mut of = BTreeMap::new();
        let mut used = vec![false; header.len()];
        for (column, name) in &names.0 {
            let Some(place) = header.iter().position(|found| found == name) else {
                return Err(format!("has no column {name:?}, only {}", listed(header)));
            };
            of.insert(*column, place);
            used[place] = true;
        }
        for (place, name) in header.iter().enumerate() {
            let Some(column) = Column::named(name).filter(|_| !used[place]) else { continue };
            match of.get(&column) {
                None => _ = of.insert(column, place),
                // What was named by hand counts, and the usual name before others.
                Some(_) if names.0.contains_key(&column) => continue,
                Some(&first) => {
                    return Err(format!(
                        "has two columns for the {column}, {:?} and {name:?}; say which one with {}",
                        header[first],
                        Setting::Columns.to(format!("{column}={name}"))
                    ));
                }
            }
            used[place] = true;
        }
        if !of.contains_key(&Column::Start) && !of.contains_key(&Column::End) {
            // The length of the whole recording.
            if let Some(place) = of.remove(&Column::Duration) {
                used[place] = false;
            }
        }
        let unused =
            header.iter().zip(used).filter(|(_, used)| !used).map(|(name, _)| name.clone()).collect();
        Ok(Self { of, unused })
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.of.contains_key(&column)
    }

    /// What a row says in this column; nothing where the table has none or the cell is empty, or holds what programs write
    /// into a cell that is.
    pub(super) fn cell<'r>(&self, row: &'r [String], column: Column) -> Option<&'r str> {
        let cell = row.get(*self.of.get(&column)?)?.trim();
        let is_text = matches!(column, Column::Path | Column::Word);
        (!cell.is_empty() && (is_text || !time::is_open(cell))).then_some(cell)
    }
}

/// The names of columns, for messages.
pub(super) fn listed(header: &[String]) -> String {
    header.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Why a column cannot be passed over, if it says which sound is meant in a way that is not understood.
pub(super) fn why_not_passed_over(name: &str) -> Option<&'static str> {
    match name.trim().to_lowercase().as_str() {
        "channel" | "channel_id" => Some("recordings are mixed down, so it cannot choose a channel"),
        "offset" => Some("it is a start in some tables and an end in others"),
        _ => None,
    }
}

/// The error about a table without a column that it needs.
pub(super) fn lacking(column: Column, header: &[String]) -> Error {
    let what = format!("has no column for the {column}, only {}", listed(header));
    let names = column.names().join(", ");
    let given = Setting::Columns.to(format!("{column}=NAME"));
    Error::new(ErrorKind::Damaged, what).help(match column {
        Column::Label => remedy![
            "say which it is with ",
            given,
            format!(", or name it {names}; where folders name classes, give "),
            Setting::Labels.to("folder")
        ],
        _ => remedy!["name one of its columns ", names, ", or say which it is with ", given],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn usual_names_are_known_and_others_can_be_given() {
        let header = header(&["file", "Emotion", "Speaker ID", "mood", "duration"]);
        let places = Places::of(&header, &ColumnNames::default()).unwrap();
        let row = ["a.wav", "sad", "7", "x", "1.5"].map(str::to_owned);
        assert_eq!(places.cell(&row, Column::Path), Some("a.wav"));
        assert_eq!(places.cell(&row, Column::Label), Some("sad"));
        assert_eq!(places.cell(&row, Column::Speaker), Some("7"));
        // Without a start it is only how long the file is.
        assert_eq!(places.unused, ["mood", "duration"]);

        let names: ColumnNames = "label=mood".parse().unwrap();
        let places = Places::of(&header, &names).unwrap();
        assert_eq!(places.cell(&row, Column::Label), Some("x"));
        assert!(places.unused.contains(&"Emotion".to_owned()));
        assert_eq!(names.to_string(), "label=mood");
    }

    #[test]
    fn what_programs_write_for_nothing_is_nothing() {
        let places =
            Places::of(&header(&["path", "label", "speaker", "word"]), &ColumnNames::default()).unwrap();
        let row = ["nan", "nan", "NaN", "none"].map(str::to_owned);
        assert_eq!((places.cell(&row, Column::Label), places.cell(&row, Column::Speaker)), (None, None));
        assert_eq!(
            (places.cell(&row, Column::Path), places.cell(&row, Column::Word)),
            (Some("nan"), Some("none"))
        );
    }

    #[test]
    fn columns_that_no_table_has_are_refused() {
        let names: ColumnNames = "label=mood,speaker=who".parse().unwrap();
        let (first, second) = (header(&["path", "mood"]), header(&["path", "who"]));
        let lacked = [&first, &second].map(|header| names.missing_in([&header[..]].into_iter()));
        names.check_used(&lacked).unwrap();
        let error = names.check_used(&lacked[..1]).unwrap_err().to_string();
        assert!(error.contains("speaker=who: no table has such a column"), "{error}");
        let error = names.check_used(&[]).unwrap_err().to_string();
        assert!(error.contains("no labels come from a table"), "{error}");
        ColumnNames::default().check_used(&[]).unwrap();
    }

    #[test]
    fn what_is_ambiguous_or_missing_is_refused_by_name() {
        let both = Places::of(&header(&["path", "label", "emotion"]), &ColumnNames::default()).unwrap_err();
        assert!(both.contains(r#""label" and "emotion""#), "{both}");
        let gone = Places::of(&header(&["path", "label"]), &"label=mood".parse().unwrap()).unwrap_err();
        assert!(gone.contains(r#"no column "mood", only "path", "label""#), "{gone}");
        for wrong in ["label", "=x", "label=", "colour=red", "label=a,label=b"] {
            assert!(wrong.parse::<ColumnNames>().is_err(), "{wrong}");
        }
    }
}
