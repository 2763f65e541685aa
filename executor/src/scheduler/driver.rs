//! The driver's side of the timers: until when somebody sleeps in the reactor, and how that sleep is cut short.

use lenio_net::reactor::Reactor;
use lenio_sync::park::Interrupt;
use lenio_sync::primitive::atomic::{AtomicU64, Ordering, fence};
use lenio_time::{Alarm, Instant, Timers};
use std::sync::Arc;

/// Until when the driver sleeps, and how to end its sleep.
///
/// # Why no timer is missed
///
/// The driver publishes until when it will sleep, puts a `fence(SeqCst)`, and then reads every wheel's next deadline. Whoever inserts
/// a timer publishes the wheel's next deadline, puts a `fence(SeqCst)`, and then reads until when the driver sleeps. Of two fences one
/// is first, so at least one side sees the other: the driver sleeps less, or it is interrupted. A deadline read here is only ever too
/// early (a removed timer), never too late.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Nanoseconds as of [`Instant`], `AWAKE` or `FOR_EVER`.
    asleep_until: AtomicU64,
    reactor: Arc<Reactor>,
}

/// Nobody sleeps in the reactor: whoever will, reads the deadlines before.
const AWAKE: u64 = 0;
const FOR_EVER: u64 = u64::MAX;

impl Driver {
    pub(crate) fn new(reactor: Arc<Reactor>) -> Self {
        Self {
            asleep_until: AtomicU64::new(AWAKE),
            reactor,
        }
    }

    /// Publishes until when the caller will sleep in the reactor: the earliest deadline of all wheels.
    pub(super) fn announce<'a>(
        &self,
        timers: impl Iterator<Item = &'a Arc<Timers>> + Clone,
    ) -> Option<Instant> {
        let mut announced = None;
        loop {
            let nanos = announced.map_or(FOR_EVER, Instant::as_nanos);
            // ORDERING: Relaxed: ordered by the fence.
            self.asleep_until.store(nanos, Ordering::Relaxed);
            // ORDERING: SeqCst pairs with the fence in `earlier`.
            fence(Ordering::SeqCst);
            let earliest = timers
                .clone()
                .filter_map(|timers| timers.next_deadline())
                .min();
            match (earliest, announced) {
                (None, _) => return announced,
                (Some(earliest), Some(announced)) if earliest >= announced => {
                    return Some(announced);
                }
                (earliest, _) => announced = earliest,
            }
        }
    }

    pub(super) fn awake(&self) {
        // ORDERING: Relaxed: an inserter that still reads the old value interrupts a reactor that nobody sleeps in.
        self.asleep_until.store(AWAKE, Ordering::Relaxed);
    }
}

impl Alarm for Driver {
    fn earlier(&self, deadline: Instant) {
        // ORDERING: SeqCst pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        let asleep_until = self.asleep_until.load(Ordering::Relaxed);
        if deadline.as_nanos() < asleep_until {
            self.reactor.interrupt();
        }
    }
}
