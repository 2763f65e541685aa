//! The queue of the blocking pool: which thread is woken for a job, and when a thread is made.
//!
//! The queue, the idle threads and the thread count stand under one lock, so the decision "wake one, or start one, or leave it queued"
//! is taken on the very state that the job was added to. A job *reserves* the thread that it notifies: `idle` goes down at the
//! notification, not when the thread gets round to waking, so two jobs never count on the same sleeper. A thread that is notified
//! and finds no job, because a busy thread was quicker, goes back to sleep and counts as idle again; a thread whose sleep times out
//! while a notification is on its way takes that as its wake-up.
//!
//! Lock-free and sharded queues in this place have hung their users more than once (tokio #8056, #7922); where jobs block, a
//! hundred nanoseconds do not matter.

use lenio_sync::primitive::{Condvar, Mutex};
use lenio_time::Clock;
use std::collections::VecDeque;
use std::time::Duration;

/// Jobs, and the threads that wait for them.
#[derive(Debug)]
pub(super) struct JobQueue<J> {
    state: Mutex<State<J>>,
    /// A job was queued for an idle thread, or the pool stops.
    work: Condvar,
    /// A job or a thread has ended while the pool stops.
    done: Condvar,
    max_threads: usize,
    idle_time: Duration,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    threads: usize,
    /// Sleeping threads that no job has reserved.
    idle: usize,
    /// Notifications that no thread has taken yet.
    notified: usize,
    /// Jobs that are being run.
    running: usize,
    stopping: bool,
}

/// What became of a job that was offered.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Offered<J> {
    /// A thread will take it.
    Queued,
    /// Queued, and the caller must start a thread, or say that it [could not](JobQueue::thread_failed).
    StartThread,
    /// The pool stops.
    Refused(J),
}

/// The threads and jobs of a pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) threads: usize,
    pub(crate) idle: usize,
    pub(crate) queued: usize,
    pub(crate) running: usize,
}

impl<J> JobQueue<J> {
    pub(super) fn new(max_threads: usize, idle_time: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                idle: 0,
                notified: 0,
                running: 0,
                stopping: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            max_threads,
            idle_time,
        }
    }

    /// Queues a job and wakes a thread for it, if one is to be had.
    pub(super) fn offer(&self, job: J) -> Offered<J> {
        let mut state = self.state.lock();
        if state.stopping {
            return Offered::Refused(job);
        }
        state.jobs.push_back(job);
        if state.idle > 0 {
            state.idle -= 1;
            state.notified += 1;
            drop(state);
            self.work.notify_one();
            return Offered::Queued;
        }
        if state.threads == self.max_threads {
            return Offered::Queued;
        }
        state.threads += 1;
        Offered::StartThread
    }

    /// The system refused a thread that was asked for. Returns the jobs that nobody is left to run: if there are threads they take
    /// them in time, and there are none.
    pub(super) fn thread_failed(&self) -> VecDeque<J> {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.threads == 0 {
            return std::mem::take(&mut state.jobs);
        }
        VecDeque::new()
    }

    /// The next job for a thread of the pool; `None`: the thread ends. The thread says [`finished`](Self::finished) after each job.
    pub(super) fn next(&self) -> Option<J> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                return Some(job);
            }
            if state.stopping {
                break;
            }
            state.idle += 1;
            loop {
                let (locked, timed_out) = self.work.wait_timeout(state, self.idle_time);
                state = locked;
                if state.notified > 0 {
                    // Whoever wakes first takes it, also a sleep that has just timed out: a notification never goes to nobody.
                    state.notified -= 1;
                    break;
                }
                if state.stopping {
                    state.idle -= 1;
                    break;
                }
                if timed_out {
                    state.idle -= 1;
                    state.threads -= 1;
                    return None;
                }
            }
        }
        state.threads -= 1;
        drop(state);
        self.done.notify_all();
        None
    }

    /// A job has ended.
    pub(super) fn finished(&self) {
        let mut state = self.state.lock();
        state.running -= 1;
        let stopping = state.stopping;
        drop(state);
        if stopping {
            self.done.notify_all();
        }
    }

    /// Refuses further jobs, tells the threads to end, and returns the jobs that wait.
    pub(super) fn stop(&self) -> VecDeque<J> {
        let mut state = self.state.lock();
        state.stopping = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.work.notify_all();
        jobs
    }

    /// Refuses further jobs; those that wait are still run, and then the threads end. Returns whether nobody had closed or stopped the
    /// queue before.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state.lock();
        let is_first = !std::mem::replace(&mut state.stopping, true);
        drop(state);
        self.work.notify_all();
        is_first
    }

    /// Whether jobs are refused.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().stopping
    }

    /// Whether jobs are refused, and none waits or runs: no job will ever run again.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.stopping && state.jobs.is_empty() && state.running == 0
    }

    /// Waits until no job runs, at most for `timeout`. Returns whether none runs.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let clock = Clock::real();
        let until = clock.now() + timeout;
        let mut state = self.state.lock();
        while state.running > 0 {
            let left = until.duration_since(clock.now());
            if left.is_zero() {
                return false;
            }
            state = self.done.wait_timeout(state, left).0;
        }
        true
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state.lock();
        Counts {
            threads: state.threads,
            idle: state.idle,
            queued: state.jobs.len(),
            running: state.running,
        }
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_started_only_up_to_the_limit() {
        let queue = JobQueue::new(2, Duration::MAX);
        assert_eq!(queue.offer(1), Offered::StartThread);
        assert_eq!(queue.offer(2), Offered::StartThread);
        assert_eq!(queue.offer(3), Offered::Queued);
        assert_eq!(queue.next(), Some(1));
        queue.finished();
        assert_eq!(queue.counts().queued, 2);
    }

    #[test]
    fn jobs_that_no_thread_will_run_come_back() {
        let queue = JobQueue::new(2, Duration::MAX);
        assert_eq!(queue.offer(1), Offered::StartThread);
        assert_eq!(queue.thread_failed(), [1]);
        assert_eq!(
            queue.offer(2),
            Offered::StartThread,
            "the next job tries again"
        );
    }

    #[test]
    fn an_idle_thread_ends_after_its_time() {
        let queue = JobQueue::<()>::new(1, Duration::ZERO);
        assert_eq!(queue.offer(()), Offered::StartThread);
        assert_eq!(queue.next(), Some(()));
        queue.finished();
        assert_eq!(queue.next(), None);
        assert_eq!(queue.counts().threads, 0);
    }

    #[test]
    fn a_closed_queue_refuses_and_runs_what_it_has() {
        let queue = JobQueue::new(1, Duration::MAX);
        assert_eq!(queue.offer(1), Offered::StartThread);
        assert_eq!(queue.offer(2), Offered::Queued);
        assert!(queue.close());
        assert!(!queue.close());
        assert_eq!(queue.offer(3), Offered::Refused(3));
        for job in [1, 2] {
            assert_eq!(queue.next(), Some(job));
            assert!(!queue.is_over());
            queue.finished();
        }
        assert!(queue.is_over());
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_stopped_queue_refuses_and_gives_back() {
        let queue = JobQueue::new(1, Duration::MAX);
        assert_eq!(queue.offer(1), Offered::StartThread);
        assert_eq!(queue.stop(), [1]);
        assert_eq!(queue.offer(2), Offered::Refused(2));
        assert_eq!(queue.next(), None);
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use lenio_sync::primitive::thread;
    use std::sync::Arc;

    fn worker(queue: &Arc<JobQueue<u32>>) -> thread::JoinHandle<u32> {
        let queue = queue.clone();
        thread::spawn(move || {
            let mut sum = 0;
            while let Some(job) = queue.next() {
                sum += job;
                queue.finished();
            }
            sum
        })
    }

    /// Runs both jobs on at most `max` threads; a job that nobody takes shows as a deadlock.
    fn two_jobs(max: usize) {
        loom::model(move || {
            let queue = Arc::new(JobQueue::new(max, Duration::MAX));
            let mut threads = Vec::new();
            for job in [1, 2] {
                if queue.offer(job) == Offered::StartThread {
                    threads.push(worker(&queue));
                }
            }
            // The pool has run everything when nothing is queued and nothing runs; only then is it told to stop.
            while queue.counts().queued + queue.counts().running > 0 {
                thread::yield_now();
            }
            assert!(queue.stop().is_empty());
            let sum: u32 = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum();
            assert_eq!(sum, 3, "each job ran exactly once");
        });
    }

    #[test]
    fn loom_ci_r09_an_idle_thread_or_a_new_one_takes_each_blocking_job() {
        two_jobs(2);
    }

    #[test]
    fn loom_ci_r09_one_thread_takes_all_blocking_jobs() {
        two_jobs(1);
    }

    #[test]
    fn loom_ci_r09_two_blocking_jobs_never_count_on_the_same_idle_thread() {
        loom::model(|| {
            let queue = Arc::new(JobQueue::new(2, Duration::MAX));
            let second_ran = Arc::new((Mutex::new(false), Condvar::new()));
            // Job 1 ends only when job 2 has run: each needs a thread of its own.
            let start = || {
                let (queue, second_ran) = (queue.clone(), second_ran.clone());
                thread::spawn(move || {
                    while let Some(job) = queue.next() {
                        let mut ran = second_ran.0.lock();
                        if job == 2 {
                            *ran = true;
                            second_ran.1.notify_all();
                        }
                        while job == 1 && !*ran {
                            ran = second_ran.1.wait(ran);
                        }
                        drop(ran);
                        queue.finished();
                    }
                })
            };
            let mut threads = Vec::new();
            for job in [0, 1, 2] {
                if queue.offer(job) == Offered::StartThread {
                    threads.push(start());
                }
            }
            let mut ran = second_ran.0.lock();
            while !*ran {
                ran = second_ran.1.wait(ran);
            }
            drop(ran);
            queue.stop();
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
    }

    #[test]
    fn loom_ci_r11_a_job_offered_during_the_close_runs_or_is_refused() {
        loom::model(|| {
            let queue = Arc::new(JobQueue::new(1, Duration::MAX));
            assert_eq!(queue.offer(1), Offered::StartThread);
            let thread = worker(&queue);
            let other = queue.clone();
            let offering = thread::spawn(move || other.offer(2) == Offered::Queued);
            assert!(queue.close());
            let accepted = offering.join().unwrap();
            let ran = thread.join().unwrap();
            assert_eq!(ran, if accepted { 3 } else { 1 }, "what was accepted ran");
            assert!(queue.is_over());
        });
    }

    #[test]
    fn loom_ci_r11_a_job_offered_during_the_stop_runs_or_is_refused() {
        loom::model(|| {
            let queue = Arc::new(JobQueue::new(1, Duration::MAX));
            assert_eq!(queue.offer(1), Offered::StartThread);
            let thread = worker(&queue);
            let other = queue.clone();
            let offering = thread::spawn(move || other.offer(2) == Offered::Queued);
            let back: u32 = queue.stop().into_iter().sum();
            let accepted = offering.join().unwrap();
            let ran = thread.join().unwrap();
            assert_eq!(ran + back, if accepted { 3 } else { 1 });
        });
    }
}
