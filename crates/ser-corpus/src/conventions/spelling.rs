//! The one table of emotions: what each corpus calls them, and the label they get here.
//!
//! An emotion has the same label whatever corpus it is from. What TESS calls *pleasant surprise* is a label of its own,
//! since nothing says that the others' surprise is pleasant; a label map can merge them.

/// An emotion: its label, and the codes that stand for it in each corpus ("" where a corpus has none).
struct Spelling {
    label: &'static str,
    /// In TESS, in lower case, spaces and hyphens as underscores.
    tess: &'static [&'static str],
    /// The third number of a name in RAVDESS.
    ravdess: &'static str,
    /// The third part of a name in CREMA-D.
    crema_d: &'static str,
    /// The sixth letter of a name in EMO-DB: the first of a German word.
    emo_db: &'static str,
    /// The letters before the number in SAVEE.
    savee: &'static str,
}

#[rustfmt::skip]
const EMOTIONS: [Spelling; 10] = [
    // EMO-DB: Wut, Langeweile, Ekel, Angst, Freude, neutral, Trauer.
    Spelling { label: "angry", tess: &["angry", "anger"], ravdess: "05", crema_d: "ANG", emo_db: "W", savee: "a" },
    Spelling { label: "boredom", tess: &[], ravdess: "", crema_d: "", emo_db: "L", savee: "" },
    Spelling { label: "calm", tess: &[], ravdess: "02", crema_d: "", emo_db: "", savee: "" },
    Spelling { label: "disgust", tess: &["disgust", "disgusted"], ravdess: "07", crema_d: "DIS", emo_db: "E", savee: "d" },
    Spelling { label: "fear", tess: &["fear", "fearful"], ravdess: "06", crema_d: "FEA", emo_db: "A", savee: "f" },
    Spelling { label: "happy", tess: &["happy", "happiness"], ravdess: "03", crema_d: "HAP", emo_db: "F", savee: "h" },
    Spelling { label: "neutral", tess: &["neutral"], ravdess: "01", crema_d: "NEU", emo_db: "N", savee: "n" },
    Spelling {
        label: "pleasant_surprise",
        tess: &["pleasant_surprise", "pleasant_surprised", "pleasantsurprise", "ps", "surprise", "surprised"],
        ravdess: "", crema_d: "", emo_db: "", savee: "",
    },
    Spelling { label: "sad", tess: &["sad", "sadness"], ravdess: "04", crema_d: "SAD", emo_db: "T", savee: "sa" },
    Spelling { label: "surprise", tess: &[], ravdess: "08", crema_d: "", emo_db: "", savee: "su" },
];

/// The label of the TESS emotion that `text` spells, whatever its case; spaces and hyphens count as underscores.
pub fn tess_emotion(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let written = |byte: u8| if matches!(byte, b' ' | b'-') { b'_' } else { byte.to_ascii_lowercase() };
    let spells = |spelling: &&str| text.bytes().map(written).eq(spelling.bytes());
    EMOTIONS.iter().find(|emotion| emotion.tess.iter().any(spells)).map(|e| e.label)
}

pub(super) fn ravdess(code: &str) -> Option<&'static str> {
    label(code, |emotion| emotion.ravdess)
}

pub(super) fn crema_d(code: &str) -> Option<&'static str> {
    label(code, |emotion| emotion.crema_d)
}

pub(super) fn emo_db(letter: &str) -> Option<&'static str> {
    label(letter, |emotion| emotion.emo_db)
}

pub(super) fn savee(letters: &str) -> Option<&'static str> {
    label(letters, |emotion| emotion.savee)
}

fn label(code: &str, column: impl Fn(&Spelling) -> &'static str) -> Option<&'static str> {
    let found = EMOTIONS.iter().find(|emotion| !code.is_empty() && column(emotion) == code);
    found.map(|emotion| emotion.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_for_two_emotions() {
        let columns: [fn(&Spelling) -> &'static str; 4] =
            [|e| e.ravdess, |e| e.crema_d, |e| e.emo_db, |e| e.savee];
        for column in columns {
            let mut codes: Vec<&str> = EMOTIONS.iter().map(column).filter(|code| !code.is_empty()).collect();
            let all = codes.len();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), all);
        }
    }

    #[test]
    fn the_spellings_of_tess_do_not_depend_on_case_spaces_or_hyphens() {
        for text in ["Pleasant Surprise", "pleasant-surprised", " PS ", "PLEASANT_SURPRISE"] {
            assert_eq!(tess_emotion(text), Some("pleasant_surprise"), "{text}");
        }
        assert_eq!(tess_emotion(""), None);
        assert_eq!(tess_emotion("surprised!"), None);
    }
}
