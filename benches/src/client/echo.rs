//! The echo load generator: each connection sends a message, waits for all of it, and sends again at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Report;
use super::epoll::{Epoll, READABLE, WRITABLE};
use crate::measure::percentile;

/// Largest piece read at once.
const PIECE: usize = 256 * 1024;

struct Connection {
    stream: TcpStream,
    sent: usize,
    received: usize,
    since: Instant,
    waits_to_write: bool,
}

/// A fifth of the window warms up, then the window is measured.
pub(super) fn run(port: u16, conns: u64, size: usize, window: Duration) -> io::Result<Report> {
    let message = vec![b'x'; size];
    let mut piece = vec![0; PIECE];
    let mut epoll = Epoll::new()?;
    let mut connections = connect(port, conns, &epoll)?;
    for (key, connection) in connections.iter_mut().enumerate() {
        connection.send(&message, &epoll, key as u64)?;
    }

    let warm_until = Instant::now() + window / 5;
    let end = warm_until + window;
    let mut total = 0_u64;
    let mut trips = Vec::with_capacity(1 << 20);
    loop {
        let now = Instant::now();
        if now >= end {
            break;
        }
        // Collected first, because answering changes interests in the same set. 100 ms bound a silent server.
        let ready: Vec<(u64, u32)> = epoll.wait(Some(Duration::from_millis(100)))?.collect();
        for (key, events) in ready {
            let connection = &mut connections[key as usize];
            if events & WRITABLE != 0 {
                connection.send(&message, &epoll, key)?;
            }
            if events & !WRITABLE != 0 && connection.receive(&mut piece, size)? {
                let done = Instant::now();
                total += 1;
                if done >= warm_until {
                    trips.push((done - connection.since).as_nanos() as u64);
                }
                connection.begin(done);
                connection.send(&message, &epoll, key)?;
            }
        }
    }
    if trips.is_empty() {
        return Err(io::Error::other("no message came back within the window"));
    }
    let rate = trips.len() as f64 / window.as_secs_f64();
    Ok(Report {
        total: total as f64,
        rate,
        p50: percentile(&mut trips, 0.5),
        p99: percentile(&mut trips, 0.99),
    })
}

fn connect(port: u16, conns: u64, epoll: &Epoll) -> io::Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for key in 0..conns {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, READABLE, key)?;
        let since = Instant::now();
        connections.push(Connection {
            stream,
            sent: 0,
            received: 0,
            since,
            waits_to_write: false,
        });
    }
    Ok(connections)
}

impl Connection {
    fn begin(&mut self, now: Instant) {
        self.sent = 0;
        self.received = 0;
        self.since = now;
    }

    /// Sends what is left of the message; asks for writability only while the socket is full.
    fn send(&mut self, message: &[u8], epoll: &Epoll, key: u64) -> io::Result<()> {
        while self.sent < message.len() {
            match self.stream.write(&message[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let waits_to_write = self.sent < message.len();
        if waits_to_write != self.waits_to_write {
            self.waits_to_write = waits_to_write;
            let interest = if waits_to_write {
                READABLE | WRITABLE
            } else {
                READABLE
            };
            epoll.change(&self.stream, interest, key)?;
        }
        Ok(())
    }

    /// Reads one piece; true when the whole message is back.
    fn receive(&mut self, piece: &mut [u8], size: usize) -> io::Result<bool> {
        match self.stream.read(piece) {
            Ok(0) => Err(io::Error::other("the server closed a connection")),
            Ok(count) => {
                self.received += count;
                assert!(self.received <= size, "more came back than was sent");
                Ok(self.received == size)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
