//! Valid checksums around arbitrary contents: without them a fuzzer gets no further than the checksum.

use ser_cache::Sha;

/// The name of a shard with these bytes, and of a generation's manifest.
pub fn sha(bytes: &[u8]) -> String {
    Sha::of(&[bytes]).to_string()
}

/// An index with this payload.
pub fn index(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    [b"SERINDEX", &1u32.to_le_bytes()[..], &length, &Sha::of(&[payload]).0, payload].concat()
}

/// A shard with this header and `data` bytes of data.
pub fn shard(header: &[u8], data: usize) -> Vec<u8> {
    let mut header = header.to_vec();
    header.resize((header.len() + 8).next_multiple_of(4096) - 8, b' ');
    let mut bytes = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A PyTorch file as ser writes it, with these entries.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (name, data) in entries {
        let name = format!("archive/{name}");
        let offset = bytes.len() as u32;
        let padding = (64 - (bytes.len() + 30 + name.len() + 4) % 64) % 64;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32fast::hash(data).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend((padding as u16 + 4).to_le_bytes());
        bytes.extend(name.bytes());
        bytes.extend(b"FB");
        bytes.extend((padding as u16).to_le_bytes());
        bytes.resize(bytes.len() + padding, 0);
        bytes.extend(*data);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    let offset = (bytes.len() as u32).to_le_bytes();
    [&bytes, &directory, &b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &offset, &[0; 2]].concat()
}

/// The entries of a PyTorch file that [`archive`] or ser wrote: where the data of each lies.
pub fn archive_data(bytes: &[u8]) -> Option<Vec<(String, std::ops::Range<usize>)>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while bytes.get(at..at + 4)? == b"PK\x03\x04" {
        let number = |from: usize| Some(usize::from(u16::from_le_bytes(bytes.get(from..from + 2)?.try_into().ok()?)));
        let size = u32::from_le_bytes(bytes.get(at + 18..at + 22)?.try_into().ok()?) as usize;
        let name_end = at + 30 + number(at + 26)?;
        let data = name_end + number(at + 28)?;
        let name = std::str::from_utf8(bytes.get(at + 30..name_end)?).ok()?;
        entries.push((name.split_once('/')?.1.to_owned(), data..data + size));
        at = data + size;
    }
    Some(entries)
}

/// Puts the right checksum into every page of an Ogg file, as far as there are pages.
pub fn fix_ogg_checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 27).filter(|header| header.starts_with(b"OggS")) {
        let segments = usize::from(header[26]);
        let Some(sizes) = bytes.get(at + 27..at + 27 + segments) else { return };
        let end = at + 27 + segments + sizes.iter().map(|&size| usize::from(size)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..end) else { return };
        page[22..26].fill(0);
        let crc = ogg_crc(page).to_le_bytes();
        page[22..26].copy_from_slice(&crc);
        at = end;
    }
}

/// RFC 3533, section 6: the polynomial 0x04c11db7, nothing reflected, starting from 0.
fn ogg_crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}
