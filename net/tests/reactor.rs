//! The reactor itself: turns, interrupts, closing, and what it owes to whoever waits.

mod support;

use lenio_net::AsyncFd;
use lenio_net::reactor::{NoReactor, Reactor, ReactorClosed, enter};
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_sync::park::{Interrupt, Parker};
use lenio_sync::primitive::thread;
use lenio_sync::wait::WakeBatch;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::{Flag, World, join, poll_once};

fn is_closed(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|cause| cause.is::<ReactorClosed>())
}

#[test]
fn an_interrupt_ends_the_current_wait_or_the_next() -> io::Result<()> {
    let world = World::new();
    world.reactor.interrupt();
    assert_eq!(world.turn(None), 0);
    let reactor = world.reactor.clone();
    let other = thread::spawn(move || {
        while !reactor.is_attended() {
            thread::yield_now();
        }
        reactor.interrupt();
    });
    assert_eq!(world.turn(None), 0);
    other.join().expect("the other thread");
    Ok(())
}

#[test]
fn short_and_long_timeouts_end_without_events() {
    let world = World::new();
    for nanos in [0, 1, 200_000, 1_000_000, 1_700_000] {
        assert_eq!(world.turn(Some(Duration::from_nanos(nanos))), 0);
    }
}

#[test]
fn a_wait_below_a_millisecond_finds_events() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    world.settle();
    world.block_on(near.write(b"x"))?;
    // Loopback has delivered the byte before the write returned.
    assert_eq!(world.turn(Some(Duration::from_micros(900))), 1);
    assert_eq!(far.try_read(&mut [0; 4])?, 1);
    Ok(())
}

#[test]
fn waiting_wakes_nobody_before_the_turn_is_given_up() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let _ = far.try_read(&mut [0]);
    let flag = Arc::new(Flag::default());
    let mut readable = pin!(far.readable());
    assert!(poll_once(readable.as_mut(), &flag).is_pending());
    world.block_on(near.write(b"x"))?;
    let mut batch = WakeBatch::new();
    let mut turn = world.reactor.try_turn().expect("free");
    while batch.is_empty() {
        turn.wait(None, &mut batch)?;
    }
    assert!(!flag.is_set());
    drop(turn);
    batch.wake_all();
    assert!(flag.is_set());
    Ok(())
}

#[test]
fn closing_wakes_everyone_with_the_error() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    let flag = Arc::new(Flag::default());
    let mut buf = [0; 8];
    {
        let mut read = pin!(far.read(&mut buf));
        let mut accept = pin!(listener.accept());
        assert!(poll_once(read.as_mut(), &flag).is_pending());
        assert!(poll_once(accept.as_mut(), &flag).is_pending());
        world.settle();
        world.reactor.close();
        assert_eq!(flag.wakes(), 2);
        assert!(matches!(poll_once(read, &flag), Poll::Ready(Err(error)) if is_closed(&error)));
        assert!(matches!(poll_once(accept, &flag), Poll::Ready(Err(error)) if is_closed(&error)));
    }
    assert!(near.try_write(b"x").is_err_and(|error| is_closed(&error)));
    assert!(
        world
            .block_on(near.readable())
            .is_err_and(|error| is_closed(&error))
    );
    assert_eq!(world.turn(None), 0, "closing interrupts");
    assert!(
        world
            .block_on(TcpStream::connect(addr))
            .is_err_and(|error| is_closed(&error))
    );
    drop((near, far, listener));
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

#[test]
fn a_socket_without_a_runtime_is_a_clear_error() -> io::Result<()> {
    let error = Reactor::current().map(drop).expect_err("none was entered");
    assert!(error.get_ref().is_some_and(|cause| cause.is::<NoReactor>()));
    let blocking = std::net::TcpListener::bind("127.0.0.1:0")?;
    let addr = blocking.local_addr()?;
    let error = TcpListener::from_std(blocking)
        .map(drop)
        .expect_err("none was entered");
    assert!(error.get_ref().is_some_and(|cause| cause.is::<NoReactor>()));
    let mut connect = pin!(TcpStream::connect(addr));
    let Poll::Ready(Err(error)) = connect
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it cannot wait for anything");
    };
    assert!(error.to_string().contains("runtime"), "{error}");
    assert!(lenio_net::signal::ctrl_c().is_err());
    Ok(())
}

#[test]
fn entering_nests_and_restores() -> io::Result<()> {
    let (outer, inner) = (Reactor::new()?, Reactor::new()?);
    let entered = enter(&outer);
    {
        let _entered = enter(&inner);
        assert!(Arc::ptr_eq(&Reactor::current()?, &inner));
    }
    assert!(Arc::ptr_eq(&Reactor::current()?, &outer));
    drop(entered);
    assert!(Reactor::current().is_err());
    Ok(())
}

#[test]
fn r34_a_failed_registration_leaves_nothing_behind() -> io::Result<()> {
    let world = World::new();
    for _ in 0..100 {
        // The kernel's queue refuses regular files.
        let file = File::open("/proc/self/exe")?;
        let refused = AsyncFd::new(file).expect_err("always ready, never an event");
        let (file, error) = refused.into_parts();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        drop(file);
    }
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

/// Drops the socket that it is woken for, and looks at the reactor, from inside `wake`.
struct Hostile {
    reactor: Arc<Reactor>,
    socket: Mutex<Option<TcpStream>>,
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        let socket = self.socket.lock().map(|mut socket| socket.take());
        drop(socket);
        let _ = format!("{:?}", self.reactor);
        let _ = self.reactor.try_turn();
    }
}

#[test]
fn a_waker_may_drop_the_socket_and_use_the_reactor() -> io::Result<()> {
    use futures_io::AsyncRead;
    let world = World::new();
    for ending in 0..2 {
        let (near, mut far) = world.pair();
        let hostile = Arc::new(Hostile {
            reactor: world.reactor.clone(),
            socket: Mutex::new(None),
        });
        let waker = Waker::from(hostile.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut far).poll_read(&mut cx, &mut [0]).is_pending());
        *hostile.socket.lock().expect("not poisoned") = Some(far);
        drop(waker);
        if ending == 0 {
            world.block_on(near.write(b"x"))?;
            while hostile.socket.lock().expect("not poisoned").is_some() {
                world.turn(None);
            }
        } else {
            world.reactor.close();
        }
        assert!(hostile.socket.lock().expect("not poisoned").is_none());
        assert_eq!(Arc::strong_count(&hostile), 1, "nobody keeps the waker");
    }
    Ok(())
}

#[test]
fn a_poll_function_replaces_its_own_waker_only() -> io::Result<()> {
    use futures_io::AsyncRead;
    let world = World::new();
    let (near, mut far) = world.pair();
    let (first, second) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    for flag in [&first, &second, &second] {
        let waker = Waker::from(flag.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut far).poll_read(&mut cx, &mut [0]).is_pending());
    }
    assert_eq!(
        Arc::strong_count(&first),
        1,
        "the task moved on to another waker"
    );
    world.block_on(near.write(b"x"))?;
    while !second.is_set() {
        world.turn(None);
    }
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    Ok(())
}

#[test]
fn one_reactor_serves_sockets_of_many_threads() -> io::Result<()> {
    let world = World::new();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    let reactor = world.reactor.clone();
    let clients: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(move || -> io::Result<()> {
                for _ in 0..100 {
                    let mut client = std::net::TcpStream::connect(addr)?;
                    io::Write::write_all(&mut client, b"ping")?;
                    let mut pong = [0; 4];
                    io::Read::read_exact(&mut client, &mut pong)?;
                }
                Ok(())
            })
        })
        .collect();
    world.block_on(async {
        for _ in 0..200 {
            let (stream, _) = listener.accept().await?;
            let mut ping = [0; 4];
            assert_eq!(stream.read(&mut ping).await?, 4);
            assert_eq!(stream.write(b"pong").await?, 4);
        }
        io::Result::Ok(())
    })?;
    for client in clients {
        client.join().expect("a client")?;
    }
    drop(listener);
    assert_eq!(reactor.registrations(), 0);
    Ok(())
}

/// Wakes a thread that waits outside the reactor.
struct Unpark(Parker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn tasks_are_woken_by_another_thread_that_turns() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let done = Arc::new(AtomicBool::new(false));
    let (reactor, is_done) = (world.reactor.clone(), done.clone());
    let turner = thread::spawn(move || -> io::Result<()> {
        let mut batch = WakeBatch::new();
        while !is_done.load(Ordering::Acquire) {
            let mut turn = reactor.try_turn().expect("nobody else turns");
            turn.wait(None, &mut batch)?;
            drop(turn);
            batch.wake_all();
        }
        Ok(())
    });
    let mut talk = pin!(join(
        async {
            for n in 0..=255_u8 {
                near.write(&[n]).await?;
                let mut back = [0];
                assert_eq!(near.read(&mut back).await?, 1);
                assert_eq!(back[0], n);
            }
            near.shutdown(std::net::Shutdown::Write)
        },
        async {
            let mut byte = [0];
            while far.read(&mut byte).await? > 0 {
                far.write(&byte).await?;
            }
            io::Result::Ok(())
        },
    ));
    let sleep = Arc::new(Unpark(Parker::new(None)));
    sleep.0.adopt();
    let waker = Waker::from(sleep.clone());
    let (asked, answered) = loop {
        match talk.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => break outcome,
            Poll::Pending => {
                sleep.0.park(None);
            }
        }
    };
    done.store(true, Ordering::Release);
    world.reactor.interrupt();
    turner.join().expect("the thread that turns")?;
    asked?;
    answered
}

#[test]
fn a_ready_socket_yields_when_the_budget_is_used_up() -> io::Result<()> {
    use lenio_sync::budget;
    let world = World::new();
    let (near, far) = world.pair();
    world.block_on(near.write(&[0; 1024]))?;
    let flag = Arc::new(Flag::default());
    let mut reads = 0;
    {
        let mut all = pin!(async {
            let mut byte = [0];
            for _ in 0..1024 {
                far.read(&mut byte).await?;
                reads += 1;
            }
            io::Result::Ok(())
        });
        let outer = budget::start();
        assert!(poll_once(all.as_mut(), &flag).is_pending());
        outer.resume();
    }
    assert_eq!(reads, u32::from(budget::PER_POLL));
    assert!(flag.is_set(), "it asked to be polled again");
    Ok(())
}
