//! The rules about single files.

use crate::source::{Source, Token};

/// The most lines of code that one file may have.
const MOST_LINES: usize = 500;

/// How many lines of code may stand between an `ORDERING` comment and the operation that it explains.
const ORDERING_REACH: usize = 5;

/// No file is too long to be understood in one sitting. Tests are not counted: they are read one at a time.
pub(crate) fn check_size(source: &Source) -> Vec<String> {
    if source.path.split('/').any(|folder| folder == "tests") {
        return Vec::new();
    }
    let lines = source.code.iter().zip(&source.is_test);
    let count = lines
        .filter(|(code, is_test)| !**is_test && !code.trim().is_empty())
        .count();
    let path = &source.path;
    match count > MOST_LINES {
        true => vec![format!(
            "{path}: {count} lines of code, at most {MOST_LINES}"
        )],
        false => Vec::new(),
    }
}

/// `unsafe` stands only in files that open with the announcement.
pub(crate) fn check_unsafe(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let opening: Vec<&str> = tokens.iter().take(5).map(|token| &*token.text).collect();
    let is_announced = opening == ["#", "!", "[", "expect", "("]
        && tokens
            .get(5)
            .is_some_and(|token| token.text == "unsafe_code");
    if is_announced {
        return Vec::new();
    }
    let first = tokens.iter().find(|token| token.text == "unsafe");
    let fault = |token: &Token| {
        let (path, line) = (&source.path, token.line + 1);
        format!(
            "{path}:{line}: `unsafe`, but the file does not open with `#![expect(unsafe_code, reason = ..)]`"
        )
    };
    first.map(fault).into_iter().collect()
}

/// Every group of lines with an atomic ordering has a comment that names the pair.
pub(crate) fn check_ordering_comments(source: &Source) -> Vec<String> {
    const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    if source.is_outside_src() {
        return Vec::new();
    }
    let is_operation = |line: usize| {
        let code = &source.code[line];
        ORDERINGS
            .iter()
            .any(|ordering| code.contains(&format!("Ordering::{ordering}")))
    };
    let mut faults = Vec::new();
    for line in 0..source.code.len() {
        let goes_on = line > 0 && is_operation(line - 1);
        if source.is_test[line] || !is_operation(line) || goes_on {
            continue;
        }
        if !has_ordering_comment(source, line) {
            let path = &source.path;
            faults.push(format!(
                "{path}:{}: an atomic operation without `ORDERING` comment",
                line + 1
            ));
        }
    }
    faults
}

fn has_ordering_comment(source: &Source, operation: usize) -> bool {
    let mut lines_of_code = 0;
    for line in (0..=operation).rev() {
        if source.lines[line].contains("ORDERING") {
            return true;
        }
        lines_of_code += usize::from(!source.code[line].trim().is_empty());
        if lines_of_code > ORDERING_REACH + 1 {
            return false;
        }
    }
    false
}

/// `SeqCst` is written for fences alone.
pub(crate) fn check_seq_cst(source: &Source) -> Vec<String> {
    if source.is_outside_src() {
        return Vec::new();
    }
    let tokens = source.shipped_tokens();
    let texts: Vec<&str> = tokens.iter().map(|token| &*token.text).collect();
    let mut faults = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        if *text != "SeqCst" {
            continue;
        }
        let is_fence = texts[..at].ends_with(&["fence", "(", "Ordering", "::"])
            || texts[..at].ends_with(&["fence", "("]);
        if !is_fence {
            let (path, line) = (&source.path, tokens[at].line + 1);
            faults.push(format!("{path}:{line}: `SeqCst` outside of `fence(..)`"));
        }
    }
    faults
}

/// Atomics and threads come from the shim, the time from the clock.
pub(crate) fn check_doors(source: &Source) -> Vec<String> {
    if source.is_outside_src() || source.path.starts_with("macros/") {
        return Vec::new();
    }
    let tokens = source.shipped_tokens();
    let mut faults = Vec::new();
    if !source.path.starts_with("sync/src/primitive") {
        for (door, line) in names_of_doors(&tokens) {
            let (path, line) = (&source.path, line + 1);
            faults.push(format!(
                "{path}:{line}: `{door}` is only for sync/src/primitive"
            ));
        }
    }
    // The parker measures its own sleep, below the clock; its file says why.
    let keeps_time = ["time/src/clock.rs", "sync/src/park.rs"].contains(&&*source.path);
    if !keeps_time {
        for line in real_clock_reads(&tokens) {
            let (path, line) = (&source.path, line + 1);
            faults.push(format!(
                "{path}:{line}: the time comes from time/src/clock.rs"
            ));
        }
    }
    faults
}

/// Where the code names std's atomics, std's threads or loom, also through grouped imports.
fn names_of_doors(tokens: &[Token]) -> Vec<(&'static str, usize)> {
    const DOORS: [(&[&str], &str); 4] = [
        (&["std", "sync", "atomic"], "std::sync::atomic"),
        (&["core", "sync", "atomic"], "core::sync::atomic"),
        (&["std", "thread"], "std::thread"),
        (&["loom"], "loom"),
    ];
    let mut found = Vec::new();
    for (path, line) in paths(tokens) {
        for (door, name) in DOORS {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            // These start and stop no thread: two types, and a question to the operating system.
            let is_harmless = door == ["std", "thread"]
                && names.get(2).is_some_and(|name| {
                    matches!(*name, "Result" | "AccessError" | "available_parallelism")
                });
            if names.starts_with(door)
                && !is_harmless
                && names.len() > usize::from(door == ["loom"])
            {
                found.push((name, line));
            }
        }
    }
    found.dedup();
    found
}

/// Where the code reads the operating system's clock. `Instant::now` of lenio's own `Instant` asks the clock, and is fine.
fn real_clock_reads(tokens: &[Token]) -> Vec<usize> {
    let all = paths(tokens);
    let names_std_instant = all
        .iter()
        .any(|(path, _)| *path == ["std", "time", "Instant"]);
    all.iter()
        .filter(|(path, _)| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            match names[..] {
                ["std", "time", "Instant" | "SystemTime", "now"] => true,
                ["SystemTime", "now"] => true,
                ["Instant", "now"] => names_std_instant,
                _ => false,
            }
        })
        .map(|(_, line)| *line)
        .collect()
}

/// All paths of two or more names, with groups such as `a::{b, c}` taken apart.
fn paths(tokens: &[Token]) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 0 && tokens[at - 1].text == "::";
        let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        if continues || !goes_on {
            at += 1;
            continue;
        }
        at = read(tokens, at, &mut Vec::new(), &mut found);
    }
    found
}

fn read(
    tokens: &[Token],
    mut at: usize,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let depth = path.len();
    let line = tokens[at].line;
    path.push(tokens[at].text.clone());
    at += 1;
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        match tokens.get(at + 1).map(|token| &*token.text) {
            Some("{") => {
                at += 2;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = match tokens[at].text == "," {
                        true => at + 1,
                        false => read(tokens, at, path, found),
                    };
                }
                path.truncate(depth);
                return at + 1;
            }
            Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                path.push(name.to_owned());
                at += 2;
            }
            _ => break,
        }
    }
    found.push((path.clone(), line));
    path.truncate(depth);
    at
}

/// Nothing in the repository depends on where somebody keeps it.
pub(crate) fn check_places(path: &str, text: &str) -> Vec<String> {
    // In two parts, so that this file does not name them.
    const PLACES: [(&str, &str); 5] = [
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/wo", "rk/"),
        ("/Us", "ers/"),
        ("C:", "\\"),
    ];
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (head, tail) in PLACES {
            let place = format!("{head}{tail}");
            if starts_a_path(line, &place) {
                faults.push(format!("{path}:{}: names {place}", number + 1));
            }
        }
    }
    faults
}

/// Whether `place` stands in `line` as the start of a path, not inside of one: `net/work/x` names no machine.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("net/src/x.rs", text)
    }

    #[test]
    fn long_files_are_found_and_tests_and_docs_do_not_count() {
        let long = "x();\n".repeat(MOST_LINES + 1);
        assert_eq!(check_size(&source(&long)).len(), 1);
        let docs = "/// x\n\n".repeat(MOST_LINES + 1);
        assert!(check_size(&source(&docs)).is_empty());
        let tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(check_size(&source(&tests)).is_empty());
    }

    #[test]
    fn unannounced_unsafe_is_found() {
        assert_eq!(check_unsafe(&source("fn f() { unsafe { g() } }")).len(), 1);
        assert_eq!(check_unsafe(&source("unsafe impl Send for X {}")).len(), 1);
        let allowed = "#![allow(unsafe_code)]\nunsafe fn f() {}";
        assert_eq!(
            check_unsafe(&source(allowed)).len(),
            1,
            "`allow` hides, `expect` announces"
        );
        let announced =
            "#![expect(\n unsafe_code,\n reason = \"x\"\n)]\n//! Doc.\nunsafe fn f() {}";
        assert!(check_unsafe(&source(announced)).is_empty());
        assert!(check_unsafe(&source("// unsafe\nf(\"unsafe\", unsafe_code)")).is_empty());
    }

    #[test]
    fn atomics_without_a_comment_are_found() {
        let bare = "a.load(Ordering::Acquire);";
        assert_eq!(check_ordering_comments(&source(bare)).len(), 1);
        let far = format!(
            "// ORDERING: x\n{}{bare}",
            "f();\n".repeat(ORDERING_REACH + 1)
        );
        assert_eq!(check_ordering_comments(&source(&far)).len(), 1);
        let near = format!("// ORDERING: pairs with b.\nmatch self\n  .state\n  {bare}");
        assert!(check_ordering_comments(&source(&near)).is_empty());
        let compare = "a.cmp(b) == Ordering::Less";
        assert!(check_ordering_comments(&source(compare)).is_empty());
        let grouped = "// ORDERING: x\nf(\n Ordering::AcqRel,\n Ordering::Acquire,\n)";
        assert!(check_ordering_comments(&source(grouped)).is_empty());
    }

    #[test]
    fn sequentially_consistent_accesses_are_found() {
        assert_eq!(check_seq_cst(&source("a.load(Ordering::SeqCst)")).len(), 1);
        assert_eq!(check_seq_cst(&source("use Ordering::SeqCst;")).len(), 1);
        assert!(check_seq_cst(&source("fence(Ordering::SeqCst)")).is_empty());
        assert!(check_seq_cst(&source("atomic::fence(SeqCst)")).is_empty());
        assert!(check_seq_cst(&source("// never SeqCst accesses")).is_empty());
    }

    #[test]
    fn ways_around_the_doors_are_found() {
        for text in [
            "use std::sync::atomic::AtomicU8;",
            "use std::sync::{Arc, atomic::{self, Ordering}};",
            "use std::{fmt, thread};",
            "fn f() { std::thread::sleep(x) }",
            "use loom::sync::Arc;",
            "use std::time::Instant;\nfn f() { Instant::now() }",
            "fn f() { std::time::Instant::now() }",
            "fn f() { SystemTime::now() }",
        ] {
            assert_eq!(check_doors(&source(text)).len(), 1, "{text}");
        }
        for text in [
            "use lenio_sync::primitive::{atomic::AtomicU8, thread};",
            "use lenio_time::Instant;\nfn f() { Instant::now() }",
            "use std::time::{Duration, Instant};\nfn f(now: Instant) {}",
            "fn f() -> std::thread::Result<()> { g() }",
            "#[cfg(test)]\nmod tests {\n use std::thread;\n}",
        ] {
            assert!(check_doors(&source(text)).is_empty(), "{text}");
        }
        assert!(
            check_doors(&Source::new(
                "sync/src/primitive/real.rs",
                "use std::thread;"
            ))
            .is_empty()
        );
    }

    #[test]
    fn places_of_machines_are_found() {
        let found = |line: &str| !check_places("x", line).is_empty();
        assert!(found(&format!("cd {}{}x", "/ho", "me/")));
        assert!(found(&format!("\"{}{}\"", "/wo", "rk/")));
        assert!(!found(&format!("net{}{}", "/wo", "rk/")));
        assert!(!found("https://example.org/homes"));
    }
}
