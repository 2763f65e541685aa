//! An HTTP/1.1 server that ends without losing a request: hyper on lenio. Ctrl-C or `SIGTERM` begins the end, a second one cuts it short.
//!
//! ```text
//! cargo run --release --features hyper --example graceful [ADDRESS]
//! ```
//!
//! What a connection does when the stop comes:
//!
//! - A request in flight is finished. Its answer, and every later one, says `connection: close`, and closes the connection.
//! - An idle connection is not closed at once: its peer may be sending a request at this very moment, and would never get an answer.
//!   It gets a last call of one second; only when nothing comes is it closed.
//! - What is not over after the grace of ten seconds is cut, and counted.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use lenio::compat::hyper::{HyperIo, HyperTimer};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use lenio::time::{sleep, timeout};
use lenio::{StopExt, StopHandle, stop_handle};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long an idle connection may still begin a request after the stop.
const LAST_CALL: Duration = Duration::from_secs(1);
/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// What an answer takes, so that there is always something in flight.
const WORK: Duration = Duration::from_millis(2);

/// What the server counts; read after all connections have ended.
#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    broken_connections: AtomicU64,
}

#[lenio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    run(address.as_deref().unwrap_or("127.0.0.1:8080")).await
}

/// Serves until a signal comes.
pub(crate) async fn run(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let counts = Arc::new(Counts::default());
    let shared = counts.clone();
    let server = serve(listener, move |stream, _peer| {
        handle(stream, shared.clone())
    })
    .on_error(|error| eprintln!("accept: {error}"))
    .stop_on_signals()?
    .grace(GRACE);
    println!("graceful listens on http://{address}");
    println!("try: wrk -t1 -c50 -d30 http://{address}/");
    println!("and end it with Ctrl-C in the middle of the load");

    let report = server.await;
    if let Some(reason) = &report.reason {
        println!("\nstopped: {reason}");
    }
    println!(
        "requests begun {}, answered {}; {} connections broke",
        counts.begun.load(Ordering::Relaxed),
        counts.answered.load(Ordering::Relaxed),
        counts.broken_connections.load(Ordering::Relaxed)
    );
    println!("{report}");
    report.broken.map_or(Ok(()), Err)
}

async fn handle(stream: TcpStream, counts: Arc<Counts>) {
    // Answers are small: they go out at once.
    let _ = stream.set_nodelay(true);
    let me = stop_handle();
    let service = service_fn(|request| answer(request, &counts, me.as_ref()));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(HyperTimer::new())
            .serve_connection(HyperIo::new(stream), service)
    );
    let served = match connection.as_mut().or_stop().await {
        Ok(served) => served,
        Err(_) => match timeout(LAST_CALL, connection.as_mut()).await {
            Ok(served) => served,
            Err(_) => {
                // Closes it if it is idle, else after the answer.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    if served.is_err() {
        counts.broken_connections.fetch_add(1, Ordering::Relaxed);
    }
}

async fn answer(
    _: Request<Incoming>,
    counts: &Counts,
    me: Option<&StopHandle>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    counts.begun.fetch_add(1, Ordering::Relaxed);
    sleep(WORK).await;
    let mut answer = Response::new(Full::from("served with grace\n"));
    if me.is_some_and(StopHandle::is_stopped) {
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    counts.answered.fetch_add(1, Ordering::Relaxed);
    Ok(answer)
}
