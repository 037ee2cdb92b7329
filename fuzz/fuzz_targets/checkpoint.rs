//! Any file as a checkpoint: an error, or a tree of values that is written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_model::checkpoint::{Checkpoint, read_bytes, to_bytes};
use ser_fuzz::{memory, wrap};

fuzz_target!(init: ser_fuzz::start("checkpoint"), |data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    let storage = [1; 256];
    let file = match mode % 4 {
        0 => data.to_vec(),
        // The pickle alone, in an archive that is right.
        storages => {
            let names = ["data/0", "data/1", "data/2"];
            let storages = names.iter().take(usize::from(storages) - 1).map(|name| (*name, &storage[..]));
            wrap::archive(&[("data.pkl", data)].into_iter().chain(storages).collect::<Vec<_>>())
        }
    };
    // As `read` documents it: four times the file and 64 MiB of values, and what holds them.
    memory::bounded(64 * file.len() + (192 << 20), || {
        if let Ok(value) = read_bytes(&file) {
            if let Ok(again) = to_bytes(&value) {
                let read = read_bytes(&again).expect("what ser writes it reads");
                assert!(to_bytes(&read).expect("what ser reads it writes") == again);
            }
            if let Ok(checkpoint) = Checkpoint::from_bytes(&file) {
                let again = checkpoint.to_bytes().expect("what ser reads it writes");
                Checkpoint::from_bytes(&again).expect("what ser writes it reads");
            }
        }
    });
});
