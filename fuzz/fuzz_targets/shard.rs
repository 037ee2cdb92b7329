//! Any file as a shard, and any header before data of any length with a matching name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_cache::{Checksum, Shard, ShardLayout};
use ser_features::ValueType;
use ser_fuzz::{memory, seeds, wrap};

fuzz_target!(init: ser_fuzz::start("shard"), |data: &[u8]| {
    thread_local! {
        static FOLDER: tempfile::TempDir = ser_fuzz::scratch_folder();
        static LAYOUT: ShardLayout = {
            let features = seeds::small_features();
            ShardLayout {
                shape: features.shape(),
                dtype: features.value_type(),
                configuration: features.to_canonical_json(),
            }
        };
    }
    let file = match data {
        [mode, low, high, header @ ..] if mode % 2 == 1 => {
            wrap::shard(header, 4 * usize::from(u16::from_le_bytes([*low, *high])))
        }
        [_, file @ ..] => file.to_vec(),
        [] => return,
    };
    let path = FOLDER.with(|folder| folder.path().join(format!("{}.safetensors", wrap::sha(&file))));
    std::fs::write(&path, &file).expect("the folder can be written to");
    memory::bounded(64 * data.len() + (8 << 20), || {
        let shard = LAYOUT.with(|layout| Shard::open(&path, layout));
        if let Ok(shard) = shard {
            let rows = shard.rows();
            // What it holds lies in the file.
            assert!(rows <= file.len());
            for row in [0, rows / 2, rows.saturating_sub(1), rows, usize::MAX] {
                let held = shard.features(row, 1).is_ok();
                assert!(held == (row < rows) && held == shard.frames(row).is_ok());
                let _ = shard.check(row, 1, &Checksum::of_row(&[], ValueType::F32, 0));
            }
            assert!(shard.features(0, rows).is_ok());
            let _ = shard.verified_rows();
        }
    });
    std::fs::remove_file(&path).expect("the folder can be written to");
});
