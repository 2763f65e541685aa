//! The reactor: the one place that waits for the kernel.
//!
//! A [`Reactor`] owns an edge-triggered event queue (epoll, kqueue) through mio. Every descriptor is registered once, for both
//! directions, when its socket is made; from then on the kernel speaks only when something *changes*, and what it said is remembered
//! in a word per source. A task looks at that word, not at the kernel.
//!
//! ```text
//!  task                                   source                          whoever has the Turn
//!  ----                                   ------                          --------------------
//!  readiness says "try"  <--------------  word: bits + tick  <----------  event: set bits, tick + 1
//!  system call: data     -> done                                          collect the wakers,
//!  system call: "not now"-> clear, if the tick is still the same          give up the Turn, wake
//!  wait                  -------------->  waker slot / waiter list
//! ```
//!
//! The reactor has no thread. A runtime's idle worker takes the [`Turn`], waits, gives the turn up, and only then wakes tasks; when
//! another worker already holds it, the worker sleeps elsewhere. [`interrupt`](lenio_sync::park::Interrupt::interrupt) ends the wait
//! from any thread.
//!
//! | file | idea |
//! |---|---|
//! | `readiness` | the word of one source: bits, tick, and when a bit may be cleared |
//! | `source` | the word together with those who wait for it |
//! | `table` | token to source, with a generation against stale events |
//! | `registration` | a source that is known to the kernel, and the operations that wait for it |
//! | `poller` | the kernel's queue, and the room for what it says |
//! | `turn` | the right to wait on the kernel, and the delivery of a batch |
//! | `short_wait` | waits below a millisecond |
//! | `current` | the reactor of this thread |
//!
//! Locks, outermost first: the turn, the table, the waiters of one source. No foreign code runs under any of them.

mod current;
mod error;
mod poller;
mod precision;
mod readiness;
mod registration;
mod short_wait;
mod source;
mod table;
mod turn;

pub use current::{EnterGuard, enter};
pub use error::{NoReactor, ReactorClosed};
pub use precision::PreciseWaits;
pub(crate) use readiness::{Direction, Ready, Signs};
pub use registration::Interest;
pub(crate) use registration::{Attempt, Leave, Registration};
pub(crate) use source::Waiting;
pub use turn::Turn;

use lenio_sync::park::Interrupt;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering};
use lenio_sync::wait::WakeBatch;
use poller::Poller;
use std::fmt;
use std::io;
use std::sync::Arc;
use table::{INTERRUPT, Table};

/// The kernel's event queue and everything registered with it.
///
/// A runtime makes one, [`enter`]s it on its workers, and lets them take [`Turn`]s. Sockets keep the reactor alive; it holds three
/// descriptors.
///
/// # Fairness
///
/// One turn delivers up to 1024 events in the kernel's order. All tasks that wait for a direction of a source are woken by an event
/// of it, in the order in which they came; which of them gets the data is not promised.
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::Reactor;
/// use lenio_sync::wait::WakeBatch;
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::new()?;
/// let mut batch = WakeBatch::new();
/// if let Some(mut turn) = reactor.try_turn() {
///     turn.wait(Some(Duration::ZERO), &mut batch)?;
/// }
/// batch.wake_all();
/// # Ok(())
/// # }
/// ```
pub struct Reactor {
    /// Registering needs no lock: the kernel has its own.
    registry: mio::Registry,
    interrupt: mio::Waker,
    table: Mutex<Table>,
    /// Whether somebody holds the turn. It is the lock of `poller`.
    attended: AtomicBool,
    poller: Mutex<Poller>,
}

impl Reactor {
    /// Opens an event queue.
    ///
    /// # Errors
    ///
    /// When the process or the system has no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = lenio_net::reactor::Reactor::new()?;
    /// assert!(!reactor.is_attended());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> io::Result<Arc<Self>> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let interrupt = mio::Waker::new(&registry, INTERRUPT)?;
        Ok(Arc::new(Self {
            registry,
            interrupt,
            table: Mutex::new(Table::new()),
            attended: AtomicBool::new(false),
            poller: Mutex::new(Poller::new(poll)),
        }))
    }

    /// Tells whether somebody holds the [`Turn`]. Costs one load.
    ///
    /// If it says no, [`try_turn`](Self::try_turn) succeeds unless another thread is faster. A caller that goes to sleep on a yes puts
    /// its own `fence(SeqCst)` between announcing its sleep and asking; the holder puts one between giving up the turn and looking for
    /// sleepers.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = lenio_net::reactor::Reactor::new()?;
    /// let turn = reactor.try_turn();
    /// assert!(reactor.is_attended());
    /// drop(turn);
    /// assert!(!reactor.is_attended());
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn is_attended(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `Turn`'s drop, so that "nobody" includes "and the poller is free".
        self.attended.load(Ordering::Acquire)
    }

    /// Ends all waiting: pending and later operations of every socket fail with [`ReactorClosed`], a current turn is interrupted.
    ///
    /// For a runtime that shuts down. Wakes every waiting task, so no lock may be held. The sockets stay open until they are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::reactor::{Reactor, ReactorClosed, enter};
    /// use lenio_net::tcp::TcpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = Reactor::new()?;
    /// let _entered = enter(&reactor);
    /// reactor.close();
    /// let socket = TcpSocket::new_v4()?;
    /// socket.bind(([127, 0, 0, 1], 0).into())?;
    /// let error = socket.listen(1).expect_err("closed");
    /// assert!(error.get_ref().is_some_and(|cause| cause.is::<ReactorClosed>()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        let mut batch = WakeBatch::new();
        {
            let mut table = self.table.lock();
            for source in table.close() {
                source.shut(&mut batch);
            }
        }
        self.interrupt();
        batch.wake_all();
    }

    /// Counts the descriptors that are registered now. For tests and dumps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let reactor = lenio_net::reactor::Reactor::new()?;
    /// assert_eq!(reactor.registrations(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn registrations(&self) -> usize {
        self.table.lock().len()
    }
}

impl Interrupt for Reactor {
    fn interrupt(&self) {
        // Fails only if the kernel cannot count an eventfd up, in which case the wait is interrupted already.
        let _ = self.interrupt.wake();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (registrations, is_closed) = {
            let table = self.table.lock();
            (table.len(), table.is_closed())
        };
        f.debug_struct("Reactor")
            .field("registrations", &registrations)
            .field("is_attended", &self.is_attended())
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}
