//! A wheel that threads share: the lock around it, the published deadline, and the protocol with whoever drives it.
//!
//! # The protocol between who inserts and who sleeps
//!
//! A *driver* turns the timers and sleeps in between until [`Timers::next_deadline`]. It must not sleep past a timer that is inserted
//! while it falls asleep:
//!
//! ```text
//!  inserter                                        driver
//!  1 insert, publish the earlier deadline          a publish until when it is going to sleep
//!  2 fence(SeqCst)                                 b fence(SeqCst)
//!  3 Alarm::earlier reads until when the driver    c read next_deadline once more
//!    sleeps, and interrupts if that is later         d sleep, no longer than both
//! ```
//!
//! One of the two fences comes first in the order of all such fences. If it is *2*, then *c* reads what *1* published; if it is *b*,
//! then *3* reads what *a* published. So at least one side sees the other. Steps 1 and 2 are done here; `loom_ci_r31_timer_insert_vs_park`
//! below models both sides.
//!
//! The earliest deadline is published under the lock (D13). If it were published after it, a later insertion could publish first, and
//! the earlier deadline be overwritten by the later one: a timer lost until something else turns the wheel (tokio #6682, #6683).
//!
//! A timer that is removed leaves the published deadline as it is. It may then be too early, never too late; the driver wakes once
//! for nothing, and the turn makes it exact. The other choice, to search for the next earliest at each removal, would make every
//! finished `timeout` pay for what is rarely needed.
//!
//! # Wakers
//!
//! No waker is cloned, woken or dropped while the lock is held: all three run foreign code. Wakers come in by value, leave by value,
//! and a waker that is to replace another is cloned before the lock is taken.

use crate::clock::Clock;
use crate::instant::Instant;
use crate::wheel::{Key, Wheel};
use lenio_sync::primitive::atomic::{AtomicU64, Ordering, fence};
use lenio_sync::primitive::{Mutex, MutexGuard};
use lenio_sync::wait::WakeBatch;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Told when timers are going to be due earlier than their driver was told.
///
/// # Examples
///
/// The alarm of a driver that publishes until when it sleeps:
///
/// ```
/// use lenio_sync::park::Parker;
/// use lenio_sync::primitive::atomic::{AtomicU64, Ordering};
/// use lenio_time::{Alarm, Instant};
///
/// struct Driver {
///     parker: Parker,
///     /// 0 while it is awake: then it will look at the timers before it sleeps.
///     sleeps_until: AtomicU64,
/// }
///
/// impl Alarm for Driver {
///     fn earlier(&self, deadline: Instant) {
///         if deadline.as_nanos() < self.sleeps_until.load(Ordering::Relaxed) {
///             self.parker.unpark();
///         }
///     }
/// }
/// ```
pub trait Alarm: Send + Sync {
    /// Makes sure that the driver of the timers does not sleep past `deadline`.
    ///
    /// Called by whatever thread inserts a timer, whenever that made [`Timers::next_deadline`] earlier, with no lock held and after a
    /// `fence(SeqCst)`: what the driver published before its own fence may be read with `Relaxed` here.
    ///
    /// # Panics
    ///
    /// A panic passes through the poll that inserted the timer; the timer is there all the same.
    fn earlier(&self, deadline: Instant);
}

/// The timers of one driver, such as one worker of an executor.
///
/// Futures of this crate find the timers of their thread through [`enter`](crate::enter). The driver's loop is:
///
/// 1. If [`next_deadline`](Self::next_deadline) has come, [`turn`](Self::turn), then wake the batch with no lock held.
/// 2. Publish until when it is going to sleep, `fence(SeqCst)`, look at `next_deadline` again, sleep.
/// 3. If [`Alarm::earlier`] was called meanwhile, begin again.
///
/// Any thread may turn; two that turn at once share the due timers between them.
///
/// Cost: one uncontended lock to insert a timer, one to remove it. `next_deadline` is one load.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::WakeBatch;
/// use lenio_time::{Clock, Timers, enter, sleep};
/// use std::pin::pin;
/// use std::task::{Context, Waker};
/// use std::time::Duration;
///
/// let clock = Clock::new_virtual();
/// let timers = Timers::new(clock.clone(), None);
/// let _entered = enter(&timers);
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut nap = pin!(sleep(Duration::from_secs(1)));
/// assert!(nap.as_mut().poll(&mut cx).is_pending());
///
/// let deadline = timers.next_deadline().expect("one timer is registered");
/// clock.advance_to(deadline);
/// let mut batch = WakeBatch::new();
/// assert_eq!(timers.turn(clock.now(), &mut batch), 1);
/// batch.wake_all();
/// assert!(nap.as_mut().poll(&mut cx).is_ready());
/// ```
pub struct Timers {
    clock: Clock,
    alarm: Option<Arc<dyn Alarm>>,
    /// The earliest deadline in nanoseconds, `u64::MAX` for none; too early after a removal. Written only under the lock.
    earliest: AtomicU64,
    locked: Mutex<Locked>,
}

struct Locked {
    wheel: Wheel<Waker>,
    is_closed: bool,
}

/// A timer that is now in the wheel.
#[must_use = "a timer that became the earliest has to be announced"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inserted {
    pub(crate) key: Key,
    /// Whether the caller owes a call of [`Timers::announce`].
    pub(crate) is_earliest: bool,
}

impl Timers {
    /// Makes timers that go by `clock` and tell `alarm` when the driver has to wake earlier than it knows.
    ///
    /// Without an alarm the driver has to look by itself; a test that moves a virtual clock does.
    ///
    /// The timers keep the alarm alive. An alarm that keeps the timers alive in turn, directly or through the driver's own data, makes
    /// a circle that is never freed: let it hold a `Weak`, or only what it has to interrupt.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Alarm, Clock, Instant, Timers};
    /// use std::sync::Arc;
    /// use std::thread::{self, Thread};
    ///
    /// struct Unpark(Thread);
    ///
    /// impl Alarm for Unpark {
    ///     fn earlier(&self, _deadline: Instant) {
    ///         self.0.unpark();
    ///     }
    /// }
    ///
    /// let timers = Timers::new(Clock::real(), Some(Arc::new(Unpark(thread::current()))));
    /// assert!(timers.is_empty());
    /// ```
    pub fn new(clock: Clock, alarm: Option<Arc<dyn Alarm>>) -> Arc<Self> {
        let wheel = Wheel::new(clock.now());
        let is_closed = false;
        Arc::new(Self {
            clock,
            alarm,
            earliest: AtomicU64::new(Instant::NEVER.as_nanos()),
            locked: Mutex::new(Locked { wheel, is_closed }),
        })
    }

    /// The clock that these timers go by.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Timers};
    ///
    /// let timers = Timers::new(Clock::new_virtual(), None);
    /// assert!(timers.clock().is_virtual());
    /// ```
    #[inline]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Tells when the earliest timer is due; `None` if there is none, or none that will ever be.
    ///
    /// One relaxed load, to be ordered by the fences that [`Timers`] describes. The answer is never too late. It may be too early if
    /// timers were removed since the last [`turn`](Self::turn).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Timers};
    ///
    /// assert_eq!(Timers::new(Clock::real(), None).next_deadline(), None);
    /// ```
    #[inline]
    pub fn next_deadline(&self) -> Option<Instant> {
        // ORDERING: Relaxed: only the number is used, and the wheel behind it is read under its lock. That a driver about to sleep
        // sees the store in `publish` is the work of the two fences in the module's protocol (here step c).
        let earliest = Instant::from_nanos(self.earliest.load(Ordering::Relaxed));
        (earliest != Instant::NEVER).then_some(earliest)
    }

    /// Moves the wakers of all timers that are due at `now` into `batch`, and tells how many.
    ///
    /// They come in the order of deadlines, equal deadlines in the order of insertion. Nobody is woken here: the caller does that
    /// when it holds no lock. Afterwards [`next_deadline`](Self::next_deadline) is exact. `now` has to come from
    /// [`clock`](Self::clock); one that the wheel has passed already counts as the one that it has reached.
    ///
    /// Costs one lock even if nothing is due: look at `next_deadline` first.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::wait::WakeBatch;
    /// use lenio_time::{Clock, Timers};
    ///
    /// let timers = Timers::new(Clock::real(), None);
    /// let mut batch = WakeBatch::new();
    /// assert_eq!(timers.turn(timers.clock().now(), &mut batch), 0);
    /// ```
    pub fn turn(&self, now: Instant, batch: &mut WakeBatch) -> usize {
        let mut locked = self.locked.lock();
        let before = batch.len();
        let now = now.min(Instant::LAST);
        locked.wheel.turn(now, |waker| batch.push(waker));
        self.publish_exact(&mut locked);
        batch.len() - before
    }

    /// Tells how many timers are registered. Takes the lock; meant for metrics.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Timers};
    ///
    /// assert_eq!(Timers::new(Clock::real(), None).len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.locked.lock().wheel.len()
    }

    /// Tells whether no timer is registered. Takes the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Timers};
    ///
    /// assert!(Timers::new(Clock::real(), None).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Accepts no timers from now on and wakes everybody who waits.
    ///
    /// For a driver that ends. Nobody's sleep is cut short: a sleep that is polled again registers where it is polled, and if that is
    /// here again, in the wheel of the background thread, which goes by the real clock.
    ///
    /// # Panics
    ///
    /// If a waker panics, the others are woken all the same; then the first panic is passed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Timers, enter, sleep};
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// let timers = Timers::new(Clock::real(), None);
    /// let entered = enter(&timers);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut nap = pin!(sleep(Duration::from_secs(60)));
    /// assert!(nap.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(timers.len(), 1);
    ///
    /// timers.close();
    /// assert!(timers.is_empty());
    /// assert!(nap.as_mut().poll(&mut cx).is_pending(), "it waits elsewhere now");
    /// assert!(timers.is_empty());
    /// ```
    pub fn close(&self) {
        self.locked.lock().is_closed = true;
        self.evict();
    }

    /// Wakes everybody who waits, due or not; whoever is not due registers again at its next poll.
    pub(crate) fn evict(&self) {
        let mut batch = WakeBatch::new();
        let mut locked = self.locked.lock();
        locked.wheel.drain(|waker| batch.push(waker));
        self.publish_exact(&mut locked);
        drop(locked);
        batch.wake_all();
    }

    /// Inserts a timer; gives the waker back if the timers are closed.
    pub(crate) fn insert(&self, deadline: Instant, waker: Waker) -> Result<Inserted, Waker> {
        let mut locked = self.locked.lock();
        if locked.is_closed {
            return Err(waker);
        }
        Ok(self.insert_locked(&mut locked, deadline, waker))
    }

    /// Gives a timer that has not fired another deadline; `None` if it has fired, or was evicted.
    pub(crate) fn shift(&self, key: Key, deadline: Instant) -> Option<Inserted> {
        let mut locked = self.locked.lock();
        let waker = locked.wheel.remove(key)?;
        Some(self.insert_locked(&mut locked, deadline, waker))
    }

    /// Removes a timer that has not fired. The caller drops the waker.
    pub(crate) fn remove(&self, key: Key) -> Option<Waker> {
        self.locked.lock().wheel.remove(key)
    }

    /// Makes sure that a timer wakes the task of `cx`; tells whether the timer is still there.
    pub(crate) fn refresh(&self, key: Key, cx: &Context<'_>) -> bool {
        match self.locked.lock().wheel.value_mut(key) {
            None => return false,
            Some(waker) if waker.will_wake(cx.waker()) => return true,
            Some(_) => {}
        }
        let fresh = cx.waker().clone();
        let mut locked = self.locked.lock();
        let (is_there, unused) = match locked.wheel.value_mut(key) {
            None => (false, fresh),
            Some(waker) => (true, std::mem::replace(waker, fresh)),
        };
        drop(locked);
        drop(unused);
        is_there
    }

    /// Tells the alarm that the deadline of a timer has become the earliest. No lock may be held.
    pub(crate) fn announce(&self, deadline: Instant) {
        let Some(alarm) = &self.alarm else { return };
        // ORDERING: SeqCst pairs with the fence of a driver that is about to sleep, step b of the module's protocol: either it sees
        // the deadline that was published under the lock, or the alarm sees until when it sleeps.
        fence(Ordering::SeqCst);
        alarm.earlier(deadline);
    }

    fn insert_locked(&self, locked: &mut Locked, deadline: Instant, waker: Waker) -> Inserted {
        let key = locked.wheel.insert(deadline, waker);
        // ORDERING: Relaxed: all writers hold the lock.
        let is_earliest = deadline.as_nanos() < self.earliest.load(Ordering::Relaxed);
        if is_earliest {
            self.publish(deadline);
        }
        Inserted { key, is_earliest }
    }

    fn publish_exact(&self, locked: &mut MutexGuard<'_, Locked>) {
        let earliest = locked.wheel.next_deadline();
        self.publish(earliest.unwrap_or(Instant::NEVER));
    }

    /// Step 1 of the module's protocol. The lock is held.
    fn publish(&self, earliest: Instant) {
        // ORDERING: Relaxed: the lock orders the writers, the fence in `announce` orders this store before the alarm's look at the
        // driver, and pairs with the driver's fence before its load in `next_deadline`.
        self.earliest.store(earliest.as_nanos(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("clock", &self.clock)
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::context::enter;
    use crate::sleep::sleep_until;
    use lenio_sync::primitive::atomic::AtomicBool;
    use lenio_sync::primitive::thread;
    use std::pin::Pin;
    use std::task::Wake;
    use std::time::Duration;

    /// What an executor keeps about its driver: until when it sleeps, and whether it was interrupted. 0 means that it is awake.
    struct Driver {
        sleeps_until: AtomicU64,
        is_interrupted: AtomicBool,
    }

    impl Alarm for Driver {
        fn earlier(&self, deadline: Instant) {
            // ORDERING: Relaxed: ordered by the fence that `announce` puts before this, against the driver's own fence.
            if deadline.as_nanos() < self.sleeps_until.load(Ordering::Relaxed) {
                // ORDERING: Relaxed: read after the thread has been joined.
                self.is_interrupted.store(true, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn loom_ci_r31_timer_insert_vs_park() {
        loom::model(|| {
            let driver = Arc::new(Driver {
                sleeps_until: AtomicU64::new(0),
                is_interrupted: AtomicBool::new(false),
            });
            let clock = Clock::new_virtual();
            let deadline = clock.now() + Duration::from_secs(1);
            let timers = Timers::new(clock, Some(driver.clone()));
            let inserting = timers.clone();
            let inserter = thread::spawn(move || {
                let waker = Waker::noop().clone();
                let inserted = inserting.insert(deadline, waker).expect("open");
                assert!(inserted.is_earliest);
                inserting.announce(deadline);
            });

            // ORDERING: Relaxed, then the fence: steps a and b of the protocol, against the fence in `announce`.
            driver.sleeps_until.store(u64::MAX, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let seen = timers.next_deadline();

            inserter.join().unwrap();
            // ORDERING: Relaxed: the join ordered it.
            let interrupted = driver.is_interrupted.load(Ordering::Relaxed);
            assert!(seen == Some(deadline) || interrupted, "the timer was lost");
        });
    }

    #[test]
    fn loom_ci_r31_the_earlier_of_two_insertions_stays_published() {
        loom::model(|| {
            let clock = Clock::new_virtual();
            let start = clock.now();
            let timers = Timers::new(clock, None);
            let inserters = [2, 1].map(|seconds| {
                let timers = timers.clone();
                let deadline = start + Duration::from_secs(seconds);
                thread::spawn(move || {
                    let inserted = timers.insert(deadline, Waker::noop().clone());
                    assert!(inserted.is_ok());
                })
            });
            for inserter in inserters {
                inserter.join().unwrap();
            }
            let earliest = start + Duration::from_secs(1);
            assert_eq!(timers.next_deadline(), Some(earliest));
        });
    }

    #[test]
    fn loom_ci_r31_timer_cancel_vs_fire() {
        loom::model(|| {
            let clock = Clock::new_virtual();
            let timers = Timers::new(clock.clone(), None);
            let deadline = clock.now() + Duration::from_secs(1);
            let first = timers.insert(deadline, Waker::noop().clone());
            let first = first.expect("open").key;
            clock.advance_to(deadline);

            let turning = timers.clone();
            let turner = thread::spawn(move || {
                let mut batch = WakeBatch::new();
                let fired = turning.turn(deadline, &mut batch);
                // Another timer, which is given the entry of the first if that is free by now.
                let later = deadline + Duration::from_secs(1);
                let second = turning.insert(later, Waker::noop().clone());
                (fired, second.expect("open").key)
            });
            let cancelled = usize::from(timers.remove(first).is_some());
            let (fired, second) = turner.join().unwrap();

            assert_eq!(fired + cancelled, 1, "either it fires or it is cancelled");
            assert_eq!(timers.len(), 1, "nobody touched the other timer");
            assert!(timers.remove(second).is_some());
        });
    }

    #[test]
    fn loom_ci_r31_a_sleep_dropped_while_it_fires_leaves_nothing_behind() {
        struct Nobody;
        impl Wake for Nobody {
            fn wake(self: Arc<Self>) {}
        }
        loom::model(|| {
            let clock = Clock::new_virtual();
            let timers = Timers::new(clock.clone(), None);
            let deadline = clock.now() + Duration::from_secs(1);
            let nobody = Arc::new(Nobody);
            let mut sleep = sleep_until(deadline);
            {
                let waker = Waker::from(nobody.clone());
                let mut cx = Context::from_waker(&waker);
                let _entered = enter(&timers);
                assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
            }
            clock.advance_to(deadline);
            let dropper = thread::spawn(move || drop(sleep));
            let mut batch = WakeBatch::new();
            timers.turn(deadline, &mut batch);
            batch.wake_all();
            dropper.join().unwrap();
            assert!(timers.is_empty());
            assert_eq!(Arc::strong_count(&nobody), 1, "no waker is left");
        });
    }
}
