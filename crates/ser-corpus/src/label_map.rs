//! Other names for labels: to make those of several corpora one, or to leave some out.
//!
//! ```toml
//! drop = ["calm"]                       # left out
//!
//! [labels]
//! pleasant_surprise = "surprise"        # from = "to"; "" leaves it out as well
//!
//! [corpus.EMO-DB.labels]                # for the corpus of that name alone, before what holds for all
//! boredom = "neutral"
//! ```
//!
//! A label that no entry names stays as it is. An entry is about a label in whatever case it is written, as classes are one
//! that differ in case alone. A map is applied once: what it makes is not mapped again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ser_core::remedy::Setting;
use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result, remedy};
use serde::Deserialize;

use crate::spelling::folded;

/// Maps that are part of this program, by name.
const SHIPPED: [(&str, &str); 3] = [
    ("common", include_str!("maps/common.toml")),
    ("calm-is-neutral", include_str!("maps/calm-is-neutral.toml")),
    ("four", include_str!("maps/four.toml")),
];

/// Larger files are not maps.
const LARGEST_FILE: u64 = 1 << 20;

/// Where a label map comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapSource {
    /// One that is part of this program, by its name: `common`, `calm-is-neutral`, `four`.
    Shipped(&'static str),
    /// A TOML file.
    File(PathBuf),
}

impl std::str::FromStr for MapSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shipped = SHIPPED.iter().find(|(name, _)| *name == text);
        Ok(shipped.map_or_else(|| Self::File(PathBuf::from(text)), |(name, _)| Self::Shipped(name)))
    }
}

impl std::fmt::Display for MapSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A label map.
#[derive(Debug, Clone, Default)]
pub struct LabelMap {
    source: PathBuf,
    /// Whether entries may name labels that there are not.
    optional: bool,
    for_all: Entries,
    for_corpus: BTreeMap<String, Entries>,
}

/// Label → its new name; "" leaves it out. As the file has them.
type Written = BTreeMap<String, String>;

/// The same by what all ways to write a label have in common.
type Entries = BTreeMap<String, Entry>;

/// What a map says of a label.
#[derive(Debug, Clone)]
struct Entry {
    /// How the map writes it.
    written: String,
    /// Its new name; empty where it is left out.
    to: String,
}

/// The fate of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapped<'a> {
    /// It is unchanged.
    Same,
    /// It is renamed to this.
    To(&'a str),
    /// Its utterances are left out.
    Dropped,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    labels: Written,
    #[serde(default)]
    corpus: BTreeMap<String, Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    labels: Written,
}

impl LabelMap {
    /// Reads the map.
    ///
    /// # Errors
    /// When it cannot be read, is not a label map, or maps a label twice.
    pub fn read(source: &MapSource) -> Result<Self> {
        match source {
            MapSource::File(path) => {
                let shipped: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                let text = read_text(path, "a label map", LARGEST_FILE).map_err(|error| {
                    error.help(remedy!["give ", Setting::Map.to(shipped.join(", ")), ", or a TOML file"])
                })?;
                Self::parse(&text, path)
            }
            MapSource::Shipped(name) => {
                let text = SHIPPED.iter().find(|(shipped, _)| shipped == name).map_or("", |(_, text)| text);
                Self::parse(text, Path::new(name))
            }
        }
    }

    /// Reads the map in `text`, which is from `source`.
    ///
    /// # Errors
    /// When it is not a label map, or maps a label twice.
    pub fn parse(text: &str, source: &Path) -> Result<Self> {
        let damaged = |what: String| {
            Error::new(ErrorKind::Damaged, what)
                .at(source)
                .help("a label map has a table [labels] of from = \"to\", and a list drop = [\"label\"]")
        };
        let file: File = toml::from_str(text)
            .map_err(|error| damaged(format!("is not a label map: {}", error.message().trim_end())))?;
        let File { optional, drop, labels, corpus } = file;
        let for_all = entries(drop, labels).map_err(damaged)?;
        let for_corpus = (corpus.into_iter())
            .map(|(name, Section { drop, labels })| {
                let entries =
                    entries(drop, labels).map_err(|what| damaged(format!("corpus {name}: {what}")))?;
                Ok((name, entries))
            })
            .collect::<Result<_>>()?;
        Ok(Self { source: source.to_owned(), optional, for_all, for_corpus })
    }

    /// What `label` in `corpus` is mapped to, in whatever case it is written.
    pub fn of(&self, corpus: &str, label: &str) -> Mapped<'_> {
        let label = folded(label);
        let own = self.for_corpus.get(corpus).and_then(|entries| entries.get(&label));
        match own.or_else(|| self.for_all.get(&label)).map(|entry| entry.to.as_str()) {
            None => Mapped::Same,
            Some("") => Mapped::Dropped,
            Some(name) => Mapped::To(name),
        }
    }

    /// Checks that every entry is about a label that there is. `found` are the labels of each corpus before the map.
    ///
    /// # Errors
    /// Naming the entry and what there is. A map with `optional = true` accepts anything.
    pub fn check(&self, found: &BTreeMap<String, BTreeSet<String>>) -> Result<()> {
        if self.optional {
            return Ok(());
        }
        let refuse = |what: String, there: Vec<&str>| {
            Err(Error::new(ErrorKind::Usage, what)
                .at(&self.source)
                .help(format!("there is {}; or write optional = true", there.join(", "))))
        };
        for (name, entries) in &self.for_corpus {
            let Some(labels) = found.get(name) else {
                return refuse(
                    format!("mentions the corpus {name:?}"),
                    found.keys().map(String::as_str).collect(),
                );
            };
            let known: BTreeSet<String> = labels.iter().map(|label| folded(label)).collect();
            if let Some((_, entry)) = entries.iter().find(|(label, _)| !known.contains(*label)) {
                let what = format!("mentions the label {:?} of the corpus {name:?}", entry.written);
                return refuse(what, labels.iter().map(String::as_str).collect());
            }
        }
        let all: BTreeSet<&str> = found.values().flatten().map(String::as_str).collect();
        let known: BTreeSet<String> = all.iter().map(|label| folded(label)).collect();
        match self.for_all.iter().find(|(label, _)| !known.contains(*label)) {
            Some((_, Entry { written, .. })) => {
                refuse(format!("mentions the label {written:?}"), all.into_iter().collect())
            }
            None => Ok(()),
        }
    }
}

fn entries(drop: Vec<String>, mut labels: Written) -> Result<Entries, String> {
    for label in drop {
        if labels.insert(label.clone(), String::new()).is_some_and(|name| !name.is_empty()) {
            return Err(format!("both drops and renames {label:?}"));
        }
    }
    let mut entries = Entries::new();
    for (written, to) in labels {
        if written.trim().is_empty() || to.trim() != to {
            return Err(format!("{written:?} = {to:?}: a label is neither empty nor surrounded by spaces"));
        }
        if let Some(other) = entries.get(&folded(&written)).filter(|other| other.to != to) {
            let first = &other.written;
            return Err(format!("gives {first:?} and {written:?}, which are one label, different names"));
        }
        entries.insert(folded(&written), Entry { written, to });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LabelMap> {
        LabelMap::parse(text, Path::new("map.toml"))
    }

    #[test]
    fn every_shipped_map_is_read_and_maps_to_labels_that_it_leaves_alone() {
        for (name, _) in SHIPPED {
            let map = LabelMap::read(&name.parse().unwrap()).unwrap();
            assert!(map.optional && map.for_corpus.is_empty());
            for Entry { to, .. } in map.for_all.values().filter(|entry| !entry.to.is_empty()) {
                assert_eq!(map.of("x", to), Mapped::Same, "{name}: {to}");
            }
        }
    }

    #[test]
    fn an_entry_is_about_a_label_in_any_case() {
        let common = LabelMap::read(&"common".parse().unwrap()).unwrap();
        assert_eq!((common.of("x", "Calm"), common.of("x", "BORED")), (Mapped::Dropped, Mapped::Dropped));
        assert_eq!(common.of("x", "Happiness"), Mapped::To("happy"));
        let map = parse("drop = [\"Calm\"]\n[labels]\n\"Mu\\u0308de\" = \"tired\"\n1 = \"angry\"").unwrap();
        let tired = Mapped::To("tired");
        assert_eq!(
            (map.of("x", "calm"), map.of("x", "MÜDE"), map.of("x", "mu\u{308}de")),
            (Mapped::Dropped, tired, tired)
        );
        assert_eq!((map.of("x", "01"), map.of("x", "10")), (Mapped::To("angry"), Mapped::Same));
        let found = ["CALM", "müde", "1.0"].map(str::to_owned);
        assert!(map.check(&BTreeMap::from([("T".to_owned(), found.into())])).is_ok());
        assert!(parse("[labels]\nanger = \"angry\"\nAnger = \"angry\"").is_ok());
        let error = parse("[labels]\nJoy = \"happy\"\njoy = \"\"").unwrap_err().to_string();
        assert!(error.contains("gives \"Joy\" and \"joy\", which are one label, different names"), "{error}");
    }

    #[test]
    fn what_a_map_says_of_one_corpus_comes_before_what_it_says_of_all() {
        let map = parse(
            "drop = [\"calm\"]\n[labels]\na = \"b\"\nx = \"\"\n[corpus.E]\ndrop = [\"a\"]\n[corpus.E.labels]\ncalm = \"neutral\"\n",
        )
        .unwrap();
        assert_eq!((map.of("D", "a"), map.of("E", "a")), (Mapped::To("b"), Mapped::Dropped));
        assert_eq!((map.of("D", "calm"), map.of("E", "calm")), (Mapped::Dropped, Mapped::To("neutral")));
        assert_eq!((map.of("D", "x"), map.of("D", "b")), (Mapped::Dropped, Mapped::Same));
    }

    #[test]
    fn invalid_maps_are_refused_with_what_is_wrong() {
        for (text, says) in [
            ("labels = 3", "is not a label map"),
            ("[lables]\na = \"b\"", "unknown field"),
            ("drop = [\"a\"]\n[labels]\na = \"b\"", "both drops and renames \"a\""),
            ("[labels]\na = \" b\"", "surrounded by spaces"),
            ("[labels]\n\"\" = \"b\"", "neither empty"),
            ("[corpus.X.labels]\na = 1", "is not a label map"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn an_entry_about_nothing_is_refused_and_what_there_is_is_named() {
        let found = BTreeMap::from([("T".to_owned(), BTreeSet::from(["sad".to_owned(), "fear".to_owned()]))]);
        let check = |text: &str| parse(text).unwrap().check(&found).map_err(|error| error.to_string());
        assert_eq!(check("[labels]\nsad = \"x\""), Ok(()));
        assert_eq!(check("optional = true\n[labels]\nhappy = \"x\""), Ok(()));
        let error = check("[labels]\nhappy = \"x\"").unwrap_err();
        assert!(error.contains("the label \"happy\"; there is fear, sad"), "{error}");
        assert!(
            check("[corpus.U.labels]\nsad = \"x\"").unwrap_err().contains("the corpus \"U\"; there is T")
        );
        assert!(check("[corpus.T.labels]\nhappy = \"x\"").unwrap_err().contains("of the corpus \"T\""));
    }
}
