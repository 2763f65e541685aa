#![expect(
    unsafe_code,
    reason = "tasks are made with an owner that the runtime keeps alive"
)]
//! How tasks and blocking jobs begin, and where they go when they are woken.

use super::current::{Context, with_worker};
use super::shared::{Schedule, Shared};
use crate::blocking::Lane;
use crate::observe::Hooks;
use crate::task::{
    self, Birth, Body, JoinHandle, PlaceInTree, Refusal, Runnable, adopt_newborn, contain, current,
    line,
};
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
    /// Makes a task and queues it, from whatever thread this is. The policy says whose child it is.
    #[inline(always)]
    pub(crate) fn spawn<F>(
        &self,
        future: F,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if current::is_plain() && line::is_plain() && self.rules.are_plain() {
            self.spawn_alone(future, spawned_at)
        } else {
            self.spawn_at(future, &Birth::default(), spawned_at)
        }
    }

    /// Makes a task without a node.
    #[inline(always)]
    pub(crate) fn spawn_alone<F>(
        &self,
        future: F,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // As `spawn_in`, without a place: this is the way of most tasks, and it is short.
        with_worker(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.shared, self) => {
                let owner = &worker.place().owner;
                if owner.refuses_roots() {
                    return JoinHandle::refused(Refusal::Stopping);
                }
                // SAFETY: see `owner`.
                let spawned =
                    unsafe { task::new_task(future, NonNull::from(owner), None, spawned_at) };
                owner.list(&spawned.runnable);
                worker.woken(spawned.runnable);
                spawned.handle
            }
            // SAFETY: the future is 'static.
            _ => unsafe { self.spawn_outside(future, PlaceInTree::NONE, spawned_at) },
        })
    }

    /// Makes a task where `birth` says.
    #[inline(never)]
    pub(crate) fn spawn_at<F>(
        &self,
        future: F,
        birth: &Birth<'_>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Body + Send + 'static,
        F::Output: Send + 'static,
    {
        let place = birth.place(&self.rules, spawned_at);
        // SAFETY: the future is 'static.
        let handle = unsafe { self.spawn_in(future, place, spawned_at) };
        // Not before: a newborn's node is nobody else's.
        if let (Some(after), Some(node)) = (birth.deadline, handle.node()) {
            node.set_deadline(after);
        }
        handle
    }

    /// Makes a task with this place in the tree.
    ///
    /// # Safety
    ///
    /// Nothing that the future or its output borrow goes before the task's node is closed.
    pub(crate) unsafe fn spawn_in<F>(
        &self,
        future: F,
        place: PlaceInTree,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Body + Send,
        F::Output: Send,
    {
        with_worker(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.shared, self) => {
                let owner = &worker.place().owner;
                if place.is_refused_by(owner) {
                    return JoinHandle::refused(Refusal::Stopping);
                }
                // SAFETY: see `owner`; the rest by contract.
                let spawned =
                    unsafe { task::new_task(future, NonNull::from(owner), place.node, spawned_at) };
                // Adopted before it is listed: from then on a shutdown may find its node.
                if let Some(parent) = &place.parent {
                    adopt_newborn(parent, &spawned.runnable, place.inherits_policy);
                }
                owner.list(&spawned.runnable);
                worker.woken(spawned.runnable);
                spawned.handle
            }
            // SAFETY: passed on.
            _ => unsafe { self.spawn_outside(future, place, spawned_at) },
        })
    }

    /// # Safety
    ///
    /// As [`spawn_in`](Self::spawn_in).
    unsafe fn spawn_outside<F>(
        &self,
        future: F,
        place: PlaceInTree,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Body + Send,
        F::Output: Send,
    {
        let door = self.outside_door.lock();
        if place.is_refused_by(&self.outside) {
            // The future's drop is user code: not under the lock.
            drop(door);
            return JoinHandle::refused(Refusal::Stopping);
        }
        let owner = NonNull::from(&self.outside);
        // SAFETY: see `owner`; the rest by contract.
        let spawned = unsafe { task::new_task(future, owner, place.node, spawned_at) };
        // As above.
        if let Some(parent) = &place.parent {
            adopt_newborn(parent, &spawned.runnable, place.inherits_policy);
        }
        self.outside.list(&spawned.runnable);
        drop(door);
        self.inject(spawned.runnable);
        spawned.handle
    }

    /// Makes a blocking job and queues it.
    pub(crate) fn spawn_blocking<F, T>(
        self: &Arc<Self>,
        job: F,
        birth: &Birth<'_>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let place = birth.place(&self.rules, spawned_at);
        let start_thread = || start_blocking_thread(self);
        let handle = self.blocking.spawn(job, place, spawned_at, start_thread);
        if let (Some(after), Some(node)) = (birth.deadline, handle.node()) {
            node.set_deadline(after);
        }
        handle
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

impl Shared {
    /// Makes a blocking job and queues it in `lane`, which is one of this runtime.
    pub(crate) fn spawn_in_lane<F, T>(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        job: F,
        birth: &Birth<'_>,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let place = birth.place(&self.rules, spawned_at);
        let start_thread = || start_lane_thread(self, lane);
        self.blocking
            .spawn_in_lane(lane, job, place, spawned_at, start_thread)
    }
}

/// The door through which the threads of lanes come.
fn start_lane_thread(shared: &Arc<Shared>, lane: &Arc<Lane>) -> io::Result<()> {
    let (shared, lane) = (shared.clone(), lane.clone());
    thread::Builder::new()
        .name(lane.name().to_owned())
        .spawn(move || {
            Hooks::call(&shared.hooks.thread_start);
            let context = Context::enter(&shared);
            while let Some(job) = lane.next() {
                contain(|| shared.blocking.note(&job.run(None)));
                shared.blocking.finished_in(&lane);
            }
            drop(context);
            Hooks::call(&shared.hooks.thread_stop);
        })
        .map(drop)
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
                contain(|| shared.blocking.note(&job.run(None)));
                shared.blocking.finished();
            }
            drop(context);
            Hooks::call(&shared.hooks.thread_stop);
        })
        .map(drop)
}
