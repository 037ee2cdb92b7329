//! All utterances as a table.

use std::path::Path;

use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_corpus::Protocol;

use crate::export::Exported;
use crate::{Cache, FeatureSet};

/// Writes a line for each utterance into the CSV file at `path`, sorted by path: the fields of its manifest, and in a
/// column `side_<protocol>` for each of `protocols` the side it is on. Tensors are not read.
///
/// # Errors
/// When the cache has no such split, its manifests are damaged, or writing fails.
pub fn export_csv(
    cache: &Cache,
    set: &FeatureSet,
    protocols: &[Protocol],
    path: &Path,
    storage: &Storage,
) -> Result<Exported> {
    let placed = cache.utterance_sides(set, protocols)?;
    let broken = |error: ::csv::Error| Error::new(ErrorKind::Io, error.to_string()).at(path);
    let seconds = |time: Option<f64>| time.map(|seconds| seconds.to_string()).unwrap_or_default();
    storage.replace_file_with(path, |sink| {
        let mut line = |fields: &[String]| {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(fields).map_err(broken)?;
            sink(&writer.into_inner().map_err(|error| broken(error.into_error().into()))?)
        };
        let columns = [
            "key",
            "path",
            "label",
            "speaker",
            "word",
            "sample_rate",
            "duration_s",
            "frames",
            "shard",
            "row",
            "session",
            "start_s",
            "end_s",
            "parent",
            "corpus",
        ];
        let sides = protocols.iter().map(|protocol| format!("side_{protocol}"));
        line(&columns.iter().map(ToString::to_string).chain(sides).collect::<Vec<_>>())?;
        for (utterance, sides) in placed.values() {
            let fields = [
                utterance.key.to_string(),
                utterance.path.clone(),
                utterance.label.clone(),
                utterance.speaker.clone().unwrap_or_default(),
                utterance.word.clone().unwrap_or_default(),
                utterance.sample_rate.to_string(),
                utterance.duration_s.to_string(),
                utterance.frames.to_string(),
                utterance.shard.clone(),
                utterance.row.to_string(),
                utterance.session.clone().unwrap_or_default(),
                seconds(utterance.start_s),
                seconds(utterance.end_s),
                utterance.parent.clone().unwrap_or_default(),
                utterance.corpus.clone().unwrap_or_default(),
            ];
            let side = |protocol: &Protocol| sides.get(protocol).map(ToString::to_string).unwrap_or_default();
            line(&fields.into_iter().chain(protocols.iter().map(side)).collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    let utterances = placed.len();
    Ok(Exported { feature_set: set.id.clone(), files: vec![path.to_owned()], utterances })
}
