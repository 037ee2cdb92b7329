//! What docs/architecture.md says of the workspace: which crate knows which, and that imports run in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that a tree of normal dependencies holds.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-e", "normal", "--prefix", "none", "--all-features", "-p", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The libraries of the workspace and the folders of their sources.
fn libraries() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders = crates.chain([root.join("tools/ser-synth")]);
    folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path.join("src"))).collect()
}

/// The libraries that need libtorch: those that call it, and those that build on them.
const WITH_LIBTORCH: [&str; 6] =
    ["ser-torch", "ser-distributed", "ser-encoder", "ser-train", "ser-predict", "ser-serve"];

#[test]
fn no_library_knows_a_command_line_and_only_those_that_run_networks_need_libtorch() {
    let libraries = libraries();
    assert!(libraries.len() >= 13, "{libraries:?}");
    for (name, _) in libraries {
        let dependencies = dependencies(&name);
        assert!(dependencies.contains(&name), "{dependencies:?}");
        for front_end in ["clap", "indicatif", "ctrlc"] {
            assert!(!dependencies.contains(front_end), "{name} depends on {front_end}");
        }
        assert_eq!(dependencies.contains("tch"), WITH_LIBTORCH.contains(&name.as_str()), "{name} and tch");
    }
}

/// The Rust files below `folder`, by their module paths: `["resample", "kaiser"]`.
fn modules(folder: &Path) -> BTreeMap<Vec<String>, String> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let rust = files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"));
    rust.map(|entry| {
        let path = entry.path().strip_prefix(folder).unwrap().with_extension("");
        let mut module: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        (module, fs::read_to_string(entry.path()).unwrap())
    })
    .collect()
}

/// The paths that `text` names with `prefix::`, each without it: `crate::a::{b, c::D}` names `a::b` and `a::c::D`.
fn paths_after<'a>(text: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let mut paths = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if text[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        expand(&text[at + prefix.len()..], &mut Vec::new(), &mut paths);
    }
    paths
}

/// Adds the paths of a use tree that `text` begins with, below `parents`; returns what follows it.
fn expand<'a>(text: &'a str, parents: &mut Vec<&'a str>, paths: &mut Vec<Vec<&'a str>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, parents, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                Some(next) => return next.trim_start().strip_prefix('}').unwrap_or(next),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    parents.push(name);
    let rest = match rest.strip_prefix("::") {
        Some(inner) => expand(inner, parents, paths),
        None => {
            paths.push(parents.clone());
            rest
        }
    };
    parents.pop();
    rest
}

/// Where an item named by `path` from the root of a crate is defined: the deepest module on the way, or the child that
/// the module re-exports it from.
fn home(path: &[&str], modules: &BTreeMap<Vec<String>, String>) -> Option<Vec<String>> {
    let mut module: Vec<String> = Vec::new();
    for (depth, name) in path.iter().enumerate() {
        let child: Vec<String> = module.iter().cloned().chain([(*name).to_owned()]).collect();
        if modules.contains_key(&child) && (depth + 1 < path.len() || !name.starts_with(char::is_uppercase)) {
            module = child;
            continue;
        }
        // An item: defined here, or re-exported from a child.
        let text = modules.get(&module)?;
        let uses = text.split(';').filter(|part| part.contains("pub") && part.contains("use "));
        for part in uses {
            let Some(at) = part.rfind("use ") else { continue };
            let mut paths = Vec::new();
            expand(&part[at + 4..], &mut Vec::new(), &mut paths);
            if let Some(found) = paths.iter().find(|found| found.last() == Some(name) && found.len() > 1) {
                let child: Vec<String> = module
                    .iter()
                    .cloned()
                    .chain(found[..found.len() - 1].iter().map(|part| (*part).to_owned()))
                    .collect();
                if modules.contains_key(&child) {
                    return Some(child);
                }
            }
        }
        break;
    }
    Some(module)
}

/// The folder of a module: that of its file, where a `mod.rs` is in the folder it is about.
fn folder(module: &[String], modules: &BTreeMap<Vec<String>, String>) -> Vec<String> {
    let has_children = modules.keys().any(|other| other.len() > module.len() && other.starts_with(module));
    match has_children || module.is_empty() {
        true => module.to_vec(),
        false => module[..module.len() - 1].to_vec(),
    }
}

#[test]
fn files_of_different_folders_import_each_other_in_no_circle() {
    for (name, source) in libraries() {
        let modules = modules(&source);
        let mut imports: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
        for (module, text) in &modules {
            // Tests may look anywhere; a module's own children are part of it.
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
            let code: String = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            let wanted = paths_after(&code, "crate::").into_iter().filter_map(|path| home(&path, &modules));
            let others = wanted.filter(|other| other != module && !other.is_empty());
            imports.insert(module, others.collect());
        }
        for start in imports.keys() {
            // Every file that can be reached from this one through imports.
            let mut reached: BTreeSet<&Vec<String>> = BTreeSet::new();
            let mut next: Vec<&Vec<String>> = imports[*start].iter().collect();
            while let Some(module) = next.pop() {
                if reached.insert(module) {
                    next.extend(imports.get(module).into_iter().flatten());
                }
            }
            if !reached.contains(*start) {
                continue;
            }
            // In a circle: all of it must be in one folder.
            let circle = reached.iter().filter(|module| {
                let mut seen: BTreeSet<&Vec<String>> = BTreeSet::new();
                let mut next: Vec<&Vec<String>> = imports.get(**module).into_iter().flatten().collect();
                while let Some(module) = next.pop() {
                    if seen.insert(module) {
                        next.extend(imports.get(module).into_iter().flatten());
                    }
                }
                seen.contains(*start)
            });
            let folders: BTreeSet<Vec<String>> =
                circle.clone().map(|module| folder(module, &modules)).collect();
            let circle: Vec<String> = circle.map(|module| module.join("::")).collect();
            assert!(folders.len() == 1, "{name}: a circle over folders: {circle:?}");
        }
    }
}

#[test]
fn paths_of_use_trees_are_read_whole() {
    let text = "use crate::a::{b, c::{D, e}};\nlet x = crate::f::g();";
    let paths = paths_after(text, "crate::");
    let expected: [&[&str]; 4] = [&["a", "b"], &["a", "c", "D"], &["a", "c", "e"], &["f", "g"]];
    assert_eq!(paths, expected);
}

#[test]
fn every_test_that_the_reliability_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions: BTreeSet<String> = BTreeSet::new();
    for folder in ["crates", "tests", "tools", "src"] {
        for text in modules(&root.join(folder)).values() {
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            functions.extend(names.map(str::to_owned));
        }
    }
    let document = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    // Names of tests are sentences; shorter names are of functions and fields.
    let is_sentence = |name: &&str| {
        name.matches('_').count() >= 4
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: Vec<&str> = document.split('`').skip(1).step_by(2).filter(is_sentence).collect();
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
