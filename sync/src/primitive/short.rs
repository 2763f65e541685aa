#![expect(
    unsafe_code,
    reason = "a lock: it hands out its value by a raw pointer, one holder at a time"
)]
#![cfg_attr(
    lenio_loom,
    expect(
        unreachable_pub,
        reason = "in a build for models only its own model uses it"
    )
)]
//! A lock for a handful of instructions.

#[cfg(lenio_loom)]
use super::model as imp;
#[cfg(not(lenio_loom))]
use super::real as imp;
use imp::atomic::{AtomicBool, Ordering};
use imp::hint::spin_loop;
use imp::{UnsafeCell, thread};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Looks at a held lock before the thread offers its core to others. Few on purpose: the offer takes it out of the way for as long as it
/// takes the other side to work on, so the two do not take the cache line from each other at every step. With 64 looks a contended
/// channel took up to 42 ns a message, with 4 up to 17 ns (medians; two cores, four senders and four receivers).
const SPINS: u32 = 4;

/// Offers of the core before the thread sleeps.
const YIELDS: u32 = 16;

/// The first sleep; each further one takes twice as long, up to [`LONGEST_SLEEP`].
const FIRST_SLEEP: Duration = Duration::from_micros(20);

/// The longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_millis(1);

/// A lock that is only ever held for a handful of instructions, and that costs one atomic exchange to take and a plain store to give
/// back: about half of what a lock costs that can put its waiters to sleep, because that one has to ask at each unlock whether somebody
/// does. (A channel's message, which takes two locks, cost 6.4 ns with this one and 9.6 ns with std's mutex, in one run on one thread.)
///
/// Like all locks of this shim it ignores poisoning.
///
/// # When it is good, and when it is not
///
/// Good: the holder moves a few words and runs no foreign code, no system call and no loop whose length others decide. Then a thread
/// that finds the lock held has it after some ten nanoseconds, and the only long wait is the one for a holder that was preempted.
///
/// Not good: anything else. Nobody is woken when the lock is given back, nobody is served in order, and a waiter may sleep for up to a
/// millisecond although the lock is free. Use `Mutex` there.
///
/// # Why a waiter never burns its core
///
/// It looks 4 times, offers its core 16 times, and then sleeps for 20 µs, 40 µs and so on up to 1 ms between looks. So a holder that was
/// preempted runs again even if all waiters have a higher real-time priority, which a lock that only spins or only yields would never
/// let happen. The sleep is a plain sleep on purpose: to park would eat the token of a thread that some executor is about to park.
///
/// # Why it is sound
///
/// `is_held` goes from no to yes by a compare-and-exchange only, so between two stores of *no* at most one thread has succeeded: it is
/// the holder, and it alone makes references to the value. The exchange acquires what the store of the last holder released, so the
/// holders' accesses are ordered one after the other. A model of this lock shows it; in the models of everything else loom's own lock
/// stands in.
pub struct ShortLock<T> {
    is_held: AtomicBool,
    value: UnsafeCell<T>,
}

// A panic while the lock is held unlocks it, and what it protects is consistent whenever foreign code can run: as std's lock.
impl<T> std::panic::UnwindSafe for ShortLock<T> {}
impl<T> std::panic::RefUnwindSafe for ShortLock<T> {}

// SAFETY: the `UnsafeCell` forbids the auto trait. The lock hands the value to one thread at a time, which `T: Send` allows.
unsafe impl<T: Send> Sync for ShortLock<T> {}

impl<T> ShortLock<T> {
    /// Makes an unlocked lock around `value`.
    pub fn new(value: T) -> Self {
        Self {
            is_held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock. Blocks the thread while somebody else holds it.
    #[inline]
    pub fn lock(&self) -> ShortGuard<'_, T> {
        if !self.take() {
            self.lock_slow();
        }
        ShortGuard {
            lock: self,
            _stays_here: PhantomData,
        }
    }

    /// The value, for whoever has the lock alone.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` says that nobody else has the lock.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Takes the lock if nobody holds it.
    #[inline]
    pub fn try_lock(&self) -> Option<ShortGuard<'_, T>> {
        self.take().then(|| ShortGuard {
            lock: self,
            _stays_here: PhantomData,
        })
    }

    #[inline]
    fn take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in the guard's drop: this holder sees what the last one did.
        self.is_held
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn lock_slow(&self) {
        let mut looks = 0;
        let mut sleep = FIRST_SLEEP;
        loop {
            if looks < SPINS && !cfg!(lenio_loom) {
                spin_loop();
            } else if looks < SPINS + YIELDS {
                thread::yield_now();
            } else {
                rest(sleep);
                sleep = LONGEST_SLEEP.min(sleep * 2);
            }
            looks = looks.saturating_add(1);
            // A look does not take the cache line away from the holder, as an exchange would.
            // ORDERING: Relaxed: a hint; the exchange decides.
            if !self.is_held.load(Ordering::Relaxed) && self.take() {
                return;
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nobody wakes whoever waits for this lock, and parking would eat the token of another sleep"
)]
fn rest(time: Duration) {
    if cfg!(lenio_loom) {
        // Loom knows no clock.
        thread::yield_now();
    } else {
        std::thread::sleep(time);
    }
}

impl<T> fmt::Debug for ShortLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortLock").finish_non_exhaustive()
    }
}

/// The right to use the value of a [`ShortLock`]. Dropping it gives the lock back.
#[must_use = "the lock is given back at once if its guard is dropped"]
pub struct ShortGuard<'a, T> {
    lock: &'a ShortLock<T>,
    /// A holder that moves between threads is one that holds the lock for long.
    _stays_here: PhantomData<*const ()>,
}

// SAFETY: the pointer of `_stays_here` forbids the auto trait and is never followed; a shared guard gives `&T` only.
unsafe impl<T: Sync> Sync for ShortGuard<'_, T> {}

impl<T> Deref for ShortGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only holder, and its own borrow keeps `deref_mut` away.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for ShortGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only holder, and it is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for ShortGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `take`.
        self.lock.is_held.store(false, Ordering::Release);
    }
}

impl<T> fmt::Debug for ShortGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortGuard").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;

    #[test]
    fn more_threads_than_cores_count_without_losing_a_step() {
        let threads = 4 * std::thread::available_parallelism().map_or(2, usize::from);
        let rounds = 20_000;
        let lock = Arc::new(ShortLock::new((0_usize, 0_usize)));
        let counters: Vec<_> = (0..threads)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || {
                    for _ in 0..rounds {
                        let mut pair = lock.lock();
                        assert_eq!(pair.0, pair.1, "somebody else is in here");
                        pair.0 += 1;
                        pair.1 += 1;
                    }
                })
            })
            .collect();
        for counter in counters {
            counter.join().expect("no counter panics");
        }
        assert_eq!(*lock.lock(), (threads * rounds, threads * rounds));
    }

    #[test]
    fn waiters_get_through_although_the_holder_was_away_for_long() {
        let lock = Arc::new(ShortLock::new(0));
        let mut held = lock.lock();
        let (arrived, arrivals) = mpsc::channel();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (lock, arrived) = (lock.clone(), arrived.clone());
                thread::spawn(move || {
                    arrived.send(()).expect("somebody counts");
                    *lock.lock() += 1;
                })
            })
            .collect();
        for _ in 0..4 {
            arrivals.recv().expect("all arrive");
        }
        // As if preempted: the waiters go through all their stages meanwhile.
        for _ in 0..500 {
            thread::yield_now();
        }
        assert_eq!(*held, 0, "nobody gets in while it is held");
        *held = 10;
        drop(held);
        for waiter in waiters {
            waiter.join().expect("no waiter panics");
        }
        assert_eq!(*lock.lock(), 14);
    }

    #[test]
    fn a_wait_for_the_lock_leaves_the_thread_its_park_token() {
        let lock = Arc::new(ShortLock::new(()));
        let held = lock.lock();
        let other = lock.clone();
        let (arrived, arrival) = mpsc::channel();
        let waiter = thread::spawn(move || {
            arrived.send(()).expect("somebody listens");
            drop(other.lock());
            // Returns at once, because the token is still there.
            thread::park();
        });
        arrival.recv().expect("it arrives");
        waiter.thread().unpark();
        for _ in 0..500 {
            thread::yield_now();
        }
        drop(held);
        waiter.join().expect("it got the lock and its token");
    }

    #[test]
    fn a_panic_gives_the_lock_back() {
        let lock = ShortLock::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("while holding");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn loom_ci_holders_come_one_after_the_other_and_see_what_the_last_one_did() {
        loom::model(|| {
            let lock = Arc::new(ShortLock::new(0));
            let other = lock.clone();
            let t = thread::spawn(move || {
                for _ in 0..2 {
                    *other.lock() += 1;
                }
            });
            if let Some(mut value) = lock.try_lock() {
                *value += 10;
            } else {
                *lock.lock() += 10;
            }
            t.join().unwrap();
            assert_eq!(*lock.lock(), 12);
        });
    }
}
