#![expect(
    unsafe_code,
    reason = "prctl has no safe counterpart in our dependencies"
)]
//! How punctually the kernel ends a thread's timed waits.
//!
//! Linux lets a timed wait of an ordinary thread run up to 50 us over, so that wake-ups can be batched (prctl(2), PR_SET_TIMERSLACK).
//! For a thread that waits on behalf of timers this is most of their lateness.

use std::marker::PhantomData;

/// Makes the timed waits of this thread end as soon as the kernel can, until it is dropped.
///
/// Costs two system calls when it is made and one when it is dropped. Does nothing where the system has no such setting.
///
/// # Examples
///
/// ```
/// let punctual = lenio_net::reactor::PreciseWaits::new();
/// // Timed waits of this thread are no longer stretched.
/// drop(punctual);
/// ```
#[derive(Debug)]
#[must_use = "the setting lasts as long as this value"]
pub struct PreciseWaits {
    /// The thread's slack before, in nanoseconds.
    before: Option<libc::c_ulong>,
    /// The setting belongs to the thread.
    _thread: PhantomData<*const ()>,
}

impl PreciseWaits {
    /// Changes the setting of the calling thread.
    #[expect(
        clippy::new_without_default,
        reason = "it changes the thread: nothing to be made by default"
    )]
    pub fn new() -> Self {
        Self {
            before: imp::replace(1),
            _thread: PhantomData,
        }
    }
}

impl Drop for PreciseWaits {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            imp::replace(before);
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    /// Sets the slack and returns the old one; `None` if the kernel does not know it.
    pub(super) fn replace(nanoseconds: libc::c_ulong) -> Option<libc::c_ulong> {
        // SAFETY: takes no pointers.
        let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
        let before = libc::c_ulong::try_from(before).ok()?;
        // SAFETY: takes no pointers; a slack of 0 would mean "the default".
        let set = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
        (set == 0).then_some(before)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    /// There is nothing to set.
    pub(super) fn replace(_nanoseconds: libc::c_ulong) -> Option<libc::c_ulong> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_old_setting_comes_back() {
        let before = imp::replace(1234);
        let precise = PreciseWaits::new();
        assert_eq!(precise.before, Some(1234));
        drop(precise);
        assert_eq!(imp::replace(before.unwrap_or(50_000)), Some(1234));
    }
}
