#![expect(
    unsafe_code,
    reason = "the safe fence around the intrusive list: it ties nodes to their queue and its lock"
)]
//! The safe side of the waiter list: a lock, a value, and futures that wait for the value to change.

use super::batch::WakeBatch;
use super::list::{List, Node, Taking};
use crate::contain::contain;
use crate::primitive::{ShortGuard, ShortLock};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A value behind a lock, and `LISTS` first-in-first-out lists of waiters for its changes.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::{Guard, WaitQueue, WakeBatch, Waiter};
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// let queue: WaitQueue<u32> = WaitQueue::new(0);
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut waiter = pin!(Waiter::new(&queue));
/// let take = |permits: &mut Guard<'_, u32>, _| permits.checked_sub(1).map(|left| **permits = left);
/// assert!(waiter.as_mut().poll(0, &mut cx, take).is_pending());
///
/// let mut batch = WakeBatch::new();
/// let mut permits = queue.lock();
/// *permits += 1;
/// permits.wake_one(0, &mut batch);
/// drop(permits);
/// batch.wake_all();
///
/// assert_eq!(waiter.as_mut().poll(0, &mut cx, take), Poll::Ready(()));
/// ```
pub struct WaitQueue<T, const LISTS: usize = 1> {
    locked: ShortLock<Locked<T, LISTS>>,
}

struct Locked<T, const LISTS: usize> {
    lists: [List; LISTS],
    value: T,
}

impl<T, const LISTS: usize> WaitQueue<T, LISTS> {
    /// Wraps `value`; nobody waits.
    pub fn new(value: T) -> Self {
        Self {
            locked: ShortLock::new(Locked {
                lists: [const { List::new() }; LISTS],
                value,
            }),
        }
    }

    /// Locks the value and the lists. Blocks the thread; the lock is only ever held for a few instructions.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T, LISTS> {
        Guard {
            locked: self.locked.lock(),
        }
    }

    /// The value, for whoever has the queue alone.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.locked.get_mut().value
    }

    /// Locks the value and the lists if nobody holds the lock: for a fast path without a call in it. What is done without it has to be
    /// done with [`lock`](Self::lock) as well.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T, LISTS>> {
        let locked = self.locked.try_lock()?;
        Some(Guard { locked })
    }
}

impl<T: Default, const LISTS: usize> Default for WaitQueue<T, LISTS> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, const LISTS: usize> fmt::Debug for WaitQueue<T, LISTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").finish_non_exhaustive()
    }
}

/// The locked value of a [`WaitQueue`], and the right to take waiters from its lists.
pub struct Guard<'q, T, const LISTS: usize = 1> {
    locked: ShortGuard<'q, Locked<T, LISTS>>,
}

impl<T, const LISTS: usize> Guard<'_, T, LISTS> {
    /// Takes the longest waiting waiter of `list` and puts its waker into `batch`. Returns whether there was one.
    #[inline]
    pub fn wake_one(&mut self, list: usize, batch: &mut WakeBatch) -> bool {
        match self.take_one(list) {
            None => false,
            Some(waker) => {
                batch.push(waker);
                true
            }
        }
    }

    /// Takes the longest waiting waiter of `list` and hands out its waker, to be woken after unlocking.
    #[must_use = "whoever is taken from a list has to be woken"]
    #[inline]
    pub fn take_one(&mut self, list: usize) -> Option<Waker> {
        // SAFETY: the guard is the lock.
        unsafe { self.locked.lists[list].pop_front(Taking::One) }
    }

    /// How much the longest waiting waiter of `list` waits for.
    #[inline]
    pub fn front_need(&self, list: usize) -> Option<usize> {
        // SAFETY: the guard is the lock.
        unsafe { self.locked.lists[list].front_need() }
    }

    /// Takes all waiters of `list`, in the order in which they came. They can tell it from [`wake_one`](Self::wake_one) with
    /// [`Waiter::was_woken_with_all`].
    pub fn wake_all(&mut self, list: usize, batch: &mut WakeBatch) {
        // SAFETY: the guard is the lock.
        while let Some(waker) = unsafe { self.locked.lists[list].pop_front(Taking::All) } {
            batch.push(waker);
        }
    }

    /// Whether nobody waits in `list`.
    #[inline]
    pub fn is_empty(&self, list: usize) -> bool {
        self.locked.lists[list].is_empty()
    }
}

impl<T, const LISTS: usize> Deref for Guard<'_, T, LISTS> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.locked.value
    }
}

impl<T, const LISTS: usize> DerefMut for Guard<'_, T, LISTS> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.locked.value
    }
}

impl<T, const LISTS: usize> fmt::Debug for Guard<'_, T, LISTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Where a waiter stands when its future is polled or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not waited since it was made, or since its last wait was over.
    Fresh,
    /// It stands in a list.
    Listed,
    /// It was taken out of its list and its waker handed out, and it has not looked since.
    Woken,
}

/// One future's place in a [`WaitQueue`]. Pinned inside that future; dropping it leaves the queue.
///
/// A waiter that does not wait, because it was never polled or because its wait is over, costs no lock when it is dropped. Where a
/// wake-up is meant for one waiter among several, the future that holds it calls [`abandon`](Self::abandon) when it is dropped, and
/// passes on what it was woken for.
pub struct Waiter<'q, T, const LISTS: usize = 1> {
    queue: &'q WaitQueue<T, LISTS>,
    node: Node,
    /// The list that the node is in, or was last in.
    list: usize,
    /// Whether it waits: it was put into a list, and no poll has ended the wait since.
    waits: bool,
}

impl<'q, T, const LISTS: usize> Waiter<'q, T, LISTS> {
    /// Makes a waiter that is in no list yet.
    #[inline]
    pub fn new(queue: &'q WaitQueue<T, LISTS>) -> Self {
        Self::with_need(queue, 1)
    }

    /// As [`new`](Self::new), for a waiter that [`Guard::front_need`] shows to wait for that much.
    #[inline]
    pub fn with_need(queue: &'q WaitQueue<T, LISTS>, need: usize) -> Self {
        Self {
            queue,
            node: Node::new(need),
            list: 0,
            waits: false,
        }
    }

    /// The queue that this waiter belongs to.
    pub fn queue(&self) -> &'q WaitQueue<T, LISTS> {
        self.queue
    }

    /// How much it waits for.
    #[inline]
    pub fn need(&self) -> usize {
        self.node.need()
    }

    /// Where it stands. A [`Stage::Listed`] may be [`Stage::Woken`] a moment later.
    #[inline]
    pub fn stage(&self) -> Stage {
        match (self.waits, self.node.is_linked()) {
            (false, _) => Stage::Fresh,
            (true, true) => Stage::Listed,
            (true, false) => Stage::Woken,
        }
    }

    /// Whether it was last taken out of its list by [`Guard::wake_all`]: such a wake-up was meant for everybody, and nobody needs it
    /// passed on. Means something while the stage is [`Stage::Woken`], and after an [`abandon`](Self::abandon) at that stage.
    #[inline]
    pub fn was_woken_with_all(&self) -> bool {
        self.node.was_taken_with_all()
    }

    /// Asks `check` whether the wait is over, and waits in `list` if it is not.
    ///
    /// `check` runs under the lock, once or twice, and is told where the waiter stands. It must not call foreign code; wakers that it
    /// takes from the lists are woken by the caller after `poll` has returned. If it answers `None` the waker of `cx` is stored, and
    /// the waiter stands at the end of the list; or where it already stood; or, if it had been woken, at the beginning: it has waited
    /// the longest.
    ///
    /// Costs one lock, and a clone of the waker even if the wait turns out to be over: whoever expects that looks before, with
    /// [`WaitQueue::lock`] or without a lock.
    ///
    /// # Panics
    ///
    /// If `list` is not below `LISTS`.
    #[inline]
    pub fn poll<R>(
        self: Pin<&mut Self>,
        list: usize,
        cx: &mut Context<'_>,
        mut check: impl FnMut(&mut Guard<'q, T, LISTS>, Stage) -> Option<R>,
    ) -> Poll<R> {
        let stage = self.stage();
        if stage == Stage::Listed {
            return self.poll_listed(list, cx, check);
        }
        // Before the lock: a waker's clone may run anything.
        let waker = cx.waker().clone();
        // SAFETY: the node is never moved out of `self`; only the other fields are assigned to.
        let this = unsafe { self.get_unchecked_mut() };
        let mut guard = this.queue.lock();
        if let Some(result) = check(&mut guard, stage) {
            this.waits = false;
            drop(guard);
            drop_waker(waker);
            return Poll::Ready(result);
        }
        this.enlist(&mut guard, list, waker, stage);
        Poll::Pending
    }

    /// As [`poll`](Self::poll), for a waiter that stood in a list a moment ago.
    fn poll_listed<R>(
        self: Pin<&mut Self>,
        list: usize,
        cx: &mut Context<'_>,
        mut check: impl FnMut(&mut Guard<'q, T, LISTS>, Stage) -> Option<R>,
    ) -> Poll<R> {
        // SAFETY: the node is never moved out of `self`; only the other fields are assigned to.
        let this = unsafe { self.get_unchecked_mut() };
        let mut fresh: Option<Waker> = None;
        loop {
            let mut guard = this.queue.lock();
            // Under the lock the answer stands still.
            let stage = this.stage();
            if let Some(result) = check(&mut guard, stage) {
                this.waits = false;
                let old = this.unlist(&mut guard);
                drop(guard);
                drop_waker((old, fresh));
                return Poll::Ready(result);
            }
            let stays = this.node.is_linked() && this.list == list;
            if stays {
                // SAFETY: the lock is held and the node belongs to this queue, where it is linked.
                let has_waker = unsafe { this.node.will_wake(cx) };
                if has_waker {
                    drop(guard);
                    drop(fresh);
                    return Poll::Pending;
                }
            }
            let Some(waker) = fresh.take() else {
                // A waker's clone may run anything, so the lock is given up for it and `check` runs once more.
                drop(guard);
                fresh = Some(cx.waker().clone());
                continue;
            };
            let old = if stays {
                // SAFETY: the lock is held and the node belongs to this queue, where it is linked.
                Some(unsafe { this.node.replace_waker(waker) })
            } else {
                let old = this.unlist(&mut guard);
                this.enlist(&mut guard, list, waker, stage);
                old
            };
            drop(guard);
            drop(old);
            return Poll::Pending;
        }
    }

    /// Ends the wait, if there is one, because what it waited for has come by another way. Costs a lock only if it stands in a list.
    ///
    /// A panic of the stored waker's `Drop` ends here: the caller has something in hand that would be lost with it.
    #[inline]
    pub fn finish(self: Pin<&mut Self>) {
        if self.waits {
            self.finish_slow();
        }
    }

    #[inline(never)]
    fn finish_slow(self: Pin<&mut Self>) {
        // SAFETY: the node is never moved out of `self`; only the other fields are assigned to.
        let this = unsafe { self.get_unchecked_mut() };
        this.waits = false;
        if this.node.is_linked() {
            let mut guard = this.queue.lock();
            let old = this.unlist(&mut guard);
            drop(guard);
            drop_waker(old);
        }
    }

    /// Lets a waiter that stands in no list count as woken, so that it keeps its seniority: for a check that ended the wait with the
    /// answer *look somewhere else first*.
    #[inline]
    pub fn stay_woken(self: Pin<&mut Self>) {
        // SAFETY: the node is never moved out of `self`; only the other fields are assigned to.
        let this = unsafe { self.get_unchecked_mut() };
        this.waits = true;
    }

    /// Ends the wait, if there is one, and then calls `pass_on` under the lock with where the waiter stood.
    ///
    /// For the drop of a future: what the waiter was woken for, or what the others waited for because it stood before them, may now be
    /// somebody else's. `pass_on` hands the wakers that it takes out; they are woken after unlocking.
    #[inline]
    pub fn abandon(
        self: Pin<&mut Self>,
        pass_on: impl FnOnce(&mut Guard<'q, T, LISTS>, Stage, &mut WakeBatch),
    ) {
        if self.waits {
            self.abandon_slow(pass_on);
        }
    }

    #[cold]
    fn abandon_slow(
        self: Pin<&mut Self>,
        pass_on: impl FnOnce(&mut Guard<'q, T, LISTS>, Stage, &mut WakeBatch),
    ) {
        // SAFETY: the node is never moved out of `self`; only the other fields are assigned to.
        let this = unsafe { self.get_unchecked_mut() };
        let mut batch = WakeBatch::new();
        let mut guard = this.queue.lock();
        let stage = this.stage();
        this.waits = false;
        let old = this.unlist(&mut guard);
        pass_on(&mut guard, stage, &mut batch);
        drop(guard);
        drop_waker(old);
        // Not `wake_all`: the future may be dropped by a panic, and a waker that panics too would abort the process.
        drop(batch);
    }

    /// Puts the node, which is not linked, into `list`.
    fn enlist(&mut self, guard: &mut Guard<'q, T, LISTS>, list: usize, waker: Waker, stage: Stage) {
        let places = &mut guard.locked.lists[list];
        self.list = list;
        self.waits = true;
        if stage == Stage::Woken {
            // SAFETY: lock held and node of this queue (1); pinned by the callers, and `drop` unlinks it (2); ours, not linked (3).
            unsafe { places.push_front(&self.node, waker) };
        } else {
            // SAFETY: as above.
            unsafe { places.push_back(&self.node, waker) };
        }
    }

    /// Unlinks the node, if it is linked, and takes its waker, which the caller drops after unlocking.
    fn unlist(&self, guard: &mut Guard<'q, T, LISTS>) -> Option<Waker> {
        // SAFETY: the guard is the lock; the node, if linked, is linked in `self.list`.
        unsafe { guard.locked.lists[self.list].unlink(&self.node) }
    }

    #[cold]
    fn leave(&self) {
        let mut guard = self.queue.lock();
        let waker = self.unlist(&mut guard);
        drop(guard);
        drop_waker(waker);
    }
}

/// Drops what is left of a waker. A panic in there ends here: the result of the wait would be lost with it, or the process, if a panic
/// is what drops the future.
#[inline]
fn drop_waker(waker: impl Sized) {
    contain(|| drop(waker));
}

impl<T, const LISTS: usize> Drop for Waiter<'_, T, LISTS> {
    #[inline]
    fn drop(&mut self) {
        if self.node.is_linked() {
            self.leave();
        }
        self.node.debug_assert_alone();
    }
}

impl<T, const LISTS: usize> fmt::Debug for Waiter<'_, T, LISTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use crate::wakers::Count;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn waiters_are_woken_in_the_order_in_which_they_came() {
        let queue: WaitQueue<()> = WaitQueue::new(());
        let wakers: Vec<_> = (0..3).map(|_| Count::new()).collect();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(Waiter::new(&queue))).collect();
        for (waiter, (_, waker)) in waiters.iter_mut().zip(&wakers) {
            let mut cx = Context::from_waker(waker);
            assert!(
                waiter
                    .as_mut()
                    .poll(0, &mut cx, |_, _| None::<()>)
                    .is_pending()
            );
        }
        waiters.remove(1);
        for woken in [0, 2] {
            let mut batch = WakeBatch::new();
            assert!(queue.lock().wake_one(0, &mut batch));
            batch.wake_all();
            assert_eq!(wakers[woken].0.0.load(Ordering::Relaxed), 1);
        }
        assert_eq!(wakers[1].0.0.load(Ordering::Relaxed), 0, "it had left");
        assert!(queue.lock().is_empty(0));
    }

    #[test]
    fn a_new_waker_replaces_the_old_one_without_losing_the_place() {
        let queue: WaitQueue<()> = WaitQueue::new(());
        let ((first, a), (second, b)) = (Count::new(), Count::new());
        let mut waiter = pin!(Waiter::new(&queue));
        for waker in [&a, &b, &b] {
            let mut cx = Context::from_waker(waker);
            assert!(
                waiter
                    .as_mut()
                    .poll(0, &mut cx, |_, _| None::<()>)
                    .is_pending()
            );
        }
        drop(a);
        assert_eq!(
            Arc::strong_count(&first),
            1,
            "the replaced waker was dropped"
        );
        let mut batch = WakeBatch::new();
        queue.lock().wake_all(0, &mut batch);
        assert_eq!(batch.len(), 1);
        batch.wake_all();
        assert_eq!(second.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_finished_wait_drops_its_waker() {
        let queue: WaitQueue<bool> = WaitQueue::new(false);
        let (count, waker) = Count::new();
        let mut waiter = pin!(Waiter::new(&queue));
        let mut cx = Context::from_waker(&waker);
        let check = |done: &mut Guard<'_, bool>, _| done.then_some(());
        assert!(waiter.as_mut().poll(0, &mut cx, check).is_pending());
        *queue.lock() = true;
        assert!(waiter.as_mut().poll(0, &mut cx, check).is_ready());
        assert!(queue.lock().is_empty(0));
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::thread;
    use std::sync::Arc;

    #[test]
    fn loom_ci_a_change_made_during_the_poll_is_seen_or_wakes() {
        loom::model(|| {
            let queue: Arc<WaitQueue<bool>> = Arc::new(WaitQueue::new(false));
            let other = queue.clone();
            let t = thread::spawn(move || {
                let mut batch = WakeBatch::new();
                let mut guard = other.lock();
                *guard = true;
                guard.wake_all(0, &mut batch);
                drop(guard);
                batch.wake_all();
            });
            loom::future::block_on(async {
                let mut waiter = Box::pin(Waiter::new(&queue));
                std::future::poll_fn(|cx| {
                    waiter.as_mut().poll(0, cx, |done, _| done.then_some(()))
                })
                .await;
            });
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_a_waiter_goes_while_it_is_taken() {
        loom::model(|| {
            let queue: Arc<WaitQueue<()>> = Arc::new(WaitQueue::new(()));
            let other = queue.clone();
            let mut waiter = Box::pin(Waiter::new(&queue));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(
                waiter
                    .as_mut()
                    .poll(0, &mut cx, |_, _| None::<()>)
                    .is_pending()
            );
            let t = thread::spawn(move || {
                let mut batch = WakeBatch::new();
                other.lock().wake_one(0, &mut batch);
                batch.wake_all();
            });
            drop(waiter);
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_a_waiter_waits_again_while_it_is_taken() {
        loom::model(|| {
            let queue: Arc<WaitQueue<u32>> = Arc::new(WaitQueue::new(0));
            let other = queue.clone();
            let t = thread::spawn(move || {
                for _ in 0..2 {
                    let mut batch = WakeBatch::new();
                    let mut guard = other.lock();
                    *guard += 1;
                    guard.wake_all(0, &mut batch);
                    drop(guard);
                    batch.wake_all();
                }
            });
            let mut waiter = Box::pin(Waiter::new(&queue));
            for least in [1, 2] {
                let check = |count: &mut Guard<'_, u32>, _| (**count >= least).then_some(());
                loom::future::block_on(std::future::poll_fn(|cx| {
                    waiter.as_mut().poll(0, cx, check)
                }));
            }
            drop(waiter);
            t.join().unwrap();
        });
    }
}
