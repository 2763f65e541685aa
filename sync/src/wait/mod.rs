//! Waiting for something that another thread does: one waiter list and one wake batch for every primitive.
//!
//! A [`WaitQueue`] is a lock around a value and one or more first-in-first-out lists of waiters. A future that has to wait holds a
//! [`Waiter`] in itself (pinned, no allocation) and polls the queue with a closure that looks at the value: *is it there?* The closure
//! runs under the same lock under which the waker is then stored, so a change made under the lock is never missed. Whoever makes the
//! change locks the queue, changes the value, collects wakers into a [`WakeBatch`], unlocks, and only then wakes.
//!
//! Rules kept here so that no user of this module can break them:
//!
//! - No waker is cloned, woken or dropped while the lock is held.
//! - A waiter that is dropped leaves its list; nobody waits behind a ghost.
//! - A waiter is woken at most once per enlisting; being woken means *look again*, not *it is yours*.
//! - A waiter that was woken and found nothing stands at the beginning of its list again.
//! - A wake-up for one of many is not lost with the future it was meant for: see [`Waiter::abandon`].
//!
//! [`block_on`] lets a plain thread wait for a future, and [`observe`] tells what a future that is pending waits for.

mod batch;
mod list;
mod observe;
mod queue;
mod thread;

pub use batch::WakeBatch;
pub(crate) use batch::wake;
pub use observe::{WaitingFor, note, note_unplaced, observe};
pub use queue::{Guard, Stage, WaitQueue, Waiter};
pub use thread::block_on;
