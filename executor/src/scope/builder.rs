//! Async scopes: their options, and how they run.

use super::failure::{Failures, OnFailure, ScopeError};
use super::group::{Group, Scope};
use super::part::Part;
use crate::entry::current_or_default;
use crate::policy::StopPolicy;
use crate::task::tree::{Kind, Node};
use crate::task::{poll_inside, reason};
use lenio_sync::stop::StopKind;
use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::Duration;

type Payload = Box<dyn Any + Send>;

/// Runs `body`, and waits for everything that it has started in the scope.
///
/// The scope is a place in the task tree: a stop of the task reaches it and its children, and it can be stopped alone. When the body
/// returns the scope waits for its children, their cleanup included; those may go on to spawn into it. If a child panics the others and
/// the body are stopped, and when all have ended the panic is passed on.
///
/// For children that return errors see [`try_scope`], for options [`ScopeBuilder`].
///
/// Costs two allocations and a few locks, and for each child an allocation of some 300 bytes and four short locks more than
/// [`spawn`](crate::spawn): about three times its instructions.
///
/// # Panics
///
/// If the body or a child panics.
///
/// # Cancel safety
///
/// If the future is dropped the children are stopped, with the kind [`HandleDropped`](StopKind::HandleDropped); the task that polled it
/// is not done before they are. If it is forgotten they run on until the end of the task.
///
/// # Examples
///
/// ```
/// use lenio_executor::{StopExt, scope};
///
/// lenio_executor::block_on(async {
///     let farewell = scope(|s| async move {
///         let waiting = s.spawn(async { std::future::pending::<()>().or_stop().await });
///         lenio_executor::yield_now().await;
///         s.stop("that was all");
///         waiting.await
///     });
///     assert_eq!(farewell.await.unwrap().unwrap_err().to_string(), "that was all");
/// });
/// ```
#[track_caller]
pub fn scope<B, F>(body: B) -> impl Future<Output = F::Output>
where
    B: FnOnce(Scope) -> F,
    F: Future,
{
    ScopeBuilder::new().run(body)
}

/// As [`scope`](fn@scope), for children that can fail: the body returns a `Result`, and so does the scope.
///
/// The first failure, of the body or of a child of [`spawn_fallible`](Scope::spawn_fallible), stops the others; the error of the scope
/// has them all. An error that is merely a stop is no failure of the scope, unless it is the body's and there is no other.
///
/// # Errors
///
/// If the body or a child fails.
///
/// # Panics
///
/// If the body or a child panics.
///
/// # Cancel safety
///
/// As [`scope`](fn@scope).
///
/// # Examples
///
/// ```
/// use lenio_executor::{StopExt, try_scope};
/// use std::io;
///
/// lenio_executor::block_on(async {
///     let result = try_scope(|s| async move {
///         s.spawn(async { std::future::pending::<()>().or_stop().await });
///         s.spawn_fallible(async { Err::<(), _>(io::Error::other("disk on fire")) });
///         Ok(())
///     });
///     assert_eq!(result.await.unwrap_err().to_string(), "disk on fire");
/// });
/// ```
#[track_caller]
pub fn try_scope<B, F, T, E>(body: B) -> impl Future<Output = Result<T, ScopeError<E>>>
where
    B: FnOnce(Scope<E>) -> F,
    F: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    ScopeBuilder::new().try_run(body)
}

/// An async scope to be.
///
/// # Examples
///
/// ```
/// use lenio_executor::{ScopeBuilder, StopExt};
/// use std::time::Duration;
///
/// lenio_executor::block_on(async {
///     let too_late = ScopeBuilder::new()
///         .name("patience")
///         .deadline(Duration::from_millis(1))
///         .run(|_| async { std::future::pending::<()>().or_stop().await });
///     assert!(too_late.await.is_err());
/// });
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `run` is called and awaited"]
pub struct ScopeBuilder {
    name: Option<Box<str>>,
    deadline: Option<Duration>,
    on_failure: OnFailure,
    stop_at_end: bool,
    policy: Option<StopPolicy>,
    at: &'static Location<'static>,
}

impl ScopeBuilder {
    /// A scope without a name or deadline, with the policy of its task.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            name: None,
            deadline: None,
            on_failure: OnFailure::default(),
            stop_at_end: false,
            policy: None,
            at: Location::caller(),
        }
    }

    /// Names the scope, for reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name: String = name.into();
        self.name = Some(name.into_boxed_str());
        self
    }

    /// Stops the scope after that time, with the kind [`Deadline`](StopKind::Deadline). One timer, whatever waits inside. A deadline of a
    /// scope around this one still counts: the earlier one wins.
    ///
    /// Children that ignore the stop are cancelled when their grace is over. The body is a part of its task and is not: it sees the stop in
    /// its waits with [`or_stop`](crate::StopExt::or_stop), or not at all.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    /// What to do when a child fails.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Stops the children when the body returns, with the kind [`ParentFinished`](StopKind::ParentFinished): for helpers that run for as
    /// long as the body does.
    pub fn stop_at_end(mut self) -> Self {
        self.stop_at_end = true;
        self
    }

    /// A policy of its own, for what is spawned into the scope.
    pub fn policy(mut self, policy: StopPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Runs the scope; see [`scope`](fn@scope).
    ///
    /// # Panics
    ///
    /// If the body or a child panics.
    ///
    /// # Cancel safety
    ///
    /// As [`scope`](fn@scope).
    pub async fn run<B, F>(self, body: B) -> F::Output
    where
        B: FnOnce(Scope) -> F,
        F: Future,
    {
        let conclude = |_: &Group<Infallible>, output| (output, false);
        let (result, failures) = self.run_with(body, conclude).await;
        match (result, failures.panic) {
            (Some(output), None) => output,
            (_, Some(payload)) => resume_unwind(payload),
            (None, None) => unreachable!("a body without a result has panicked"),
        }
    }

    /// Runs the scope; see [`try_scope`].
    ///
    /// # Errors
    ///
    /// If the body or a child fails.
    ///
    /// # Panics
    ///
    /// If the body or a child panics.
    ///
    /// # Cancel safety
    ///
    /// As [`scope`](fn@scope).
    pub async fn try_run<B, F, T, E>(self, body: B) -> Result<T, ScopeError<E>>
    where
        B: FnOnce(Scope<E>) -> F,
        F: Future<Output = Result<T, E>>,
        E: Send + 'static,
    {
        let conclude = |group: &Group<E>, result| match result {
            Ok(output) => (Ok(output), false),
            Err(error) => (Err(group.failed_in_body(error)), true),
        };
        let (result, failures) = self.run_with(body, conclude).await;
        if let Some(payload) = failures.panic {
            resume_unwind(payload);
        }
        let mut errors = failures.errors.into_iter();
        let first = match (errors.next(), result) {
            (Some(first), _) => first,
            (None, Some(Ok(output))) => return Ok(output),
            (None, Some(Err(Some(stop)))) => stop,
            (None, _) => {
                unreachable!("a body without a result has panicked, an error is noted")
            }
        };
        Err(ScopeError {
            first,
            rest: errors.collect(),
        })
    }

    /// Runs the body, and waits for the children. `conclude` makes the result of what the body returned, and says whether that is a failure.
    /// No result: the body has panicked.
    async fn run_with<B, F, E, R>(
        self,
        body: B,
        conclude: impl FnOnce(&Group<E>, F::Output) -> (R, bool),
    ) -> (Option<R>, Failures<E>)
    where
        B: FnOnce(Scope<E>) -> F,
        F: Future,
        E: Send + 'static,
    {
        let part = Part::new(Kind::Scope, self.name, self.at, self.policy);
        let shared = current_or_default().shared;
        let node = part.node();
        if node.task().is_none() {
            // Another executor polls it, and is woken otherwise; the runtime is needed for the time.
            node.bind_root(Waker::noop().clone(), shared.clone());
        }
        let group = Group::new(&part, shared, self.on_failure);
        if let Some(after) = self.deadline {
            node.set_deadline(after);
        }
        let mut closing = Closing(Some(node.clone()));
        let mut payload = None;
        let mut result = None;
        let mut has_failed = true;
        match run_body(&part, body, Scope::new(group.clone())).await {
            Ok(output) => {
                let (concluded, is_failure) = conclude(&group, output);
                result = Some(concluded);
                has_failed = is_failure;
            }
            Err(panic) => payload = Some(panic),
        }
        if has_failed {
            node.stop(reason(StopKind::ParentFailed, ""));
        } else if self.stop_at_end {
            node.stop(reason(StopKind::ParentFinished, ""));
        }
        wait_for_children(node).await;
        closing.0 = None;
        let mut failures = group.take_failures();
        if payload.is_some() {
            failures.panic = payload;
        }
        (result, failures)
    }
}

impl Default for ScopeBuilder {
    /// As [`new`](Self::new).
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// Polls the body as a part of the tree. A panic is an error here, so that the children can be waited for.
async fn run_body<B, F, E>(part: &Part, body: B, scope: Scope<E>) -> Result<F::Output, Payload>
where
    B: FnOnce(Scope<E>) -> F,
    F: Future,
{
    let made = catch_unwind(AssertUnwindSafe(|| part.inside(|| body(scope))));
    let mut future = pin!(made?);
    // Declared after the body, so dropped before it.
    let mut told = Told(Some(part.node()));
    let output = poll_fn(|cx| {
        let poll = || part.inside(|| future.as_mut().poll(cx));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    told.0 = None;
    output
}

/// Stops the children of a body that is dropped before its end, before it goes: they are to hear of the stop, and not to wonder why what
/// they shared with it is gone.
struct Told<'n>(Option<&'n Arc<Node>>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Some(node) = self.0 {
            node.stop(reason(StopKind::HandleDropped, ""));
        }
    }
}

/// Waits until nothing is alive below, runs the finalizers, and ends the scope.
async fn wait_for_children(node: &Arc<Node>) {
    let mut watcher = pin!(node.watcher());
    poll_fn(|cx| {
        loop {
            ready!(node.poll_end_watching(watcher.as_mut(), cx, poll_inside));
            if node.try_end_scope() {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

/// Stops what is left when the scope's future is dropped before its end.
struct Closing(Option<Arc<Node>>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(node) = self.0.take() {
            node.abandon_scope(reason(StopKind::HandleDropped, ""));
            node.end_finalizer();
            for cleanup in node.take_finalizers() {
                node.leave_to_task(cleanup);
            }
        }
    }
}
