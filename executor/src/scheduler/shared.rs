#![expect(
    unsafe_code,
    reason = "the scheduler behind a task's owner: a pointer that outlives the tasks"
)]
//! The runtime as all its threads see it.

use super::choice::Choice;
use super::driver::Driver;
use super::idle::Idle;
use super::injector::Injector;
use super::place::Place;
use super::watch::Watch;
use crate::blocking::BlockingPool;
use crate::observe::{Dump, Hooks, LeftBehind, Metrics};
use crate::policy::StopPolicy;
use crate::task::tree::{Ask, Cascade, Node};
use crate::task::{Home, Owner, Rules, Runnable, StopEvent, TaskId, Unobserved, living, roots};
use lenio_net::reactor::Reactor;
use lenio_sync::park::{Interrupt, Parker};
use lenio_sync::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use lenio_sync::primitive::{Condvar, Mutex};
use lenio_sync::stop::StopReason;
use lenio_time::{Alarm, Clock, Instant, Timers};
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

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
    pub(crate) watch: Watch,
    pub(crate) blocking: BlockingPool,
    pub(crate) hooks: Hooks,
    pub(crate) clock: Clock,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) stuck_after: Option<Duration>,
    pub(crate) rules: Rules,
    /// Tasks that were spawned by threads that are no workers.
    pub(super) outside: Owner,
    /// Held while such a task is listed, so that closing the door and walking the list leave none out.
    pub(super) outside_door: Mutex<()>,
    pub(crate) outside_timers: Arc<Timers>,
    /// Threads inside `block_on` that found no place.
    waiting: Mutex<VecDeque<Arc<Parker>>>,
    /// Places that are occupied by a thread.
    occupied: AtomicUsize,
    /// Living tasks that look after the alarms of others.
    keepers: Arc<AtomicUsize>,
    stopping: AtomicBool,
    ended: AtomicBool,
    /// Worker threads that have not ended, for the shutdown to wait on.
    alive: Mutex<usize>,
    all_ended: Condvar,
}

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
    pub(crate) rules: Rules,
}

/// Where tasks and blocking jobs go when they are woken; the first argument is the runtime.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) task: fn(*const (), Runnable),
    pub(super) blocking: fn(*const (), Runnable),
}

impl Shared {
    /// Makes the runtime. It has no threads yet.
    pub(super) fn new(setup: Setup, schedule: Schedule) -> io::Result<Arc<Self>> {
        let reactor = Reactor::new()?;
        let driver = Arc::new(Driver::new(reactor.clone()));
        Ok(Arc::new_cyclic(|this: &Weak<Self>| {
            let timers = || {
                let alarm: Arc<dyn Alarm> = driver.clone();
                Timers::new(setup.clock.clone(), Some(alarm))
            };
            let place = |_| {
                let interrupt: Arc<dyn Interrupt> = reactor.clone();
                Arc::new(Place::new(
                    Parker::new(Some(interrupt)),
                    timers(),
                    owner(this, schedule.task),
                ))
            };
            let places: Box<[Arc<Place>]> = (0..setup.threads + setup.guests).map(place).collect();
            Self {
                idle: Idle::new(places.len()),
                places,
                threads: setup.threads,
                injector: Injector::new(),
                watch: Watch::new(),
                blocking: BlockingPool::new(
                    owner(this, schedule.blocking),
                    setup.blocking_threads,
                    setup.blocking_idle,
                ),
                hooks: setup.hooks,
                name: setup.name,
                seed: setup.seed,
                stuck_after: setup.stuck_after,
                rules: setup.rules,
                outside: owner(this, schedule.task),
                outside_door: Mutex::new(()),
                outside_timers: timers(),
                waiting: Mutex::new(VecDeque::new()),
                occupied: AtomicUsize::new(0),
                keepers: Arc::new(AtomicUsize::new(0)),
                stopping: AtomicBool::new(false),
                ended: AtomicBool::new(false),
                alive: Mutex::new(0),
                all_ended: Condvar::new(),
                reactor,
                driver,
                clock: setup.clock,
            }
        }))
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

    /// As [`living`](Self::living), for people: without the runtime's own.
    pub(crate) fn living_tasks(&self) -> usize {
        // ORDERING: Relaxed: a statistic.
        let keepers = self.keepers.load(Ordering::Relaxed);
        self.living().saturating_sub(keepers)
    }

    /// Takes a step towards letting go of finished tasks, where that pays. Returns whether there is more to do.
    pub(crate) fn sweep(&self) -> bool {
        self.owners()
            .fold(false, |more, owner| owner.sweep_if_worth_it() | more)
    }

    pub(crate) fn all_timers(&self) -> impl Iterator<Item = &Arc<Timers>> + Clone {
        self.places
            .iter()
            .map(|place| &place.timers)
            .chain([&self.outside_timers])
    }

    pub(crate) fn choice(&self, place: usize) -> Choice {
        Choice::new(self.seed, place as u64)
    }

    /// Registers a thread that wants a place, to be unparked when one becomes free.
    pub(crate) fn wait_for_place(&self, parker: &Arc<Parker>) {
        self.waiting.lock().push_back(parker.clone());
    }

    pub(crate) fn is_waiting(&self, parker: &Arc<Parker>) -> bool {
        let waiting = self.waiting.lock();
        waiting.iter().any(|other| Arc::ptr_eq(other, parker))
    }

    /// Takes a thread off the list. False: it is not on it; it has been called.
    pub(crate) fn stop_waiting_for_place(&self, parker: &Arc<Parker>) -> bool {
        let mut waiting = self.waiting.lock();
        let at = waiting.iter().position(|other| Arc::ptr_eq(other, parker));
        at.map(|at| waiting.remove(at)).is_some()
    }

    /// Calls the thread that has waited longest to a place that may be vacant.
    pub(crate) fn call_to_place(&self) {
        let called = self.waiting.lock().pop_front();
        if let Some(parker) = called {
            parker.unpark();
        }
    }

    pub(crate) fn note_occupied(&self) {
        // ORDERING: Relaxed: read by the virtual clock's check, which is a hint that is taken again.
        self.occupied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_vacant(&self) {
        // ORDERING: Relaxed: as above.
        self.occupied.fetch_sub(1, Ordering::Relaxed);
        self.call_to_place();
    }

    /// Whether every thread that occupies a place is asleep at its parker, save the driver who asks, and no blocking job runs or waits:
    /// nothing can happen before the next timer.
    ///
    /// The idle words would not do: a place says there that it sleeps before its last look, and a woken root future is no entry.
    pub(crate) fn is_quiet(&self) -> bool {
        let asleep = self.places.iter().filter(|place| place.parker.is_asleep());
        // ORDERING: Relaxed: as in `note_occupied`.
        let occupied = self.occupied.load(Ordering::Relaxed);
        asleep.count() + 1 >= occupied && self.injector.is_empty() && self.blocking.is_idle()
    }

    /// Whether every thread that occupies a place sleeps.
    pub(crate) fn is_everybody_asleep(&self) -> bool {
        // ORDERING: Relaxed: the monitor puts a fence before.
        self.idle.asleep() >= self.occupied.load(Ordering::Relaxed)
    }

    /// Begins a gentle shutdown: tasks without a parent are refused, every living task is asked to stop. Returns those that have no
    /// parent, to be waited for.
    pub(crate) fn stop_gently(&self, reason: &StopReason) -> Vec<Arc<Node>> {
        let door = self.outside_door.lock();
        let owners = || self.owners().chain([self.blocking.owner()]);
        owners().for_each(Owner::refuse_roots);
        drop(door);
        let roots: Vec<Arc<Node>> = owners().flat_map(roots).collect();
        for root in &roots {
            // Whoever shuts down looks after the grace.
            let mut cascade = Cascade::new(reason.clone()).without_grace();
            cascade.begin(root, Ask::Stop);
            cascade.finish();
        }
        roots
    }

    /// Begins the shutdown: no task is accepted any more, every living one is asked to go. Returns how many queued blocking jobs were
    /// cancelled. Never blocks; does nothing the second time.
    pub(crate) fn stop(&self) -> usize {
        // ORDERING: AcqRel: one caller wins; the Release pairs with the Acquire in `is_stopping`.
        if self.stopping.swap(true, Ordering::AcqRel) {
            return 0;
        }
        let door = self.outside_door.lock();
        self.owners().for_each(Owner::close);
        drop(door);
        let queued = self.blocking.stop();
        self.owners().for_each(Owner::cancel_all);
        self.wake_everybody();
        queued
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
        self.watch.interrupt();
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for parker in waiting {
            parker.unpark();
        }
    }

    /// One more thread that a shutdown waits for, until the value is dropped.
    pub(super) fn count_thread(self: &Arc<Self>) -> Alive {
        *self.alive.lock() += 1;
        Alive(self.clone())
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

    /// Tasks that were ever dropped because of a cancel.
    pub(crate) fn cancelled(&self) -> u64 {
        let counts = self.places.iter().map(|place| &place.counters.cancelled);
        counts.map(|count| count.value()).sum()
    }

    /// Tasks that are not done, for the report.
    pub(crate) fn left_behind(&self) -> Vec<LeftBehind> {
        let mut left = Vec::new();
        for owner in self.owners() {
            owner.for_each_living(|task| left.push(LeftBehind::of(task)));
        }
        left
    }

    /// Ends the finalizers of every task whose body is over: the runtime ends, and nobody looks after their time any more.
    pub(crate) fn cut_finalizers(&self) {
        let owners = self.owners().chain([self.blocking.owner()]);
        let nodes = owners.flat_map(living).filter_map(|task| task.node);
        for node in nodes.filter(|node| node.read().is_body_done()) {
            node.cut_finalizers();
        }
    }

    /// The node of the living task with this id, if it has one.
    pub(crate) fn node_of(&self, id: TaskId) -> Option<Arc<Node>> {
        let mut tasks = self.owners().flat_map(living);
        tasks.find(|task| task.id == id)?.node
    }

    /// Every task that lives, blocking jobs among them, and what is around them in the tree.
    pub(crate) fn dump(&self) -> Dump {
        let owners = self.owners().chain([self.blocking.owner()]);
        let tasks = owners.flat_map(living);
        let tasks = tasks.filter(|task| *task.spawned_at != *keeper_site());
        Dump::of(tasks, self.clock.now())
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let blocking = self.blocking.counts();
        let workers = self.places.iter().enumerate();
        Metrics {
            workers: workers
                .map(|(index, place)| place.metrics(index < self.threads))
                .collect(),
            living_tasks: self.living_tasks(),
            blocking_threads: blocking.threads,
            blocking_idle: blocking.idle,
            blocking_queued: blocking.queued,
            timers: self.all_timers().map(|timers| timers.len()).sum(),
        }
    }
}

/// A thread of the runtime.
#[derive(Debug)]
pub(super) struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        let mut alive = self.0.alive.lock();
        *alive -= 1;
        if *alive == 0 {
            self.0.all_ended.notify_all();
        }
    }
}

/// An owner whose tasks are queued by the runtime `this`.
///
/// The runtime outlives every task that is not done: each of its threads, and each thread that drains it during a shutdown, holds it
/// until no task lives; and where a shutdown gives up, the runtime is leaked on purpose (`Runtime::drop`).
fn owner(this: &Weak<Shared>, schedule: fn(*const (), Runnable)) -> Owner {
    // SAFETY: see above.
    unsafe { Owner::new(schedule, home, this.as_ptr().cast()) }
}

/// The runtime as its tasks see it. `shared` is the scheduler that their owner was made with.
fn home(shared: *const ()) -> Option<Arc<dyn Home>> {
    let shared = shared.cast::<Shared>();
    // SAFETY: asked for a task that is not done, so its runtime is alive (see `owner`).
    unsafe { Arc::increment_strong_count(shared) };
    // SAFETY: the count was raised for this one.
    Some(unsafe { Arc::from_raw(shared) })
}

/// The spawn site of every keeper, by which dumps leave them out.
fn keeper_site() -> &'static Location<'static> {
    Location::caller()
}

impl Home for Shared {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        /// A keeper is nobody's task, and not counted as one.
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                // ORDERING: Relaxed: a statistic.
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        // ORDERING: Relaxed: a statistic.
        self.keepers.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.keepers.clone());
        let keeper = async move {
            let _counted = counted;
            future.await;
        };
        drop(self.spawn_alone(keeper, keeper_site()));
    }

    fn report(&self, event: &StopEvent) {
        self.hooks.call_stop_event(event);
    }

    fn report_unobserved(&self, failure: &Unobserved<'_>) {
        self.hooks.call_unobserved(failure);
    }

    fn policy(&self) -> StopPolicy {
        self.rules.policy
    }
}
