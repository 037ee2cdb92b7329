//! Words by which a name is known to be an emotion, a corpus, or somebody's number.
//!
//! They decide only which part of a name is which; a label is always the word as it stands.

use unicode_normalization::UnicodeNormalization;

/// Emotions, as folders and files are named for them. In lower case, with `_` for spaces and hyphens.
const EMOTIONS: &[&str] = &[
    // English
    "admiration",
    "afraid",
    "amused",
    "amusement",
    "anger",
    "angry",
    "annoyance",
    "annoyed",
    "anxiety",
    "anxious",
    "apologetic",
    "awe",
    "bored",
    "boredom",
    "calm",
    "compassion",
    "concerned",
    "confident",
    "confused",
    "confusion",
    "contempt",
    "contentment",
    "desire",
    "despair",
    "disappointed",
    "disappointment",
    "disgust",
    "disgusted",
    "distress",
    "elation",
    "embarrassment",
    "encouraging",
    "enthusiasm",
    "enthusiastic",
    "excited",
    "excitement",
    "fear",
    "fearful",
    "frustrated",
    "frustration",
    "grief",
    "guilt",
    "happiness",
    "happy",
    "hate",
    "hatred",
    "hot_anger",
    "cold_anger",
    "hopeful",
    "interest",
    "irritated",
    "irritation",
    "jealousy",
    "joy",
    "joyful",
    "laughing",
    "laughter",
    "love",
    "melancholy",
    "nervous",
    "neutral",
    "neutrality",
    "pain",
    "panic",
    "pensive",
    "pleasant_surprise",
    "pleasant_surprised",
    "pleased",
    "pleasure",
    "pride",
    "proud",
    "rage",
    "relaxed",
    "relief",
    "sad",
    "sadness",
    "sarcasm",
    "sarcastic",
    "scared",
    "serenity",
    "shame",
    "shy",
    "sleepiness",
    "sleepy",
    "sorrow",
    "stress",
    "stressed",
    "surprise",
    "surprised",
    "sympathy",
    "tender",
    "tenderness",
    "terror",
    "tired",
    "unhappy",
    "upset",
    "whisper",
    "worried",
    "worry",
    // German
    "angst",
    "ekel",
    "freude",
    "froh",
    "fröhlich",
    "glücklich",
    "langeweile",
    "müde",
    "neutralität",
    "ruhe",
    "ruhig",
    "traurig",
    "trauer",
    "überraschung",
    "wut",
    "wütend",
    "ärger",
    "zorn",
    "ängstlich",
    // French
    "colère",
    "dégoût",
    "ennui",
    "joie",
    "neutre",
    "peur",
    "triste",
    "tristesse",
    // Spanish, Portuguese, Italian
    "alegria",
    "alegría",
    "allegria",
    "asco",
    "calma",
    "desgosto",
    "disgusto",
    "enojo",
    "felicidad",
    "felicidade",
    "feliz",
    "gioia",
    "ira",
    "medo",
    "miedo",
    "neutra",
    "neutrale",
    "neutralidad",
    "neutro",
    "nojo",
    "paura",
    "rabbia",
    "raiva",
    "sorpresa",
    "surpresa",
    "tristeza",
    "tristezza",
    // Polish, Russian, Turkish, Danish
    "gniew",
    "radość",
    "smutek",
    "strach",
    "zaskoczenie",
    "гнев",
    "грусть",
    "нейтрально",
    "отвращение",
    "печаль",
    "радость",
    "страх",
    "удивление",
    "korku",
    "kızgın",
    "mutlu",
    "nötr",
    "üzgün",
    "glæde",
    "vrede",
    // Chinese, Japanese, Korean, Arabic, Persian
    "中性",
    "中立",
    "伤心",
    "厌恶",
    "害怕",
    "平静",
    "开心",
    "快乐",
    "恐惧",
    "悲伤",
    "惊讶",
    "愤怒",
    "生气",
    "高兴",
    "傷心",
    "喜び",
    "怒り",
    "恐れ",
    "悲しみ",
    "驚き",
    "기쁨",
    "분노",
    "슬픔",
    "중립",
    "حزن",
    "خوف",
    "سعادة",
    "غضب",
    "محايد",
    "غم",
    "شادی",
    "خشم",
    // Hindi
    "क्रोध",
    "खुशी",
    "गुस्सा",
    "डर",
    "दुख",
];

/// How pleasant an emotion is, where that is the class.
const VALENCES: &[&str] = &[
    "neg", "negativ", "negative", "negativo", "négatif", "pos", "positif", "positiv", "positive", "positivo",
];

/// What names of files shorten them to.
const CODES: &[&str] =
    &["ang", "anx", "apo", "bor", "cal", "con", "dis", "exc", "fea", "fru", "hap", "neu", "pas", "ps", "sur"];

/// What can stand before or beside an emotion and is nobody: how strong, whose sex or age, in which way.
#[rustfmt::skip]
const QUALIFIERS: &[&str] = &[
    "actor", "actress", "adult", "adulte", "adultes", "adults", "boy", "boys", "child", "children", "cold",
    "debole", "donna", "donne", "débil", "elderly", "enfant", "enfants", "erkek", "extreme", "f", "faible",
    "female", "females", "femenino", "feminino", "femme", "femmes", "femmina", "femmine", "fort", "forte",
    "frau", "frauen", "fuerte", "girl", "girls", "high", "hombre", "hombres", "homme", "hommes", "hot",
    "intense", "kadın", "kid", "kids", "kind", "kinder", "little", "low", "m", "male", "males", "man",
    "mann", "maschi", "maschio", "masculino", "medium", "men", "mild", "mittel", "moderate", "moyen",
    "mujer", "mujeres", "männer", "männlich", "niña", "niñas", "niño", "niños", "no", "non", "normal",
    "not", "old", "pleasant", "schwach", "seniors", "slightly", "song", "speech", "stark", "strong",
    "teenager", "teenagers", "unpleasant", "uomini", "uomo", "very", "weak", "weakly", "weiblich", "woman",
    "women", "young", "женщина", "женщины", "мужчина", "мужчины", "أنثى", "ذكر", "زن", "مرد", "पुरुष",
    "महिला", "女", "女声", "女性", "男", "男声", "男性", "남", "남성", "남자", "여", "여성", "여자",
];

/// Published corpora, as folders are named for them: letters and digits alone.
const CORPORA: &[&str] = &[
    "aesdd",
    "berlin",
    "cafe",
    "cremad",
    "crema",
    "emodb",
    "emov",
    "emovdb",
    "emovo",
    "enterface",
    "esd",
    "iemocap",
    "jlcorpus",
    "meld",
    "mspimprov",
    "msppodcast",
    "oreau",
    "ravdess",
    "ravdee",
    "savee",
    "shemo",
    "subesco",
    "tess",
    "urdu",
];

/// What stands before the number of a person.
const PERSONS: &[&str] = &[
    "actor",
    "actress",
    "participant",
    "person",
    "sp",
    "speaker",
    "spk",
    "spkr",
    "sprecher",
    "sprecherin",
    "subj",
    "subject",
    "talker",
    "voice",
    "locuteur",
    "hablante",
    "parlante",
    "说话人",
    "話者",
];

/// What stands before the number of something that several people may have said, or one person in several parts.
#[rustfmt::skip]
const GROUPS: &[&str] = &[
    "batch", "channel", "chunk", "class", "clip", "day", "dia", "dialog", "dialogue", "disc", "disk",
    "file", "fold", "folder", "frase", "group", "impro", "item", "l", "level", "line", "lv", "lvl", "mic",
    "month", "oración", "paragraph", "part", "phrase", "recording", "rep", "repetition", "room", "round",
    "run", "sample", "satz", "scenario", "scene", "script", "section", "sent", "sentence", "ses", "sess",
    "session", "set", "sitzung", "speed", "split", "story", "szene", "séance", "take", "text", "trial",
    "turn", "utt", "utter", "utterance", "version", "video", "week", "句", "句子",
];

/// `text` in lower case and NFC, with `_` for spaces and hyphens.
pub(crate) fn plain(text: &str) -> String {
    let written = |letter: char| if matches!(letter, ' ' | '-') { '_' } else { letter };
    text.trim().to_lowercase().nfc().map(written).collect()
}

/// Whether it is a word for an emotion.
pub(crate) fn is_emotion(text: &str) -> bool {
    let text = plain(text);
    EMOTIONS.contains(&text.as_str()) || VALENCES.contains(&text.as_str())
}

/// Whether it says how pleasant an emotion is, and not which one.
pub(crate) fn is_valence(text: &str) -> bool {
    VALENCES.contains(&plain(text).as_str())
}

/// Whether one of its words is for an emotion, or a code for one: `very_angry`, `ANG`.
pub(crate) fn says_emotion(text: &str) -> bool {
    is_emotion_or_code(text) || text.split(['_', '-', ' ', '.']).any(is_emotion_or_code)
}

/// Whether it is a word for an emotion, or a code for one as in the names of files.
pub(crate) fn is_emotion_or_code(text: &str) -> bool {
    is_emotion(text) || CODES.contains(&plain(text).as_str())
}

/// Whether it is a word that says something of an emotion or a person, and names nobody.
pub(crate) fn is_qualifier(text: &str) -> bool {
    QUALIFIERS.contains(&plain(text).as_str())
}

/// How much there is of something, which may be what classes are about.
const DEGREES: &[&str] =
    &["extreme", "high", "intense", "little", "low", "medium", "mild", "moderate", "strong", "weak"];

/// Whether it says how much there is of something.
pub(crate) fn is_a_degree(text: &str) -> bool {
    DEGREES.contains(&plain(text).as_str())
}

/// Whether it is the number of a session, a take or the like, which is nobody's.
pub(crate) fn is_group(text: &str) -> bool {
    let text = plain(text);
    let is_between = |letter: char| matches!(letter, '_' | '.');
    let number = text.find(|letter: char| letter.is_ascii_digit()).unwrap_or(text.len());
    let (before, number) = text.split_at(number);
    GROUPS.contains(&before.trim_end_matches('_'))
        && number.chars().all(|letter| letter.is_ascii_digit() || is_between(letter))
}

/// Whether it is a number and nothing else, too small to be known as a person's: `1`, `02`.
pub(crate) fn is_small_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is the name of a published corpus, whatever its case and punctuation.
pub(crate) fn is_corpus(text: &str) -> bool {
    let text: String = plain(text).chars().filter(|letter| letter.is_alphanumeric()).collect();
    CORPORA.contains(&text.as_str())
}

/// Whether it could be somebody's number: it ends with digits and is no emotion, such as `0011`, `S01`, `spk-3`.
pub(crate) fn may_be_an_id(text: &str) -> bool {
    let rest = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let rest_is_short = rest.chars().count() <= 12;
    rest.len() < text.len() && rest_is_short && !is_emotion(rest.trim_end_matches(['_', '-', ' ']))
}

/// Whether it is a number of a person and of nothing else: `Actor_01`, `speaker 3`, `0011`, `S012`.
pub(crate) fn is_an_id(text: &str) -> bool {
    let digits = text.chars().rev().take_while(char::is_ascii_digit).count();
    let rest = text.get(..text.len() - digits).unwrap_or_default();
    let before = plain(rest.trim_end_matches(['_', '-', ' ']));
    match digits {
        0 => false,
        _ if PERSONS.contains(&before.as_str()) => true,
        1 | 2 => false,
        // `0011`, `F001`: a class is not counted in hundreds.
        _ => rest.chars().count() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_whatever_their_case_their_spaces_and_their_composition() {
        for word in ["Anger", "PLEASANT SURPRISE", "hot-anger", "müde", "mu\u{308}de", "Colère", "愤怒"] {
            assert!(is_emotion(word), "{word}");
        }
        for word in ["", "ang", "bea", "OAF_anger", "angry1"] {
            assert!(!is_emotion(word), "{word}");
        }
        assert!(is_emotion_or_code("ANG") && is_corpus("CREMA-D") && is_corpus("Tess") && !is_corpus("mine"));
        assert!(is_qualifier("Male") && !is_qualifier("Maleen"));
        assert!(is_group("Session1") && is_group("take 02") && is_group("part") && !is_group("spk1"));
        assert!(is_group("sentence10") && is_group("script01_1") && is_group("fold-1") && !is_group("set1a"));
        for nobody in ["Females", "hommes", "女", "kids", "Fort"] {
            assert!(is_qualifier(nobody), "{nobody}");
        }
        assert!(
            is_emotion("Positive") && is_valence("neg") && !is_valence("sad") && !is_qualifier("negative")
        );
        assert!(says_emotion("Großer Zorn") && says_emotion("male_ANG") && !says_emotion("Ses01F_impro01"));
    }

    #[test]
    fn a_number_of_a_person_is_told_from_a_number_of_a_class() {
        for id in ["Actor_01", "speaker 3", "0011", "F001", "说话人1", "spk-12"] {
            assert!(is_an_id(id) && may_be_an_id(id), "{id}");
        }
        for class in ["01", "7", "c1", "class_12", "angry", "angry_001", "Actor", "take100"] {
            assert!(!is_an_id(class), "{class}");
        }
        assert!(may_be_an_id("S1") && !may_be_an_id("angry1"));
    }
}
