//! `SIGTERM` in the middle of a load: no request is lost, counted on both sides.
//!
//! The server is the example `graceful`, in a child process: this test binary, told so by its environment.

#[path = "../examples/graceful.rs"]
mod graceful;
mod watchdog;

use lenio::sync::Event;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use watchdog::within_patience;

const SERVER: &str = "LENIO_GRACEFUL_SERVER";

/// Not a test of its own: is the server where the environment says so.
#[test]
fn child() -> io::Result<()> {
    match std::env::var_os(SERVER) {
        Some(_) => lenio::block_on(graceful::run("127.0.0.1:0")),
        None => Ok(()),
    }
}

/// A running server, killed if a test fails.
struct Server {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start() -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--exact", "child", "--nocapture"])
            .env(SERVER, "1")
            .stdout(Stdio::piped())
            .spawn()?;
        let Some(output) = process.stdout.take() else {
            return Err(io::Error::other("there is no pipe"));
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the server did not start"));
            }
            if let Some((_, address)) = line.trim_end().split_once("http://") {
                let address = address.parse().map_err(io::Error::other)?;
                return Ok(Self {
                    process,
                    output,
                    address,
                });
            }
        }
    }

    fn terminate(&self) -> io::Result<()> {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status()?;
        assert!(status.success());
        Ok(())
    }

    /// Waits for its end. Returns the requests begun and answered, and all that it said.
    fn end(&mut self) -> io::Result<(u64, u64, String)> {
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.process.wait()?;
        assert!(status.success(), "{status}: {text}");
        let after = |what: &str| {
            let (_, rest) = text.split_once(what).unwrap_or_else(|| panic!("{text}"));
            let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit());
            digits.into_iter().next().and_then(|n| n.parse().ok())
        };
        match (after("requests begun"), after("answered")) {
            (Some(begun), Some(answered)) => Ok((begun, answered, text)),
            _ => Err(io::Error::other(text)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// So many answers are the middle of a load.
const MIDDLE: u64 = 500;

/// What the clients count together.
#[derive(Default)]
struct Seen {
    /// Whole answers.
    answers: AtomicU64,
    /// Set when there are many of them, and more to come.
    middle: Event,
    /// Answers that said that the connection closes.
    last_answers: AtomicU64,
    /// Connections that were refused: they carried no request.
    refused: AtomicU64,
}

/// Sends one request, and reads its answer to the end. Returns whether the connection goes on.
fn ask(stream: &mut BufReader<TcpStream>, seen: &Seen) -> io::Result<bool> {
    let request = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    stream.get_mut().write_all(request)?;
    let mut line = String::new();
    let mut length = None;
    let mut goes_on = true;
    stream.read_line(&mut line)?;
    if line != "HTTP/1.1 200 OK\r\n" {
        return Err(io::Error::other(format!("no answer but {line:?}")));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok(),
            Some(("connection", "close")) => goes_on = false,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.ok_or_else(|| io::Error::other("no length"))?];
    stream.read_exact(&mut body)?;
    assert_eq!(body, b"served with grace\n");
    if seen.answers.fetch_add(1, Ordering::Relaxed) == MIDDLE {
        seen.middle.set();
    }
    if !goes_on {
        seen.last_answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(goes_on)
}

/// Asks until connections are refused, each time on a new one after so many requests.
fn load(address: SocketAddr, seen: &Seen, requests_per_connection: usize) -> io::Result<()> {
    loop {
        let stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                seen.refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        for _ in 0..requests_per_connection {
            if !ask(&mut stream, seen)? {
                break;
            }
        }
    }
}

fn terminate_under_load(clients: usize, requests_per_connection: usize) -> io::Result<()> {
    let mut server = Server::start()?;
    let seen = Seen::default();
    let failures = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| load(server.address, &seen, requests_per_connection)))
            .collect();
        // In the middle of the load: it has begun, and goes on.
        seen.middle.wait_blocking();
        server.terminate()?;
        let ended = clients.into_iter().map(|client| client.join());
        io::Result::Ok(
            ended
                .filter_map(|client| client.expect("no panic").err())
                .collect::<Vec<_>>(),
        )
    })?;
    let (begun, answered, said) = server.end()?;
    let answers = seen.answers.into_inner();
    assert!(
        failures.is_empty(),
        "lost: {failures:?}; {answers} answers; {said}"
    );
    assert_eq!((begun, answered), (answers, answers), "{said}");
    assert_eq!(seen.refused.into_inner(), clients as u64);
    assert!(
        said.contains("stopped: ") && said.contains("SIGTERM"),
        "{said}"
    );
    assert!(said.contains(" 0 panicked, 0 cancelled"), "{said}");
    assert!(said.contains("; 0 connections broke"), "{said}");
    Ok(())
}

#[test]
fn no_request_on_a_connection_that_is_kept_alive_is_lost() {
    within_patience("kept alive", || terminate_under_load(32, usize::MAX)).unwrap();
}

#[test]
fn no_request_on_a_fresh_connection_is_lost() {
    within_patience("fresh", || terminate_under_load(32, 1)).unwrap();
}

#[test]
fn an_idle_connection_is_closed_after_the_last_call_and_a_late_request_is_answered() {
    within_patience("last call", || {
        let mut server = Server::start()?;
        let seen = Seen::default();
        let connect = || io::Result::Ok(BufReader::new(TcpStream::connect(server.address)?));
        let (mut late, mut idle) = (connect()?, connect()?);
        for stream in [&mut late, &mut idle] {
            assert!(ask(stream, &seen)?, "it is kept alive");
        }
        server.terminate()?;
        // From some answer on, which comes by the stop, the connection closes.
        while ask(&mut late, &seen)? {}
        let mut rest = Vec::new();
        late.read_to_end(&mut rest)?;
        idle.read_to_end(&mut rest)?;
        assert!(rest.is_empty(), "nothing but the end of the stream");
        let (begun, answered, said) = server.end()?;
        assert_eq!((begun, answered), (answered, seen.answers.into_inner()));
        assert!(
            said.contains("2 finished (2 of them after the stop)"),
            "{said}"
        );
        assert!(said.contains("; 0 connections broke"), "{said}");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    within_patience("second signal", || {
        let mut server = Server::start()?;
        let seen = Seen::default();
        // Half a request: the server waits for the rest of it, for the whole grace.
        let mut half = TcpStream::connect(server.address)?;
        half.write_all(b"GET / HT")?;
        let mut other = BufReader::new(TcpStream::connect(server.address)?);
        assert!(ask(&mut other, &seen)?, "it is kept alive");
        server.terminate()?;
        // The stop has begun when an answer says so.
        while ask(&mut other, &seen)? {}
        server.terminate()?;
        let status = server.process.wait()?;
        assert_eq!(status.signal(), Some(15), "{status}");
        io::Result::Ok(())
    })
    .unwrap();
}
