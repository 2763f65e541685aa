#![expect(unsafe_code, reason = "jobs are task cells whose owner is the pool")]

//! Threads for work that blocks.
//!
//! A blocking job is a task whose one poll runs the closure. It lives in the same cell and has the same handle as any other task,
//! but its owner is the pool: waking it queues it here.
//!
//! # Who is woken, and when a thread is made
//!
//! The queue, the idle threads and the thread count stand under one lock, so the decision "wake one, or start one, or leave it queued"
//! is taken on the very state that the job was added to. A job *reserves* the thread that it notifies ([`State::idle`] goes down at
//! the notification, not when the thread gets round to waking): two jobs never count on the same sleeper. A thread that is notified
//! and finds no job, because a busy thread was quicker, goes back to sleep and counts as idle again; a thread whose sleep times out
//! while a notification is on its way to it takes that as its wake-up. Lock-free and sharded queues here have hung their users more
//! than once (tokio #8056, #7922); jobs that block are not where a hundred nanoseconds matter.

use crate::observe::{Hooks, LeftBehind};
use crate::scheduler::{Context, Shared};
use crate::task::{self, JoinHandle, Owner, Refusal, Runnable, contain};
use lenio_sync::primitive::{Condvar, Mutex, thread};
use std::collections::VecDeque;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// The blocking threads of a runtime.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    state: Mutex<State>,
    /// A job was queued for an idle thread, or the pool stops.
    work: Condvar,
    /// A job has ended while the pool stops.
    done: Condvar,
    owner: Owner,
    max_threads: usize,
    idle_time: Duration,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Runnable>,
    threads: usize,
    /// Sleeping threads that no job has notified yet.
    idle: usize,
    /// Notifications that no thread has taken yet.
    notified: usize,
    /// Jobs that are being run.
    running: usize,
    stopping: bool,
    /// For thread names.
    started: u64,
}

/// A closure as a future: its one poll runs it.
struct Job<F>(Option<F>);

// The closure is moved out before it is called; nothing is ever pinned.
impl<F> Unpin for Job<F> {}

impl<T, F: FnOnce() -> T> Future for Job<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<T> {
        match self.0.take() {
            // A blocking job may block: the cooperative budget is not for it.
            Some(job) => Poll::Ready(job()),
            None => unreachable!("a finished task is not polled again"),
        }
    }
}

impl BlockingPool {
    pub(crate) fn new(owner: Owner, max_threads: usize, idle_time: Duration) -> Self {
        Self {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            done: Condvar::new(),
            owner,
            max_threads,
            idle_time,
        }
    }

    /// Queues `job`. Refused once the pool stops.
    pub(crate) fn spawn<F, T>(
        &self,
        shared: &Arc<Shared>,
        job: F,
        name: Option<Box<str>>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let state = self.state.lock();
        if state.stopping {
            drop(state);
            return JoinHandle::refused(Refusal::Stopping);
        }
        // SAFETY: the pool is part of the runtime, which outlives every job that is not done: each thread of the pool holds it.
        let spawned =
            unsafe { task::new_task(Job(Some(job)), NonNull::from(&self.owner), name, spawned_at) };
        self.owner.list(&spawned.runnable);
        self.enqueue(shared, state, spawned.runnable);
        spawned.handle
    }

    /// Queues a job that was woken again, which only a cancel does to a job that is not queued: that is, never. Kept total all the same.
    pub(crate) fn submit(&self, shared: &Arc<Shared>, runnable: Runnable) {
        let state = self.state.lock();
        self.enqueue(shared, state, runnable);
    }

    fn enqueue(
        &self,
        shared: &Arc<Shared>,
        mut state: lenio_sync::primitive::MutexGuard<'_, State>,
        runnable: Runnable,
    ) {
        state.queue.push_back(runnable);
        match state.reaction(self.max_threads) {
            Reaction::Notify => {
                drop(state);
                self.work.notify_one();
            }
            Reaction::Leave => drop(state),
            Reaction::Start => {
                let number = state.started;
                drop(state);
                if self.start_thread(shared, number).is_err() {
                    self.thread_failed();
                }
            }
        }
    }

    fn start_thread(&self, shared: &Arc<Shared>, number: u64) -> std::io::Result<()> {
        let shared = shared.clone();
        thread::Builder::new()
            .name(format!("{}-blocking-{number}", shared.name))
            .spawn(move || {
                Hooks::call(&shared.hooks.thread_start);
                let context = Context::enter(&shared);
                shared.blocking.run(&shared);
                drop(context);
                Hooks::call(&shared.hooks.thread_stop);
            })
            .map(drop)
    }

    /// The system refused a thread. The jobs wait for the threads that exist; if there is none, they are cancelled rather than
    /// left to wait for ever.
    fn thread_failed(&self) {
        let mut state = self.state.lock();
        state.threads -= 1;
        let stranded = if state.threads == 0 {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(stranded);
    }

    /// A thread of the pool.
    fn run(&self, shared: &Shared) {
        let mut state = self.state.lock();
        loop {
            while let Some(runnable) = state.queue.pop_front() {
                state.running += 1;
                drop(state);
                // The verdict needs no action: a job finishes in its one poll.
                contain(|| drop(runnable.run()));
                state = self.state.lock();
                state.running -= 1;
                if state.stopping {
                    self.done.notify_all();
                }
                if shared.clock.is_virtual() && state.running == 0 {
                    lenio_sync::park::Interrupt::interrupt(&*shared.reactor);
                }
            }
            if state.stopping {
                break;
            }
            state.idle += 1;
            loop {
                let (locked, timed_out) = self.work.wait_timeout(state, self.idle_time);
                state = locked;
                match state.wake_up(timed_out) {
                    WakeUp::Work => break,
                    WakeUp::SleepOn => {}
                    WakeUp::Leave => {
                        state.threads -= 1;
                        return;
                    }
                }
            }
        }
        state.threads -= 1;
        self.done.notify_all();
    }

    /// Refuses further jobs and cancels those that wait. Returns how many.
    pub(crate) fn stop(&self) -> usize {
        let mut state = self.state.lock();
        state.stopping = true;
        let queued = std::mem::take(&mut state.queue);
        drop(state);
        self.work.notify_all();
        let cancelled = queued.len();
        // Dropping a runnable drops its closure, which is user code: not under the lock.
        drop(queued);
        cancelled
    }

    /// Waits until no job runs, at most for `timeout`. Returns those that still run.
    pub(crate) fn wait(&self, timeout: Duration) -> Vec<LeftBehind> {
        let clock = lenio_time::Clock::real();
        let until = clock.now() + timeout;
        let mut state = self.state.lock();
        while state.running > 0 {
            let left = until.duration_since(clock.now());
            if left.is_zero() {
                break;
            }
            state = self.done.wait_timeout(state, left).0;
        }
        let is_done = state.running == 0;
        drop(state);
        let mut running = Vec::new();
        if !is_done {
            self.owner.for_each_living(|job| {
                running.push(LeftBehind {
                    id: job.id(),
                    spawned_at: job.spawned_at(),
                });
            });
        }
        running
    }

    /// Whether no job waits or runs.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.running == 0 && state.queue.is_empty()
    }

    /// Threads, idle threads, queued jobs.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.threads, state.idle, state.queue.len())
    }
}

/// What to do about a job that was just queued.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Notify,
    Start,
    Leave,
}

/// What a sleeping thread does after its sleep.
#[derive(Debug, PartialEq, Eq)]
enum WakeUp {
    Work,
    SleepOn,
    Leave,
}

impl State {
    fn reaction(&mut self, max_threads: usize) -> Reaction {
        if self.idle > 0 {
            self.idle -= 1;
            self.notified += 1;
            return Reaction::Notify;
        }
        if self.threads < max_threads {
            self.threads += 1;
            self.started += 1;
            return Reaction::Start;
        }
        Reaction::Leave
    }

    fn wake_up(&mut self, timed_out: bool) -> WakeUp {
        if self.notified > 0 {
            // Taken by whoever wakes first, also by a sleep that has just timed out: a notification never goes to nobody.
            self.notified -= 1;
            return WakeUp::Work;
        }
        if self.stopping {
            self.idle -= 1;
            return WakeUp::Work;
        }
        if timed_out {
            self.idle -= 1;
            return WakeUp::Leave;
        }
        WakeUp::SleepOn
    }
}

#[cfg(all(test, lenio_loom))]
mod models;
