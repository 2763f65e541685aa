//! A driver of timers for tests: its clock moves when it is told to.

use lenio_sync::wait::WakeBatch;
use lenio_time::{Alarm, Clock, EnterGuard, Timers, enter};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) const NANO: Duration = Duration::from_nanos(1);
pub(crate) const MILLI: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Timers on a virtual clock, entered on this thread.
pub(crate) struct Driver {
    pub(crate) clock: Clock,
    pub(crate) timers: Arc<Timers>,
    _entered: EnterGuard,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self::with_alarm(None)
    }

    pub(crate) fn with_alarm(alarm: Option<Arc<dyn Alarm>>) -> Self {
        let clock = Clock::new_virtual();
        let timers = Timers::new(clock.clone(), alarm);
        let _entered = enter(&timers);
        Self {
            clock,
            timers,
            _entered,
        }
    }

    /// Lets time pass, fires what is due and wakes. Returns how many timers fired.
    pub(crate) fn advance(&self, duration: Duration) -> usize {
        self.clock.advance(duration);
        self.turn()
    }

    /// Fires what is due and wakes.
    pub(crate) fn turn(&self) -> usize {
        let mut batch = WakeBatch::new();
        let fired = self.timers.turn(self.clock.now(), &mut batch);
        batch.wake_all();
        fired
    }
}

/// Counts its wake-ups. The wakers that are alive can be counted as well, by the references.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}
