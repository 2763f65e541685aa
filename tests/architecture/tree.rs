//! Which files there are.

use crate::source::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the crates whose sources are checked; the root crate is the empty path.
pub(crate) fn crates() -> &'static [&'static str] {
    &["sync", "time", "net", "executor", "macros", ""]
}

/// All files under `src/` of one crate.
pub(crate) fn sources_of(krate: &str) -> Vec<Source> {
    read_all(&[&join(krate, "src")])
}

/// All Rust files that the rules about code apply to: sources, examples, tests and benchmarks.
pub(crate) fn rust_sources() -> Vec<Source> {
    let mut folders: Vec<String> = crates().iter().map(|krate| join(krate, "src")).collect();
    folders.extend(crates().iter().map(|krate| join(krate, "tests")));
    folders.extend(["examples".into(), "benches".into()]);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    read_all(&folders)
}

/// Every text file of the repository, by its path from the root.
pub(crate) fn text_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(&root(), &mut |path| {
        if let Ok(text) = fs::read_to_string(path) {
            files.push((relative(path), text));
        }
    });
    files
}

fn join(krate: &str, folder: &str) -> String {
    if krate.is_empty() {
        folder.to_owned()
    } else {
        format!("{krate}/{folder}")
    }
}

fn read_all(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut |path| {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).expect("sources are readable UTF-8");
                sources.push(Source::new(&relative(path), &text));
            }
        });
    }
    let test_files: Vec<String> = sources.iter().flat_map(Source::test_files).collect();
    for source in &mut sources {
        if test_files.contains(&source.path) {
            source.is_test.fill(true);
        }
    }
    sources
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("below the root");
    path.to_string_lossy().replace('\\', "/")
}

/// Calls `visit` for every file below `folder` that belongs to the repository. A folder that is not there has no files.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = !matches!(&*name, "target" | ".git" | "shared" | "Cargo.lock");
        if !is_ours || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
