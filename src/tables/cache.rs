//! What `ser-cache` prints for people; each function has one of its results as a text of whole lines.

use std::collections::BTreeSet;
use std::fmt::Write;

use ser_cache::collect::{Collected, Garbage};
use ser_cache::difference::{ChangedUtterance, FeatureSetDifference, FieldChange};
use ser_cache::export::Exported;
use ser_cache::listing::Listing;
use ser_cache::transfer::Transfer;
use ser_cache::usage::Usage;
use ser_cache::verify::Verification;
use ser_core::text::bytes;
use ser_corpus::split::Side;
use ser_prepare::repair::{NotRepaired, Repair, Repaired};

/// The feature sets of a cache; with `long`, with all fields of their configurations.
pub fn listing(listing: &Listing, long: bool) -> String {
    let mut text = String::new();
    for set in &listing.feature_sets {
        let [channels, rows, frames] = set.shape;
        let _ = write!(text, "{}  {channels} × {rows} × {frames}", set.id);
        let _ = write!(text, "  {} tensors in {} shards, {}", set.entries, set.shards, bytes(set.bytes));
        if let Some(written) = &set.written {
            let _ = write!(text, ", written {written}");
        }
        let _ = writeln!(text, "{}", if set.newest { "  (newest)" } else { "" });
        let configuration = match (long, &set.configuration) {
            (true, serde_json::Value::Object(fields)) => {
                fields.iter().map(|(name, value)| format!("{name}: {value}")).collect()
            }
            _ => set.not_default.clone(),
        };
        let _ = match configuration.is_empty() {
            true => writeln!(text, "  configuration: the default"),
            false => writeln!(text, "  configuration: {}", configuration.join(", ")),
        };
        if let Some(copies) = &set.augmentation {
            let _ = writeln!(text, "  augmentation: {copies}");
        }
        for (protocol, counts) in &set.splits {
            let count = |part: Side| counts.get(&part).copied().unwrap_or(0);
            let [train, val, test] = Side::ALL.map(count);
            let _ = writeln!(text, "  {protocol:<18} {train:>7} train {val:>7} val {test:>7} test");
        }
    }
    if listing.feature_sets.is_empty() {
        let _ = writeln!(text, "no feature set");
    }
    for line in &listing.unreadable {
        let _ = writeln!(text, "damaged: {line}");
    }
    text
}

/// What reading a whole cache found.
pub fn verification(found: &Verification) -> String {
    let mut text = String::new();
    for damage in &found.damage {
        let _ = writeln!(text, "{}: {}", damage.path, damage.what);
        for row in &damage.rows {
            let sources = match row.sources.is_empty() {
                true => "its recording is not known".to_owned(),
                false => row.sources.join(", "),
            };
            let _ = writeln!(text, "  row {}: {sources}", row.row);
        }
    }
    for note in &found.notes {
        let _ = writeln!(text, "note: {}: {}", note.path, note.what);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let Verification { feature_sets, shards, rows, manifests, seconds, .. } = found;
    let _ = writeln!(
        text,
        "{feature_sets} feature sets, {rows} tensors in {shards} shards, {manifests} files of manifests: {} in {seconds:.2} s ({}/s)",
        bytes(found.bytes),
        bytes((found.bytes as f64 / seconds.max(1e-9)) as u64),
    );
    let _ = match found.damage.len() {
        0 => writeln!(text, "everything is as it was written"),
        count => writeln!(text, "damaged: {count}"),
    };
    text
}

/// What a repair found and did.
pub fn repair(repair: &Repair) -> String {
    let mut text = verification(&repair.verification);
    if !repair.repaired.is_empty() || !repair.left.is_empty() {
        text.push('\n');
    }
    for Repaired { path, kept, recomputed } in &repair.repaired {
        let _ = match kept + recomputed {
            0 => writeln!(text, "repaired {path}"),
            rows => {
                writeln!(text, "repaired {path}: {recomputed} of {rows} rows recomputed, the others kept")
            }
        };
    }
    for NotRepaired { path, why, .. } in &repair.left {
        let _ = writeln!(text, "not repaired {path}: {why}");
    }
    let remedies: BTreeSet<&str> = repair.left.iter().map(|left| left.help.as_str()).collect();
    for help in remedies {
        let _ = writeln!(text, "to repair the rest: {help}");
    }
    text
}

/// What takes how many bytes.
pub fn usage(usage: &Usage) -> String {
    let mut text = String::new();
    let mut line = |size: u64, what: &str| {
        let _ = writeln!(text, "{:>12}  {what}", bytes(size));
    };
    for set in &usage.feature_sets {
        line(set.shard_bytes, &format!("{} shards of feature set {}", set.shards, set.id));
        line(set.manifest_bytes, &format!("manifests of feature set {}", set.id));
    }
    line(usage.index, "index");
    line(usage.audits, "audits");
    line(usage.records, "report and lock");
    for (size, what) in [
        (usage.splits, "splits, a folder instead of a link"),
        (usage.unnamed_shards, "shards that no feature set names"),
        (usage.old_manifests, "old generations of manifests"),
        (usage.scratch, "scratch files"),
        (usage.set_aside, "damaged files that were set aside"),
        (usage.foreign, "other files"),
    ] {
        if size > 0 {
            line(size, what);
        }
    }
    line(usage.total, "in all");
    line(usage.garbage, "of it would be freed by: ser-cache gc");
    text
}

/// What was removed, or would be.
pub fn collected(collected: &Collected) -> String {
    let mut text = String::new();
    let (dropped, removed) = match collected.dry_run {
        true => ("would drop", "would remove"),
        false => ("dropped", "removed"),
    };
    for id in &collected.dropped {
        let _ = writeln!(text, "{dropped} feature set {id}");
    }
    for Garbage { path, what, bytes: size } in &collected.removed {
        let _ = writeln!(text, "{removed} {path}: {what}, {}", bytes(*size));
    }
    let _ = match collected.removed.is_empty() {
        true => writeln!(text, "nothing to remove"),
        false => writeln!(text, "{removed} {} in all", bytes(collected.bytes)),
    };
    text
}

/// The files that an export wrote.
pub fn exported(exported: &Exported) -> String {
    let files: String = exported.files.iter().map(|file| format!("{}\n", file.display())).collect();
    format!("{files}{} utterances of feature set {}\n", exported.utterances, exported.feature_set)
}

/// How two caches differ, marked as by `diff`: `-` only in the first, `+` only in the second, `!` changed.
pub fn difference(difference: &FeatureSetDifference) -> String {
    let mut text = String::new();
    for FieldChange { field, a, b } in &difference.configuration {
        let _ = writeln!(text, "configuration: {field}: {a} → {b}");
    }
    if difference.extractor_differs {
        let _ = writeln!(text, "extractor: another version");
    }
    for protocol in &difference.protocols {
        let _ = writeln!(text, "split {protocol}: only in one");
    }
    for path in &difference.removed {
        let _ = writeln!(text, "- {path}");
    }
    for path in &difference.added {
        let _ = writeln!(text, "+ {path}");
    }
    for ChangedUtterance { path, why } in &difference.changed {
        let why: Vec<String> = why.iter().map(change).collect();
        let _ = writeln!(text, "! {path}: {}", why.join(", "));
    }
    let [a, b] = &difference.feature_sets;
    let _ = writeln!(
        text,
        "feature sets {a} and {b}: {} removed, {} added, {} changed, {} the same",
        difference.removed.len(),
        difference.added.len(),
        difference.changed.len(),
        difference.same
    );
    text
}

/// A change of a field; of digests only their beginnings.
fn change(FieldChange { field, a, b }: &FieldChange) -> String {
    let short = |value: &str| value.chars().take(12).collect::<String>();
    match field.as_str() {
        "content" | "sound" | "tensor" => format!("{field} differs ({} → {})", short(a), short(b)),
        field => format!("{field} {a} → {b}"),
    }
}

/// What a copy to or from an object store did; `target` is where to.
pub fn transfer(done: &Transfer, target: &str) -> String {
    let Transfer { feature_sets, copied, already_there, seconds, .. } = done;
    format!(
        "{target}: {feature_sets} feature sets; {copied} files copied ({}), {already_there} were there, {seconds:.1} s\n",
        bytes(done.bytes)
    )
}
