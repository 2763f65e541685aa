//! A descriptor that is known to the kernel's queue, and the operations that wait for it.

use super::Reactor;
use super::error::ReactorClosed;
use super::readiness::{Cleared, Direction, Ready, Signs};
use super::source::{Source, Waiting};
use super::table::Refused;
use lenio_sync::budget;
use mio::unix::SourceFd;
use pin_project_lite::pin_project;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Which events of a descriptor are asked for.
///
/// Sockets are always registered for both directions. Some descriptors know one only: a pipe's ends, for instance.
///
/// # Examples
///
/// ```
/// use lenio_net::AsyncFd;
/// use lenio_net::reactor::{Interest, Reactor, enter};
/// use std::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let _entered = enter(&Reactor::new()?);
/// let (ours, _theirs) = UnixStream::pair()?;
/// let watched = AsyncFd::with_interest(ours, Interest::Read)?;
/// # drop(watched);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Readable, or ended for reading.
    Read,
    /// Writable, or ended for writing.
    Write,
    /// Both directions.
    Both,
}

impl Interest {
    fn for_mio(self) -> mio::Interest {
        match self {
            Self::Read => mio::Interest::READABLE,
            Self::Write => mio::Interest::WRITABLE,
            Self::Both => mio::Interest::READABLE | mio::Interest::WRITABLE,
        }
    }
}

/// What a registration does with the kernel's queue when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Nothing: the descriptor is closed right after, and closing it takes it out of the queue. A duplicate that somebody made keeps
    /// the entry alive; its events carry a generation that is gone, so they are discarded.
    WithClose,
    /// Tells the kernel, because the descriptor, or a duplicate of it, may live on.
    ByName,
}

/// One descriptor's place in a reactor.
///
/// The owner of the descriptor declares its registration *before* the descriptor, so that it goes first.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Keeps the queue alive as long as there is something in it.
    reactor: Arc<Reactor>,
    /// Shared with the reactor's table, which delivers events to it.
    source: Arc<Source>,
    token: mio::Token,
    fd: RawFd,
    leave: Leave,
}

impl Registration {
    /// Registers `fd` with `reactor`, assuming it to be ready for `assumed` until the kernel says more.
    ///
    /// If that fails nothing is left behind.
    pub(crate) fn new(
        reactor: Arc<Reactor>,
        fd: BorrowedFd<'_>,
        interest: Interest,
        assumed: Signs,
        leave: Leave,
    ) -> io::Result<Self> {
        let interest = interest.for_mio();
        Self::with_mio_interest(reactor, fd, interest, assumed, leave)
    }

    /// Registers a stream socket for everything, urgent data included: its mark is what makes a short read prove nothing.
    pub(crate) fn stream(
        reactor: Arc<Reactor>,
        fd: BorrowedFd<'_>,
        assumed: Signs,
        leave: Leave,
    ) -> io::Result<Self> {
        let interest = Interest::Both.for_mio();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | mio::Interest::PRIORITY;
        Self::with_mio_interest(reactor, fd, interest, assumed, leave)
    }

    fn with_mio_interest(
        reactor: Arc<Reactor>,
        fd: BorrowedFd<'_>,
        interest: mio::Interest,
        assumed: Signs,
        leave: Leave,
    ) -> io::Result<Self> {
        let source = Arc::new(Source::new(assumed));
        let fd = fd.as_raw_fd();
        let token = reactor.table.lock().insert(source.clone());
        let token = token.map_err(|refused| match refused {
            Refused::Closed => ReactorClosed.into(),
            Refused::Full => io::Error::from(io::ErrorKind::OutOfMemory),
        })?;
        if let Err(error) = reactor
            .registry
            .register(&mut SourceFd(&fd), token, interest)
        {
            let gone = reactor.table.lock().remove(token);
            drop(gone);
            return Err(error);
        }
        Ok(Self {
            reactor,
            source,
            token,
            fd,
            leave,
        })
    }

    /// The reactor that this descriptor is registered with.
    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Whether the descriptor, or a duplicate of it, may live on.
    pub(crate) fn leaves_by_name(&self) -> bool {
        self.leave == Leave::ByName
    }

    /// Tells the kernel when this registration goes, because the descriptor will live on.
    pub(crate) fn leave_by_name(&mut self) {
        self.leave = Leave::ByName;
    }

    /// Waits until `direction` is worth a try. Any number of tasks may wait at once.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: readiness stays until an operation finds it used up.
    pub(crate) async fn ready(&self, direction: Direction) -> io::Result<Ready> {
        let mut waiting = pin!(self.source.waiting());
        poll_fn(|cx| {
            let ready = ready!(self.source.poll_waiting(waiting.as_mut(), cx, direction));
            ready!(budget::poll_proceed(cx));
            Poll::Ready(usable(ready))
        })
        .await
    }

    /// Runs `op` whenever `direction` is worth a try, until it says something else than "not now". Any number of tasks may do so at
    /// once; none takes another's place.
    ///
    /// # Cancel safety
    ///
    /// `op` either has not run to its end or its result was returned.
    #[inline]
    pub(crate) fn async_io<'r, R, F>(&'r self, direction: Direction, op: F) -> Io<'r, F>
    where
        F: FnMut(&Attempt<'_>) -> io::Result<R>,
    {
        Io {
            registration: self,
            direction,
            op,
            waiting: self.source.waiting(),
        }
    }

    /// Makes a place in the queue for [`poll_io_waiting`](Self::poll_io_waiting).
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.source.waiting()
    }

    /// One poll of [`async_io`](Self::async_io), for futures and streams that keep their place themselves.
    #[inline]
    pub(crate) fn poll_io_waiting<R>(
        &self,
        mut waiting: Pin<&mut Waiting<'_>>,
        cx: &mut Context<'_>,
        direction: Direction,
        op: &mut impl FnMut(&Attempt<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let ready = ready!(self.source.poll_waiting(waiting.as_mut(), cx, direction));
            ready!(budget::poll_proceed(cx));
            if let Some(result) = self.attempt(ready, op) {
                return Poll::Ready(result);
            }
        }
    }

    /// As [`async_io`](Self::async_io), for the traits' poll functions: waits in the one slot of its direction.
    #[inline(always)]
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&Attempt<'_>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let ready = ready!(self.source.poll_slot(cx, direction));
            ready!(budget::poll_proceed(cx));
            if let Some(result) = self.attempt(ready, &mut op) {
                return Poll::Ready(result);
            }
        }
    }

    /// As [`ready`](Self::ready), in the one slot of its direction.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<Ready>> {
        let ready = ready!(self.source.poll_slot(cx, direction));
        ready!(budget::poll_proceed(cx));
        Poll::Ready(usable(ready))
    }

    /// Runs `op` once if `direction` is worth a try, without waiting.
    pub(crate) fn try_io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&Attempt<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        let not_now = || io::Error::from(io::ErrorKind::WouldBlock);
        let ready = self.source.ready(direction).ok_or_else(not_now)?;
        self.attempt(ready, &mut op)
            .unwrap_or_else(|| Err(not_now()))
    }

    /// Reports that an operation after `ready` found nothing.
    pub(crate) fn blocked(&self, ready: Ready) -> Cleared {
        self.source.blocked(ready)
    }

    /// One try. `None`: the kernel said "not now", and the word knows.
    #[inline(always)]
    fn attempt<R>(
        &self,
        ready: Ready,
        op: &mut impl FnMut(&Attempt<'_>) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        if let Err(closed) = usable(ready) {
            return Some(Err(closed));
        }
        loop {
            let attempt = Attempt {
                source: &self.source,
                ready,
            };
            match op(&attempt) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Refused or not, the caller looks at the word again.
                    let _: Cleared = self.source.blocked(ready);
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Some(result),
            }
        }
    }
}

pin_project! {
    /// The future of [`Registration::async_io`]: an operation together with its place in the queue.
    ///
    /// Written by hand rather than as an async block, because it is polled for every message: an async block would keep the operation
    /// twice, once as given and once as borrowed, and move it on the way.
    #[must_use = "futures do nothing unless awaited"]
    pub(crate) struct Io<'r, F> {
        registration: &'r Registration,
        direction: Direction,
        op: F,
        #[pin]
        waiting: Waiting<'r>,
    }
}

impl<R, F: FnMut(&Attempt<'_>) -> io::Result<R>> Future for Io<'_, F> {
    type Output = io::Result<R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.registration
            .poll_io_waiting(this.waiting, cx, *this.direction, this.op)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.leave == Leave::ByName {
            // Fails if the descriptor was closed behind our back, and then there is nothing to take out.
            let _ = self.reactor.registry.deregister(&mut SourceFd(&self.fd));
        }
        // Dropped after unlocking: a poll slot may still hold a waker.
        let gone = self.reactor.table.lock().remove(self.token);
        drop(gone);
    }
}

fn usable(ready: Ready) -> io::Result<Ready> {
    if ready.is_shut() {
        return Err(ReactorClosed.into());
    }
    Ok(ready)
}

/// One system call under way, begun after its readiness was read.
#[derive(Debug)]
pub(crate) struct Attempt<'s> {
    source: &'s Source,
    ready: Ready,
}

/// Whether a short transfer of a stream proves that its buffer is used up. Where it was not looked into, "not now" has to come from
/// the kernel.
const SHORT_MEANS_USED_UP: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Attempt<'_> {
    /// Reports that a *stream* moved `moved` of `offered` bytes. If it is now known to be used up, the next operation waits without
    /// asking the kernel first.
    #[inline]
    pub(crate) fn moved(&self, moved: usize, offered: usize) {
        if SHORT_MEANS_USED_UP && moved > 0 && moved < offered {
            self.source.drained(self.ready);
        }
    }
}
