//! What users are told about stops and failures.

use super::error::JoinError;
use super::id::TaskId;
use crate::context::chain::Chain;
use lenio_sync::stop::StopReason;
use lenio_time::Instant;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Who a [`StopEvent`] or a failure is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Which task. `None` for a scope, and for the future of a `block_on`.
    pub id: Option<TaskId>,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// On whose behalf it runs: the throughline that it has inherited.
    pub throughline: Chain,
}

impl TaskInfo {
    /// Of a task without a name or a throughline.
    pub(super) fn of_plain(id: TaskId, spawned_at: &'static Location<'static>) -> Self {
        Self {
            id: Some(id),
            name: None,
            spawned_at,
            throughline: Chain::empty(),
        }
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "task {id}")?,
            None => f.write_str("scope")?,
        }
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, ", spawned at {},", self.spawned_at)?;
        if !self.throughline.is_empty() {
            write!(f, " for {:#},", self.throughline)?;
        }
        Ok(())
    }
}

/// Where a stop came from: the [`origin`](StopReason::origin) of every reason that the runtime makes.
///
/// # Examples
///
/// ```
/// use lenio_executor::{StopOrigin, spawn, stopped, yield_now};
///
/// lenio_executor::block_on(async {
///     let task = spawn(async { stopped().await });
///     yield_now().await;
///     let by = spawn(async move {
///         task.stop("enough");
///         task.await
///     });
///     let id = by.id();
///     let reason = by.await.unwrap().unwrap();
///     assert_eq!(reason.origin::<StopOrigin>().unwrap().task, Some(id));
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopOrigin {
    /// The task that asked. `None`: it was no task.
    pub task: Option<TaskId>,
    /// On whose behalf it was asked.
    pub throughline: Chain,
    /// When, by the clock of the current runtime, or by the real one outside of any.
    pub at: Instant,
    /// Of a deadline: the address of the node whose time was over.
    pub(super) deadline_of: usize,
}

/// Something about a stop that somebody should know. Handed to the hook of [`Builder::on_stop_event`](crate::Builder::on_stop_event).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StopEvent {
    /// A task has been told to stop many times, and goes on waiting; see
    /// [`StopPolicy::ignored_stops`](crate::StopPolicy::ignored_stops).
    Ignored {
        /// Which task.
        task: TaskInfo,
        /// The stop.
        reason: StopReason,
        /// How often it was told.
        deliveries: u32,
    },
    /// The grace of a stop is over, and the task is being cancelled with everything below it.
    GraceOver {
        /// Which task.
        task: TaskInfo,
        /// The stop.
        reason: StopReason,
    },
    /// A task is still inside one poll, or a blocking job has not returned, although the hard limit has passed. It is left alone.
    Stuck {
        /// Which task.
        task: TaskInfo,
        /// The stop.
        reason: StopReason,
        /// How long ago the stop came.
        stopped_for: Duration,
    },
    /// Async finalizers took too long, and were dropped.
    FinalizersCut {
        /// Whose.
        task: TaskInfo,
    },
}

impl fmt::Display for StopEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored {
                task, deliveries, ..
            } => write!(f, "{task} was told to stop {deliveries} times and goes on"),
            Self::GraceOver { task, .. } => {
                write!(f, "{task} has not stopped in time and is cancelled")
            }
            Self::Stuck {
                task, stopped_for, ..
            } => write!(f, "{task} is stuck: it was stopped {stopped_for:?} ago"),
            Self::FinalizersCut { task } => write!(f, "the finalizers of {task} took too long"),
        }
    }
}

/// A failure of a task that nobody waits for. Handed to the hook of [`Builder::on_unobserved`](crate::Builder::on_unobserved).
#[derive(Debug)]
#[non_exhaustive]
pub struct Unobserved<'a> {
    /// Which task.
    pub task: TaskInfo,
    /// How it failed.
    pub error: &'a JoinError,
}

impl fmt::Display for Unobserved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed unobserved: {}", self.task, self.error)
    }
}
