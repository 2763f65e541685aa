//! Did this change make lenio do more work? Instructions per op and system calls per message, which no neighbour on
//! the machine disturbs: they decide merges, wall-clock time decides claims.
//!
//! Every number is a slope between two sizes, so that start-up cancels. A regression is a number more than 3 % above
//! its ceiling in `gate.toml`. What cannot be measured is *skipped*, which is not *passed*.

use std::fmt;
use std::process::ExitCode;

use crate::args::{GateOptions, is_wanted};
use crate::rows::{self, Info};
use crate::rt::OURS;

mod ceilings;
mod instructions;
mod messages;
mod tool;

use ceilings::Ceilings;

/// How far above its ceiling a number may be.
const TOLERANCE: f64 = 1.03;

/// What the gate says about one number.
#[derive(Debug)]
enum Outcome {
    Passed {
        measured: f64,
        ceiling: f64,
    },
    Failed {
        measured: f64,
        ceiling: f64,
    },
    /// Measured, but nothing to compare with.
    Unjudged {
        measured: f64,
    },
    Skipped {
        reason: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed { measured, ceiling } => {
                write!(f, "{measured:>9.2}  ceiling {ceiling:>8}  passed")
            }
            Outcome::Failed { measured, ceiling } => {
                write!(f, "{measured:>9.2}  ceiling {ceiling:>8}  FAILED")
            }
            Outcome::Unjudged { measured } => write!(f, "{measured:>9.2}  no ceiling"),
            Outcome::Skipped { reason } => write!(f, "skipped: {reason}"),
        }
    }
}

/// Measures, compares, and on request writes the new ceilings.
pub(crate) fn main(options: &GateOptions) -> Result<ExitCode, String> {
    let measured = Measured::parse(&options.of);
    let mut gate = Gate {
        ceilings: Ceilings::read()?,
        is_judging: options.of == OURS,
        failed: 0,
        skipped: 0,
    };
    for (workers, section) in [
        (1, "instructions.one-worker"),
        (2, "instructions.two-workers"),
    ] {
        println!("[{section}]");
        for row in rows::catalogue() {
            if !is_wanted(&options.rows, row.name) || !measured.has(&row) {
                continue;
            }
            if let Some(sizes) = row.gate {
                gate.note(
                    section,
                    row.name,
                    instructions::per_op(&row, sizes, measured.rt, workers),
                );
            }
        }
    }
    if options.net && measured.library.is_none() {
        let section = "messages";
        println!("[{section}]");
        for (name, measure) in messages::all() {
            if is_wanted(&options.rows, name) {
                gate.note(section, name, measure(measured.rt));
            }
        }
    }
    if options.bless {
        let path = gate.ceilings.write()?;
        println!(
            "ceilings written to {}; the commit must say why they changed",
            path.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} failed, {} skipped (skipped is not passed)",
        gate.failed, gate.skipped
    );
    Ok(if gate.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is measured: a runtime, with the libraries that are at home on it, or one library on a runtime.
struct Measured<'a> {
    library: Option<&'a str>,
    rt: &'a str,
}

impl<'a> Measured<'a> {
    /// `runtime` or `library@runtime`.
    fn parse(of: &'a str) -> Measured<'a> {
        match of.split_once('@') {
            Some((library, rt)) => Measured {
                library: Some(library),
                rt,
            },
            None => Measured {
                library: None,
                rt: of,
            },
        }
    }

    fn has(&self, row: &Info) -> bool {
        match (self.library, row.library) {
            (None, None) => true,
            (None, Some(theirs)) => theirs.is_at_home_on(self.rt),
            (Some(name), theirs) => theirs.is_some_and(|theirs| theirs.name == name),
        }
    }
}

struct Gate {
    ceilings: Ceilings,
    is_judging: bool,
    failed: usize,
    skipped: usize,
}

impl Gate {
    /// Prints the outcome and keeps the number as a possible new ceiling.
    fn note(&mut self, section: &str, name: &str, measured: Result<f64, String>) {
        let ceiling = self.ceilings.of(section, name).filter(|_| self.is_judging);
        let outcome = match (measured, ceiling) {
            (Err(reason), _) => Outcome::Skipped { reason },
            (Ok(measured), None) => Outcome::Unjudged { measured },
            (Ok(measured), Some(ceiling)) if measured > ceiling * TOLERANCE => {
                Outcome::Failed { measured, ceiling }
            }
            (Ok(measured), Some(ceiling)) => Outcome::Passed { measured, ceiling },
        };
        println!("{name:<28} {outcome}");
        match outcome {
            Outcome::Skipped { .. } => self.skipped += 1,
            Outcome::Failed { measured, .. } => {
                self.failed += 1;
                self.ceilings.set(section, name, measured);
            }
            Outcome::Passed { measured, .. } | Outcome::Unjudged { measured } => {
                self.ceilings.set(section, name, measured);
            }
        }
    }
}
