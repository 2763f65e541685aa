//! The accept loop under everything that ends or stalls others: it keeps serving.

mod watchdog;

use lenio::Runtime;
use lenio::future::join_all;
use lenio::io::{AsyncReadExt, AsyncWriteExt};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use watchdog::within_patience;

/// Runs a scenario on a runtime of two workers, under the watchdog.
fn scenario<F>(name: &'static str, future: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = io::Result<()>>,
{
    within_patience(name, move || {
        let runtime = Runtime::builder().threads(2).build()?;
        runtime.block_on(future())
    })
    .unwrap_or_else(|error| panic!("{name}: {error}"));
}

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Sends back what it is sent, until the peer has finished or is gone.
async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// One round trip on a connection.
async fn ask(stream: &mut TcpStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, text);
    Ok(())
}

/// A connection of its own that makes one round trip.
async fn visit(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    ask(&mut stream, b"is anybody there?").await
}

#[test]
fn each_connection_is_served_and_counted_and_a_stop_closes_the_port() {
    scenario("counts", || async {
        let (listener, address) = listen().await?;
        let visits = lenio::spawn(async move {
            let visits = join_all((0..20).map(|_| visit(address))).await;
            visits.into_iter().collect::<io::Result<Vec<()>>>()
        });
        let report = serve(listener, |stream, _peer| echo(stream))
            .stop_on(visits)
            .await;
        assert_eq!((report.accepted, report.finished), (20, 20), "{report}");
        assert_eq!(
            (report.panicked, report.cancelled, report.accept_errors),
            (0, 0, 0)
        );
        assert!(
            TcpStream::connect(address).await.is_err(),
            "the port is closed"
        );
        Ok(())
    });
}

#[test]
fn connections_that_are_reset_harm_nobody() {
    scenario("resets", || async {
        let (listener, address) = listen().await?;
        let client = lenio::spawn(async move {
            let mut steady = TcpStream::connect(address).await?;
            for _ in 0..100 {
                let reset = TcpStream::connect(address).await?;
                // Closing now sends RST instead of FIN.
                reset.set_linger(Some(Duration::ZERO))?;
                reset.write(b"half a req").await?;
                drop(reset);
                ask(&mut steady, b"still there?").await?;
            }
            visit(address).await
        });
        let report = serve(listener, |stream, _peer| echo(stream))
            .stop_on(client)
            .await;
        assert_eq!(report.panicked, 0, "{report}");
        assert_eq!(report.accepted, report.finished, "{report}");
        assert!(report.broken.is_none());
        Ok(())
    });
}

#[test]
fn a_half_closed_connection_still_gets_its_answer() {
    scenario("half-close", || async {
        let (listener, address) = listen().await?;
        let client = lenio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"question").await?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            assert_eq!(answer, b"question, and an answer");
            visit_answered(address).await
        });
        let report = serve(listener, |mut stream: TcpStream, _peer| async move {
            let mut question = Vec::new();
            if stream.read_to_end(&mut question).await.is_ok() {
                question.extend(b", and an answer");
                let _ = stream.write_all(&question).await;
            }
        })
        .stop_on(client)
        .await;
        assert_eq!((report.accepted, report.finished), (2, 2), "{report}");
        Ok(())
    });
}

async fn visit_answered(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    assert_eq!(answer, b", and an answer");
    Ok(())
}

#[test]
fn a_panicking_handler_is_counted_and_nothing_else_happens() {
    scenario("panics", || async {
        let (listener, address) = listen().await?;
        let client = lenio::spawn(async move {
            let mut steady = TcpStream::connect(address).await?;
            ask(&mut steady, b"before").await?;
            for poison in [b"!", b"?"] {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(poison).await?;
                let mut rest = Vec::new();
                // The connection ends with its task: the peer sees it closed or reset, and does not hang.
                let _ = stream.read_to_end(&mut rest).await;
                assert!(rest.is_empty());
            }
            ask(&mut steady, b"after").await?;
            visit(address).await
        });
        let calls = AtomicUsize::new(0);
        let report = serve(listener, move |mut stream: TcpStream, _peer| {
            // The third connection finds a handler that panics before it has made its future.
            let call = calls.fetch_add(1, Ordering::Relaxed);
            assert_ne!(call, 2, "on purpose, in the handler itself");
            async move {
                let mut first = [0];
                if stream.read_exact(&mut first).await.is_err() {
                    return;
                }
                assert_ne!(&first, b"!", "on purpose, in the handler's future");
                if stream.write_all(&first).await.is_ok() {
                    echo(stream).await;
                }
            }
        })
        .stop_on(client)
        .await;
        assert_eq!(
            (report.accepted, report.panicked, report.finished),
            (4, 2, 2),
            "{report}"
        );
        Ok(())
    });
}

#[test]
fn a_handler_that_blocks_its_worker_delays_nobody_else() {
    scenario("blocked worker", || async {
        let (listener, address) = listen().await?;
        let (release, released) = mpsc::channel::<()>();
        let (blocked, is_blocked) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let client = lenio::spawn(async move {
            let mut stuck = TcpStream::connect(address).await?;
            stuck.write_all(b"block").await?;
            let waited = lenio::spawn_blocking(move || is_blocked.recv()).await;
            assert!(matches!(waited, Ok(Ok(()))), "the handler runs: {waited:?}");
            // A worker stands still from here on.
            for visit in join_all((0..50).map(|_| visit(address))).await {
                visit?;
            }
            drop(release);
            ask(&mut stuck, b"awake again").await
        });
        let report = serve(listener, move |mut stream: TcpStream, _peer| {
            let (blocked, released) = (blocked.clone(), released.clone());
            async move {
                let mut first = [0; 5];
                if stream.read_exact(&mut first).await.is_err() {
                    return;
                }
                if &first == b"block" {
                    let _ = blocked.send(());
                    // The mistake: a thread waits here, not a task. Ends when the client lets go of the sender.
                    let _ = released.lock().map(|released| released.recv());
                } else if stream.write_all(&first).await.is_err() {
                    return;
                }
                echo(stream).await;
            }
        })
        .stop_on(client)
        .await;
        assert_eq!((report.accepted, report.finished), (51, 51), "{report}");
        Ok(())
    });
}

#[test]
fn no_more_connections_are_open_at_once_than_allowed() {
    scenario("limit", || async {
        let (listener, address) = listen().await?;
        let client = lenio::spawn(async move {
            for visit in join_all((0..30).map(|_| visit(address))).await {
                visit?;
            }
            Ok::<_, io::Error>(())
        });
        let open = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let report = serve(listener, move |stream, _peer| {
            let (open, most) = (open.clone(), most.clone());
            async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                echo(stream).await;
                open.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .max_connections(3)
        .stop_on(client)
        .await;
        assert_eq!((report.accepted, report.finished), (30, 30), "{report}");
        assert!(seen.load(Ordering::SeqCst) <= 3);
        Ok(())
    });
}

#[test]
fn connections_that_outlast_the_grace_are_cancelled() {
    scenario("grace", || async {
        let (listener, address) = listen().await?;
        let client = lenio::spawn(async move {
            let mut idle = TcpStream::connect(address).await?;
            ask(&mut idle, b"here").await?;
            Ok::<_, io::Error>(idle)
        });
        let (ready, is_ready) = mpsc::channel();
        let stop = async move {
            // The client's connection stays open beyond the stop.
            let _ = ready.send(client.await);
        };
        let report = serve(listener, |stream, _peer| echo(stream))
            .stop_on(stop)
            .grace(Duration::from_millis(5))
            .await;
        assert_eq!((report.accepted, report.cancelled), (1, 1), "{report}");
        let mut idle = is_ready.recv().expect("the stop came").expect("no panic")?;
        let mut rest = Vec::new();
        let _ = idle.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "the connection was closed");
        Ok(())
    });
}

#[test]
fn dropping_the_server_cancels_its_connections() {
    scenario("drop", || async {
        let (listener, address) = listen().await?;
        let mut client = {
            let connect = async {
                let mut stream = TcpStream::connect(address).await?;
                ask(&mut stream, b"here").await?;
                Ok::<_, io::Error>(stream)
            };
            let server = async {
                serve(listener, |stream, _peer| echo(stream)).await;
                unreachable!("nothing stops it");
            };
            // The race drops the server when the client is connected.
            lenio::future::race((connect, server)).await?
        };
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        Ok(())
    });
}
