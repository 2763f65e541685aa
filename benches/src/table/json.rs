//! The table as JSON, for programs.

use super::Table;
use super::judge::{Cell, Line, Verdict};
use super::mean::{mean_of, mean_to_best};
use crate::rt::{MAIN_PEER, OURS};

/// One object; numbers that do not exist are null.
pub(super) fn write(table: &Table) -> String {
    let lines: Vec<String> = table.lines.iter().map(line).collect();
    let skipped: Vec<String> = table.skipped.iter().map(|note| text(note)).collect();
    format!(
        "{{\"rounds\":{},\"workers\":{},\"waited_until_idle\":{},\"dropped\":{},\"failed\":{},\"skipped\":[{}],\
         \"mean_to_best\":{},\"mean_to_{}\":{},\"lines\":[\n{}\n]}}",
        table.rounds,
        table.workers,
        table.was_waited,
        table.dropped,
        table.failed,
        skipped.join(","),
        number(mean_to_best(&table.lines).map(|mean| mean.value)),
        MAIN_PEER.replace('-', "_"),
        number(mean_of(&table.lines, OURS).map(|mean| mean.value)),
        lines.join(",\n"),
    )
}

fn line(line: &Line) -> String {
    let cells: Vec<String> = line
        .cells
        .iter()
        .filter(|cell| cell.has_samples())
        .map(|cell| values(line, cell))
        .collect();
    format!(
        "{{\"row\":{},\"line\":{},\"unit\":{},\"runtimes\":{{{}}},\"to_best\":{},\"to_{}\":{},\"verdict\":{}}}",
        text(line.row),
        text(&line.label()),
        text(line.metric.unit.label()),
        cells.join(","),
        number(line.ratio_to_best()),
        MAIN_PEER.replace('-', "_"),
        number(line.ratio_to(MAIN_PEER)),
        line.verdict()
            .map_or("null".to_owned(), |verdict| text(Verdict::label(verdict))),
    )
}

fn values(line: &Line, cell: &Cell) -> String {
    let samples: Vec<String> = cell
        .values
        .iter()
        .map(|&value| number(Some(value)))
        .collect();
    format!(
        "{}:{{\"median\":{},\"best\":{},\"cpu_ns\":{},\"samples\":[{}]}}",
        text(&cell.rt),
        number(cell.median()),
        number(line.best_sample(cell)),
        number(cell.cpu()),
        samples.join(","),
    )
}

fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => value.to_string(),
        _ => "null".to_owned(),
    }
}

fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character < ' ' => quoted.push(' '),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn text_is_quoted() {
        assert_eq!(text("a \"b\" \\ c\n"), "\"a \\\"b\\\" \\\\ c \"");
    }
}
