//! The right to wait on the kernel, held by one thread at a time.

use super::Reactor;
use super::poller::Poller;
use super::readiness::Signs;
use super::table::INTERRUPT;
use lenio_sync::primitive::MutexGuard;
use lenio_sync::primitive::atomic::Ordering;
use lenio_sync::wait::WakeBatch;
use std::fmt;
use std::io;
use std::time::Duration;

/// The right to wait for events, taken with [`Reactor::try_turn`] and given up by dropping it.
///
/// Give it up *before* running user code: while it is held, nobody else can wait for events. It stays on its thread.
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::{Reactor, Turn};
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::new()?;
/// let turn: Turn<'_> = reactor.try_turn().expect("nobody waits");
/// assert!(reactor.is_attended());
/// drop(turn);
/// assert!(!reactor.is_attended());
/// # Ok(())
/// # }
/// ```
pub struct Turn<'r> {
    reactor: &'r Reactor,
    /// `None` only inside `drop`, where the lock goes before the flag.
    poller: Option<MutexGuard<'r, Poller>>,
}

impl Reactor {
    /// Takes the right to wait on the kernel, if nobody has it. Never blocks.
    ///
    /// `None` means that somebody waits, or is about to give up the turn. Whoever gives it up therefore decides *afterwards* who, if
    /// anybody, takes it next.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = lenio_net::reactor::Reactor::new()?;
    /// let turn = reactor.try_turn();
    /// assert!(turn.is_some() && reactor.try_turn().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_turn(&self) -> Option<Turn<'_>> {
        Turn::take(self)
    }
}

impl<'r> Turn<'r> {
    /// Takes the turn if nobody holds it.
    fn take(reactor: &'r Reactor) -> Option<Self> {
        // ORDERING: Acquire pairs with the Release in `drop`: what the last holder did with the poller is visible. Relaxed on failure:
        // nothing is read then.
        reactor
            .attended
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // The flag is the lock; the mutex is there for the compiler and free by now.
        Some(Self {
            reactor,
            poller: Some(reactor.poller.lock()),
        })
    }

    /// Waits for events, updates the readiness of their sources, and collects into `batch` the wakers of those who waited.
    ///
    /// Returns how many events of sources there were; interrupts and events of sources that are gone do not count. Nobody is woken
    /// here, so that the caller can first give up the turn: drop it, then call [`WakeBatch::wake_all`].
    ///
    /// A `timeout` of `None` waits for ever, zero only looks. Other timeouts are kept to the nanosecond up to a millisecond, and
    /// rounded *down* to whole milliseconds above; so the wait may end early and without events, and the caller looks at its clock
    /// and waits for the rest. An [interrupt](lenio_sync::park::Interrupt) or a signal to the process ends it too.
    ///
    /// Costs one system call (two below a millisecond, if there is something), one lock for the whole batch, and one lock per source
    /// that somebody waits for. Does not allocate for up to 64 wakers.
    ///
    /// # Errors
    ///
    /// What `epoll_wait` or its kin report, which is a bug or a lost descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::reactor::Reactor;
    /// use lenio_sync::park::Interrupt;
    /// use lenio_sync::wait::WakeBatch;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = Reactor::new()?;
    /// reactor.interrupt();
    /// let mut batch = WakeBatch::new();
    /// let mut turn = reactor.try_turn().expect("nobody else waits");
    /// assert_eq!(turn.wait(None, &mut batch)?, 0);
    /// drop(turn);
    /// batch.wake_all();
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&mut self, timeout: Option<Duration>, batch: &mut WakeBatch) -> io::Result<usize> {
        let Some(poller) = self.poller.as_mut() else {
            return Ok(0);
        };
        let events = match poller.wait(timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            result => result?,
        };
        if events.is_empty() {
            return Ok(0);
        }
        // Held for the whole batch, so that entries are freed only between batches. Nothing foreign runs under it.
        let table = self.reactor.table.lock();
        let mut found = 0;
        for event in events {
            if event.token() == INTERRUPT {
                continue;
            }
            if let Some(source) = table.find(event.token()) {
                source.deliver(Signs::of(event), batch);
                found += 1;
            }
        }
        Ok(found)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.poller = None;
        // ORDERING: Release pairs with the Acquire in `take` and in `Reactor::is_attended`.
        self.reactor.attended.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}
