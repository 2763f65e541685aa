//! Waiting until the last of a varying number of members is gone.
//!
//! # The state word
//!
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `WAITING` | somebody stands in the list, or stood there when it was set and left |
//! | 1.. | count | how many members there are |
//!
//! `WAITING` is set under the lock of the list, and only while there are members. The member that makes the count 0 while it is set
//! goes under that lock first: those who stand in the list at that moment are exactly those who began to wait while there were
//! members, and nobody who began after it is woken by it. Everybody else changes the count without the lock.

use crate::budget;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::wait::{Stage, WaitQueue, Waiter, WakeBatch, block_on, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

const WAITING: usize = 0b01;
const MEMBER: usize = 0b10;

/// The most members at a time. Half of what fits, so that threads that add at the same moment cannot carry the count over.
const MOST: usize = usize::MAX / MEMBER / 2;

/// Counts members, and lets tasks wait until there are none.
///
/// [`add`](Self::add) hands out a [`Member`], which travels with the work that it stands for; cloning a member adds one more, dropping
/// it, in whatever thread and however the work ended, takes it away. [`wait`](Self::wait) is ready once nobody is left. The group can be
/// used again after that.
///
/// Use it to drain: connections, jobs, requests in flight. To collect what tasks return join them; to meet a fixed number of tasks
/// several times use [`Barrier`](crate::Barrier).
///
/// # Examples
///
/// ```
/// use lenio_sync::WaitGroup;
/// use std::thread;
///
/// let group = WaitGroup::new();
/// for _ in 0..3 {
///     let member = group.add();
///     thread::spawn(move || {
///         // Work.
///         drop(member);
///     });
/// }
/// group.wait_blocking();
/// assert_eq!(group.count(), 0);
/// ```
pub struct WaitGroup {
    /// Shared with the members, which may outlive the group.
    shared: Arc<Shared>,
}

struct Shared {
    /// See the table of the module.
    state: AtomicUsize,
    waiters: WaitQueue<()>,
}

impl WaitGroup {
    /// Makes a group without members. Allocates once.
    ///
    /// # Examples
    ///
    /// ```
    /// lenio_sync::WaitGroup::new().wait_blocking();
    /// ```
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: AtomicUsize::new(0),
                waiters: WaitQueue::new(()),
            }),
        }
    }

    /// Adds a member. Costs two atomic additions.
    ///
    /// # Panics
    ///
    /// If there are more than a quarter of `usize::MAX` members, which takes members that were forgotten, not dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = lenio_sync::WaitGroup::new();
    /// let member = group.add();
    /// assert_eq!(group.count(), 1);
    /// drop(member);
    /// assert_eq!(group.count(), 0);
    /// ```
    #[track_caller]
    pub fn add(&self) -> Member {
        self.shared.enter();
        Member {
            shared: self.shared.clone(),
        }
    }

    /// How many members there are at this moment. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = lenio_sync::WaitGroup::new();
    /// let members = [group.add(), group.add()];
    /// assert_eq!(group.count(), members.len());
    /// ```
    pub fn count(&self) -> usize {
        self.shared.count()
    }

    /// Waits until there is no member. Ready at once if there is none.
    ///
    /// What the members did before they were dropped is visible after it.
    ///
    /// Costs one load if there is no member; else a lock.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// # Fairness
    ///
    /// Each time that the last member goes, all waits that were polled before it end, even if new members are added right after. A
    /// moment without members that nobody has waited through is not remembered.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{WaitGroup, wait::block_on};
    ///
    /// let group = WaitGroup::new();
    /// let member = group.add();
    /// std::thread::spawn(move || drop(member));
    /// block_on(group.wait());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Wait<'_> {
        Wait {
            group: self,
            waiter: Waiter::new(&self.shared.waiters),
            at: Location::caller(),
        }
    }

    /// Blocks the calling thread until there is no member. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = lenio_sync::WaitGroup::new();
    /// drop(group.add());
    /// group.wait_blocking();
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self) {
        block_on(self.wait());
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// Something that a [`WaitGroup`] waits for, until it is dropped.
///
/// A member that is forgotten, not dropped, is waited for for ever.
///
/// # Examples
///
/// ```
/// let group = lenio_sync::WaitGroup::new();
/// let member = group.add();
/// let another = member.clone();
/// drop(member);
/// assert_eq!(group.count(), 1);
/// # drop(another);
/// ```
#[must_use = "a member that is dropped at once is never waited for"]
pub struct Member {
    shared: Arc<Shared>,
}

impl Clone for Member {
    /// Adds one more member to the group.
    ///
    /// # Panics
    ///
    /// As [`WaitGroup::add`].
    #[track_caller]
    fn clone(&self) -> Self {
        self.shared.enter();
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("count", &self.shared.count())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn count(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `leave`: who sees that a member is gone sees what was done before.
        self.state.load(Ordering::Acquire) / MEMBER
    }

    #[track_caller]
    fn enter(&self) {
        // ORDERING: Relaxed: a member publishes nothing by coming, and a read-modify-write keeps what those who left published.
        let before = self.state.fetch_add(MEMBER, Ordering::Relaxed);
        if before / MEMBER >= MOST {
            // Not by subtracting: the others may have left in between, and then the waiters are to be woken.
            self.leave();
            panic!("too many members in a wait group");
        }
    }

    fn leave(&self) {
        // ORDERING: Relaxed: a guess, which the exchange confirms.
        let mut state = self.state.load(Ordering::Relaxed);
        while state != MEMBER | WAITING {
            // ORDERING: Release pairs with the Acquire in `count`, `try_wait` and `leave_last`: what was done with this member is visible
            // to whoever sees the group empty.
            match self.state.compare_exchange_weak(
                state,
                state - MEMBER,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        self.leave_last();
    }

    /// Leaves as the last member while somebody waits; unless another one has come in the meantime.
    #[cold]
    fn leave_last(&self) {
        let mut batch = WakeBatch::new();
        let mut waiters = self.waiters.lock();
        // ORDERING: Relaxed: a guess, which the exchange confirms.
        let mut state = self.state.load(Ordering::Relaxed);
        let was_last = loop {
            let was_last = state / MEMBER == 1;
            let next = if was_last { 0 } else { state - MEMBER };
            // ORDERING: Release as in `leave`; Acquire pairs with the Release there, because the waiters that are woken here learn
            // from this thread alone that the others are gone.
            match self
                .state
                .compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break was_last,
                Err(now) => state = now,
            }
        };
        if was_last {
            waiters.wake_all(0, &mut batch);
        }
        drop(waiters);
        // Woken by the drop of the batch, which knows whether a panic is under way.
    }

    /// Under the lock: whether the group is empty. If not, the caller stands in the list before it unlocks.
    fn is_empty_or_wait(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `leave`.
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if state / MEMBER == 0 {
                return true;
            }
            if state & WAITING != 0 {
                return false;
            }
            // ORDERING: Relaxed on success: the bit publishes nothing, and who comes under the lock because of it finds the waiter
            // there. Acquire on failure: as for the load.
            match self.state.compare_exchange_weak(
                state,
                state | WAITING,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return false,
                Err(now) => state = now,
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`WaitGroup::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'g> {
        group: &'g WaitGroup,
        #[pin]
        waiter: Waiter<'g, ()>,
        at: &'static Location<'static>,
    }
}

impl Future for Wait<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let shared = &*this.group.shared;
        let is_over = match this.waiter.stage() {
            Stage::Fresh => shared.count() == 0,
            Stage::Listed => false,
            // Only the last member takes waiters out: to have been woken is to have seen the group empty.
            Stage::Woken => true,
        };
        if is_over {
            return Poll::Ready(());
        }
        let poll = this.waiter.poll(0, cx, |_, stage| {
            let is_over = match stage {
                Stage::Fresh => shared.is_empty_or_wait(),
                Stage::Listed => false,
                Stage::Woken => true,
            };
            is_over.then_some(())
        });
        if poll.is_pending() {
            budget::refund();
            note("wait group", this.at);
        }
        poll
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use proptest::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Waker;

    fn poll(future: Pin<&mut Wait<'_>>) -> bool {
        future
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn an_empty_group_lets_through_at_once_and_can_be_used_again() {
        let group = WaitGroup::new();
        for _ in 0..2 {
            assert!(poll(pin!(group.wait())));
            let member = group.add();
            let mut wait = pin!(group.wait());
            assert!(!poll(wait.as_mut()));
            drop(member);
            assert!(poll(wait));
        }
    }

    #[test]
    fn whoever_saw_the_group_empty_gets_through_although_there_are_new_members() {
        let group = WaitGroup::new();
        let member = group.add();
        let mut early = pin!(group.wait());
        assert!(!poll(early.as_mut()));
        drop(member);
        let _new = group.add();
        let mut late = pin!(group.wait());
        assert!(!poll(late.as_mut()));
        assert!(poll(early));
        assert!(!poll(late));
    }

    #[test]
    fn the_last_member_leaves_no_mark_that_somebody_waits() {
        let group = WaitGroup::new();
        let member = group.add();
        let mut wait = pin!(group.wait());
        assert!(!poll(wait.as_mut()));
        drop(member);
        assert_eq!(group.shared.state.load(Relaxed), 0);
    }

    #[test]
    fn a_member_may_outlive_the_group() {
        let group = WaitGroup::new();
        let member = group.add();
        drop(group);
        let another = member.clone();
        drop((member, another));
    }

    #[test]
    fn a_member_goes_with_the_panic_of_its_thread() {
        let group = WaitGroup::new();
        let member = group.add();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _member = member;
            panic!("in the work");
        }));
        assert!(result.is_err());
        group.wait_blocking();
    }

    #[test]
    fn too_many_members_are_refused_and_the_count_stays_right() {
        let group = WaitGroup::new();
        let member = group.add();
        group.shared.state.store(MOST * MEMBER, Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| member.clone())).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| group.add())).is_err());
        assert_eq!(group.count(), MOST);
        group.shared.state.store(MEMBER, Relaxed);
        drop(member);
        assert_eq!(group.count(), 0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add,
        Clone(usize),
        Leave(usize),
        Make,
        Poll(usize),
        Drop(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => Just(Step::Add),
            1 => (0..8usize).prop_map(Step::Clone),
            4 => (0..8usize).prop_map(Step::Leave),
            2 => Just(Step::Make),
            4 => (0..8usize).prop_map(Step::Poll),
            1 => (0..8usize).prop_map(Step::Drop),
        ];
        prop::collection::vec(step, 1..60)
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Place {
        Fresh,
        Waits,
        Through,
        Dropped,
    }

    proptest! {
        #[test]
        fn it_does_what_the_sequential_model_does(steps in steps()) {
            let group = WaitGroup::new();
            let mut members: Vec<Member> = Vec::new();
            let mut futures: Vec<Option<Pin<Box<Wait<'_>>>>> = Vec::new();
            let mut places: Vec<Place> = Vec::new();
            let mut counts: Vec<Arc<Count>> = Vec::new();
            let mut wakes = Vec::new();
            for step in steps {
                match step {
                    Step::Add => members.push(group.add()),
                    Step::Clone(id) => {
                        let clone = members.get(id).cloned();
                        members.extend(clone);
                    }
                    Step::Leave(id) => {
                        if id < members.len() {
                            drop(members.swap_remove(id));
                            for (place, wakes) in places.iter_mut().zip(&mut wakes) {
                                if members.is_empty() && *place == Place::Waits {
                                    *place = Place::Through;
                                    *wakes += 1;
                                }
                            }
                        }
                    }
                    Step::Make => {
                        futures.push(Some(Box::pin(group.wait())));
                        places.push(Place::Fresh);
                        counts.push(Default::default());
                        wakes.push(0);
                    }
                    Step::Poll(id) => {
                        let Some(future) = futures.get_mut(id).and_then(Option::as_mut) else {
                            continue;
                        };
                        if places[id] == Place::Fresh && !members.is_empty() {
                            places[id] = Place::Waits;
                        }
                        let waker = Waker::from(counts[id].clone());
                        let got = future.as_mut().poll(&mut Context::from_waker(&waker));
                        prop_assert_eq!(got.is_pending(), places[id] == Place::Waits);
                    }
                    Step::Drop(id) => {
                        if id < futures.len() {
                            futures[id] = None;
                            places[id] = Place::Dropped;
                        }
                    }
                }
                prop_assert_eq!(group.count(), members.len());
                let woken: Vec<_> = counts.iter().map(|count| count.0.load(Relaxed)).collect();
                prop_assert_eq!(&woken, &wakes);
            }
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::thread;
    use std::task::Waker;

    #[test]
    fn loom_ci_the_last_member_wakes_whoever_waits_and_all_that_was_done_is_visible() {
        loom::model(|| {
            let group = WaitGroup::new();
            let done = Arc::new([0; 2].map(AtomicUsize::new));
            let threads = [0, 1].map(|me| {
                let (member, done) = (group.add(), done.clone());
                thread::spawn(move || {
                    // ORDERING (both): Relaxed: published by the group, which is what this model shows.
                    done[me].store(1, Ordering::Relaxed);
                    drop(member);
                })
            });
            group.wait_blocking();
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_ci_whoever_finds_nobody_left_sees_what_they_did() {
        loom::model(|| {
            let group = Arc::new(WaitGroup::new());
            let done = Arc::new(AtomicUsize::new(0));
            let member = group.add();
            let (looks, seen) = (group.clone(), done.clone());
            let t = thread::spawn(move || {
                if looks.count() == 0 {
                    // ORDERING (both): Relaxed: published by the group, which is what this model shows.
                    assert_eq!(seen.load(Ordering::Relaxed), 1);
                }
            });
            done.store(1, Ordering::Relaxed);
            drop(member);
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_nobody_is_woken_by_the_end_of_members_that_it_never_saw() {
        loom::model(|| {
            let group = Arc::new(WaitGroup::new());
            let member = group.add();
            let mut early = Box::pin(group.wait());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(early.as_mut().poll(&mut cx).is_pending());
            let t = thread::spawn(move || drop(member));
            let new = group.add();
            let mut late = Box::pin(group.wait());
            assert!(late.as_mut().poll(&mut cx).is_pending());
            t.join().unwrap();
            assert!(
                late.as_mut().poll(&mut cx).is_pending(),
                "the new member has been there all the time"
            );
            drop(new);
            assert!(late.as_mut().poll(&mut cx).is_ready());
            assert!(early.as_mut().poll(&mut cx).is_ready());
        });
    }

    #[test]
    fn loom_ci_a_waiter_that_goes_does_not_cost_another_its_wake_up() {
        loom::model(|| {
            let group = Arc::new(WaitGroup::new());
            let member = group.add();
            let mut first = Box::pin(group.wait());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(first.as_mut().poll(&mut cx).is_pending());
            let other = group.clone();
            let t = thread::spawn(move || other.wait_blocking());
            let u = thread::spawn(move || drop(member));
            drop(first);
            t.join().unwrap();
            u.join().unwrap();
        });
    }
}
