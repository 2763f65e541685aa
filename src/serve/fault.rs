//! What an error of `accept` means for the loop, and how long it rests after one.

use std::io;
use std::time::Duration;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Only the connection that would have been accepted: go on at once.
    Connection,
    /// Descriptors, memory, or something unknown: rest before the next attempt. Neither spinning nor giving up would help.
    Exhausted,
    /// The listener: no attempt will ever succeed.
    Listener,
}

impl Fault {
    pub(super) fn of(error: &io::Error) -> Self {
        let Some(code) = error.raw_os_error() else {
            // Not from the kernel: there is no runtime, or it has ended.
            return match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => Self::Connection,
                _ => Self::Listener,
            };
        };
        match code {
            libc::EINTR | libc::ECONNABORTED | libc::ECONNRESET | libc::EPROTO | libc::EPERM => {
                Self::Connection
            }
            // Errors of the network that wait on the new socket: accept(2) wants them treated as a retry.
            libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENOPROTOOPT
            | libc::ETIMEDOUT => Self::Connection,
            libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP | libc::EFAULT => {
                Self::Listener
            }
            // EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC (of epoll), and what we do not know.
            _ => Self::Exhausted,
        }
    }
}

const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// How long to rest: doubled with each failure in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// The last rest; zero after a success.
    last: Duration,
    is_due: bool,
}

impl Backoff {
    /// A failure: the next rest is due, longer than the last one.
    pub(super) fn start(&mut self) {
        self.last = (self.last * 2).clamp(SHORTEST, LONGEST);
        self.is_due = true;
    }

    /// How long to rest before the next attempt.
    pub(super) fn rest(&self) -> Option<Duration> {
        self.is_due.then_some(self.last)
    }

    /// The rest is over, or not needed any more; the next failure rests longer.
    pub(super) fn rested(&mut self) {
        self.is_due = false;
    }

    /// A success: the next failure starts from the shortest rest.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: i32) -> Fault {
        Fault::of(&io::Error::from_raw_os_error(code))
    }

    #[test]
    fn exhaustion_rests_and_dead_connections_do_not() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(fault(code), Fault::Exhausted);
        }
        for code in [libc::ECONNABORTED, libc::EINTR, libc::EPROTO] {
            assert_eq!(fault(code), Fault::Connection);
        }
        assert_eq!(fault(libc::EBADF), Fault::Listener);
        assert_eq!(Fault::of(&io::Error::other("no runtime")), Fault::Listener);
    }

    #[test]
    fn rests_double_from_5_ms_to_1_s_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.rest(), None);
        let mut rests = Vec::new();
        for _ in 0..10 {
            backoff.start();
            rests.push(backoff.rest().unwrap_or_default().as_millis());
            backoff.rested();
            assert_eq!(backoff.rest(), None);
        }
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.reset();
        backoff.start();
        assert_eq!(backoff.rest(), Some(SHORTEST));
    }
}
