//! A queue of its own beside the pool's: one thread, one job at a time.

use super::queue::{JobQueue, Offered};
use crate::task::Runnable;
use lenio_sync::Event;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Jobs that run one after the other, in the order in which they were queued.
///
/// The thread is started by a job that finds none, and ends when nothing came for a while. A lane that is closed refuses further jobs and
/// runs those that it has; one that is stopped gives them back.
#[derive(Debug)]
pub(crate) struct Lane {
    name: String,
    queue: JobQueue<Runnable>,
    /// Set when no job will ever run again.
    over: Event,
}

impl Lane {
    pub(super) fn new(name: String, idle_time: Duration) -> Self {
        Self {
            name,
            queue: JobQueue::new(1, idle_time),
            over: Event::new(),
        }
    }

    /// The name of its thread.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Queues a job; calls `start_thread` if there is no thread. Gives the job back once the lane is closed.
    pub(super) fn offer(
        &self,
        runnable: Runnable,
        start_thread: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Runnable> {
        match self.queue.offer(runnable) {
            Offered::Queued => {}
            Offered::Refused(runnable) => return Err(runnable),
            Offered::StartThread => {
                if start_thread().is_err() {
                    // The system refused a thread, and nobody else runs the jobs: they are cancelled.
                    drop(self.queue.thread_failed());
                    self.look_whether_it_is_over();
                }
            }
        }
        Ok(())
    }

    /// The next job for the thread; `None`: it ends.
    pub(crate) fn next(&self) -> Option<Runnable> {
        self.queue.next()
    }

    pub(super) fn finished(&self) {
        self.queue.finished();
        self.look_whether_it_is_over();
    }

    /// Refuses further jobs; those that are queued still run. Returns whether nobody had done so before.
    pub(crate) fn close(&self) -> bool {
        let is_first = self.queue.close();
        self.look_whether_it_is_over();
        is_first
    }

    /// Refuses further jobs, and returns those that are queued.
    #[must_use]
    pub(super) fn stop(&self) -> VecDeque<Runnable> {
        let queued = self.queue.stop();
        self.look_whether_it_is_over();
        queued
    }

    /// Whoever makes the last of these true comes here after it: closed, nothing queued, nothing running.
    fn look_whether_it_is_over(&self) {
        if self.queue.is_over() {
            self.over.set();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Set when the lane is closed and its last job has ended.
    pub(crate) fn over(&self) -> &Event {
        &self.over
    }

    /// How many jobs wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.counts().queued
    }

    pub(super) fn is_idle(&self) -> bool {
        let counts = self.queue.counts();
        counts.running == 0 && counts.queued == 0
    }

    /// Waits until no job runs, at most for `timeout`. Returns whether none runs.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        self.queue.wait(timeout)
    }
}
