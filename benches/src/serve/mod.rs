//! The server process: an echo or HTTP server on one runtime, or on the floor, driven through its standard input.
//!
//! It prints its port, answers `cpu` and `rss`, and ends at the end of its input or after its time limit. The load
//! comes from another process, so the server's CPU time is the runtime's and the kernel's alone.

use std::io::{self, BufRead, Write};
use std::net::TcpListener;
use std::process;
use std::thread;
use std::time::Duration;

use crate::floor;
use crate::os;
use crate::rt::{FLOOR, Os, Rt, Visit, with};

mod handle;

pub(crate) use handle::Server;

/// Longest life of a server process; under callgrind everything takes fifty times longer.
const LIMIT: Duration = Duration::from_secs(240);
const BACKLOG: i32 = 4096;

/// What a server does with its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Sends back what it reads.
    Echo { buffer: usize },
    /// Answers every request with a fixed body, through hyper.
    Http,
}

impl Kind {
    /// The two words that [`Kind::parse`] reads.
    fn words(self) -> [String; 2] {
        match self {
            Kind::Echo { buffer } => ["echo".to_owned(), buffer.to_string()],
            Kind::Http => ["http".to_owned(), "0".to_owned()],
        }
    }

    fn parse(kind: &str, buffer: &str) -> Option<Kind> {
        match kind {
            "echo" => Some(Kind::Echo {
                buffer: buffer.parse().ok()?,
            }),
            "http" => Some(Kind::Http),
            _ => None,
        }
    }
}

/// `serve <runtime> <kind> <buffer> <workers> <core or ->`: runs until standard input ends.
pub(crate) fn main(words: &[String]) -> Result<(), String> {
    let [rt, kind, buffer, workers, core] = words else {
        return Err("serve needs: runtime kind buffer workers core".to_owned());
    };
    let kind = Kind::parse(kind, buffer).ok_or("unknown kind of server")?;
    let workers = workers.parse().map_err(|_| "workers is not a number")?;
    os::end_after(LIMIT);
    os::raise_open_files()
        .map_err(|error| format!("cannot raise the limit on open files: {error}"))?;
    if let Ok(core) = core.parse() {
        os::pin_to_core(core).map_err(|error| format!("cannot pin to core {core}: {error}"))?;
    }
    let listener = listen().map_err(|error| format!("cannot listen: {error}"))?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    println!("port {port}");
    thread::spawn(answer_questions);
    if rt == FLOOR {
        return floor::serve(&listener, kind, workers).map_err(|error| error.to_string());
    }
    let served = with(
        rt,
        Serve {
            listener,
            kind,
            workers,
        },
    );
    served.unwrap_or_else(|| Err(format!("this build has no runtime {rt}")))
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    os::set_backlog(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers line by line; the end of the input ends the process.
fn answer_questions() {
    for line in io::stdin().lock().lines() {
        let answer = match line.as_deref() {
            Ok("cpu") => os::process_cpu().as_nanos() as u64,
            Ok("rss") => os::resident_bytes(),
            _ => break,
        };
        println!("{answer}");
    }
    // A closed output means that nobody is left to be told.
    io::stdout().flush().ok();
    process::exit(0);
}

struct Serve {
    listener: TcpListener,
    kind: Kind,
    workers: usize,
}

impl Visit for Serve {
    type Out = Result<(), String>;

    fn visit<R: Rt>(self) -> Result<(), String> {
        let rt = R::start(self.workers);
        let Serve { listener, kind, .. } = self;
        rt.run_inside(async move {
            let listener = R::Os::listen(listener)
                .map_err(|error| format!("cannot take the listener: {error}"))?;
            accept_all::<R>(&listener, kind).await
        })
    }
}

/// One task per connection.
async fn accept_all<R: Rt>(listener: &<R::Os as Os>::Listener, kind: Kind) -> Result<(), String> {
    loop {
        let stream = R::Os::accept(listener)
            .await
            .map_err(|error| format!("cannot accept: {error}"))?;
        match kind {
            Kind::Echo { buffer } => R::detach(echo::<R>(stream, buffer)),
            Kind::Http => R::detach(crate::rows::http::serve_hello(R::Os::hyper(stream))),
        }
    }
}

/// Reads and writes back until the end or an error.
async fn echo<R: Rt>(mut stream: <R::Os as Os>::Stream, buffer: usize) {
    let mut buffer = vec![0; buffer];
    while let Ok(count @ 1..) = R::Os::read(&mut stream, &mut buffer).await {
        if R::Os::write_all(&mut stream, &buffer[..count])
            .await
            .is_err()
        {
            return;
        }
    }
}
