//! Parquet files with recordings in them, as Hugging Face's `datasets` writes them: a column `audio` with `bytes` and `path`,
//! and others about each recording, of which classes may be numbers that the file's metadata has names for.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Type as PhysicalType;
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, Length, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::record::Field;
use parquet::schema::types::Type;
use ser_audio::Limits;
use ser_core::{Error, ErrorKind, Result, caught};
use serde_json::Value;

use crate::archive::source::Source;
use crate::archive::{Archive, Description, Member, PassedOver};
use crate::check_relative;
use crate::parquet_cell::{TextBudget, cell, check_size};

/// How many rows are read at once.
const ROWS_AT_ONCE: usize = 1024;

/// A file has at most this many rows, and one more for each of so many bytes.
const ROWS_OF_ANY_FILE: u64 = 100_000;
const BYTES_OF_A_ROW: u64 = 16;

/// A Parquet file with recordings.
#[derive(Debug)]
pub(super) struct Parquet {
    metadata: Arc<ParquetMetaData>,
    /// The column with the bytes of recordings.
    sound: usize,
    /// Each row's, in their order.
    members: Vec<Member>,
    passed_over: PassedOver,
}

/// What went wrong, for people; none names the file.
type Said<T> = std::result::Result<T, String>;

fn in_words(error: parquet::errors::ParquetError) -> String {
    error.to_string()
}

fn damaged(what: String) -> Error {
    Error::new(ErrorKind::Damaged, format!("cannot be read as a Parquet file: {what}"))
        .help("copy it again from its source")
}

impl Parquet {
    /// Reads the metadata of `file`, and what its recordings are called. One without recordings has no members.
    ///
    /// # Errors
    /// When it cannot be read, or is no Parquet file.
    pub(super) fn index(file: Source) -> Result<Self> {
        // The reader may panic on hostile bytes.
        caught(|| Self::index_of(file)).unwrap_or_else(Err).map_err(damaged)
    }

    fn index_of(file: Source) -> Said<Self> {
        let size = file.len();
        let copy = file.again().map_err(|error| error.to_string())?;
        let reader = SerializedFileReader::new(copy).map_err(in_words)?;
        let metadata = Arc::new(reader.metadata().clone());
        let column = |name: &str, below: Option<&str>| {
            let wanted: Vec<&str> = std::iter::once(name).chain(below).collect();
            metadata.file_metadata().schema_descr().columns().iter().position(|column| {
                column.path().parts() == wanted
                    && column.physical_type() == PhysicalType::BYTE_ARRAY
                    && column.max_rep_level() == 0
            })
        };
        let fields = metadata.file_metadata().schema().get_fields().iter();
        let of_field =
            |name: &str| column(name, Some("bytes")).map(|sound| (sound, column(name, Some("path"))));
        let Some((sound, path)) = fields.map(|field| field.name()).find_map(of_field) else {
            return Ok(Self { metadata, sound: 0, members: Vec::new(), passed_over: PassedOver::default() });
        };
        check_rows(check_size(&metadata, 1)?, size)?;
        let file = Arc::new(file);
        let mut names = Vec::new();
        let mut budget = TextBudget::default();
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| "a group of rows has less than none")?;
            match path {
                None => names.extend((0..rows).map(|_| None)),
                Some(path) => {
                    let mut column = ColumnOfGroup::open(&file, &metadata, number, path)?;
                    let mut left = rows;
                    while left > 0 {
                        let values = column.read(left.min(ROWS_AT_ONCE))?;
                        left -= values.len();
                        budget.spend(values.iter().flatten().map(ByteArray::len).sum())?;
                        let text = |value: ByteArray| String::from_utf8(value.data().to_vec()).ok();
                        names.extend(values.into_iter().map(|value| value.and_then(text)));
                    }
                }
            }
        }
        let each = size / (names.len() as u64).max(1);
        let members = named(names).into_iter().map(|name| Member { name, size: each }).collect();
        Ok(Self { metadata, sound, members, passed_over: PassedOver::default() })
    }

    fn value(&self, file: Source, position: usize) -> Said<Option<ByteArray>> {
        let mut before = position;
        for (number, group) in self.metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or_default();
            if before < rows {
                let mut column = ColumnOfGroup::open(&Arc::new(file), &self.metadata, number, self.sound)?;
                column.skip(before)?;
                return Ok(column.read(1)?.pop().flatten());
            }
            before -= rows;
        }
        Err("it has fewer rows".to_owned())
    }

    /// The names of classes, by the columns that hold their numbers.
    fn class_names(&self) -> BTreeMap<String, Vec<String>> {
        let pairs = self.metadata.file_metadata().key_value_metadata();
        let text = pairs
            .into_iter()
            .flatten()
            .find(|pair| pair.key == "huggingface")
            .and_then(|pair| pair.value.clone());
        let json: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let features = json["info"]["features"].as_object().into_iter().flatten();
        let with_names =
            features.filter(|(_, feature)| feature["_type"] == "ClassLabel").filter_map(|(name, feature)| {
                let names = feature["names"].as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
                Some((name.clone(), names.collect::<Option<Vec<_>>>()?))
            });
        with_names.collect()
    }

    fn described(&self, file: Source) -> Said<Vec<Description>> {
        let reader = SerializedFileReader::new(file).map_err(in_words)?;
        let schema = self.metadata.file_metadata().schema();
        let fields: Vec<_> =
            schema.get_fields().iter().filter(|field| field.is_primitive()).cloned().collect();
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        check_size(&self.metadata, fields.len())?;
        let mut budget = TextBudget::default();
        let classes = self.class_names();
        let projection =
            Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(in_words)?;
        let rows = reader.get_row_iter(Some(projection)).map_err(in_words)?;
        let value = |(name, field): (&String, &Field)| {
            let text = cell(name, field);
            let text = match classes.get(name) {
                // -1 stands for no class.
                Some(names) => {
                    text.parse().ok().and_then(|class: usize| names.get(class)).cloned().unwrap_or_default()
                }
                None => text,
            };
            (name.clone(), text.into())
        };
        let mut described = Vec::with_capacity(self.members.len());
        for (row, member) in rows.zip(&self.members) {
            let fields: serde_json::Map<String, Value> =
                row.map_err(in_words)?.get_column_iter().map(value).collect();
            budget.spend(fields.values().filter_map(Value::as_str).map(str::len).sum())?;
            described.push(Description { name: member.name.clone(), fields, class: None });
        }
        Ok(described)
    }
}

/// Refuses a file of `size` bytes that says it has more rows than it can have recordings: rows without any take no room.
fn check_rows(rows: usize, size: u64) -> Said<()> {
    match rows as u64 <= ROWS_OF_ANY_FILE + size / BYTES_OF_A_ROW {
        true => Ok(()),
        false => Err(format!("it has {rows} rows in {size} bytes, so most hold no recording")),
    }
}

/// What the recordings of a file are called: by the last part of their paths where no other one is called so, otherwise by
/// the numbers of their rows.
fn named(paths: Vec<Option<String>>) -> Vec<String> {
    let name = |path: &Option<String>| {
        let name = path.as_ref()?.rsplit(['/', '\\']).next()?.to_owned();
        (!name.starts_with('.') && check_relative(&name).is_ok()).then_some(name)
    };
    let names: Vec<Option<String>> = paths.iter().map(name).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    names.iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
    let numbered = |row: usize| format!("row-{row:07}");
    let is_free = |name: &&String| counts.get(name.as_str()) == Some(&1) && !name.starts_with("row-");
    let named = names.iter().enumerate().map(|(row, name)| match name.as_ref().filter(is_free) {
        Some(name) => name.clone(),
        None => numbered(row),
    });
    named.collect()
}

/// A column of bytes in one group of rows.
struct ColumnOfGroup {
    reader: parquet::column::reader::ColumnReaderImpl<parquet::data_type::ByteArrayType>,
    /// What a value has that is there.
    definition: i16,
}

impl ColumnOfGroup {
    fn open(file: &Arc<Source>, metadata: &ParquetMetaData, group: usize, column: usize) -> Said<Self> {
        let group = metadata.row_groups().get(group).ok_or("there is no such group of rows")?;
        let chunk = group.columns().get(column).ok_or("there is no such column")?;
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let pages = SerializedPageReader::new(file.clone(), chunk, rows, None).map_err(in_words)?;
        let definition = chunk.column_descr().max_def_level();
        match get_column_reader(chunk.column_descr_ptr(), Box::new(pages)) {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(Self { reader, definition }),
            _ => Err("a column has another type than its schema says".to_owned()),
        }
    }

    fn skip(&mut self, rows: usize) -> Said<()> {
        match self.reader.skip_records(rows).map_err(in_words)? == rows {
            true => Ok(()),
            false => Err("it ends early".to_owned()),
        }
    }

    /// The next values, at least one and at most `most`; nothing where there is none.
    fn read(&mut self, most: usize) -> Said<Vec<Option<ByteArray>>> {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let found = self.reader.read_records(most, Some(&mut levels), None, &mut values);
        let (records, _, _) = found.map_err(in_words)?;
        if records == 0 {
            return Err("it ends early".to_owned());
        }
        let mut values = values.into_iter();
        if self.definition == 0 {
            return Ok(values.map(Some).collect());
        }
        Ok(levels.iter().map(|level| if *level == self.definition { values.next() } else { None }).collect())
    }
}

impl Archive for Parquet {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn damage(&self) -> Option<&str> {
        None
    }

    fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    fn descriptions(&self, file: &Path) -> Result<Vec<Description>> {
        let opened = Source::open(file)?;
        caught(|| self.described(opened)).unwrap_or_else(Err).map_err(|what| damaged(what).at(file))
    }

    fn read(&self, file: &Path, position: usize, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
        let opened = Source::open(file)?;
        let value = caught(|| self.value(opened, position)).unwrap_or_else(Err).map_err(damaged)?;
        let Some(value) = value else {
            return Err(Error::new(ErrorKind::Unusable, "has no sound in its row, only a path at most")
                .help("save the dataset with its recordings embedded"));
        };
        limits.check_bytes(value.len() as u64)?;
        bytes.extend_from_slice(value.data());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_called_by_their_paths_where_those_tell_them_apart() {
        let paths = ["a/1.wav", "b/2.wav", "c/2.wav", "../..", "row-0000000", ".x.wav"]
            .map(|path| Some(path.to_owned()));
        let names = named(paths.into_iter().chain([None]).collect());
        let expected = [
            "1.wav",
            "row-0000001",
            "row-0000002",
            "row-0000003",
            "row-0000004",
            "row-0000005",
            "row-0000006",
        ];
        assert_eq!(names, expected);
    }
}
