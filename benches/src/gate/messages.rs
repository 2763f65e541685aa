//! Instructions and system calls per message: the server under a tool, the client outside of it, for two windows.
//!
//! Judge system calls by fifty connections. With one, the count depends on whether the answer overtakes the next wait,
//! and tracing itself shifts that.

use std::time::Duration;

use super::tool::{Tool, Use};
use crate::client::{Shape, echo};
use crate::rows::http::wrk;
use crate::rows::net::{BUFFER, MANY, ONE};
use crate::serve::{Kind, Server};

/// One worker: the counts are then nearly deterministic.
const WORKERS: usize = 1;

/// A measurement of a runtime.
type Measure = fn(&str) -> Result<f64, String>;

/// Names and measurements.
pub(super) fn all() -> [(&'static str, Measure); 6] {
    [
        ("echo_50x64_instructions", |rt| {
            echo_slope(rt, Tool::Callgrind, MANY, [300, 1_500])
        }),
        ("echo_1x64_instructions", |rt| {
            echo_slope(rt, Tool::Callgrind, ONE, [300, 1_500])
        }),
        ("http_50_instructions", |rt| http_slope(rt, 50)),
        ("http_1_instructions", |rt| http_slope(rt, 1)),
        ("echo_50x64_syscalls", |rt| {
            echo_slope(rt, Tool::Strace, MANY, [100, 600])
        }),
        ("echo_1x64_syscalls", |rt| {
            echo_slope(rt, Tool::Strace, ONE, [100, 600])
        }),
    ]
}

/// What one run counted, and the messages in it.
struct Counted {
    count: f64,
    messages: f64,
}

fn slope(short: &Counted, long: &Counted) -> f64 {
    (long.count - short.count) / (long.messages - short.messages)
}

fn echo_slope(rt: &str, tool: Tool, shape: Shape, windows: [u64; 2]) -> Result<f64, String> {
    let run = |millis| {
        let counted = Use::new(tool)?;
        let server = Server::start(
            rt,
            Kind::Echo { buffer: BUFFER },
            WORKERS,
            None,
            &counted.wrapper(),
        );
        let report = echo(server.port(), shape, Duration::from_millis(millis), None);
        // The tool writes its report when the server ends.
        drop(server);
        Ok::<_, String>(Counted {
            count: counted.count()?,
            messages: report.total,
        })
    };
    Ok(slope(&run(windows[0])?, &run(windows[1])?))
}

fn http_slope(rt: &str, conns: u64) -> Result<f64, String> {
    let run = |seconds| {
        let counted = Use::new(Tool::Callgrind)?;
        let server = Server::start(rt, Kind::Http, WORKERS, None, &counted.wrapper());
        let answered = wrk(server.port(), conns, seconds, None)?;
        drop(server);
        Ok::<_, String>(Counted {
            count: counted.count()?,
            messages: answered.total,
        })
    };
    Ok(slope(&run(1)?, &run(3)?))
}
