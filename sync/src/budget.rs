//! The cooperative budget: how much one poll of a task may do before it lets others run.
//!
//! The executor calls [`start`] before it polls a task. Each operation of lenio's own leaf futures that could complete at once
//! (a socket that is always ready, a channel that is never empty) asks [`poll_proceed`] first. After [`PER_POLL`] operations the
//! answer is *not now*: the operation wakes its task and returns `Pending`, and the task goes to the back of its queue.
//!
//! # Why a denied poll gets a new budget in the end
//!
//! A future that drives others (a join set, a nested `block_on`) may poll on although it was told to yield. If every further
//! operation were denied, such a loop would spin for ever (tokio #2390, #3493), and a join of ten thousand futures would poll all
//! of them to let 128 proceed. So after [`DENIALS`] denials within one poll the budget starts anew: the work stays linear, and a
//! future that does return `Pending` has long done so.
//!
//! Cost: one thread-local cell, no atomic. Outside a task the budget is unlimited.

use std::cell::Cell;
use std::task::{Context, Poll};

/// Operations that one poll may complete before it is told to yield.
pub const PER_POLL: u8 = 128;

/// Denials after which a poll that did not yield gets a new budget.
pub const DENIALS: u8 = 32;

/// So much that counting it down needs no exception: nobody gets to its end.
const UNLIMITED: i64 = i64::MAX;

thread_local! {
    /// More than 0: operations left. 0 and below: minus the number of denials so far.
    static LEFT: Cell<i64> = const { Cell::new(UNLIMITED) };
}

/// A budget set aside by [`start`], to be put back by [`Paused::resume`].
#[derive(Debug, Clone, Copy)]
#[must_use = "the outer budget must be put back"]
pub struct Paused(i64);

impl Paused {
    /// Puts the outer budget back and tells whether the inner one had run out.
    #[inline(always)]
    pub fn resume(self) -> bool {
        LEFT.with(|left| left.replace(self.0) <= 0)
    }
}

/// Starts the budget of one poll; the executor calls it before it polls a task.
#[inline(always)]
pub fn start() -> Paused {
    LEFT.with(|left| Paused(left.replace(i64::from(PER_POLL))))
}

/// Lifts the limit on this thread until the value is resumed, for code that must not be told to yield.
#[inline]
pub fn unlimited() -> Paused {
    LEFT.with(|left| Paused(left.replace(UNLIMITED)))
}

/// Asks whether one more operation may complete in this poll.
///
/// `Pending` means that the budget is used up: the task of `cx` has been woken already and the caller returns `Pending` at once.
///
/// # Examples
///
/// ```
/// use lenio_sync::budget;
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let outer = budget::start();
/// for _ in 0..budget::PER_POLL {
///     assert!(budget::poll_proceed(&mut cx).is_ready());
/// }
/// assert!(budget::poll_proceed(&mut cx).is_pending());
/// assert!(outer.resume(), "the inner budget had run out");
/// assert!(budget::poll_proceed(&mut cx).is_ready(), "no limit outside a task");
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    let left = LEFT.get();
    if left > 0 {
        LEFT.set(left - 1);
        return Poll::Ready(());
    }
    deny(left, cx)
}

/// Takes back the last [`poll_proceed`]: the operation could not complete after all and will return `Pending`.
///
/// Without this a future that drives many waiting ones would use its budget up with looking at them.
///
/// # Examples
///
/// ```
/// use lenio_sync::budget;
/// use std::task::{Context, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let outer = budget::start();
/// for _ in 0..1_000 {
///     assert!(budget::poll_proceed(&mut cx).is_ready());
///     budget::refund();
/// }
/// assert!(!outer.resume(), "nothing was used");
/// ```
#[inline]
pub fn refund() {
    LEFT.set(LEFT.get() + 1);
}

#[cold]
#[inline(never)]
fn deny(left: i64, cx: &mut Context<'_>) -> Poll<()> {
    if left <= -i64::from(DENIALS) {
        LEFT.set(i64::from(PER_POLL) - 1);
        return Poll::Ready(());
    }
    LEFT.set(left - 1);
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn denials_are_bounded_so_that_a_nested_loop_makes_progress() {
        let mut cx = Context::from_waker(Waker::noop());
        let outer = start();
        let mut denied = 0;
        let mut done = 0;
        while done < 10_000 {
            match poll_proceed(&mut cx) {
                Poll::Ready(()) => done += 1,
                Poll::Pending => denied += 1,
            }
        }
        outer.resume();
        assert!(denied <= 10_000 / i32::from(PER_POLL) * i32::from(DENIALS) + i32::from(DENIALS));
    }

    #[test]
    fn nested_polls_keep_their_own_budgets() {
        let mut cx = Context::from_waker(Waker::noop());
        let outer = start();
        assert!(poll_proceed(&mut cx).is_ready());
        let inner = start();
        for _ in 0..=PER_POLL {
            let _ = poll_proceed(&mut cx);
        }
        assert!(inner.resume());
        assert!(poll_proceed(&mut cx).is_ready());
        assert!(!outer.resume());
    }
}
