//! The throughline of a panic.

use crate::task::line;
use lenio_sync::primitive::plain::{AtomicBool, Ordering};
use lenio_sync::primitive::thread;
use std::io::{self, Write};
use std::panic;

static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Makes every panic print its throughline, after its message: `throughline: server > request{id=7}`.
///
/// Wraps the panic hook that is set at the time of the call, and calls it first. A panic without a throughline prints nothing more than
/// before. The line goes to the standard error stream, even where the wrapped hook writes elsewhere.
///
/// Returns whether this call has done it. Only the first one does, so libraries and tests may all call it. Whoever sets another hook
/// afterwards takes this one out. On a thread that is panicking, hooks cannot be set: there the call does nothing.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// assert!(throughline::install_panic_hook());
/// assert!(!throughline::install_panic_hook());
/// ```
pub fn install_panic_hook() -> bool {
    // ORDERING: Relaxed: of all swaps of this word, one is the first and sees `false`, and nothing is published by it. The hook
    // itself is under the lock of the standard library.
    if thread::panicking() || IS_INSTALLED.swap(true, Ordering::Relaxed) {
        return false;
    }
    let earlier = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        earlier(info);
        let chain = line::current();
        if !chain.is_empty() {
            // Where the message could not be written, this cannot either; `eprintln` would panic within the panic.
            let _ = writeln!(io::stderr(), "throughline: {chain:#}");
        }
    }));
    true
}
