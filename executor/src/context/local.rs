#![expect(
    unsafe_code,
    reason = "a value that a poll lends to everything it calls, found through the thread"
)]
//! Task-local values.
//!
//! While a [`Scope`] polls its future, a frame on its stack points to its value, and a thread-local points to the newest frame. A look-up
//! walks the frames until it finds its key. A key that is not in use costs nothing, and nothing has to be cleaned up when a
//! task moves to another thread: the frames exist only during polls.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

thread_local! {
    static NEWEST: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

/// One value that is in force on this thread.
struct Frame {
    key: *const (),
    value: *const (),
    older: *const Frame,
}

/// A key to values that follow a future through its polls, whatever thread they happen on.
///
/// A value is set for the duration of a future with [`scope`](Self::scope). It is not inherited by tasks that the future spawns.
///
/// # Examples
///
/// ```
/// use lenio_executor::TaskLocal;
///
/// static REQUEST: TaskLocal<u32> = TaskLocal::new();
///
/// async fn handle() -> u32 {
///     REQUEST.with(|id| *id).unwrap_or(0)
/// }
///
/// lenio_executor::block_on(async {
///     assert_eq!(REQUEST.scope(7, handle()).await, 7);
///     assert_eq!(handle().await, 0);
/// });
/// ```
pub struct TaskLocal<T: 'static> {
    /// Gives each key an address of its own.
    _address: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> TaskLocal<T> {
    /// Makes a key. To be used in a `static`: the key's address is its identity.
    #[expect(
        clippy::new_without_default,
        reason = "a key belongs into a static, where Default cannot be used"
    )]
    pub const fn new() -> Self {
        Self {
            _address: 0,
            value: PhantomData,
        }
    }

    /// Runs `future` with `value` in force. Inner scopes of the same key hide outer ones.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scope<T, F> {
        Scope {
            key: self,
            value,
            future,
        }
    }

    /// Calls `f` with the value that is in force.
    ///
    /// # Errors
    ///
    /// If no scope of this key is being polled by this thread.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let mut frame = NEWEST.get();
        loop {
            // SAFETY: frames are on the stack below this call: each `Scope::poll` that is under way has one, and takes it off again.
            let Some(found) = (unsafe { frame.as_ref() }) else {
                return Err(AccessError(()));
            };
            if ptr::eq(found.key, ptr::from_ref(self).cast()) {
                // SAFETY: the frame's key is this one, so its value is a T; it is borrowed by the poll that made the frame.
                return Ok(f(unsafe { &*found.value.cast::<T>() }));
            }
            frame = found.older;
        }
    }

    /// A copy of the value that is in force.
    ///
    /// # Errors
    ///
    /// As [`with`](Self::with).
    pub fn cloned(&'static self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

/// The error of [`TaskLocal::with`]: no value is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task-local value is not set here")
    }
}

impl Error for AccessError {}

/// A future with a task-local value; see [`TaskLocal::scope`].
pub struct Scope<T: 'static, F> {
    key: &'static TaskLocal<T>,
    value: T,
    future: F,
}

impl<T: 'static, F: Future> Future for Scope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is never moved out of the pinned scope; `key` and `value` are not structurally pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let frame = Frame {
            key: ptr::from_ref(this.key).cast(),
            value: ptr::from_ref(&this.value).cast(),
            older: NEWEST.get(),
        };
        NEWEST.set(&frame);
        let _take_off = TakeOff(frame.older);
        // SAFETY: see above.
        unsafe { Pin::new_unchecked(&mut this.future) }.poll(cx)
    }
}

/// Takes the newest frame off, also when the poll panics.
struct TakeOff(*const Frame);

impl Drop for TakeOff {
    fn drop(&mut self) {
        NEWEST.set(self.0);
    }
}

/// No value is in force on this thread, until it is dropped: for the polls of tasks that happen further down the stack of another one.
pub(crate) struct Hidden(*const Frame);

/// Takes every value out of force for a while.
pub(crate) fn hide() -> Hidden {
    Hidden(NEWEST.replace(ptr::null()))
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // The scopes that made these frames are still being polled, further up the stack, where `hide` was called.
        NEWEST.set(self.0);
    }
}

impl<T: 'static, F> fmt::Debug for Scope<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
