//! Wakers and drops that come back to the very timers that they are called from.

use crate::driver::{Driver, SECOND, counted, poll, poll_with};
use lenio_sync::wait::WakeBatch;
use lenio_time::{Alarm, Instant, Sleep, Timers, enter, sleep};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

/// Runs a closure once, when it is first woken.
struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Once<F> {
    fn waker(run: F) -> Waker {
        Arc::new(Self(Mutex::new(Some(run)))).into()
    }
}

impl<F: FnOnce() + Send + 'static> Wake for Once<F> {
    fn wake(self: Arc<Self>) {
        let run = self.0.lock().unwrap().take();
        if let Some(run) = run {
            run();
        }
    }
}

fn registered(waker: &Waker) -> Sleep {
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, waker).is_pending());
    nap
}

#[test]
fn a_wake_may_drop_sleeps_due_in_the_same_turn_and_later_ones() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let due = registered(&waker);
    let mut later = sleep(2 * SECOND);
    assert!(poll_with(&mut later, &waker).is_pending());
    let mut first = sleep(SECOND / 2);
    let drops = Once::waker(move || drop((due, later)));
    assert!(poll_with(&mut first, &drops).is_pending());
    assert_eq!(driver.advance(SECOND), 2);
    assert_eq!(count.get(), 1, "its waker was in the batch already");
    assert!(driver.timers.is_empty());
}

#[test]
fn a_wake_may_register_reset_and_turn() {
    let driver = Driver::new();
    let other = Arc::new(Mutex::new(registered(Waker::noop())));
    let (timers, reset) = (driver.timers.clone(), other.clone());
    let busy = Once::waker(move || {
        let _entered = enter(&timers);
        let mut nap = sleep(SECOND);
        assert!(poll(&mut nap).is_pending());
        let mut other = reset.lock().unwrap();
        Pin::new(&mut *other).reset(Instant::now() + SECOND);
        let mut batch = WakeBatch::new();
        timers.turn(Instant::now(), &mut batch);
        assert!(poll(&mut nap).is_pending());
    });
    let _nap = registered(&busy);
    assert_eq!(driver.advance(SECOND), 2);
    assert!(driver.timers.is_empty());
}

#[test]
fn dropping_the_last_waker_may_drop_another_sleep() {
    struct Holds(#[expect(dead_code, reason = "held for its drop")] Sleep);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    let driver = Driver::new();
    // A chain: each waker owns the sleep before it, as a task owns the sleeps that it waits for.
    let mut nap = registered(Waker::noop());
    for _ in 0..10 {
        nap = registered(&Waker::from(Arc::new(Holds(nap))));
    }
    assert_eq!(driver.timers.len(), 11);
    drop(nap);
    assert!(driver.timers.is_empty());
}

#[test]
fn replacing_the_last_waker_may_drop_another_sleep() {
    let driver = Driver::new();
    let inner = registered(Waker::noop());
    let mut nap = registered(&Once::waker(move || drop(inner)));
    assert_eq!(driver.timers.len(), 2);
    assert!(poll(&mut nap).is_pending());
    assert_eq!(driver.timers.len(), 1);
}

#[test]
fn closing_wakes_wakers_that_come_back() {
    let driver = Driver::new();
    let inner = registered(Waker::noop());
    let timers = driver.timers.clone();
    let waker = Once::waker(move || {
        drop(inner);
        timers.close();
    });
    let _nap = registered(&waker);
    driver.timers.close();
    assert!(driver.timers.is_empty());
}

#[test]
fn a_panicking_waker_keeps_nobody_from_being_woken() {
    let driver = Driver::new();
    let _first = registered(&Once::waker(|| panic!("on purpose")));
    let (count, waker) = counted();
    let _second = registered(&waker);
    let result = catch_unwind(AssertUnwindSafe(|| driver.advance(SECOND)));
    assert!(result.is_err());
    assert_eq!(count.get(), 1);
    assert_eq!(driver.timers.next_deadline(), None);
}

#[test]
fn a_panicking_alarm_leaves_the_timer_registered() {
    struct Panics;
    impl Alarm for Panics {
        fn earlier(&self, _deadline: Instant) {
            panic!("on purpose");
        }
    }
    let driver = Driver::with_alarm(Some(Arc::new(Panics)));
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    let result = catch_unwind(AssertUnwindSafe(|| poll_with(&mut nap, &waker)));
    assert!(result.is_err());
    driver.advance(SECOND);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut nap).is_ready());

    let mut nap = sleep(SECOND);
    let result = catch_unwind(AssertUnwindSafe(|| poll_with(&mut nap, &waker)));
    assert!(result.is_err());
    drop(nap);
    assert!(driver.timers.is_empty());
}

#[test]
fn an_alarm_may_come_back() {
    struct Turns(Mutex<Option<Arc<Timers>>>);
    impl Alarm for Turns {
        fn earlier(&self, deadline: Instant) {
            let timers = self.0.lock().unwrap().clone().expect("set before");
            assert_eq!(timers.next_deadline(), Some(deadline));
            timers.turn(timers.clock().now(), &mut WakeBatch::new());
        }
    }
    let alarm = Arc::new(Turns(Mutex::new(None)));
    let driver = Driver::with_alarm(Some(alarm.clone()));
    *alarm.0.lock().unwrap() = Some(driver.timers.clone());
    let _nap = registered(Waker::noop());
    assert_eq!(driver.timers.len(), 1);
    alarm.0.lock().unwrap().take();
}
