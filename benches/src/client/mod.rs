//! The load: processes of their own that talk to a server over loopback.
//!
//! One thread, raw level-triggered epoll, closed loop per connection: the client is the same for every runtime and
//! cheaper than any of them. A regression would be a client that is slower than the floor's server, so that all
//! runtimes look alike.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::os;

mod echo;
pub(crate) mod epoll;
mod hold;

const LIMIT: Duration = Duration::from_secs(120);

/// A load: how many connections, how long a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) conns: u64,
    pub(crate) size: usize,
}

/// What an echo client found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// Messages answered in all, warm-up included.
    pub(crate) total: f64,
    /// Messages per second over all connections, after the warm-up.
    pub(crate) rate: f64,
    /// Median round trip in nanoseconds, from the first byte sent to the last one back.
    pub(crate) p50: f64,
    /// Round trip that one message in a hundred exceeds.
    pub(crate) p99: f64,
}

/// `client echo <port> <conns> <size> <ms> <core or ->` or `client hold <port> <conns>`.
pub(crate) fn main(words: &[String]) -> Result<(), String> {
    os::end_after(LIMIT);
    os::raise_open_files()
        .map_err(|error| format!("cannot raise the limit on open files: {error}"))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| {
        word.parse::<u64>()
            .map_err(|_| format!("`{word}` is not a number"))
    };
    let port = |word: &str| {
        word.parse::<u16>()
            .map_err(|_| format!("`{word}` is not a port"))
    };
    match words[..] {
        ["echo", address, conns, size, millis, core] => {
            if let Ok(core) = core.parse() {
                os::pin_to_core(core)
                    .map_err(|error| format!("cannot pin to core {core}: {error}"))?;
            }
            let window = Duration::from_millis(number(millis)?);
            let report = echo::run(
                port(address)?,
                number(conns)?,
                number(size)? as usize,
                window,
            );
            let Report {
                total,
                rate,
                p50,
                p99,
            } = report.map_err(|error| format!("echo client: {error}"))?;
            println!("{total} {rate} {p50} {p99}");
            Ok(())
        }
        ["hold", address, conns] => hold::run(port(address)?, number(conns)?)
            .map_err(|error| format!("holding client: {error}")),
        _ => Err("client needs: echo port conns size ms core, or: hold port conns".to_owned()),
    }
}

/// Runs the echo load to its end.
pub(crate) fn echo(port: u16, shape: Shape, window: Duration, core: Option<usize>) -> Report {
    let mut command = this_program();
    command.args([
        "echo",
        &port.to_string(),
        &shape.conns.to_string(),
        &shape.size.to_string(),
    ]);
    command.arg(window.as_millis().to_string());
    command.arg(core.map_or("-".to_owned(), |core| core.to_string()));
    let mut process = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut text = String::new();
    let mut output = process.stdout.take().expect("the output is piped");
    output
        .read_to_string(&mut text)
        .expect("the client's output is readable");
    let status = process.wait().expect("the client can be waited for");
    assert!(status.success(), "the client failed");
    let numbers: Vec<f64> = text
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [total, rate, p50, p99] = numbers[..] else {
        panic!("the client printed `{text}`")
    };
    Report {
        total,
        rate,
        p50,
        p99,
    }
}

/// A client process that holds idle connections until it is dropped.
pub(crate) struct Client {
    process: Child,
    input: Option<ChildStdin>,
}

impl Client {
    /// Returns when every connection has echoed once.
    pub(crate) fn hold(port: u16, conns: u64) -> Client {
        let mut command = this_program();
        command.args(["hold", &port.to_string(), &conns.to_string()]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let input = process.stdin.take();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        output
            .read_line(&mut line)
            .expect("the client's output is readable");
        assert_eq!(line.trim_end(), "ready", "the client holds all connections");
        Client { process, input }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.input.take());
        // The process ends at the end of its input, or by its own time limit.
        self.process.wait().ok();
    }
}

fn this_program() -> Command {
    let mut command = Command::new(env::current_exe().expect("the program's own path is known"));
    command.arg("client");
    command
}
