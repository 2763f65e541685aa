//! Tasks that somebody completes by hand.

use crate::entry::current_or_default;
use crate::task::tree::Node;
use crate::task::{Birth, Body, JoinError, JoinHandle, StopHandle, Under, current};
use lenio_sync::primitive::Mutex;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Makes a task that does nothing but wait for its outcome: the [`Completer`] gives it one.
///
/// For work that is done elsewhere, by a callback, another library, another process, and still belongs into the tree: it is a child of the
/// current task or scope, it can be stopped and joined, and its stop is passed on with [`StopHandle::on_stop`]. What comes first counts: the
/// outcome, or a stop, which completes it as soon as its callbacks have run. A callback may still give it an outcome, and that counts.
///
/// Costs as much as [`spawn_child`](crate::spawn_child), and an allocation more.
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, promise};
/// use std::thread;
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let (completer, answer) = promise();
///     let thread = thread::spawn(move || completer.complete(42));
///     assert_eq!(answer.await?, 42);
///     assert!(thread.join().unwrap().is_ok());
///
///     let (completer, never) = promise::<()>();
///     never.stop("nobody waits any more");
///     assert!(never.await.unwrap_err().is_stopped());
///     assert!(completer.complete(()).is_err());
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn promise<T: Send + 'static>() -> (Completer<T>, JoinHandle<T>) {
    let slot = Arc::new(Mutex::new(Slot::default()));
    let birth = Birth {
        under: Under::Current,
        is_promise: true,
        ..Birth::default()
    };
    let body = Promise { slot: slot.clone() };
    let shared = current_or_default().shared;
    let handle = shared.spawn_at(body, &birth, Location::caller());
    let completer = Completer {
        slot: Some(slot),
        stop: handle.stop_handle(),
    };
    (completer, handle)
}

/// Gives a [`promise`](fn@promise) its outcome, once. Dropped unused it fails the promise.
///
/// # Examples
///
/// ```
/// use std::error::Error;
///
/// lenio_executor::block_on(async {
///     let (completer, answer) = lenio_executor::promise::<u32>();
///     completer.fail("the line is dead");
///     let error = answer.await.unwrap_err();
///     assert!(error.is_failed());
///     assert_eq!(error.source().unwrap().to_string(), "the line is dead");
/// });
/// ```
#[must_use = "dropping it fails the promise"]
pub struct Completer<T> {
    slot: Option<Arc<Mutex<Slot<T>>>>,
    stop: StopHandle,
}

struct Slot<T> {
    outcome: Option<Result<T, JoinError>>,
    /// The task has its outcome, from here or elsewhere.
    is_over: bool,
    task: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            outcome: None,
            is_over: false,
            task: None,
        }
    }
}

impl<T> Completer<T> {
    /// Keeps the promise.
    ///
    /// # Errors
    ///
    /// Gives the value back if the promise was stopped or cancelled before.
    pub fn complete(mut self, value: T) -> Result<(), T> {
        match self.put(Ok(value)) {
            Some(Ok(value)) => Err(value),
            _ => Ok(()),
        }
    }

    /// Says that the promise cannot be kept.
    ///
    /// To see that the promise was stopped is no permission to fail: after a stop the outcome is that it was stopped, and `error` is
    /// its source; unless this is called by a callback of that stop.
    pub fn fail(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        self.put_failure(error.into());
    }

    /// Stops, and is told of stops of, the promise.
    pub fn stop_handle(&self) -> &StopHandle {
        &self.stop
    }

    fn put_failure(&mut self, error: Box<dyn Error + Send + Sync>) {
        let id = self.stop.id();
        let is_callback = self.stop.is_current();
        let error = match self.stop.reason() {
            Some(reason) if !is_callback => JoinError::stopped_with(id, reason, error),
            _ => JoinError::failed_with(id, error),
        };
        drop(self.put(Err(error)));
    }

    /// Puts the outcome in, unless it is too late: then it comes back.
    fn put(&mut self, outcome: Result<T, JoinError>) -> Option<Result<T, JoinError>> {
        let slot = self.slot.take()?;
        let mut locked = slot.lock();
        if locked.is_over {
            return Some(outcome);
        }
        locked.is_over = true;
        locked.outcome = Some(outcome);
        let task = locked.task.take();
        drop(locked);
        if let Some(task) = task {
            task.wake();
        }
        None
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.put_failure("the completer of the promise was dropped".into());
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer")
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

/// The body of the task.
struct Promise<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

impl<T> Body for Promise<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let waker = cx.waker().clone();
        let announced = |node: Option<&Arc<Node>>| node.and_then(|node| node.announced_reason());
        let reason = current::with_node(announced);
        let mut slot = self.slot.lock();
        if let Some(outcome) = slot.outcome.take() {
            return Poll::Ready(outcome);
        }
        if let Some(reason) = reason {
            slot.is_over = true;
            drop(slot);
            let is_cancelled =
                |node: Option<&Arc<Node>>| node.is_some_and(|node| node.read().is_cancelled());
            let end = if current::with_node(is_cancelled) {
                JoinError::cancelled
            } else {
                JoinError::stopped
            };
            return Poll::Ready(Err(end(current::id(), Some(reason))));
        }
        let old = slot.task.replace(waker);
        drop(slot);
        drop(old);
        Poll::Pending
    }
}

/// The task goes, perhaps because of a cancel: nobody can complete it any more.
impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut slot = self.slot.lock();
        slot.is_over = true;
        let left = slot.outcome.take();
        drop(slot);
        drop(left);
    }
}
