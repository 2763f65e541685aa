//! Who runs which task, where and when.
//!
//! # The parts
//!
//! - A *place* ([`Place`]) is what others may see of one worker: its queue's other end, its LIFO slot, its parker, its timers, its
//!   list of tasks, its counters. There is one per worker thread, and a few more for threads inside `block_on`.
//! - A [`Worker`] is a thread that occupies a place, and the private state that goes with it: the near end of the queue, the tick.
//! - [`Shared`] is the runtime: the places, the injector, the idle words, the reactor.
//! - The *driver* is the worker that sleeps in the reactor instead of on its parker: it waits for I/O and for the earliest timer of
//!   all places. It gives the reactor up before it polls a task.
//! - The [`monitor`] is a thread that sleeps while nothing happens, and looks every few milliseconds while something does: is a worker
//!   stuck in one poll, does work lie in its queue, is the reactor unattended?
//!
//! # How a task flows
//!
//! A wake on a worker puts the task into the LIFO slot; what was there goes to the back of the queue. A wake from elsewhere puts it
//! into the injector. A task that wakes itself during its poll (a yield) goes to the back of the queue.
//!
//! A worker takes: its root future if it is inside `block_on` and was woken; the LIFO slot; the front of its queue. Every
//! [`MAINTENANCE`] polls it empties the injector into its queue and fires due timers; and it polls the reactor, if nobody attends to it,
//! unless it did so less than 50 us and 16 maintenances ago.
//!
//! # Fairness
//!
//! **A runnable task is polled before any other task on the same worker is polled more than [`FAIRNESS`] times**, if polls return.
//! It follows from *rounds*: a round lasts as many queue pops as tasks stood in the queue when it began, and within a round at most
//! [`LIFO_PER_ROUND`] polls take the LIFO slot or the root future while the queue is not empty. A task that enters a queue is reached
//! in the round after the current one at the latest, and during a round a task can be polled once from the queue and
//! [`LIFO_PER_ROUND`] times through the slot: 2 x 17 polls. A task in the injector waits at most [`MAINTENANCE`] polls before that.
//! The sum is 95. Not promised: anything about time, which depends on how long polls take, and anything about order between workers.
//!
//! # Waking
//!
//! See [`idle`] for the protocol and its proof. In short: a push from outside wakes one sleeper if nobody searches. A worker that
//! queues for itself wakes nobody at once; at the end of each poll it wakes a sleeper if the work that is left is worth a wake, that is
//! [`WORTH_A_WAKE_NS`] by its running estimate of the time per poll. Less work than that gets a sleeper at maintenance, at most every
//! 100 us: a short poll may spawn long ones. A task in the LIFO slot of a worker that gets stuck is rescued
//! by the monitor.

mod choice;
mod current;
mod driver;
pub(crate) mod idle;
mod injector;
#[cfg(all(test, lenio_loom))]
mod models;
mod monitor;
mod park;
mod place;
mod queue;
mod root;
mod shared;
mod slot;
mod spawn;
mod start;
mod watch;
mod worker;

pub(crate) use current::{Context, current, with_worker, with_worker_of};
pub(crate) use root::{Root, Seat};
pub(crate) use shared::{Setup, Shared};
pub(crate) use worker::Worker;

/// Polls between two looks at the injector, the reactor and the timers.
///
/// A prime, so that it does not fall into step with periodic work.
pub(crate) const MAINTENANCE: u32 = 61;

/// Polls per round that may bypass the queue through the LIFO slot.
pub(crate) const LIFO_PER_ROUND: u32 = 16;

/// The published fairness bound, see the module's documentation.
pub(crate) const FAIRNESS: u64 = 2 * (LIFO_PER_ROUND as u64 + 1) + MAINTENANCE as u64;

/// Queued work, in estimated nanoseconds, that is worth waking a sleeper: about four times what the wake costs both threads.
pub(crate) const WORTH_A_WAKE_NS: u64 = 20_000;
