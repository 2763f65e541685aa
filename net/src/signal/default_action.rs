#![expect(
    unsafe_code,
    reason = "asking for a signal's disposition, and an action of our own in the signal handler"
)]
//! What a signal does while nobody listens.
//!
//! Once a signal has a handler it keeps it: signal-hook never gives the default disposition back, because a handler that somebody
//! installed on top of its own might be lost. A program whose last receiver is gone could then not be ended with Ctrl-C any more. So
//! where the signal had its default disposition before we came, an action is registered that stays for ever and does what the
//! default would, but only while nobody listens.
//!
//! The order of things, so that no signal is swallowed: to begin, [`prepare`], register the receiver, [`suspend`]; to end, [`resume`],
//! unregister the receiver. A signal in between finds a receiver as well as the default action, so it ends the process, as it would
//! have a moment before or after.
//!
//! The counts are global because the disposition is: it belongs to the process. They are of std's atomics, under models as well,
//! because a signal handler may touch nothing else.

use super::kind::Signal;
use lenio_sync::primitive::plain::{AtomicBool, AtomicUsize, Ordering};
use signal_hook::low_level::{emulate_default_handler, register};
use std::io;

/// What is known about one signal.
struct Known {
    /// How many receivers listen. Written by [`suspend`] and [`resume`], read in the signal handler.
    listening: AtomicUsize,
    /// Whether the action is installed, or was found not to be needed.
    is_prepared: AtomicBool,
}

static KNOWN: [Known; Signal::ALL.len()] = [const {
    Known {
        listening: AtomicUsize::new(0),
        is_prepared: AtomicBool::new(false),
    }
}; Signal::ALL.len()];

fn of(signal: Signal) -> &'static Known {
    &KNOWN[signal as usize]
}

/// Suspends the default action, once per receiver.
pub(super) fn suspend(signal: Signal) {
    // ORDERING: Relaxed: the handler looks at the number alone; nothing else is published by it.
    of(signal).listening.fetch_add(1, Ordering::Relaxed);
}

/// Takes one [`suspend`] back.
pub(super) fn resume(signal: Signal) {
    // ORDERING: Relaxed: as in `suspend`.
    of(signal).listening.fetch_sub(1, Ordering::Relaxed);
}

/// Makes sure that there is a default action to fall back on. To be called before the first receiver is registered.
///
/// Two threads that come here together may install it twice, which does no harm: the first to run ends the process.
pub(super) fn prepare(signal: Signal) -> io::Result<()> {
    // ORDERING: Acquire pairs with the Release below: who sees the flag finds the action installed.
    if of(signal).is_prepared.load(Ordering::Acquire) {
        return Ok(());
    }
    if is_default(signal)? {
        // SAFETY: the action runs in a signal handler and does only what is allowed there: it loads an atomic, and
        // `emulate_default_handler` is documented to be async-signal-safe. It neither allocates, locks nor panics.
        unsafe { register(signal.number(), move || act(signal)) }?;
    }
    // ORDERING: Release pairs with the Acquire above.
    of(signal).is_prepared.store(true, Ordering::Release);
    Ok(())
}

/// Runs inside the signal handler.
fn act(signal: Signal) {
    // ORDERING: Relaxed: see `suspend`.
    if of(signal).listening.load(Ordering::Relaxed) == 0 {
        // Fails only for signals that cannot be handled in the first place.
        let _ = emulate_default_handler(signal.number());
    }
}

/// Whether the signal has its default disposition now.
fn is_default(signal: Signal) -> io::Result<bool> {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action changes nothing; `now` is valid for the kernel to write to.
    let result = unsafe { libc::sigaction(signal.number(), std::ptr::null(), now.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded and filled it in; all zeroes would be a valid value as well.
    let now = unsafe { now.assume_init() };
    Ok(now.sa_sigaction == libc::SIG_DFL)
}
