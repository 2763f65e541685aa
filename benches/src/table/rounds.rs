//! The rounds of one row: each sample in a fresh process, runtimes interleaved, only on an idle machine.

use std::env;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Table;
use super::judge::{Cell, Line, oppose};
use crate::measure::Sample;
use crate::os;
use crate::rows::{Info, is_multi};
use crate::rt::FLOOR;

/// Longest life of a sample: many times what the slowest row takes.
const SAMPLE_SECONDS: &str = "60";
const IDLE_WINDOW: Duration = Duration::from_millis(80);
const IDLE_TRIES: usize = 40;
const IDLE_SHARE: f64 = 0.93;

/// Takes all samples of a row, or of all rows of a contest; one line per metric and row.
pub(super) fn measure(table: &mut Table, rows: &[Info], is_smoke: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut places = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let metrics = row.metrics.iter();
        lines.extend(metrics.map(|&metric| {
            Line::new(
                row.name,
                row.library,
                metric,
                table.workers,
                &table.runtimes,
            )
        }));
        for (column, rt) in table.runtimes.iter().enumerate() {
            let is_there = if rt == FLOOR {
                // The rows of a contest have one floor.
                row.has_floor && index == 0
            } else {
                row.runs_on(rt) && (!row.needs_multi || is_multi(rt))
            };
            if is_there {
                places.push((row, column));
            }
        }
    }
    for round in 0..table.rounds {
        let count = places.len();
        // Another one begins each round, so that nobody always runs after the same neighbour.
        for &(row, column) in (0..count).map(|place| &places[(place + round) % count]) {
            let rt = table.runtimes[column].clone();
            let n = if is_smoke { row.smoke } else { row.full };
            let label = row.label();
            if table.was_waited && !wait_until_idle() {
                table.dropped += 1;
                continue;
            }
            match sample(&label, &rt, n, table.workers) {
                Ok(Sample::Values(values)) => {
                    for value in values {
                        let line = lines.iter_mut().find(|line| {
                            line.library == row.library && line.metric.name == value.metric
                        });
                        let line = line
                            .unwrap_or_else(|| panic!("{label} has no metric {}", value.metric));
                        line.cells[column].add(&value);
                    }
                }
                Ok(Sample::Skipped(reason)) => {
                    let note = format!("{label}: {reason}");
                    eprintln!("SKIPPED {note} (on {rt})");
                    if !table.skipped.contains(&note) {
                        table.skipped.push(note);
                    }
                }
                Err(reason) => {
                    eprintln!("FAILED {label} on {rt}: {reason}");
                    table.failed += 1;
                }
            }
        }
    }
    lines.retain(|line| line.cells.iter().any(Cell::has_samples));
    oppose(&mut lines);
    lines
}

/// One fresh process.
fn sample(row: &str, rt: &str, n: u64, workers: usize) -> Result<Sample, String> {
    let itself = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(itself);
    // One unmeasured execution, one measured one: the rounds are the repetitions.
    command.args([
        "sample",
        row,
        rt,
        &n.to_string(),
        "1",
        "1",
        &workers.to_string(),
        SAMPLE_SECONDS,
    ]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("its process ended with {}", output.status));
    }
    Sample::parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "its process printed no value".to_owned())
}

/// Waits for a window in which the machine is idle; false if none came.
fn wait_until_idle() -> bool {
    (0..IDLE_TRIES).any(|_| {
        let (busy, total) = os::core_ticks();
        thread::sleep(IDLE_WINDOW);
        let (busy_now, total_now) = os::core_ticks();
        let passed = total_now.saturating_sub(total);
        let idle = passed - busy_now.saturating_sub(busy).min(passed);
        passed > 0 && idle as f64 > IDLE_SHARE * passed as f64
    })
}
