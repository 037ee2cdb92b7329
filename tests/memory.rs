//! Memory that a hostile file can make a reader take: in proportion to the file, whatever sizes it claims.
//!
//! Every allocation of this process is counted, and so one that is never touched counts too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests may stop")]

mod common;

use std::alloc::{GlobalAlloc, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use ser_audio::{Container, Limits, decode};
use ser_cache::{Index, Sha};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_prepare::prepare;

use common::{options, plain_corpus};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grow(bytes: usize) {
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is forwarded to the system's allocator; only sizes are recorded.
#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: std::alloc::Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: std::alloc::Layout, size: usize) -> *mut u8 {
        // Both places may be there for a moment.
        grow(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work` alone and says how much more memory it had at its peak than before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let done = work();
    (done, PEAK.load(Relaxed).saturating_sub(before))
}

/// Two seconds at the highest rate are 6 MiB of samples, of which a growing vector holds up to three copies.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_duration_s: 2.0,
    min_duration_s: 0.0,
    max_decoding_s: 10.0,
    max_samples: u64::MAX,
};

fn decode_within_bounds(bytes: &[u8], what: &str) -> ser_core::Result<()> {
    let (outcome, peak) = peak_of(|| decode(bytes, &LIMITS, &mut Vec::new()).map(drop));
    let bound = 64 * bytes.len() + (32 << 20);
    assert!(peak <= bound, "{what}: {} bytes made {peak} of memory, more than {bound}", bytes.len());
    outcome
}

#[test]
fn no_size_in_a_recording_decides_how_much_memory_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio");
    let mut tried = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let original = fs::read(&path).unwrap();
        let Ok(container) = Container::of(&original) else { continue };
        let end = original.len().min(1_500);
        // Everything in the first 120 bytes, then samples; MP4 has its tables at the end as well.
        let mut places: Vec<usize> = (4..end.min(120)).chain((120..end).step_by(23)).collect();
        if container == Container::Mp4 {
            places.extend((original.len() - 700..original.len() - 4).step_by(3));
        }
        for at in places {
            for claim in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0]] {
                let mut bytes = original.clone();
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&claim);
                    let _ = decode_within_bounds(&bytes, &format!("{} at {at}", path.display()));
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} recordings with sizes that are not theirs");
}

#[test]
fn codebooks_that_expand_to_gigabytes_are_refused() {
    let original =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/chirp.ogg")).unwrap();
    let identification = &original[28..58];
    assert!(identification.starts_with(b"\x01vorbis"));
    // 256 codebooks of 131,072 vectors of 16 values: 24 bytes each here, 8 MB each in a decoder.
    let mut setup = Bits::default();
    setup.push(255, 8);
    for _ in 0..256 {
        setup.push(0x56_43_42, 24);
        setup.push(16, 16);
        setup.push(131_072, 24);
        setup.push(1, 1); // in the order of their lengths:
        setup.push(16, 5); // from 17 bits on,
        setup.push(131_072, 18); // all of them
        setup.push(1, 4); // a lattice of two values
        setup.push(0, 64);
        setup.push(0, 4);
        setup.push(0, 1);
        setup.push(0, 2);
    }
    let setup = [b"\x05vorbis".as_slice(), &setup.bytes, &[0; 64]].concat();
    let comment = [b"\x03vorbis".as_slice(), &[0; 8], &[1]].concat();
    let packets: [&[u8]; 4] = [identification, &comment, &setup, &[0; 40]];
    let pages: Vec<u8> = (0..).zip(packets).flat_map(|(number, packet)| ogg_page(number, packet)).collect();
    let error = decode_within_bounds(&pages, "Vorbis").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}: {:?}", std::error::Error::source(&error));
    assert!(error.to_string().contains("codebooks"), "{error}");
}

#[test]
fn a_caf_of_tens_of_thousands_of_channels_is_refused() {
    let mut bytes =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/chirp.caf")).unwrap();
    let at = bytes.windows(4).position(|window| window == b"desc").unwrap() + 12;
    for channels in [65u32, 4_096, 65_535, u32::MAX] {
        // Rate (8), format, flags, bytes per packet, frames per packet, channels, bits.
        bytes[at + 16..at + 20].copy_from_slice(&channels.wrapping_mul(2).to_be_bytes());
        bytes[at + 24..at + 28].copy_from_slice(&channels.to_be_bytes());
        assert!(decode_within_bounds(&bytes, &format!("{channels} channels")).is_err());
    }
}

#[test]
fn no_length_in_an_index_decides_how_much_memory_is_taken() {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plain_corpus(data.path(), &["calm", "loud"], 4);
    prepare(&options(data.path(), out.path()), &Storage::native(), &Silent).unwrap();
    let index = fs::read(out.path().join("index.bin")).unwrap();
    let payload = &index[52..];
    for at in 0..payload.len() {
        // Lengths of 500 MB, 30 MB and 60 kB in bincode's notation, and a right checksum.
        for length in [&[252, 0, 0, 0, 30][..], &[252, 0, 0, 200, 1], &[251, 96, 234]] {
            let claims = [&payload[..at], length, &payload[at..]].concat();
            let file = [
                b"SERINDEX".as_slice(),
                &1u32.to_le_bytes(),
                &(claims.len() as u64).to_le_bytes(),
                &Sha::of(&[&claims]).0,
                &claims,
            ]
            .concat();
            let (_, peak) = peak_of(|| Index::decode(&file).is_ok());
            assert!(peak <= 64 * file.len() + (8 << 20), "byte {at}: {} bytes made {peak}", file.len());
        }
    }
}

/// Bits with the least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, value: u64, count: usize) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }
}

/// A page with one packet, after RFC 3533.
fn ogg_page(number: u32, packet: &[u8]) -> Vec<u8> {
    let flags = match number {
        0 => 2,
        3 => 4,
        _ => 0,
    };
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(if number == 3 { 64u64 } else { 0 }.to_le_bytes());
    page.extend(1u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    let mut segments = vec![255; packet.len() / 255];
    segments.push((packet.len() % 255) as u8);
    page.push(segments.len() as u8);
    page.extend(segments);
    page.extend(packet);
    let crc = page.iter().fold(0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}
