//! How a server ends: who hears of the stop, what is still served, and what is cut.

mod watchdog;

use lenio::io::{AsyncReadExt, AsyncWriteExt};
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::{ServeReport, serve};
use lenio::sync::stop::{StopKind, StopReason};
use lenio::sync::{Event, Semaphore};
use lenio::time::sleep;
use lenio::{Runtime, StopExt, scope, stop_handle, stopped};
use std::future::{pending, ready};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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

/// Connections that the kernel has completed and nobody has accepted, each with its number sent.
fn waiting(address: SocketAddr, count: u8) -> io::Result<Vec<std::net::TcpStream>> {
    let connect = |number| {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.write_all(&[number])?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}

/// Whether each of them got its number back, and nothing else.
fn assert_answered(streams: Vec<std::net::TcpStream>) -> io::Result<()> {
    for (number, mut stream) in streams.into_iter().enumerate() {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        assert_eq!(answer, [number as u8]);
    }
    Ok(())
}

/// Sends one byte back.
async fn answer(mut stream: TcpStream) {
    let mut byte = [0];
    if stream.read_exact(&mut byte).await.is_ok() {
        let _ = stream.write_all(&byte).await;
    }
}

/// Says goodbye when it is stopped.
async fn wait_for_goodbye(mut stream: TcpStream, here: Arc<Semaphore>) {
    here.add_permits(1);
    let reason = stopped().await;
    let goodbye = format!("{:?}: {}", reason.kind(), reason.message().unwrap_or("-"));
    let _ = stream.write_all(goodbye.as_bytes()).await;
}

/// Waits until so many connections have been seen.
async fn arrivals(here: &Semaphore, count: usize) {
    let arrived = here.acquire(count).await.expect("nobody closes it");
    arrived.forget();
}

/// Starts a server in a task of its own, with clients that wait for a goodbye. Returns the task, and what they read.
async fn server_with_guests(
    guests: usize,
) -> io::Result<(
    lenio::JoinHandle<ServeReport>,
    lenio::JoinHandle<io::Result<Vec<String>>>,
)> {
    let (listener, address) = listen().await?;
    let here = Arc::new(Semaphore::new(0));
    let seen = here.clone();
    let server = lenio::spawn(async move {
        serve(listener, move |stream, _peer| {
            wait_for_goodbye(stream, seen.clone())
        })
        .await
    });
    let mut streams = Vec::new();
    for _ in 0..guests {
        streams.push(TcpStream::connect(address).await?);
    }
    let goodbyes = lenio::spawn(async move {
        let mut goodbyes = Vec::new();
        for mut stream in streams {
            let mut goodbye = String::new();
            stream.read_to_string(&mut goodbye).await?;
            goodbyes.push(goodbye);
        }
        Ok(goodbyes)
    });
    arrivals(&here, guests).await;
    Ok((server, goodbyes))
}

#[test]
fn connections_are_told_why_and_are_drained() {
    scenario("told why", || async {
        let (listener, address) = listen().await?;
        let here = Arc::new(Semaphore::new(0));
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let told = reasons.clone();
        let client = lenio::spawn(async move {
            let early = TcpStream::connect(address).await?;
            drop(early);
            TcpStream::connect(address).await
        });
        let arrived = here.clone();
        let (ended, first_has_ended) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let first = first_has_ended.clone();
        let report = serve(listener, move |stream: TcpStream, _peer| {
            let (here, told, first) = (here.clone(), told.clone(), first.clone());
            async move {
                here.add_permits(1);
                let mut byte = [0];
                match stream.read(&mut byte).or_stop().await {
                    Ok(_) => {
                        first.set();
                    }
                    Err(stopped) => told.lock().unwrap().push(stopped.into_reason()),
                }
            }
        })
        .stop_on({
            let ended = ended.clone();
            async move {
                arrivals(&arrived, 2).await;
                first_has_ended.wait().await;
                ended.set();
            }
        })
        .await;
        assert!(ended.is_set());
        let _stream = client.await?;
        let reasons = reasons.lock().unwrap();
        let [reason] = &reasons[..] else {
            panic!("{reasons:?}")
        };
        assert_eq!(reason.kind(), StopKind::Requested);
        assert_eq!(reason.message(), Some("the server was told to stop"));
        let why: &StopReason = report.reason.as_ref().expect("it was stopped");
        assert!(why.is_same_as(reason));
        assert_eq!((report.accepted, report.finished), (2, 2), "{report}");
        assert!((1..=2).contains(&report.drained), "{report}");
        assert_eq!((report.panicked, report.cancelled), (0, 0), "{report}");
        Ok(())
    });
}

#[test]
fn a_stop_of_the_task_that_awaits_the_server_ends_it_gently() {
    scenario("task", || async {
        let (server, goodbyes) = server_with_guests(3).await?;
        server.stop("closing time");
        let report = server.await?;
        assert_eq!((report.accepted, report.drained), (3, 3), "{report}");
        assert_eq!(report.cancelled, 0, "{report}");
        assert_eq!(goodbyes.await??, ["Requested: closing time"; 3]);
        Ok(())
    });
}

#[test]
fn a_task_can_stop_its_own_server_by_its_stop_handle() {
    scenario("own handle", || async {
        let (listener, address) = listen().await?;
        let report = lenio::spawn(async move {
            let me = stop_handle();
            let server = serve(listener, move |stream, _peer| {
                if let Some(me) = &me {
                    me.stop("one was enough");
                }
                wait_for_goodbye(stream, Arc::new(Semaphore::new(0)))
            });
            server.await
        });
        let mut goodbye = String::new();
        let mut stream = TcpStream::connect(address).await?;
        stream.read_to_string(&mut goodbye).await?;
        assert_eq!(goodbye, "Requested: one was enough");
        assert_eq!(report.await?.drained, 1);
        Ok(())
    });
}

#[test]
fn a_stop_of_the_scope_that_awaits_the_server_ends_it_gently() {
    scenario("scope", || async {
        let (listener, address) = listen().await?;
        let here = Arc::new(Semaphore::new(0));
        let seen = here.clone();
        let report = scope(|s| async move {
            let goodbye = s.spawn(async move {
                let mut goodbye = String::new();
                let mut stream = TcpStream::connect(address).await?;
                stream.read_to_string(&mut goodbye).await?;
                io::Result::Ok(goodbye)
            });
            let stops = s.clone();
            drop(lenio::spawn(async move {
                arrivals(&here, 1).await;
                stops.stop("the scope is over");
            }));
            let report = serve(listener, move |stream, _peer| {
                wait_for_goodbye(stream, seen.clone())
            })
            .await;
            assert_eq!(goodbye.await??, "Requested: the scope is over");
            io::Result::Ok(report)
        })
        .await?;
        assert_eq!((report.accepted, report.drained), (1, 1), "{report}");
        Ok(())
    });
}

#[test]
fn a_shutdown_of_the_runtime_is_gentle_with_its_servers() {
    within_patience("shutdown", || {
        let runtime = Runtime::builder().threads(2).build()?;
        let clients = Runtime::builder().threads(1).build()?;
        let (server, goodbyes) = runtime.block_on(async {
            let (listener, address) = listen().await?;
            let here = Arc::new(Semaphore::new(0));
            let seen = here.clone();
            let server = lenio::spawn(async move {
                let handler = move |stream, _peer| wait_for_goodbye(stream, seen.clone());
                serve(listener, handler).await
            });
            let goodbyes = clients.spawn(async move {
                let mut goodbye = String::new();
                let mut stream = TcpStream::connect(address).await?;
                stream.read_to_string(&mut goodbye).await?;
                io::Result::Ok(goodbye)
            });
            arrivals(&here, 1).await;
            io::Result::Ok((server, goodbyes))
        })?;
        let report = runtime.shutdown(Duration::from_secs(20));
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(clients.block_on(goodbyes)??, "Shutdown: -");
        assert_eq!(clients.block_on(server)?.drained, 1);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn what_waits_in_the_kernel_s_queue_at_the_stop_is_served() {
    scenario("queue", || async {
        let (listener, address) = listen().await?;
        let streams = waiting(address, 100)?;
        let report = serve(listener, |stream, _peer| answer(stream))
            .stop_on(ready(()))
            .await;
        assert_eq!((report.accepted, report.drained), (100, 100), "{report}");
        assert_answered(streams)
    });
}

#[test]
fn what_waits_in_the_queue_of_a_stopped_task_is_served() {
    // The stop comes through the tree here, where it could meet connections before their first poll.
    scenario("queue of a task", || async {
        for _ in 0..20 {
            let (listener, address) = listen().await?;
            let streams = waiting(address, 50)?;
            let begun = Arc::new(Event::new());
            let told = begun.clone();
            let server = lenio::spawn(async move {
                serve(listener, move |stream, _peer| {
                    told.set();
                    answer(stream)
                })
                .await
            });
            begun.wait().await;
            server.stop("");
            let report = server.await?;
            assert_eq!((report.accepted, report.finished), (50, 50), "{report}");
            assert_answered(streams)?;
        }
        Ok(())
    });
}

#[test]
fn the_queue_is_served_within_the_limit_of_connections() {
    scenario("queue and limit", || async {
        let (listener, address) = listen().await?;
        let streams = waiting(address, 30)?;
        let open = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let report = serve(listener, move |stream, _peer| {
            let (open, most) = (open.clone(), most.clone());
            async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                answer(stream).await;
                open.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .max_connections(3)
        .stop_on(ready(()))
        .await;
        assert_eq!((report.accepted, report.drained), (30, 30), "{report}");
        assert!(seen.load(Ordering::SeqCst) <= 3);
        assert_answered(streams)
    });
}

#[test]
fn the_queue_does_not_outlast_the_grace() {
    scenario("queue and grace", || async {
        let (listener, address) = listen().await?;
        let streams = waiting(address, 5)?;
        let report = serve(listener, |stream: TcpStream, _peer| async move {
            pending::<()>().await;
            drop(stream);
        })
        .max_connections(2)
        .grace(Duration::from_millis(5))
        .stop_on(ready(()))
        .await;
        assert!((2..=5).contains(&report.accepted), "{report}");
        assert_eq!(report.cancelled, report.accepted, "{report}");
        drop(streams);
        Ok(())
    });
}

#[test]
fn a_handler_that_ignores_stops_has_the_grace_and_no_more() {
    within_patience("grace", || {
        let runtime = Runtime::builder().threads(1).virtual_clock().build()?;
        runtime.block_on(async {
            let (listener, address) = listen().await?;
            let streams = waiting(address, 2)?;
            let start = lenio::time::Instant::now();
            let report = serve(listener, |mut stream: TcpStream, _peer| async move {
                let mut number = [0];
                let _ = stream.read_exact(&mut number).await;
                // The first one ends within the grace, the second one would not.
                sleep(Duration::from_secs(29 + 2 * u64::from(number[0]))).await;
                let _ = stream.write_all(&number).await;
            })
            .grace(Duration::from_secs(30))
            .stop_on(ready(()))
            .await;
            assert_eq!((report.drained, report.cancelled), (1, 1), "{report}");
            assert_eq!(start.elapsed().as_secs(), 30);
            let mut answers = Vec::new();
            for mut stream in streams {
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                answers.push(answer);
            }
            assert_eq!(answers, [vec![0], vec![]]);
            io::Result::Ok(())
        })
    })
    .unwrap();
}

#[test]
fn without_grace_a_stop_is_a_cancel() {
    scenario("no grace", || async {
        let (listener, address) = listen().await?;
        let here = Arc::new(Event::new());
        let told = here.clone();
        let client = TcpStream::connect(address).await?;
        let report = serve(listener, move |stream: TcpStream, _peer| {
            let told = told.clone();
            async move {
                told.set();
                let _stream = stream;
                stopped().await;
                pending::<()>().await;
            }
        })
        .grace(Duration::ZERO)
        .stop_on(async move { here.wait().await })
        .await;
        assert_eq!((report.accepted, report.cancelled), (1, 1), "{report}");
        drop(client);
        Ok(())
    });
}

#[test]
fn a_panic_after_the_stop_is_counted_and_keeps_nobody_from_draining() {
    scenario("panic", || async {
        let (listener, address) = listen().await?;
        let streams = waiting(address, 4)?;
        let report = serve(listener, |mut stream: TcpStream, _peer| async move {
            let mut number = [0];
            let _ = stream.read_exact(&mut number).await;
            stopped().await;
            assert_ne!(number, [2], "on purpose");
        })
        .stop_on(ready(()))
        .await;
        assert_eq!((report.accepted, report.drained), (4, 3), "{report}");
        assert_eq!((report.panicked, report.cancelled), (1, 0), "{report}");
        drop(streams);
        Ok(())
    });
}

#[test]
fn a_server_that_is_awaited_after_the_stop_serves_nothing_and_says_why() {
    scenario("late", || async {
        let (listener, address) = listen().await?;
        let report = lenio::spawn(async move {
            if let Some(me) = stop_handle() {
                me.stop("too late");
            }
            serve(listener, |stream, _peer| answer(stream)).await
        });
        let report = report.await?;
        let reason = report.reason.as_ref().and_then(StopReason::message);
        assert_eq!(reason, Some("too late"));
        assert_eq!(report.accepted, 0);
        assert!(report.broken.is_none());
        assert!(TcpStream::connect(address).await.is_err());
        Ok(())
    });
}

#[test]
fn of_several_stops_the_first_one_counts() {
    scenario("several", || async {
        let (listener, _) = listen().await?;
        let report = serve(listener, |stream, _peer| answer(stream))
            .stop_on(ready(()))
            .stop_on(pending::<()>())
            .stop_on_signals()?
            .await;
        assert_eq!(report.accepted, 0);
        Ok(())
    });
}
