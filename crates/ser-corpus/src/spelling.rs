//! Names of classes or of speakers that differ in case alone, in how a system composes their letters, or in how a number is
//! written, are one.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

/// What all ways to write a name have in common: lower case in NFC, and a number without zeros that say nothing (`1` of `01`
/// and of `1.0`).
pub(crate) fn folded(name: &str) -> String {
    let name: String = name.trim().to_lowercase().nfc().collect();
    without_zeros(&name).to_owned()
}

/// A number as a spreadsheet counts it, or any other name as it stands.
fn without_zeros(name: &str) -> &str {
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = name.split_once('.').unwrap_or((name, "0"));
    if !are_digits(whole) || !are_digits(fraction) || fraction.bytes().any(|digit| digit != b'0') {
        return name;
    }
    match whole.trim_start_matches('0') {
        "" => "0",
        number => number,
    }
}

/// Which of several ways to write a class, or a speaker, is used for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spellings {
    /// As written → as used, where they differ.
    used: BTreeMap<String, String>,
    merged: Vec<MergedName>,
}

/// A class or a speaker that is written in several ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedName {
    /// The way that is used.
    pub name: String,
    /// In words, which others there are.
    pub text: String,
}

impl Spellings {
    /// Of `names` with so many recordings each: the most frequent way to write one is used, of equally frequent ones that in
    /// lower case. `what` they name, a class or a speaker, is for people.
    pub fn of<S: AsRef<str> + Ord>(what: &str, names: &BTreeMap<S, usize>) -> Self {
        let mut groups: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
        for (written, count) in names {
            let written = written.as_ref();
            groups.entry(folded(written)).or_default().push((written, *count));
        }
        let mut spellings = Self::default();
        groups.into_iter().for_each(|(key, written)| spellings.add(what, &key, &written));
        spellings
    }

    fn add(&mut self, what: &str, key: &str, written: &[(&str, usize)]) {
        let mut composed: BTreeMap<String, usize> = BTreeMap::new();
        for (text, count) in written {
            *composed.entry(text.trim().nfc().collect()).or_default() += count;
        }
        let best =
            composed.iter().max_by_key(|(text, count)| (**count, *text == key, std::cmp::Reverse(*text)));
        let Some(name) = best.map(|(text, _)| text.clone()) else { return };
        for (text, _) in written.iter().filter(|(text, _)| *text != name) {
            self.used.insert((*text).to_owned(), name.clone());
        }
        let others: Vec<String> = (composed.iter())
            .filter(|(text, _)| **text != name)
            .map(|(text, count)| format!("{text:?} ({count})"))
            .collect();
        let text = match (others.is_empty(), composed.len() < written.len()) {
            (true, false) => return,
            (true, true) => {
                format!(
                    "is written in several ways that look the same (composed letters, or spaces around); they are one {what}"
                )
            }
            (false, _) => {
                let alike = if key.bytes().all(|byte| byte.is_ascii_digit()) {
                    "ways to write one number"
                } else {
                    "names that differ in case alone"
                };
                format!("is also written {}; {alike} are one {what}", others.join(", "))
            }
        };
        self.merged.push(MergedName { name, text });
    }

    /// `name` as it is used.
    pub fn used<'a>(&'a self, name: &'a str) -> &'a str {
        self.used.get(name).map_or(name, String::as_str)
    }

    /// Those that are written in several ways.
    pub fn merged(&self) -> &[MergedName] {
        &self.merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(classes: &[(&str, usize)]) -> Spellings {
        Spellings::of("class", &classes.iter().copied().collect())
    }

    #[test]
    fn the_most_frequent_way_is_used_and_lower_case_between_equals() {
        let spellings = of(&[("angry", 3), ("Angry", 8), ("ANGRY", 1), ("sad", 2), ("Sad", 2), ("joy", 1)]);
        assert_eq!(
            ["angry", "ANGRY", "Sad", "joy"].map(|label| spellings.used(label)),
            ["Angry", "Angry", "sad", "joy"]
        );
        let texts: Vec<&str> = spellings.merged().iter().map(|merged| merged.text.as_str()).collect();
        assert!(texts[0].contains("also written \"ANGRY\" (1), \"angry\" (3)"), "{texts:?}");
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn a_number_is_one_however_it_is_written() {
        let spellings = Spellings::of(
            "speaker",
            &BTreeMap::from([("1", 2), ("01", 6), ("1.0", 1), ("001", 1), ("2", 3)]),
        );
        assert_eq!(
            ["1", "01", "1.0", "001", "2"].map(|id| spellings.used(id)),
            ["01", "01", "01", "01", "2"]
        );
        let [merged] = spellings.merged() else { panic!("{spellings:?}") };
        assert!(merged.text.contains("\"001\" (1), \"1\" (2), \"1.0\" (1)"), "{merged:?}");
        assert!(merged.text.ends_with("ways to write one number are one speaker"), "{merged:?}");
        // Other names with numbers in them are as they stand, and so is a number that is written in one way.
        let names = ["s1", "S01", "1.5", "1.50", "-1", "1.", ".0", "1.0.0", "00"];
        let others = Spellings::of("class", &BTreeMap::from(names.map(|name| (name, 1))));
        assert!(others.merged().is_empty(), "{others:?}");
        assert_eq!(
            (folded("00").as_str(), folded("0.0").as_str(), folded(" Wut ").as_str()),
            ("0", "0", "wut")
        );
    }

    #[test]
    fn letters_in_two_compositions_are_the_same() {
        let spellings = of(&[("müde", 8), ("mu\u{308}de", 8), ("wach", 8)]);
        assert_eq!(spellings.used("mu\u{308}de"), "müde");
        assert_eq!(spellings.merged().len(), 1);
        assert!(spellings.merged()[0].text.contains("look the same"));
        // A single decomposed name is composed, and there is nothing to say about it.
        let alone = of(&[("mu\u{308}de", 8)]);
        assert_eq!((alone.used("mu\u{308}de"), alone.merged().len()), ("müde", 0));
    }
}
