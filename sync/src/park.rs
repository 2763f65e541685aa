//! Putting a thread to sleep and waking it.
//!
//! A [`Parker`] holds at most one *token*. [`unpark`](Parker::unpark) makes it available, [`park`](Parker::park) consumes it, and waits
//! for it where there is none. A thread may also sleep *elsewhere*, in the kernel's event queue for instance; then a token is
//! delivered by interrupting that sleep ([`park_elsewhere`](Parker::park_elsewhere)).
//!
//! ```text
//!            park: 1 take              unpark: 4
//!  NOTIFIED ------------> EMPTY -----------------------> NOTIFIED
//!                          |  ^
//!            2 sleep here  |  | 5 woken or timed out
//!                          v  |
//!                        ASLEEP / ELSEWHERE --unpark: 3--> NOTIFIED, and the sleep is interrupted
//! ```

use crate::primitive::Mutex;
use crate::primitive::atomic::{AtomicU8, Ordering};
use crate::primitive::thread::{self, Thread};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Interrupts a sleep that goes on outside a [`Parker`], such as a wait in the kernel's event queue.
pub trait Interrupt: Send + Sync {
    /// Makes the current sleep return, or the next one if none goes on.
    fn interrupt(&self);
}

const EMPTY: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;
const ELSEWHERE: u8 = 3;

/// The sleeping place of one thread at a time.
pub struct Parker {
    state: AtomicU8,
    /// Who sleeps here. Written by [`adopt`](Parker::adopt), read by `unpark` only after it found `ASLEEP`.
    thread: Mutex<Option<Thread>>,
    elsewhere: Option<Arc<dyn Interrupt>>,
}

impl Parker {
    /// Makes a sleeping place without a token; `elsewhere` interrupts the other kind of sleep.
    pub fn new(elsewhere: Option<Arc<dyn Interrupt>>) -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            thread: Mutex::new(None),
            elsewhere,
        }
    }

    /// Makes the calling thread the one that sleeps here. To be called before its first `park`, while nobody else sleeps here.
    pub fn adopt(&self) {
        *self.thread.lock() = Some(thread::current());
    }

    /// Consumes the token if there is one, without waiting.
    pub fn try_take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `unpark`: what was written before the token was given is visible after.
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Sleeps until a token is there, or for `timeout`; consumes it. Returns whether there was one.
    pub fn park(&self, timeout: Option<Duration>) -> bool {
        // ORDERING: Acquire on failure pairs with `unpark`'s Release (the token was there already). Relaxed on success: nothing is
        // published by going to sleep; callers that look at other memory in between put their own fence.
        match self
            .state
            .compare_exchange(EMPTY, ASLEEP, Ordering::Relaxed, Ordering::Acquire)
        {
            Ok(_) => {}
            Err(_) => return self.take_token(),
        }
        match timeout {
            None => {
                // ORDERING: Acquire pairs with `unpark`'s Release.
                while self.state.load(Ordering::Acquire) == ASLEEP {
                    thread::park();
                }
            }
            Some(timeout) => self.sleep_for(timeout),
        }
        self.take_token()
    }

    /// Sleeps in `sleep` instead of here. `sleep` is skipped if a token is there already, and interrupted when one arrives.
    ///
    /// Returns what `sleep` returned, if it ran, and whether a token was consumed.
    pub fn park_elsewhere<R>(&self, sleep: impl FnOnce() -> R) -> (Option<R>, bool) {
        // ORDERING: as in `park`.
        if self
            .state
            .compare_exchange(EMPTY, ELSEWHERE, Ordering::Relaxed, Ordering::Acquire)
            .is_err()
        {
            return (None, self.take_token());
        }
        let result = sleep();
        (Some(result), self.take_token())
    }

    /// Whether a token is there. For a sleep elsewhere that returned and wants to know whether it was interrupted.
    pub fn is_notified(&self) -> bool {
        // ORDERING: Relaxed: a hint; whoever takes the token acquires.
        self.state.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Whether the thread sleeps here, and nobody has woken it. It stays so until somebody does, or until its timeout is over.
    pub fn is_asleep(&self) -> bool {
        // ORDERING: Acquire, as whoever finds the thread asleep wants to see what it did before; the swap to ASLEEP is the pair's
        // other half only by way of the reader's own later unpark, so nothing may depend on more than the value.
        self.state.load(Ordering::Acquire) == ASLEEP
    }

    /// Gives the token: the thread that sleeps here wakes, or its next `park` returns at once.
    ///
    /// Never blocks on user code. Costs one swap, and a system call if the thread was asleep.
    pub fn unpark(&self) {
        // ORDERING: Release pairs with the Acquire in `take_token` and `try_take`. Acquire because the sleeper's adoption of the
        // place (the thread handle below) happened before it published ASLEEP; the mutex orders that as well.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            ASLEEP => {
                if let Some(thread) = self.thread.lock().as_ref() {
                    thread.unpark();
                }
            }
            ELSEWHERE => {
                if let Some(elsewhere) = &self.elsewhere {
                    elsewhere.interrupt();
                }
            }
            _ => {}
        }
    }

    fn take_token(&self) -> bool {
        // ORDERING: Acquire pairs with `unpark`'s Release.
        self.state.swap(EMPTY, Ordering::Acquire) == NOTIFIED
    }

    fn sleep_for(&self, timeout: Duration) {
        let Some(until) = deadline(timeout) else {
            // Too far away for the clock to express: as good as no timeout at all.
            // ORDERING: Acquire pairs with `unpark`'s Release.
            while self.state.load(Ordering::Acquire) == ASLEEP {
                thread::park();
            }
            return;
        };
        let mut left = timeout;
        loop {
            thread::park_timeout(left);
            // ORDERING: Acquire pairs with `unpark`'s Release.
            if self.state.load(Ordering::Acquire) != ASLEEP || cfg!(lenio_loom) {
                return;
            }
            match remaining(until) {
                Some(time) => left = time,
                None => return,
            }
        }
    }
}

impl std::fmt::Debug for Parker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parker").finish_non_exhaustive()
    }
}

// The parker sleeps against the operating system's clock, below the door `lenio_time::Clock`: a spurious return of
// `park_timeout` has to be told from a timeout, and a virtual clock never parks with a timeout.
#[expect(
    clippy::disallowed_methods,
    reason = "the parker measures its own sleep; lenio-time stands above this crate"
)]
fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the parker measures its own sleep; lenio-time stands above this crate"
)]
fn remaining(until: Instant) -> Option<Duration> {
    until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_token_given_before_park_is_not_lost() {
        let parker = Parker::new(None);
        parker.adopt();
        parker.unpark();
        parker.unpark();
        assert!(parker.park(None), "the token was there");
        assert!(!parker.try_take(), "two unparks make one token");
    }

    #[test]
    fn a_timeout_ends_the_sleep_without_a_token() {
        let parker = Parker::new(None);
        parker.adopt();
        assert!(!parker.park(Some(Duration::from_millis(1))));
        parker.unpark();
        assert!(parker.park(Some(Duration::MAX)));
    }

    #[test]
    fn a_sleep_elsewhere_is_interrupted() {
        struct Flag(Mutex<bool>, crate::primitive::Condvar);
        impl Interrupt for Flag {
            fn interrupt(&self) {
                *self.0.lock() = true;
                self.1.notify_all();
            }
        }
        let flag = Arc::new(Flag(Mutex::new(false), crate::primitive::Condvar::new()));
        let parker = Arc::new(Parker::new(Some(flag.clone())));
        let other = parker.clone();
        let waker = thread::spawn(move || other.unpark());
        let (slept, token) = parker.park_elsewhere(|| {
            let mut set = flag.0.lock();
            while !*set {
                set = flag.1.wait(set);
            }
        });
        waker.join().unwrap();
        // Either the token came first and nothing slept, or the sleep was interrupted; the token is there in both cases.
        let _ = slept;
        assert!(token || parker.try_take());
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;

    #[test]
    fn loom_ci_r01_an_unpark_during_park_is_never_lost() {
        loom::model(|| {
            let parker = Arc::new(Parker::new(None));
            parker.adopt();
            let data = Arc::new(AtomicU8::new(0));
            let (other, seen) = (parker.clone(), data.clone());
            let t = thread::spawn(move || {
                // ORDERING: Relaxed: published by the token's Release/Acquire pair, which is what this model shows.
                seen.store(1, Ordering::Relaxed);
                other.unpark();
            });
            assert!(parker.park(None));
            // ORDERING: as above.
            assert_eq!(data.load(Ordering::Relaxed), 1);
            t.join().unwrap();
        });
    }
}
