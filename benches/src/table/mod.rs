//! The table: every row on every runtime, round by round, judged and printed.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::args::{Options, is_wanted};
use crate::rows;
use crate::rt::{FLOOR, OURS, names};

mod json;
mod judge;
mod mean;
mod print;
mod publish;
mod rounds;

use judge::Line;

/// All that a run of the table found out.
pub(crate) struct Table {
    /// The columns, lenio first, the floor last.
    runtimes: Vec<String>,
    rounds: usize,
    workers: usize,
    lines: Vec<Line>,
    /// Samples given up because the machine never was idle.
    dropped: usize,
    /// Samples whose process failed.
    failed: usize,
    /// Rows that cannot run here, and why.
    skipped: Vec<String>,
    was_waited: bool,
}

/// Measures, prints, publishes. Lost rows do not change the exit code, failed samples do.
pub(crate) fn main(options: &Options) -> Result<ExitCode, String> {
    let runtimes = columns(options)?;
    let mut table = Table {
        runtimes,
        rounds: if options.smoke { 1 } else { options.rounds },
        workers: options.workers,
        lines: Vec::new(),
        dropped: 0,
        failed: 0,
        skipped: Vec::new(),
        was_waited: options.wait_until_idle && !options.smoke,
    };
    let has_rivals = options.smoke || table.runtimes.iter().any(|rt| rt != OURS && rt != FLOOR);
    let all = rows::catalogue().into_iter();
    let mine =
        all.filter(|row| has_rivals || row.library.is_none_or(|library| library.name == OURS));
    let wanted = mine.filter(|row| {
        is_wanted(&options.rows, &row.label())
            || row
                .metrics
                .iter()
                .any(|metric| is_wanted(&options.rows, metric.name))
    });
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Err("no row has such a name; --list shows all".to_owned());
    }
    say(options, &print::head(&table));
    for rows in wanted.chunk_by(|row, next| row.name == next.name) {
        let lines = rounds::measure(&mut table, rows, options.smoke);
        for line in lines {
            say(options, &print::line(&table, &line));
            table.lines.push(line);
        }
    }
    say(options, &print::summary(&table));
    if options.json {
        println!("{}", json::write(&table));
    }
    if options.publish {
        let path =
            publish::write(&table).map_err(|error| format!("cannot write the results: {error}"))?;
        eprintln!("written: {}", path.display());
    }
    Ok(if table.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The runtimes to run: lenio, the peers asked for, the floor.
fn columns(options: &Options) -> Result<Vec<String>, String> {
    let known = names();
    let mut runtimes: Vec<String> = known
        .iter()
        .filter(|name| **name == OURS)
        .map(|&name| name.to_owned())
        .collect();
    match &options.peers {
        Some(peers) => {
            for peer in peers {
                if !known.contains(&peer.as_str()) {
                    return Err(format!(
                        "no peer `{peer}` in this build; there are: {}",
                        known.join(", ")
                    ));
                }
                if !runtimes.contains(peer) {
                    runtimes.push(peer.clone());
                }
            }
        }
        None if options.smoke => {}
        None => runtimes.extend(
            known
                .iter()
                .filter(|name| **name != OURS)
                .map(|&name| name.to_owned()),
        ),
    }
    runtimes.push(FLOOR.to_owned());
    Ok(runtimes)
}

/// Progress goes to standard error when standard output carries JSON.
fn say(options: &Options, text: &str) {
    if options.json {
        eprintln!("{text}");
    } else {
        println!("{text}");
        // Lines appear as they are measured, even through a pipe; a closed pipe is noticed at the next line.
        io::stdout().flush().ok();
    }
}
