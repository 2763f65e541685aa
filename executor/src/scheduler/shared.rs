#![expect(
    unsafe_code,
    reason = "the scheduler behind a task's owner: a pointer that outlives the tasks"
)]
//! The runtime as all its threads see it.

use super::idle::Idle;
use super::injector::Injector;
use super::park::Driver;
use super::{Choice, Monitor, Place, Worker, with_worker};
use crate::blocking::BlockingPool;
use crate::observe::{Hooks, LeftBehind, Metrics};
use crate::task::{self, JoinHandle, Owner, Refusal, Runnable};
use lenio_net::reactor::Reactor;
use lenio_sync::park::{Interrupt, Parker};
use lenio_sync::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use lenio_sync::primitive::{Mutex, thread};
use lenio_time::{Alarm, Clock, Timers};
use std::io;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a runtime is made from.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) threads: usize,
    /// Places for threads inside `block_on`.
    pub(crate) guests: usize,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) hooks: Hooks,
    pub(crate) stuck_after: Option<Duration>,
    pub(crate) blocking_threads: usize,
    pub(crate) blocking_idle: Duration,
}

/// A runtime.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The workers' places first, then those of guests.
    pub(crate) places: Box<[Arc<Place>]>,
    pub(crate) threads: usize,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) monitor: Monitor,
    pub(crate) blocking: BlockingPool,
    pub(crate) hooks: Hooks,
    pub(crate) clock: Clock,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) stuck_after: Option<Duration>,
    /// Tasks that were spawned by threads that are no workers.
    outside: Owner,
    /// Held while such a task is listed, so that closing the door and walking the list leave none out.
    outside_door: Mutex<()>,
    pub(crate) outside_timers: Arc<Timers>,
    /// Threads inside `block_on` that found no place.
    waiting: Mutex<Vec<Arc<Parker>>>,
    /// Places that are occupied by a thread.
    occupied: AtomicUsize,
    stopping: AtomicBool,
    ended: AtomicBool,
    /// Worker threads that have not ended, for the shutdown to wait on.
    alive: Mutex<usize>,
    all_ended: lenio_sync::primitive::Condvar,
}

impl Shared {
    /// Makes the runtime and starts its threads.
    pub(crate) fn start(setup: Setup) -> io::Result<Arc<Self>> {
        let reactor = Reactor::new()?;
        let driver = Arc::new(Driver::new(reactor.clone()));
        let shared = Arc::new_cyclic(|this: &Weak<Self>| {
            let timers = || {
                let alarm: Arc<dyn Alarm> = driver.clone();
                Timers::new(setup.clock.clone(), Some(alarm))
            };
            let place = |_| {
                let interrupt: Arc<dyn Interrupt> = reactor.clone();
                Arc::new(Place::new(
                    Parker::new(Some(interrupt)),
                    timers(),
                    owner(this),
                ))
            };
            let places: Box<[Arc<Place>]> = (0..setup.threads + setup.guests).map(place).collect();
            Self {
                idle: Idle::new(places.len()),
                places,
                threads: setup.threads,
                injector: Injector::new(),
                monitor: Monitor::new(),
                blocking: BlockingPool::new(
                    blocking_owner(this),
                    setup.blocking_threads,
                    setup.blocking_idle,
                ),
                hooks: setup.hooks,
                name: setup.name,
                seed: setup.seed,
                stuck_after: setup.stuck_after,
                outside: owner(this),
                outside_door: Mutex::new(()),
                outside_timers: timers(),
                waiting: Mutex::new(Vec::new()),
                occupied: AtomicUsize::new(0),
                stopping: AtomicBool::new(false),
                ended: AtomicBool::new(false),
                alive: Mutex::new(0),
                all_ended: lenio_sync::primitive::Condvar::new(),
                reactor,
                driver,
                clock: setup.clock,
            }
        });
        if let Err(error) = shared.start_threads() {
            shared.stop();
            shared.wait_for_threads(None);
            return Err(error);
        }
        Ok(shared)
    }

    fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        for index in 0..self.threads {
            let shared = self.clone();
            self.start_thread(format!("{}-worker-{index}", self.name), move || {
                Hooks::call(&shared.hooks.thread_start);
                if let Some(worker) = Worker::occupy(&shared, index) {
                    worker.run();
                }
                Hooks::call(&shared.hooks.thread_stop);
            })?;
        }
        if self.threads > 0 {
            let shared = self.clone();
            self.start_thread(format!("{}-monitor", self.name), move || {
                Monitor::run(&shared);
            })?;
        }
        Ok(())
    }

    /// The door through which the scheduler's threads come.
    fn start_thread(
        self: &Arc<Self>,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        struct Alive(Arc<Shared>);
        impl Drop for Alive {
            fn drop(&mut self) {
                let mut alive = self.0.alive.lock();
                *alive -= 1;
                if *alive == 0 {
                    self.0.all_ended.notify_all();
                }
            }
        }
        *self.alive.lock() += 1;
        let alive = Alive(self.clone());
        thread::Builder::new()
            .name(name)
            .spawn(move || {
                let _alive = alive;
                body();
            })
            .map(drop)
    }

    /// Where `runnable` goes when it is woken. `shared` is the scheduler that its owner was made with.
    fn schedule(shared: *const (), runnable: Runnable) {
        let shared = shared.cast::<Self>();
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

    fn schedule_blocking(shared: *const (), runnable: Runnable) {
        let shared = shared.cast::<Self>();
        // SAFETY: as in `schedule`.
        unsafe { Arc::increment_strong_count(shared) };
        // SAFETY: as in `schedule`.
        let shared = unsafe { Arc::from_raw(shared) };
        shared.blocking.submit(&shared, runnable);
    }

    /// Queues a task from outside the workers.
    pub(crate) fn inject(&self, runnable: Runnable) {
        if self.injector.push(runnable) {
            self.wake_for_push();
        }
    }

    /// Steps P2 to P5 of the idle protocol.
    pub(crate) fn wake_for_push(&self) {
        if let Some(place) = self.idle.pushed() {
            self.places[place].parker.unpark();
        }
    }

    /// Wakes any sleeper, if there is one. For rescues, not for pushes.
    pub(crate) fn wake_any(&self) {
        self.idle.fence();
        if let Some(place) = self.idle.claim_any() {
            self.places[place].parker.unpark();
        }
    }

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

    /// Everybody to whom tasks may belong.
    fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.places
            .iter()
            .map(|place| &place.owner)
            .chain([&self.outside])
    }

    /// Tasks that are not done, blocking jobs aside.
    pub(crate) fn living(&self) -> usize {
        self.owners().map(Owner::living).sum()
    }

    /// Lets go of finished tasks where that pays. For workers that have nothing better to do.
    pub(crate) fn sweep(&self) {
        self.owners().for_each(Owner::sweep_if_worth_it);
    }

    pub(crate) fn all_timers(&self) -> impl Iterator<Item = &Arc<Timers>> {
        self.places
            .iter()
            .map(|place| &place.timers)
            .chain([&self.outside_timers])
    }

    pub(crate) fn choice(&self, place: usize) -> Choice {
        Choice::new(self.seed, place as u64)
    }

    /// Finds a place for a thread inside `block_on`.
    pub(crate) fn occupy_as_guest(self: &Arc<Self>) -> Option<Worker> {
        (self.threads..self.places.len()).find_map(|index| Worker::occupy(self, index))
    }

    /// Registers a thread that wants a place, to be unparked when one becomes free.
    pub(crate) fn wait_for_place(&self, parker: &Arc<Parker>) {
        self.waiting.lock().push(parker.clone());
    }

    pub(crate) fn stop_waiting_for_place(&self, parker: &Arc<Parker>) {
        self.waiting
            .lock()
            .retain(|other| !Arc::ptr_eq(other, parker));
    }

    pub(crate) fn note_occupied(&self) {
        // ORDERING: Relaxed: read by the virtual clock's check, which is a hint that is taken again.
        self.occupied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_vacant(&self) {
        // ORDERING: Relaxed: as above.
        self.occupied.fetch_sub(1, Ordering::Relaxed);
        let waiting = self.waiting.lock().pop();
        if let Some(parker) = waiting {
            parker.unpark();
        }
    }

    /// Whether every thread that occupies a place sleeps, and no blocking job runs or waits: nothing can happen before the next timer.
    pub(crate) fn is_quiet(&self) -> bool {
        // ORDERING: Relaxed: as in `note_occupied`.
        let occupied = self.occupied.load(Ordering::Relaxed);
        self.idle.asleep() >= occupied && self.injector.is_empty() && self.blocking.is_idle()
    }

    /// Whether every thread that occupies a place sleeps.
    pub(crate) fn is_everybody_asleep(&self) -> bool {
        // ORDERING: Relaxed: the monitor puts a fence before.
        self.idle.asleep() >= self.occupied.load(Ordering::Relaxed)
    }

    /// Begins the shutdown: no task is accepted any more, every living one is asked to go. Returns how many were asked, blocking
    /// jobs aside, and how many queued blocking jobs were cancelled. Never blocks; does nothing the second time.
    pub(crate) fn stop(&self) -> (usize, usize) {
        // ORDERING: AcqRel: one caller wins; the Release pairs with the Acquire in `is_stopping`.
        if self.stopping.swap(true, Ordering::AcqRel) {
            return (0, 0);
        }
        let door = self.outside_door.lock();
        self.owners().for_each(Owner::close);
        drop(door);
        let queued = self.blocking.stop();
        let asked = self.owners().map(Owner::cancel_all).sum();
        self.wake_everybody();
        (asked, queued)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `stop`: whoever sees it also sees the owners closed.
        self.stopping.load(Ordering::Acquire)
    }

    /// Ends the runtime if it is stopping and no task lives. True: it has ended.
    pub(crate) fn end_if_done(&self) -> bool {
        if self.has_ended() {
            return true;
        }
        if !self.is_stopping() || self.living() > 0 {
            return false;
        }
        // ORDERING: Release pairs with the Acquire in `has_ended`; AcqRel so that one caller wins.
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.reactor.close();
            self.all_timers().for_each(|timers| timers.close());
            self.wake_everybody();
        }
        true
    }

    pub(crate) fn has_ended(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end_if_done`.
        self.ended.load(Ordering::Acquire)
    }

    fn wake_everybody(&self) {
        for place in &self.places {
            place.parker.unpark();
        }
        self.monitor.interrupt();
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for parker in waiting {
            parker.unpark();
        }
    }

    /// Waits until all worker threads have ended, at most for `timeout`. Returns how many are left.
    pub(crate) fn wait_for_threads(&self, timeout: Option<Duration>) -> usize {
        let until = timeout.map(|timeout| Clock::real().now() + timeout);
        let mut alive = self.alive.lock();
        while *alive > 0 {
            match until {
                None => alive = self.all_ended.wait(alive),
                Some(until) => {
                    let left = until.duration_since(Clock::real().now());
                    if left.is_zero() {
                        break;
                    }
                    alive = self.all_ended.wait_timeout(alive, left).0;
                }
            }
        }
        *alive
    }

    /// Tasks that are not done, for the report.
    pub(crate) fn left_behind(&self) -> Vec<LeftBehind> {
        let mut left = Vec::new();
        for owner in self.owners() {
            owner.for_each_living(|task| left.push(LeftBehind::of(task)));
        }
        left
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let blocking = self.blocking.counts();
        let workers = self.places.iter().enumerate();
        Metrics {
            workers: workers
                .map(|(index, place)| place.metrics(index < self.threads))
                .collect(),
            living_tasks: self.living(),
            blocking_threads: blocking.threads,
            blocking_idle: blocking.idle,
            blocking_queued: blocking.queued,
            timers: self.all_timers().map(|timers| timers.len()).sum(),
        }
    }
}

/// An owner whose tasks are queued by the runtime `this`.
///
/// The runtime outlives every task that is not done: each of its threads, and each thread that drains it during a shutdown, holds it
/// until no task lives; and where a shutdown gives up, the runtime is leaked on purpose (`Runtime::drop`).
fn owner(this: &Weak<Shared>) -> Owner {
    // SAFETY: see above.
    unsafe { Owner::new(Shared::schedule, this.as_ptr().cast()) }
}

fn blocking_owner(this: &Weak<Shared>) -> Owner {
    // SAFETY: as in `owner`; each thread of the pool holds the runtime, too.
    unsafe { Owner::new(Shared::schedule_blocking, this.as_ptr().cast()) }
}
