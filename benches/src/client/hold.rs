//! Holds idle connections, each of which has echoed one small message, until standard input ends.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::os;

const MESSAGE: [u8; 64] = [b'x'; 64];

/// Connects one after another, prints `ready` and waits.
pub(super) fn run(port: u16, conns: u64) -> io::Result<()> {
    let mut held = Vec::new();
    for _ in 0..conns {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        os::reset_on_close(&stream)?;
        stream.write_all(&MESSAGE)?;
        let mut back = [0; 64];
        stream.read_exact(&mut back)?;
        held.push(stream);
    }
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
