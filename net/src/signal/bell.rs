//! One signal, heard by one receiver.

use super::default_action;
use super::kind::Signal;
use crate::AsyncFd;
use crate::reactor::Interest;
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};

/// The reading end of a socket into which the signal handler writes a byte per signal.
pub(super) struct Bell {
    signal: Signal,
    socket: AsyncFd<UnixStream>,
    id: SigId,
}

impl Bell {
    pub(super) fn hang(signal: Signal) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let socket = AsyncFd::with_interest(ours, Interest::Read)?;
        default_action::prepare(signal)?;
        let id = pipe::register(signal.number(), theirs)?;
        default_action::suspend(signal);
        Ok(Self { signal, socket, id })
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) async fn heard(&self) -> io::Result<()> {
        self.socket.read_with(hear).await
    }

    pub(super) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_read_with(cx, hear)
    }
}

/// Takes one byte, which stands for one signal.
fn hear(mut socket: &UnixStream) -> io::Result<()> {
    match socket.read(&mut [0])? {
        // The other end lives in the handler until this receiver unregisters it.
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        default_action::resume(self.signal);
        unregister(self.id);
    }
}
