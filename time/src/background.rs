//! The thread for sleeps that no executor of lenio drives.
//!
//! This crate starts no thread, with this one exception: a sleep that is polled where nobody entered timers (under a foreign executor, in
//! a test, in a plain `block_on`) would otherwise have to panic or hang, and both are worse than one thread that comes when it is
//! needed and goes when it is not.
//!
//! # Coming and going
//!
//! Whoever makes the earliest deadline earlier calls the alarm ([`Keeper`]), and an insertion into a wheel without timers always
//! does. The alarm looks under the lock `is_running`: if the thread runs it is unparked, else it is started. The thread ends when it
//! was idle for a while, under the same lock, if by then nothing has been published. Whichever takes the lock first:
//!
//! - The alarm: the deadline was published before, so the thread sees it and stays.
//! - The thread: the alarm finds no thread and starts one.
//!
//! That an insertion which does *not* call the alarm is safe follows from who publishes "none": only a turn or an eviction, both of
//! which have then found the wheel empty (but for timers that are never due), and a later insertion is earlier than none.

use crate::clock::Clock;
use crate::instant::Instant;
use crate::timers::{Alarm, Timers};
use lenio_sync::contain::contain;
use lenio_sync::park::Parker;
use lenio_sync::primitive::{Mutex, thread};
use lenio_sync::wait::WakeBatch;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// How long the thread waits for another timer before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// The timers that the background thread drives, on the real clock.
pub(crate) fn timers() -> Arc<Timers> {
    static TIMERS: OnceLock<Arc<Timers>> = OnceLock::new();
    Arc::clone(TIMERS.get_or_init(|| Keeper::start(IDLE).0))
}

/// The alarm of the background timers: wakes the thread, or starts it.
struct Keeper {
    /// The timers keep the keeper alive, as their alarm, so the keeper must not keep the timers alive.
    timers: OnceLock<Weak<Timers>>,
    /// Shared with the thread.
    thread: Arc<Thread>,
}

impl Keeper {
    /// Makes timers with their keeper. The thread comes with the first timer, and goes after having been `idle` for so long.
    fn start(idle: Duration) -> (Arc<Timers>, Arc<Thread>) {
        let thread = Arc::new(Thread {
            parker: Parker::new(None),
            idle,
            is_running: Mutex::new(false),
        });
        let keeper = Arc::new(Self {
            timers: OnceLock::new(),
            thread: Arc::clone(&thread),
        });
        let timers = Timers::new(Clock::real(), Some(keeper.clone()));
        keeper.timers.get_or_init(|| Arc::downgrade(&timers));
        (timers, thread)
    }
}

impl Alarm for Keeper {
    fn earlier(&self, _deadline: Instant) {
        let mut is_running = self.thread.is_running.lock();
        if *is_running {
            drop(is_running);
            self.thread.parker.unpark();
            return;
        }
        let Some(timers) = self.timers.get().and_then(Weak::upgrade) else {
            return;
        };
        let started = Thread::start(Arc::clone(&self.thread), Arc::clone(&timers));
        *is_running = started.is_ok();
        drop(is_running);
        if started.is_err() {
            // The operating system has no thread to give. Whoever waits is woken, registers again and so tries again: that is busy
            // waiting, but nobody waits for ever.
            timers.evict();
        }
    }
}

/// What the thread and its keeper share.
struct Thread {
    parker: Parker,
    idle: Duration,
    /// Whether there is a thread that will look at the published deadline before it ends.
    is_running: Mutex<bool>,
}

impl Thread {
    fn start(self: Arc<Self>, timers: Arc<Timers>) -> io::Result<()> {
        let builder = thread::Builder::new().name("lenio-timer".to_owned());
        builder.spawn(move || self.run(&timers)).map(drop)
    }

    fn run(&self, timers: &Timers) {
        self.parker.adopt();
        let mut batch = WakeBatch::new();
        loop {
            timers.turn(timers.clock().now(), &mut batch);
            // A waker's panic must not end the thread that all others depend on.
            contain(|| batch.wake_all());
            if let Some(deadline) = timers.next_deadline() {
                let left = deadline.duration_since(timers.clock().now());
                self.parker.park(Some(left));
                continue;
            }
            let was_notified = self.parker.park(Some(self.idle));
            if !was_notified && self.ends(timers) {
                return;
            }
        }
    }

    /// Ends the thread's time unless there is something to do; then somebody else starts the next one.
    fn ends(&self, timers: &Timers) -> bool {
        let mut is_running = self.is_running.lock();
        *is_running = timers.next_deadline().is_some();
        !*is_running
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::{Wake, Waker};

    struct Ring(mpsc::Sender<()>);
    impl Wake for Ring {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }

    fn ring() -> (Waker, mpsc::Receiver<()>) {
        let (sender, rung) = mpsc::channel();
        (Arc::new(Ring(sender)).into(), rung)
    }

    fn register(timers: &Timers, after: Duration, waker: Waker) {
        let deadline = timers.clock().now() + after;
        let inserted = timers.insert(deadline, waker).expect("never closed");
        if inserted.is_earliest {
            timers.announce(deadline);
        }
    }

    fn wait_until_ended(thread: &Thread) {
        while *thread.is_running.lock() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_thread_ends_when_idle_and_comes_back_when_needed() {
        let (timers, thread) = Keeper::start(Duration::ZERO);
        assert!(!*thread.is_running.lock(), "no timer, no thread");
        for _ in 0..3 {
            let (waker, rung) = ring();
            register(&timers, Duration::from_millis(1), waker);
            rung.recv().expect("woken");
            wait_until_ended(&thread);
        }
    }

    #[test]
    fn a_timer_registered_while_the_thread_ends_is_not_lost() {
        let (timers, _thread) = Keeper::start(Duration::ZERO);
        for round in 0..2000 {
            let (waker, rung) = ring();
            register(&timers, Duration::from_nanos(round), waker);
            rung.recv().expect("woken, by the old thread or a new one");
        }
    }

    #[test]
    fn the_thread_stays_for_a_deadline_published_after_its_last_look() {
        let (timers, thread) = Keeper::start(Duration::ZERO);
        // This test is the thread: it has looked, and found nothing.
        *thread.is_running.lock() = true;
        register(&timers, Duration::from_secs(1), Waker::noop().clone());
        assert!(!thread.ends(&timers));
        assert!(*thread.is_running.lock());
        timers.evict();
        assert!(thread.ends(&timers));
        assert!(!*thread.is_running.lock());
    }

    #[test]
    fn an_earlier_timer_interrupts_the_sleep_towards_a_later_one() {
        let (timers, _thread) = Keeper::start(Duration::ZERO);
        let (late, _never_rung) = ring();
        register(&timers, Duration::from_secs(86_400), late);
        // Several times, because the thread may not sleep yet when the first comes.
        for _ in 0..10 {
            let (soon, rung) = ring();
            register(&timers, Duration::from_millis(1), soon);
            rung.recv().expect("woken today");
        }
        timers.evict();
    }

    #[test]
    fn a_timer_that_is_never_due_keeps_no_thread() {
        let (timers, thread) = Keeper::start(Duration::ZERO);
        register(&timers, Duration::MAX, Waker::noop().clone());
        assert_eq!(timers.len(), 1);
        assert!(!*thread.is_running.lock());
    }

    #[test]
    fn a_panicking_waker_does_not_end_the_thread() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("on purpose");
            }
        }
        let (timers, _thread) = Keeper::start(Duration::from_secs(10));
        register(&timers, Duration::ZERO, Arc::new(Panics).into());
        let (waker, rung) = ring();
        register(&timers, Duration::from_millis(1), waker);
        rung.recv().expect("woken");
    }
}
