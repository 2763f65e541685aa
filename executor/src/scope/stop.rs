//! Waits that end at a stop.

use crate::task::tree::Node;
use crate::task::{StopHandle, current};
use lenio_sync::budget;
use lenio_sync::stop::{StopReason, Stopped, StoppedOwned};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Makes any future aware of stops.
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, StopExt, spawn, yield_now};
/// use lenio_sync::stop::Stopped;
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let task = spawn(async {
///         let result: Result<(), Stopped> = std::future::pending().or_stop().await;
///         result.is_err()
///     });
///     yield_now().await;
///     task.stop("");
///     assert!(task.await?);
///     Ok(())
/// })
/// # }
/// ```
pub trait StopExt: Future + Sized {
    /// Waits for the future, or for a stop of the current task or scope.
    ///
    /// A stop is a level, not an edge: once it is there every such wait ends with it, and a future that was not polled so far is not polled
    /// any more. A future that was polled before is polled once more, and if it is ready then its output counts: what took effect is
    /// not lost. A wait without `or_stop` is not affected by a stop, so cleanup can await.
    ///
    /// Inside of [`shield`](crate::shield) a stop is not seen. Outside of any task there is nothing that could stop it.
    ///
    /// Costs a look at the word of the task for each poll. Polled with another waker than the task's own, as in a join, it leaves a
    /// waiter behind: one lock, no allocation but for the first one of a task.
    ///
    /// # Errors
    ///
    /// [`Stopped`], with the reason.
    ///
    /// # Cancel safety
    ///
    /// As the future itself.
    ///
    /// # Fairness
    ///
    /// Each stop that is delivered costs a unit of the task's budget, so a loop that ignores them lets others run.
    fn or_stop(self) -> OrStop<Self> {
        OrStop {
            future: self,
            was_polled: false,
            linked_to: None,
            link: None,
        }
    }
}

impl<F: Future> StopExt for F {}

pin_project! {
    /// The future of [`StopExt::or_stop`].
    #[must_use = "futures do nothing unless polled"]
    pub struct OrStop<F> {
        #[pin]
        future: F,
        was_polled: bool,
        // The node at which the link waits.
        linked_to: Option<Arc<Node>>,
        #[pin]
        link: Option<StoppedOwned>,
    }
}

/// Calls `f` with the node that has been stopped, if it has.
fn with_stopped<R>(f: impl FnOnce(&Arc<Node>) -> R) -> Option<R> {
    current::with_node(|node| {
        let node = node.filter(|node| node.read().is_requested())?;
        Some(f(node))
    })
}

/// Tells the task once more. Costs budget, so that a loop which goes on waiting lets others run.
fn poll_deliver(cx: &mut Context<'_>, node: &Arc<Node>) -> Poll<Option<Stopped>> {
    ready!(budget::poll_proceed(cx));
    Poll::Ready(node.deliver().map(Stopped::new))
}

impl<F: Future> Future for OrStop<F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_stopped = with_stopped(|_| ()).is_some();
        if !is_stopped || *this.was_polled {
            *this.was_polled = true;
            if let Poll::Ready(output) = this.future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
        }
        if is_stopped {
            let delivered = with_stopped(|node| poll_deliver(cx, node));
            if let Some(delivered) = delivered {
                if let Some(stopped) = ready!(delivered) {
                    return Poll::Ready(Err(stopped));
                }
            }
        }
        if current::is_own_waker(cx.waker()) {
            // The stop schedules the task, and so this.
            return Poll::Pending;
        }
        current::with_node_or_new(|node| {
            let Some(node) = node else {
                return Poll::Pending;
            };
            let is_linked = |linked: &Arc<Node>| Arc::ptr_eq(linked, node);
            if !this.linked_to.as_ref().is_some_and(is_linked) {
                this.link.set(Some(node.token().stopped_owned()));
                *this.linked_to = Some(node.clone());
            }
            match this.link.as_mut().as_pin_mut() {
                Some(link) => {
                    let reason: StopReason = ready!(link.poll(cx));
                    // In flight, and it may have been done since it was polled above.
                    if let Poll::Ready(output) = this.future.as_mut().poll(cx) {
                        return Poll::Ready(Ok(output));
                    }
                    let stopped = node.deliver().unwrap_or(reason);
                    Poll::Ready(Err(Stopped::new(stopped)))
                }
                None => Poll::Pending,
            }
        })
    }
}

impl<F> fmt::Debug for OrStop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrStop")
            .field("was_polled", &self.was_polled)
            .finish_non_exhaustive()
    }
}

/// Looks whether the current task or scope was asked to stop. For loops that compute, and for blocking jobs.
///
/// Costs a look at a thread-local and a load. Always `Ok` outside of a task, and inside of [`shield`](crate::shield).
///
/// # Errors
///
/// [`Stopped`], with the reason.
///
/// # Examples
///
/// ```
/// use lenio_executor::{check_stop, spawn_blocking};
/// use lenio_sync::stop::Stopped;
///
/// lenio_executor::block_on(async {
///     let job = spawn_blocking(|| -> Result<(), Stopped> {
///         loop {
///             check_stop()?;
///             std::thread::yield_now();
///         }
///     });
///     job.stop("enough");
///     // It was stopped before it began, or while it ran.
///     assert!(job.await.map_or(true, |result| result.is_err()));
/// });
/// ```
#[inline]
pub fn check_stop() -> Result<(), Stopped> {
    match with_stopped(|node| node.deliver()) {
        None | Some(None) => Ok(()),
        Some(Some(reason)) => Err(Stopped::new(reason)),
    }
}

/// Waits for a stop of the current task or scope. For `select`s; most waits are better off with [`StopExt::or_stop`].
///
/// Never ends outside of a task.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Fairness
///
/// As [`StopExt::or_stop`].
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, spawn, stopped, yield_now};
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let task = spawn(async { stopped().await.to_string() });
///     yield_now().await;
///     task.stop("closing time");
///     assert_eq!(task.await?, "closing time");
///     Ok(())
/// })
/// # }
/// ```
pub async fn stopped() -> StopReason {
    match pending::<Infallible>().or_stop().await {
        Err(stopped) => stopped.into_reason(),
        Ok(never) => match never {},
    }
}

/// A handle that can stop the current task, or the future of the current `block_on`. `None` outside of both.
///
/// # Examples
///
/// ```
/// use lenio_executor::{check_stop, stop_handle};
///
/// lenio_executor::block_on(async {
///     let Some(me) = stop_handle() else { return };
///     me.stop("as an example");
///     assert!(check_stop().is_err());
/// });
/// assert!(stop_handle().is_none());
/// ```
pub fn stop_handle() -> Option<StopHandle> {
    current::with_task_node(|node| node.cloned()).map(|node| StopHandle::of(Some(node)))
}
