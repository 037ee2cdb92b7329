//! What a loss of power may leave of a sequence of operations.
//!
//! The model: a file's content is durable up to its last sync, and of what was written since any part may be there,
//! torn or as zeros. A change of a folder's names is durable once that folder is synced; of those that are not, any
//! may have reached the disk and any may not, in any order, each whole: a rename gives and takes a name at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ser_cache::Sha;
use ser_core::storage::{SCRATCH_PREFIX, folder_of};

use super::recording::Operation;

/// A file, folder or link in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    File(Sha),
    Folder,
    Link(PathBuf),
}

/// Everything below a folder, by path relative to it.
pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// The contents of files, each kept once on disk, so that a tree is made of hard links.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    known: Mutex<BTreeSet<Sha>>,
}

impl Blobs {
    pub(crate) fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        Self { folder: folder.to_owned(), known: Mutex::default() }
    }

    pub(crate) fn keep(&self, bytes: &[u8]) -> Sha {
        let sha = Sha::of(&[bytes]);
        let mut known = self.known.lock().unwrap();
        if known.insert(sha) {
            fs::write(self.folder.join(sha.to_string()), bytes).unwrap();
        }
        sha
    }

    pub(crate) fn read(&self, sha: &Sha) -> Vec<u8> {
        fs::read(self.folder.join(sha.to_string())).unwrap()
    }

    /// Records what is below `root`, without the lock and the report, which tell when a run was and not what it did.
    pub(crate) fn tree(&self, root: &Path) -> Tree {
        let entries = walkdir::WalkDir::new(root).min_depth(1).into_iter().map(Result::unwrap);
        let node = |entry: walkdir::DirEntry| {
            let path = entry.path().strip_prefix(root).unwrap().to_owned();
            let node = if entry.file_type().is_dir() {
                Node::Folder
            } else if entry.file_type().is_symlink() {
                Node::Link(fs::read_link(entry.path()).unwrap())
            } else {
                Node::File(self.keep(&fs::read(entry.path()).unwrap()))
            };
            (path, node)
        };
        let mut tree: Tree = entries.map(node).collect();
        tree.retain(|path, _| !path.ends_with(".lock") && !path.ends_with("prep-report.json"));
        tree
    }

    /// Makes `tree` below `root`, which must not be there.
    pub(crate) fn lay_out(&self, tree: &Tree, root: &Path) {
        fs::create_dir(root).unwrap();
        for (path, node) in tree {
            let place = root.join(path);
            match node {
                Node::Folder => fs::create_dir(place).unwrap(),
                Node::Link(target) => std::os::unix::fs::symlink(target, place).unwrap(),
                Node::File(sha) => fs::hard_link(self.folder.join(sha.to_string()), place).unwrap(),
            }
        }
    }
}

/// The fate of bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    Kept,
    Lost,
    Half,
    Zeros,
}

/// Replays operations and says what a crash after them may leave.
#[derive(Debug)]
pub(crate) struct PowerLoss<'a> {
    blobs: &'a Blobs,
    root: PathBuf,
    nodes: Vec<Inode>,
    /// Which node each created file is.
    files: HashMap<usize, usize>,
    /// Changes of names, in order; the first element is whether they are durable.
    changes: Vec<(bool, Vec<Change>)>,
}

/// Gives a name in a folder another meaning, or none.
#[derive(Debug, Clone)]
struct Change {
    folder: usize,
    name: OsString,
    node: Option<usize>,
}

#[derive(Debug, Clone)]
enum Inode {
    Folder,
    Link(PathBuf),
    File {
        written: Vec<u8>,
        synced: usize,
    },
    /// Was there before, and durable.
    Old(Sha),
}

impl<'a> PowerLoss<'a> {
    /// Begins with `tree` at `root`, all of it durable.
    pub(crate) fn new(blobs: &'a Blobs, root: &Path, tree: &Tree) -> Self {
        let mut model = Self {
            blobs,
            root: root.to_owned(),
            nodes: vec![Inode::Folder],
            files: HashMap::new(),
            changes: Vec::new(),
        };
        for (path, node) in tree {
            let inode = match node {
                Node::Folder => Inode::Folder,
                Node::Link(target) => Inode::Link(target.clone()),
                Node::File(sha) => Inode::Old(*sha),
            };
            model.give(&root.join(path), inode);
        }
        for (is_durable, _) in &mut model.changes {
            *is_durable = true;
        }
        model
    }

    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { file, path } => {
                let node = self.give(path, Inode::File { written: Vec::new(), synced: 0 });
                self.files.insert(*file, node);
            }
            Operation::Write { file, bytes } => {
                let Inode::File { written, .. } = &mut self.nodes[self.files[file]] else { panic!() };
                written.extend_from_slice(bytes);
            }
            Operation::Sync { file } => {
                let Inode::File { written, synced } = &mut self.nodes[self.files[file]] else { panic!() };
                *synced = written.len();
            }
            Operation::MakeFolder(path) => _ = self.give(path, Inode::Folder),
            Operation::SymbolicLink { target, link } => _ = self.give(link, Inode::Link(target.clone())),
            Operation::HardLink { file, name } => {
                let node = self.node_at(file);
                let change = self.change(name, Some(node));
                self.changes.push((false, vec![change]));
            }
            Operation::Rename { from, to } => {
                let node = self.node_at(from);
                let both = vec![self.change(from, None), self.change(to, Some(node))];
                assert_eq!(both[0].folder, both[1].folder, "a rename from folder to folder is not modelled");
                self.changes.push((false, both));
            }
            Operation::RemoveFile(path) | Operation::RemoveFolder(path) => {
                let change = self.change(path, None);
                self.changes.push((false, vec![change]));
            }
            Operation::SyncFolder(path) => {
                if !path.starts_with(&self.root) {
                    return;
                }
                let folder = self.node_at(path);
                for (is_durable, changes) in &mut self.changes {
                    *is_durable |= changes[0].folder == folder;
                }
            }
        }
    }

    /// What a kill leaves: everything that was done.
    pub(crate) fn as_seen(&self) -> Tree {
        self.tree(|_| true, Contents::Kept)
    }

    /// What a loss of power may leave: of up to four changes that are not durable any choice; of more, none, each one
    /// alone, all but one, and all; and each with unsynced contents kept, lost and torn.
    pub(crate) fn possible(&self) -> BTreeSet<Tree> {
        let pending: Vec<usize> = (0..self.changes.len()).filter(|&change| !self.changes[change].0).collect();
        let mut choices: Vec<BTreeSet<usize>> = Vec::new();
        if pending.len() <= 4 {
            for bits in 0..1_u32 << pending.len() {
                choices.push(
                    (0..pending.len()).filter(|bit| bits >> bit & 1 == 1).map(|bit| pending[bit]).collect(),
                );
            }
        } else {
            choices.extend([BTreeSet::new(), pending.iter().copied().collect()]);
            for one in &pending {
                choices.push([*one].into());
                choices.push(pending.iter().copied().filter(|other| other != one).collect());
            }
        }
        let is_torn = self
            .nodes
            .iter()
            .any(|node| matches!(node, Inode::File { written, synced } if *synced < written.len()));
        let contents: &[Contents] = match is_torn {
            true => &[Contents::Kept, Contents::Lost, Contents::Half, Contents::Zeros],
            false => &[Contents::Kept],
        };
        let chosen =
            choices.iter().flat_map(|survivors| contents.iter().map(move |contents| (survivors, contents)));
        chosen
            .map(|(survivors, contents)| {
                self.tree(|change| self.changes[change].0 || survivors.contains(&change), *contents)
            })
            .collect()
    }

    fn give(&mut self, path: &Path, inode: Inode) -> usize {
        self.nodes.push(inode);
        let node = self.nodes.len() - 1;
        let change = self.change(path, Some(node));
        self.changes.push((false, vec![change]));
        node
    }

    fn change(&self, path: &Path, node: Option<usize>) -> Change {
        Change { folder: self.node_at(&folder_of(path)), name: path.file_name().unwrap().to_owned(), node }
    }

    /// What `path` means when everything that was done is seen.
    fn node_at(&self, path: &Path) -> usize {
        let names = self.names(|_| true);
        let below = path.strip_prefix(&self.root).unwrap_or_else(|_| panic!("{} is outside", path.display()));
        below.iter().fold(0, |folder, name| names[&(folder, name.to_owned())])
    }

    fn names(&self, happened: impl Fn(usize) -> bool) -> BTreeMap<(usize, OsString), usize> {
        let mut names = BTreeMap::new();
        for (position, (_, changes)) in self.changes.iter().enumerate() {
            for change in changes.iter().filter(|_| happened(position)) {
                let place = (change.folder, change.name.clone());
                match change.node {
                    Some(node) => _ = names.insert(place, node),
                    None => _ = names.remove(&place),
                }
            }
        }
        names
    }

    fn tree(&self, happened: impl Fn(usize) -> bool, contents: Contents) -> Tree {
        let names = self.names(happened);
        let mut tree = Tree::new();
        let mut folders = vec![(0, PathBuf::new())];
        while let Some((folder, path)) = folders.pop() {
            for ((_, name), node) in names.range((folder, OsString::new())..(folder + 1, OsString::new())) {
                let place = path.join(name);
                let found = match &self.nodes[*node] {
                    Inode::Folder => {
                        folders.push((*node, place.clone()));
                        Node::Folder
                    }
                    Inode::Link(target) => Node::Link(target.clone()),
                    Inode::Old(sha) => Node::File(*sha),
                    Inode::File { written, synced } => {
                        let mut bytes = written.clone();
                        let half = synced + (bytes.len() - synced) / 2;
                        match contents {
                            Contents::Kept => {}
                            Contents::Lost => bytes.truncate(*synced),
                            Contents::Half => bytes.truncate(half),
                            Contents::Zeros => bytes[*synced..].fill(0),
                        }
                        Node::File(self.blobs.keep(&bytes))
                    }
                };
                tree.insert(place, found);
            }
        }
        tree.retain(|path, _| !path.ends_with("prep-report.json"));
        tree
    }
}

/// Whether a path is that of something unfinished, or within it.
pub(crate) fn is_scratch(path: &Path) -> bool {
    path.iter().any(|name| name.as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()))
}
