//! What a shutdown left behind.

use crate::task::{Header, TaskId};
use std::fmt;
use std::panic::Location;

/// A task or blocking job that was still running when a shutdown stopped waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftBehind {
    /// Its identity, as its join handle reports it.
    pub id: TaskId,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
}

impl LeftBehind {
    pub(crate) fn of(task: &Header) -> Self {
        Self {
            id: task.id(),
            spawned_at: task.spawned_at(),
        }
    }
}

/// What became of a runtime's tasks in a [`shutdown`](crate::Runtime::shutdown).
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// let runtime = lenio_executor::Runtime::builder().threads(1).build()?;
/// runtime.spawn(std::future::pending::<()>());
/// let report = runtime.shutdown_now(Duration::from_secs(5));
/// assert!(report.is_clean());
/// assert_eq!(report.cancelled, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that were alive when the shutdown began and finished by themselves, in the poll that was under way.
    pub finished: usize,
    /// Tasks that were alive when the shutdown began and were dropped.
    pub cancelled: usize,
    /// Tasks that were still alive when the grace period ended, because a poll or a `Drop` did not return.
    pub still_running: Vec<LeftBehind>,
    /// Blocking jobs that were queued and never ran.
    pub blocking_cancelled: usize,
    /// Blocking jobs that were still running when the grace period ended.
    pub blocking_running: Vec<LeftBehind>,
    /// Worker threads that had not ended when the grace period ended.
    pub threads_left: usize,
}

impl Report {
    /// Whether everything has ended: no task, no blocking job and no thread is left.
    pub fn is_clean(&self) -> bool {
        self.still_running.is_empty() && self.blocking_running.is_empty() && self.threads_left == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tasks finished, {} tasks cancelled, {} blocking jobs cancelled",
            self.finished, self.cancelled, self.blocking_cancelled
        )?;
        for task in &self.still_running {
            write!(
                f,
                "; task {} spawned at {} still runs",
                task.id, task.spawned_at
            )?;
        }
        for job in &self.blocking_running {
            write!(
                f,
                "; blocking job {} spawned at {} still runs",
                job.id, job.spawned_at
            )?;
        }
        if self.threads_left > 0 {
            write!(f, "; {} worker threads left", self.threads_left)?;
        }
        Ok(())
    }
}
