//! What a pending future waits for, for task dumps and deadlock reports.
//!
//! Whoever polls a task may poll it inside [`observe`]; each leaf future that returns `Pending` in there says what it waits for and
//! where it was made. Outside of it a leaf pays one look at a thread-local flag for each `Pending`, and nothing when it is ready.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;

/// One thing that a pending future waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingFor {
    /// What it is, in words: `lock`, `semaphore`, `channel: a message`.
    pub what: &'static str,
    /// Where the wait was asked for: the call of `lock()`, `recv()` and so on. `None` where nobody keeps that, as for I/O and timers.
    pub at: Option<&'static Location<'static>>,
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at {at}", self.what),
            None => f.write_str(self.what),
        }
    }
}

thread_local! {
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Vec<WaitingFor>> = const { RefCell::new(Vec::new()) };
}

/// Calls `poll`, and collects what the leaf futures polled in it wait for. Nested calls collect for themselves.
///
/// A task that waits for several things at once, in a select or a join, shows several.
///
/// # Examples
///
/// ```
/// use lenio_sync::Event;
/// use lenio_sync::wait::observe;
/// use std::future::Future;
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// let event = Event::new();
/// let mut wait = pin!(event.wait());
/// let mut cx = Context::from_waker(Waker::noop());
/// let (poll, waits) = observe(|| wait.as_mut().poll(&mut cx));
/// assert!(poll.is_pending());
/// assert_eq!(waits[0].what, "event");
/// assert!(waits[0].at.is_some_and(|at| at.file().ends_with(".rs")));
/// ```
pub fn observe<R>(poll: impl FnOnce() -> R) -> (R, Vec<WaitingFor>) {
    let outer = Outer {
        was_observed: IS_OBSERVED.replace(true),
        seen: SEEN.take(),
    };
    let result = poll();
    let seen = SEEN.take();
    drop(outer);
    (result, seen)
}

/// Says what a leaf future is about to return `Pending` for. For authors of leaf futures.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::{note, observe};
/// use std::panic::Location;
///
/// let ((), waits) = observe(|| note("the rain to stop", Location::caller()));
/// assert_eq!(waits[0].what, "the rain to stop");
/// ```
#[inline]
pub fn note(what: &'static str, at: &'static Location<'static>) {
    note_wait(what, Some(at));
}

/// As [`note`], for a leaf that does not keep where it was made.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::{note_unplaced, observe};
///
/// let ((), waits) = observe(|| note_unplaced("timer"));
/// assert_eq!(waits[0].to_string(), "timer");
/// ```
#[inline]
pub fn note_unplaced(what: &'static str) {
    note_wait(what, None);
}

#[inline]
fn note_wait(what: &'static str, at: Option<&'static Location<'static>>) {
    if IS_OBSERVED.get() {
        SEEN.with_borrow_mut(|seen| seen.push(WaitingFor { what, at }));
    }
}

/// Puts back what an outer observer has seen, also when a poll panics.
struct Outer {
    was_observed: bool,
    seen: Vec<WaitingFor>,
}

impl Drop for Outer {
    fn drop(&mut self) {
        IS_OBSERVED.set(self.was_observed);
        SEEN.replace(std::mem::take(&mut self.seen));
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn nobody_collects_outside_of_an_observation() {
        note("nobody listens", Location::caller());
        let ((), seen) = observe(|| ());
        assert_eq!(seen, []);
    }

    #[test]
    fn nested_observations_collect_for_themselves_and_a_panic_ends_only_its_own() {
        let ((), outer) = observe(|| {
            note("outer, before", Location::caller());
            let panicked = std::panic::catch_unwind(|| {
                observe(|| {
                    note("inner", Location::caller());
                    panic!("in a poll");
                })
            });
            assert!(panicked.is_err());
            note("outer, after", Location::caller());
        });
        let what: Vec<_> = outer.iter().map(|wait| wait.what).collect();
        assert_eq!(what, ["outer, before", "outer, after"]);
    }
}
