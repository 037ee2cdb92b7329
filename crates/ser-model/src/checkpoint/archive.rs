//! The zip archive a PyTorch file is: entries stored as they are, their data aligned to 64 bytes.
//!
//! ```text
//! ┌ local header, 30 bytes │ name │ padding field ┐ 64-byte boundary ┌ data ┐ [data descriptor]   … for each entry
//! ┌ central header, 46 bytes │ name ┐                                            … for each entry, in the same order
//! [zip64 end record and locator, 76 bytes] ┌ end record, 22 bytes ┐
//! ```
//!
//! Both directions are written here instead of taken from the `zip` crate. A general reader forgives what hides
//! content: bytes before the first entry or between entries, entries that overlap, local headers that contradict
//! the directory. Here the entries must tile the file from its first byte to the directory, and the directory must
//! reach to its end, so that every byte has one meaning. And [`read`] checks a file of ours byte for byte against
//! what [`encode`] makes of its entries, which needs an encoding that no release of a dependency can alter.

use std::collections::HashSet;

use ser_core::{Error, ErrorKind, Result};

use crate::checkpoint::cursor::Cursor;

/// Entries an archive without zip64 can count.
const MAX_ENTRIES: usize = 65_535;
const DATA_ALIGNMENT: usize = 64;

const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const DESCRIPTOR_SIGNATURE: [u8; 4] = *b"PK\x07\x08";
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const ZIP64_END_SIGNATURE: [u8; 4] = *b"PK\x06\x06";
const ZIP64_LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";

const LOCAL_BYTES: usize = 30;
const END_BYTES: usize = 22;
const ZIP64_END_BYTES: usize = 56;
const ZIP64_BYTES: usize = ZIP64_END_BYTES + 20;

/// The extra field PyTorch pads with, and so do we.
const PADDING_FIELD: [u8; 2] = *b"FB";
/// The folder inside the archive, named as PyTorch does where there is no file name.
const FOLDER: &str = "archive/";
/// 1980-01-01 in the DOS format: files do not record when they were written, so that equal contents are equal bytes.
const DOS_DATE: u16 = 0x0021;

const FLAG_ENCRYPTED: u16 = 1;
/// Sizes and CRC follow the data: so PyTorch writes every entry that is not empty, and we write none.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;
const METHOD_STORED: u16 = 0;

/// An entry's name below the archive's folder, and its data.
pub(super) type ArchiveEntry<'a> = (&'a str, &'a [u8]);

/// Reads an archive: every entry's name and data, in the order of the file.
pub(super) fn read(file: &[u8]) -> Result<Vec<ArchiveEntry<'_>>> {
    refuse_other_formats(file)?;
    let directory = find_directory(file)?;
    let (mut entries, mut names) = (Vec::new(), HashSet::new());
    let mut locals = Cursor::new(directory.entries, "its archive");
    let mut headers = Cursor::new(directory.headers, "the directory of its archive");
    let (mut folder, mut has_descriptors) = (None, false);
    for _ in 0..directory.count {
        let header = read_central_header(&mut headers)?;
        let data = read_local_entry(&mut locals, &header)?;
        let slash =
            header.name.find('/').ok_or_else(|| damaged("holds an entry outside the archive's folder"))?;
        let (entry_folder, name) = header.name.split_at(slash.saturating_add(1));
        if *folder.get_or_insert(entry_folder) != entry_folder {
            return Err(damaged("holds entries in two folders"));
        }
        if !names.insert(name) {
            return Err(damaged(format!("holds two entries named {}", shown(name))));
        }
        has_descriptors |= header.flags & FLAG_DESCRIPTOR != 0;
        entries.push((name, data));
    }
    if !locals.is_empty() || !headers.is_empty() {
        return Err(damaged("holds bytes that belong to no entry"));
    }
    if !has_descriptors {
        check_encoding(file, &entries)?;
    }
    Ok(entries)
}

/// Writes an archive of `entries` to `sink`, piece by piece. Equal entries give equal bytes.
pub(super) fn encode(entries: &[ArchiveEntry<'_>], mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    if entries.len() >= MAX_ENTRIES {
        return Err(too_large(format!("{} tensors do not fit in one checkpoint", entries.len())));
    }
    let mut directory = Vec::new();
    let mut offset = 0_usize;
    for (name, data) in entries {
        let header_end = offset.saturating_add(LOCAL_BYTES + FOLDER.len() + name.len() + 4);
        let padding = header_end.next_multiple_of(DATA_ALIGNMENT).saturating_sub(header_end);
        let (crc, size) = (crc32fast::hash(data).to_le_bytes(), u32_bytes(data.len())?);
        let name_length = u16_bytes(FOLDER.len().saturating_add(name.len()))?;
        // Version needed 2.0; no flag; stored; time; date; CRC; the size twice.
        let mut shared = vec![20, 0, 0, 0, 0, 0, 0, 0];
        shared.extend_from_slice(&DOS_DATE.to_le_bytes());
        shared.extend_from_slice(&[crc, size, size].concat());
        shared.extend_from_slice(&name_length);

        let mut local = [&LOCAL_SIGNATURE, shared.as_slice()].concat();
        local.extend_from_slice(&u16_bytes(padding.saturating_add(4))?);
        local.extend_from_slice(FOLDER.as_bytes());
        local.extend_from_slice(name.as_bytes());
        local.extend_from_slice(&PADDING_FIELD);
        local.extend_from_slice(&u16_bytes(padding)?);
        local.resize(local.len().saturating_add(padding), 0);
        sink(&local)?;
        sink(data)?;

        directory.extend_from_slice(&CENTRAL_SIGNATURE);
        directory.extend_from_slice(&[20, 0]);
        directory.extend_from_slice(&shared);
        directory.extend_from_slice(&[0; 12]); // no extra field, no comment, first disk, no attributes
        directory.extend_from_slice(&u32_bytes(offset)?);
        directory.extend_from_slice(FOLDER.as_bytes());
        directory.extend_from_slice(name.as_bytes());
        offset = offset.saturating_add(local.len()).saturating_add(data.len());
    }
    let count = u16_bytes(entries.len())?;
    sink(&directory)?;
    sink(&[&END_SIGNATURE, [0; 4].as_slice(), &count, &count].concat())?;
    sink(&[u32_bytes(directory.len())?.as_slice(), &u32_bytes(offset)?, &[0; 2]].concat())
}

/// PyTorch writes a data descriptor after every entry that is not empty; a file without any is one of ours, and
/// then there is exactly one way to write it. The CRCs vouch for the data, this for everything around it, so that
/// no altered byte goes unnoticed.
fn check_encoding(file: &[u8], entries: &[ArchiveEntry<'_>]) -> Result<()> {
    let altered = || damaged("is not as ser writes it: it was altered, or repacked by another program");
    let mut rest = file;
    encode(entries, |piece| {
        rest = rest.strip_prefix(piece).ok_or_else(altered)?;
        Ok(())
    })?;
    if rest.is_empty() { Ok(()) } else { Err(altered()) }
}

fn refuse_other_formats(file: &[u8]) -> Result<()> {
    if file.starts_with(&LOCAL_SIGNATURE) {
        return Ok(());
    }
    let error = match file {
        [] => damaged("is empty"),
        // A pickle of protocol 2 that starts with PyTorch's old magic number, a 10-byte integer.
        [0x80, _, 0x8a, 0x0a, ..] => {
            Error::new(ErrorKind::Unsupported, "is a PyTorch file from before version 1.6")
                .help("load it in PyTorch and save it again with torch.save")
        }
        [0x80, ..] => {
            Error::new(ErrorKind::Unsupported, "is a bare pickle, not a PyTorch file; nothing was executed")
        }
        _ => damaged("does not start as a PyTorch file does"),
    };
    Err(error)
}

/// The file, cut into what the end record says it is.
struct Directory<'a> {
    /// Everything before the central directory.
    entries: &'a [u8],
    /// The central directory.
    headers: &'a [u8],
    count: usize,
}

fn find_directory(file: &[u8]) -> Result<Directory<'_>> {
    let not_the_end =
        || damaged("does not end as a PyTorch file does: it was cut short, or something was appended");
    let end_at = file.len().checked_sub(END_BYTES).ok_or_else(not_the_end)?;
    let (before_end, end) = file.split_at_checked(end_at).ok_or_else(not_the_end)?;
    let mut end = Cursor::new(end, "its end record");
    if end.array()? != END_SIGNATURE {
        return Err(not_the_end());
    }
    let (disks, count_here, count) = (end.u32()?, end.u16()?, end.u16()?);
    let (size, offset, comment_length) = (end.size()?, end.size()?, end.u16()?);
    if disks != 0 || count_here != count || comment_length != 0 {
        return Err(damaged("has an end record that contradicts itself"));
    }
    let contradicted = || damaged("has an end record that does not fit the file");
    let headers_end = offset.checked_add(size).ok_or_else(contradicted)?;
    let (body, zip64) = before_end.split_at_checked(headers_end).ok_or_else(contradicted)?;
    match zip64.len() {
        0 => {}
        ZIP64_BYTES => check_zip64(zip64, u64::from(count), size, offset)?,
        _ => return Err(contradicted()),
    }
    let (entries, headers) = body.split_at_checked(offset).ok_or_else(contradicted)?;
    Ok(Directory { entries, headers, count: usize::from(count) })
}

/// PyTorch always adds zip64 records. In a file of our size they are needless and must repeat the end record.
fn check_zip64(records: &[u8], count: u64, size: usize, offset: usize) -> Result<()> {
    let mut cursor = Cursor::new(records, "its zip64 end record");
    let signature = cursor.array()? == ZIP64_END_SIGNATURE && cursor.u64()? == ZIP64_END_BYTES as u64 - 12;
    let _versions = cursor.u32()?;
    let first_disk = cursor.u64()? == 0;
    let same = [count, count, size as u64, offset as u64]
        == [cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?];
    let locator = cursor.array()? == ZIP64_LOCATOR_SIGNATURE && cursor.u32()? == 0;
    let located = cursor.u64()? == offset as u64 + size as u64 && cursor.u32()? == 1;
    if signature && first_disk && same && locator && located {
        Ok(())
    } else {
        Err(damaged("has a zip64 end record that contradicts its end record"))
    }
}

struct CentralHeader<'a> {
    /// Version needed, flags, method, time and date: what the local header must repeat.
    versions: [u8; 10],
    flags: u16,
    crc: u32,
    size: u32,
    offset: usize,
    name: &'a str,
}

fn read_central_header<'a>(headers: &mut Cursor<'a>) -> Result<CentralHeader<'a>> {
    if headers.array()? != CENTRAL_SIGNATURE {
        return Err(damaged("has a malformed directory"));
    }
    let _made_by = headers.u16()?;
    let versions = headers.array::<10>()?;
    let [_, _, flags_low, flags_high, method_low, method_high, ..] = versions;
    let flags = u16::from_le_bytes([flags_low, flags_high]);
    let method = u16::from_le_bytes([method_low, method_high]);
    let (crc, stored_size, size) = (headers.u32()?, headers.u32()?, headers.u32()?);
    let (name_length, extra_length, comment_length) = (headers.u16()?, headers.u16()?, headers.u16()?);
    let (disk, _attributes, offset) = (headers.u16()?, headers.array::<6>()?, headers.size()?);
    let name = std::str::from_utf8(headers.take(usize::from(name_length))?);
    let name = name.map_err(|_| damaged("has an entry whose name is not UTF-8"))?;

    let unsupported = |what: &str| {
        let what =
            format!("has an entry, {}, that is {what}: torch.save does not write such entries", shown(name));
        Err(Error::new(ErrorKind::Unsupported, what))
    };
    if flags & FLAG_ENCRYPTED != 0 {
        return unsupported("encrypted");
    }
    if method != METHOD_STORED {
        return unsupported(if method == 8 { "deflated" } else { "compressed" });
    }
    if flags & !(FLAG_DESCRIPTOR | FLAG_UTF8) != 0 {
        return unsupported("stored in an unusual way");
    }
    if stored_size != size || extra_length != 0 || comment_length != 0 || disk != 0 {
        return Err(damaged(format!("has a directory that contradicts itself about {}", shown(name))));
    }
    Ok(CentralHeader { versions, flags, crc, size, offset, name })
}

/// Reads the entry that starts where the last one ended, and returns its data.
fn read_local_entry<'a>(locals: &mut Cursor<'a>, header: &CentralHeader<'_>) -> Result<&'a [u8]> {
    let name = shown(header.name);
    let contradicts = || damaged(format!("holds an entry, {name}, that contradicts the archive's directory"));
    if locals.consumed() != header.offset {
        return Err(damaged(format!("has an entry, {name}, that does not start where the last one ends")));
    }
    let deferred = header.flags & FLAG_DESCRIPTOR != 0;
    let sizes = [header.crc, header.size, header.size];
    let expected = if deferred { [0; 3] } else { sizes };
    let same_header = locals.array()? == LOCAL_SIGNATURE && locals.array()? == header.versions;
    let same_sizes = [locals.u32()?, locals.u32()?, locals.u32()?] == expected;
    let (name_length, extra_length) = (usize::from(locals.u16()?), usize::from(locals.u16()?));
    let same_name = locals.take(name_length)? == header.name.as_bytes();
    if !(same_header && same_sizes && same_name) {
        return Err(contradicts());
    }
    match locals.take(extra_length)? {
        [] => {}
        [first, second, low, high, padding @ ..]
            if [*first, *second] == PADDING_FIELD
                && usize::from(u16::from_le_bytes([*low, *high])) == padding.len() => {}
        _ => return Err(damaged(format!("holds an entry, {name}, with an unknown extra field"))),
    }
    let data = locals.take(usize::try_from(header.size).map_err(|_| contradicts())?)?;
    if crc32fast::hash(data) != header.crc {
        return Err(damaged(format!("is altered: the CRC-32 of its entry {name} does not match")));
    }
    if deferred {
        let signature = locals.array()?;
        if signature != DESCRIPTOR_SIGNATURE || [locals.u32()?, locals.u32()?, locals.u32()?] != sizes {
            return Err(contradicts());
        }
    }
    Ok(data)
}

fn u16_bytes(size: usize) -> Result<[u8; 2]> {
    u16::try_from(size).map(u16::to_le_bytes).map_err(|_| too_large("an entry's name or padding is too long"))
}

fn u32_bytes(size: usize) -> Result<[u8; 4]> {
    u32::try_from(size).map(u32::to_le_bytes).map_err(|_| too_large("a checkpoint is larger than 4 GiB"))
}

/// A name from the file, fit to print.
pub(super) fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    if name.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

fn too_large(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Limit, what)
}
