//! The raw server: edge-triggered epoll on threads, one buffer per thread, no tasks.
//!
//! It is no floor for messages of a mebibyte: with 64 KiB buffers it copies what the socket does not take.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use crate::client::epoll::{EDGE, EXCLUSIVE, Epoll, READABLE, WRITABLE};
use crate::serve::Kind;

const BUFFER: usize = 64 * 1024;
const LISTENER: u64 = u64::MAX;
const BLANK_LINE: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHello, World!";

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

/// Independent loops that share the listener.
pub(super) fn run(listener: &TcpListener, kind: Kind, workers: usize) -> io::Result<()> {
    thread::scope(|scope| {
        let loops: Vec<_> = (1..workers)
            .map(|_| scope.spawn(move || serve(listener, kind)))
            .collect();
        serve(listener, kind)?;
        loops
            .into_iter()
            .try_for_each(|thread| thread.join().expect("no loop panics"))
    })
}

fn serve(listener: &TcpListener, kind: Kind) -> io::Result<()> {
    let mut epoll = Epoll::new()?;
    epoll.add(listener, READABLE | EXCLUSIVE, LISTENER)?;
    let mut connections = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    let mut ready = Vec::new();
    loop {
        ready.clear();
        ready.extend(epoll.wait(None)?.map(|(key, _)| key));
        for &key in &ready {
            if key == LISTENER {
                accept(listener, &epoll, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(&key) {
                if connection.serve(&mut buffer, kind).is_err() {
                    connections.remove(&key);
                }
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut HashMap<u64, Connection>,
) -> io::Result<()> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let key = stream.as_raw_fd() as u64;
            epoll.add(&stream, READABLE | WRITABLE | EDGE, key)?;
            connections.insert(
                key,
                Connection {
                    stream,
                    unsent: Vec::new(),
                },
            );
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

impl Connection {
    /// Sends what is left, then reads and answers until the socket is empty or full. An error ends the connection.
    fn serve(&mut self, buffer: &mut [u8], kind: Kind) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)?;
        while self.unsent.is_empty() {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            match kind {
                Kind::Echo { .. } => self.send(&buffer[..count])?,
                Kind::Http => {
                    let requests = buffer[..count]
                        .windows(BLANK_LINE.len())
                        .filter(|part| *part == BLANK_LINE);
                    self.send(&ANSWER.repeat(requests.count()))?;
                }
            }
            // A short read has emptied the socket; what comes next is a new edge.
            if count < buffer.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(bytes);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
