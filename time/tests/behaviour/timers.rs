//! `Timers`, `Alarm` and `enter`, as a driver uses them.

use crate::driver::{Driver, NANO, SECOND, counted, poll, poll_with};
use lenio_sync::wait::WakeBatch;
use lenio_time::{Alarm, Clock, Instant, Timers, enter, sleep, sleep_until};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Log(Mutex<Vec<Instant>>);

impl Log {
    fn take(&self) -> Vec<Instant> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Alarm for Log {
    fn earlier(&self, deadline: Instant) {
        self.0.lock().unwrap().push(deadline);
    }
}

#[test]
fn the_alarm_is_called_exactly_when_the_published_deadline_becomes_earlier() {
    let log = Arc::new(Log::default());
    let driver = Driver::with_alarm(Some(log.clone()));
    let at = |seconds: u32| driver.clock.now() + seconds * SECOND;

    let mut first = sleep_until(at(5));
    assert!(poll(&mut first).is_pending());
    assert_eq!(log.take(), [at(5)], "the first of all");

    let mut same = sleep_until(at(5));
    assert!(poll(&mut same).is_pending());
    let mut later = sleep_until(at(6));
    assert!(poll(&mut later).is_pending());
    let mut never = sleep_until(Instant::NEVER);
    assert!(poll(&mut never).is_pending());
    assert_eq!(log.take(), [], "equal and later ones change nothing");

    let mut earlier = sleep_until(at(3));
    assert!(poll(&mut earlier).is_pending());
    assert_eq!(log.take(), [at(3)]);
    assert!(poll(&mut earlier).is_pending());
    assert_eq!(log.take(), [], "once per registration");

    Pin::new(&mut later).reset(at(2));
    assert_eq!(log.take(), [at(2)], "a reset is an insertion");
    Pin::new(&mut later).reset(at(9));
    assert_eq!(log.take(), []);

    let mut between = sleep_until(at(2) + NANO);
    assert!(poll(&mut between).is_pending());
    assert_eq!(log.take(), [], "the driver still wakes at 2");
}

#[test]
fn the_published_deadline_may_be_too_early_after_a_removal_and_a_turn_corrects_it() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut early = sleep(SECOND);
    let mut late = sleep(2 * SECOND);
    assert!(poll(&mut early).is_pending());
    assert!(poll(&mut late).is_pending());
    drop(early);
    assert_eq!(driver.timers.next_deadline(), Some(start + SECOND));
    assert_eq!(driver.turn(), 0);
    assert_eq!(driver.timers.next_deadline(), Some(start + 2 * SECOND));
    drop(late);
    driver.turn();
    assert_eq!(driver.timers.next_deadline(), None);
}

#[test]
fn the_published_deadline_is_exact_and_not_that_of_a_slot() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut sleeps = Vec::new();
    for nanos in [9_999_999_999u64, 10_000_001, 300_007, 100_003, 100_001] {
        let deadline = Instant::from_nanos(start.as_nanos() + nanos);
        let mut nap = sleep_until(deadline);
        assert!(poll(&mut nap).is_pending());
        assert_eq!(driver.timers.next_deadline(), Some(deadline));
        sleeps.push(nap);
    }
    while let Some(nap) = sleeps.pop() {
        let deadline = nap.deadline();
        assert_eq!(driver.timers.next_deadline(), Some(deadline));
        assert_eq!(driver.advance(deadline - driver.clock.now()), 1);
    }
}

#[test]
fn a_turn_wakes_nobody_itself() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    driver.clock.advance(SECOND);
    let mut batch = WakeBatch::new();
    assert_eq!(driver.timers.turn(driver.clock.now(), &mut batch), 1);
    assert_eq!((batch.len(), count.get()), (1, 0));
    batch.wake_all();
    assert_eq!(count.get(), 1);
}

#[test]
fn a_turn_to_a_moment_that_the_clock_has_not_reached_completes_nothing_early() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    driver.timers.turn(Instant::NEVER, &mut WakeBatch::new());
    assert_eq!(
        count.get(),
        1,
        "woken, for the turn was told that it is due"
    );
    assert!(poll_with(&mut nap, &waker).is_pending(), "but not elapsed");
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn entering_nests_and_leaving_restores() {
    let outer = Driver::new();
    outer.clock.advance(SECOND);
    let inner = Timers::new(Clock::new_virtual(), None);
    {
        let _entered = enter(&inner);
        assert_eq!(Instant::now(), inner.clock().now());
        let mut nap = sleep(SECOND);
        assert!(poll(&mut nap).is_pending());
        assert_eq!((inner.len(), outer.timers.len()), (1, 0));
    }
    assert!(inner.is_empty());
    assert_eq!(Instant::now(), outer.clock.now());
    drop(outer);
    let real = Clock::real();
    assert!(real.now() <= Instant::now() && Instant::now() <= real.now());
}

#[test]
fn a_closed_wheel_wakes_its_waiters_and_takes_nobody_in() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    driver.timers.close();
    assert_eq!(count.get(), 1);
    assert_eq!(driver.timers.next_deadline(), None);
    assert!(poll_with(&mut nap, &waker).is_pending(), "not elapsed");
    assert!(driver.timers.is_empty());
    driver.timers.close();
}

#[test]
fn a_sleep_evicted_by_closing_waits_on_in_the_wheel_where_it_is_polled() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    driver.timers.close();

    let next = Timers::new(driver.clock.clone(), None);
    let _entered = enter(&next);
    assert!(poll_with(&mut nap, &waker).is_pending());
    assert_eq!(next.len(), 1);
    driver.clock.advance(SECOND);
    let mut batch = WakeBatch::new();
    next.turn(driver.clock.now(), &mut batch);
    batch.wake_all();
    assert_eq!(count.get(), 2);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_sleep_that_was_due_when_its_wheel_was_closed_is_ready() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    driver.clock.advance(SECOND);
    driver.timers.close();
    assert!(poll(&mut nap).is_ready());
}
