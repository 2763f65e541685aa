//! One thread, one job at a time.

use crate::blocking::Lane;
use crate::entry::current_or_default;
use crate::handle::Handle;
use crate::scheduler::Shared;
use crate::task::{Birth, JoinHandle};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Runs closures one at a time, in the order in which they were submitted, on a thread of its own.
///
/// For what must not be used by two at once and blocks while it is used: a database connection, a device, a log file. Each job is a task
/// like those of [`spawn_blocking`](crate::spawn_blocking): it has a place in the tree, its handle can stop it, its panic stays in its
/// handle, and it runs with the throughline of whoever submitted it. A job that is stopped while it waits never runs, and its handle
/// yields an error for which [`JoinError::is_stopped`](crate::JoinError::is_stopped) holds; one that runs can look with
/// [`check_stop`](crate::check_stop).
///
/// The thread is started by the first job and ends when none has come for as long as the blocking threads of the runtime wait; the next
/// job starts another one. So jobs must not count on the values of thread-locals.
///
/// [`close`](Self::close), or dropping the worker, refuses further jobs; those that it has are still run. When the runtime shuts down
/// they are stopped like other blocking jobs.
///
/// A job that waits for a later job of the same worker waits for ever.
///
/// # Fairness
///
/// First come, first served. The queue has no limit: whoever submits faster than the jobs run waits for their handles now and then.
///
/// # Examples
///
/// ```
/// use lenio_executor::SerialWorker;
/// use std::sync::{Arc, Mutex};
///
/// # fn main() -> Result<(), lenio_executor::JoinError> {
/// lenio_executor::block_on(async {
///     let journal = SerialWorker::new("journal");
///     let lines = Arc::new(Mutex::new(Vec::new()));
///     for n in 1..=3 {
///         let lines = lines.clone();
///         drop(journal.submit(move || lines.lock().map(|mut lines| lines.push(n)).is_ok()));
///     }
///     journal.close();
///     assert!(journal.submit(|| "too late").await.is_err_and(|error| error.is_refused()));
///
///     journal.drained().await;
///     assert_eq!(lines.lock().map(|lines| lines.clone()).ok(), Some(vec![1, 2, 3]));
///     Ok(())
/// })
/// # }
/// ```
pub struct SerialWorker {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
}

impl SerialWorker {
    /// Makes a worker of the current runtime; outside of any, of the default one. Its thread carries this name.
    ///
    /// Costs two allocations; no thread is started before the first job.
    ///
    /// # Examples
    ///
    /// See [`SerialWorker`].
    pub fn new(name: impl Into<String>) -> Self {
        Self::on(&current_or_default(), name)
    }

    /// Makes a worker of this runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use lenio_executor::{Runtime, SerialWorker};
    ///
    /// let runtime = Runtime::builder().threads(1).build()?;
    /// let worker = SerialWorker::on(runtime.handle(), "disk");
    /// let job = worker.submit(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(runtime.block_on(job)?.as_deref(), Some("disk"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(runtime: &Handle, name: impl Into<String>) -> Self {
        let shared = runtime.shared.clone();
        let lane = shared.blocking.open_lane(name.into());
        Self { shared, lane }
    }

    /// Queues a job behind the others. May be called from any thread, and from a job of this worker.
    ///
    /// After [`close`](Self::close), and once the runtime shuts down, the job is dropped, and the handle yields an error for which
    /// [`JoinError::is_refused`](crate::JoinError::is_refused) holds. Of a submit and a close at the same time one comes first: the job
    /// runs, or is refused. If the system refuses a thread the job is cancelled.
    ///
    /// Costs two locks and one allocation, two if it has a place in the tree.
    ///
    /// # Examples
    ///
    /// See [`SerialWorker`].
    #[track_caller]
    pub fn submit<F, T>(&self, job: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spawned_at = Location::caller();
        self.shared
            .spawn_in_lane(&self.lane, job, &Birth::default(), spawned_at)
    }

    /// Refuses further jobs; those that wait are still run, and then the thread ends. Returns whether it was open before.
    ///
    /// Never blocks; to wait for the end there is [`drained`](Self::drained).
    ///
    /// # Examples
    ///
    /// See [`SerialWorker`].
    pub fn close(&self) -> bool {
        self.lane.close()
    }

    /// Whether further jobs are refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::SerialWorker;
    ///
    /// let worker = SerialWorker::new("short-lived");
    /// assert!(!worker.is_closed());
    /// assert!(worker.close());
    /// assert!(worker.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.lane.is_closed()
    }

    /// How many jobs wait for their turn; the one that runs is not counted. Others may change it at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::SerialWorker;
    ///
    /// assert_eq!(SerialWorker::new("idle").queued(), 0);
    /// ```
    pub fn queued(&self) -> usize {
        self.lane.queued()
    }

    /// Waits until the worker is closed and its last job has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Fairness
    ///
    /// Everybody who waits is woken.
    ///
    /// # Examples
    ///
    /// See [`SerialWorker`].
    pub async fn drained(&self) {
        self.lane.over().wait().await;
    }
}

impl Drop for SerialWorker {
    fn drop(&mut self) {
        self.lane.close();
    }
}

impl fmt::Debug for SerialWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialWorker")
            .field("name", &self.lane.name())
            .field("queued", &self.queued())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
