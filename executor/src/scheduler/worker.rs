//! A thread that occupies a place and runs tasks.

use super::choice::Choice;
use super::idle::Idle;
use super::place::Place;
use super::queue::LocalQueue;
use super::root::{Root, Seat};
use super::shared::Shared;
use super::{LIFO_PER_ROUND, MAINTENANCE, WORTH_A_WAKE_NS};
use crate::context::hide;
use crate::observe::Hooks;
use crate::task::{Home, Ran, Runnable, current};
use lenio_net::reactor::PreciseWaits;
use lenio_sync::budget;
use lenio_time::{Clock, Instant};
use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

/// What a worker assumes a poll to take before it has measured: long enough that two tasks are worth a wake.
const FIRST_ESTIMATE_NS: u64 = WORTH_A_WAKE_NS;

/// The private half of a place.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    place: Arc<Place>,
    index: usize,
    queue: LocalQueue,
    choice: Choice,
    /// Polls since maintenance.
    tick: Cell<u32>,
    /// Queue pops left in this round, and polls left that may bypass the queue: see the module's section on fairness.
    round: Cell<(usize, u32)>,
    /// The running estimate of the time per poll, and when it was last taken.
    poll_ns: Cell<u64>,
    sampled_at: Cell<Option<Instant>>,
    /// When maintenance last looked at the reactor.
    looks: Cell<Looks>,
    /// Made when this thread first waits for a timer.
    pub(super) precise: OnceCell<PreciseWaits>,
    /// When maintenance last asked for help.
    helped: Cell<Instant>,
    /// Whether this place counts as searching in the idle words.
    searching: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Looks {
    last: Instant,
    /// How often maintenance has come by since without looking.
    skipped: u32,
}

/// A busy worker looks at an unattended reactor after this time, at its next maintenance,
const LOOK_INTERVAL: Duration = Duration::from_micros(50);
/// and after this many maintenances in any case.
const MAX_SKIPPED: u32 = 15;
/// Between two wakes of sleepers for small work: twenty times what a wake costs.
const HELP_INTERVAL: Duration = Duration::from_micros(100);

impl Worker {
    /// Occupies a place, if nobody else does. The calling thread is the worker from then on.
    pub(crate) fn occupy(shared: &Arc<Shared>, index: usize) -> Option<Self> {
        let place = &shared.places[index];
        let queue = place.vacant.lock().take()?;
        place.parker.adopt();
        shared.note_occupied();
        shared.watch.note_activity();
        Some(Self {
            shared: shared.clone(),
            place: place.clone(),
            index,
            queue,
            choice: shared.choice(index),
            tick: Cell::new(0),
            round: Cell::new((0, LIFO_PER_ROUND)),
            poll_ns: Cell::new(FIRST_ESTIMATE_NS),
            sampled_at: Cell::new(None),
            looks: Cell::new(Looks {
                last: shared.clock.now(),
                skipped: 0,
            }),
            precise: OnceCell::new(),
            helped: Cell::new(shared.clock.now()),
            searching: Cell::new(false),
        })
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    fn idle_words(&self) -> &Idle {
        &self.shared.idle
    }

    /// Finds a place for a thread inside `block_on`.
    pub(crate) fn occupy_as_guest(shared: &Arc<Shared>) -> Option<Self> {
        (shared.threads..shared.places.len()).find_map(|index| Self::occupy(shared, index))
    }

    /// Works until the runtime has ended.
    pub(crate) fn run(&self) {
        loop {
            while let Some(runnable) = self.next() {
                self.poll(runnable);
            }
            if self.is_over() {
                return;
            }
            self.rest(None);
        }
    }

    /// Works until `future` is ready. May be called from within a poll on this very worker: then the tasks of this place go on, the
    /// one that called is simply not among them.
    pub(crate) fn block_on<F: Future>(
        &self,
        mut future: std::pin::Pin<&mut F>,
        root: &Arc<Root>,
    ) -> F::Output {
        let waker = root.waker();
        // A root future that wakes itself takes turns with the tasks.
        let mut had_its_turn = false;
        loop {
            self.tick();
            if !had_its_turn && self.may_bypass() && root.take() {
                had_its_turn = true;
                if let Poll::Ready(output) = self.poll_root(future.as_mut(), root, &waker) {
                    return output;
                }
                continue;
            }
            let next = self.next_queued();
            if next.is_none() && !had_its_turn && !root.is_woken() {
                self.is_over();
                self.rest(Some(root));
            }
            had_its_turn = false;
            if let Some(runnable) = next {
                self.poll(runnable);
            }
        }
    }

    /// Works for a stopping runtime without worker threads until no task lives, or for `grace`. Returns whether none lives.
    pub(crate) fn drain(&self, grace: Duration) -> bool {
        let clock = Clock::real();
        let until = clock.now() + grace;
        loop {
            let over = self.is_over();
            self.take_injected();
            while let Some(runnable) = self.next() {
                self.poll(runnable);
            }
            if over || self.is_over() {
                return true;
            }
            let left = until.duration_since(clock.now());
            if left.is_zero() {
                return false;
            }
            // A task lives that is not queued: it runs further up this stack, or a foreign thread is about to push it here.
            if self.shared.injector.is_empty() {
                self.place()
                    .parker
                    .park(Some(left.min(Duration::from_millis(1))));
            }
        }
    }

    fn poll_root<F: Future>(
        &self,
        future: std::pin::Pin<&mut F>,
        root: &Arc<Root>,
        waker: &Waker,
    ) -> Poll<F::Output> {
        self.stop_searching();
        self.note_bypass();
        let progress = &self.place().poll;
        let outer = progress.start_root();
        let paused = budget::start();
        // A panic of the root future passes to the caller of `block_on`; what was put aside is put back on the way.
        let restore = Restore(Some(|| {
            paused.resume();
            progress.restore(outer);
        }));
        let seat = Seat {
            root,
            home: || -> Arc<dyn Home> { self.shared.clone() },
        };
        let polled = current::with_root(&seat, || future.poll(&mut TaskContext::from_waker(waker)));
        drop(restore);
        self.place().counters.polls.add(1);
        self.share();
        polled
    }

    /// The next task to poll, by the order that the module describes.
    #[inline]
    fn next(&self) -> Option<Runnable> {
        self.tick();
        self.next_queued()
    }

    /// Counts a poll that is about to happen; maintenance is due every [`MAINTENANCE`] of them.
    #[inline(always)]
    fn tick(&self) {
        let tick = self.tick.get();
        if tick >= MAINTENANCE {
            self.maintain();
        } else {
            self.tick.set(tick + 1);
        }
    }

    #[inline]
    fn next_queued(&self) -> Option<Runnable> {
        if self.may_bypass() {
            if let Some(runnable) = self.place().lifo.take() {
                self.note_bypass();
                self.place().counters.lifo_polls.add(1);
                return Some(runnable);
            }
        }
        self.pop()
    }

    fn pop(&self) -> Option<Runnable> {
        let (pops, bypasses) = self.round.get();
        match self.queue.pop() {
            Some(runnable) => {
                match pops.checked_sub(1) {
                    Some(left) => self.round.set((left, bypasses)),
                    None => self.round.set((self.queue.len(), LIFO_PER_ROUND)),
                }
                Some(runnable)
            }
            None => {
                self.round.set((0, LIFO_PER_ROUND));
                self.place().lifo.take()
            }
        }
    }

    /// Whether this round still allows a poll that bypasses the queue.
    #[inline(always)]
    fn may_bypass(&self) -> bool {
        self.round.get().1 > 0 || self.queue.len() == 0
    }

    #[inline(always)]
    fn note_bypass(&self) {
        let (pops, bypasses) = self.round.get();
        self.round.set((pops, bypasses.saturating_sub(1)));
    }

    #[inline]
    fn poll(&self, runnable: Runnable) {
        self.stop_searching();
        let place = &*self.place;
        let (ran, exhausted) = if place.poll.is_polling() {
            self.run_nested(runnable)
        } else {
            place.poll.start(&runnable);
            let ran = self.run_one(runnable);
            place.poll.end();
            ran
        };
        place.counters.polls.add(1);
        match ran {
            Ran::Parked | Ran::Finished => {}
            Ran::Cancelled => place.counters.cancelled.add(1),
            Ran::Again(runnable) => {
                if exhausted {
                    place.counters.budget_yields.add(1);
                }
                self.queue.push(runnable);
            }
        }
        self.share();
    }

    /// Polls a task. Returns as well whether it has used up its budget.
    #[inline(always)]
    fn run_one(&self, runnable: Runnable) -> (Ran, bool) {
        let outer = budget::start();
        let ran = runnable.run(Some(&self.place.owner));
        (ran, outer.resume())
    }

    /// A poll within a poll: what belongs to the outer task is not for this one.
    #[cold]
    fn run_nested(&self, runnable: Runnable) -> (Ran, bool) {
        let progress = &self.place.poll;
        let outer = progress.outer();
        progress.start(&runnable);
        let hidden = hide();
        let ran = self.run_one(runnable);
        drop(hidden);
        progress.restore(outer);
        ran
    }

    /// A task was woken, or spawned, on this thread.
    #[inline]
    pub(crate) fn woken(&self, runnable: Runnable) {
        if let Some(displaced) = self.place().lifo.replace(runnable) {
            self.queue.push(displaced);
            // A long poll that spawns much should not keep it to itself until it ends.
            if self.queue.len() % 64 == 0 {
                self.share();
            }
        }
    }

    /// Wakes a sleeper if what is queued here is worth it.
    #[inline]
    fn share(&self) {
        let queued = self.queue.len();
        if queued == 0 {
            return;
        }
        let waiting = queued as u64 + u64::from(!self.place().lifo.is_empty());
        if waiting >= 2 && waiting * self.poll_ns.get() >= WORTH_A_WAKE_NS {
            self.wake_help();
        }
    }

    fn wake_help(&self) {
        if let Some(place) = self.idle_words().wake_one() {
            self.place().counters.wakes_sent.add(1);
            self.shared.places[place].parker.unpark();
        }
    }

    #[cold]
    fn maintain(&self) {
        self.tick.set(0);
        let now = self.shared.clock.now();
        self.estimate(now);
        self.take_injected();
        self.turn_timers(now);
        self.help_wanted(now);
        // A look at the reactor is a system call: after very short polls it waits until some time has passed, or many polls.
        let looks = self.looks.get();
        if looks.skipped >= MAX_SKIPPED || now.duration_since(looks.last) >= LOOK_INTERVAL {
            self.looks.set(Looks {
                last: now,
                skipped: 0,
            });
            self.poll_reactor();
        } else {
            self.looks.set(Looks {
                skipped: looks.skipped + 1,
                ..looks
            });
        }
        self.place().owner.sweep_if_worth_it();
        if self.shared.is_stopping() {
            self.place().owner.cancel_all();
        }
    }

    /// Wakes a sleeper for work that has been waiting here since the last maintenance, however short the polls are: a task may be worth
    /// more than its next poll. At most once per [`HELP_INTERVAL`], which bounds what is lost if it was not.
    fn help_wanted(&self, now: Instant) {
        if self.queue.len() > 0 && now.duration_since(self.helped.get()) >= HELP_INTERVAL {
            self.helped.set(now);
            self.wake_help();
        }
    }

    /// Updates the estimate of the time per poll: one clock reading per maintenance.
    fn estimate(&self, now: Instant) {
        if let Some(before) = self.sampled_at.replace(Some(now)) {
            let elapsed = now.duration_since(before).as_nanos();
            let per_poll = u64::try_from(elapsed).unwrap_or(u64::MAX) / u64::from(MAINTENANCE);
            self.poll_ns.set((self.poll_ns.get() + per_poll) / 2);
        }
    }

    fn take_injected(&self) {
        let mut taken = 0;
        for runnable in self.shared.injector.take_all() {
            self.queue.push(runnable);
            taken += 1;
        }
        if taken > 0 {
            self.place().counters.injected.add(taken);
        }
    }

    #[inline(always)]
    fn stop_searching(&self) {
        if self.searching.get() {
            self.stop_searching_slow();
        }
    }

    #[cold]
    fn stop_searching_slow(&self) {
        self.searching.set(false);
        if !self.idle_words().stop_search(self.index) {
            return;
        }
        // The last searcher goes to work: a push that relied on its search, but came after it had looked, must not wait for it.
        self.idle_words().fence();
        if !self.shared.injector.is_empty() {
            self.wake_help();
        }
    }

    /// Nothing is queued here: searches elsewhere, and sleeps if there is nothing.
    fn rest(&self, root: Option<&Root>) {
        if !self.searching.replace(true) {
            self.idle_words().start_search(self.index);
        }
        self.sampled_at.set(None);
        if self.search() {
            return;
        }
        if self.shared.sweep() {
            // More to tidy up, in small steps: look for work in between.
            return;
        }
        // Before the last look: the hook may spawn and wake.
        Hooks::call(&self.shared.hooks.park);
        self.idle_words().sleep(self.index);
        let woken = root.is_some_and(Root::is_woken);
        if woken || self.shared.has_ended() || self.is_work_visible() {
            self.idle_words().wake_self(self.index);
            Hooks::call(&self.shared.hooks.unpark);
            return;
        }
        self.park();
    }

    /// S3 of the idle protocol.
    fn is_work_visible(&self) -> bool {
        !self.shared.injector.is_empty()
            || !self.place().lifo.is_empty()
            || self
                .shared
                .places
                .iter()
                .any(|place| !place.far_end.is_empty())
    }

    /// Brings work into this worker's queue. False: there is none to be seen.
    fn search(&self) -> bool {
        self.take_injected();
        if self.queue.len() > 0 {
            return true;
        }
        let places = &self.shared.places;
        let start = self.choice.below(places.len());
        let mut stuck = None;
        for victim in (start..places.len()).chain(0..start) {
            let place = &places[victim];
            if victim == self.index {
                continue;
            }
            // A look first: stealing from an empty queue is far from free.
            if !place.far_end.is_empty() {
                if let Some(runnable) = place.far_end.steal_into(&self.queue) {
                    self.note_stolen(self.queue.len() + 1);
                    self.keep(runnable);
                    return true;
                }
            }
            if !place.lifo.is_empty() && place.poll.is_stuck(place.counters.polls.value()) {
                stuck = Some(place);
            }
        }
        // Nobody has a queue; the task in the slot of a worker that is stuck comes last.
        let Some(runnable) = stuck.and_then(|place| place.lifo.take()) else {
            return false;
        };
        self.note_stolen(1);
        self.keep(runnable);
        true
    }

    /// Puts a stolen task where it runs next.
    fn keep(&self, runnable: Runnable) {
        if let Some(displaced) = self.place().lifo.replace(runnable) {
            self.queue.push(displaced);
        }
    }

    fn note_stolen(&self, tasks: usize) {
        let counters = &self.place().counters;
        counters.steals.add(1);
        counters.stolen_tasks.add(tasks as u64);
    }

    /// Whether the runtime has ended. During a shutdown, cancels once more what this worker has spawned: a task that was listed while
    /// the list was walked would be missed otherwise.
    fn is_over(&self) -> bool {
        if self.shared.is_stopping() {
            self.place().owner.cancel_all();
        }
        self.shared.end_if_done()
    }

    /// Moves everything that is queued here to the injector, where others find it.
    pub(crate) fn hand_over(&self) {
        let mut moved = false;
        let lifo = self.place().lifo.take();
        for runnable in std::iter::from_fn(|| self.queue.pop()).chain(lifo) {
            moved |= self.shared.injector.push(runnable);
        }
        if moved {
            self.shared.wake_for_push();
        }
    }

    /// Leaves the place. Tasks that are queued here go to the others, and somebody else attends to the reactor.
    pub(crate) fn leave(self) {
        self.stop_searching();
        if self.shared.is_stopping() {
            self.place().owner.cancel_all();
        }
        self.hand_over();
        let Self {
            shared,
            index,
            queue,
            ..
        } = self;
        *shared.places[index].vacant.lock() = Some(queue);
        shared.note_vacant();
        // A sleeper that saw this worker in the reactor did not go there itself.
        if !shared.reactor.is_attended() {
            shared.wake_any();
        }
    }
}

/// Runs a function when it is dropped, also on unwinding.
struct Restore<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Restore<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}
