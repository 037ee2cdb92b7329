//! Any text as `split.toml` and its three manifests, with valid digests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_cache::StoredSplit;
use ser_fuzz::{memory, wrap};

fuzz_target!(init: ser_fuzz::start("manifest"), |data: &[u8]| {
    thread_local! {
        static FOLDER: tempfile::TempDir = ser_fuzz::scratch_folder();
    }
    let mut sections = data.split(|&byte| byte == 0);
    let mut description = sections.next().unwrap_or_default().to_vec();
    let folder = FOLDER.with(|folder| folder.path().to_owned());
    description.extend(b"\n[manifests]\n");
    for part in ["train", "val", "test"] {
        let lines = sections.next().unwrap_or_default();
        description.extend(format!("{part} = \"{}\"\n", wrap::sha(lines)).bytes());
        std::fs::write(folder.join(format!("{part}.jsonl")), lines).expect("the folder can be written to");
    }
    std::fs::write(folder.join("split.toml"), description).expect("the folder can be written to");
    memory::bounded(1024 * data.len() + (8 << 20), || {
        let Ok(split) = StoredSplit::read(&folder) else { return };
        for utterance in split.sides.values().flatten() {
            // Joined to any folder, it stays inside, for whoever splits at whatever the system splits at.
            let mut components = std::path::Path::new(&utterance.path).components();
            assert!(components.all(|part| matches!(part, std::path::Component::Normal(_))), "{utterance:?}");
            assert!(utterance.shard.starts_with("shards/") && utterance.shard.matches('/').count() == 1);
        }
    });
});
