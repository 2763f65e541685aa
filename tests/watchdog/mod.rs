//! Ends a test that hangs: with a message instead of a silent timeout of the whole run.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long a scenario may take, on a slow machine under a sanitizer too. Nothing waits for this to pass.
const PATIENCE: Duration = Duration::from_secs(25);

/// Runs `scenario` on a thread of its own and returns what it returns; fails the test if it hangs.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the scenario must not run on a thread that knows a runtime"
)]
pub(crate) fn within_patience<T: Send + 'static>(
    name: &str,
    scenario: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, is_done) = channel::<()>();
    let thread = thread::spawn(move || {
        // Dropped at the end, also by a panic.
        let _done = done;
        scenario()
    });
    if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        panic!("{name}: still not done after {PATIENCE:?}");
    }
    thread
        .join()
        .unwrap_or_else(|payload: Box<dyn Any + Send>| resume_unwind(payload))
}
