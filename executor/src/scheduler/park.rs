//! How a worker sleeps: in the reactor if nobody is there, else on its own parker.

use super::worker::Worker;
use crate::observe::Hooks;
use crate::task::contain;
use lenio_net::reactor::{PreciseWaits, Turn};
use lenio_sync::wait::WakeBatch;
use lenio_time::Instant;
use std::time::Duration;

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
        shared.idle.note_driver(Some(self.index()));
        let mut batch = WakeBatch::new();
        place
            .parker
            .park_elsewhere(|| self.drive(&mut turn, &mut batch));
        shared.driver.awake();
        shared.idle.note_driver(None);
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

    /// Waits for events, until the earliest timer is due, or until somebody wakes this place.
    ///
    /// A wait that ends for none of these ends for a timer that was set meanwhile and is due earlier, or for a signal: so the deadline is
    /// announced anew for each wait.
    fn drive(&self, turn: &mut Turn<'_>, batch: &mut WakeBatch) {
        let shared = &self.shared;
        loop {
            let deadline = shared.driver.announce(shared.all_timers());
            if let (Some(_), true) = (deadline, shared.clock.is_virtual()) {
                self.drive_virtually(turn, batch);
                return;
            }
            if deadline.is_some() {
                self.precise.get_or_init(PreciseWaits::new);
            }
            let timeout = deadline.map(|deadline| deadline.duration_since(shared.clock.now()));
            let result = turn.wait(timeout, batch);
            // The kernel refuses to wait only if the runtime's own descriptors are gone: nothing a worker could repair, so the
            // error counts as "nothing happened" and the parker's token still ends the sleep.
            let events = result.unwrap_or_default();
            if events > 0 || self.place().parker.is_notified() {
                return;
            }
            if deadline.is_none_or(|deadline| shared.clock.now() >= deadline) {
                return;
            }
        }
    }

    /// Moves the virtual clock to the next deadline if nothing else can happen; else gives the others a moment.
    ///
    /// While the check finds everybody else asleep nobody but this thread can wake them or set timers, foreign threads aside, so
    /// the earliest deadline is read after it. The moment is real time: a virtual clock is for tests, where this is simpler than
    /// having each worker tell the driver that it sleeps, which it can only do before it does.
    fn drive_virtually(&self, turn: &mut Turn<'_>, batch: &mut WakeBatch) {
        const MOMENT: Duration = Duration::from_micros(200);
        let shared = &self.shared;
        let events = turn.wait(Some(Duration::ZERO), batch).unwrap_or_default();
        if events > 0 || self.place().parker.is_notified() {
            return;
        }
        if !shared.is_quiet() {
            let _ = turn.wait(Some(MOMENT), batch);
            return;
        }
        let timers = shared.all_timers();
        if let Some(earliest) = timers.filter_map(|timers| timers.next_deadline()).min() {
            shared.clock.advance_to(earliest);
        }
    }

    /// Awake again, by whatever means: from here on this place searches.
    fn woke(&self) {
        self.shared.idle.wake_self(self.index());
        self.shared.watch.note_activity();
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
