//! A number of permits and whoever waits for some of them: what [`Semaphore`](super::Semaphore), the lock and the reader-writer lock are
//! made of.
//!
//! # The word
//!
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `WAITERS` | somebody may be in the list: whoever gives permits back has to look. Set and cleared under the queue's lock |
//! | 1 | `CLOSED` | nobody gets permits any more. Never cleared |
//! | 2-6 | `LOSSES` | how often waiters were passed over since one was last served, 0 to 16. Counted up under the queue's lock |
//! | 6 | `HELD_BACK` | the 16 of `LOSSES`: newcomers let the waiters go first |
//! | 7- | permits | how many are available |
//!
//! Everything that decides is in this one word, so no fence is needed: of a release and a waiter that enlists, the one whose
//! read-modify-write comes second in the order of the word sees the other.
//!
//! # Why nobody sleeps beside a free permit
//!
//! 1. A waiter enlists under the queue's lock: it sets `WAITERS` (or finds it set, and it cannot be cleared before the lock is given
//!    up), then looks at the permits once more.
//! 2. A release adds its permits and reads the flags in the same operation. With `WAITERS` set it takes the queue's lock and wakes, from
//!    the front, everybody whose need is met by what is available.
//! 3. If the release comes first in the order of the word, the waiter's look sees the permits. If it comes second, it sees `WAITERS` and
//!    finds the waiter in the list: the lock was held from setting the flag to enlisting.
//! 4. Waking takes a waiter out of the list, but gives it nothing. A waiter that is dropped in between runs step 2 again on behalf of
//!    the next one; so does one that gives up its place at the front.
//! 5. A newcomer that is held back although there are enough permits wakes itself until it has them, or has to wait for a release.
//!
//! # Fairness
//!
//! Permits go to whoever polls first: a task that is running need not be put to sleep in favour of one that has yet to be scheduled
//! (strict hand-off costs a task switch per operation, 150 to 300 ns). A waiter that was woken in vain goes back to the front and
//! counts as one *loss*; so does each release after which the front waiter still needs more. After [`PATIENCE`] losses `HELD_BACK`
//! goes up: newcomers enlist instead of taking, until a waiter has been served.
//!
//! A reservation like that must not become a lock that nobody holds: the waiter that was woken may belong to a future that its task
//! does not poll ("futurelock"). So a newcomer that finds enough permits reserved for somebody who has been woken is only polite: it
//! wakes itself and yields, [`COURTESY`] times at most, and then takes them.
//!
//! Rejected: hand-off at the release (a future that is not polled would hold the lock), and a limit in time (this crate has no clock,
//! and a schedule that depends on one cannot be replayed).

use crate::budget;
use crate::primitive::MODEL;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::wait::{Guard, Stage, WaitQueue, Waiter, WakeBatch, note};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many losses the waiters take before newcomers are held back. In models one, so that they see it happen.
pub(crate) const PATIENCE: usize = if MODEL { 1 } else { 16 };

/// How often a newcomer yields to a waiter that was woken, before it takes what is free.
pub(crate) const COURTESY: u8 = if MODEL { 1 } else { 16 };

/// The most permits there can be.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> (SHIFT + 1);

const WAITERS: usize = 1;
const CLOSED: usize = 1 << 1;
const LOSS: usize = 1 << 2;
const LOSSES: usize = 0b1_1111 << 2;
const HELD_BACK: usize = LOSS * PATIENCE;
const SHIFT: u32 = 7;

/// The list of those who hold some permits already and want more: they come first, or they would wait for each other.
const URGENT: usize = 0;
/// The list of everybody else.
const ORDINARY: usize = 1;

type Waiters<'q> = Guard<'q, (), 2>;

/// Permits and those who wait for them.
#[derive(Debug)]
pub(crate) struct Permits {
    word: AtomicUsize,
    queue: WaitQueue<(), 2>,
}

/// What came out of an attempt to take permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The permits are the caller's.
    Taken,
    /// There are not enough, or they are reserved.
    Refused,
    /// There will be none any more.
    Closed,
}

/// Who asks for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Somebody who waits for nobody: it takes what is there.
    Barger,
    /// Somebody who has not waited yet, or not been woken: it lets others go first if they have lost too often.
    Newcomer,
    /// A waiter that has been woken, and whose success ends the count of losses.
    Woken,
}

impl Permits {
    pub(crate) fn new(permits: usize) -> Self {
        assert!(
            permits <= MAX_PERMITS,
            "a semaphore cannot have more than {MAX_PERMITS} permits"
        );
        Self {
            word: AtomicUsize::new(permits << SHIFT),
            queue: WaitQueue::new(()),
        }
    }

    /// How many permits are available.
    pub(crate) fn available(&self) -> usize {
        // ORDERING: Relaxed: a number to look at; taking permits is what acquires.
        self.word.load(Ordering::Relaxed) >> SHIFT
    }

    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `close`: whoever learns of it sees what was written before.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `need` permits if they are available, whoever waits for them.
    #[inline]
    pub(crate) fn try_acquire(&self, need: usize) -> Attempt {
        self.attempt(need, Asker::Barger)
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
        // ORDERING: Release pairs with the Acquire of whoever takes these permits: it sees what was done under them. The flags need no
        // more: see "why nobody sleeps beside a free permit".
        let before = self.word.fetch_add(permits << SHIFT, Ordering::Release);
        if before & WAITERS != 0 {
            self.serve();
        }
    }

    /// Adds permits, if that makes no more than [`MAX_PERMITS`] of them available.
    pub(crate) fn add(&self, permits: usize) -> bool {
        // ORDERING: Relaxed: only the value counts here; `release` publishes.
        let available = self.word.load(Ordering::Relaxed) >> SHIFT;
        if permits > MAX_PERMITS - available.min(MAX_PERMITS) {
            return false;
        }
        self.release(permits);
        true
    }

    /// Takes up to `permits` permits out of circulation and returns how many they were.
    pub(crate) fn forget(&self, permits: usize) -> usize {
        // ORDERING: Relaxed: the permits are nobody's afterwards, so nothing has to be visible to anybody.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let taken = permits.min(word >> SHIFT);
            // ORDERING: as above.
            match self.word.compare_exchange_weak(
                word,
                word - (taken << SHIFT),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return taken,
                Err(current) => word = current,
            }
        }
    }

    /// Closes: nobody gets permits any more, and who waits for some is woken. Returns whether it was open.
    pub(crate) fn close(&self) -> bool {
        let mut batch = WakeBatch::new();
        let mut waiters = self.queue.lock();
        // ORDERING: Release pairs with the Acquire in `is_closed` and `attempt`.
        let before = self.word.fetch_or(CLOSED, Ordering::Release);
        waiters.wake_all(URGENT, &mut batch);
        waiters.wake_all(ORDINARY, &mut batch);
        drop(waiters);
        batch.wake_all();
        before & CLOSED == 0
    }

    /// What the waiter needs that would be served next.
    #[cfg(all(test, not(lenio_loom)))]
    pub(super) fn front_need(&self) -> Option<usize> {
        front_need(&self.queue.lock())
    }

    #[inline]
    fn attempt(&self, need: usize, asker: Asker) -> Attempt {
        // ORDERING: Relaxed: a first guess; the exchange below or the Acquire there decide.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if let Some(answer) = refusal(word, need, asker) {
                return answer;
            }
            let mut taken = word - (need << SHIFT);
            if asker == Asker::Woken {
                taken &= !LOSSES;
            }
            // ORDERING: Acquire pairs with the Release of whoever gave these permits back. A failure only brings a newer guess.
            match self
                .word
                .compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Attempt::Taken,
                Err(current) => word = current,
            }
        }
    }

    /// Wakes those whose need is met now, after permits were given back.
    #[cold]
    #[inline(never)]
    fn serve(&self) {
        let mut batch = WakeBatch::new();
        let mut waiters = self.queue.lock();
        self.wake_fitting(&mut waiters, &mut batch);
        if batch.is_empty() && !is_empty(&waiters) {
            self.count_loss();
        }
        drop(waiters);
        batch.wake_all();
    }

    /// Wakes from the front whoever can be served with what is available.
    fn wake_fitting(&self, waiters: &mut Waiters<'_>, batch: &mut WakeBatch) {
        // ORDERING: Relaxed: a release that is not seen here has seen `WAITERS` and waits for the lock.
        let mut left = self.word.load(Ordering::Relaxed) >> SHIFT;
        for list in [URGENT, ORDINARY] {
            while let Some(need) = waiters.front_need(list) {
                if need > left {
                    return;
                }
                left -= need;
                waiters.wake_one(list, batch);
            }
        }
        self.lower_flag();
    }

    /// To be called under the queue's lock when both lists are empty.
    fn lower_flag(&self) {
        // ORDERING: Relaxed: set and cleared under the lock; a release whose place in the order comes later has nobody to wake.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
    }

    /// To be called under the queue's lock: waiters were passed over once more.
    fn count_loss(&self) {
        // ORDERING: Relaxed: fairness only. Nobody else counts up, so that the sum stays within its bits.
        if self.word.load(Ordering::Relaxed) & HELD_BACK == 0 {
            self.word.fetch_add(LOSS, Ordering::Relaxed);
        }
    }

    /// Looks under the queue's lock whether a waiter may have what it wants, and prepares its wait if not.
    fn look(&self, waiters: &mut Waiters<'_>, look: &mut Look<'_>) -> Option<Attempt> {
        // ORDERING: Relaxed: the flag is for releases that come later in the order of the word, and the attempt below sees those that
        // came before.
        if self.word.load(Ordering::Relaxed) & WAITERS == 0 {
            self.word.fetch_or(WAITERS, Ordering::Relaxed);
        }
        let is_polite = look.stage != Stage::Woken && *look.courtesies < COURTESY;
        let asker = if is_polite {
            Asker::Newcomer
        } else {
            Asker::Woken
        };
        match self.attempt(look.need, asker) {
            Attempt::Refused => {}
            answer => {
                if is_empty(waiters) {
                    self.lower_flag();
                }
                return Some(answer);
            }
        }
        if look.stage == Stage::Woken {
            self.count_loss();
        }
        // ORDERING: Relaxed: politeness only.
        let left = self.word.load(Ordering::Relaxed) >> SHIFT;
        let is_free = left >= look.need && front_need(waiters).is_none_or(|need| need <= left);
        if is_polite && is_free {
            // Reserved for somebody who was woken: it gets some time, but the wait must not depend on it.
            *look.courtesies += 1;
            look.yields = true;
        }
        None
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

/// Why `need` permits cannot be had, if they cannot.
#[inline]
fn refusal(word: usize, need: usize, asker: Asker) -> Option<Attempt> {
    if word & CLOSED != 0 {
        return Some(Attempt::Closed);
    }
    let is_reserved = word & HELD_BACK != 0 && asker == Asker::Newcomer && need > 0;
    let refused = word >> SHIFT < need || is_reserved;
    refused.then_some(Attempt::Refused)
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
        waiter: Waiter<'p, (), 2>,
        list: usize,
        courtesies: u8,
        what: &'static str,
        at: &'static Location<'static>,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let permits = *this.permits;
            this.waiter.abandon(|waiters, _, batch| {
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
        match this.permits.attempt(need, asker) {
            Attempt::Taken => {
                self.project().waiter.finish();
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
            Poll::Ready(Attempt::Taken) => Poll::Ready(Ok(())),
            Poll::Ready(_) => Poll::Ready(Err(Closed)),
            Poll::Pending => {
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

/// The semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;
