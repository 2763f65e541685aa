//! Many futures as parallel tasks, and their outputs together.
//!
//! | function | waits for | the others |
//! |---|---|---|
//! | [`join_all`], [`map`], [`map_blocking`] | all | run on, even after a panic |
//! | [`try_join_all`] | all, or the first error | are stopped, and awaited |
//! | [`race`] | the first | are stopped, and awaited |
//! | [`as_completed`] | one after the other, as they finish | run on |
//!
//! Each future is a task of its own, a child of the task that waits: so they run in parallel, and a stop reaches them all. Except for
//! [`as_completed`] nobody is left when the wait is over: whoever is not needed any more is stopped gently, and has the grace of its
//! [`StopPolicy`](crate::StopPolicy) to finish. A panic is passed on when all are gone.
//!
//! When a stop of the task, or of a task above it, keeps futures from having an output, the whole yields one [`Stopped`] with the reason
//! of that stop. Futures that have an output in spite of a stop have succeeded.
//!
//! For futures that borrow, or that are so short that a task each costs more than they do, the crate `lenio` has the module `future`: its
//! functions of the same names poll everything on the task that waits, and drop what is not needed.
//!
//! The list is gone through at the call. No task begins before the returned future is polled for the first time, and dropping that later
//! stops the tasks; the task around it is not done before they are.

use crate::entry::spawn_child;
use crate::join_set::JoinSet;
use crate::scope::{OnFailure, Scope, ScopeBuilder, ScopeError};
use crate::task::{JoinError, JoinHandle, reason};
use lenio_sync::primitive::Mutex;
use lenio_sync::stop::{StopKind, StopReason, Stopped};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Runs all futures in parallel and returns their outputs in order. Of nothing: nothing, at once.
///
/// All run to their end, whatever becomes of the others. Where an error is to stop the others use [`try_join_all`].
///
/// # Panics
///
/// If a future panics, when all are gone.
///
/// # Errors
///
/// [`Stopped`] if a stop kept one of them from having an output.
///
/// # Cancel safety
///
/// Dropping the future stops the tasks, and loses the outputs.
///
/// # Examples
///
/// ```
/// use lenio_executor::gather::join_all;
/// use lenio_sync::stop::Stopped;
///
/// # fn main() -> Result<(), Stopped> {
/// lenio_executor::block_on(async {
///     let squares = join_all((0..4).map(|n| async move { n * n })).await?;
///     assert_eq!(squares, [0, 1, 4, 9]);
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn join_all<I, T>(futures: I) -> impl Future<Output = Result<Vec<T>, Stopped>>
where
    I: IntoIterator<Item: Future<Output = T> + Send + 'static>,
    T: Send + 'static,
{
    let futures: Vec<_> = futures.into_iter().collect();
    let builder = ScopeBuilder::new().on_failure(OnFailure::LetFinish);
    builder.run(|scope| async move {
        let tasks: Vec<_> = futures
            .into_iter()
            .map(|future| scope.spawn(future))
            .collect();
        in_order(tasks, &scope).await
    })
}

/// Makes a future of each item, and runs them as [`join_all`] does. `f` is called here, once for each item, before anything runs.
///
/// # Panics
///
/// If `f` panics, at once. If a future panics, when all are gone.
///
/// # Errors
///
/// As [`join_all`].
///
/// # Cancel safety
///
/// As [`join_all`].
///
/// # Examples
///
/// ```
/// use lenio_executor::gather;
/// use lenio_sync::stop::Stopped;
///
/// # fn main() -> Result<(), Stopped> {
/// lenio_executor::block_on(async {
///     let lengths = gather::map(["gentle", "stop"], |word| async { word.len() }).await?;
///     assert_eq!(lengths, [6, 4]);
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn map<I, F, G>(items: I, f: F) -> impl Future<Output = Result<Vec<G::Output>, Stopped>>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> G,
    G: Future<Output: Send + 'static> + Send + 'static,
{
    join_all(items.into_iter().map(f))
}

/// Calls `f` for each item on the threads for blocking work, in parallel, and returns what it returned in the order of the items.
///
/// At most [`blocking_threads`](crate::Builder::blocking_threads) run at a time. A job that has begun goes on after a stop, unless it
/// looks with [`check_stop`](crate::check_stop); one that waits for a thread never runs.
///
/// # Panics
///
/// If `f` panics, when all calls have ended.
///
/// # Errors
///
/// As [`join_all`].
///
/// # Cancel safety
///
/// As [`join_all`].
///
/// # Examples
///
/// ```
/// use lenio_executor::gather::map_blocking;
/// use lenio_sync::stop::Stopped;
///
/// # fn main() -> Result<(), Stopped> {
/// lenio_executor::block_on(async {
///     let sums = map_blocking([10_u64, 100], |n| (1..=n).sum::<u64>()).await?;
///     assert_eq!(sums, [55, 5050]);
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn map_blocking<I, F, T>(items: I, f: F) -> impl Future<Output = Result<Vec<T>, Stopped>>
where
    I: IntoIterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    let items: Vec<_> = items.into_iter().collect();
    let builder = ScopeBuilder::new().on_failure(OnFailure::LetFinish);
    builder.run(|scope| async move {
        let f = Arc::new(f);
        let job = |item| {
            let f = f.clone();
            scope.spawn_blocking(move || f(item))
        };
        let tasks: Vec<_> = items.into_iter().map(job).collect();
        in_order(tasks, &scope).await
    })
}

/// Starts each future as a child of the current task, and returns the set in which their outcomes come as they finish.
///
/// Unlike the others it starts them at once and waits for nothing: a panic is an outcome of the set, and dropping the set cancels what is
/// left.
///
/// # Examples
///
/// ```
/// use lenio_executor::gather::as_completed;
///
/// lenio_executor::block_on(async {
///     let mut parts = as_completed([20, 22].map(|n| async move { n }));
///     let mut sum = 0;
///     while let Some(part) = parts.join_next().await {
///         sum += part.unwrap_or(0);
///     }
///     assert_eq!(sum, 42);
/// });
/// ```
#[track_caller]
pub fn as_completed<I, T>(futures: I) -> JoinSet<T>
where
    I: IntoIterator<Item: Future<Output = T> + Send + 'static>,
    T: Send + 'static,
{
    let mut set = JoinSet::new();
    for future in futures {
        set.insert(spawn_child(future));
    }
    set
}

/// Runs all futures in parallel and returns their values in order, or the first failure.
///
/// The first error stops the others, with the kind [`SiblingFailed`](StopKind::SiblingFailed), and when they are gone it is returned, with
/// those that came after it. An error that is merely a stop is no failure, as in [`try_scope`](crate::try_scope).
///
/// # Panics
///
/// If a future panics, when all are gone; that stops the others too.
///
/// # Errors
///
/// If a future fails, or if a stop kept one of them from having a value and none has failed.
///
/// # Cancel safety
///
/// As [`join_all`].
///
/// # Examples
///
/// ```
/// use lenio_executor::gather::try_join_all;
///
/// lenio_executor::block_on(async {
///     let parsed = try_join_all(["1", "2"].map(|text| async { text.parse::<u8>() })).await;
///     assert_eq!(parsed.unwrap(), [1, 2]);
///
///     let failed = try_join_all(["1", "two"].map(|text| async { text.parse::<u8>() })).await;
///     assert_eq!(failed.unwrap_err().to_string(), "invalid digit found in string");
/// });
/// ```
#[track_caller]
pub fn try_join_all<I, T, E>(futures: I) -> impl Future<Output = Result<Vec<T>, TryJoinError<E>>>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>> + Send + 'static>,
    T: Send + 'static,
    E: Send + 'static,
{
    let futures: Vec<_> = futures.into_iter().collect();
    let builder = ScopeBuilder::new();
    async move {
        let body = |scope: Scope<E>| async move {
            let tasks: Vec<_> = futures
                .into_iter()
                .map(|future| scope.spawn_fallible(future))
                .collect();
            Ok(in_order(tasks, &scope).await)
        };
        match builder.try_run(body).await {
            Ok(outputs) => outputs.map_err(TryJoinError::Stopped),
            Err(error) => Err(TryJoinError::Failed(error)),
        }
    }
}

/// Why [`try_join_all`] has no values.
///
/// # Examples
///
/// ```
/// use lenio_executor::gather::{TryJoinError, try_join_all};
///
/// lenio_executor::block_on(async {
///     let failed = try_join_all([async { Err::<(), _>("no luck") }]).await;
///     assert!(matches!(failed, Err(TryJoinError::Failed(error)) if error.first == "no luck"));
/// });
/// ```
#[derive(Debug)]
pub enum TryJoinError<E> {
    /// At least one future has failed.
    Failed(ScopeError<E>),
    /// None has failed, but a stop kept one from having a value.
    Stopped(Stopped),
}

impl<E: fmt::Display> fmt::Display for TryJoinError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TryJoinError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Stopped(stopped) => stopped.source(),
        }
    }
}

/// Runs all futures in parallel and returns the output of the one that is first to finish. `None` if there is none.
///
/// The others are stopped, with the kind [`ParentFinished`](StopKind::ParentFinished), and awaited, their cleanup included; at the end of
/// their grace they are cancelled. So the race is as slow as its slowest loser is to stop: losers wait with
/// [`or_stop`](crate::StopExt::or_stop). The outputs of losers are dropped.
///
/// # Panics
///
/// If a future panics, before or after the first has finished, when all are gone.
///
/// # Errors
///
/// [`Stopped`] if a stop kept all of them from having an output.
///
/// # Cancel safety
///
/// As [`join_all`].
///
/// # Fairness
///
/// Of those that finish at about the same time, on several workers, any may win.
///
/// # Examples
///
/// ```
/// use lenio_executor::{StopExt, gather::race};
/// use lenio_sync::stop::Stopped;
///
/// # fn main() -> Result<(), Stopped> {
/// lenio_executor::block_on(async {
///     let runner = |length| async move {
///         for _ in 0..length {
///             if lenio_executor::yield_now().or_stop().await.is_err() {
///                 return "stopped";
///             }
///         }
///         "arrived"
///     };
///     assert_eq!(race([runner(usize::MAX), runner(3)]).await?, Some("arrived"));
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn race<I, T>(futures: I) -> impl Future<Output = Result<Option<T>, Stopped>>
where
    I: IntoIterator<Item: Future<Output = T> + Send + 'static>,
    T: Send + 'static,
{
    let futures: Vec<_> = futures.into_iter().collect();
    let builder = ScopeBuilder::new();
    async move {
        if futures.is_empty() {
            return Ok(None);
        }
        let winner = Arc::new(Mutex::new(None));
        let body = |scope: Scope| {
            let winner = winner.clone();
            async move {
                for future in futures {
                    drop(scope.spawn(run_for(future, winner.clone(), scope.clone())));
                }
                scope
            }
        };
        let scope = builder.run(body).await;
        let first = winner.lock().take();
        match first {
            Some(first) => Ok(Some(first)),
            None => Err(stopped(None, &scope)),
        }
    }
}

/// Runs one future of a race. The first to finish stops the others.
async fn run_for<F: Future>(future: F, winner: Arc<Mutex<Option<F::Output>>>, scope: Scope) {
    let output = future.await;
    let mut first = winner.lock();
    let late = match &*first {
        Some(_) => Some(output),
        None => {
            *first = Some(output);
            None
        }
    };
    drop(first);
    if late.is_none() {
        scope.stop_because(reason(StopKind::ParentFinished, ""));
    }
}

/// Waits for all, and returns their outputs, or one stop for all those that have none.
async fn in_order<T, E: Send + 'static>(
    tasks: Vec<JoinHandle<T>>,
    scope: &Scope<E>,
) -> Result<Vec<T>, Stopped> {
    let mut outputs = Vec::with_capacity(tasks.len());
    let mut without = None;
    for task in tasks {
        match task.await {
            Ok(output) => outputs.push(output),
            Err(error) => {
                without.get_or_insert(error);
            }
        }
    }
    match without {
        None => Ok(outputs),
        // If it has panicked or failed, the scope says so instead.
        Some(error) => Err(stopped(Some(&error), scope)),
    }
}

/// The stop that kept a task from having an output: the task's own, or the scope's, or that of a runtime which takes no more tasks.
fn stopped<E: Send + 'static>(error: Option<&JoinError>, scope: &Scope<E>) -> Stopped {
    let own = error.and_then(JoinError::reason).cloned();
    let reason = own.or_else(|| scope.stop_handle().reason());
    Stopped::new(reason.unwrap_or_else(|| StopReason::new(StopKind::Shutdown)))
}
