//! Code that runs at a stop.

use super::cascade;
use super::node::{ENDERS, LISTS, Node, State};
use crate::wait::{Waiter, block_on};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

/// The registration of a callback, made by [`StopToken::on_stop`](super::StopToken::on_stop). Dropping it takes the callback back.
///
/// The callback runs once or, if the registration goes first, never. A drop does not wait: while another thread runs the callback it
/// returns at once, so that it may happen in a task, and under any lock. Whoever needs the callback to be over, because it uses
/// something that is about to go, calls [`remove_and_wait`](Self::remove_and_wait).
///
/// Callbacks ought to be short: they hold up the stop.
///
/// The registration keeps the token's node alive. If it is leaked the callback stays for good.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopReason, StopSource};
/// use std::sync::mpsc;
///
/// let source = StopSource::new();
/// let (sender, receiver) = mpsc::channel();
/// let kept = source.token().on_stop({
///     let sender = sender.clone();
///     move || sender.send("kept").unwrap()
/// });
/// let removed = source.token().on_stop(move || sender.send("removed").unwrap());
/// drop(removed);
/// source.stop(StopReason::new(StopKind::Requested));
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), ["kept"]);
/// # drop(kept);
/// ```
#[must_use = "dropping the registration takes the callback back"]
pub struct Callback {
    /// The node and the key in its list. `None` if there is nothing to take back.
    entry: Option<(Arc<Node>, u64)>,
}

impl Callback {
    /// Of something that will never be stopped.
    pub(super) fn nothing() -> Self {
        Self { entry: None }
    }

    pub(super) fn register(node: &Arc<Node>, action: impl FnOnce() + Send + 'static) -> Self {
        if node.is_stopped() {
            cascade::run_callback(action);
            return Self::nothing();
        }
        let action = Box::new(action);
        let mut state = node.queue.lock();
        // Only now the look counts: the stop takes the lock to set the reason, and comes back for the callbacks after it.
        if state.reason.is_some() {
            drop(state);
            cascade::run_callback(action);
            return Self::nothing();
        }
        let key = state.callbacks.push(action);
        drop(state);
        Self {
            entry: Some((node.clone(), key)),
        }
    }

    /// Takes the callback back, as dropping does. Returns whether it was in time: then the callback has not run and never will.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// assert!(source.token().on_stop(|| unreachable!()).remove());
    /// let late = source.token().on_stop(|| ());
    /// source.stop(StopReason::new(StopKind::Requested));
    /// assert!(!late.remove());
    /// ```
    pub fn remove(mut self) -> bool {
        self.take_back().was_in_time
    }

    /// As [`remove`](Self::remove), and blocks this thread until the callback has returned if another thread is running it.
    ///
    /// # No deadlock among callbacks
    ///
    /// **A thread that is inside of a stop callback waits for no callback.** There this returns at once and the callback, which may be the
    /// running one itself, goes on for a moment in its thread. So whoever waits, waits for a thread that is inside of a callback, and
    /// that one waits for nobody's callback: no chain of such waits is longer than one, and none closes to a circle.
    ///
    /// The rest is up to the callback. If it waits for a lock, or for a message, do not call this while holding that lock or owing that
    /// message.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::StopSource;
    ///
    /// let source = StopSource::new();
    /// let callback = source.token().on_stop(|| println!("stopped"));
    /// assert!(callback.remove_and_wait());
    /// ```
    pub fn remove_and_wait(mut self) -> bool {
        let taken = self.take_back();
        if let Some((node, key)) = taken.running {
            if !cascade::is_inside_callback() {
                wait_for_end(&node, key);
            }
        }
        taken.was_in_time
    }

    fn take_back(&mut self) -> TakenBack {
        let Some((node, key)) = self.entry.take() else {
            return TakenBack {
                was_in_time: false,
                running: None,
            };
        };
        let mut state = node.queue.lock();
        let action = state.callbacks.remove(key);
        let is_running = state.running == Some(key);
        drop(state);
        TakenBack {
            was_in_time: action.is_some(),
            running: is_running.then_some((node, key)),
        }
    }
}

/// What became of a callback whose registration went.
struct TakenBack {
    /// It has not run and never will.
    was_in_time: bool,
    /// Another thread, or this one further up, runs it at this moment.
    running: Option<(Arc<Node>, u64)>,
}

/// Blocks until the callback with this key, which runs in another thread, has returned.
fn wait_for_end(node: &Node, key: u64) {
    let mut waiter = pin!(Waiter::<State, LISTS>::new(&node.queue));
    block_on(poll_fn(|cx| {
        waiter.as_mut().poll(ENDERS, cx, |state, _| {
            (state.running != Some(key)).then_some(())
        })
    }));
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}
