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
//! wake-up at all. A worker that wakes looks whether the monitor sleeps, and wakes it (see `watch`).
//!
//! # What follows
//!
//! A task that lies in the LIFO slot or queue of a stuck worker, and an unattended reactor with its timers, wait two looks at most
//! ([`LAST_LOOK`] each) before a sleeping worker is sent to take over. If every worker is stuck there is nobody to send; the report
//! still comes.

use super::place::{Place, Polling};
use super::shared::Shared;
use crate::context::chain::Chain;
use crate::observe::StuckTask;
use crate::task::TaskId;
use lenio_time::{Clock, Instant};
use std::time::Duration;

/// The interval between the first two looks after activity.
const FIRST_LOOK: Duration = Duration::from_micros(500);
/// The longest interval between looks.
const LAST_LOOK: Duration = Duration::from_millis(4);

/// What the monitor saw of one place.
#[derive(Debug, Clone, Copy)]
struct Seen {
    polls: u64,
    since: Instant,
    reported: bool,
}

/// The monitor thread.
pub(super) fn monitor(shared: &Shared) {
    let watch = &shared.watch;
    watch.adopt();
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
        watch.nap(interval);
        let active = look(shared, &mut seen, clock.now());
        let was_unattended = std::mem::replace(&mut unattended, !shared.reactor.is_attended());
        if unattended && was_unattended {
            shared.wake_any();
        }
        if active || interval < LAST_LOOK {
            interval = (interval * 2).min(LAST_LOOK);
        } else if watch.sleep_deeply(|| shared.is_everybody_asleep() && !shared.has_ended()) {
            interval = FIRST_LOOK;
            let now = clock.now();
            seen.iter_mut().for_each(|seen| seen.since = now);
        }
    }
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
            seen.reported = report(shared, index, place, polls, polling_for);
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
    let Some(Polling { id, site }) = place.poll.read() else {
        return false;
    };
    if place.counters.polls.value() != polls {
        return false;
    }
    let id = id.and_then(TaskId::from_u64);
    // The walk is long where many tasks live; it is this thread's time, and rare.
    let node = id.and_then(|id| shared.node_of(id));
    let node = node.as_ref();
    shared.hooks.call_stuck(&StuckTask {
        id,
        name: node.and_then(|node| node.name()).map(str::to_owned),
        throughline: node.map_or(Chain::empty(), |node| node.chain().clone()),
        spawned_at: site,
        worker,
        polling_for,
    });
    true
}
