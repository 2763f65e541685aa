//! A meeting point for a fixed number of tasks.

use crate::budget;
use crate::wait::{Guard, Stage, WaitQueue, Waiter, WakeBatch, block_on, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A meeting point: whoever comes waits until as many as agreed on are there, then all go on together.
///
/// It can be used again and again; each meeting is a *generation*, and the next one begins the moment the last one of this generation has
/// come. Use it for phases that a known number of tasks go through in step. To wait until a varying number of tasks has ended use
/// [`WaitGroup`](crate::WaitGroup).
///
/// Within its generation everybody has an index from 0 to `size - 1`, which nobody else has. Indices are given in the order of arrival;
/// the index of somebody who gave up waiting goes to the next who arrives. So the last to arrive always has the greatest index, and is
/// the leader.
///
/// Costs one lock per arrival, and a wake-up for each that waits when the last one has come. What anybody did before it arrived is
/// visible to everybody who went on.
///
/// # Examples
///
/// ```
/// use lenio_sync::Barrier;
/// use std::sync::Arc;
/// use std::thread;
///
/// let barrier = Arc::new(Barrier::new(3));
/// let threads: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         thread::spawn(move || barrier.wait_blocking().is_leader())
///     })
///     .collect();
/// let leaders = threads.into_iter().filter_map(|thread| thread.join().ok());
/// assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
/// ```
pub struct Barrier {
    /// Never 0.
    size: usize,
    waiters: WaitQueue<Arrivals>,
}

/// Who has come in this generation. Never complete: the last arrival begins the next generation.
struct Arrivals {
    /// How many wait.
    count: usize,
    /// Indices below `count + given_back.len()` that nobody who waits has.
    given_back: Vec<usize>,
}

impl Arrivals {
    fn take_index(&mut self) -> usize {
        let index = self.given_back.pop().unwrap_or(self.count);
        self.count += 1;
        index
    }

    fn give_index_back(&mut self, index: usize) {
        self.given_back.push(index);
        self.count -= 1;
        if self.count == 0 {
            // All were given back: begin with 0 again, and keep no more memory than it takes.
            self.given_back = Vec::new();
        }
    }
}

impl Barrier {
    /// Makes a barrier for `size` tasks. A barrier for 0 is one for 1: everybody passes at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = lenio_sync::Barrier::new(1);
    /// assert!(barrier.wait_blocking().is_leader());
    /// ```
    pub fn new(size: usize) -> Self {
        Self {
            size: size.max(1),
            waiters: WaitQueue::new(Arrivals {
                count: 0,
                given_back: Vec::new(),
            }),
        }
    }

    /// How many have to come.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::Barrier::new(3).size(), 3);
    /// ```
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many have come in this generation and wait for the others: from 0 to `size - 1`. Costs one lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::Barrier::new(3).arrivals(), 0);
    /// ```
    pub fn arrivals(&self) -> usize {
        self.waiters.lock().count
    }

    /// Arrives, and waits for the others. The arrival happens when the future is polled for the first time.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits takes its arrival back: the others wait for one more, and its index is given to the
    /// next who arrives. Once the last one has come the future counts as passed, and dropping it changes nothing for the others.
    ///
    /// # Fairness
    ///
    /// A generation lets exactly `size` tasks through. One that was let through and arrives again at once belongs to the next generation,
    /// even if others of the last one have not run yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Barrier, wait::block_on};
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let barrier = Barrier::new(2);
    /// let mut first = pin!(barrier.wait());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(first.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(block_on(barrier.wait()).index(), 1);
    /// assert_eq!(block_on(first).index(), 0);
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Wait<'_> {
        Wait {
            barrier: self,
            waiter: Waiter::new(&self.waiters),
            index: 0,
            has_passed: false,
            at: Location::caller(),
        }
    }

    /// Arrives, and blocks the calling thread until the others have come. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = lenio_sync::Barrier::new(1);
    /// assert_eq!(barrier.wait_blocking().index(), 0);
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self) -> BarrierWait {
        block_on(self.wait())
    }

    /// Counts one more. If that was the last one, takes all who wait out, and their generation is over.
    fn arrive(
        &self,
        arrivals: &mut Guard<'_, Arrivals>,
        index: &mut usize,
        batch: &mut WakeBatch,
    ) -> bool {
        *index = arrivals.take_index();
        if arrivals.count < self.size {
            return false;
        }
        debug_assert!(arrivals.given_back.is_empty(), "an index that nobody got");
        debug_assert_eq!(*index, self.size - 1, "the last one leads");
        arrivals.count = 0;
        arrivals.wake_all(0, batch);
        true
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("size", &self.size)
            .field("arrivals", &self.arrivals())
            .finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] tells those who passed.
///
/// # Examples
///
/// ```
/// let passed = lenio_sync::Barrier::new(1).wait_blocking();
/// assert_eq!((passed.index(), passed.is_leader()), (0, true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWait {
    index: usize,
    is_leader: bool,
}

impl BarrierWait {
    /// A number from 0 to `size - 1` that nobody else in this generation has: 0 for the first to arrive.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::Barrier::new(1).wait_blocking().index(), 0);
    /// ```
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether this is the one of its generation that arrived last.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(lenio_sync::Barrier::new(1).wait_blocking().is_leader());
    /// ```
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Barrier::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'b> {
        barrier: &'b Barrier,
        #[pin]
        waiter: Waiter<'b, Arrivals>,
        // Given at the arrival.
        index: usize,
        has_passed: bool,
        at: &'static Location<'static>,
    }

    impl PinnedDrop for Wait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let index = *this.index;
            if !*this.has_passed {
                this.waiter.abandon(|arrivals, stage, _| {
                    // A woken one has passed with its generation.
                    if stage == Stage::Listed {
                        arrivals.give_index_back(index);
                    }
                });
            }
        }
    }
}

impl Future for Wait<'_> {
    type Output = BarrierWait;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWait> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let (barrier, index) = (*this.barrier, this.index);
        // Only the last arrival takes waiters out: to have been woken is to have passed.
        *this.has_passed |= this.waiter.stage() == Stage::Woken;
        if !*this.has_passed {
            let mut batch = WakeBatch::new();
            let poll = this.waiter.poll(0, cx, |arrivals, stage| {
                let has_passed = match stage {
                    Stage::Fresh => barrier.arrive(arrivals, index, &mut batch),
                    Stage::Listed => false,
                    Stage::Woken => true,
                };
                has_passed.then_some(())
            });
            if poll.is_pending() {
                budget::refund();
                note("barrier", this.at);
                return Poll::Pending;
            }
            *this.has_passed = true;
            batch.wake_all();
        }
        Poll::Ready(BarrierWait {
            index: *index,
            is_leader: *index == barrier.size - 1,
        })
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("barrier", &self.barrier)
            .field("has_passed", &self.has_passed)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use proptest::prelude::*;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Waker;

    fn poll(future: Pin<&mut Wait<'_>>) -> Poll<usize> {
        future
            .poll(&mut Context::from_waker(Waker::noop()))
            .map(|passed| passed.index())
    }

    #[test]
    fn a_barrier_for_nobody_lets_everybody_through() {
        let barrier = Barrier::new(0);
        assert_eq!(barrier.size(), 1);
        for _ in 0..2 {
            let passed = barrier.wait_blocking();
            assert_eq!((passed.index(), passed.is_leader()), (0, true));
        }
    }

    #[test]
    fn a_future_that_was_never_polled_has_not_arrived() {
        let barrier = Barrier::new(2);
        let unpolled = barrier.wait();
        assert_eq!(barrier.arrivals(), 0);
        drop(unpolled);
        assert_eq!(barrier.arrivals(), 0);
        assert!(poll(pin!(barrier.wait())).is_pending());
    }

    #[test]
    fn r25_a_cancelled_arrival_is_taken_back_and_its_index_given_to_the_next() {
        let barrier = Barrier::new(3);
        let mut first = Box::pin(barrier.wait());
        let mut second = pin!(barrier.wait());
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(barrier.arrivals(), 1);
        let mut third = pin!(barrier.wait());
        assert!(poll(third.as_mut()).is_pending(), "one is still missing");
        let passed = barrier.wait_blocking();
        assert_eq!((passed.index(), passed.is_leader()), (2, true));
        assert_eq!(poll(second), Poll::Ready(1));
        assert_eq!(poll(third), Poll::Ready(0));
    }

    #[test]
    fn r25_after_everybody_has_gone_the_indices_begin_with_0_again() {
        let barrier = Barrier::new(3);
        let mut gone = [(); 2].map(|()| Box::pin(barrier.wait()));
        for wait in &mut gone {
            assert!(poll(wait.as_mut()).is_pending());
        }
        drop(gone);
        let (mut first, mut second) = (pin!(barrier.wait()), pin!(barrier.wait()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(barrier.wait_blocking().index(), 2);
        assert_eq!(
            (poll(first), poll(second)),
            (Poll::Ready(0), Poll::Ready(1))
        );
    }

    #[test]
    fn r25_whoever_is_dropped_after_its_generation_was_complete_has_passed() {
        let barrier = Barrier::new(2);
        let mut first = Box::pin(barrier.wait());
        assert!(poll(first.as_mut()).is_pending());
        assert!(barrier.wait_blocking().is_leader());
        let mut next = pin!(barrier.wait());
        assert!(poll(next.as_mut()).is_pending());
        drop(first);
        assert_eq!(barrier.arrivals(), 1, "the next generation is not touched");
        assert!(barrier.wait_blocking().is_leader());
        assert_eq!(poll(next), Poll::Ready(0));
    }

    #[test]
    fn a_future_that_has_passed_does_not_arrive_again() {
        let barrier = Barrier::new(2);
        let mut first = Box::pin(barrier.wait());
        assert!(poll(first.as_mut()).is_pending());
        let mut last = Box::pin(barrier.wait());
        for _ in 0..2 {
            assert_eq!(poll(last.as_mut()), Poll::Ready(1));
            assert_eq!(poll(first.as_mut()), Poll::Ready(0));
        }
        assert_eq!(barrier.arrivals(), 0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Make,
        Poll(usize),
        Drop(usize),
    }

    #[derive(Debug, Clone, Copy)]
    enum Place {
        Fresh,
        Waits(usize),
        Passed(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => Just(Step::Make),
            4 => (0..12usize).prop_map(Step::Poll),
            2 => (0..12usize).prop_map(Step::Drop),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        #[test]
        fn it_does_what_the_sequential_model_does(size in 1..5usize, steps in steps()) {
            let barrier = Barrier::new(size);
            let mut futures: Vec<Option<Pin<Box<Wait<'_>>>>> = Vec::new();
            let mut places: Vec<Option<Place>> = Vec::new();
            let mut counts: Vec<Arc<Count>> = Vec::new();
            let mut wakes = Vec::new();
            // In this generation.
            let mut was_cancelled = false;
            for step in steps {
                match step {
                    Step::Make => {
                        futures.push(Some(Box::pin(barrier.wait())));
                        places.push(Some(Place::Fresh));
                        counts.push(Default::default());
                        wakes.push(0);
                    }
                    Step::Poll(id) => {
                        let Some(Some(place)) = places.get(id).copied() else {
                            continue;
                        };
                        let waker = Waker::from(counts[id].clone());
                        let future = futures[id].as_mut().expect("alive as in the model").as_mut();
                        let got = future.poll(&mut Context::from_waker(&waker));
                        if let Place::Fresh = place {
                            let taken: Vec<usize> = places
                                .iter()
                                .filter_map(|place| match place {
                                    Some(Place::Waits(index)) => Some(*index),
                                    _ => None,
                                })
                                .collect();
                            let index = futures[id].as_ref().expect("alive as in the model").index;
                            prop_assert!(index < size);
                            prop_assert!(was_cancelled || index == taken.len(), "in order of arrival");
                            prop_assert!(!taken.contains(&index), "an index for two");
                            places[id] = Some(Place::Waits(index));
                            if taken.len() + 1 == size {
                                was_cancelled = false;
                                prop_assert_eq!(index, size - 1);
                                places[id] = Some(Place::Passed(index));
                                for (other, place) in places.iter_mut().enumerate() {
                                    if let Some(Place::Waits(index)) = *place {
                                        *place = Some(Place::Passed(index));
                                        wakes[other] += 1;
                                    }
                                }
                            }
                        }
                        let expected = match places[id] {
                            Some(Place::Passed(index)) => Poll::Ready(BarrierWait {
                                index,
                                is_leader: index == size - 1,
                            }),
                            _ => Poll::Pending,
                        };
                        prop_assert_eq!(got, expected);
                    }
                    Step::Drop(id) => {
                        if let Some(place) = places.get_mut(id) {
                            was_cancelled |= matches!(place, Some(Place::Waits(_)));
                            *place = None;
                            futures[id] = None;
                        }
                    }
                }
                let waiting = places.iter().filter(|place| matches!(place, Some(Place::Waits(_))));
                prop_assert_eq!(barrier.arrivals(), waiting.count());
                let woken: Vec<_> = counts.iter().map(|count| count.0.load(Relaxed)).collect();
                prop_assert_eq!(&woken, &wakes);
            }
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::Event;
    use crate::primitive::atomic::{AtomicUsize, Ordering};
    use crate::primitive::thread;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Waker;

    fn poll(future: Pin<&mut Wait<'_>>) -> Poll<BarrierWait> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn loom_ci_r25_a_cancel_and_the_last_arrival_agree_on_who_was_there() {
        loom::model(|| {
            let barrier = Arc::new(Barrier::new(2));
            let other = barrier.clone();
            let mut first = Box::pin(barrier.wait());
            assert!(poll(first.as_mut()).is_pending());
            let t = thread::spawn(move || {
                let mut last = Box::pin(other.wait());
                let has_passed = poll(last.as_mut()).is_ready();
                // A waiter that is let go takes its arrival back in turn.
                drop(last);
                has_passed
            });
            drop(first);
            t.join().unwrap();
            assert_eq!(barrier.arrivals(), 0);
        });
    }

    #[test]
    fn loom_ci_r25_whoever_meets_nobody_because_of_a_cancel_meets_the_next() {
        loom::model(|| {
            let barrier = Arc::new(Barrier::new(2));
            let is_through = Arc::new(Event::new());
            let (other, tells) = (barrier.clone(), is_through.clone());
            let mut first = Box::pin(barrier.wait());
            assert!(poll(first.as_mut()).is_pending());
            let t = thread::spawn(move || {
                let passed = other.wait_blocking();
                tells.set();
                passed
            });
            drop(first);
            // The other one has met the first one, or it meets this one.
            let (mut second, mut met_first) = (pin!(barrier.wait()), pin!(is_through.wait()));
            let met = block_on(poll_fn(|cx| match second.as_mut().poll(cx) {
                Poll::Ready(passed) => Poll::Ready(Some(passed)),
                Poll::Pending => met_first.as_mut().poll(cx).map(|()| None),
            }));
            let passed = t.join().unwrap();
            match met {
                Some(met) => assert_eq!(met.index() + passed.index(), 1),
                None => assert!(passed.index() < 2),
            }
        });
    }

    #[test]
    fn loom_ci_all_see_what_the_others_did_before_and_one_leads() {
        loom::model(|| {
            let barrier = Arc::new(Barrier::new(3));
            let done = Arc::new([0; 3].map(AtomicUsize::new));
            let meet = |barrier: &Barrier, done: &[AtomicUsize; 3], me: usize| {
                // ORDERING (both): Relaxed: published by the barrier, which is what this model shows.
                done[me].store(1, Ordering::Relaxed);
                let passed = barrier.wait_blocking();
                assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
                passed.index()
            };
            let spawn = |me| {
                let (barrier, done) = (barrier.clone(), done.clone());
                thread::spawn(move || meet(&barrier, &done, me))
            };
            let threads = [spawn(0), spawn(1)];
            let mut indices = vec![meet(&barrier, &done, 2)];
            indices.extend(threads.map(|thread| thread.join().unwrap()));
            indices.sort_unstable();
            assert_eq!(indices, [0, 1, 2]);
        });
    }
}
