//! Signals that wake waiting tasks and carry no value.
//!
//! # The state word
//!
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `WAITING` | somebody stands in the list |
//! | 1 | `PERMIT` | a `notify_one` found nobody and waits for the next `Notified`; never together with `WAITING` |
//! | 2.. | generation | how often `notify_waiters` was called; comes round |
//!
//! `WAITING` is set and cleared under the lock of the list only, and says under that lock exactly whether the list has anybody in it. While
//! it is set nobody changes the word without the lock. While it is not set everybody changes it by compare-and-exchange. So there is
//! nothing to order between two words: whoever comes later in the history of this one sees what the other did.

use crate::budget;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::wait::{Guard, Stage, WaitQueue, Waiter, WakeBatch, block_on, note, wake};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

const WAITING: u64 = 0b01;
const PERMIT: u64 = 0b10;
const GENERATION: u64 = 0b100;

/// In test builds the generation starts at its greatest value less two, and comes round after a few calls.
const START: u64 = if cfg!(test) {
    (GENERATION * 3).wrapping_neg()
} else {
    0
};

fn generation(state: u64) -> u64 {
    state & !(WAITING | PERMIT)
}

/// Wakes tasks that wait for *something happened*, and leaves it to them to find out what.
///
/// [`notify_one`](Self::notify_one) wakes the task that has waited the longest, or lets the next one through if nobody waits: it stores
/// one permit, and never more than one. [`notify_waiters`](Self::notify_waiters) lets all through whose [`Notified`] exists, and stores
/// nothing.
///
/// Use it to build other primitives, or beside a data structure with a lock of its own: change the data, then notify. To hand a value over
/// use a `channel`, for a state that stays use [`Event`](crate::Event), and to count permits use a `Semaphore`.
///
/// What a task wrote before it notified is visible to the one that was let through by that.
///
/// # Fairness
///
/// First come, first served: the place in the queue is taken by the first poll of a [`Notified`], or by [`Notified::enable`]. Nobody
/// overtakes, because a permit is only ever stored while nobody waits.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Notify, wait::block_on};
/// use std::sync::{Arc, Mutex};
/// use std::thread;
///
/// let inbox = Arc::new((Mutex::new(Vec::new()), Notify::new()));
/// let other = inbox.clone();
/// let thread = thread::spawn(move || {
///     other.0.lock().unwrap().push("a letter");
///     other.1.notify_one();
/// });
/// block_on(inbox.1.notified());
/// assert_eq!(inbox.0.lock().unwrap().pop(), Some("a letter"));
/// # thread.join().ok();
/// ```
pub struct Notify {
    /// See the table of the module.
    state: AtomicU64,
    waiters: WaitQueue<()>,
}

impl Notify {
    /// Makes one that nobody has notified.
    ///
    /// # Examples
    ///
    /// ```
    /// let notify = lenio_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified_blocking();
    /// ```
    pub fn new() -> Self {
        Self {
            state: AtomicU64::new(START),
            waiters: WaitQueue::new(()),
        }
    }

    /// Lets one task through: the one that has waited the longest, or, if nobody waits, the next one that will.
    ///
    /// Several calls while nobody waits let one task through, not several. Costs one compare-and-exchange while nobody waits; else a
    /// lock, and one wake-up after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Notify, wait::block_on};
    ///
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// block_on(notify.notified());
    /// // Here a second `notified()` would wait.
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        if !self.store_permit() {
            self.wake_waiter();
        }
    }

    /// Lets all through whose [`Notified`] was made before, whether it has been polled or not.
    ///
    /// It stores nothing: a [`Notified`] that is made later waits, and a permit that is there stays for it. All are let through at
    /// one moment, and woken in the order in which they came: one that waits again right after it was woken waits for the next call.
    ///
    /// Costs one compare-and-exchange while nobody waits; else a lock, and a wake-up for each waiter after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Notify, wait::block_on};
    ///
    /// let notify = Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// block_on(first);
    /// block_on(second);
    /// ```
    #[inline]
    pub fn notify_waiters(&self) {
        // ORDERING: Relaxed: a guess, which the exchange confirms.
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITING == 0 {
            // ORDERING: Release pairs with the Acquire in `notified` and in `try_pass`: whoever is in the new generation, or was let
            // through by it, sees what was written before this call.
            match self.state.compare_exchange_weak(
                state,
                state.wrapping_add(GENERATION),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        self.notify_waiters_slow();
    }

    #[cold]
    fn notify_waiters_slow(&self) {
        let mut batch = WakeBatch::new();
        let mut waiters = self.waiters.lock();
        // ORDERING: Relaxed: a guess, which the exchange confirms.
        let mut state = self.state.load(Ordering::Relaxed);
        // ORDERING: Release, as in `notify_waiters`.
        while let Err(now) = self.state.compare_exchange_weak(
            state,
            state.wrapping_add(GENERATION) & !WAITING,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            state = now;
        }
        waiters.wake_all(0, &mut batch);
        drop(waiters);
        batch.wake_all();
    }

    /// Waits to be let through by [`notify_one`](Self::notify_one) or [`notify_waiters`](Self::notify_waiters).
    ///
    /// The order in which to use it: make the future, look at the state that the notifications are about, and await the future only
    /// if there is nothing to do. A `notify_waiters` after the future was made is never missed. For several tasks that wait for
    /// `notify_one` see [`Notified::enable`].
    ///
    /// Costs one load, and one compare-and-exchange if a permit is there; else a lock and a clone of the waker.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost: if the future was chosen by `notify_one` and is dropped before it has said so, the next waiter is let
    /// through instead, or the permit is stored. The place in the queue is lost.
    ///
    /// # Fairness
    ///
    /// First in, first out: each [`notify_one`](Self::notify_one) lets the one through that has waited the longest.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Notify, wait::block_on};
    ///
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// block_on(notify.notified());
    /// ```
    #[track_caller]
    #[inline]
    pub fn notified(&self) -> Notified<'_> {
        // ORDERING: Acquire pairs with the Release in `notify_waiters`: who finds its generation here, and will not be let through by
        // it, sees what was written before it, and so has no reason to wait for it.
        let state = self.state.load(Ordering::Acquire);
        Notified {
            notify: self,
            waiter: Waiter::new(&self.waiters),
            generation: generation(state),
            is_through: false,
            at: Location::caller(),
        }
    }

    /// Blocks the calling thread until it is let through. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let notify = lenio_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified_blocking();
    /// ```
    #[track_caller]
    pub fn notified_blocking(&self) {
        block_on(self.notified());
    }

    /// Stores the permit, unless somebody waits.
    #[inline]
    fn store_permit(&self) -> bool {
        // ORDERING: Relaxed: a guess, which the exchange confirms.
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITING == 0 {
            // ORDERING: Release pairs with the Acquire in `try_pass`. Even if the permit is there already: whoever takes it must see
            // what was written before this call, too.
            match self.state.compare_exchange_weak(
                state,
                state | PERMIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes the first waiter out; if there is none any more stores the permit.
    #[cold]
    fn wake_waiter(&self) {
        if let Some(waker) = self.choose_waiter() {
            wake(waker);
        }
    }

    fn choose_waiter(&self) -> Option<Waker> {
        let mut waiters = self.waiters.lock();
        let Some(waker) = waiters.take_one(0) else {
            // Under the lock an empty list means that `WAITING` is not set, and nobody can set it.
            let is_stored = self.store_permit();
            debug_assert!(is_stored, "WAITING without waiters");
            return None;
        };
        self.note_departure(&waiters);
        Some(waker)
    }

    /// To be called under the lock after a waiter has left the list.
    fn note_departure(&self, waiters: &Guard<'_, ()>) {
        if waiters.is_empty(0) {
            // ORDERING: Acquire and Release together pass on what the generation published: Acquire pairs with the Release in
            // `notify_waiters`, Release with the Acquire in `notified`. No read-modify-write is needed: while `WAITING` is set nobody
            // changes the word without the lock.
            let state = self.state.load(Ordering::Acquire);
            debug_assert!(state & WAITING != 0, "waiters without WAITING");
            // ORDERING: as above.
            self.state.store(state & !WAITING, Ordering::Release);
        }
    }

    /// Whether a `Notified` of `generation` may pass, without regard for those who wait. Takes the permit if that is what it takes.
    #[inline]
    fn try_pass(&self, generation: u64) -> bool {
        // ORDERING: Acquire pairs with the Release in `notify_waiters`.
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if self::generation(state) != generation {
                return true;
            }
            if state & PERMIT == 0 {
                return false;
            }
            // ORDERING: Acquire pairs with the Release in `store_permit`, and on failure with that in `notify_waiters`.
            match self.state.compare_exchange_weak(
                state,
                state & !PERMIT,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    /// As [`try_pass`](Self::try_pass), under the lock and for one that enters the list if the answer is no.
    fn try_pass_or_wait(&self, generation: u64) -> bool {
        while !self.try_pass(generation) {
            // ORDERING: Acquire on success: whoever waits now has seen all earlier notifications, and what was written before
            // them. Relaxed on failure: `try_pass` looks again.
            let waits = self.state.compare_exchange(
                generation,
                generation | WAITING,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            let stands_already = waits == Err(generation | WAITING);
            if waits.is_ok() || stands_already {
                return false;
            }
        }
        true
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed: a snapshot for people.
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Notify")
            .field("has_permit", &(state & PERMIT != 0))
            .field("has_waiters", &(state & WAITING != 0))
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Notify::notified`].
    ///
    /// Once it has been let through it stays so: polling it again is ready again, and takes no second permit.
    #[must_use = "futures do nothing unless polled"]
    pub struct Notified<'n> {
        notify: &'n Notify,
        #[pin]
        waiter: Waiter<'n, ()>,
        // The generation in which it was made.
        generation: u64,
        is_through: bool,
        at: &'static Location<'static>,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.is_through {
                abandon(this.notify, this.waiter);
            }
        }
    }
}

impl Notified<'_> {
    /// Takes a place in the queue without being polled, and returns whether it has been let through.
    ///
    /// Needed where several tasks wait for [`notify_one`](Notify::notify_one): without it, two notifications that come between the look
    /// at the state and the first poll of two futures make one permit, and one of the two tasks sleeps on. After `enable` each of
    /// them finds one of the waiting futures.
    ///
    /// If it returns true the future is ready, and what let it through is used up even if the future is dropped now.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Notify, wait::block_on};
    /// use std::pin::pin;
    ///
    /// let notify = Notify::new();
    /// let mut first = pin!(notify.notified());
    /// let mut second = pin!(notify.notified());
    /// assert!(!first.as_mut().enable());
    /// assert!(!second.as_mut().enable());
    /// // Nothing to do? Then wait.
    /// notify.notify_one();
    /// notify.notify_one();
    /// block_on(first);
    /// block_on(second);
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        if self.waiter.stage() == Stage::Listed {
            // It has a place already, perhaps with the waker of its task.
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_through(&mut cx).is_ready()
    }

    #[inline]
    fn poll_through(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if *this.is_through {
            return Poll::Ready(());
        }
        let (notify, generation) = (*this.notify, *this.generation);
        let is_through = match this.waiter.stage() {
            Stage::Fresh => notify.try_pass(generation),
            Stage::Listed => false,
            // Whoever takes a waiter out lets it through.
            Stage::Woken => true,
        };
        if !is_through {
            let check = |_: &mut Guard<'_, ()>, stage: Stage| {
                let is_through = match stage {
                    Stage::Fresh => notify.try_pass_or_wait(generation),
                    Stage::Listed => false,
                    Stage::Woken => true,
                };
                is_through.then_some(())
            };
            ready!(this.waiter.poll(0, cx, check));
        }
        *this.is_through = true;
        Poll::Ready(())
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_proceed(cx));
        let at = self.at;
        let poll = self.poll_through(cx);
        if poll.is_pending() {
            budget::refund();
            note("notification", at);
        }
        poll
    }
}

/// Leaves the queue, and passes the notification of `notify_one` on if there was one that nobody has heard of.
fn abandon(notify: &Notify, mut waiter: Pin<&mut Waiter<'_, ()>>) {
    let mut was_woken = false;
    waiter.as_mut().abandon(|waiters, stage, _| match stage {
        Stage::Fresh => {}
        Stage::Listed => notify.note_departure(waiters),
        Stage::Woken => was_woken = true,
    });
    // Not under the lock, and that is no gap: it is as if the first call had come a moment later.
    if was_woken && !waiter.was_woken_with_all() {
        notify.notify_one();
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("notify", &self.notify)
            .field("is_through", &self.is_through)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::pin::pin;
    use std::sync::atomic::Ordering::Relaxed;

    fn poll(future: Pin<&mut Notified<'_>>) -> bool {
        future
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn several_notifications_of_nobody_are_one_permit() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_one();
        assert!(poll(pin!(notify.notified())));
        assert!(!poll(pin!(notify.notified())));
    }

    #[test]
    fn notify_waiters_lets_everybody_through_who_was_made_before_and_stores_nothing() {
        let notify = Notify::new();
        let (mut polled, mut made) = (pin!(notify.notified()), pin!(notify.notified()));
        assert!(!poll(polled.as_mut()));
        notify.notify_waiters();
        let late = pin!(notify.notified());
        assert!(poll(polled) && poll(made.as_mut()));
        assert!(!poll(late));
    }

    #[test]
    fn whoever_notify_waiters_lets_through_leaves_the_permit_for_others() {
        let notify = Notify::new();
        let early = pin!(notify.notified());
        notify.notify_one();
        notify.notify_waiters();
        assert!(poll(early));
        assert!(poll(pin!(notify.notified())), "the permit is still there");
    }

    #[test]
    fn r21_a_chosen_one_that_is_dropped_passes_the_notification_on() {
        let notify = Notify::new();
        let mut first = Box::pin(notify.notified());
        let mut second = pin!(notify.notified());
        assert!(!poll(first.as_mut()) && !poll(second.as_mut()));
        notify.notify_one();
        assert!(!poll(second.as_mut()), "it is not its turn");
        drop(first);
        assert!(poll(second));
        let mut third = Box::pin(notify.notified());
        assert!(!poll(third.as_mut()));
        notify.notify_one();
        drop(third);
        assert!(poll(pin!(notify.notified())), "stored: nobody waited");
    }

    #[test]
    fn r21_a_chosen_one_passes_on_even_if_notify_waiters_came_later() {
        let notify = Notify::new();
        let mut chosen = Box::pin(notify.notified());
        assert!(!poll(chosen.as_mut()));
        notify.notify_one();
        notify.notify_waiters();
        drop(chosen);
        assert!(poll(pin!(notify.notified())));
    }

    #[test]
    fn r21_one_of_all_that_is_dropped_passes_nothing_on() {
        let notify = Notify::new();
        let mut one_of_all = Box::pin(notify.notified());
        assert!(!poll(one_of_all.as_mut()));
        notify.notify_waiters();
        drop(one_of_all);
        assert!(!poll(pin!(notify.notified())));
    }

    #[test]
    fn a_future_that_is_through_stays_through_and_keeps_no_permit() {
        let notify = Notify::new();
        notify.notify_one();
        let mut first = Box::pin(notify.notified());
        assert!(first.as_mut().enable());
        notify.notify_one();
        assert!(poll(first.as_mut()) && poll(first.as_mut()));
        drop(first);
        assert!(poll(pin!(notify.notified())));
        assert!(!poll(pin!(notify.notified())), "nothing was passed on");
    }

    #[test]
    fn enable_takes_a_place_and_keeps_the_waker_of_one_that_has_it_already() {
        let notify = Notify::new();
        let count = std::sync::Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
        assert!(!first.as_mut().enable());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(!first.as_mut().enable());
        assert!(!second.as_mut().enable());
        notify.notify_one();
        notify.notify_one();
        assert_eq!(count.0.load(Relaxed), 1, "the waker was kept");
        assert!(first.as_mut().enable());
        assert!(poll(second));
    }

    #[test]
    fn a_dropped_waiter_leaves_no_mark_that_somebody_waits() {
        let notify = Notify::new();
        let mut future = Box::pin(notify.notified());
        assert!(!poll(future.as_mut()));
        drop(future);
        assert_eq!(notify.state.load(Relaxed) & WAITING, 0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Make,
        Poll(usize),
        Enable(usize),
        Drop(usize),
        One,
        All,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => Just(Step::Make),
            4 => (0..6usize).prop_map(Step::Poll),
            1 => (0..6usize).prop_map(Step::Enable),
            2 => (0..6usize).prop_map(Step::Drop),
            2 => Just(Step::One),
            1 => Just(Step::All),
        ];
        prop::collection::vec(step, 1..60)
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Place {
        Fresh { generation: u32 },
        Waits,
        Chosen,
        Released,
        Through,
    }

    #[derive(Default)]
    struct Model {
        has_permit: bool,
        generation: u32,
        queue: VecDeque<usize>,
        places: Vec<Option<Place>>,
        has_waker: Vec<bool>,
        wakes: Vec<usize>,
    }

    impl Model {
        fn wake(&mut self, id: usize, place: Place) {
            self.places[id] = Some(place);
            self.wakes[id] += usize::from(self.has_waker[id]);
        }

        fn one(&mut self) {
            match self.queue.pop_front() {
                Some(id) => self.wake(id, Place::Chosen),
                None => self.has_permit = true,
            }
        }

        fn all(&mut self) {
            self.generation += 1;
            for id in std::mem::take(&mut self.queue) {
                self.wake(id, Place::Released);
            }
        }

        fn look(&mut self, id: usize, has_waker: bool) -> Option<bool> {
            let place = self.places.get(id).copied()??;
            let is_through = match place {
                Place::Fresh { generation } if generation != self.generation => true,
                Place::Fresh { .. } => {
                    let had_permit = std::mem::take(&mut self.has_permit);
                    if !had_permit {
                        self.queue.push_back(id);
                        self.places[id] = Some(Place::Waits);
                    }
                    had_permit
                }
                Place::Waits => false,
                Place::Chosen | Place::Released | Place::Through => true,
            };
            self.has_waker[id] |= has_waker;
            if is_through {
                self.places[id] = Some(Place::Through);
            }
            Some(is_through)
        }

        fn drop(&mut self, id: usize) {
            let Some(place) = self.places.get_mut(id).and_then(Option::take) else {
                return;
            };
            self.queue.retain(|other| *other != id);
            if place == Place::Chosen {
                self.one();
            }
        }
    }

    proptest! {
        #[test]
        fn it_does_what_the_sequential_model_does(steps in steps()) {
            let notify = Notify::new();
            let mut model = Model::default();
            let mut futures: Vec<Option<Pin<Box<Notified<'_>>>>> = Vec::new();
            let mut counts: Vec<std::sync::Arc<Count>> = Vec::new();
            for step in steps {
                match step {
                    Step::Make => {
                        futures.push(Some(Box::pin(notify.notified())));
                        counts.push(Default::default());
                        let generation = model.generation;
                        model.places.push(Some(Place::Fresh { generation }));
                        model.has_waker.push(false);
                        model.wakes.push(0);
                    }
                    Step::Poll(id) => {
                        let expected = model.look(id, true);
                        let future = futures.get_mut(id).and_then(Option::as_mut);
                        let got = future.map(|future| {
                            let waker = Waker::from(counts[id].clone());
                            future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
                        });
                        prop_assert_eq!(got, expected);
                    }
                    Step::Enable(id) => {
                        // A listed one answers no even if it has just been chosen, which cannot happen on one thread.
                        let expected = model.look(id, false);
                        let future = futures.get_mut(id).and_then(Option::as_mut);
                        prop_assert_eq!(future.map(|future| future.as_mut().enable()), expected);
                    }
                    Step::Drop(id) => {
                        model.drop(id);
                        if let Some(place) = futures.get_mut(id) {
                            *place = None;
                        }
                    }
                    Step::One => {
                        model.one();
                        notify.notify_one();
                    }
                    Step::All => {
                        model.all();
                        notify.notify_waiters();
                    }
                }
                let state = notify.state.load(Relaxed);
                prop_assert_eq!(state & PERMIT != 0, model.has_permit);
                prop_assert_eq!(state & WAITING != 0, !model.queue.is_empty());
                let wakes: Vec<_> = counts.iter().map(|count| count.0.load(Relaxed)).collect();
                prop_assert_eq!(&wakes, &model.wakes);
            }
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::atomic::AtomicUsize;
    use crate::primitive::thread;
    use std::pin::pin;
    use std::sync::Arc;

    fn poll(future: Pin<&mut Notified<'_>>) -> bool {
        future
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn loom_ci_r21_notify_one_drop_passes_the_notification_to_the_next() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let (waits, notifies) = (notify.clone(), notify.clone());
            let mut first = Box::pin(notify.notified());
            assert!(!poll(first.as_mut()));
            let a = thread::spawn(move || waits.notified_blocking());
            let b = thread::spawn(move || notifies.notify_one());
            drop(first);
            a.join().unwrap();
            b.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_r21_notify_all_atomic_whoever_looked_before_is_let_through() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let is_set = Arc::new(AtomicUsize::new(0));
            let spawn = || {
                let (notify, is_set) = (notify.clone(), is_set.clone());
                thread::spawn(move || {
                    let notified = notify.notified();
                    // ORDERING: Relaxed: it is `notified` that has to order this.
                    if is_set.load(Ordering::Relaxed) == 0 {
                        block_on(notified);
                    }
                    // ORDERING: as above.
                    assert_eq!(is_set.load(Ordering::Relaxed), 1);
                })
            };
            let threads = [spawn(), spawn()];
            // ORDERING: Relaxed: published by the notification, which is what this model shows.
            is_set.store(1, Ordering::Relaxed);
            notify.notify_waiters();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_ci_a_permit_is_stored_or_wakes_and_publishes_what_was_written_before() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let data = Arc::new(AtomicUsize::new(0));
            let (other, written) = (notify.clone(), data.clone());
            let t = thread::spawn(move || {
                // ORDERING: Relaxed: published by the notification, which is what this model shows.
                written.store(1, Ordering::Relaxed);
                other.notify_one();
            });
            notify.notified_blocking();
            // ORDERING: as above.
            assert_eq!(data.load(Ordering::Relaxed), 1);
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_a_second_notification_publishes_although_the_permit_was_there() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let data = Arc::new(AtomicUsize::new(0));
            notify.notify_one();
            let (other, written) = (notify.clone(), data.clone());
            let t = thread::spawn(move || {
                // ORDERING: Relaxed: published by the notification, which is what this model shows.
                written.store(1, Ordering::Relaxed);
                other.notify_one();
            });
            // If the first permit was taken before the second call, a second one is there.
            notify.notified_blocking();
            // ORDERING: as above.
            if data.load(Ordering::Relaxed) == 0 {
                notify.notified_blocking();
                // ORDERING: as above.
                assert_eq!(data.load(Ordering::Relaxed), 1);
            }
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_r21_one_and_all_at_once_leave_one_permit_when_the_waiter_is_dropped() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let (one, all) = (notify.clone(), notify.clone());
            let mut waiter = Box::pin(notify.notified());
            assert!(!poll(waiter.as_mut()));
            let a = thread::spawn(move || one.notify_one());
            let b = thread::spawn(move || all.notify_waiters());
            drop(waiter);
            a.join().unwrap();
            b.join().unwrap();
            assert!(poll(pin!(notify.notified())));
            assert!(!poll(pin!(notify.notified())));
        });
    }

    #[test]
    fn loom_ci_two_enabled_waiters_find_two_things() {
        let mut model = loom::model::Builder::new();
        // Three threads that go round: two preemptions would take a minute.
        model.preemption_bound = Some(1);
        model.check(|| {
            let notify = Arc::new(Notify::new());
            let things = Arc::new(AtomicUsize::new(0));
            // ORDERING (all): Relaxed: published by the notifications, which is what this model shows.
            let make = |notify: &Notify, things: &AtomicUsize| {
                things.fetch_add(1, Ordering::Relaxed);
                notify.notify_one();
            };
            let take = |things: &AtomicUsize| {
                let less = |things: usize| things.checked_sub(1);
                things.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            };
            let consume = move |notify: &Notify, things: &AtomicUsize| {
                loop {
                    let mut notified = pin!(notify.notified());
                    notified.as_mut().enable();
                    if take(things).is_ok() {
                        return;
                    }
                    block_on(notified);
                }
            };
            let threads = [(); 2].map(|()| {
                let (notify, things) = (notify.clone(), things.clone());
                thread::spawn(move || consume(&notify, &things))
            });
            make(&notify, &things);
            make(&notify, &things);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
