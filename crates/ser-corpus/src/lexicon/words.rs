//! The words themselves, in lower case, with `_` for spaces and hyphens.

/// Emotions, as folders and files are named for them.
#[rustfmt::skip]
pub(super) const EMOTIONS: &[&str] = &[
    // English
    "admiration", "afraid", "amused", "amusement", "anger", "angry", "annoyance", "annoyed", "anxiety", "anxious",
    "apologetic", "awe", "bored", "boredom", "calm", "compassion", "concerned", "confident", "confused",
    "confusion", "contempt", "contentment", "desire", "despair", "disappointed", "disappointment", "disgust",
    "disgusted", "distress", "elation", "embarrassment", "encouraging", "enthusiasm", "enthusiastic", "excited",
    "excitement", "fear", "fearful", "frustrated", "frustration", "grief", "guilt", "happiness", "happy", "hate",
    "hatred", "hot_anger", "cold_anger", "hopeful", "interest", "irritated", "irritation", "jealousy", "joy",
    "joyful", "laughing", "laughter", "love", "melancholy", "nervous", "neutral", "neutrality", "pain", "panic",
    "pensive", "pleasant_surprise", "pleasant_surprised", "pleased", "pleasure", "pride", "proud", "rage",
    "relaxed", "relief", "sad", "sadness", "sarcasm", "sarcastic", "scared", "serenity", "shame", "shy",
    "sleepiness", "sleepy", "sorrow", "stress", "stressed", "surprise", "surprised", "sympathy", "tender",
    "tenderness", "terror", "tired", "unhappy", "upset", "whisper", "worried", "worry",
    // German
    "angst", "ekel", "freude", "froh", "fröhlich", "glücklich", "langeweile", "müde", "neutralität", "ruhe",
    "ruhig", "traurig", "trauer", "überraschung", "wut", "wütend", "ärger", "zorn", "ängstlich",
    // French
    "colère", "dégoût", "ennui", "joie", "neutre", "peur", "triste", "tristesse",
    // Spanish, Portuguese, Italian
    "alegria", "alegría", "allegria", "asco", "calma", "desgosto", "disgusto", "enojo", "felicidad", "felicidade",
    "feliz", "gioia", "ira", "medo", "miedo", "neutra", "neutrale", "neutralidad", "neutro", "nojo", "paura",
    "rabbia", "raiva", "sorpresa", "surpresa", "tristeza", "tristezza",
    // Polish, Russian, Turkish, Danish
    "gniew", "radość", "smutek", "strach", "zaskoczenie", "гнев", "грусть", "нейтрально", "отвращение", "печаль",
    "радость", "страх", "удивление", "korku", "kızgın", "mutlu", "nötr", "üzgün", "glæde", "vrede",
    // Chinese, Japanese, Korean, Arabic, Persian
    "中性", "中立", "伤心", "厌恶", "害怕", "平静", "开心", "快乐", "恐惧", "悲伤", "惊讶", "愤怒", "生气", "高兴",
    "傷心", "喜び", "怒り", "恐れ", "悲しみ", "驚き", "기쁨", "분노", "슬픔", "중립", "حزن", "خوف", "سعادة", "غضب",
    "محايد", "غم", "شادی", "خشم",
    // Hindi
    "क्रोध", "खुशी", "गुस्सा", "डर", "दुख",
];

/// How pleasant an emotion is, where that is the class.
#[rustfmt::skip]
pub(super) const VALENCES: &[&str] = &[
    "neg", "negativ", "negative", "negativo", "négatif", "pos", "positif", "positiv", "positive", "positivo",
];

/// What names of files shorten emotions to.
#[rustfmt::skip]
pub(super) const CODES: &[&str] = &[
    "ang", "anx", "apo", "bor", "cal", "con", "dis", "exc", "fea", "fru", "hap", "neu", "pas", "ps", "sur",
];

/// What can stand before or beside an emotion and is nobody: how strong, whose sex or age, in which way.
#[rustfmt::skip]
pub(super) const QUALIFIERS: &[&str] = &[
    "actor", "actress", "adult", "adulte", "adultes", "adults", "boy", "boys", "child", "children", "cold",
    "debole", "donna", "donne", "débil", "elderly", "enfant", "enfants", "erkek", "extreme", "f", "faible",
    "female", "females", "femenino", "feminino", "femme", "femmes", "femmina", "femmine", "fort", "forte", "frau",
    "frauen", "fuerte", "girl", "girls", "high", "hombre", "hombres", "homme", "hommes", "hot", "intense", "kadın",
    "kid", "kids", "kind", "kinder", "little", "low", "m", "male", "males", "man", "mann", "maschi", "maschio",
    "masculino", "medium", "men", "mild", "mittel", "moderate", "moyen", "mujer", "mujeres", "männer", "männlich",
    "niña", "niñas", "niño", "niños", "no", "non", "normal", "not", "old", "pleasant", "schwach", "seniors",
    "slightly", "song", "speech", "stark", "strong", "teenager", "teenagers", "unpleasant", "uomini", "uomo",
    "very", "weak", "weakly", "weiblich", "woman", "women", "young", "женщина", "женщины", "мужчина", "мужчины",
    "أنثى", "ذكر", "زن", "مرد", "पुरुष", "महिला", "女", "女声", "女性", "男", "男声", "男性", "남", "남성", "남자",
    "여", "여성", "여자",
];

/// How much there is of something, which may be what classes are about.
#[rustfmt::skip]
pub(super) const DEGREES: &[&str] = &[
    "extreme", "high", "intense", "little", "low", "medium", "mild", "moderate", "strong", "weak",
];

/// Published corpora, as folders are named for them: letters and digits alone.
#[rustfmt::skip]
pub(super) const CORPORA: &[&str] = &[
    "aesdd", "berlin", "cafe", "cremad", "crema", "emodb", "emov", "emovdb", "emovo", "enterface", "esd", "iemocap",
    "jlcorpus", "meld", "mspimprov", "msppodcast", "oreau", "ravdess", "ravdee", "savee", "shemo", "subesco",
    "tess", "urdu",
];

/// What stands before the number of a person.
#[rustfmt::skip]
pub(super) const PERSONS: &[&str] = &[
    "actor", "actress", "participant", "person", "sp", "speaker", "spk", "spkr", "sprecher", "sprecherin", "subj",
    "subject", "talker", "voice", "locuteur", "hablante", "parlante", "说话人", "話者",
];

/// What stands before the number of something that several people may have said, or one person in several parts.
#[rustfmt::skip]
pub(super) const GROUPS: &[&str] = &[
    "batch", "channel", "chunk", "class", "clip", "day", "dia", "dialog", "dialogue", "disc", "disk", "file",
    "fold", "folder", "frase", "group", "impro", "item", "l", "level", "line", "lv", "lvl", "mic", "month",
    "oración", "paragraph", "part", "phrase", "recording", "rep", "repetition", "room", "round", "run", "sample",
    "satz", "scenario", "scene", "script", "section", "sent", "sentence", "ses", "sess", "session", "set",
    "sitzung", "speed", "split", "story", "szene", "séance", "take", "text", "trial", "turn", "utt", "utter",
    "utterance", "version", "video", "week", "句", "句子",
];
