//! An HTTP/1.1 server: hyper on lenio. Ctrl-C ends it and prints what it served.
//!
//! ```text
//! cargo run --release --features hyper --example http_hello [ADDRESS]
//! ```

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use lenio::compat::hyper::{HyperIo, HyperTimer};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the server counts; read after all connections have ended.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    broken_connections: AtomicU64,
}

#[lenio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let address = listener.local_addr()?;
    println!("http_hello listens on http://{address}");
    println!("try: curl http://{address}/");
    println!("or:  wrk -t1 -c50 -d5 http://{address}/");
    println!("Ctrl-C ends it");

    let counts = Arc::new(Counts::default());
    let shared = counts.clone();
    let report = serve(listener, move |stream, _peer| {
        handle(stream, shared.clone())
    })
    .on_error(|error| eprintln!("accept: {error}"))
    .stop_on_signals()?
    .grace(Duration::from_secs(1))
    .await;

    let requests = counts.requests.load(Ordering::Relaxed);
    let broken = counts.broken_connections.load(Ordering::Relaxed);
    println!("\nserved {requests} requests; {broken} connections broke");
    println!("{report}");
    report.broken.map_or(Ok(()), Err)
}

async fn handle(stream: TcpStream, counts: Arc<Counts>) {
    // Answers are small: they go out at once.
    let _ = stream.set_nodelay(true);
    let hello = |_: Request<Incoming>| async {
        counts.requests.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
            b"Hello, world!",
        ))))
    };
    let connection = http1::Builder::new()
        .timer(HyperTimer::new())
        .pipeline_flush(true)
        .serve_connection(HyperIo::new(stream), service_fn(hello));
    if connection.await.is_err() {
        counts.broken_connections.fetch_add(1, Ordering::Relaxed);
    }
}
