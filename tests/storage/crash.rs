//! A loss of power or a kill after any operation of `prepare`: the cache is the old one or the new one, and the next
//! run ends as if nothing had happened.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ser_cache::{Cache, Index};
use ser_core::ErrorKind;
use ser_core::progress::Silent;
use ser_core::storage::{Storage, folder_of};
use ser_features::FeatureConfig;
use ser_prepare::{PrepareOptions, prepare};
use tempfile::TempDir;

use crate::common_disk::{
    Blobs, Node, Operation, PowerLoss, Recording, Tree, check, check_splits, corpus, is_scratch, prepared,
    quick_folder, side_by_side, small_features, small_options,
};

const WORDS: [&str; 4] = ["bar", "dog", "fit", "gin"];

/// A corpus beside a folder `disk` that holds a cache and may lose power.
struct World {
    folder: TempDir,
    blobs: Blobs,
}

/// A run of `prepare` and the states of the disk before and after it.
struct Recorded {
    options: PrepareOptions,
    before: Tree,
    operations: Vec<Operation>,
    after: Tree,
}

impl World {
    fn new() -> Self {
        let folder = quick_folder();
        corpus(&folder.path().join("corpus"), &WORDS, 0);
        fs::create_dir(folder.path().join("disk")).unwrap();
        Self { blobs: Blobs::new(&folder.path().join("blobs")), folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn options(&self) -> PrepareOptions {
        small_options(&self.data(), &self.disk().join("cache"))
    }

    fn record(&self, options: PrepareOptions) -> Recorded {
        let before = self.blobs.tree(&self.disk());
        let recording = Recording::default();
        prepare(&options, &Storage::on(Arc::new(recording.clone())), &Silent).unwrap();
        let after = self.blobs.tree(&self.disk());
        Recorded { options, before, operations: recording.operations(), after }
    }

    /// Takes power away after every operation and looks at what is left.
    fn lose_power(&self, run: &Recorded) -> usize {
        let mut states: BTreeMap<Tree, usize> = BTreeMap::new();
        let mut model = PowerLoss::new(&self.blobs, &self.disk(), &run.before);
        for done in 0..=run.operations.len() {
            if let Some(operation) = done.checked_sub(1).map(|last| &run.operations[last]) {
                model.apply(operation);
            }
            states.entry(model.as_seen()).or_insert(done);
            for state in model.possible() {
                if done == run.operations.len() {
                    assert!(without_scratch(&state) == run.after, "what was reported done is not durable");
                }
                states.entry(state).or_insert(done);
            }
        }
        assert!(model.as_seen() == run.after, "the model is not the disk");
        let place = AtomicUsize::new(0);
        side_by_side(&states, |(state, done)| {
            let disk = self.folder.path().join(format!("state-{}", place.fetch_add(1, Ordering::Relaxed)));
            self.blobs.lay_out(state, &disk);
            let when = format!("after operation {done} of {}", run.operations.len());
            self.check_state(run, state, &disk, &when);
            fs::remove_dir_all(disk).unwrap();
        });
        states.len()
    }

    fn check_state(&self, run: &Recorded, state: &Tree, disk: &Path, when: &str) {
        let out = disk.join("cache");
        let index = Path::new("cache/index.bin");
        match state.get(index) {
            None => {
                assert!(!run.before.contains_key(index), "{when}: the old index is lost");
                assert_eq!(Cache::open(&out).unwrap_err().kind(), ErrorKind::Missing, "{when}");
                check_splits(&out).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
            found => {
                let is_known = found == run.before.get(index) || found == run.after.get(index);
                assert!(is_known, "{when}: the index is neither the old one nor the new one");
                check(&out).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
        }

        let rows = rows_of_shards(&self.disk_index(&run.after));
        let held = |tree: &Tree| -> usize {
            rows.iter()
                .filter(|(path, _)| tree.get(*path) == run.after.get(*path))
                .map(|(_, rows)| rows)
                .sum()
        };
        let missing = rows.values().sum::<usize>() - held(state);
        let options = PrepareOptions { out, ..run.options.clone() };
        let report =
            prepare(&options, &Storage::native(), &Silent).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(report.computed, missing, "{when}: finished shards were computed again");
        let (found, expected) = (self.blobs.tree(disk), &run.after);
        let paths: BTreeSet<&PathBuf> = found.keys().chain(expected.keys()).collect();
        let other: Vec<_> =
            paths.into_iter().filter(|path| found.get(*path) != expected.get(*path)).collect();
        assert!(other.is_empty(), "{when}: the next run ends differently in {other:?}");
    }

    fn disk_index(&self, tree: &Tree) -> Index {
        let Some(Node::File(sha)) = tree.get(Path::new("cache/index.bin")) else { panic!("no index") };
        Index::decode(&self.blobs.read(sha)).unwrap()
    }
}

/// The rows that each shard holds, by its path on the disk.
fn rows_of_shards(index: &Index) -> HashMap<PathBuf, usize> {
    let mut rows = HashMap::new();
    for set in &index.feature_sets {
        for entry in &set.entries {
            let name = set.shards[entry.shard as usize];
            *rows.entry(PathBuf::from(format!("cache/shards/{name}.safetensors"))).or_default() += 1;
        }
    }
    rows
}

fn without_scratch(tree: &Tree) -> Tree {
    tree.iter()
        .filter(|(path, _)| !is_scratch(path))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect()
}

// Loss of power.

#[test]
fn a_first_run_leaves_no_cache_or_a_whole_one() {
    let world = World::new();
    let run = world.record(world.options());
    assert_eq!(rows_of_shards(&world.disk_index(&run.after)).len(), 4);
    println!("{} operations, {} states", run.operations.len(), world.lose_power(&run));
}

#[test]
fn a_run_over_a_changed_corpus_leaves_the_old_cache_or_the_new_one() {
    let world = World::new();
    prepared(&world.options());
    corpus(&world.data(), &["dog", "hit", "jar"], 1);
    fs::remove_file(world.data().join("OAF_sad/OAF_bar_sad.wav")).unwrap();
    let run = world.record(world.options());
    assert_eq!(rows_of_shards(&world.disk_index(&run.after)).len(), 7);
    println!("{} operations, {} states", run.operations.len(), world.lose_power(&run));
}

#[test]
fn a_run_that_changes_the_splits_leaves_the_old_ones_or_the_new_ones() {
    let world = World::new();
    prepared(&world.options());
    let run = world.record(PrepareOptions { seed: 1, ..world.options() });
    println!("{} operations, {} states", run.operations.len(), world.lose_power(&run));
}

#[test]
fn a_run_with_another_configuration_leaves_one_feature_set_or_two() {
    let world = World::new();
    prepared(&world.options());
    let features = FeatureConfig { n_mfcc: 12, ..small_features() };
    let run = world.record(PrepareOptions { features, ..world.options() });
    assert_eq!(world.disk_index(&run.after).feature_sets.len(), 2);
    println!("{} operations, {} states", run.operations.len(), world.lose_power(&run));
}

#[test]
fn a_copy_that_followed_the_link_to_the_splits_gets_its_link_back_or_keeps_its_folder() {
    let world = World::new();
    prepared(&world.options());
    let splits = world.disk().join("cache/splits");
    let copied =
        world.disk().join("cache/manifests").join(fs::read_link(&splits).unwrap().file_name().unwrap());
    fs::remove_file(&splits).unwrap();
    let mut tree = world.blobs.tree(&world.disk());
    for (path, node) in tree.clone() {
        if let Ok(below) = world.disk().join(&path).strip_prefix(&copied) {
            tree.insert(Path::new("cache/splits").join(below), node);
        }
    }
    fs::remove_dir_all(world.disk()).unwrap();
    world.blobs.lay_out(&tree, &world.disk());
    let run = world.record(PrepareOptions { seed: 1, ..world.options() });
    println!("{} operations, {} states", run.operations.len(), world.lose_power(&run));
}

/// What a killed run has done is seen by the next one, though it may not be durable. The next one must not build on
/// it without making it so.
#[test]
fn what_is_done_after_a_kill_is_durable_with_everything_it_rests_on() {
    let world = World::new();
    let first = world.record(world.options());
    let mut states = 0;
    let mut killed = PowerLoss::new(&world.blobs, &world.disk(), &first.before);
    for (done, operation) in first.operations.iter().enumerate() {
        killed.apply(operation);
        fs::remove_dir_all(world.disk()).unwrap();
        world.blobs.lay_out(&killed.as_seen(), &world.disk());
        let second = world.record(world.options());
        let mut model = PowerLoss::new(&world.blobs, &world.disk(), &first.before);
        first.operations[..=done]
            .iter()
            .chain(&second.operations)
            .for_each(|operation| model.apply(operation));
        assert!(model.as_seen() == second.after, "the model is not the disk");
        for state in model.possible() {
            states += 1;
            let lost: Vec<&PathBuf> = first.after.keys().filter(|path| !state.contains_key(*path)).collect();
            assert!(
                lost.is_empty(),
                "killed after {operation:?}, then done, then without power: {lost:?} are lost"
            );
            assert!(without_scratch(&state) == first.after, "killed after {operation:?}");
        }
    }
    println!("{states} states");
}

/// The same, with the power lost while the second run is at work.
#[test]
fn a_loss_of_power_after_a_kill_leaves_no_cache_or_a_whole_one() {
    let world = World::new();
    let first = world.record(world.options());
    let mut states = 0;
    let folders = first
        .operations
        .iter()
        .enumerate()
        .filter(|(_, what)| matches!(what, Operation::MakeFolder(path) if !is_scratch(path)));
    for (made, _) in folders {
        let mut killed = PowerLoss::new(&world.blobs, &world.disk(), &first.before);
        first.operations[..=made].iter().for_each(|operation| killed.apply(operation));
        fs::remove_dir_all(world.disk()).unwrap();
        world.blobs.lay_out(&killed.as_seen(), &world.disk());
        let second = world.record(world.options());
        let operations = [&first.operations[..=made], &second.operations].concat();
        states += world.lose_power(&Recorded { operations, before: first.before.clone(), ..second });
    }
    println!("{states} states");
}

/// The model must be able to say no: without a kind of sync, or with the index first, it finds a half.
#[test]
fn a_run_that_forgets_to_sync_is_found_out() {
    let world = World::new();
    let run = world.record(world.options());
    let index = run
        .operations
        .iter()
        .rposition(|what| matches!(what, Operation::Rename { to, .. } if to.ends_with("index.bin")));
    let index = index.unwrap();
    let without = |forgotten: &dyn Fn(usize, &Operation) -> bool| -> Vec<Operation> {
        let operations = run.operations.iter().enumerate();
        operations.filter(|(at, what)| !forgotten(*at, what)).map(|(_, what)| what.clone()).collect()
    };
    let last_manifest = run.operations[..index]
        .iter()
        .rposition(|what| matches!(what, Operation::Rename { to, .. } if !is_scratch(to)));
    let first_of_index =
        run.operations[..index].iter().rposition(|what| matches!(what, Operation::Create { .. })).unwrap();
    let mut early = run.operations.clone();
    early[last_manifest.unwrap()..=index + 1].rotate_right(index + 2 - first_of_index);
    let wrong = [
        ("contents", without(&|_, what| matches!(what, Operation::Sync { .. }))),
        ("names", without(&|_, what| matches!(what, Operation::SyncFolder(_)))),
        (
            "the manifests' names",
            without(
                &|_, what| matches!(what, Operation::SyncFolder(folder) if folder.ends_with("manifests")),
            ),
        ),
        ("the order", early),
    ];
    for (forgotten, operations) in wrong {
        let wrong = Recorded {
            operations,
            options: run.options.clone(),
            before: run.before.clone(),
            after: run.after.clone(),
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.lose_power(&wrong)));
        assert!(result.is_err(), "not noticed: {forgotten}");
        for entry in fs::read_dir(world.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("state-") {
                fs::remove_dir_all(path).unwrap();
            }
        }
    }
}

// The order of operations.

#[test]
fn files_are_synced_before_they_get_their_name_and_folders_after() {
    let world = World::new();
    let first = world.record(world.options());
    corpus(&world.data(), &["hit"], 1);
    let second = world.record(world.options());
    for run in [first, second] {
        let mut unsynced: HashMap<usize, PathBuf> = HashMap::new();
        for (position, operation) in run.operations.iter().enumerate() {
            match operation {
                Operation::Create { file, path } => _ = unsynced.insert(*file, path.clone()),
                Operation::Sync { file } => _ = unsynced.remove(file),
                Operation::Write { file, .. } => {
                    assert!(unsynced.contains_key(file), "written after it was synced: {operation:?}")
                }
                Operation::Rename { from, to } => {
                    let torn = unsynced.values().find(|path| path.starts_with(from));
                    assert_eq!(torn, None, "{operation:?} before its content is synced");
                    assert_eq!(run.operations.get(position + 1), Some(&Operation::SyncFolder(folder_of(to))));
                }
                Operation::MakeFolder(path) => {
                    assert_eq!(
                        run.operations.get(position + 1),
                        Some(&Operation::SyncFolder(folder_of(path)))
                    );
                }
                _ => {}
            }
        }
        let renamed = |below: &str| -> Vec<usize> {
            let is_below =
                |to: &Path| !is_scratch(to) && to.strip_prefix(&run.options.out).unwrap().starts_with(below);
            let renames = run.operations.iter().enumerate();
            renames
                .filter(|(_, what)| matches!(what, Operation::Rename { to, .. } if is_below(to)))
                .map(|(at, _)| at)
                .collect()
        };
        let [index] = renamed("index.bin")[..] else { panic!("the index is written once") };
        let [splits] = renamed("splits")[..] else { panic!("the link is made once") };
        let [report] = renamed("prep-report.json")[..] else { panic!("the report is written once") };
        let before = [renamed("shards"), renamed("manifests")].concat();
        assert!(
            before.len() >= 2 && before.iter().all(|position| position + 1 < index),
            "{before:?} {index}"
        );
        assert!(index < splits && splits < report);
    }
}
