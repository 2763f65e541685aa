//! A TCP echo server: sends back what it is sent. Ctrl-C ends it and prints what it served.
//!
//! ```text
//! cargo run --release --example echo [ADDRESS]
//! ```

use lenio::io::AsyncWriteExt;
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[lenio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:7007")).await?;
    let address = listener.local_addr()?;
    println!("echo listens on {address}");
    println!("try: nc {} {}", address.ip(), address.port());
    println!("Ctrl-C ends it");

    let bytes = Arc::new(AtomicU64::new(0));
    let counter = bytes.clone();
    let report = serve(listener, move |stream, _peer| {
        let counter = counter.clone();
        async move {
            // A connection that breaks concerns nobody but its peer.
            let _ = echo(stream, &counter).await;
        }
    })
    .on_error(|error| eprintln!("accept: {error}"))
    .stop_on_signals()?
    .grace(Duration::from_secs(1))
    .await;

    println!("\nserved {} bytes", bytes.load(Ordering::Relaxed));
    println!("{report}");
    report.broken.map_or(Ok(()), Err)
}

async fn echo(mut stream: TcpStream, counter: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
        // Each connection adds up for itself; the sum is read after all have ended.
        counter.fetch_add(read as u64, Ordering::Relaxed);
    }
}
