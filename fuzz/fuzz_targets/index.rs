//! Any file as an index, and any payload with a valid checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_cache::Index;
use ser_fuzz::{memory, wrap};

fuzz_target!(init: ser_fuzz::start("index"), |data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    let file = if mode % 2 == 0 { data.to_vec() } else { wrap::index(data) };
    memory::bounded(64 * file.len() + (8 << 20), || {
        let Ok(index) = Index::decode(&file) else { return };
        for set in &index.feature_sets {
            let by_key = set.by_key();
            for entry in &set.entries {
                assert!(by_key.get(&entry.row.key) == Some(entry));
                assert!((entry.shard as usize) < set.shards.len());
            }
        }
    });
});
