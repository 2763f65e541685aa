//! The children of an async scope.

use super::failure::{Failures, OnFailure, is_stop};
use super::part::Part;
use crate::scheduler::Shared;
use crate::task::tree::{Node, Sink};
use crate::task::{
    Birth, Body, Home, JoinError, JoinHandle, StopHandle, TaskId, Under, Unobserved, current,
    reason,
};
use lenio_sync::contain::contain;
use lenio_sync::primitive::Mutex;
use lenio_sync::stop::{StopKind, StopReason};
use pin_project_lite::pin_project;
use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A scope, for whoever adds children to it. Cheap to clone; may be sent anywhere, and outlive the scope: what is spawned into a scope
/// that has ended is never polled, and its handle says why.
///
/// Given to the body of [`scope`](fn@crate::scope) and [`try_scope`](crate::try_scope). `E` is the error of fallible children.
///
/// # Examples
///
/// ```
/// use lenio_executor::scope;
///
/// lenio_executor::block_on(async {
///     let sum = scope(|s| async move {
///         let parts = [s.spawn(async { 20 }), s.spawn(async { 22 })];
///         let mut sum = 0;
///         for part in parts {
///             sum += part.await.unwrap_or(0);
///         }
///         sum
///     });
///     assert_eq!(sum.await, 42);
/// });
/// ```
pub struct Scope<E = Infallible> {
    group: Arc<Group<E>>,
}

/// What the handles of a scope share.
pub(super) struct Group<E> {
    node: Arc<Node>,
    shared: Arc<Shared>,
    on_failure: OnFailure,
    failures: Mutex<Failures<E>>,
}

impl<E: Send + 'static> Group<E> {
    pub(super) fn new(part: &Part, shared: Arc<Shared>, on_failure: OnFailure) -> Arc<Self> {
        let group = Arc::new(Self {
            node: part.node().clone(),
            shared,
            on_failure,
            failures: Mutex::new(Failures::new()),
        });
        part.node().set_sink(group.clone());
        group
    }

    pub(super) fn take_failures(&self) -> Failures<E> {
        std::mem::replace(&mut *self.failures.lock(), Failures::new())
    }

    /// Notes an error, unless it is merely a stop.
    pub(super) fn failed(&self, error: E) {
        if is_stop(&error) {
            return;
        }
        self.failures.lock().errors.push(error);
        self.stop_siblings();
    }

    /// Notes an error of the body. One that is merely a stop comes back.
    pub(super) fn failed_in_body(&self, error: E) -> Option<E> {
        if is_stop(&error) {
            return Some(error);
        }
        self.failures.lock().errors.push(error);
        None
    }

    fn stop_siblings(&self) {
        if self.on_failure == OnFailure::StopSiblings {
            self.node.stop(reason(StopKind::SiblingFailed, ""));
        }
    }
}

/// Failures that came when the scope's future was gone, or went with it: nobody has seen them.
impl<E> Drop for Group<E> {
    fn drop(&mut self) {
        let failures = std::mem::replace(self.failures.get_mut(), Failures::new());
        let report = |error: &JoinError| {
            let task = self.node.info();
            self.shared.report_unobserved(&Unobserved { task, error });
        };
        for error in failures.errors {
            report(&JoinError::failed(None));
            contain(move || drop(error));
        }
        if let Some(payload) = failures.panic {
            let error = JoinError::panicked(TaskId::NONE, payload);
            report(&error);
            contain(move || drop(error));
        }
    }
}

impl<E: Send + 'static> Sink for Group<E> {
    fn panicked(&self, _: Option<TaskId>, payload: Box<dyn Any + Send>) {
        let mut failures = self.failures.lock();
        // The first one is passed on; one that comes later has been reported by the panic hook.
        let later = match &mut failures.panic {
            Some(_) => Some(payload),
            first => {
                *first = Some(payload);
                None
            }
        };
        drop(failures);
        if let Some(later) = later {
            lenio_sync::contain::drop_payload(later);
        }
        self.stop_siblings();
    }
}

impl<E: Send + 'static> Scope<E> {
    pub(super) fn new(group: Arc<Group<E>>) -> Self {
        Self { group }
    }

    fn birth(&self) -> Birth<'_> {
        Birth {
            under: Under::Node(&self.group.node),
            ..Birth::default()
        }
    }

    /// Starts a child. Any output is a value; if it panics the scope has failed.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = &self.group.shared;
        shared.spawn_at(future, &self.birth(), Location::caller())
    }

    /// Starts a child that can fail: the scope takes its error, and the handle yields a [`JoinError`] for which
    /// [`is_failed`](JoinError::is_failed) holds. An error that is merely a stop is no failure of the scope.
    #[track_caller]
    pub fn spawn_fallible<F, T>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let body = Fallible {
            future,
            group: self.group.clone(),
        };
        let shared = &self.group.shared;
        shared.spawn_at(body, &self.birth(), Location::caller())
    }

    /// Starts a blocking job as a child. While it waits for a thread a stop keeps it from running; when it runs it can look with
    /// [`check_stop`](crate::check_stop).
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, job: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = &self.group.shared;
        shared.spawn_blocking(job, &self.birth(), Location::caller())
    }

    /// Has `cleanup` run when all children have ended, before the scope returns. As [`on_exit`](crate::on_exit) otherwise; if the
    /// scope's future is dropped, the end of its task runs it. In a scope that has ended `cleanup` is dropped.
    pub fn on_exit(&self, cleanup: impl Future<Output = ()> + Send + 'static) {
        let node = &self.group.node;
        if let Err(cleanup) = node.add_finalizer(Box::pin(cleanup)) {
            if !node.read().is_done() {
                node.leave_to_task(cleanup);
            }
        }
    }

    /// Asks the body and all children to stop. See [`StopHandle::stop`].
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.stop_because(reason(StopKind::Requested, message))
    }

    /// As [`stop`](Self::stop), for any reason.
    pub fn stop_because(&self, reason: StopReason) -> bool {
        self.group.node.stop(reason)
    }

    /// Whether the scope was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.group.node.read().is_requested()
    }

    /// A handle that can stop the scope, and nothing else.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(Some(self.group.node.clone()))
    }
}

impl<E> Clone for Scope<E> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
        }
    }
}

impl<E> fmt::Debug for Scope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("node", &self.group.node)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A child whose error its scope takes.
    struct Fallible<F, E> {
        #[pin]
        future: F,
        group: Arc<Group<E>>,
    }
}

impl<F, T, E> Body for Fallible<F, E>
where
    F: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let this = self.project();
        match ready!(this.future.poll(cx)) {
            Ok(output) => Poll::Ready(Ok(output)),
            Err(error) => {
                this.group.failed(error);
                Poll::Ready(Err(JoinError::failed(current::id())))
            }
        }
    }
}
