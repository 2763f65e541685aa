//! Keeping newcomers away from a listener that is about to be closed.
//!
//! Closing a listener resets the connections that the kernel has completed and nobody has accepted; their peers may have sent a request
//! already. Accepting all of them first leaves a gap, between the last look and the close, in which more of them come. So the
//! door is closed from the outside first: the socket gets a packet filter that drops what asks for a new connection, and lets everything
//! else pass, also the last packet of a handshake that is under way.

use std::io;
use std::os::fd::BorrowedFd;

/// Drops packets that ask for a new connection: those with the flag SYN.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn hold_off(listener: BorrowedFd<'_>) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    /// Where the flags stand in the header of a packet.
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    const ALL: u32 = u32::MAX;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const JUMP_IF_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const KEEP_BYTES: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

    SockRef::from(&listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(KEEP_BYTES, 0, 0, 0),
        SockFilter::new(KEEP_BYTES, 0, 0, ALL),
    ])
}

/// This system has no such filters.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn hold_off(_listener: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
