//! Any file as a recording: an error or finite samples, in bounded time and memory.
#![no_main]

use std::cell::RefCell;
use std::error::Error;

use libfuzzer_sys::fuzz_target;
use ser_audio::{Limits, decode};
use ser_fuzz::{memory, wrap};

thread_local! {
    static BUFFERS: RefCell<(Vec<u8>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

fuzz_target!(init: ser_fuzz::start("audio"), |data: &[u8]| {
    let limits =
        Limits { max_bytes: 1 << 20, max_duration_s: 2.0, min_duration_s: 0.0, ..Limits::default() };
    BUFFERS.with_borrow_mut(|(bytes, mono)| {
        bytes.clear();
        bytes.extend_from_slice(data);
        wrap::fix_ogg_checksums(bytes);
        // Two seconds at the highest rate are 6 MiB of samples, which a growing vector holds three times.
        let outcome = memory::bounded(64 * bytes.len() + (32 << 20), || decode(bytes, &limits, mono));
        match outcome {
            Ok(recording) => {
                assert!(mono.len() as u64 == recording.samples && recording.samples > 0);
                assert!(mono.iter().all(|sample| sample.is_finite()));
            }
            // A panic in a third-party decoder costs a file and no more. In our code it is a bug.
            Err(error) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                let ours = cause.contains("ser-audio/") && !cause.contains("symphonia");
                assert!(!ours || !cause.contains("panicked"), "{cause}");
            }
        }
        mono.clear();
        mono.shrink_to(1 << 16);
    });
});
