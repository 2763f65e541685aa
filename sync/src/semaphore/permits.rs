//! A number of permits and whoever waits for some of them: what [`Semaphore`](super::Semaphore), the lock and the reader-writer lock are
//! made of.
//!
//! # Why nobody sleeps beside a free permit
//!
//! Everything that decides is in one word (see `word` for its flags), so no fence is needed: of two operations on it one comes first, and
//! the other sees that.
//!
//! 1. A waiter enlists under the queue's lock. Its last look takes the permits or sets `WAITERS`, in one step, and the lock is held from
//!    there until it stands in the list.
//! 2. A release adds its permits and reads the flags in one step. If it comes before the look, the look sees the permits. If it comes
//!    after it, it sees `WAITERS`, takes the queue's lock, finds the waiter and wakes, from the front, everybody whose need is met by what
//!    is available. `WAITERS` is cleared only under the lock, when the list is empty.
//! 3. Waking takes a waiter out of the list but gives it nothing. A waiter that is dropped in between wakes others in its place; so does
//!    one that gives up its place at the front.
//! 4. While `WOKEN` is set a release may leave the waking to whoever was woken. That one clears the flag with its look: a release after
//!    the look wakes again, and of one before it the look sees the permits. What it leaves, because it needs less or because it needs
//!    more than there is, it passes on to whoever comes first now.
//! 5. A newcomer that is held back although there are enough permits wakes itself until it has them, or has to wait for a release.
//!
//! # Fairness
//!
//! Permits go to whoever polls first: a task that is running need not be put to sleep in favour of one that has yet to be scheduled
//! (strict hand-off costs a task switch per operation, 150 to 300 ns). A waiter that was woken in vain goes back to the front and
//! counts as one *loss*; so does each release after which the front waiter still needs more. After 16 losses `HELD_BACK`
//! goes up: newcomers enlist instead of taking, until a waiter has been served.
//!
//! A reservation like that must not become a lock that nobody holds: the waiter that was woken may belong to a future that its task
//! does not poll ("futurelock"). So a newcomer that finds enough permits reserved for somebody who has been woken is only polite: it
//! wakes itself and yields, [`COURTESY`] times at most, and then takes them.
//!
//! A release that finds `WOKEN` set wakes nobody else, [`TRUST`] times in a row at most: most of those it could wake would find the permit
//! taken by the one before. The bound is there because the woken one may not be polled.
//!
//! Rejected: hand-off at the release (a future that is not polled would hold the lock), and a limit in time (this crate has no clock,
//! and a schedule that depends on one cannot be replayed).

use super::word::{Asker, Attempt, MAX_PERMITS, Seen, Word};
use crate::budget;
use crate::contain::contain;
use crate::primitive::MODEL;
use crate::wait::{Guard, Stage, WaitQueue, Waiter, WakeBatch, note};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How often a newcomer yields to a waiter that was woken, before it takes what is free. In models once.
pub(crate) const COURTESY: u8 = if MODEL { 1 } else { 16 };

/// How many releases in a row rely on somebody who was woken already.
const TRUST: u8 = if MODEL { 1 } else { 3 };

/// The list of those who hold some permits already and want more: they come first, or they would wait for each other.
const URGENT: usize = 0;
/// The list of everybody else.
const ORDINARY: usize = 1;

type Waiters<'q> = Guard<'q, Trusting, 2>;

/// How many releases in a row have relied on somebody who was woken already.
#[derive(Debug, Default)]
struct Trusting(u8);

/// Permits and those who wait for them.
#[derive(Debug)]
pub(crate) struct Permits {
    word: Word,
    queue: WaitQueue<Trusting, 2>,
}

impl Permits {
    pub(crate) fn new(permits: usize) -> Self {
        assert!(
            permits <= MAX_PERMITS,
            "a semaphore cannot have more than {MAX_PERMITS} permits"
        );
        Self {
            word: Word::new(permits),
            queue: WaitQueue::default(),
        }
    }

    /// How many permits are available.
    pub(crate) fn available(&self) -> usize {
        self.word.available()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.is_closed()
    }

    /// Takes `need` permits if they are available, whoever waits for them.
    #[inline]
    pub(crate) fn try_acquire(&self, need: usize) -> Attempt {
        self.word.take(need, Asker::Barger)
    }

    /// Waits for `need` permits.
    ///
    /// `what` and `at` tell observers what is waited for.
    #[inline]
    pub(crate) fn acquire(
        &self,
        need: usize,
        what: &'static str,
        at: &'static Location<'static>,
    ) -> Acquire<'_> {
        Acquire {
            permits: self,
            waiter: Waiter::with_need(&self.queue, need),
            list: ORDINARY,
            courtesies: 0,
            what,
            at,
        }
    }

    /// As [`acquire`](Self::acquire), before everybody else, for somebody who holds permits already.
    #[inline]
    pub(crate) fn acquire_more(
        &self,
        need: usize,
        what: &'static str,
        at: &'static Location<'static>,
    ) -> Acquire<'_> {
        let mut acquire = self.acquire(need, what, at);
        acquire.list = URGENT;
        acquire
    }

    /// Gives permits back, or adds new ones: the caller sees to it that there are never more than [`MAX_PERMITS`].
    #[inline]
    pub(crate) fn release(&self, permits: usize) {
        if self.word.give_back(permits) {
            self.serve();
        }
    }

    /// Adds permits, if that makes no more than [`MAX_PERMITS`] of them available.
    pub(crate) fn add(&self, permits: usize) -> bool {
        if permits > MAX_PERMITS - self.available().min(MAX_PERMITS) {
            return false;
        }
        self.release(permits);
        true
    }

    /// Takes up to `permits` permits out of circulation and returns how many they were.
    pub(crate) fn forget(&self, permits: usize) -> usize {
        self.word.forget(permits)
    }

    /// Closes: nobody gets permits any more, and who waits for some is woken. Returns whether it was open.
    pub(crate) fn close(&self) -> bool {
        let mut batch = WakeBatch::new();
        let mut waiters = self.queue.lock();
        let was_open = self.word.close();
        waiters.wake_all(URGENT, &mut batch);
        waiters.wake_all(ORDINARY, &mut batch);
        drop(waiters);
        batch.wake_all();
        was_open
    }

    /// What the waiter needs that would be served next.
    #[cfg(all(test, not(lenio_loom)))]
    pub(super) fn front_need(&self) -> Option<usize> {
        front_need(&self.queue.lock())
    }

    /// Wakes those whose need is met now, after permits were given back.
    #[cold]
    #[inline(never)]
    fn serve(&self) {
        let mut batch = WakeBatch::new();
        let mut waiters = self.queue.lock();
        if waiters.0 < TRUST && self.word.is_anybody_woken() {
            waiters.0 += 1;
            return;
        }
        self.wake_fitting(&mut waiters, &mut batch);
        if batch.is_empty() && !is_empty(&waiters) {
            self.word.count_loss();
        }
        drop(waiters);
        batch.wake_all();
    }

    /// Wakes those whose need is met by what a woken waiter left: releases may have relied on it.
    fn pass_on(&self) {
        if !self.word.has_more_for_waiters() {
            return;
        }
        let mut batch = WakeBatch::new();
        let mut waiters = self.queue.lock();
        self.wake_fitting(&mut waiters, &mut batch);
        drop(waiters);
        // A panic of somebody else's waker must not cost what this waiter has just taken.
        contain(|| batch.wake_all());
    }

    /// Wakes from the front whoever can be served with what is available.
    fn wake_fitting(&self, waiters: &mut Waiters<'_>, batch: &mut WakeBatch) {
        waiters.0 = 0;
        // A release that is not seen here has seen that somebody waits, and comes for the lock.
        let mut left = self.available();
        for list in [URGENT, ORDINARY] {
            while let Some(need) = waiters.front_need(list) {
                if need > left {
                    break;
                }
                left -= need;
                waiters.wake_one(list, batch);
            }
            if !waiters.is_empty(list) {
                break;
            }
        }
        self.word.note_woken(!batch.is_empty(), is_empty(waiters));
    }

    /// Looks under the queue's lock whether a waiter may have what it wants, and prepares its wait if not.
    fn look(&self, waiters: &mut Waiters<'_>, look: &mut Look<'_>) -> Option<Attempt> {
        let is_woken = look.stage == Stage::Woken;
        let is_polite = !is_woken && *look.courtesies < COURTESY;
        let asker = if is_polite {
            Asker::Newcomer
        } else {
            Asker::Woken
        };
        match self
            .word
            .look(look.need, asker, is_woken, is_empty(waiters))
        {
            Seen::Refused { left } => {
                let is_free =
                    left >= look.need && front_need(waiters).is_none_or(|need| need <= left);
                if is_polite && is_free {
                    // Reserved for somebody who was woken: it gets some time, but the wait must not depend on it.
                    *look.courtesies += 1;
                    look.yields = true;
                }
                None
            }
            Seen::Taken => Some(Attempt::Taken),
            Seen::Closed => Some(Attempt::Closed),
        }
    }
}

fn is_empty(waiters: &Waiters<'_>) -> bool {
    waiters.is_empty(URGENT) && waiters.is_empty(ORDINARY)
}

fn front_need(waiters: &Waiters<'_>) -> Option<usize> {
    [URGENT, ORDINARY]
        .into_iter()
        .find_map(|list| waiters.front_need(list))
}

/// One look of a waiter, and what comes of it beside the answer.
struct Look<'l> {
    need: usize,
    stage: Stage,
    courtesies: &'l mut u8,
    /// The waiter found permits reserved for somebody else, and comes back at once.
    yields: bool,
}

pin_project_lite::pin_project! {
    /// The future of [`Permits::acquire`]: whether the permits were taken, or the semaphore closed.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Acquire<'p> {
        permits: &'p Permits,
        #[pin]
        waiter: Waiter<'p, Trusting, 2>,
        list: usize,
        courtesies: u8,
        what: &'static str,
        at: &'static Location<'static>,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let permits = *this.permits;
            this.waiter.abandon(|waiters, stage, batch| {
                if stage == Stage::Woken {
                    permits.word.lower_woken();
                }
                permits.wake_fitting(waiters, batch);
            });
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), Closed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        ready!(budget::poll_proceed(cx));
        let this = self.as_ref().project_ref();
        let need = this.waiter.need();
        let asker = match this.waiter.stage() {
            Stage::Fresh => Asker::Newcomer,
            Stage::Woken => Asker::Woken,
            Stage::Listed => return self.poll_slow(cx),
        };
        match this.permits.word.take(need, asker) {
            Attempt::Taken => {
                let this = self.project();
                if asker == Asker::Woken {
                    this.waiter.finish();
                    this.permits.pass_on();
                }
                Poll::Ready(Ok(()))
            }
            Attempt::Closed => Poll::Ready(Err(Closed)),
            Attempt::Refused => self.poll_slow(cx),
        }
    }
}

impl Acquire<'_> {
    #[cold]
    #[inline(never)]
    fn poll_slow(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let this = self.project();
        let permits = *this.permits;
        let need = this.waiter.need();
        let mut yields = false;
        let was_woken = this.waiter.stage() == Stage::Woken;
        let attempt = this.waiter.poll(*this.list, cx, |waiters, stage| {
            let mut look = Look {
                need,
                stage,
                courtesies: this.courtesies,
                yields: false,
            };
            let answer = permits.look(waiters, &mut look);
            yields = look.yields;
            answer
        });
        match attempt {
            Poll::Ready(Attempt::Taken) => {
                permits.pass_on();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => Poll::Ready(Err(Closed)),
            Poll::Pending => {
                if was_woken {
                    // It is too little for this one; for somebody who comes before it, it may be enough.
                    permits.pass_on();
                }
                budget::refund();
                note(this.what, this.at);
                if yields {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

/// One permit, to be given back when this is dropped.
pub(crate) struct OnePermit<'p>(pub(crate) &'p Permits);

impl Drop for OnePermit<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

/// The semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;
