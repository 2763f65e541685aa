//! lenio beside its rivals and the physical floor.
//!
//! `cargo run --release -p lenio-benches` measures every row: runtimes interleaved round by round, a fresh process per
//! sample, medians and best values, process CPU per op beside wall time. `-- gate` counts instructions and system
//! calls instead, which no neighbour on the machine disturbs. `-- --help` lists the options.
//!
//! Code map: `rt/` the runtimes, one file each; `rows/` the workloads, one file per family; `floor/` what physics
//! takes; `library/` the locks and channels that are compared on every runtime; `serve/` and `client/` the two ends of the network rows; `table/` rounds, judging, printing; `gate/`
//! instructions and system calls.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};
use std::time::Duration;

use crate::args::Command;
use crate::measure::Run;

mod args;
mod client;
mod floor;
mod gate;
mod library;
mod measure;
mod os;
mod rows;
mod rt;
mod serve;
mod signal;
mod table;

fn main() -> ExitCode {
    let words = env::args().skip(1).collect();
    match args::parse(words).and_then(dispatch) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Table(options) => table::main(&options),
        Command::Gate(options) => gate::main(&options),
        Command::List => {
            for row in rows::catalogue() {
                let lines: Vec<&str> = row.metrics.iter().map(|metric| metric.name).collect();
                println!("{:<24} N {:<8} {}", row.label(), row.full, lines.join(" "));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Help => {
            print!("{}", args::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Command::Internal(name, words) => internal(&name, &words).map(|()| ExitCode::SUCCESS),
    }
}

fn internal(name: &str, words: &[String]) -> Result<(), String> {
    match name {
        "serve" => serve::main(words),
        "client" => client::main(words),
        "on-core" => run_on_core(words),
        _ => take_sample(words),
    }
}

/// `sample <row> <runtime> <n> <warm> <iterations> <workers> <limit>`: measures in this process and prints the values.
fn take_sample(words: &[String]) -> Result<(), String> {
    let [row, rt, numbers @ ..] = words else {
        return Err("sample needs a row and a runtime".to_owned());
    };
    let numbers: Vec<u32> = numbers
        .iter()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [n, warm, iterations, workers, limit] = numbers[..] else {
        return Err("sample needs five numbers: n warm iterations workers limit".to_owned());
    };
    os::end_after(Duration::from_secs(u64::from(limit)));
    let run = Run {
        n: u64::from(n),
        warm,
        iterations,
        workers: workers as usize,
    };
    let sample =
        rows::sample(row, rt, run).ok_or_else(|| format!("there is no row {row} on {rt}"))?;
    sample.print();
    // The runtime's shutdown is no part of any row.
    process::exit(0)
}

/// `on-core <core> <program> <arguments>`: becomes that program, tied to one core.
fn run_on_core(words: &[String]) -> Result<(), String> {
    let [core, program, arguments @ ..] = words else {
        return Err("on-core needs a core and a program".to_owned());
    };
    let core = core.parse().map_err(|_| format!("`{core}` is no core"))?;
    os::pin_to_core(core).map_err(|error| format!("cannot pin to core {core}: {error}"))?;
    let error = process::Command::new(program).args(arguments).exec();
    Err(format!("cannot run {program}: {error}"))
}
