//! The kernel's epoll with a safe face and nothing on top: for the client and for the floor.
#![expect(unsafe_code, reason = "epoll has no safe form in std")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Interest in a readable socket.
pub(crate) const READABLE: u32 = libc::EPOLLIN as u32;
/// Interest in a writable socket.
pub(crate) const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// Report a change once instead of a state again and again.
pub(crate) const EDGE: u32 = libc::EPOLLET as u32;
/// Wake only one of the epoll sets that watch a listener.
pub(crate) const EXCLUSIVE: u32 = libc::EPOLLEXCLUSIVE as u32;

/// One epoll set and the events that it reported last.
pub(crate) struct Epoll {
    set: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// An empty set that reports up to 256 events at once.
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: takes a flag, touches no memory of ours.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so `fd` is open, and nobody else knows it.
        let set = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Epoll {
            set,
            events: Vec::with_capacity(256),
        })
    }

    /// Watches a socket; `key` comes back with its events. Closing the socket ends the watch.
    pub(crate) fn add(&self, socket: &impl AsRawFd, interest: u32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, interest, key)
    }

    /// Changes the interest in a watched socket.
    pub(crate) fn change(&self, socket: &impl AsRawFd, interest: u32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, interest, key)
    }

    fn control(
        &self,
        operation: i32,
        socket: &impl AsRawFd,
        interest: u32,
        key: u64,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest,
            u64: key,
        };
        // SAFETY: both descriptors are open while borrowed, and `event` is initialised.
        let rc = unsafe {
            libc::epoll_ctl(
                self.set.as_raw_fd(),
                operation,
                socket.as_raw_fd(),
                &mut event,
            )
        };
        if rc == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Waits for events, at most `limit` (for ever without), and returns their keys and kinds.
    pub(crate) fn wait(
        &mut self,
        limit: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = (u64, u32)> + '_> {
        let millis = limit.map_or(-1, |limit| limit.as_millis() as i32);
        self.events.clear();
        let room = self.events.capacity() as i32;
        // SAFETY: the vector has room for `room` events and is exclusively borrowed for the call.
        let count = unsafe {
            libc::epoll_wait(self.set.as_raw_fd(), self.events.as_mut_ptr(), room, millis)
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        // SAFETY: the kernel has initialised the first `count` events, and `count` is at most the capacity.
        unsafe { self.events.set_len(count.max(0) as usize) };
        Ok(self.events.iter().map(|event| (event.u64, event.events)))
    }
}
