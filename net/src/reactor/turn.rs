//! The right to wait on the kernel, held by one thread at a time.

use super::readiness::Signs;
use super::short_wait;
use super::{INTERRUPT, Reactor};
use lenio_sync::primitive::MutexGuard;
use lenio_sync::primitive::atomic::Ordering;
use lenio_sync::wait::WakeBatch;
use mio::Events;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// How many events one wait brings at most; what is left comes with the next.
const EVENTS: usize = 1024;

/// What only the holder of the turn touches.
pub(super) struct Poller {
    poll: mio::Poll,
    events: Events,
}

impl Poller {
    pub(super) fn new(poll: mio::Poll) -> Self {
        Self {
            poll,
            events: Events::with_capacity(EVENTS),
        }
    }

    /// Fills `events`. A wait that a signal cut short has none.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match timeout {
            Some(short) if short_wait::NEEDED && is_below_a_millisecond(short) => {
                if !short_wait::wait_readable(self.poll.registry().as_fd(), short)? {
                    self.events.clear();
                    return Ok(());
                }
                Some(Duration::ZERO)
            }
            // Down to whole milliseconds: the rest is waited for below a millisecond, in the caller's next round.
            Some(long) if short_wait::NEEDED => Some(long - sub_millisecond(long)),
            other => other,
        };
        self.poll.poll(&mut self.events, timeout)
    }
}

const fn is_below_a_millisecond(time: Duration) -> bool {
    !time.is_zero() && time.as_nanos() < 1_000_000
}

const fn sub_millisecond(time: Duration) -> Duration {
    Duration::from_nanos((time.subsec_nanos() % 1_000_000) as u64)
}

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

impl<'r> Turn<'r> {
    /// Takes the turn if nobody holds it.
    pub(super) fn take(reactor: &'r Reactor) -> Option<Self> {
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
    /// that somebody waits for. Does not allocate for up to 16 wakers.
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
        match poller.wait(timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            result => result?,
        }
        if poller.events.is_empty() {
            return Ok(0);
        }
        // Held for the whole batch, so that entries are freed only between batches. Nothing foreign runs under it.
        let table = self.reactor.table.lock();
        let mut found = 0;
        for event in &poller.events {
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

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_down_but_never_to_nothing() {
        for (nanos, below, rest) in [
            (0, false, 0),
            (1, true, 1),
            (999_999, true, 999_999),
            (1_000_000, false, 0),
            (2_500_000, false, 500_000),
        ] {
            let time = Duration::from_nanos(nanos);
            assert_eq!(is_below_a_millisecond(time), below, "{time:?}");
            assert_eq!(
                sub_millisecond(time),
                Duration::from_nanos(rest),
                "{time:?}"
            );
        }
        assert!(!is_below_a_millisecond(Duration::MAX));
    }
}
