//! What does a small HTTP answer cost through hyper, under the load of wrk?
//!
//! hyper is the same for all; what differs is the adapter and the runtime below. A regression: a read buffer filled
//! with zeroes first, a write per header instead of vectored ones.

use std::convert::Infallible;
use std::env;
use std::process::Command;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::net::Mode;
use super::{Metric, Row, Unit};
use crate::measure::{Run, Sample};
use crate::rt::Rt;
use crate::serve::{Kind, Server};

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    // N is the time in seconds; wrk knows whole ones only.
    vec![
        Row::driven("http_pin1", 1, 1, |rt, run| {
            hello(["http_pin1_cpu", "http_pin1_rate"], rt, run, Mode::Pinned)
        })
        .metrics(&[
            Metric::cost("http_pin1_cpu", Unit::Nanoseconds),
            Metric::cost("http_pin1_rate", Unit::PerSecond).rising(),
        ])
        .served_floor(),
        Row::driven("http_free2", 1, 1, |rt, run| {
            hello(["http_free2_cpu", "http_free2_rate"], rt, run, Mode::Free)
        })
        .metrics(&[
            Metric::cost("http_free2_cpu", Unit::Nanoseconds),
            Metric::cost("http_free2_rate", Unit::PerSecond).rising(),
        ])
        .served_floor()
        .only_multi(),
    ]
}

/// Serves `Hello, World!` on one connection until it ends.
pub(crate) async fn serve_hello<I>(io: I)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let hello = |_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
            b"Hello, World!",
        ))))
    };
    let connection = http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(io, service_fn(hello));
    // The client hangs up in the middle of things when its time is over: no failure.
    connection.await.ok();
}

/// Requests that wrk got answered.
pub(crate) struct Answered {
    pub(crate) total: f64,
    pub(crate) rate: f64,
}

/// `wrk -t1` against a local port; an error says why there is no number.
pub(crate) fn wrk(
    port: u16,
    conns: u64,
    seconds: u64,
    core: Option<usize>,
) -> Result<Answered, String> {
    // wrk knows no option that ends with success; that it starts is enough.
    Command::new("wrk")
        .arg("-v")
        .output()
        .map_err(|_| "wrk is not installed".to_owned())?;
    let options = [
        "-t1".to_owned(),
        format!("-c{conns}"),
        format!("-d{seconds}s"),
        format!("http://127.0.0.1:{port}/"),
    ];
    let mut command = match core {
        None => Command::new("wrk"),
        Some(core) => {
            let mut command = Command::new(env::current_exe().map_err(|error| error.to_string())?);
            command.args(["on-core", &core.to_string(), "wrk"]);
            command
        }
    };
    let output = command
        .args(options)
        .output()
        .map_err(|error| format!("wrk cannot be started ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!(
            "wrk failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    parse(&text).ok_or_else(|| format!("wrk printed `{text}`"))
}

fn parse(text: &str) -> Option<Answered> {
    let total = text.lines().find(|line| line.contains(" requests in "))?;
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))?;
    Some(Answered {
        total: total.split_ascii_whitespace().next()?.parse().ok()?,
        rate: rate.trim().parse().ok()?,
    })
}

fn hello(metrics: [&str; 2], rt: &str, run: &Run, mode: Mode) -> Sample {
    let (workers, server_core, client_core) = match mode.places(run) {
        Ok(places) => places,
        Err(reason) => return Sample::Skipped(reason),
    };
    let mut server = Server::start(rt, Kind::Http, workers, server_core, &[]);
    let before = server.ask("cpu");
    match wrk(server.port(), 50, run.n, client_core) {
        Err(reason) => Sample::Skipped(reason),
        Ok(Answered { total, rate }) => {
            let cpu = (server.ask("cpu") - before) as f64 / total;
            let [cpu_metric, rate_metric] = metrics;
            Sample::of([(cpu_metric, cpu), (rate_metric, rate)])
        }
    }
}
