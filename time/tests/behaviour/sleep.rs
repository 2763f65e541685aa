//! `sleep` and `sleep_until`.

use crate::driver::{Driver, MILLI, NANO, SECOND, counted, poll, poll_with};
use lenio_sync::budget;
use lenio_time::{Instant, sleep, sleep_until};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

#[test]
fn a_sleep_completes_at_its_deadline_and_not_a_nanosecond_before() {
    for duration in [
        NANO,
        MILLI,
        SECOND,
        86_400 * SECOND,
        100 * 365 * 86_400 * SECOND,
    ] {
        let driver = Driver::new();
        let (count, waker) = counted();
        let mut nap = sleep(duration);
        assert!(poll_with(&mut nap, &waker).is_pending());
        assert_eq!(driver.advance(duration - NANO), 0);
        assert!(poll_with(&mut nap, &waker).is_pending());
        assert_eq!(driver.advance(NANO), 1);
        assert_eq!(count.get(), 1);
        assert!(poll_with(&mut nap, &waker).is_ready());
    }
}

#[test]
fn a_completed_sleep_stays_completed() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    driver.advance(SECOND);
    for _ in 0..3 {
        assert!(poll(&mut nap).is_ready());
        assert!(nap.is_elapsed());
    }
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_the_first_poll() {
    let driver = Driver::new();
    assert!(poll(&mut sleep(Duration::ZERO)).is_ready());
    assert!(poll(&mut sleep_until(driver.clock.now() - SECOND)).is_ready());
    let mut nap = sleep_until(driver.clock.now() + SECOND);
    driver.clock.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
    assert!(driver.timers.is_empty());
}

#[test]
fn a_sleep_first_polled_after_its_time_is_woken_by_the_next_turn() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    driver.advance(2 * SECOND);
    let _ = poll_with(&mut nap, &waker);
    assert_eq!(driver.turn(), 1);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_sleep_dropped_before_its_first_poll_was_never_registered() {
    let driver = Driver::new();
    drop(sleep(SECOND));
    assert!(driver.timers.is_empty());
    assert_eq!(driver.timers.next_deadline(), None);
}

#[test]
fn a_sleep_dropped_after_a_poll_leaves_no_waker() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    assert_eq!(Arc::strong_count(&count), 3);
    drop(nap);
    assert_eq!(Arc::strong_count(&count), 2);
    assert!(driver.timers.is_empty());
    assert_eq!(driver.advance(2 * SECOND), 0);
    assert_eq!(count.get(), 0);
}

#[test]
fn a_sleep_dropped_after_it_fired_disturbs_nobody() {
    let driver = Driver::new();
    let mut fired = sleep(SECOND);
    assert!(poll(&mut fired).is_pending());
    driver.advance(SECOND);
    // It is given the entry that the first has left.
    let (count, waker) = counted();
    let mut other = sleep(SECOND);
    assert!(poll_with(&mut other, &waker).is_pending());
    drop(fired);
    assert_eq!(driver.timers.len(), 1);
    driver.advance(SECOND);
    assert_eq!(count.get(), 1);
}

#[test]
fn only_the_waker_of_the_last_poll_is_kept_and_woken() {
    let driver = Driver::new();
    let ((first, a), (second, b)) = (counted(), counted());
    let mut nap = sleep(SECOND);
    for waker in [&a, &a, &b, &b, &b] {
        assert!(poll_with(&mut nap, waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&first), 2, "replaced, so dropped");
    assert_eq!(Arc::strong_count(&second), 3, "cloned only once");
    driver.advance(SECOND);
    assert_eq!((first.get(), second.get()), (0, 1));
}

#[test]
fn sleeps_are_woken_by_deadline_and_then_in_the_order_of_registration() {
    struct Note(usize, Arc<Mutex<Vec<usize>>>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let driver = Driver::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    // Some within one slot of the wheel, some far apart, some equal.
    let nanos = [900, 5, 7, 5, 1 << 40, 900, 1 << 20, 1, 1 << 40, 5];
    let mut sleeps = Vec::new();
    for (number, nanos) in nanos.into_iter().enumerate() {
        let waker = Waker::from(Arc::new(Note(number, order.clone())));
        let mut nap = sleep(Duration::from_nanos(nanos));
        assert!(poll_with(&mut nap, &waker).is_pending());
        sleeps.push(nap);
    }
    assert_eq!(driver.advance(3600 * SECOND), nanos.len());
    assert_eq!(*order.lock().unwrap(), [7, 1, 3, 9, 2, 0, 5, 6, 4, 8]);
}

#[test]
fn a_sleep_stays_in_the_wheel_where_it_was_polled_first() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    let mut nap = thread::spawn(move || {
        // Nothing is entered on this thread.
        assert!(poll_with(&mut nap, &waker).is_pending());
        nap
    })
    .join()
    .unwrap();
    assert_eq!(driver.advance(SECOND), 1);
    assert_eq!(count.get(), 1);
    assert!(
        thread::spawn(move || poll(&mut nap))
            .join()
            .unwrap()
            .is_ready()
    );
}

#[test]
fn a_sleep_may_be_dropped_on_another_thread() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    thread::spawn(move || drop(nap)).join().unwrap();
    assert!(driver.timers.is_empty());
}

#[test]
fn a_sleep_may_outlive_its_driver() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    drop(driver);
    drop(nap);
}

#[test]
fn completed_sleeps_use_up_the_budget() {
    let _driver = Driver::new();
    let mut nap = sleep_until(Instant::now());
    let outer = budget::start();
    for _ in 0..budget::PER_POLL {
        assert!(poll(&mut nap).is_ready());
    }
    let (count, waker) = counted();
    assert!(poll_with(&mut nap, &waker).is_pending());
    assert_eq!(count.get(), 1, "denied, but woken to try again");
    outer.resume();
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn debug_shows_the_deadline_and_the_state() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    let shown = |state| format!("Sleep {{ deadline: Instant(+1s), state: {state} }}");
    assert_eq!(format!("{nap:?}"), shown("idle"));
    assert!(poll(&mut nap).is_pending());
    assert_eq!(format!("{nap:?}"), shown("registered"));
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
    assert_eq!(format!("{nap:?}"), shown("elapsed"));
}
