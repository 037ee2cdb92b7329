//! Maintenance of an existing cache: what the command `ser-cache` does.
//!
//! | module | |
//! |---|---|
//! | [`damage`] | what can be wrong |
//! | [`listing`] | which feature sets there are |
//! | [`verify`] | reads everything and names all damage |
//! | [`repair`] | recomputes what is damaged, byte for byte |
//! | [`usage`] | what takes how many bytes |
//! | [`garbage`] | removes what no index names |
//! | [`export`] | a split as `.npy` files, or all utterances as CSV |
//! | [`difference`] | what two caches do not have in common, and why |

pub mod damage;
pub mod difference;
pub mod export;
pub mod garbage;
pub mod listing;
mod npy;
mod open;
mod remains;
mod sources;
mod survey;
pub mod usage;
pub mod verify;
mod verify_manifests;
mod verify_shard;

pub use remains::SalvagedShard;
pub use sources::Sources;
pub use survey::{Role, SET_ASIDE, no_cache, survey};

/// A number of bytes for people.
fn in_words(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
