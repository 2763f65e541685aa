#![expect(
    unsafe_code,
    reason = "tasks are made with an owner that the runtime keeps alive"
)]
//! How tasks and blocking jobs begin, and where they go when they are woken.

use super::current::{Context, with_worker};
use super::shared::{Schedule, Shared};
use crate::observe::Hooks;
use crate::task::{self, JoinHandle, Refusal, Runnable, contain};
use lenio_sync::primitive::thread;
use std::io;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;

pub(super) const SCHEDULE: Schedule = Schedule {
    task: schedule,
    blocking: schedule_blocking,
};

impl Shared {
    /// Makes a task and queues it, from whatever thread this is.
    pub(crate) fn spawn<F>(
        &self,
        future: F,
        name: Option<Box<str>>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        with_worker(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.shared, self) => {
                let owner = &worker.place().owner;
                if owner.is_closed() {
                    return JoinHandle::refused(Refusal::Stopping);
                }
                // SAFETY: see `owner`.
                let spawned =
                    unsafe { task::new_task(future, NonNull::from(owner), name, spawned_at) };
                owner.list(&spawned.runnable);
                worker.woken(spawned.runnable);
                spawned.handle
            }
            _ => self.spawn_outside(future, name, spawned_at),
        })
    }

    fn spawn_outside<F>(
        &self,
        future: F,
        name: Option<Box<str>>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let door = self.outside_door.lock();
        if self.outside.is_closed() {
            // The future's drop is user code: not under the lock.
            drop(door);
            return JoinHandle::refused(Refusal::Stopping);
        }
        // SAFETY: see `owner`.
        let spawned =
            unsafe { task::new_task(future, NonNull::from(&self.outside), name, spawned_at) };
        self.outside.list(&spawned.runnable);
        drop(door);
        self.inject(spawned.runnable);
        spawned.handle
    }

    /// Makes a blocking job and queues it.
    pub(crate) fn spawn_blocking<F, T>(
        self: &Arc<Self>,
        job: F,
        name: Option<Box<str>>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let start_thread = || start_blocking_thread(self);
        self.blocking.spawn(job, name, spawned_at, start_thread)
    }
}

/// Where `runnable` goes when it is woken. `shared` is the scheduler that its owner was made with.
fn schedule(shared: *const (), runnable: Runnable) {
    let shared = shared.cast::<Shared>();
    with_worker(|worker| match worker {
        Some(worker) if ptr::eq(&*worker.shared, shared) => worker.woken(runnable),
        _ => {
            // After the push the task may run and be gone, and with the last task the runtime: what the wake decision touches
            // must be kept alive from before the push.
            // SAFETY: the task is not done, so its runtime is alive (see `owner`).
            unsafe { Arc::increment_strong_count(shared) };
            // SAFETY: the count was raised for this one.
            let shared = unsafe { Arc::from_raw(shared) };
            shared.inject(runnable);
        }
    });
}

/// Where a blocking job goes when it is woken.
fn schedule_blocking(shared: *const (), runnable: Runnable) {
    let shared = shared.cast::<Shared>();
    // SAFETY: as in `schedule`.
    unsafe { Arc::increment_strong_count(shared) };
    // SAFETY: as in `schedule`.
    let shared = unsafe { Arc::from_raw(shared) };
    shared
        .blocking
        .submit(runnable, || start_blocking_thread(&shared));
}

/// The door through which blocking threads come.
fn start_blocking_thread(shared: &Arc<Shared>) -> io::Result<()> {
    let name = format!("{}-blocking-{}", shared.name, shared.blocking.next_number());
    let shared = shared.clone();
    thread::Builder::new()
        .name(name)
        .spawn(move || {
            Hooks::call(&shared.hooks.thread_start);
            let context = Context::enter(&shared);
            while let Some(job) = shared.blocking.next() {
                // The verdict needs no action: a job finishes in its one poll.
                contain(|| drop(job.run(None)));
                shared.blocking.finished();
            }
            drop(context);
            Hooks::call(&shared.hooks.thread_stop);
        })
        .map(drop)
}
