//! Ogg: whether every page is there and intact, up to the one that is marked as the last.
//!
//! Page layout: RFC 3533, section 6. A demuxer skips a page with a wrong checksum and continues; a recording
//! with such a gap is not valid.

use ser_core::{Error, ErrorKind, Result};
use symphonia::core::checksum::Crc32;
use symphonia::core::io::Monitor;

use crate::pcm::take;
use crate::refusal::COPY_AGAIN;

const PAGE_HEADER: usize = 27;
const FIRST_PAGE: u8 = 2;
const LAST_PAGE: u8 = 4;

struct Stream {
    serial: u32,
    next_page: u32,
    ended: bool,
}

/// Checks all the pages of an Ogg file.
///
/// # Errors
/// `Damaged` for pages that are missing, cut or altered; `Unsupported` for several recordings in one file and
/// for codecs that are known but not decoded here.
pub(super) fn check_pages(bytes: &[u8]) -> Result<()> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut rest = bytes;
    let mut in_header = true;
    while !rest.is_empty() {
        let page = page(rest)?;
        rest = rest.get(page.bytes.len()..).unwrap_or_default();
        let known = streams.iter_mut().find(|stream| stream.serial == page.serial);
        if page.flags & FIRST_PAGE != 0 {
            if known.is_some() || !in_header || streams.len() > 16 {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "holds several recordings, one after another",
                )
                .help("split it into separate files"));
            }
            refuse_codec(page.body)?;
            let (next_page, ended) = (page.number.wrapping_add(1), page.flags & LAST_PAGE != 0);
            streams.push(Stream { serial: page.serial, next_page, ended });
            continue;
        }
        in_header = false;
        match known {
            Some(stream) if stream.next_page == page.number && !stream.ended => {
                stream.next_page = page.number.wrapping_add(1);
                stream.ended = page.flags & LAST_PAGE != 0;
            }
            _ => return Err(damaged("lacks pages in the middle")),
        }
    }
    if streams.iter().all(|stream| stream.ended) {
        Ok(())
    } else {
        Err(damaged("is cut short: its last page is not marked as the last one"))
    }
}

struct Page<'a> {
    bytes: &'a [u8],
    body: &'a [u8],
    flags: u8,
    serial: u32,
    number: u32,
}

/// The page that `bytes` begin with.
fn page(bytes: &[u8]) -> Result<Page<'_>> {
    let cut = || damaged("is cut short inside a page");
    let header = take::<PAGE_HEADER>(bytes, 0).ok_or_else(cut)?;
    let [b'O', b'g', b'g', b'S', 0, flags, .., n_segments] = header else {
        return Err(damaged("is corrupt: something else is where a page should begin"));
    };
    let segments = bytes.get(PAGE_HEADER..PAGE_HEADER + usize::from(n_segments)).ok_or_else(cut)?;
    let start = PAGE_HEADER + segments.len();
    let end = start + segments.iter().map(|&size| usize::from(size)).sum::<usize>();
    let (page, body) = bytes.get(..end).zip(bytes.get(start..end)).ok_or_else(cut)?;

    // The checksum is computed with its own field set to zero.
    let mut checksum = Crc32::new(0);
    let (before, after) = (page.get(..22), page.get(26..));
    checksum.process_buf_bytes(before.unwrap_or_default());
    checksum.process_buf_bytes(&[0; 4]);
    checksum.process_buf_bytes(after.unwrap_or_default());
    if take(page, 22).map(u32::from_le_bytes) != Some(checksum.crc()) {
        return Err(damaged("is corrupt: the checksum of a page does not match"));
    }
    let field = |at| take(page, at).map_or(0, u32::from_le_bytes);
    Ok(Page { bytes: page, body, flags, serial: field(14), number: field(18) })
}

fn refuse_codec(first_packet: &[u8]) -> Result<()> {
    let known: [(&[u8], &str); 2] = [(b"Speex   ", "Speex"), (b"\x80theora", "video")];
    match known.iter().find(|(magic, _)| first_packet.starts_with(magic)) {
        Some((_, name)) => Err(Error::new(ErrorKind::Unsupported, format!("is an Ogg with {name} inside"))
            .help("convert it to WAV or FLAC")),
        None => Ok(()),
    }
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Damaged, what).help(COPY_AGAIN)
}
