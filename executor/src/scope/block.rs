#![expect(
    unsafe_code,
    reason = "children that borrow the stack of a thread which waits for them"
)]
//! Scopes of sync code, whose children may borrow from the caller's stack.

use super::part::Part;
use crate::entry::current_or_default;
use crate::handle::Handle;
use crate::scheduler::with_worker;
use crate::task::tree::{Kind, Node, Sink};
use crate::task::{Birth, JoinError, JoinHandle, StopHandle, TaskId, Under, reason};
use lenio_sync::contain::drop_payload;
use lenio_sync::primitive::Mutex;
use lenio_sync::stop::StopKind;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

/// Runs `f`, and waits, blocking the thread, for all tasks that it has spawned into the scope. They may borrow what lives outside of it.
///
/// For threads that are no workers: `main` before it enters a runtime, threads of other libraries, blocking jobs. The thread works for the
/// runtime while it waits. If `f` or a child panics the children are stopped, and when all have ended the panic is passed on.
///
/// It returns only when the future, the output and the finalizers of every child are gone. So it waits for ever for a child that never
/// ends; a child whose grace is over is reported, and waited for still.
///
/// # Panics
///
/// If `f` or a child panics. Also if it is called inside of a task's poll, where it would hold up the worker: use
/// [`scope`](fn@crate::scope) there, or [`spawn_blocking`](crate::spawn_blocking) around it.
///
/// # Examples
///
/// ```
/// let words = vec!["gentle", "stop"];
/// let mut lengths = [0; 2];
/// lenio_executor::block_scope(|s| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         s.spawn(async move { *length = word.len() });
///     }
/// });
/// assert_eq!(lengths, [6, 4]);
/// ```
#[track_caller]
pub fn block_scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope BlockScope<'scope, 'env>) -> T,
{
    run(&current_or_default(), f, Location::caller())
}

/// A scope of sync code. See [`block_scope`].
pub struct BlockScope<'scope, 'env: 'scope> {
    handle: Handle,
    node: Arc<Node>,
    /// Invariant, so that neither can be made longer or shorter.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// The first panic of a child.
struct FirstPanic {
    node: Arc<Node>,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Sink for FirstPanic {
    fn panicked(&self, _: Option<TaskId>, payload: Box<dyn Any + Send>) {
        let mut first = self.payload.lock();
        let later = match &*first {
            Some(_) => Some(payload),
            None => {
                *first = Some(payload);
                None
            }
        };
        drop(first);
        if let Some(later) = later {
            drop_payload(later);
        }
        self.node.stop(reason(StopKind::SiblingFailed, ""));
    }
}

impl Handle {
    /// Runs a scope of sync code on this runtime. See [`block_scope`].
    ///
    /// # Panics
    ///
    /// As [`block_scope`].
    #[track_caller]
    pub fn block_scope<'env, F, T>(&self, f: F) -> T
    where
        F: for<'scope> FnOnce(&'scope BlockScope<'scope, 'env>) -> T,
    {
        run(self, f, Location::caller())
    }
}

fn run<'env, F, T>(handle: &Handle, f: F, at: &'static Location<'static>) -> T
where
    F: for<'scope> FnOnce(&'scope BlockScope<'scope, 'env>) -> T,
{
    let is_polling = |worker: Option<&crate::scheduler::Worker>| {
        worker.is_some_and(|worker| worker.place().poll.is_polling())
    };
    assert!(
        !with_worker(is_polling),
        "block_scope was called inside of a task's poll: use scope(..).await there, or spawn_blocking around it"
    );
    let part = Part::new(Kind::Scope, None, at, None);
    let node = part.node().clone();
    if node.task().is_none() {
        // Nobody polls it, so nobody is to be woken; the runtime is needed for the grace of its stops.
        node.bind_root(Waker::noop().clone(), handle.shared.clone());
    }
    let first_panic = Arc::new(FirstPanic {
        node: node.clone(),
        payload: Mutex::new(None),
    });
    node.set_sink(first_panic.clone());
    // Waits on every way out: the children borrow what lives above this frame.
    let waiting = WaitForChildren {
        handle,
        node: &node,
    };
    let scope = BlockScope {
        handle: handle.clone(),
        node: node.clone(),
        _scope: PhantomData,
        _env: PhantomData,
    };
    let result = catch_unwind(AssertUnwindSafe(|| part.inside(|| f(&scope))));
    if result.is_err() {
        node.stop(reason(StopKind::ParentFailed, ""));
    }
    drop(waiting);
    let child = first_panic.payload.lock().take();
    match (result, child) {
        (Err(payload), _) | (Ok(_), Some(payload)) => resume_unwind(payload),
        (Ok(result), None) => result,
    }
}

struct WaitForChildren<'a> {
    handle: &'a Handle,
    node: &'a Arc<Node>,
}

impl Drop for WaitForChildren<'_> {
    fn drop(&mut self) {
        let wait = || {
            let mut watcher = pin!(self.node.watcher());
            self.handle
                .block_on(poll_fn(|cx| self.node.poll_childless(watcher.as_mut(), cx)));
        };
        while !self.node.try_end_scope() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(wait)) {
                // Something in the runtime's own code; the children are still there, so neither may this frame go.
                drop_payload(payload);
            }
        }
    }
}

impl<'scope> BlockScope<'scope, '_> {
    fn birth(&self) -> Birth<'_> {
        Birth {
            under: Under::Node(&self.node),
            ..Birth::default()
        }
    }

    /// Starts a task that may borrow what lives outside of the scope.
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F) -> ScopedHandle<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let shared = &self.handle.shared;
        let at = Location::caller();
        let place = self.birth().place(&shared.rules, at);
        // SAFETY: the task is linked below the scope's node before anybody can poll it, and a node is closed after its future and output
        // are gone, or the output belongs to a handle that cannot leave 'scope. `run` does not return, nor unwind, before every node
        // below is closed (`WaitForChildren`); what 'scope outlives is alive until then. A refused future is dropped right here.
        let task = unsafe { shared.spawn_in(future, place, at) };
        ScopedHandle {
            task,
            handle: self.handle.clone(),
            _scope: PhantomData,
        }
    }

    /// Asks all children to stop. See [`StopHandle::stop`].
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.node.stop(reason(StopKind::Requested, message))
    }

    /// A handle that can stop the scope from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(Some(self.node.clone()))
    }
}

impl fmt::Debug for BlockScope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockScope")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// Waits for a task of a [`block_scope`]. It cannot leave the scope.
pub struct ScopedHandle<'scope, T> {
    task: JoinHandle<T>,
    handle: Handle,
    _scope: PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedHandle<'_, T> {
    /// Blocks the thread until the task is done, and returns its output. The thread works for the runtime meanwhile.
    ///
    /// # Errors
    ///
    /// If the task has none: it was stopped before it began, was cancelled, or panicked. The scope has the panic.
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.block_on(self.task)
    }

    /// Asks the task to stop. See [`JoinHandle::stop`].
    #[track_caller]
    pub fn stop(&self, message: impl Into<Cow<'static, str>>) -> bool {
        self.task.stop(message)
    }

    /// Asks for the task's future to be dropped at its next suspension point.
    #[track_caller]
    pub fn cancel(&self) {
        self.task.cancel();
    }

    /// Whether the outcome is there.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// The task's identity.
    pub fn id(&self) -> TaskId {
        self.task.id()
    }
}

impl<T> fmt::Debug for ScopedHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedHandle").field(&self.task).finish()
    }
}
