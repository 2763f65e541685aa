//! Reads the sources of every crate and checks what the design promises about them.
//!
//! | rule | what it says |
//! |---|---|
//! | order | each module imports only modules that stand left of it in the order line of its crate's `lib.rs`; no circle in a folder |
//! | size | no file has more than 500 lines of code; comments, blank lines and test modules are not counted |
//! | unsafe | `unsafe` stands only in files that open with `#![expect(unsafe_code, reason = "..")]` |
//! | ordering | each group of lines with an atomic `Ordering::` has an `ORDERING` comment within the few lines before |
//! | fences | `SeqCst` is for fences, never for accesses |
//! | doors | atomics and threads come from `sync/src/primitive`, the time from `time/src/clock.rs` |
//! | places | no file names a path of somebody's machine |
//!
//! Every checker has tests of its own in which it finds a fault: a guard that cannot fail guards nothing.

mod imports;
mod rules;
mod source;
mod tree;

use source::Source;
use std::fmt::Write as _;

fn report(mut faults: Vec<String>) {
    if faults.is_empty() {
        return;
    }
    faults.sort();
    let mut text = String::new();
    for fault in &faults {
        let _ = writeln!(text, "  {fault}");
    }
    panic!("{} faults:\n{text}", faults.len());
}

fn each_source(check: impl Fn(&Source) -> Vec<String>) {
    let sources = tree::rust_sources();
    assert!(sources.len() > 20, "the walk found the sources");
    report(sources.iter().flat_map(check).collect());
}

#[test]
fn modules_import_only_what_stands_left_of_them() {
    let mut faults = Vec::new();
    let mut modules = 0;
    for krate in tree::crates() {
        let sources = tree::sources_of(krate);
        modules += sources.len();
        faults.extend(imports::check_order(krate, &sources));
    }
    assert!(modules > 20, "the walk found the modules");
    report(faults);
}

#[test]
fn parts_of_a_folder_import_each_other_without_a_circle() {
    let faults = tree::crates()
        .iter()
        .flat_map(|krate| imports::check_folders(krate, &tree::sources_of(krate)))
        .collect();
    report(faults);
}

#[test]
fn files_stay_under_500_lines_of_code() {
    each_source(rules::check_size);
}

#[test]
fn unsafe_stands_only_behind_its_fence() {
    each_source(rules::check_unsafe);
}

#[test]
fn every_atomic_operation_says_whom_it_pairs_with() {
    each_source(rules::check_ordering_comments);
}

#[test]
fn sequential_consistency_is_for_fences() {
    each_source(rules::check_seq_cst);
}

#[test]
fn atomics_threads_and_time_come_through_their_doors() {
    each_source(rules::check_doors);
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let files = tree::text_files();
    assert!(files.len() > 30, "the walk found the files");
    report(
        files
            .iter()
            .flat_map(|(path, text)| rules::check_places(path, text))
            .collect(),
    );
}
