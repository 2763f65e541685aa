//! The published results: the whole table with everything needed to judge it, in `RESULTS.md`.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Table;
use super::print::{cells, columns, summary_lines};

/// The packages whose versions matter.
const PACKAGES: [&str; 19] = [
    "lenio",
    "mio",
    "crossbeam-deque",
    "tokio",
    "tokio-util",
    "async-executor",
    "async-task",
    "async-io",
    "blocking",
    "hyper",
    "hyper-util",
    "smol-hyper",
    "libc",
    "async-lock",
    "async-channel",
    "event-listener",
    "flume",
    "kanal",
    "tachyonix",
];

/// Writes the file beside the package's manifest and returns its path.
pub(super) fn write(table: &Table) -> io::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(package.join("../Cargo.lock"))?;
    let ceilings = fs::read_to_string(package.join("gate.toml"))?;
    let path = package.join("RESULTS.md");
    fs::write(&path, text(table, &lock, &ceilings))?;
    Ok(path)
}

fn text(table: &Table, lock: &str, ceilings: &str) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo run --release -p lenio-benches -- --publish`.\n\n",
    );
    for (what, value) in circumstances(table, lock) {
        // Writing to a string cannot fail, here and below.
        writeln!(text, "- {what}: {value}").ok();
    }
    text.push_str(
        "\nA cell: median (best sample), cpu = process CPU nanoseconds per op. Ratios: how many times better lenio is, \
         against the best peer of the line and against tokio-mt. Ratios hold within this run only.\n\n\
         `x@library` lines are contests of locks and channels, which know no runtime: the library's primitive on each \
         runtime. The verdict is at lenio's line: lenio's primitive on lenio, against the best cell of all other \
         libraries on any runtime; the ratio to tokio-mt is against tokio's primitive there.\n\n",
    );
    let columns = columns(table);
    writeln!(
        text,
        "| {} |\n|{}",
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
    .ok();
    for line in &table.lines {
        writeln!(text, "| {} |", cells(line).join(" | ")).ok();
    }
    text.push('\n');
    for line in summary_lines(table) {
        writeln!(text, "- {line}").ok();
    }
    writeln!(
        text,
        "\n## Gate\n\nCeilings that every change is held to, from `gate.toml`:\n\n```toml"
    )
    .ok();
    writeln!(text, "{}\n```", ceilings.trim()).ok();
    text
}

fn circumstances(table: &Table, lock: &str) -> Vec<(&'static str, String)> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let is_virtual = field("flags").split(' ').any(|flag| flag == "hypervisor");
    let kind = if is_virtual {
        "virtual machine"
    } else {
        "bare metal"
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let versions: Vec<String> = PACKAGES
        .iter()
        .filter_map(|name| version(lock, name))
        .collect();
    vec![
        (
            "machine",
            format!("{cores} x {} ({kind})", field("model name")),
        ),
        ("kernel", format!("Linux {}", kernel.trim())),
        ("compiler", output_of("rustc", &["--version"])),
        ("allocator", "the system's".to_owned()),
        ("versions", versions.join(", ")),
        (
            "commit",
            output_of("git", &["rev-parse", "--short", "HEAD"]),
        ),
        ("date", output_of("date", &["-u", "+%Y-%m-%d"])),
        (
            "rounds",
            format!("{} with {} workers", table.rounds, table.workers),
        ),
        ("dropped samples", table.dropped.to_string()),
    ]
}

/// `name version` as the lock file has it.
fn version(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != format!("name = \"{name}\""));
    let line = lines.nth(1)?.strip_prefix("version = ")?;
    Some(format!("{name} {}", line.trim_matches('"')))
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| output.stdout);
    text.map_or("unknown".to_owned(), |text| {
        String::from_utf8_lossy(&text).trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::super::judge::Line;
    use super::{text, version};
    use crate::measure::Value;
    use crate::rows::{Metric, Unit};

    #[test]
    fn lost_lines_are_published_too() {
        let runtimes = vec!["lenio".to_owned(), "smol".to_owned()];
        let mut line = Line::new(
            "row",
            None,
            Metric::cpu_row("slow", Unit::Nanoseconds),
            2,
            &runtimes,
        );
        for (cell, value) in line.cells.iter_mut().zip([200.0, 100.0]) {
            cell.add(&Value {
                metric: "slow".to_owned(),
                value,
                cpu: Some(7.0),
            });
        }
        let table = Table {
            runtimes,
            rounds: 1,
            workers: 2,
            lines: vec![line],
            dropped: 3,
            failed: 0,
            skipped: vec!["http: no wrk".to_owned()],
            was_waited: true,
        };
        let text = text(&table, "", "x = 1");
        assert!(
            text.contains(
                "| slow ns | 200 (200) cpu 7.00 | 100 (100) cpu 7.00 | 0.50 | - | LOST |"
            ),
            "{text}"
        );
        assert!(text.contains("- lost: slow"));
        assert!(text.contains("- SKIPPED http: no wrk"));
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"mio-extras\"\nversion = \"2\"\n\n[[package]]\nname = \"mio\"\nversion = \"1.0\"\n";
        assert_eq!(version(lock, "mio").as_deref(), Some("mio 1.0"));
        assert_eq!(version(lock, "tokio"), None);
    }
}
