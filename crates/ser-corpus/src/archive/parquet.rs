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
    /// The column with the bytes of recordings, by its place among all columns.
    bytes_column: usize,
    /// The recording in each row, in the order of the rows.
    members: Vec<Member>,
    passed_over: PassedOver,
}

/// What was read of a Parquet file, or what is wrong with it in words, without the name of the file.
type ParquetResult<T> = std::result::Result<T, String>;

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
        caught(|| Self::read_index(file)).unwrap_or_else(Err).map_err(damaged)
    }

    fn read_index(file: Source) -> ParquetResult<Self> {
        let size = file.len();
        let copy = file.again().map_err(|error| error.to_string())?;
        let reader = SerializedFileReader::new(copy).map_err(in_words)?;
        let metadata = Arc::new(reader.metadata().clone());
        let Some(columns) = AudioColumns::of(&metadata) else {
            let passed_over = PassedOver::default();
            return Ok(Self { metadata, bytes_column: 0, members: Vec::new(), passed_over });
        };
        check_rows(check_size(&metadata, 1)?, size)?;
        let paths = read_paths(&Arc::new(file), &metadata, columns.path)?;
        let average_size = size / (paths.len() as u64).max(1);
        let member = |name| Member { name, size: average_size };
        let members = member_names(&paths).into_iter().map(member).collect();
        Ok(Self { metadata, bytes_column: columns.bytes, members, passed_over: PassedOver::default() })
    }

    /// The bytes of the recording in the row at `position`; nothing where its cell is empty.
    fn recording_bytes(&self, file: Source, position: usize) -> ParquetResult<Option<ByteArray>> {
        let file = Arc::new(file);
        let mut rows_before = position;
        for (number, group) in self.metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or_default();
            if rows_before < rows {
                let mut column = ByteColumn::open(&file, &self.metadata, number, self.bytes_column)?;
                column.skip(rows_before)?;
                return Ok(column.read(1)?.pop().flatten());
            }
            rows_before -= rows;
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

    /// What the columns beside the recordings say of each.
    fn read_descriptions(&self, file: Source) -> ParquetResult<Vec<Description>> {
        let reader = SerializedFileReader::new(file).map_err(in_words)?;
        let schema = self.metadata.file_metadata().schema();
        let fields: Vec<_> =
            schema.get_fields().iter().filter(|field| field.is_primitive()).cloned().collect();
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        check_size(&self.metadata, fields.len())?;
        let mut budget = TextBudget::default();
        let class_names = self.class_names();
        let projection =
            Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(in_words)?;
        let rows = reader.get_row_iter(Some(projection)).map_err(in_words)?;
        let value = |(name, field): (&String, &Field)| {
            let text = cell(name, field);
            let text = match class_names.get(name) {
                // -1 stands for no class.
                Some(names) => {
                    text.parse().ok().and_then(|class: usize| names.get(class)).cloned().unwrap_or_default()
                }
                None => text,
            };
            (name.clone(), text.into())
        };
        let mut descriptions = Vec::with_capacity(self.members.len());
        for (row, member) in rows.zip(&self.members) {
            let fields: serde_json::Map<String, Value> =
                row.map_err(in_words)?.get_column_iter().map(value).collect();
            budget.spend(fields.values().filter_map(Value::as_str).map(str::len).sum())?;
            descriptions.push(Description { name: member.name.clone(), fields, class: None });
        }
        Ok(descriptions)
    }
}

/// Where a file keeps its recordings.
struct AudioColumns {
    /// The column with their bytes.
    bytes: usize,
    /// The column with their paths, if there is one.
    path: Option<usize>,
}

impl AudioColumns {
    /// The first field of the schema that holds `bytes`, as `datasets` writes audio.
    fn of(metadata: &ParquetMetaData) -> Option<Self> {
        let file = metadata.file_metadata();
        let column = |field: &str, part: &str| {
            file.schema_descr().columns().iter().position(|column| {
                column.path().parts() == [field, part]
                    && column.physical_type() == PhysicalType::BYTE_ARRAY
                    && column.max_rep_level() == 0
            })
        };
        let mut fields = file.schema().get_fields().iter().map(|field| field.name());
        fields.find_map(|field| Some(Self { bytes: column(field, "bytes")?, path: column(field, "path") }))
    }
}

/// The paths of all recordings as the column `path` has them; nothing for a row without one.
fn read_paths(
    file: &Arc<Source>,
    metadata: &ParquetMetaData,
    path: Option<usize>,
) -> ParquetResult<Vec<Option<String>>> {
    let mut paths = Vec::new();
    let mut budget = TextBudget::default();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group of rows has less than none")?;
        let Some(path) = path else {
            paths.extend((0..rows).map(|_| None));
            continue;
        };
        let mut column = ByteColumn::open(file, metadata, number, path)?;
        let mut left = rows;
        while left > 0 {
            let values = column.read(left.min(ROWS_AT_ONCE))?;
            left -= values.len();
            budget.spend(values.iter().flatten().map(ByteArray::len).sum())?;
            let text = |value: ByteArray| String::from_utf8(value.data().to_vec()).ok();
            paths.extend(values.into_iter().map(|value| value.and_then(text)));
        }
    }
    Ok(paths)
}

/// Refuses a file of `size` bytes that says it has more rows than it can have recordings: rows without any take no room.
fn check_rows(rows: usize, size: u64) -> ParquetResult<()> {
    match rows as u64 <= ROWS_OF_ANY_FILE + size / BYTES_OF_A_ROW {
        true => Ok(()),
        false => Err(format!("it has {rows} rows in {size} bytes, so most hold no recording")),
    }
}

/// What the recordings of a file are called: by the last part of their paths where no other one is called so, otherwise by
/// the numbers of their rows.
fn member_names(paths: &[Option<String>]) -> Vec<String> {
    let name = |path: &Option<String>| {
        let name = path.as_ref()?.rsplit(['/', '\\']).next()?.to_owned();
        (!name.starts_with('.') && check_relative(&name).is_ok()).then_some(name)
    };
    let names: Vec<Option<String>> = paths.iter().map(name).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    names.iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
    let numbered = |row: usize| format!("row-{row:07}");
    let is_free = |name: &&String| counts.get(name.as_str()) == Some(&1) && !name.starts_with("row-");
    let in_row = |(row, name): (usize, &Option<String>)| match name.as_ref().filter(is_free) {
        Some(name) => name.clone(),
        None => numbered(row),
    };
    names.iter().enumerate().map(in_row).collect()
}

/// A column of bytes in one group of rows.
struct ByteColumn {
    reader: parquet::column::reader::ColumnReaderImpl<parquet::data_type::ByteArrayType>,
    /// The definition level of a value that is there; one below stands for none.
    max_definition_level: i16,
}

impl ByteColumn {
    fn open(
        file: &Arc<Source>,
        metadata: &ParquetMetaData,
        group: usize,
        column: usize,
    ) -> ParquetResult<Self> {
        let group = metadata.row_groups().get(group).ok_or("there is no such group of rows")?;
        let chunk = group.columns().get(column).ok_or("there is no such column")?;
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let pages = SerializedPageReader::new(file.clone(), chunk, rows, None).map_err(in_words)?;
        let max_definition_level = chunk.column_descr().max_def_level();
        match get_column_reader(chunk.column_descr_ptr(), Box::new(pages)) {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(Self { reader, max_definition_level }),
            _ => Err("a column has another type than its schema says".to_owned()),
        }
    }

    fn skip(&mut self, rows: usize) -> ParquetResult<()> {
        match self.reader.skip_records(rows).map_err(in_words)? == rows {
            true => Ok(()),
            false => Err("it ends early".to_owned()),
        }
    }

    /// The next values, at least one and at most `most`; nothing where there is none.
    fn read(&mut self, most: usize) -> ParquetResult<Vec<Option<ByteArray>>> {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let read = self.reader.read_records(most, Some(&mut levels), None, &mut values);
        let (records, _, _) = read.map_err(in_words)?;
        if records == 0 {
            return Err("it ends early".to_owned());
        }
        let mut values = values.into_iter();
        if self.max_definition_level == 0 {
            return Ok(values.map(Some).collect());
        }
        let at_level = |level: &i16| if *level == self.max_definition_level { values.next() } else { None };
        Ok(levels.iter().map(at_level).collect())
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
        caught(|| self.read_descriptions(opened)).unwrap_or_else(Err).map_err(|what| damaged(what).at(file))
    }

    fn read(&self, file: &Path, position: usize, limits: &Limits, bytes: &mut Vec<u8>) -> Result<()> {
        let opened = Source::open(file)?;
        let value = caught(|| self.recording_bytes(opened, position)).unwrap_or_else(Err).map_err(damaged)?;
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
        let paths: Vec<Option<String>> = paths.into_iter().chain([None]).collect();
        let names = member_names(&paths);
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
