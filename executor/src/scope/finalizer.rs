//! Async cleanup that outlives the future that asked for it.

use crate::scheduler;
use crate::task::current;
use crate::task::tree::Finalizer;
use std::panic::Location;

/// Has `cleanup` run when the current task's body is over: it has returned, panicked, or been dropped by a cancel.
///
/// The runtime runs it then, inside of a [`shield`](crate::shield), with everything that was registered later before it and everything
/// that was registered earlier after it; the task is done when all have ended. A panic in one does not keep the others from running.
/// Children that one leaves behind are stopped when it ends, and gone before the next one begins.
/// How long they may take altogether is up to [`StopPolicy::finalizers`](crate::StopPolicy::finalizers); what is left then is dropped.
///
/// Costs an allocation, and one more for the first use in a task. Outside of a task the cleanup is spawned at once on the current runtime, because nothing
/// could run it later; outside of a runtime it is dropped.
///
/// # Examples
///
/// ```
/// use lenio_executor::{on_exit, spawn, yield_now};
/// use lenio_sync::Event;
/// use std::sync::Arc;
///
/// lenio_executor::block_on(async {
///     let cleaned = Arc::new(Event::new());
///     let signal = cleaned.clone();
///     let task = spawn(async move {
///         on_exit(async move {
///             yield_now().await;
///             signal.set();
///         });
///         std::future::pending::<()>().await
///     });
///     yield_now().await;
///     task.cancel();
///     assert!(task.await.unwrap_err().is_cancelled());
///     assert!(cleaned.is_set());
/// });
/// ```
#[track_caller]
pub fn on_exit(cleanup: impl Future<Output = ()> + Send + 'static) {
    let cleanup: Finalizer = Box::pin(cleanup);
    let left = current::with_task_node(|node| match node {
        Some(node) => node.add_finalizer(cleanup).err(),
        None => Some(cleanup),
    });
    if let (Some(cleanup), Some(shared)) = (left, scheduler::current()) {
        drop(shared.spawn_alone(cleanup, Location::caller()));
    }
}
