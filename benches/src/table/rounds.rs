//! The rounds of one row: each sample in a fresh process, runtimes interleaved, only on an idle machine.

use std::env;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Table;
use super::judge::{Cell, Line};
use crate::measure::Sample;
use crate::os;
use crate::rows::{Info, is_multi};
use crate::rt::FLOOR;

/// Longest life of a sample: many times what the slowest row takes.
const SAMPLE_SECONDS: &str = "60";
const IDLE_WINDOW: Duration = Duration::from_millis(80);
const IDLE_TRIES: usize = 40;
const IDLE_SHARE: f64 = 0.93;

/// Takes all samples of a row; one line per metric.
pub(super) fn measure(table: &mut Table, row: &Info, n: u64) -> Vec<Line> {
    let mut lines: Vec<Line> = row
        .metrics
        .iter()
        .map(|&metric| Line::new(row.name, metric, table.workers, &table.runtimes))
        .collect();
    for round in 0..table.rounds {
        let count = table.runtimes.len();
        // Another one begins each round, so that nobody always runs after the same neighbour.
        for column in (0..count).map(|column| (column + round) % count) {
            let rt = table.runtimes[column].clone();
            let is_absent = if rt == FLOOR {
                !row.has_floor
            } else {
                row.needs_multi && !is_multi(&rt)
            };
            if is_absent {
                continue;
            }
            if table.was_waited && !wait_until_idle() {
                table.dropped += 1;
                continue;
            }
            match sample(row.name, &rt, n, table.workers) {
                Ok(Sample::Values(values)) => {
                    for value in values {
                        let line = lines
                            .iter_mut()
                            .find(|line| line.metric.name == value.metric);
                        let line = line.unwrap_or_else(|| {
                            panic!("{} has no metric {}", row.name, value.metric)
                        });
                        line.cells[column].add(&value);
                    }
                }
                Ok(Sample::Skipped(reason)) => {
                    let note = format!("{}: {reason}", row.name);
                    eprintln!("SKIPPED {note} (on {rt})");
                    if !table.skipped.contains(&note) {
                        table.skipped.push(note);
                    }
                }
                Err(reason) => {
                    eprintln!("FAILED {} on {rt}: {reason}", row.name);
                    table.failed += 1;
                }
            }
        }
    }
    lines.retain(|line| line.cells.iter().any(Cell::has_samples));
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
