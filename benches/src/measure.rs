//! What a sample is: one process measures one row on one runtime and prints its values.

use std::time::{Duration, Instant};

use crate::os;

/// How one sample is to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// The size of the workload; its meaning is the row's.
    pub(crate) n: u64,
    /// Executions before the measured ones.
    pub(crate) warm: u32,
    /// Measured executions.
    pub(crate) iterations: u32,
    /// Worker threads for runtimes that can have several.
    pub(crate) workers: usize,
}

/// One measured number.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The metric that it belongs to; one of the row's.
    pub(crate) metric: String,
    /// The number, in the metric's unit.
    pub(crate) value: f64,
    /// Process CPU time per op beside it, in nanoseconds, where that says something.
    pub(crate) cpu: Option<f64>,
}

/// What one process found out.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    /// The values of the row's metrics.
    Values(Vec<Value>),
    /// The row cannot run here, and why. Never counted as a result.
    Skipped(String),
}

impl Sample {
    /// A sample of several metrics without CPU times.
    pub(crate) fn of<const N: usize>(values: [(&str, f64); N]) -> Sample {
        let value = |(metric, value): (&str, f64)| Value {
            metric: metric.to_owned(),
            value,
            cpu: None,
        };
        Sample::Values(values.into_iter().map(value).collect())
    }

    /// Runs the body `warm` times unmeasured and `iterations` times measured; wall and CPU nanoseconds per op.
    pub(crate) fn timed(metric: &str, run: &Run, ops: u64, mut body: impl FnMut()) -> Sample {
        for _ in 0..run.warm {
            body();
        }
        let cpu = os::process_cpu();
        let start = Instant::now();
        for _ in 0..run.iterations {
            body();
        }
        let wall = start.elapsed();
        let cpu = os::process_cpu() - cpu;
        let ops = ops as f64 * f64::from(run.iterations);
        let value = Value {
            metric: metric.to_owned(),
            value: wall.as_nanos() as f64 / ops,
            cpu: Some(cpu.as_nanos() as f64 / ops),
        };
        Sample::Values(vec![value])
    }

    /// Writes the sample the way that [`Sample::parse`] reads it.
    pub(crate) fn print(&self) {
        match self {
            Sample::Skipped(reason) => println!("skipped {reason}"),
            Sample::Values(values) => {
                for value in values {
                    let cpu = value.cpu.map_or("-".to_owned(), |cpu| cpu.to_string());
                    println!("value {} {} {cpu}", value.metric, value.value);
                }
            }
        }
    }

    /// Reads what a child process has printed; `None` if there is no complete value.
    pub(crate) fn parse(text: &str) -> Option<Sample> {
        if let Some(reason) = text.lines().find_map(|line| line.strip_prefix("skipped ")) {
            return Some(Sample::Skipped(reason.to_owned()));
        }
        let lines = text.lines().filter_map(|line| line.strip_prefix("value "));
        let values: Vec<Value> = lines.map(parse_value).collect::<Option<_>>()?;
        if values.is_empty() {
            None
        } else {
            Some(Sample::Values(values))
        }
    }
}

fn parse_value(line: &str) -> Option<Value> {
    let mut words = line.split_ascii_whitespace();
    let metric = words.next()?.to_owned();
    let value = words.next()?.parse().ok()?;
    let cpu = words.next()?;
    Some(Value {
        metric,
        value,
        cpu: cpu.parse().ok(),
    })
}

/// The value at `fraction` of the sorted numbers, by the rule `sorted[(n - 1) * p]`.
///
/// # Panics
/// If there are no numbers.
pub(crate) fn percentile(numbers: &mut [u64], fraction: f64) -> f64 {
    numbers.sort_unstable();
    numbers[((numbers.len() - 1) as f64 * fraction) as usize] as f64
}

/// Burns CPU until the monotonic clock has moved on by `duration`.
pub(crate) fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {}
}
