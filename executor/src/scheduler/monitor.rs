//! The monitor: a thread that looks after the workers while they work, and sleeps while they sleep.
//!
//! A worker that is stuck in one poll cannot say so, cannot run what lies in its queue, and, if it drove the reactor, has left it
//! unattended. The monitor notices all three. It takes no clock reading from the workers: a poll counter that stands still while a
//! poll is in progress is all it needs.
//!
//! # When it looks
//!
//! After activity it looks at growing intervals, [`FIRST_LOOK`] to [`LAST_LOOK`], for as long as something happens between two looks.
//! When nothing happened for a whole [`LAST_LOOK`] and all workers sleep, it sleeps without a deadline: an idle runtime causes no
//! wake-up at all. A worker that wakes looks whether the monitor sleeps, and wakes it.
//!
//! Both sides store, put a `fence(SeqCst)`, and load: the monitor says that it sleeps and then looks at the workers; a worker has left
//! the sleepers (or entered its place) and then looks at the monitor. Of two fences one is first, so at least one sees the other.
//!
//! # What follows
//!
//! A task that lies in the LIFO slot or queue of a stuck worker, and an unattended reactor with its timers, wait two looks at most
//! ([`LAST_LOOK`] each) before a sleeping worker is sent to take over. If every worker is stuck there is nobody to send; the report
//! still comes.

use super::place::Place;
use super::{Polling, Shared};
use crate::observe::StuckTask;
use crate::task::TaskId;
use lenio_sync::park::Parker;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering, fence};
use lenio_time::{Clock, Instant};
use std::time::Duration;

/// The interval between the first two looks after activity.
const FIRST_LOOK: Duration = Duration::from_micros(500);
/// The longest interval between looks.
const LAST_LOOK: Duration = Duration::from_millis(4);

/// How the others reach the monitor.
#[derive(Debug)]
pub(crate) struct Monitor {
    parker: Parker,
    asleep: AtomicBool,
}

/// What the monitor saw of one place.
#[derive(Debug, Clone, Copy)]
struct Seen {
    polls: u64,
    since: Instant,
    reported: bool,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        Self {
            parker: Parker::new(None),
            asleep: AtomicBool::new(false),
        }
    }

    /// A worker has left the sleepers, or a thread has occupied a place.
    #[inline]
    pub(crate) fn note_activity(&self) {
        // ORDERING: SeqCst pairs with the fence in `sleep_deeply`: see the module.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        if self.asleep.load(Ordering::Relaxed) {
            self.interrupt();
        }
    }

    pub(crate) fn interrupt(&self) {
        // ORDERING: Relaxed: spares the others the unpark; the token is what wakes.
        self.asleep.store(false, Ordering::Relaxed);
        self.parker.unpark();
    }

    /// The monitor thread.
    pub(super) fn run(shared: &Shared) {
        let monitor = &shared.monitor;
        monitor.parker.adopt();
        // The monitor watches real threads: its clock is real even if the runtime's is not.
        let clock = Clock::real();
        let mut interval = FIRST_LOOK;
        let mut seen: Vec<Seen> = shared
            .places
            .iter()
            .map(|place| Seen {
                polls: place.counters.polls.value(),
                since: clock.now(),
                reported: false,
            })
            .collect();
        let mut unattended = false;
        while !shared.has_ended() {
            monitor.parker.park(Some(interval));
            let active = Self::look(shared, &mut seen, clock.now());
            let was_unattended = std::mem::replace(&mut unattended, !shared.reactor.is_attended());
            if unattended && was_unattended {
                shared.wake_any();
            }
            if active || interval < LAST_LOOK {
                interval = (interval * 2).min(LAST_LOOK);
            } else if monitor.sleep_deeply(shared) {
                interval = FIRST_LOOK;
                let now = clock.now();
                seen.iter_mut().for_each(|seen| seen.since = now);
            }
        }
    }

    /// Sleeps until there is activity, unless there is some already. Returns whether it slept.
    fn sleep_deeply(&self, shared: &Shared) -> bool {
        // ORDERING: Relaxed: ordered by the fence.
        self.asleep.store(true, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fence in `note_activity`.
        fence(Ordering::SeqCst);
        if !shared.is_everybody_asleep() || shared.has_ended() {
            // ORDERING: Relaxed: takes back what nobody needs to see.
            self.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        self.parker.park(None);
        // ORDERING: Relaxed: `interrupt` did the same.
        self.asleep.store(false, Ordering::Relaxed);
        true
    }

    /// Looks at every place once. Returns whether anything goes on.
    fn look(shared: &Shared, seen: &mut [Seen], now: Instant) -> bool {
        let mut active = false;
        let mut rescue = !shared.injector.is_empty();
        for (index, (place, seen)) in shared.places.iter().zip(seen).enumerate() {
            let polls = place.counters.polls.value();
            if polls != seen.polls || !place.poll.is_polling() {
                active |= polls != seen.polls;
                *seen = Seen {
                    polls,
                    since: now,
                    reported: false,
                };
                continue;
            }
            active = true;
            let polling_for = now.duration_since(seen.since);
            if polling_for.is_zero() {
                continue;
            }
            place.poll.mark_stuck(polls);
            rescue |= place.queued() > 0;
            let nanos = u64::try_from(polling_for.as_nanos()).unwrap_or(u64::MAX);
            place.counters.longest_poll.raise(nanos);
            if !seen.reported && shared.stuck_after.is_some_and(|limit| polling_for >= limit) {
                seen.reported = Self::report(shared, index, place, polls, polling_for);
            }
        }
        if rescue {
            shared.wake_any();
        }
        active
    }

    /// Tells the hook who is stuck. False: the worker moved on while we looked.
    fn report(
        shared: &Shared,
        worker: usize,
        place: &Place,
        polls: u64,
        polling_for: Duration,
    ) -> bool {
        let Some(Polling { id, site, name }) = place.poll.read() else {
            return false;
        };
        if place.counters.polls.value() != polls {
            return false;
        }
        shared.hooks.call_stuck(&StuckTask {
            id: id.and_then(TaskId::from_u64),
            name,
            spawned_at: site,
            worker,
            polling_for,
        });
        true
    }
}
