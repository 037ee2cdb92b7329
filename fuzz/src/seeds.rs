//! Where the fuzzer starts from: the repository's fixtures, and a small cache made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use ser_prepare::{PrepareOptions, prepare};
use ser_features::FeatureConfig;
use ser_core::progress::Silent;
use ser_core::storage::Storage;
use ser_tune::{BaseRecipe, Direction, Journal, Objective, Operation, Pruner, SearchSetup, Space, TrialState, suggest};

use crate::wrap;

/// No seed is larger: a fuzzer wants small ones.
const LARGEST: usize = 40_000;

type Seeds = Vec<Vec<u8>>;
type Problem = Box<dyn std::error::Error>;

/// Writes the seeds of a target into `folder` and says how many there are.
pub fn write(target: &str, folder: &Path) -> Result<usize, Problem> {
    let seeds = match target {
        "audio" => audio()?,
        "checkpoint" => checkpoint()?,
        "configuration" => configuration()?,
        "index" => index()?,
        "journal" => journal()?,
        "labels" => labels(),
        "manifest" => manifest()?,
        "shard" => shard()?,
        _ => return Err(format!("there is no target {target}").into()),
    };
    fs::create_dir_all(folder)?;
    for seed in &seeds {
        fs::write(folder.join(format!("seed-{}", &wrap::sha(seed)[..16])), seed)?;
    }
    Ok(seeds.len())
}

fn fixtures(theme: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(theme)
}

fn files(folder: &Path) -> Result<Seeds, Problem> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.is_file() && path.extension().is_none_or(|kind| kind != "sh" && kind != "py"));
    paths.sort();
    Ok(paths.iter().map(fs::read).collect::<std::io::Result<_>>()?)
}

fn audio() -> Result<Seeds, Problem> {
    let mut seeds = files(&fixtures("audio"))?;
    // The first bytes of those that are too large are still headers.
    seeds.iter_mut().for_each(|seed| seed.truncate(LARGEST));
    Ok(seeds)
}

/// As the target `checkpoint` takes them: a first byte that says whether the rest is a whole file or only its pickle.
fn checkpoint() -> Result<Seeds, Problem> {
    let mut seeds = Vec::new();
    for file in files(&fixtures("checkpoint"))? {
        let entries = wrap::archive_data(&file).unwrap_or_default();
        if let Some((_, pickle)) = entries.iter().find(|(name, _)| name == "data.pkl") {
            seeds.push([&[1], file.get(pickle.clone()).unwrap_or_default()].concat());
        }
        if file.len() <= LARGEST {
            seeds.push([&[0][..], &file].concat());
        }
    }
    Ok(seeds)
}

fn configuration() -> Result<Seeds, Problem> {
    let configurations = [FeatureConfig::default(), FeatureConfig::librosa()];
    Ok(configurations
        .iter()
        .map(|it| Ok(toml::to_string(it)?.into_bytes()))
        .collect::<Result<_, Problem>>()?)
}

fn labels() -> Seeds {
    let tables = [
        "path,label\na/b.wav,calm\na/c.wav,loud\n",
        "file;emotion;start;end;split;fold\na/b.wav;calm;0 days 00:00:01.5;2.25;dev;1\na/b.wav;calm;2;NaT;test;2\n",
        "path,label,speaker,word,other\r\n\"x,y/\"\"z\"\".wav\",fear,OAF,back,1\r\n.\\b\\c.wav, sad ,,,\r\n",
    ];
    tables.iter().map(|table| table.as_bytes().to_vec()).collect()
}

fn index() -> Result<Seeds, Problem> {
    let cache = SmallCache::make()?;
    let bytes = fs::read(cache.0.path().join("out/index.bin"))?;
    Ok(vec![[&[0][..], &bytes].concat(), [&[1], bytes.get(52..).unwrap_or_default()].concat()])
}

/// As the target takes them: a first byte that says whether the rest is a whole file or what follows its beginning.
fn journal() -> Result<Seeds, Problem> {
    let (beginning, whole) = (beginning_of_a_study()?, small_study(3)?);
    let rest = whole.get(beginning.len()..).unwrap_or_default();
    Ok(vec![[&[0][..], &whole].concat(), [&[1], rest].concat()])
}

/// The journal of a study without trials.
pub fn beginning_of_a_study() -> Result<Vec<u8>, Problem> {
    small_study(0)
}

/// The journal of a study with an option of each kind and so many complete trials.
fn small_study(trials: u64) -> Result<Vec<u8>, Problem> {
    let space = Space::parse(
        "lr = { log_float = [1e-4, 1e-2] }\nbatch_size = { int = [8, 64], step = 8 }\n\
         network.dropout = { float = [0.0, 0.6] }\nnetwork.hidden = { categorical = [64, 128] }",
    )?;
    let recipe = BaseRecipe::parse("")?;
    let setup = SearchSetup::new(Objective::ValUar, Pruner::None, 0, &space, &recipe)?;
    let direction = Direction::Maximize;
    let value = serde_json::to_value(&setup)?;
    let mut operations = vec![
        Operation::CreateStudy { name: "study".into(), direction },
        Operation::SetStudyUserAttr { study_id: 0, key: "ser_tune".into(), value },
    ];
    for trial_id in 0..trials {
        let params = suggest(&space, direction, 0, trial_id, std::iter::empty());
        let uar = 0.5 + 0.1 * trial_id as f64;
        operations.extend([
            Operation::CreateTrial { study_id: 0, params, user_attrs: serde_json::Map::new() },
            Operation::SetTrialIntermediateValue { trial_id, step: 1, value: uar },
            Operation::SetTrialSystemAttr { trial_id, key: "completed_rung_0".into(), value: uar },
            Operation::SetTrialUserAttr { trial_id, key: "epochs".into(), value: 1.into() },
            Operation::SetTrialState { trial_id, state: TrialState::Complete, value: Some(uar) },
        ]);
    }
    let folder = tempfile::tempdir()?;
    Journal::open(folder.path())?.transact("worker", |_| Ok((operations, ())))?;
    Ok(fs::read(folder.path().join("journal.log"))?)
}

/// As the target takes them: the four files one after another, with a zero byte between.
fn manifest() -> Result<Seeds, Problem> {
    let cache = SmallCache::make()?;
    let mut seeds = Vec::new();
    for entry in fs::read_dir(cache.0.path().join("out/splits"))? {
        let folder = entry?.path();
        let text = |name: &str| fs::read_to_string(folder.join(name));
        let description = text("split.toml")?;
        // The target adds the digests.
        let description = description.split("[manifests]").next().unwrap_or_default();
        let first = |name: &str| Ok::<_, Problem>(text(name)?.lines().take(2).collect::<Vec<_>>().join("\n"));
        let parts =
            [description.to_owned(), first("train.jsonl")?, first("val.jsonl")?, first("test.jsonl")?];
        seeds.push(parts.join("\0").into_bytes());
    }
    Ok(seeds)
}

/// As the target takes them: a first byte that says whether the rest is a whole file or only its header.
fn shard() -> Result<Seeds, Problem> {
    let cache = SmallCache::make()?;
    let mut seeds = Vec::new();
    for file in files(&cache.0.path().join("out/shards"))? {
        let length = u64::from_le_bytes(file.get(..8).and_then(|it| it.try_into().ok()).ok_or("no header")?);
        let header = file.get(8..8 + length as usize).ok_or("no header")?.trim_ascii_end();
        let data = u16::try_from((file.len() - 8 - length as usize) / 4)?;
        seeds.push([&[1][..], &data.to_le_bytes(), header].concat());
        if file.len() <= LARGEST {
            seeds.push([&[0][..], &file].concat());
        }
    }
    Ok(seeds)
}

/// The features of the small cache, of which the shard target opens shards.
pub fn small_features() -> FeatureConfig {
    FeatureConfig { n_mels: 8, n_mfcc: 4, max_frames: 8, hop_length: 512, ..FeatureConfig::default() }
}

struct SmallCache(tempfile::TempDir);

impl SmallCache {
    /// A cache of three synthetic words in `out`.
    fn make() -> Result<Self, Problem> {
        let folder = tempfile::tempdir()?;
        let corpus = ser_synth::SynthOptions { words: 3, sample_rate: 8_000, ..Default::default() };
        ser_synth::SynthCorpus::new(corpus)?.write(&folder.path().join("data"))?;
        let options = PrepareOptions {
            features: small_features(),
            shard_bytes: 1 << 16,
            ..PrepareOptions::new(folder.path().join("data"), folder.path().join("out"))
        };
        prepare(&options, &Storage::native(), &Silent)?;
        Ok(Self(folder))
    }
}
