//! A pattern that a person gives for the names of a corpus: `pattern:{gender}_{}_{speaker}_{word}_{label}_{}`.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use unicode_normalization::UnicodeNormalization;

use crate::conventions::CorpusConvention;
use crate::names::{SPEAKER_ID_RULE, is_speaker_id};
use crate::{Annotation, PublishedSide};

/// What a pattern has in front where labels are chosen.
pub(crate) const PREFIX: &str = "pattern:";

/// Longer patterns are not names of files.
const LONGEST_PATTERN: usize = 1024;

/// How names are formed: text with fields in braces.
///
/// A pattern is about the name of the file without its extension, and with `/` in it about as many folders above the
/// file. A field is one character or more, within one name. `{label}` is the class; `{speaker}`, `{word}`, `{session}`
/// and `{split}` are what they say; `{}` and any other are passed over. A name must fit in exactly one way.
///
/// ```
/// use ser_corpus::conventions::{CorpusConvention, NamePattern};
///
/// let pattern = NamePattern::parse("{gender}_{}_{speaker}_{}_{}_{label}_{}")?;
/// let annotation = pattern.annotate("all/F_02_MONIKA_S_1_NEUTRAL_5.wav")?;
/// assert_eq!((annotation.label.as_str(), annotation.speaker.as_deref()), ("NEUTRAL", Some("MONIKA")));
/// assert!(pattern.annotate("all/F_02_MONIKA.wav").is_err());
/// # Ok::<(), ser_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    /// With its prefix.
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// With its name, which may be empty.
    Field(String),
}

impl NamePattern {
    /// Reads the pattern in `text`, with or without `pattern:` in front.
    ///
    /// # Errors
    /// When braces are not in pairs, there is no `{label}`, a field is named twice, or nothing separates two fields.
    pub fn parse(text: &str) -> Result<Self> {
        let text: String = text.strip_prefix(PREFIX).unwrap_or(text).nfc().collect();
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorKind::Usage,
                format!("{} {why}", Setting::Labels.to(format!("'{PREFIX}{text}'"))),
            )
            .help("write the name with fields in braces, such as {speaker}_{word}_{label} or {speaker}/{label}/{}"))
        };
        if text.len() > LONGEST_PATTERN {
            return refuse("is longer than a name can be");
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let literal = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, after) = rest.split_at(literal);
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            let Some(field) = after.strip_prefix('{') else {
                match after {
                    "" => break,
                    _ => return refuse("has a } without a { before it"),
                }
            };
            let Some((name, after)) = field.split_once('}') else {
                return refuse("has a { without a } after it");
            };
            if name.contains(['{', '/']) {
                return refuse("has a field whose name holds a { or a /");
            }
            if matches!(pieces.last(), Some(Piece::Field(_))) {
                return refuse("has two fields with nothing between them, so it is unknown where one ends");
            }
            let field = Piece::Field(name.trim().to_lowercase());
            if !name.trim().is_empty() && pieces.contains(&field) {
                return refuse(&format!("names {{{name}}} twice"));
            }
            pieces.push(field);
            rest = after;
        }
        match pieces.contains(&Piece::Field("label".to_owned())) {
            true => Ok(Self { text: format!("{PREFIX}{text}"), pieces }),
            false => refuse("has no {label}"),
        }
    }

    /// Why `path` does not fit, if it does not.
    pub(crate) fn misfit_of(&self, path: &str) -> Option<String> {
        self.fields(path).err()
    }

    /// What the fields of `path` hold, in their order.
    fn fields(&self, path: &str) -> Result<Vec<(&str, String)>, String> {
        let text = self.part_of(path)?;
        let ends: Vec<Vec<u8>> = self.ways(&text);
        let ways_to_the_end = ends.last().and_then(|ways| ways.get(text.len())).copied().unwrap_or(0);
        match ways_to_the_end {
            0 => return Err(self.misfit(&ends)),
            1 => {}
            _ => return Err("it fits in more than one way, so it is unknown where a field ends".to_owned()),
        }
        // There is one way, so each step back is the only one.
        let mut fields = Vec::new();
        let mut end = text.len();
        for (piece, ways) in self.pieces.iter().zip(&ends).rev() {
            let start = match piece {
                Piece::Literal(literal) => end.saturating_sub(literal.len()),
                Piece::Field(_) => {
                    (0..end).rev().find(|start| ways.get(*start).is_some_and(|ways| *ways > 0)).unwrap_or(0)
                }
            };
            if let Piece::Field(name) = piece {
                fields.push((name.as_str(), text.get(start..end).unwrap_or_default().to_owned()));
            }
            end = start;
        }
        fields.reverse();
        Ok(fields)
    }

    /// The part of `path` that the pattern is about: the name without extension, and as many folders above it.
    fn part_of(&self, path: &str) -> Result<String, String> {
        let folders: usize = (self.pieces.iter())
            .map(|piece| match piece {
                Piece::Literal(text) => text.matches('/').count(),
                Piece::Field(_) => 0,
            })
            .sum();
        let names: Vec<&str> = path.split('/').collect();
        let first = names.len().checked_sub(folders + 1);
        let Some((file, above)) = first.and_then(|first| names.get(first..)?.split_last()) else {
            return Err(format!("there are fewer than {folders} folders above it"));
        };
        let stem = file.rsplit_once('.').map_or(*file, |(stem, _)| stem);
        Ok(above.iter().flat_map(|name| [*name, "/"]).chain([stem]).collect::<String>().nfc().collect())
    }

    /// In how many ways, up to two, the first pieces can end at each byte of `text`: nothing, the first, the first two …
    fn ways(&self, text: &str) -> Vec<Vec<u8>> {
        let mut start = vec![0; text.len() + 1];
        start[0] = 1;
        let mut all: Vec<Vec<u8>> = vec![start];
        for piece in &self.pieces {
            let Some(before) = all.last() else { break };
            let mut after = vec![0_u8; text.len() + 1];
            match piece {
                Piece::Literal(literal) => {
                    for (place, _) in text.match_indices(literal.as_str()).chain(overlapping(text, literal)) {
                        if let (Some(ways), Some(end)) =
                            (before.get(place), after.get_mut(place + literal.len()))
                        {
                            *end = *ways;
                        }
                    }
                }
                Piece::Field(_) => {
                    let mut begun = 0_u8;
                    for (place, letter) in text.char_indices() {
                        begun = begun.saturating_add(before.get(place).copied().unwrap_or(0)).min(2);
                        begun = if letter == '/' { 0 } else { begun };
                        if let Some(end) = after.get_mut(place + letter.len_utf8()) {
                            *end = begun;
                        }
                    }
                }
            }
            all.push(after);
        }
        all
    }

    /// Where a name stops to fit.
    fn misfit(&self, ends: &[Vec<u8>]) -> String {
        let reached = ends.iter().rposition(|ways| ways.iter().any(|ways| *ways > 0)).unwrap_or(0);
        let fitting: String = self.pieces.iter().take(reached).map(Piece::as_given).collect();
        let after =
            if fitting.is_empty() { "at its beginning".to_owned() } else { format!("after {fitting}") };
        match self.pieces.get(reached) {
            Some(Piece::Literal(literal)) => format!("{after} there is no {literal:?}"),
            Some(field) => format!("{after} there is nothing for {}", field.as_given()),
            None => format!("there is more {after}"),
        }
    }
}

/// Places of `literal` that [`str::match_indices`] skips, since they overlap an earlier one: `__` in `___`.
fn overlapping<'a>(text: &'a str, literal: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let mut letters = literal.chars();
    let first = letters.next();
    let repeats = literal.len() > 1 && letters.any(|letter| Some(letter) == first);
    let places = text.char_indices().map(|(place, _)| place).filter(move |_| repeats);
    places.filter_map(move |place| text.get(place..)?.starts_with(literal).then_some((place, literal)))
}

impl Piece {
    fn as_given(&self) -> String {
        match self {
            Self::Literal(text) => text.clone(),
            Self::Field(name) => format!("{{{name}}}"),
        }
    }
}

impl CorpusConvention for NamePattern {
    fn name(&self) -> &str {
        &self.text
    }

    fn annotate(&self, path: &str) -> Result<Annotation> {
        let refuse = |why: String| {
            Error::new(ErrorKind::Unusable, format!("does not fit {}: {why}", self.text))
                .at(path)
                .help(remedy!["rename it or move it out of the corpus, or give another ", Setting::Labels])
        };
        let mut annotation = Annotation::labelled(String::new());
        for (name, text) in self.fields(path).map_err(refuse)? {
            match name {
                "label" => annotation.label = text,
                "speaker" if !is_speaker_id(&text) => {
                    let what =
                        format!("names the speaker {text:?}, which cannot be an ID, since IDs name folders");
                    return Err(Error::new(ErrorKind::Unusable, what).at(path).help(SPEAKER_ID_RULE));
                }
                "speaker" => annotation.speaker = Some(text),
                "word" => annotation.word = Some(text.to_lowercase()),
                "session" => annotation.session = Some(text),
                "split" => {
                    annotation.split = PublishedSide::named(&text);
                    if annotation.split.is_none() && !PublishedSide::is_none(&text) {
                        let why = format!("{text:?} is not train, val or test, nor another word for one");
                        return Err(refuse(why));
                    }
                }
                _ => {}
            }
        }
        Ok(annotation)
    }

    /// A pattern is only followed when asked for.
    fn following(&self, _: &[&str]) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, path: &str) -> Result<(String, Option<String>, Option<String>), String> {
        let annotation = NamePattern::parse(pattern).and_then(|pattern| pattern.annotate(path));
        annotation.map(|it| (it.label, it.speaker, it.word)).map_err(|error| error.to_string())
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn fields_are_taken_from_the_name_and_the_folders_above() {
        assert_eq!(
            read("pattern:{gender}_{}_{speaker}_{}_{word}_{label}_{}", "F_02_MONIKA_S_1_NEUTRAL_5.wav"),
            Ok(("NEUTRAL".to_owned(), some("MONIKA"), some("1")))
        );
        assert_eq!(
            read("{speaker}/{label}/{}", "esd/0011/Angry/x y.z.wav"),
            Ok(("Angry".to_owned(), some("0011"), None))
        );
        assert_eq!(read("x-{label}", "a/x-müde.wav"), Ok(("müde".to_owned(), None, None)));
        assert_eq!(read("{speaker}__{label}", "a/Jose\u{301}__joy.wav").unwrap().1, some("José"));
        let split = NamePattern::parse("{split}/{label}/{}").unwrap().annotate("dev/joy/1.wav").unwrap();
        assert_eq!(split.split, Some(PublishedSide::Val));
        let unlabelled =
            NamePattern::parse("{split}/{label}/{}").unwrap().annotate("other/joy/1.wav").unwrap();
        assert_eq!(unlabelled.split, None);
    }

    #[test]
    fn a_name_that_does_not_fit_says_where_it_stops() {
        for (pattern, path, says) in [
            ("{speaker}_{word}_{label}", "sam_dog.wav", "after {speaker}_{word} there is no \"_\""),
            ("{speaker}_{label}", "sam_dog_sad.wav", "more than one way"),
            ("x_{label}", "y_sad.wav", "at its beginning there is no \"x_\""),
            ("{label}_x", "sad_x1.wav", "there is more after {label}_x"),
            ("{label}_x", "_x.wav", "after {label} there is no \"_x\""),
            ("x{label}", "x.wav", "after x there is nothing for {label}"),
            ("{speaker}/{label}/{}", "sad/1.wav", "fewer than 2 folders"),
            ("{speaker}-{label}", " -sad.wav", "cannot be an ID"),
            ("{split}_{label}", "first_sad.wav", "\"first\" is not train, val or test"),
            ("{a}__{label}", "a___b.wav", "more than one way"),
        ] {
            let error = read(pattern, path).unwrap_err();
            assert!(error.contains(says), "{pattern} {path}: {error}");
        }
    }

    #[test]
    fn a_pattern_that_says_nothing_is_refused() {
        for (pattern, says) in [
            ("", "no {label}"),
            ("{speaker}_{}", "no {label}"),
            ("{label", "a { without a }"),
            ("label}", "a } without a {"),
            ("{speaker}{label}", "nothing between"),
            ("{label}_{label}", "twice"),
            ("{lab{el}}", "holds a {"),
        ] {
            let error = NamePattern::parse(pattern).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(says), "{pattern}: {error}");
        }
        assert!(NamePattern::parse(&"x".repeat(2000)).is_err());
    }
}
