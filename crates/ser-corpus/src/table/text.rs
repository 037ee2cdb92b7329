//! The bytes of a table to text, whatever program saved it.

use std::borrow::Cow;

/// Decodes UTF-8 or UTF-16, the latter by its byte order mark.
///
/// # Errors
/// Naming the encoding where it is another: which one of the many with one byte a character cannot be told.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest).map(Cow::Borrowed),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        // In UTF-16 every other byte of most names is zero.
        _ if looks_like_utf16(bytes.get(..64).unwrap_or(bytes)) => {
            Err("is UTF-16 without a byte order mark, or not text; save it as UTF-8".to_owned())
        }
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

fn looks_like_utf16(beginning: &[u8]) -> bool {
    4 * beginning.iter().filter(|&&byte| byte == 0).count() > beginning.len()
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        format!("is not UTF-8 (byte {byte:#04x} in line {line}), but perhaps Latin-1 or Windows-1252; save it as UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err("begins like UTF-16 but is damaged; save it as UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_is_read_and_other_encodings_are_named() {
        let utf16 =
            |unit: fn(u16) -> [u8; 2]| "\u{feff}müde,说".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for bytes in [
            "müde,说".as_bytes().to_vec(),
            "\u{feff}müde,说".as_bytes().to_vec(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).unwrap(), "müde,说");
        }
        let latin1 = decode(b"path,label\na.wav,m\xfcde\n").unwrap_err();
        assert!(latin1.contains("byte 0xfc in line 2") && latin1.contains("Latin-1"), "{latin1}");
        assert!(decode(b"p\0a\0t\0h\0").unwrap_err().contains("UTF-16"));
        assert!(decode(b"\xff\xfea").is_err());
        assert_eq!(decode(b"").unwrap(), "");
    }
}
