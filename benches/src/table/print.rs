//! The table as text: one line per metric, appearing as it is measured.

use std::fmt::Write;

use super::Table;
use super::judge::{Cell, Line, Verdict};
use super::mean::{mean_of, mean_to_best};
use crate::rt::{FLOOR, MAIN_PEER, OURS};

const NAME_WIDTH: usize = 30;
const CELL_WIDTH: usize = 26;
const RATIO_WIDTH: usize = 12;

/// Headings of the columns.
pub(super) fn columns(table: &Table) -> Vec<String> {
    let mut columns = vec!["row".to_owned()];
    columns.extend(table.runtimes.iter().cloned());
    columns.extend([
        format!("{OURS}/best"),
        format!("{OURS}/{MAIN_PEER}"),
        "verdict".to_owned(),
    ]);
    columns
}

/// A line's cells in the order of [`columns`].
pub(super) fn cells(line: &Line) -> Vec<String> {
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let unit = line.metric.unit.label();
    let mut cells = vec![format!("{} {unit}", line.label()).trim_end().to_owned()];
    cells.extend(line.cells.iter().map(|cell| values(line, cell)));
    cells.push(ratio(line.ratio_to_best()));
    cells.push(ratio(line.ratio_to(MAIN_PEER)));
    cells.push(line.verdict().map_or("-", Verdict::label).to_owned());
    cells
}

/// `median (best)`, and the CPU per op where it was taken.
fn values(line: &Line, cell: &Cell) -> String {
    let (Some(median), Some(best)) = (cell.median(), line.best_sample(cell)) else {
        return "-".to_owned();
    };
    let mut text = format!("{} ({})", number(median), number(best));
    if let Some(cpu) = cell.cpu() {
        // Writing to a string cannot fail.
        write!(text, " cpu {}", number(cpu)).ok();
    }
    text
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What stands above the first line.
pub(super) fn head(table: &Table) -> String {
    let legend = format!(
        "{} rounds, {} workers. A cell: median (best sample), cpu = process CPU ns per op.\n\
         Ratios: how many times better {OURS} is; won from 1.03, lost below 1/1.03.\n\
         x@library: that library's primitive on each runtime; {OURS} on {OURS} against the best of the others anywhere.",
        table.rounds, table.workers
    );
    let warning = if table.was_waited {
        ""
    } else {
        "\nNOT WAITED for an idle machine: these numbers are noise."
    };
    format!("{legend}{warning}\n{}", row(table, &columns(table)))
}

/// One padded line.
pub(super) fn line(table: &Table, line: &Line) -> String {
    row(table, &cells(line))
}

fn row(table: &Table, cells: &[String]) -> String {
    let mut text = String::new();
    for (column, cell) in cells.iter().enumerate() {
        let width = match column {
            0 => NAME_WIDTH,
            _ if column <= table.runtimes.len() => CELL_WIDTH,
            _ => RATIO_WIDTH,
        };
        // Writing to a string cannot fail.
        write!(text, "{cell:<width$} ").ok();
    }
    text.trim_end().to_owned()
}

/// What stands below the last line: means, lost lines, what is missing.
pub(super) fn summary(table: &Table) -> String {
    let mut text = String::new();
    for part in summary_lines(table) {
        text.push('\n');
        text.push_str(&part);
    }
    text
}

pub(super) fn summary_lines(table: &Table) -> Vec<String> {
    let mut lines = Vec::new();
    for rt in table
        .runtimes
        .iter()
        .filter(|rt| *rt != FLOOR && *rt != MAIN_PEER)
    {
        if let Some(mean) = mean_of(&table.lines, rt) {
            lines.push(format!(
                "{rt}/{MAIN_PEER}: {:.2}, geometric mean of {} CPU lines",
                mean.value, mean.lines
            ));
        }
    }
    if let Some(mean) = mean_to_best(&table.lines) {
        lines.push(format!(
            "{OURS}/best: {:.2}, geometric mean of {} CPU lines",
            mean.value, mean.lines
        ));
    }
    let with = |verdict: Verdict| -> Vec<String> {
        let lines = table
            .lines
            .iter()
            .filter(|line| line.verdict() == Some(verdict));
        lines.map(Line::label).collect()
    };
    let lost = with(Verdict::Lost);
    let (won, tied) = (with(Verdict::Won).len(), with(Verdict::Tied).len());
    if won + tied + lost.len() > 0 {
        lines.push(format!("won {won}, tied {tied}, lost {}", lost.len()));
        lines.push(format!(
            "lost: {}",
            if lost.is_empty() {
                "none".to_owned()
            } else {
                lost.join(", ")
            }
        ));
    }
    lines.push(format!(
        "dropped samples (machine busy): {}; failed samples: {}",
        table.dropped, table.failed
    ));
    lines.extend(table.skipped.iter().map(|note| format!("SKIPPED {note}")));
    lines
}
