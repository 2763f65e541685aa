//! The runtime, as its tasks and the tree see it.

use super::event::{StopEvent, Unobserved};
use crate::policy::StopPolicy;
use lenio_time::{Clock, Instant};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

/// Finds the runtime that the calling thread is inside of.
type Finder = fn() -> Option<Arc<dyn Home>>;

static FINDER: OnceLock<Finder> = OnceLock::new();

/// Tells how to find the current runtime. The scheduler does, before there can be a task.
pub(crate) fn set_finder(finder: Finder) {
    FINDER.get_or_init(|| finder);
}

/// Now, by the clock of the runtime that the calling thread is inside of, or by the real one.
pub(super) fn now() -> Instant {
    match FINDER.get().and_then(|finder| finder()) {
        Some(home) => home.now(),
        None => Clock::real().now(),
    }
}

/// Reports a failure of a task whose runtime cannot be reached from it any more.
pub(super) fn report_elsewhere(failure: &Unobserved<'_>) {
    match FINDER.get().and_then(|finder| finder()) {
        Some(home) => home.report_unobserved(failure),
        None => eprintln!("lenio: {failure}"),
    }
}

/// What the tree asks of the runtime of a task.
pub(crate) trait Home: Send + Sync {
    /// Now, by the clock of the runtime's timers.
    fn now(&self) -> Instant;
    /// Runs a future as a task that belongs to nobody.
    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>);
    /// Tells the user's hook.
    fn report(&self, event: &StopEvent);
    /// Tells the user's hook about a failure that nobody took.
    fn report_unobserved(&self, failure: &Unobserved<'_>);
    /// The policy of tasks without a parent.
    fn policy(&self) -> StopPolicy;
}
