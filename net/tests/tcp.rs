#![expect(
    unsafe_code,
    reason = "looks at all of a buffer that may be uninitialised"
)]
//! Connections over loopback: what goes in comes out, and every ending is told apart.

mod support;

use lenio_net::io::{AsyncReadExt, AsyncWriteExt};
use lenio_net::tcp::TcpStream;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use support::{Flag, World, join, poll_once};

#[test]
fn an_echo_gives_back_what_it_got() -> io::Result<()> {
    let world = World::new();
    let (mut near, far) = world.pair();
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let server = async {
        let mut far = far;
        let (mut reader, mut writer) = far.split();
        lenio_net::io::copy(&mut reader, &mut writer).await?;
        writer.close().await
    };
    let client = async {
        let (mut reader, mut writer) = near.split();
        let mut got = Vec::new();
        let (written, read) = join(
            async {
                writer.write_all(&sent).await?;
                writer.close().await
            },
            reader.read_to_end(&mut got),
        )
        .await;
        written?;
        read?;
        io::Result::Ok(got)
    };
    let (served, got) = world.block_on(join(server, client));
    served?;
    assert!(got? == sent, "the echo differs");
    Ok(())
}

#[test]
fn one_byte_at_a_time_arrives_whole() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    near.set_nodelay(true)?;
    let writes = async {
        for byte in 0..=255_u8 {
            assert_eq!(near.write(&[byte]).await?, 1);
        }
        near.shutdown(Shutdown::Write)
    };
    let reads = async {
        let (mut all, mut byte) = (Vec::new(), [0]);
        while far.read(&mut byte).await? > 0 {
            all.push(byte[0]);
        }
        io::Result::Ok(all)
    };
    let (written, all) = world.block_on(join(writes, reads));
    written?;
    assert!(all?.into_iter().eq(0..=255));
    Ok(())
}

#[test]
fn large_reads_of_small_pieces_never_stall() -> io::Result<()> {
    let world = World::new();
    let (near, mut far) = world.pair();
    near.set_nodelay(true)?;
    let mut seed = 0x9e37_79b9_u32;
    let mut next = move |below: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed % below
    };
    let sizes: Vec<usize> = (0..500).map(|_| 1 + next(700) as usize).collect();
    let total: usize = sizes.iter().sum();
    let writes = async {
        let mut sent = 0;
        for size in sizes {
            let piece: Vec<u8> = (sent..sent + size).map(|n| (n % 253) as u8).collect();
            let mut rest = &piece[..];
            while !rest.is_empty() {
                rest = &rest[near.write(rest).await?..];
            }
            sent += size;
        }
        drop(near);
        io::Result::Ok(())
    };
    let mut got = Vec::new();
    let (written, read) = world.block_on(join(writes, far.read_to_end(&mut got)));
    written?;
    assert_eq!(read?, total);
    assert!(
        got.iter()
            .enumerate()
            .all(|(n, byte)| *byte == (n % 253) as u8)
    );
    Ok(())
}

#[test]
fn several_tasks_wait_for_the_same_direction() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let flags: Vec<Arc<Flag>> = (0..3).map(|_| Arc::default()).collect();
    let read_one = || async {
        let mut byte = [0];
        far.read(&mut byte).await.map(|_| byte[0])
    };
    let mut readers: Vec<_> = (0..3).map(|_| Box::pin(read_one())).collect();
    for (reader, flag) in readers.iter_mut().zip(&flags) {
        assert!(poll_once(reader.as_mut(), flag).is_pending());
    }
    world.block_on(near.write(b"xyz"))?;
    while !flags.iter().all(|flag| flag.is_set()) {
        world.turn(None);
    }
    let mut got = Vec::new();
    for (reader, flag) in readers.iter_mut().zip(&flags) {
        assert_eq!(flag.wakes(), 1);
        let std::task::Poll::Ready(byte) = poll_once(reader.as_mut(), flag) else {
            panic!("there is a byte for everyone");
        };
        got.push(byte?);
    }
    assert_eq!(got, b"xyz");
    Ok(())
}

#[test]
fn a_dropped_waiter_leaves_the_others_waiting() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    let (gone, stays) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    let mut first = Box::pin(far.readable());
    let mut second = pin!(far.readable());
    // A fresh connection is assumed to be readable until it was tried.
    assert_eq!(
        far.try_read(&mut [0]).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
    assert!(poll_once(first.as_mut(), &gone).is_pending());
    assert!(poll_once(second.as_mut(), &stays).is_pending());
    drop(first);
    assert_eq!(
        Arc::strong_count(&gone),
        1,
        "the waker went with its waiter"
    );
    world.block_on(near.write(b"x"))?;
    while !stays.is_set() {
        world.turn(None);
    }
    assert!(!gone.is_set());
    assert!(poll_once(second.as_mut(), &stays).is_ready());
    Ok(())
}

#[test]
fn a_reset_is_an_error_for_both_directions() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    far.set_linger(Some(Duration::ZERO))?;
    let (read, ()) = world.block_on(join(async { near.read(&mut [0; 8]).await }, async move {
        drop(far)
    }));
    assert_eq!(read.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset));
    // The signal for a broken pipe would end this process here.
    let written = world.block_on(near.write(b"x"));
    assert_eq!(written.map_err(|e| e.kind()), Err(ErrorKind::BrokenPipe));
    let written = world.block_on(near.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]));
    assert_eq!(written.map_err(|e| e.kind()), Err(ErrorKind::BrokenPipe));
    assert_eq!(
        world.block_on(near.read(&mut [0; 8]))?,
        0,
        "and then the end"
    );
    Ok(())
}

#[test]
fn each_direction_ends_by_itself() -> io::Result<()> {
    let world = World::new();
    let (mut near, mut far) = world.pair();
    world.block_on(async {
        near.write_all(b"question").await?;
        near.close().await?;
        let mut text = String::new();
        far.read_to_string(&mut text).await?;
        assert_eq!(text, "question");
        far.write_all(b"answer").await?;
        far.close().await?;
        text.clear();
        near.read_to_string(&mut text).await?;
        assert_eq!(text, "answer");
        assert_eq!(near.read(&mut [0]).await?, 0, "the end stays the end");
        io::Result::Ok(())
    })
}

#[test]
fn shutting_reading_down_ends_a_read_that_waits() -> io::Result<()> {
    let world = World::new();
    let (near, _far) = world.pair();
    let (read, shut) = world.block_on(join(async { near.read(&mut [0]).await }, async {
        near.shutdown(Shutdown::Read)
    }));
    shut?;
    assert_eq!(read?, 0);
    Ok(())
}

#[test]
fn peeking_leaves_the_bytes() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    world.block_on(async {
        near.write(b"abc").await?;
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert_eq!(far.peek(&mut buf).await?, 3);
        }
        assert_eq!(far.read(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"abc");
        io::Result::Ok(())
    })
}

#[test]
fn a_read_into_uninitialised_memory_touches_only_what_it_reports() -> io::Result<()> {
    let world = World::new();
    let (near, mut far) = world.pair();
    world.block_on(async {
        let mut buf = [MaybeUninit::new(b'.'); 8];
        let (read, written) = join(
            poll_fn(|cx| far.poll_read_uninit(cx, &mut buf)),
            near.write(b"abc"),
        )
        .await;
        assert_eq!((read?, written?), (3, 3));
        assert_eq!(initialised(&buf), *b"abc.....");

        // Full buffers leave the rest where it is, and an empty one is filled at once.
        near.write(b"defgh").await?;
        assert_eq!(poll_fn(|cx| far.poll_read_uninit(cx, &mut [])).await?, 0);
        let read = poll_fn(|cx| far.poll_read_uninit(cx, &mut buf[..2])).await?;
        assert_eq!((read, initialised(&buf)), (2, *b"dec....."));
        near.shutdown(Shutdown::Write)?;
        let (mut reader, _writer) = far.into_split();
        let read = poll_fn(|cx| reader.poll_read_uninit(cx, &mut buf)).await?;
        assert_eq!((read, initialised(&buf)), (3, *b"fgh....."));
        let read = poll_fn(|cx| reader.poll_read_uninit(cx, &mut buf)).await?;
        assert_eq!(read, 0, "the end");
        Ok(())
    })
}

/// The bytes of a buffer that was initialised when it was made.
fn initialised(buf: &[MaybeUninit<u8>; 8]) -> [u8; 8] {
    // SAFETY: made with `MaybeUninit::new`, and whatever was written since is initialised, too.
    buf.map(|byte| unsafe { byte.assume_init() })
}

#[test]
fn vectors_are_written_and_read_in_order() -> io::Result<()> {
    let world = World::new();
    let (near, far) = world.pair();
    world.block_on(async {
        let written = near
            .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")])
            .await?;
        assert_eq!(written, 5);
        let (mut one, mut two) = ([0; 3], [0; 8]);
        let read = far
            .read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)])
            .await?;
        assert_eq!((read, &one, &two[..2]), (5, b"abc", &b"de"[..]));
        io::Result::Ok(())
    })
}

#[test]
fn a_write_waits_for_room_and_goes_on() -> io::Result<()> {
    let world = World::new();
    let (near, mut far) = world.pair();
    let block = vec![7; 64 * 1024];
    let mut written = 0;
    loop {
        match near.try_write(&block) {
            Ok(some) => written += some,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    let mut all = vec![0; written];
    let (more, read) = world.block_on(join(near.write(&block), far.read_exact(&mut all)));
    read?;
    assert!(more? > 0);
    assert!(all.iter().all(|byte| *byte == 7));
    Ok(())
}

#[test]
fn urgent_data_does_not_hide_what_follows_it() -> io::Result<()> {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    let near = TcpStream::from_std(listener.accept()?.0)?;
    let mut buf = [0; 64];
    assert_eq!(
        near.try_read(&mut buf).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
    (&peer).write_all(b"before")?;
    socket2::SockRef::from(&peer).send_out_of_band(b"!")?;
    (&peer).write_all(b"after")?;
    let mut got = Vec::new();
    world.block_on(async {
        while got.len() < b"beforeafter".len() {
            let read = near.read(&mut buf).await?;
            got.extend_from_slice(&buf[..read]);
        }
        io::Result::Ok(())
    })?;
    assert_eq!(got, b"beforeafter");
    Ok(())
}

#[test]
fn r38_mismatched_halves_come_back_and_work() -> io::Result<()> {
    let world = World::new();
    let (one, mut one_far) = world.pair();
    let (two, mut two_far) = world.pair();
    let (one_reader, one_writer) = one.into_split();
    let (two_reader, two_writer) = two.into_split();
    let Err(mut error) = one_reader.reunite(two_writer) else {
        panic!("they belong to different connections");
    };
    world.block_on(async {
        one_far.write_all(b"1").await?;
        let mut byte = [0];
        error.reader.read_exact(&mut byte).await?;
        assert_eq!(&byte, b"1");
        error.writer.write_all(b"2").await?;
        two_far.read_exact(&mut byte).await?;
        assert_eq!(&byte, b"2");
        io::Result::Ok(())
    })?;
    let one = error.reader.reunite(one_writer)?;
    let two = two_reader.reunite(error.writer)?;
    assert_ne!(one.local_addr()?, two.local_addr()?);
    // Reuniting shuts nothing down.
    world.block_on(async {
        one.write(b"still").await?;
        let mut text = [0; 5];
        one_far.read_exact(&mut text).await
    })
}

#[test]
fn dropping_the_owned_write_half_ends_writing_only() -> io::Result<()> {
    let world = World::new();
    let (near, mut far) = world.pair();
    let (mut reader, writer) = near.into_split();
    drop(writer);
    world.block_on(async {
        assert_eq!(far.read(&mut [0]).await?, 0);
        far.write_all(b"x").await?;
        let mut byte = [0];
        reader.read_exact(&mut byte).await
    })?;
    let (near, far) = world.pair();
    let (reader, writer) = near.into_split();
    writer.forget();
    assert_eq!(
        far.try_read(&mut [0]).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
    drop(reader);
    assert_eq!(world.block_on(far.read(&mut [0]))?, 0);
    Ok(())
}
