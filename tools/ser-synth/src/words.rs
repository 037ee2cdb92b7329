//! The words that are spoken, each with its phones in ARPAbet.

/// A word and its phones, separated by spaces.
type WordEntry = (&'static str, &'static str);

/// Monosyllabic English words in alphabetical order.
#[rustfmt::skip]
const WORDS: [WordEntry; 223] = [
    ("back", "B AE K"), ("badge", "B AE JH"), ("bait", "B EY T"), ("balm", "B AA M"), ("bar", "B AA R"),
    ("base", "B EY S"), ("bath", "B AE TH"), ("bead", "B IY D"), ("beach", "B IY CH"), ("bell", "B EH L"),
    ("bird", "B ER D"), ("bite", "B AY T"), ("boat", "B OW T"), ("bone", "B OW N"), ("book", "B UH K"),
    ("boot", "B UW T"), ("bowl", "B OW L"), ("boys", "B OY Z"), ("buck", "B AH K"), ("buzz", "B AH Z"),
    ("cage", "K EY JH"), ("calf", "K AE F"), ("came", "K EY M"), ("cape", "K EY P"), ("car", "K AA R"),
    ("cart", "K AA R T"), ("cat", "K AE T"), ("cave", "K EY V"), ("chain", "CH EY N"), ("chalk", "CH AO K"),
    ("cheap", "CH IY P"), ("cheese", "CH IY Z"), ("chef", "SH EH F"), ("chess", "CH EH S"), ("chin", "CH IH N"),
    ("choice", "CH OY S"), ("chop", "CH AA P"), ("coal", "K OW L"), ("coat", "K OW T"), ("coin", "K OY N"),
    ("cook", "K UH K"), ("cool", "K UW L"), ("corn", "K AO R N"), ("couch", "K AW CH"), ("curl", "K ER L"),
    ("dark", "D AA R K"), ("dawn", "D AO N"), ("day", "D EY"), ("deaf", "D EH F"), ("deck", "D EH K"),
    ("deep", "D IY P"), ("deer", "D IH R"), ("dice", "D AY S"), ("dish", "D IH SH"), ("dive", "D AY V"),
    ("dock", "D AA K"), ("doll", "D AA L"), ("door", "D AO R"), ("dove", "D AH V"), ("down", "D AW N"),
    ("duck", "D AH K"), ("dune", "D UW N"), ("earth", "ER TH"), ("face", "F EY S"), ("fan", "F AE N"),
    ("farm", "F AA R M"), ("fear", "F IH R"), ("feet", "F IY T"), ("fern", "F ER N"), ("fish", "F IH SH"),
    ("five", "F AY V"), ("foam", "F OW M"), ("foil", "F OY L"), ("food", "F UW D"), ("fork", "F AO R K"),
    ("foul", "F AW L"), ("fun", "F AH N"), ("fur", "F ER"), ("game", "G EY M"), ("gate", "G EY T"),
    ("gear", "G IH R"), ("geese", "G IY S"), ("girl", "G ER L"), ("goat", "G OW T"), ("good", "G UH D"),
    ("goose", "G UW S"), ("gown", "G AW N"), ("guide", "G AY D"), ("gum", "G AH M"), ("hall", "HH AO L"),
    ("ham", "HH AE M"), ("hand", "HH AE N D"), ("harp", "HH AA R P"), ("hat", "HH AE T"), ("heat", "HH IY T"),
    ("hen", "HH EH N"), ("herb", "HH ER B"), ("hill", "HH IH L"), ("home", "HH OW M"), ("hood", "HH UH D"),
    ("horn", "HH AO R N"), ("house", "HH AW S"), ("huge", "HH Y UW JH"), ("hush", "HH AH SH"), ("ice", "AY S"),
    ("jail", "JH EY L"), ("jam", "JH AE M"), ("jar", "JH AA R"), ("jazz", "JH AE Z"), ("jeep", "JH IY P"),
    ("join", "JH OY N"), ("joke", "JH OW K"), ("judge", "JH AH JH"), ("juice", "JH UW S"), ("keep", "K IY P"),
    ("kick", "K IH K"), ("kind", "K AY N D"), ("king", "K IH NG"), ("knee", "N IY"), ("knife", "N AY F"),
    ("lace", "L EY S"), ("lamb", "L AE M"), ("lamp", "L AE M P"), ("late", "L EY T"), ("laugh", "L AE F"),
    ("leaf", "L IY F"), ("learn", "L ER N"), ("leg", "L EH G"), ("lime", "L AY M"), ("load", "L OW D"),
    ("long", "L AO NG"), ("look", "L UH K"), ("loop", "L UW P"), ("loud", "L AW D"), ("love", "L AH V"),
    ("lung", "L AH NG"), ("map", "M AE P"), ("march", "M AA R CH"), ("mess", "M EH S"), ("mice", "M AY S"),
    ("milk", "M IH L K"), ("mode", "M OW D"), ("moon", "M UW N"), ("moth", "M AO TH"), ("mouth", "M AW TH"),
    ("mud", "M AH D"), ("name", "N EY M"), ("neck", "N EH K"), ("nest", "N EH S T"), ("night", "N AY T"),
    ("noise", "N OY Z"), ("noon", "N UW N"), ("north", "N AO R TH"), ("nose", "N OW Z"), ("nurse", "N ER S"),
    ("pack", "P AE K"), ("page", "P EY JH"), ("pearl", "P ER L"), ("peas", "P IY Z"), ("phone", "F OW N"),
    ("pig", "P IH G"), ("pike", "P AY K"), ("point", "P OY N T"), ("pool", "P UW L"), ("pouch", "P AW CH"),
    ("pup", "P AH P"), ("push", "P UH SH"), ("rain", "R EY N"), ("rash", "R AE SH"), ("read", "R IY D"),
    ("rib", "R IH B"), ("ring", "R IH NG"), ("road", "R OW D"), ("robe", "R OW B"), ("roof", "R UW F"),
    ("rose", "R OW Z"), ("rough", "R AH F"), ("rush", "R AH SH"), ("sail", "S EY L"), ("sand", "S AE N D"),
    ("sauce", "S AO S"), ("seed", "S IY D"), ("shade", "SH EY D"), ("shark", "SH AA R K"), ("sheep", "SH IY P"),
    ("shell", "SH EH L"), ("ship", "SH IH P"), ("shoe", "SH UW"), ("shout", "SH AW T"), ("shoot", "SH UW T"),
    ("sing", "S IH NG"), ("soap", "S OW P"), ("south", "S AW TH"), ("sun", "S AH N"),
    ("surf", "S ER F"), ("tail", "T EY L"), ("take", "T EY K"), ("tent", "T EH N T"), ("thief", "TH IY F"),
    ("thin", "TH IH N"), ("thumb", "TH AH M"), ("time", "T AY M"), ("tooth", "T UW TH"), ("town", "T AW N"),
    ("toys", "T OY Z"), ("turn", "T ER N"), ("van", "V AE N"), ("vase", "V EY Z"), ("verb", "V ER B"),
    ("vet", "V EH T"), ("vine", "V AY N"), ("voice", "V OY S"), ("wall", "W AO L"), ("wash", "W AA SH"),
    ("wave", "W EY V"), ("web", "W EH B"), ("wheat", "W IY T"), ("wing", "W IH NG"), ("wolf", "W UH L F"),
    ("wood", "W UH D"), ("yard", "Y AA R D"), ("yell", "Y EH L"), ("young", "Y AH NG"),
];

/// How many words there are.
pub const WORD_COUNT: usize = WORDS.len();

/// Step from one chosen word to the next; coprime to [`WORD_COUNT`], so that every word comes up once.
const STRIDE: usize = 91;

/// The first `count` words of a fixed order that mixes onsets and vowels even in a small corpus; all of them if
/// `count` is above [`WORD_COUNT`]. A smaller count gives a prefix of a larger one's words.
pub fn words(count: usize) -> Vec<&'static str> {
    (0..count.min(WORD_COUNT)).map(|index| WORDS[(4 + index * STRIDE) % WORD_COUNT].0).collect()
}

/// The phones of `word`, separated by spaces, if it is in the list.
pub(crate) fn transcription(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(entry, _)| *entry == word).map(|(_, phones)| *phones)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_and_every_sound_occurs_once() {
        assert_eq!(words(usize::MAX).into_iter().collect::<BTreeSet<_>>().len(), WORD_COUNT);
        let sounds: BTreeSet<&str> = WORDS.iter().map(|(_, phones)| *phones).collect();
        assert_eq!(sounds.len(), WORD_COUNT, "two words have the same transcription");
        assert_eq!(words(1), ["bar"]);
        assert!(words(40).iter().zip(words(200)).all(|(few, many)| *few == many));
    }
}
