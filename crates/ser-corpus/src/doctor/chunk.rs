//! Which chunks a RIFF WAVE file has besides its samples and their description.

/// A chunk's name, four letters.
pub(super) type ChunkName = [u8; 4];

/// A file has a handful; beyond this the rest is ignored.
const MOST: usize = 32;

/// The chunks of a WAV file other than `fmt ` and `data`, each name once, in order. A file that is not a WAV has none.
pub(super) fn other_chunks(bytes: &[u8]) -> Vec<ChunkName> {
    let mut names = Vec::new();
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return names;
    }
    let mut rest = bytes.get(12..).unwrap_or_default();
    for _ in 0..MOST {
        let Some((header, body)) = rest.split_first_chunk::<8>() else { break };
        let [a, b, c, d, size @ ..] = *header;
        let name = [a, b, c, d];
        if !name.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            break; // what follows the last chunk is not one
        }
        if !matches!(&name, b"fmt " | b"data") && !names.contains(&name) {
            names.push(name);
        }
        let size = u32::from_le_bytes(size) as usize;
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&name[..], &(body.len() as u32).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
    }

    #[test]
    fn chunks_before_and_after_the_samples_are_named_once() {
        let chunks = [
            chunk(b"bext", b"x"),
            chunk(b"fmt ", &[0; 16]),
            chunk(b"data", &[0; 7]),
            chunk(b"LIST", b"INFO"),
            chunk(b"LIST", b"adtl"),
        ];
        let file = [&b"RIFF\0\0\0\0WAVE"[..], &chunks.concat()].concat();
        assert_eq!(other_chunks(&file), [*b"bext", *b"LIST"]);
        for length in 0..file.len() {
            other_chunks(&file[..length]);
        }
    }

    #[test]
    fn sizes_that_lead_nowhere_end_the_search() {
        let file = [&b"RIFF\0\0\0\0WAVE"[..], b"junk\xff\xff\xff\xff", b"abc"].concat();
        assert_eq!(other_chunks(&file), [*b"junk"]);
        assert!(other_chunks(b"FORM\0\0\0\0AIFF").is_empty());
    }
}
