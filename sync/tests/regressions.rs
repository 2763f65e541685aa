//! Mistakes that crates of this kind have made, and that this one must not make: one test for each, by the number of the list that the
//! project keeps of them (R19 to R30). Most of the numbers have theirs beside the code or in a suite:
//!
//! | number | what went wrong elsewhere | where its tests are |
//! |---|---|---|
//! | R19 | a permit is lost, or the next one sleeps, after a cancel | `semaphore` (tests, models), suite `cancel` |
//! | R20 | dangling waiters, a semaphore that opens again, too many permits | `semaphore` (tests), suite `forget`, here |
//! | R21 | a notification is lost with its future; notify-all is not atomic | `notify`, `event` (tests, models), suite `cancel`, here |
//! | R22, R23 | wakers that re-enter and panic | suite `hostile`, `stop`, `channel` (tests), here |
//! | R24 | an owned acquire is busy while it waits; guards that go where they must not | here, suite `auto_traits` |
//! | R25 | a barrier counts those who are gone | `barrier` (tests, models), suite `cancel` |
//! | R26 | the stop takes a value that is ready; lock order | `stop` (models), suite `stop` |
//! | R27 | oneshot: races, use after free, wakers that leak | `channel::oneshot` (tests, models), suite `stop`, here |
//! | R28 | broadcast: clone without `Sync`, wrong lags, quadratic time | `channel::broadcast` (tests, models), suite `auto_traits`, here |
//! | R29 | permits, lengths and panics of channels | `channel` (tests, models), suite `cancel` |
//! | R30 | watch: deadlock, versions that wrap, poison | `channel::watch` (tests, models) |

use lenio_sync::channel::{TryRecvError, broadcast, rendezvous};
use lenio_sync::semaphore::TryAcquireError;
use lenio_sync::{Condvar, Lock, RwLock, Semaphore};
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

/// A future that is polled only when it was woken, as a task is.
struct Task<'t, R> {
    future: Pin<Box<dyn Future<Output = R> + 't>>,
    wakes: Arc<Wakes>,
    seen: usize,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<'t, R> Task<'t, R> {
    fn new(future: impl Future<Output = R> + 't) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::default(),
            seen: 0,
        }
    }

    fn poll(&mut self) -> Poll<R> {
        self.seen = self.wakes();
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// How often it has been woken in all.
    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }

    fn is_woken(&self) -> bool {
        self.wakes() > self.seen
    }

    /// How many wakers of it there are, beside its own.
    fn kept_wakers(&self) -> usize {
        Arc::strong_count(&self.wakes) - 1
    }
}

#[test]
fn r20_forgetting_permits_opens_nothing_and_takes_nothing_from_waiters() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire(1).expect("there are two");
    let mut waiting = Task::new(semaphore.acquire(2));
    assert!(waiting.poll().is_pending());
    assert_eq!(semaphore.forget_permits(9), 1, "only what is available");
    drop(held);
    assert!(!waiting.is_woken(), "there is one, and it needs two");
    semaphore.add_permits(1);
    assert!(waiting.is_woken());
    // What it was woken for is taken out of circulation before it looks.
    assert_eq!(semaphore.forget_permits(9), 2);
    assert!(waiting.poll().is_pending());
    assert!(semaphore.close());
    assert!(matches!(waiting.poll(), Poll::Ready(Err(_))));
    for acts in [
        |semaphore: &Semaphore| assert_eq!(semaphore.forget_permits(1), 0),
        |semaphore: &Semaphore| semaphore.add_permits(3),
    ] {
        acts(&semaphore);
        assert!(semaphore.is_closed());
        let refused = semaphore.try_acquire(1).err();
        assert_eq!(refused, Some(TryAcquireError::Closed), "it opened again");
    }
}

#[test]
fn r21_a_notification_of_a_waiter_that_cannot_get_the_lock_goes_to_the_next() {
    let (lock, condvar) = (Lock::new(()), Condvar::new());
    let mut first = Task::new(condvar.wait(lock.lock_blocking()));
    assert!(first.poll().is_pending());
    let mut second = Task::new(condvar.wait(lock.lock_blocking()));
    assert!(second.poll().is_pending());
    let held = lock.lock_blocking();
    assert!(condvar.notify_one());
    assert!(first.poll().is_pending(), "it waits for the lock now");
    drop(held);
    assert!(first.is_woken());
    drop(first);
    assert!(second.is_woken(), "the notification went with its receiver");
    assert!(second.poll().is_ready());
}

/// Polls whenever it was woken, while `let_through` makes it so; counts the polls.
fn polls_of_a_wait<R>(acquire: impl Future<Output = R>, let_through: impl FnOnce()) -> usize {
    let mut task = Task::new(acquire);
    assert!(task.poll().is_pending());
    let mut polls = 1;
    assert_eq!(
        task.wakes(),
        0,
        "it wakes itself: it is busy while it waits"
    );
    let_through();
    while task.is_woken() {
        polls += 1;
        if task.poll().is_ready() {
            return polls;
        }
    }
    panic!("it was not woken");
}

#[test]
fn r24_an_owned_acquire_that_waits_is_polled_once_per_wake() {
    let lock = Arc::new(Lock::new(()));
    let held = lock.lock_blocking();
    assert_eq!(polls_of_a_wait(lock.clone().lock_owned(), || drop(held)), 2);

    let lock = Arc::new(RwLock::new(()));
    let held = lock.write_blocking();
    assert_eq!(polls_of_a_wait(lock.clone().read_owned(), || drop(held)), 2);
    let held = lock.read_blocking();
    assert_eq!(
        polls_of_a_wait(lock.clone().write_owned(), || drop(held)),
        2
    );
    let held = lock.try_upgradable_read().expect("it is free");
    assert_eq!(polls_of_a_wait(lock.upgradable_read(), || drop(held)), 2);

    let semaphore = Arc::new(Semaphore::new(2));
    let held = semaphore.try_acquire(2).expect("they are free");
    let acquire = semaphore.clone().acquire_owned(2);
    assert_eq!(polls_of_a_wait(acquire, || drop(held)), 2);
}

#[test]
fn r24_releases_that_are_too_little_wake_nobody() {
    let semaphore = Arc::new(Semaphore::new(1));
    let mut task = Task::new(semaphore.clone().acquire_owned(2));
    assert!(task.poll().is_pending());
    // Fewer than make it count as a loss that holds others back.
    for _ in 0..10 {
        drop(semaphore.try_acquire(1).expect("it is free"));
    }
    assert_eq!(task.wakes(), 0);
    semaphore.add_permits(1);
    assert_eq!(task.wakes(), 1);
    assert!(task.poll().is_ready());
}

/// Says in which thread it was dropped.
struct Witness(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0
            .lock()
            .expect("nobody panics")
            .push(thread::current().id());
    }
}

#[test]
fn r24_an_owned_guard_that_is_the_last_drops_its_source_wherever_it_is_once() {
    let drops = Arc::new(Mutex::new(Vec::new()));
    let lock = Arc::new(Lock::new(Witness(drops.clone())));
    let weak = Arc::downgrade(&lock);
    let guard = lock.try_lock_owned().expect("it is free");
    let other = thread::spawn(move || {
        drop(guard);
        thread::current().id()
    });
    let other = other.join().expect("it does not panic");
    assert_eq!(*drops.lock().expect("nobody panics"), [other]);
    assert!(weak.upgrade().is_none());
    drops.lock().expect("nobody panics").clear();

    let lock = Arc::new(RwLock::new(Witness(drops.clone())));
    let mut reading = Box::pin(lock.clone().read_owned());
    let Poll::Ready(guard) = reading
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it is free");
    };
    drop((lock, reading));
    assert!(drops.lock().expect("nobody panics").is_empty());
    let other = thread::spawn(move || {
        drop(guard);
        thread::current().id()
    });
    let other = other.join().expect("it does not panic");
    assert_eq!(*drops.lock().expect("nobody panics"), [other]);
}

#[test]
fn r24_an_owned_acquire_that_is_dropped_gives_its_source_back() {
    let lock = Arc::new(Lock::new(()));
    let held = lock.lock_blocking();
    for polls in 0..2 {
        let mut task = Task::new(lock.clone().lock_owned());
        assert_eq!(Arc::strong_count(&lock), 2);
        for _ in 0..polls {
            assert!(task.poll().is_pending());
        }
        drop(task);
        assert_eq!(Arc::strong_count(&lock), 1);
    }
    drop(held);
}

#[test]
fn r27_no_channel_keeps_a_waker_of_a_receiver_that_is_gone_or_has_its_message() {
    let (sender, receiver) = rendezvous();
    // Claimed by a permit, and dropped.
    let mut recv = Task::new(receiver.recv());
    assert!(recv.poll().is_pending());
    let permit = sender.try_reserve().expect("a receiver waits");
    let wakes = recv.wakes.clone();
    drop(recv);
    assert_eq!(Arc::strong_count(&wakes), 1, "the permit keeps its waker");
    // Claimed by a permit, and polled all the same.
    let mut recv = Task::new(receiver.recv());
    assert!(recv.poll().is_pending());
    let second = sender.try_reserve().expect("a receiver waits");
    assert!(recv.poll().is_pending());
    assert_eq!(recv.kept_wakers(), 1, "one in the list, and no other");
    let mut sending = Task::new(sender.send(1));
    assert!(sending.poll().is_pending());
    assert_eq!(recv.poll(), Poll::Ready(Ok(1)));
    assert_eq!(recv.kept_wakers(), 0);
    assert!(sending.is_woken() && sending.poll() == Poll::Ready(Ok(())));
    // The permits are good for what they were.
    assert!(permit.send(2).is_ok() && second.send(3).is_ok());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Ok(3)));
}

/// A value that counts how often it is cloned.
struct Counted(Rc<Cell<usize>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(self.0.clone())
    }
}

#[test]
fn r28_a_value_for_ten_thousand_receivers_takes_ten_thousand_wakes_and_clones() {
    const RECEIVERS: usize = 10_000;
    let clones = Rc::new(Cell::new(0));
    let (sender, first) = broadcast::channel(2);
    let mut receivers: Vec<_> = (1..RECEIVERS).map(|_| first.resubscribe()).collect();
    receivers.push(first);
    for round in 1..=3 {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let mut waits: Vec<_> = receivers
            .iter_mut()
            .map(|one| Box::pin(one.recv()))
            .collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        assert!(sender.send(Counted(clones.clone())).is_ok());
        assert_eq!(wakes.0.load(Ordering::Relaxed), RECEIVERS);
        for wait in &mut waits {
            assert!(matches!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
        }
        // The last one gets the value itself.
        assert_eq!(clones.get(), round * (RECEIVERS - 1));
    }
}

/// Found with the suite `hostile`: the panic of a waker that was woken in `drop`, during another panic, ended the process.
#[test]
fn r23_a_permit_that_a_panic_drops_lets_no_panic_of_a_sender_s_waker_out() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in the waker");
        }
    }
    let (sender, receiver) = lenio_sync::channel::bounded(1);
    let permit = sender.try_reserve().expect("it is empty");
    let waker = Waker::from(Arc::new(Panics));
    let mut sending = Box::pin(sender.send(1));
    assert!(
        sending
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        let _permit = permit;
        panic!("drops the permit");
    }));
    assert!(dropped.is_err());
    assert!(
        sending
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    );
    drop(sending);
    assert_eq!(receiver.try_recv(), Ok(1));
}

/// Found with the suite `hostile`: a permit keeps a receiver for itself, but must not make it sleep beside a message.
#[test]
fn r29_a_receiver_that_a_permit_claims_is_woken_for_the_offer_of_another_sender() {
    let (sender, receiver) = rendezvous();
    let mut recv = Task::new(receiver.recv());
    assert!(recv.poll().is_pending());
    let permit = sender.try_reserve().expect("a receiver waits");
    assert!(!recv.is_woken(), "it is only spoken for");
    let mut sending = Task::new(sender.send(1));
    assert!(sending.poll().is_pending());
    assert!(recv.is_woken(), "it sleeps beside a message");
    assert_eq!(recv.poll(), Poll::Ready(Ok(1)));
    assert!(sending.is_woken());
    assert_eq!(sending.poll(), Poll::Ready(Ok(())));
    // The claim holds all the same: its sender does not wait.
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(permit.send(2).is_ok());
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn r29_a_receiver_that_a_permit_claims_is_woken_when_the_one_before_it_goes() {
    let (sender, receiver) = rendezvous();
    let mut first = Task::new(receiver.recv());
    let mut second = Task::new(receiver.recv());
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert_eq!(sender.try_send(1), Ok(()));
    assert!(first.is_woken() && !second.is_woken());
    let permit = sender.try_reserve().expect("the second one waits");
    drop(first);
    assert!(second.is_woken(), "it sleeps beside a message");
    assert_eq!(second.poll(), Poll::Ready(Ok(1)));
    drop(permit);
}
