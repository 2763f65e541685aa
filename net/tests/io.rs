//! The extension traits over readers and writers that do as they please: any piece size, pending at any moment.

mod support;

use lenio_net::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter,
    copy, copy_bidirectional,
};
use lenio_net::tcp::TcpStream;
use proptest::prelude::*;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use support::{Flag, World, join, poll_once};

/// Gives and takes pieces of the given sizes, over and over; a size of zero stands for "not now".
#[derive(Debug)]
struct Moody {
    bytes: Vec<u8>,
    used: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl Moody {
    fn new(bytes: &[u8], sizes: &[usize]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            used: 0,
            sizes: sizes.to_vec(),
            turn: 0,
        }
    }

    fn poll_size(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(size)
    }
}

impl AsyncRead for Moody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let size = std::task::ready!(self.poll_size(cx));
        let rest = &self.bytes[self.used..];
        let read = size.min(rest.len()).min(buf.len());
        buf[..read].copy_from_slice(&rest[..read]);
        self.used += read;
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Moody {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let size = std::task::ready!(self.poll_size(cx)).min(buf.len());
        self.bytes.extend_from_slice(&buf[..size]);
        Poll::Ready(Ok(size))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_size(cx).map(|_| Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Polls to the end; everything here wakes itself.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return output;
        }
    }
}

/// Sizes of pieces, at least one of them not zero.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    (proptest::collection::vec(0_usize..40, 0..6), 1_usize..2000).prop_map(|(mut sizes, last)| {
        sizes.push(last);
        sizes
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..3000)
}

proptest! {
    #[test]
    fn everything_is_read_to_the_end(bytes in bytes(), sizes in sizes(), room in 0_usize..5000) {
        let mut all = Vec::with_capacity(room);
        all.push(42);
        let read = run(Moody::new(&bytes, &sizes).read_to_end(&mut all)).expect("no errors");
        prop_assert_eq!(read, bytes.len());
        prop_assert_eq!(&all[1..], &bytes[..]);
    }

    #[test]
    fn exactly_so_much_is_read(bytes in bytes(), sizes in sizes(), more in 0_usize..2) {
        let mut buf = vec![0; bytes.len() + more];
        let outcome = run(Moody::new(&bytes, &sizes).read_exact(&mut buf)).map_err(|e| e.kind());
        if more == 0 {
            prop_assert_eq!(outcome, Ok(()));
            prop_assert_eq!(buf, bytes);
        } else {
            prop_assert_eq!(outcome, Err(ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn lines_are_those_of_the_standard_library(text in "[ab\n\r]{0,300}", sizes in sizes(), capacity in 1_usize..50) {
        let mut lines = BufReader::with_capacity(capacity, Moody::new(text.as_bytes(), &sizes)).lines();
        let mut got = Vec::new();
        run(async {
            while let Some(line) = lines.next_line().await? {
                got.push(line);
            }
            io::Result::Ok(())
        }).expect("no errors");
        prop_assert!(got.iter().map(String::as_str).eq(text.lines()));
    }

    #[test]
    fn fields_are_read_up_to_their_delimiter(bytes in bytes(), sizes in sizes()) {
        let mut reader = BufReader::with_capacity(16, Moody::new(&bytes, &sizes));
        let mut got = Vec::new();
        run(async {
            loop {
                let mut field = Vec::new();
                if reader.read_until(0, &mut field).await? == 0 {
                    return io::Result::Ok(());
                }
                got.push(field);
            }
        }).expect("no errors");
        let expected: Vec<_> = bytes.split_inclusive(|byte| *byte == 0).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn buffered_reads_and_writes_change_nothing(bytes in bytes(), sizes in sizes(), capacity in 1_usize..50, piece in 1_usize..80) {
        let mut reader = BufReader::with_capacity(capacity, Moody::new(&bytes, &sizes));
        let mut writer = BufWriter::with_capacity(capacity, Moody::new(&[], &sizes));
        run(async {
            let mut buf = vec![0; piece];
            loop {
                let read = reader.read(&mut buf).await?;
                if read == 0 {
                    return writer.close().await;
                }
                writer.write_all(&buf[..read]).await?;
            }
        }).expect("no errors");
        prop_assert_eq!(writer.into_inner().bytes, bytes);
    }

    #[test]
    fn a_copy_is_the_same_and_flushed(bytes in bytes(), sizes in sizes()) {
        let mut reader = Moody::new(&bytes, &sizes);
        let mut writer = BufWriter::with_capacity(100, Moody::new(&[], &sizes));
        let copied = run(copy(&mut reader, &mut writer)).expect("no errors");
        prop_assert_eq!(copied, bytes.len() as u64);
        prop_assert!(writer.buffer().is_empty());
        prop_assert_eq!(writer.into_inner().bytes, bytes);
    }

    #[test]
    fn take_ends_where_it_should(bytes in bytes(), sizes in sizes(), limit in 0_u64..4000) {
        let mut all = Vec::new();
        let mut taken = Moody::new(&bytes, &sizes).take(limit);
        run(taken.read_to_end(&mut all)).expect("no errors");
        let end = bytes.len().min(limit as usize);
        prop_assert_eq!(&all[..], &bytes[..end]);
        prop_assert_eq!(taken.limit(), limit - end as u64);
    }

    #[test]
    fn cancelled_reads_lose_nothing(bytes in bytes(), sizes in sizes()) {
        let mut sizes = sizes;
        sizes.insert(0, 0);
        let flag = Arc::new(Flag::default());
        let mut reader = Moody::new(&bytes, &sizes);
        let mut all = Vec::new();
        // Each future is polled once and dropped.
        while poll_once(pin!(reader.read_to_end(&mut all)), &flag).is_pending() {
            prop_assert_eq!(&all[..], &bytes[..all.len()]);
        }
        prop_assert_eq!(&all, &bytes);

        let mut lines = BufReader::with_capacity(7, Moody::new(b"one\ntwo\r\nthree", &sizes)).lines();
        let mut got = Vec::new();
        loop {
            match poll_once(pin!(lines.next_line()), &flag) {
                Poll::Pending => {}
                Poll::Ready(Ok(Some(line))) => got.push(line),
                Poll::Ready(end) => {
                    prop_assert!(matches!(end, Ok(None)));
                    break;
                }
            }
        }
        prop_assert_eq!(got, ["one", "two", "three"]);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_and_leaves_the_string_alone() {
    let mut text = String::from("kept");
    let mut reader: &[u8] = b"\xff\n";
    assert_eq!(
        run(reader.read_to_string(&mut text)).map_err(|e| e.kind()),
        Err(ErrorKind::InvalidData)
    );
    let mut reader: &[u8] = b"\xff\nnext\n";
    assert_eq!(
        run(reader.read_line(&mut text)).map_err(|e| e.kind()),
        Err(ErrorKind::InvalidData)
    );
    assert_eq!(
        run(reader.read_line(&mut text)).map_err(|e| e.kind()),
        Ok(5)
    );
    assert_eq!(text, "keptnext\n");
}

/// Takes nothing.
struct Full;

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_writer_that_takes_nothing_is_an_error() {
    let kind = |outcome: io::Result<()>| outcome.map_err(|error| error.kind());
    assert_eq!(kind(run(Full.write_all(b"x"))), Err(ErrorKind::WriteZero));
    assert_eq!(
        kind(run(copy(&mut &b"x"[..], &mut Full)).map(drop)),
        Err(ErrorKind::WriteZero)
    );
    let mut writer = BufWriter::new(Full);
    assert_eq!(kind(run(writer.write_all(b"x"))), Ok(()));
    assert_eq!(kind(run(writer.flush())), Err(ErrorKind::WriteZero));
}

#[test]
fn a_vector_of_the_right_size_does_not_grow() {
    let mut all = Vec::with_capacity(100);
    let mut reader: &[u8] = &[7; 100];
    assert_eq!(
        run(reader.read_to_end(&mut all)).map_err(|e| e.kind()),
        Ok(100)
    );
    assert_eq!(all.capacity(), 100);
}

#[test]
fn lines_arrive_over_tcp_as_they_come() -> io::Result<()> {
    let world = World::new();
    let (mut near, far) = world.pair();
    let mut lines = BufReader::new(far).lines();
    let flag = Arc::new(Flag::default());
    world.block_on(near.write_all(b"one\r\ntw"))?;
    assert_eq!(world.block_on(lines.next_line())?.as_deref(), Some("one"));
    assert!(
        poll_once(pin!(lines.next_line()), &flag).is_pending(),
        "half a line, and then cancelled"
    );
    world.block_on(near.write_all(b"o\nthree"))?;
    drop(near);
    assert_eq!(world.block_on(lines.next_line())?.as_deref(), Some("two"));
    assert_eq!(world.block_on(lines.next_line())?.as_deref(), Some("three"));
    assert_eq!(world.block_on(lines.next_line())?, None);
    Ok(())
}

/// A client, a proxy's two ends, and a server.
fn proxied(world: &World) -> (TcpStream, TcpStream, TcpStream, TcpStream) {
    let (client, front) = world.pair();
    let (back, server) = world.pair();
    (client, front, back, server)
}

#[test]
fn a_proxy_passes_the_end_of_each_direction_on() -> io::Result<()> {
    let world = World::new();
    let (mut client, mut front, mut back, mut server) = proxied(&world);
    let people = async {
        client.write_all(b"question").await?;
        client.close().await?;
        let mut question = String::new();
        // Arrives only if the proxy closes the way to the server while the way back is open.
        server.read_to_string(&mut question).await?;
        server
            .write_all(format!("answer to {question}").as_bytes())
            .await?;
        server.close().await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        assert_eq!(answer, "answer to question");
        io::Result::Ok(())
    };
    let (moved, spoken) = world.block_on(join(copy_bidirectional(&mut front, &mut back), people));
    spoken?;
    assert_eq!(moved?, (8, 18));
    Ok(())
}

#[test]
fn a_proxy_reports_a_connection_that_was_reset() -> io::Result<()> {
    let world = World::new();
    let (client, mut front, mut back, _server) = proxied(&world);
    client.set_linger(Some(std::time::Duration::ZERO))?;
    drop(client);
    let moved = world.block_on(copy_bidirectional(&mut front, &mut back));
    assert_eq!(moved.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset));
    Ok(())
}
