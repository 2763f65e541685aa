//! Asking tasks and scopes to stop.

use super::current;
use super::error::JoinError;
use super::event::StopOrigin;
use super::home;
use super::id::TaskId;
use super::join::JoinHandle;
use super::line;
use super::tree::{Cascade, Node};
use crate::policy::{Grace, JoinLinks};
use lenio_sync::stop::{Callback, StopKind, StopReason, StopToken};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A reason with its origin. An empty message is none.
#[track_caller]
pub(crate) fn reason(kind: StopKind, message: impl Into<Cow<'static, str>>) -> StopReason {
    let reason = StopReason::new(kind).with_origin(StopOrigin {
        task: current::id(),
        throughline: line::current(),
        at: home::now(),
        deadline_of: 0,
    });
    let message = message.into();
    if message.is_empty() {
        reason
    } else {
        reason.with_message(message)
    }
}

/// Asks a task, or a scope with everything in it, to stop, from anywhere. Cheap to clone; keeps nothing running.
///
/// See [`JoinHandle::stop_handle`], [`Scope::stop_handle`](crate::Scope::stop_handle) and [`stop_handle`](crate::stop_handle).
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, StopExt, spawn, yield_now};
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let task = spawn(async { std::future::pending::<()>().or_stop().await.unwrap_err() });
///     let handle = task.stop_handle();
///     yield_now().await;
///     assert!(handle.stop("no longer needed"));
///     assert!(!handle.stop("the first reason wins"));
///     assert_eq!(task.await?.to_string(), "no longer needed");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
pub struct StopHandle {
    /// `None` for what never was.
    node: Option<Arc<Node>>,
}

impl StopHandle {
    pub(crate) fn of(node: Option<Arc<Node>>) -> Self {
        Self { node }
    }

    /// The identity of the task. `None` for a scope.
    pub(crate) fn id(&self) -> Option<TaskId> {
        self.node.as_ref().and_then(|node| node.id())
    }

    /// Whether this thread is in the middle of it: inside of one of its callbacks, for one.
    pub(crate) fn is_current(&self) -> bool {
        let node = self.node.as_ref();
        current::with_node(|mine| {
            node.zip(mine)
                .is_some_and(|(node, mine)| Arc::ptr_eq(node, mine))
        })
    }

    /// Asks to stop, with this message, which may be empty. Returns whether nobody had asked before.
    ///
    /// When the call returns everything below that existed at its beginning has been asked as well. Never blocks; may be called from any
    /// thread, and from `Drop`. Callbacks of [`on_stop`](Self::on_stop) run in here. What follows if the stop is ignored is up to the
    /// [`Grace`] in the task's [`StopPolicy`](crate::StopPolicy).
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.stop_because(reason(StopKind::Requested, message))
    }

    /// As [`stop`](Self::stop), for any reason.
    pub fn stop_because(&self, reason: StopReason) -> bool {
        self.node.as_ref().is_some_and(|node| node.stop(reason))
    }

    /// As [`stop`](Self::stop), with a grace that can only be shorter than the one in force. Shortens it also if a stop was asked for
    /// before.
    #[track_caller]
    pub fn stop_within(&self, message: impl Into<Cow<'static, str>>, grace: Grace) -> bool {
        let Some(node) = &self.node else { return false };
        let reason = reason(StopKind::Requested, message);
        if grace.is_none() {
            return node.cancel(reason);
        }
        let is_first = node.stop(reason);
        node.start_grace(grace);
        is_first
    }

    /// Asks for futures to be dropped at their next suspension points, those below first. Returns whether nobody had asked before.
    #[track_caller]
    pub fn cancel(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.cancel_because(reason(StopKind::Requested, message))
    }

    /// As [`cancel`](Self::cancel), for any reason.
    pub fn cancel_because(&self, reason: StopReason) -> bool {
        self.node.as_ref().is_some_and(|node| node.cancel(reason))
    }

    /// As [`stop_because`](Self::stop_because) for a tree of any size: lets other tasks run after every few thousand nodes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped some nodes have not been asked; another stop, and the end of the task, reach them.
    pub async fn stop_in_steps(&self, reason: StopReason) -> bool {
        let Some(node) = &self.node else { return false };
        let mut cascade = Cascade::new(reason);
        let is_first = cascade.begin(node, super::tree::Ask::Stop);
        let mut cascade = Some(cascade);
        poll_fn(|cx| {
            let Some(walk) = &mut cascade else {
                return Poll::Ready(());
            };
            if !walk.step() {
                cascade = None;
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        is_first
    }

    /// Whether somebody has asked to stop.
    pub fn is_stopped(&self) -> bool {
        let node = self.node.as_ref();
        node.is_some_and(|node| node.read().is_requested())
    }

    /// Why, if so.
    pub fn reason(&self) -> Option<StopReason> {
        self.node.as_ref().and_then(|node| node.reason())
    }

    /// Whether it is done, with everything below it.
    pub fn is_done(&self) -> bool {
        let node = self.node.as_ref();
        node.is_none_or(|node| node.read().is_done())
    }

    /// Waits until it is done, with everything below it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Fairness
    ///
    /// Everybody who waits is woken.
    pub async fn done(&self) {
        if let Some(node) = &self.node {
            node.wait_until(|seen| seen.is_done()).await;
        }
    }

    /// Whether `reason` is that the deadline of this very scope or task was over, and not that of one around it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{ScopeBuilder, StopExt, stopped};
    /// use std::time::Duration;
    ///
    /// lenio_executor::block_on(async {
    ///     let outer = ScopeBuilder::new().deadline(Duration::from_millis(1));
    ///     let which = outer.run(|outer| async move {
    ///         let inner = ScopeBuilder::new().deadline(Duration::from_secs(60));
    ///         let inner = inner.run(|inner| async move {
    ///             let reason = stopped().await;
    ///             (inner.stop_handle().is_deadline_of(&reason), reason)
    ///         });
    ///         let (is_inner, reason) = inner.await;
    ///         (is_inner, outer.stop_handle().is_deadline_of(&reason))
    ///     });
    ///     assert_eq!(which.await, (false, true));
    /// });
    /// ```
    pub fn is_deadline_of(&self, reason: &StopReason) -> bool {
        let origin = reason.origin::<StopOrigin>();
        let node = self.node.as_ref().map(|node| Arc::as_ptr(node).addr());
        origin.is_some_and(|origin| Some(origin.deadline_of) == node)
    }

    /// A token that is stopped with it: for code that knows tokens and no tasks.
    pub fn token(&self) -> StopToken {
        match &self.node {
            Some(node) => node.token(),
            None => StopToken::never(),
        }
    }

    /// Runs `callback` when the stop comes, on the thread that asks; at once if it has come already.
    ///
    /// Inside of the callback the task that is stopped is the current one: what is spawned below it is born stopped. Dropping the
    /// returned value takes the callback back, and does not wait for one that runs; see [`Callback`].
    #[must_use = "dropping it takes the callback back"]
    pub fn on_stop(&self, callback: impl FnOnce() + Send + 'static) -> Callback {
        let node = self.node.clone();
        self.token().on_stop(move || match &node {
            Some(node) => {
                let _inside = current::enter_part(node, false);
                callback();
            }
            None => callback(),
        })
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("node", &self.node)
            .finish()
    }
}

/// What a join handle can do about stops.
impl<T> JoinHandle<T> {
    /// Asks the task to stop, with this message, which may be empty. Returns whether nobody had asked before.
    ///
    /// A stop is a request: the task is woken, and its waits with [`or_stop`](crate::StopExt::or_stop) end with
    /// [`Stopped`](lenio_sync::stop::Stopped). It decides how to finish, and may still await its cleanup, until the grace of its
    /// [`StopPolicy`](crate::StopPolicy) is over; then it is cancelled. A task that was not polled so far never is: its handle yields an error for which
    /// [`JoinError::is_stopped`] holds. See [`StopHandle::stop`] for what else is promised.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{JoinError, StopExt, spawn, yield_now};
    ///
    /// # fn main() -> Result<(), JoinError> {
    /// lenio_executor::block_on(async {
    ///     let task = spawn(async {
    ///         let stopped = std::future::pending::<()>().or_stop().await.unwrap_err();
    ///         yield_now().await; // cleanup may await
    ///         stopped.reason().message().map(str::to_owned)
    ///     });
    ///     yield_now().await;
    ///     task.stop("closing time");
    ///     assert_eq!(task.await?.as_deref(), Some("closing time"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.stop_because(reason(StopKind::Requested, message))
    }

    /// As [`stop`](Self::stop), for any reason.
    pub fn stop_because(&self, reason: StopReason) -> bool {
        self.node_or_new().is_some_and(|node| node.stop(reason))
    }

    /// As [`cancel`](Self::cancel), for a reason.
    pub fn cancel_because(&self, reason: StopReason) {
        if let Some(node) = self.node_or_new() {
            node.cancel(reason);
        }
    }

    /// Asks the task to stop, and waits until it is done.
    ///
    /// # Errors
    ///
    /// As awaiting the handle does. A task that would so wait for itself, or for a task above it, gets an error for which
    /// [`JoinError::is_deadlock`] holds, and nobody is stopped.
    ///
    /// # Cancel safety
    ///
    /// The stop stays; the task, which belongs to the tree, is not awaited.
    #[track_caller]
    pub fn stop_and_wait(
        self,
        message: impl Into<Cow<'static, str>>,
    ) -> impl Future<Output = Result<T, JoinError>> {
        let reason = reason(StopKind::Requested, message);
        async move {
            let is_above = self.node().is_some_and(|node| is_below(&node));
            if is_above {
                return Err(JoinError::would_deadlock(self.id()));
            }
            self.stop_because(reason);
            self.await
        }
    }

    /// A handle that can stop the task from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(self.node_or_new().map(|node| Arc::clone(&node)))
    }

    /// Whether the task was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.node().is_some_and(|node| node.read().is_requested())
    }

    /// Why the task was asked to stop, if it was.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.node().and_then(|node| node.reason())
    }

    /// Runs `callback` when the task is asked to stop. See [`StopHandle::on_stop`].
    #[must_use = "dropping it takes the callback back"]
    pub fn on_stop(&self, callback: impl FnOnce() + Send + 'static) -> Callback {
        self.stop_handle().on_stop(callback)
    }

    /// Runs `callback` when the task is done: its outcome is fixed, and nobody who waits for it has been woken. At once if it is done
    /// already. A panic of the callback goes no further.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// lenio_executor::block_on(async {
    ///     static RAN: AtomicBool = AtomicBool::new(false);
    ///     let task = lenio_executor::spawn(async { 1 });
    ///     task.on_finish(|| RAN.store(true, Ordering::Relaxed));
    ///     assert_eq!(task.await.ok(), Some(1));
    ///     assert!(RAN.load(Ordering::Relaxed));
    /// });
    /// ```
    pub fn on_finish(&self, callback: impl FnOnce() + Send + 'static) {
        let late = match self.node_or_new() {
            Some(node) => node.add_finish_callback(Box::new(callback)).err(),
            None => Some(Box::new(callback) as Box<dyn FnOnce() + Send>),
        };
        if let Some(callback) = late {
            super::contain(callback);
        }
    }

    /// Waits until the task's own body has ended: it has returned, panicked or been dropped. Its children, finalizers and callbacks may
    /// still run, and the outcome is not there before they have.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Fairness
    ///
    /// Everybody who waits is woken.
    pub async fn join_body(&self) {
        let node = self.node_or_new().map(|node| Arc::clone(&node));
        if let Some(node) = node {
            node.wait_until(|seen| seen.is_body_done()).await;
        }
    }

    /// Waits for the task, and passes a stop on to it that reaches the waiting task meanwhile. Outside of a task, and under a policy with
    /// [`JoinLinks::Never`], it just waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the wait ends the link, and lets the task run on.
    pub fn join_linked(self) -> JoinLinked<T> {
        JoinLinked {
            handle: self,
            link: None,
        }
    }

    /// Makes the task nobody's child: it goes on when its parent ends, and stops of the parent that come from now on do not reach it.
    ///
    /// # Errors
    ///
    /// If the caller is not the parent: only the task or scope that has the child can let go of it. A task that is done is nobody's
    /// child any more, and that is no error.
    pub fn detach(&self) -> Result<(), NotParent> {
        let node = self.node().ok_or(NotParent(()))?;
        let parent = node.parent();
        if node.read().is_done() {
            return Ok(());
        }
        let parent = parent.ok_or(NotParent(()))?;
        let is_mine =
            current::with_node(|mine| mine.is_some_and(|mine| Arc::ptr_eq(mine, &parent)));
        if !is_mine {
            return Err(NotParent(()));
        }
        node.unlink();
        Ok(())
    }

    /// Stops the task when the returned value is dropped, with the kind [`HandleDropped`](StopKind::HandleDropped).
    pub fn stop_on_drop(self) -> StopOnDrop<T> {
        StopOnDrop(self)
    }

    /// Cancels the task when the returned value is dropped.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(self)
    }
}

/// Whether the current task is `node`, or somewhere below it.
fn is_below(node: &Arc<Node>) -> bool {
    let mut at = current::with_node(|mine| mine.cloned());
    while let Some(mine) = at {
        if Arc::ptr_eq(&mine, node) {
            return true;
        }
        at = mine.parent();
    }
    false
}

/// The error of [`JoinHandle::detach`]: the caller is not the parent of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotParent(());

impl fmt::Display for NotParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task is not a child of the current task")
    }
}

impl Error for NotParent {}

/// The future of [`JoinHandle::join_linked`].
#[must_use = "futures do nothing unless polled"]
pub struct JoinLinked<T> {
    handle: JoinHandle<T>,
    /// The node that passes its stop on, and the key of the link in it.
    link: Option<(Arc<Node>, u64)>,
}

impl<T> Future for JoinLinked<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_linked = |node: Option<&Arc<Node>>| match (node, &this.link) {
            (Some(node), Some((linked, _))) => Arc::ptr_eq(node, linked),
            (None, None) => true,
            _ => false,
        };
        if !current::with_node(is_linked) {
            this.unlink();
            this.link = current::with_node_or_new(|node| {
                let node = node.filter(|node| node.policy().join_links != JoinLinks::Never)?;
                let target = this.handle.node_or_new()?;
                Some((node.clone(), node.link_to(&target)))
            });
        }
        let joined = Pin::new(&mut this.handle).poll(cx);
        if joined.is_ready() {
            this.unlink();
        }
        joined
    }
}

impl<T> JoinLinked<T> {
    fn unlink(&mut self) {
        if let Some((node, key)) = self.link.take() {
            node.remove_link(key);
        }
    }
}

impl<T> Drop for JoinLinked<T> {
    fn drop(&mut self) {
        self.unlink();
    }
}

impl<T> fmt::Debug for JoinLinked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinLinked")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// A join handle that stops its task when it is dropped; see [`JoinHandle::stop_on_drop`].
#[derive(Debug)]
#[must_use = "dropping it stops the task"]
pub struct StopOnDrop<T>(JoinHandle<T>);

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.stop_because(reason(StopKind::HandleDropped, ""));
        }
    }
}

/// A join handle that cancels its task when it is dropped; see [`JoinHandle::cancel_on_drop`].
#[derive(Debug)]
#[must_use = "dropping it cancels the task"]
pub struct CancelOnDrop<T>(JoinHandle<T>);

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

macro_rules! like_a_handle {
    ($($wrapper:ident)*) => {$(
        impl<T> Future for $wrapper<T> {
            type Output = Result<T, JoinError>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                Pin::new(&mut self.0).poll(cx)
            }
        }

        impl<T> Deref for $wrapper<T> {
            type Target = JoinHandle<T>;

            fn deref(&self) -> &JoinHandle<T> {
                &self.0
            }
        }

        impl<T> DerefMut for $wrapper<T> {
            fn deref_mut(&mut self) -> &mut JoinHandle<T> {
                &mut self.0
            }
        }
    )*};
}

like_a_handle!(StopOnDrop CancelOnDrop);
