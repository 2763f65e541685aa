#![expect(
    unsafe_code,
    reason = "mio knows whole milliseconds only; waiting for less needs ppoll"
)]
//! Waiting for less than a millisecond.
//!
//! `epoll_wait` counts in milliseconds and mio rounds up, so a timer due in 100 us would fire up to 900 us late. An epoll descriptor
//! can itself be waited for, and `ppoll` counts in nanoseconds. The price is a second system call when something did arrive.
//! Kqueue counts in nanoseconds anyway.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Whether timeouts below a millisecond need this module.
pub(super) const NEEDED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Waits until `queue` has events or `timeout` is over; tells whether it has. A signal ends the wait early.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wait_readable(queue: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut watched = libc::pollfd {
        fd: queue.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: `watched` and `timeout` live across the call, the count is 1, and a null mask means "leave the signals alone".
    let found = unsafe { libc::ppoll(&raw mut watched, 1, &raw const timeout, std::ptr::null()) };
    match found {
        -1 => Err(io::Error::last_os_error()),
        found => Ok(found > 0),
    }
}

/// Not needed here: tells the caller to ask the queue itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn wait_readable(_queue: BorrowedFd<'_>, _timeout: Duration) -> io::Result<bool> {
    Ok(true)
}
