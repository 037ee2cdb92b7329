//! What can be wrong with a part of a cache.

use serde::Serialize;

use crate::TensorKey;

/// Something that has changed since it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What sort of thing it is.
    pub kind: DamageKind,
    /// Which, relative to the cache.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
    /// Of a shard, the rows that are damaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<DamagedRow>,
}

/// Kinds of things that can be damaged; they are repaired in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DamageKind {
    /// The index, or what it says about an intact shard.
    Index,
    /// A shard.
    Shard,
    /// A split manifest.
    Manifest,
    /// The link `splits`.
    Splits,
    /// What was measured for an audit.
    Audit,
}

/// A row of a shard that has changed since it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedRow {
    /// Its position in the shard.
    pub row: usize,
    /// Its identity; `None` where neither the index nor the shard says.
    pub key: Option<TensorKey>,
    /// The recordings it was computed from, relative to the corpus.
    pub sources: Vec<String>,
}

/// What looking at a part of the cache found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) damage: Vec<Damage>,
}

impl Findings {
    /// Adds damage of a manifest.
    pub(super) fn damage(&mut self, path: &str, what: String) {
        let path = path.to_owned();
        self.damage.push(Damage { kind: DamageKind::Manifest, path, what, rows: Vec::new() });
    }
}
