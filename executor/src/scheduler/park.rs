//! How a worker sleeps: in the reactor if nobody is there, else on its own parker.

use super::{Shared, Worker};
use crate::observe::Hooks;
use crate::task::contain;
use lenio_net::reactor::Reactor;
use lenio_sync::park::Interrupt;
use lenio_sync::primitive::atomic::{AtomicU64, Ordering, fence};
use lenio_sync::wait::WakeBatch;
use lenio_time::{Alarm, Instant};
use std::sync::Arc;
use std::time::Duration;

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
    fn announce(&self, shared: &Shared) -> Option<Instant> {
        let mut announced = None;
        loop {
            let nanos = announced.map_or(FOR_EVER, Instant::as_nanos);
            // ORDERING: Relaxed: ordered by the fence.
            self.asleep_until.store(nanos, Ordering::Relaxed);
            // ORDERING: SeqCst pairs with the fence in `earlier`.
            fence(Ordering::SeqCst);
            let earliest = shared
                .all_timers()
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

    fn awake(&self) {
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

impl Worker {
    /// Sleeps until woken, until an event, or until the next timer if this worker drives. The place is asleep in the idle words
    /// when this is called, and searching when it returns.
    pub(super) fn park(&self) {
        let (shared, place) = (&self.shared, self.place());
        place.counters.parks.add(1);
        let Some(mut turn) = shared.reactor.try_turn() else {
            place.parker.park(None);
            self.woke();
            return;
        };
        let mut batch = WakeBatch::new();
        place.parker.park_elsewhere(|| {
            let deadline = shared.driver.announce(shared);
            self.drive(&mut turn, deadline, &mut batch);
        });
        shared.driver.awake();
        // Given up before any user code runs: a task that gets stuck must not hold the I/O of the others.
        drop(turn);
        self.woke();
        contain(|| batch.wake_all());
        // Without a clock reading where no timer exists.
        if shared
            .all_timers()
            .any(|timers| timers.next_deadline().is_some())
        {
            self.turn_timers(shared.clock.now());
        }
    }

    /// Waits for events until the deadline, or until somebody interrupts.
    fn drive(
        &self,
        turn: &mut lenio_net::reactor::Turn<'_>,
        deadline: Option<Instant>,
        batch: &mut WakeBatch,
    ) {
        let shared = &self.shared;
        loop {
            let timeout = match deadline {
                None => None,
                Some(_) if shared.clock.is_virtual() => Some(Duration::ZERO),
                Some(deadline) => Some(deadline.duration_since(shared.clock.now())),
            };
            let result = turn.wait(timeout, batch);
            // The kernel refuses to wait only if the runtime's own descriptors are gone: nothing a worker could repair, so the
            // error counts as "nothing happened" and the parker's token still ends the sleep.
            let events = result.unwrap_or_default();
            if events > 0 || self.place().parker.is_notified() {
                return;
            }
            let Some(deadline) = deadline else { return };
            if shared.clock.is_virtual() {
                if !shared.is_quiet() {
                    // Others still run: they will interrupt this sleep when the last of them parks.
                    let _ = turn.wait(None, batch);
                    return;
                }
                shared.clock.advance_to(deadline);
                return;
            }
            if shared.clock.now() >= deadline {
                return;
            }
        }
    }

    /// Awake again, by whatever means: from here on this place searches.
    fn woke(&self) {
        self.shared.idle.wake_self(self.index());
        self.shared.monitor.note_activity();
        Hooks::call(&self.shared.hooks.unpark);
    }

    /// Looks at the reactor without sleeping, if nobody attends to it.
    pub(super) fn poll_reactor(&self) {
        let Some(mut turn) = self.shared.reactor.try_turn() else {
            return;
        };
        let mut batch = WakeBatch::new();
        let _ = turn.wait(Some(Duration::ZERO), &mut batch);
        drop(turn);
        contain(|| batch.wake_all());
    }

    /// Fires what is due at `now`, on every wheel: its owner may be stuck.
    pub(super) fn turn_timers(&self, now: Instant) {
        for timers in self.shared.all_timers() {
            if timers.next_deadline().is_some_and(|next| next <= now) {
                let mut batch = WakeBatch::new();
                timers.turn(now, &mut batch);
                contain(|| batch.wake_all());
            }
        }
    }
}
