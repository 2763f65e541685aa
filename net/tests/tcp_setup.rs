//! How connections begin and whom they belong to: listening, connecting, options, registration.

mod support;

use lenio_net::tcp::{TcpListener, TcpSocket, TcpStream};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use support::{Flag, World, join, join_all, poll_once};

#[test]
fn nobody_listening_means_refused() -> io::Result<()> {
    let world = World::new();
    let addr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let refused = world.block_on(TcpStream::connect(addr));
    assert_eq!(
        refused.map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::ConnectionRefused)
    );
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

#[test]
fn connect_goes_on_to_the_next_address() -> io::Result<()> {
    let world = World::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addrs = [closed, listener.local_addr()?];
    let stream = world.block_on(TcpStream::connect(&addrs[..]))?;
    assert_eq!(stream.peer_addr()?, addrs[1]);
    let none: &[std::net::SocketAddr] = &[];
    let error = world
        .block_on(TcpStream::connect(none))
        .map(drop)
        .map_err(|e| e.kind());
    assert_eq!(error, Err(ErrorKind::InvalidInput));
    Ok(())
}

#[test]
fn a_connect_that_nobody_accepts_waits_and_can_be_dropped() -> io::Result<()> {
    let world = World::new();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(1)?;
    let addr = listener.local_addr()?;
    let before = world.reactor.registrations();
    // The kernel completes a few connections on its own; the rest wait for an accept that does not come.
    let mut connects: Vec<_> = (0..16)
        .map(|_| (Box::pin(TcpStream::connect(addr)), None))
        .collect();
    let flag = Arc::new(Flag::default());
    for _ in 0..4 {
        for (connect, stream) in &mut connects {
            if stream.is_none() {
                if let std::task::Poll::Ready(done) = poll_once(connect.as_mut(), &flag) {
                    *stream = Some(done?);
                }
            }
        }
        world.settle();
    }
    assert!(
        connects.iter().any(|(_, stream)| stream.is_none()),
        "the backlog is full"
    );
    assert!(
        connects.iter().any(|(_, stream)| stream.is_some()),
        "the first ones got in"
    );
    drop(connects);
    assert_eq!(world.reactor.registrations(), before);
    Ok(())
}

#[test]
fn a_stream_goes_to_std_and_back() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let before = world.reactor.registrations();
    let mut blocking = near.into_std()?;
    assert_eq!(world.reactor.registrations(), before - 1);
    world.block_on(far.write(b"abc"))?;
    let mut buf = [0; 3];
    blocking.read_exact(&mut buf)?;
    assert_eq!(&buf, b"abc");
    // Registered once more although a duplicate was in the queue before: it had been taken out.
    let near = TcpStream::try_from(blocking)?;
    let (read, written) =
        world.block_on(join(async { near.read(&mut buf).await }, far.write(b"d")));
    assert_eq!((read?, written?), (1, 1));

    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    let blocking = listener.into_std()?;
    let listener = TcpListener::try_from(blocking)?;
    let (connected, accepted) = world.block_on(join(TcpStream::connect(addr), listener.accept()));
    assert_eq!(connected?.local_addr()?, accepted?.1);
    Ok(())
}

#[test]
fn a_duplicate_does_not_keep_a_foreign_socket_registered() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let blocking = near.into_std()?;
    let duplicate = blocking.try_clone()?;
    drop(TcpStream::from_std(blocking)?);
    world.settle();
    world.block_on(far.write(b"x"))?;
    world.settle();
    // Ours was taken out by name, so the duplicate's data raises no event, and it can be registered anew.
    let again = TcpStream::from_std(duplicate)?;
    assert_eq!(world.block_on(again.read(&mut [0; 4]))?, 1);
    Ok(())
}

#[test]
fn a_duplicate_of_our_own_socket_raises_only_stale_events() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let duplicate = near.as_fd().try_clone_to_owned()?;
    drop(near);
    let (one, two) = world.pair();
    world.block_on(far.write(b"x"))?;
    world.settle();
    // The newcomer may have taken the place of the one that is gone: it must not be told of the other's data.
    assert_eq!(
        two.try_read(&mut [0]).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
    let flag = Arc::new(Flag::default());
    let mut waiting = pin!(two.readable());
    assert!(poll_once(waiting.as_mut(), &flag).is_pending());
    world.block_on(far.write(b"y"))?;
    world.settle();
    assert!(!flag.is_set());
    drop((one, duplicate));
    Ok(())
}

#[test]
fn r35_a_storm_of_opening_and_closing_reuses_tokens_safely() -> io::Result<()> {
    let world = World::new();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    for round in 0..200_u32 {
        let (near, far) = world.block_on(join(TcpStream::connect(addr), listener.accept()));
        let (near, (far, _)) = (near?, far?);
        world.block_on(near.write(&round.to_le_bytes()))?;
        if round % 3 == 0 {
            drop(far);
            drop(near);
            continue;
        }
        let mut got = [0; 4];
        assert_eq!(world.block_on(far.read(&mut got))?, 4);
        assert_eq!(u32::from_le_bytes(got), round);
    }
    drop(listener);
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

#[test]
fn several_tasks_and_streams_accept_from_one_listener() -> io::Result<()> {
    use futures_core::Stream;
    let world = World::new();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    let accepts = join_all((0..4).map(|n| {
        let listener = &listener;
        async move {
            if n % 2 == 0 {
                return listener.accept().await.map(|(stream, _)| stream);
            }
            let mut incoming = pin!(listener.incoming());
            poll_fn(|cx| incoming.as_mut().poll_next(cx))
                .await
                .expect("it never ends")
        }
    }));
    let connects = join_all((0..4).map(|_| TcpStream::connect(addr)));
    let (accepted, connected) = world.block_on(join(accepts, connects));
    assert_eq!(
        accepted.into_iter().collect::<io::Result<Vec<_>>>()?.len(),
        4
    );
    assert_eq!(
        connected.into_iter().collect::<io::Result<Vec<_>>>()?.len(),
        4
    );
    let mut listener = listener;
    let (accepted, connected) = world.block_on(join(
        poll_fn(|cx| listener.poll_accept(cx)),
        TcpStream::connect(addr),
    ));
    drop((accepted?, connected?));
    assert_eq!(
        listener.try_accept().map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
    Ok(())
}

#[test]
fn options_are_kept() -> io::Result<()> {
    let world = World::new();
    let (near, _far) = world.pair();
    near.set_nodelay(true)?;
    assert!(near.nodelay()?);
    near.set_ttl(42)?;
    assert_eq!(near.ttl()?, 42);
    near.set_linger(Some(Duration::from_secs(3)))?;
    assert_eq!(near.linger()?, Some(Duration::from_secs(3)));
    near.set_linger(None)?;
    assert_eq!(near.linger()?, None);
    assert_eq!(near.keepalive()?, None);
    near.set_keepalive(Some(Duration::from_secs(70)))?;
    assert_eq!(near.keepalive()?, Some(Duration::from_secs(70)));
    near.set_keepalive(None)?;
    assert_eq!(near.keepalive()?, None);
    assert!(near.take_error()?.is_none());
    Ok(())
}

#[test]
fn a_socket_is_configured_before_it_is_used() -> io::Result<()> {
    let world = World::new();
    let one = TcpSocket::new_v4()?;
    one.set_reuseport(true)?;
    one.set_recv_buffer_size(16 * 1024)?;
    one.set_send_buffer_size(16 * 1024)?;
    one.bind(([127, 0, 0, 1], 0).into())?;
    let addr = one.local_addr()?;
    let two = TcpSocket::new_v4()?;
    two.set_reuseport(true)?;
    two.bind(addr)?;
    let (_one, two) = (one.listen(8)?, two.listen(8)?);
    assert_eq!(two.local_addr()?, addr);
    let client = TcpSocket::new_v4()?;
    client.set_nodelay(true)?;
    let client = world.block_on(client.connect(addr))?;
    assert!(client.nodelay()?);
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_listener_that_holds_newcomers_off_keeps_those_who_have_come() -> io::Result<()> {
    let world = World::new();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    // From here on no readiness is known, and no turn reports any: the kernel itself is asked.
    let error = listener.try_accept().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let early: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect(address))
        .collect::<io::Result<_>>()?;
    listener.hold_off()?;
    let flag = Arc::new(Flag::default());
    let mut late = pin!(TcpStream::connect(address));
    // On this machine a handshake ends within the call that begins it, if anybody answers.
    assert!(poll_once(late.as_mut(), &flag).is_pending());
    for _ in &early {
        listener.try_accept()?;
    }
    let error = listener.try_accept().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(listener);
    let error = world.block_on(late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    Ok(())
}

#[test]
fn a_listener_from_outside_does_not_hold_newcomers_off() -> io::Result<()> {
    let _world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let shared = listener.try_clone()?;
    let error = TcpListener::from_std(listener)?.hold_off().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let _newcomer = std::net::TcpStream::connect(shared.local_addr()?)?;
    shared.accept()?;
    Ok(())
}
