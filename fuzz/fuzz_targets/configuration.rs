//! Any text as a feature configuration: an error, or one that is valid and says the same in its canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_features::FeatureConfig;
use ser_fuzz::memory;

fuzz_target!(init: ser_fuzz::start("configuration"), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    memory::bounded(1024 * text.len() + (8 << 20), || {
        let Ok(config) = FeatureConfig::from_toml(text) else { return };
        if config.validate().is_ok() {
            let [channels, n_mfcc, frames] = config.shape();
            assert!(channels * n_mfcc * frames > 0);
            config.warnings();
            let again: FeatureConfig = serde_json::from_str(&config.to_canonical_json()).expect("its own form");
            assert!(again.to_canonical_json() == config.to_canonical_json());
            assert!(again.differences(&config).is_empty());
        }
    });
});
