//! The phones of English in ARPAbet: where the formants go, and what makes the sound.

/// How a phone is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A vowel; a diphthong glides to its second target.
    Vowel,
    /// L, R, W, Y.
    Approximant,
    /// M, N, NG.
    Nasal,
    /// F, S, …; V, Z, … with voice.
    Fricative,
    /// P, T, K; B, D, G with voice.
    Stop,
    /// CH; JH with voice.
    Affricate,
    /// HH.
    Breath,
}

/// Friction noise: one resonance, in Hz, and its level in decibels relative to a vowel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Friction {
    pub(crate) centre: f64,
    pub(crate) bandwidth: f64,
    pub(crate) level: f64,
}

/// A phone of the reference voice, an average woman's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Phone {
    pub(crate) manner: Manner,
    pub(crate) voiced: bool,
    /// The first three formants in Hz; for a consonant, where they head from a neighbouring vowel (its locus).
    pub(crate) formants: [f64; 3],
    /// The same at the end of the phone: differs for diphthongs.
    pub(crate) glide: [f64; 3],
    /// Duration in calm speech, in seconds.
    pub(crate) duration: f64,
    pub(crate) friction: Friction,
}

const SILENT: Friction = Friction { centre: 3000.0, bandwidth: 2000.0, level: -120.0 };

/// The phone named `symbol`, if there is one.
///
/// Vowels are the women's averages of Peterson & Barney (1952), "Control methods used in a study of the vowels";
/// consonants follow the loci and noise spectra of Klatt (1980), "Software for a cascade/parallel formant
/// synthesizer", moved up by the ratio of women's to men's formants.
pub(crate) fn phone(symbol: &str) -> Option<Phone> {
    let monophthong = |formants: [f64; 3], duration: f64| diphthong(formants, formants, duration);
    Some(match symbol {
        "IY" => monophthong([310.0, 2790.0, 3310.0], 0.17),
        "IH" => monophthong([430.0, 2480.0, 3070.0], 0.13),
        "EH" => monophthong([610.0, 2330.0, 2990.0], 0.15),
        "AE" => monophthong([860.0, 2050.0, 2850.0], 0.19),
        "AA" => monophthong([850.0, 1220.0, 2810.0], 0.20),
        "AO" => monophthong([590.0, 920.0, 2710.0], 0.20),
        "UH" => monophthong([470.0, 1160.0, 2680.0], 0.14),
        "UW" => monophthong([370.0, 950.0, 2670.0], 0.18),
        "AH" => monophthong([760.0, 1400.0, 2780.0], 0.14),
        "ER" => monophthong([500.0, 1640.0, 1960.0], 0.18),
        "EY" => diphthong([560.0, 2350.0, 3000.0], [380.0, 2700.0, 3250.0], 0.20),
        "AY" => diphthong([850.0, 1350.0, 2800.0], [430.0, 2450.0, 3050.0], 0.22),
        "OW" => diphthong([600.0, 1100.0, 2700.0], [420.0, 900.0, 2650.0], 0.20),
        "AW" => diphthong([850.0, 1500.0, 2800.0], [480.0, 1000.0, 2700.0], 0.23),
        "OY" => diphthong([560.0, 900.0, 2700.0], [420.0, 2350.0, 3000.0], 0.24),
        "W" => approximant([330.0, 700.0, 2450.0]),
        "Y" => approximant([290.0, 2550.0, 3400.0]),
        "R" => approximant([350.0, 1200.0, 1650.0]),
        "L" => approximant([380.0, 1150.0, 3100.0]),
        "M" => nasal([320.0, 1150.0, 2400.0]),
        "N" => nasal([320.0, 1700.0, 2800.0]),
        "NG" => nasal([320.0, 2250.0, 2850.0]),
        "F" => fricative(false, [340.0, 1200.0, 2400.0], 6500.0, 6000.0, -27.0),
        "V" => fricative(true, [260.0, 1200.0, 2400.0], 6500.0, 6000.0, -33.0),
        "TH" => fricative(false, [340.0, 1450.0, 2850.0], 7200.0, 5000.0, -29.0),
        "DH" => fricative(true, [290.0, 1450.0, 2850.0], 7200.0, 5000.0, -36.0),
        "S" => fricative(false, [340.0, 1650.0, 2900.0], 7000.0, 1800.0, -13.0),
        "Z" => fricative(true, [270.0, 1650.0, 2900.0], 7000.0, 1800.0, -20.0),
        "SH" => fricative(false, [330.0, 2050.0, 3000.0], 3900.0, 1500.0, -12.0),
        "P" => stop(false, [350.0, 950.0, 2300.0], 1300.0, 2500.0, -24.0),
        "B" => stop(true, [250.0, 950.0, 2300.0], 1200.0, 2500.0, -28.0),
        "T" => stop(false, [350.0, 1900.0, 2950.0], 5200.0, 2800.0, -13.0),
        "D" => stop(true, [250.0, 1900.0, 2950.0], 4800.0, 2800.0, -19.0),
        "K" => stop(false, [330.0, 2150.0, 2700.0], 2500.0, 900.0, -15.0),
        "G" => stop(true, [250.0, 2150.0, 2700.0], 2300.0, 900.0, -20.0),
        "CH" => affricate(false, -12.0),
        "JH" => affricate(true, -18.0),
        "HH" => Phone {
            manner: Manner::Breath,
            voiced: false,
            formants: [600.0, 1600.0, 2800.0],
            glide: [600.0, 1600.0, 2800.0],
            duration: 0.07,
            friction: SILENT,
        },
        _ => return None,
    })
}

fn diphthong(formants: [f64; 3], glide: [f64; 3], duration: f64) -> Phone {
    Phone { manner: Manner::Vowel, voiced: true, formants, glide, duration, friction: SILENT }
}

fn approximant(formants: [f64; 3]) -> Phone {
    Phone { manner: Manner::Approximant, ..diphthong(formants, formants, 0.075) }
}

fn nasal(formants: [f64; 3]) -> Phone {
    Phone { manner: Manner::Nasal, ..diphthong(formants, formants, 0.085) }
}

fn fricative(voiced: bool, formants: [f64; 3], centre: f64, bandwidth: f64, level: f64) -> Phone {
    Phone {
        manner: Manner::Fricative,
        voiced,
        formants,
        glide: formants,
        duration: if voiced { 0.075 } else { 0.11 },
        friction: Friction { centre, bandwidth, level },
    }
}

fn stop(voiced: bool, formants: [f64; 3], centre: f64, bandwidth: f64, level: f64) -> Phone {
    let closure = if voiced { 0.06 } else { 0.07 };
    Phone { manner: Manner::Stop, duration: closure, ..fricative(voiced, formants, centre, bandwidth, level) }
}

fn affricate(voiced: bool, level: f64) -> Phone {
    let palatal = fricative(voiced, [300.0, 2050.0, 3000.0], 4000.0, 1500.0, level);
    Phone { manner: Manner::Affricate, duration: 0.055, ..palatal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    #[test]
    fn every_word_has_one_vowel_and_no_unknown_phone() {
        for word in words::words(words::WORD_COUNT) {
            let transcription = words::transcription(word).unwrap();
            let phones: Vec<Phone> = transcription.split(' ').map(|symbol| phone(symbol).unwrap()).collect();
            let vowels = phones.iter().filter(|phone| phone.manner == Manner::Vowel).count();
            assert_eq!(vowels, 1, "{word}: {transcription}");
        }
    }
}
