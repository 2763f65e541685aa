//! What does an echoed message cost the server, and how many are there per second?
//!
//! The kernel's TCP path dominates, so the comparable number is server CPU per message; rates near 200,000 pinned are
//! the client's limit. A regression: an `epoll_ctl` per wait, a read that only learns that there is nothing more, a
//! second wake per batch of events.

use std::thread;
use std::time::Duration;

use super::{Metric, Row, Unit};
use crate::client::{Shape, echo};
use crate::measure::{Run, Sample, Value};
use crate::rt::Rt;
use crate::serve::{Kind, Server};

/// Fifty connections of 64 bytes: throughput.
pub(crate) const MANY: Shape = Shape {
    name: "50x64",
    conns: 50,
    size: 64,
};
/// One connection of 64 bytes: latency.
pub(crate) const ONE: Shape = Shape {
    name: "1x64",
    conns: 1,
    size: 64,
};
/// The buffer of each connection's task.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Who may run where.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// The server on core 0 with one worker, the client on core 1.
    Pinned,
    /// Nothing pinned, all workers.
    Free,
}

impl Mode {
    /// Workers, the server's core, the client's core; an error where there are not two cores.
    pub(super) fn places(self, run: &Run) -> Result<(usize, Option<usize>, Option<usize>), String> {
        if thread::available_parallelism().map_or(1, usize::from) < 2 {
            return Err("server and client need a core each".to_owned());
        }
        Ok(match self {
            Mode::Pinned => (1, Some(0), Some(1)),
            Mode::Free => (run.workers, None, None),
        })
    }
}

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    // N is the measured window in milliseconds.
    vec![
        Row::driven("echo_pin1", 600, 60, |rt, run| {
            echo_shapes("echo_pin1", rt, run, Mode::Pinned)
        })
        .metrics(
            &[
                shape([
                    "echo_pin1_50x64_cpu",
                    "echo_pin1_50x64_rate",
                    "echo_pin1_50x64_p50",
                    "echo_pin1_50x64_p99",
                ]),
                shape([
                    "echo_pin1_1x64_cpu",
                    "echo_pin1_1x64_rate",
                    "echo_pin1_1x64_p50",
                    "echo_pin1_1x64_p99",
                ]),
            ]
            .concat(),
        )
        .served_floor(),
        Row::driven("echo_free2", 600, 60, |rt, run| {
            echo_shapes("echo_free2", rt, run, Mode::Free)
        })
        .metrics(
            &[
                shape([
                    "echo_free2_50x64_cpu",
                    "echo_free2_50x64_rate",
                    "echo_free2_50x64_p50",
                    "echo_free2_50x64_p99",
                ]),
                shape([
                    "echo_free2_1x64_cpu",
                    "echo_free2_1x64_rate",
                    "echo_free2_1x64_p50",
                    "echo_free2_1x64_p99",
                ]),
            ]
            .concat(),
        )
        .served_floor()
        .only_multi(),
    ]
}

/// The four lines of a shape; the tail informs only.
fn shape([cpu, rate, p50, p99]: [&'static str; 4]) -> [Metric; 4] {
    [
        Metric::cost(cpu, Unit::Nanoseconds),
        Metric::cost(rate, Unit::PerSecond).rising(),
        Metric::cost(p50, Unit::Nanoseconds),
        Metric::cost(p99, Unit::Nanoseconds).informing(),
    ]
}

/// All shapes, one after another, on one server process.
fn echo_shapes(row: &str, rt: &str, run: &Run, mode: Mode) -> Sample {
    let (workers, server_core, client_core) = match mode.places(run) {
        Ok(places) => places,
        Err(reason) => return Sample::Skipped(reason),
    };
    let mut server = Server::start(rt, Kind::Echo { buffer: BUFFER }, workers, server_core, &[]);
    let mut values = Vec::new();
    for shape in [MANY, ONE] {
        let before = server.ask("cpu");
        let report = echo(
            server.port(),
            shape,
            Duration::from_millis(run.n),
            client_core,
        );
        let cpu = (server.ask("cpu") - before) as f64 / report.total;
        let numbers = [
            ("cpu", cpu),
            ("rate", report.rate),
            ("p50", report.p50),
            ("p99", report.p99),
        ];
        for (what, value) in numbers {
            values.push(Value {
                metric: format!("{row}_{}_{what}", shape.name),
                value,
                cpu: None,
            });
        }
    }
    Sample::Values(values)
}
