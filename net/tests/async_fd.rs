//! Readiness of descriptors that are not sockets of ours.

mod support;

use lenio_net::AsyncFd;
use lenio_net::reactor::Interest;
use mio::unix::pipe::{Receiver, Sender};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use support::{Flag, World, join, poll_once};

fn pipe() -> io::Result<(Receiver, Sender)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((receiver, sender))
}

#[test]
fn a_pipe_is_read_when_something_was_written() -> io::Result<()> {
    let world = World::new();
    let (reader, writer) = pipe()?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    let writer = AsyncFd::with_interest(writer, Interest::Write)?;
    let mut buf = [0; 8];
    let (read, written) = world.block_on(join(
        reader.read_with(|mut pipe| pipe.read(&mut buf)),
        writer.write_with(|mut pipe| pipe.write(b"abc")),
    ));
    assert_eq!((read?, written?), (3, 3));
    assert_eq!(&buf[..3], b"abc");
    Ok(())
}

#[test]
fn the_guard_clears_only_what_is_used_up() -> io::Result<()> {
    let world = World::new();
    let (reader, mut writer) = pipe()?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    writer.write_all(b"ab")?;
    world.block_on(async {
        let mut byte = [0];
        for _ in 0..2 {
            let mut guard = reader.readable().await?;
            assert!(!guard.is_closed() && !guard.is_error());
            let read = guard.try_io(|mut pipe| pipe.read(&mut byte));
            assert_eq!(read.map(|read| read.map_err(|e| e.kind())), Ok(Ok(1)));
        }
        let mut guard = reader.readable().await?;
        let refused = guard.try_io(|mut pipe| pipe.read(&mut byte)).map(drop);
        assert_eq!(
            io::Error::from(refused.expect_err("empty")).kind(),
            ErrorKind::WouldBlock
        );
        io::Result::Ok(())
    })?;
    let flag = Arc::new(Flag::default());
    let mut readable = pin!(reader.readable());
    assert!(
        poll_once(readable.as_mut(), &flag).is_pending(),
        "it was cleared"
    );
    writer.write_all(b"c")?;
    world.settle();
    assert!(flag.is_set());
    Ok(())
}

#[test]
fn r33_an_event_between_the_look_and_the_clearing_is_kept() -> io::Result<()> {
    let world = World::new();
    let (reader, mut writer) = pipe()?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    writer.write_all(b"a")?;
    let mut guard = world.block_on(reader.readable())?;
    writer.write_all(b"b")?;
    world.settle();
    // Out of date: the second write came after the guard.
    guard.clear_ready();
    let guard = world.block_on(reader.readable())?;
    drop(guard);
    Ok(())
}

#[test]
fn the_end_of_the_other_side_is_seen() -> io::Result<()> {
    let world = World::new();
    let (reader, writer) = pipe()?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    drop(writer);
    assert!(world.block_on(reader.readable())?.is_closed());
    assert_eq!(
        world.block_on(reader.read_with(|mut pipe| pipe.read(&mut [0])))?,
        0
    );
    let (reader, writer) = pipe()?;
    let writer = AsyncFd::with_interest(writer, Interest::Write)?;
    drop(reader);
    world.settle();
    let guard = world.block_on(writer.writable())?;
    assert!(guard.is_closed() && guard.is_error());
    let written = world.block_on(writer.write_with(|mut pipe| pipe.write(b"x")));
    assert_eq!(written.map_err(|e| e.kind()), Err(ErrorKind::BrokenPipe));
    Ok(())
}

#[test]
fn many_tasks_wait_for_one_descriptor() -> io::Result<()> {
    let world = World::new();
    let (reader, mut writer) = pipe()?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    let flags: Vec<Arc<Flag>> = (0..20).map(|_| Arc::default()).collect();
    let mut waits: Vec<_> = (0..20).map(|_| Box::pin(reader.readable())).collect();
    for (wait, flag) in waits.iter_mut().zip(&flags) {
        assert!(poll_once(wait.as_mut(), flag).is_pending());
    }
    writer.write_all(b"x")?;
    world.settle();
    assert!(flags.iter().all(|flag| flag.wakes() == 1));
    Ok(())
}

#[test]
fn the_owner_comes_back_unregistered() -> io::Result<()> {
    let world = World::new();
    let (ours, mut theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let watched = AsyncFd::new(ours)?;
    assert_eq!(world.reactor.registrations(), 1);
    let ours = watched.into_inner();
    assert_eq!(world.reactor.registrations(), 0);
    theirs.write_all(b"x")?;
    // The kernel would refuse a second registration of the same descriptor.
    let mut watched = AsyncFd::new(&ours)?;
    let mut byte = [0];
    let read =
        std::future::poll_fn(|cx| watched.poll_read_with(cx, |socket| (&**socket).read(&mut byte)));
    assert_eq!(world.block_on(read)?, 1);
    world.block_on(std::future::poll_fn(|cx| {
        watched.poll_writable(cx).map_ok(drop)
    }))?;
    let twice = AsyncFd::new(&ours)
        .map(drop)
        .map_err(|error| io::Error::from(error).kind());
    assert_eq!(twice, Err(ErrorKind::AlreadyExists));
    assert_eq!(world.reactor.registrations(), 1);
    Ok(())
}
