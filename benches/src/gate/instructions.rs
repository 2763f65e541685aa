//! Instructions per op: one execution under callgrind at two sizes.

use std::env;
use std::process::{Command, Stdio};

use super::tool::{Tool, Use};
use crate::rows::Info;

/// Longest life of a counted process: callgrind makes everything fifty times slower.
const SAMPLE_SECONDS: &str = "240";

/// The slope between the two sizes.
pub(super) fn per_op(
    row: &Info,
    sizes: (u64, u64),
    rt: &str,
    workers: usize,
) -> Result<f64, String> {
    let (small, large) = sizes;
    let label = row.label();
    let more = count(&label, rt, large, workers)? - count(&label, rt, small, workers)?;
    Ok(more / ((row.ops)(large) - (row.ops)(small)) as f64)
}

fn count(row: &str, rt: &str, n: u64, workers: usize) -> Result<f64, String> {
    let counted = Use::new(Tool::Callgrind)?;
    let wrapper = counted.wrapper();
    let itself = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg(itself);
    // No warm-up, one execution.
    command.args([
        "sample",
        row,
        rt,
        &n.to_string(),
        "0",
        "1",
        &workers.to_string(),
        SAMPLE_SECONDS,
    ]);
    let status = command
        .stdout(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{row} with N = {n} ended with {status}"));
    }
    counted.count()
}
