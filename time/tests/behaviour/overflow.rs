//! Every kind of wait with every awkward duration: no panic, nothing early, nothing wrapped.

use crate::driver::{Driver, SECOND, poll};
use lenio_time::{Instant, interval, interval_at, sleep, sleep_until, timeout};
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

const TABLE: [Duration; 9] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(1),
    Duration::from_millis(1 << 31),
    Duration::from_millis(1 << 36),
    Duration::from_nanos(u64::MAX),
    Duration::from_millis(u64::MAX),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

/// How far the clock has to move until something that waits for `duration` is due; `None` if it never is.
fn due_after(driver: &Driver, duration: Duration) -> Option<Duration> {
    let deadline = driver.clock.now().checked_add(duration)?;
    (deadline < Instant::NEVER).then_some(duration)
}

/// Checks that `is_ready` turns true at the due time, and not before. It is asked whenever the driver has turned.
fn check(driver: &Driver, duration: Duration, mut is_ready: impl FnMut() -> bool) {
    let Some(due) = due_after(driver, duration) else {
        assert!(!is_ready(), "{duration:?}");
        driver.advance(Duration::MAX);
        assert!(!is_ready(), "{duration:?} is never over");
        return;
    };
    if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
        assert!(!is_ready(), "{duration:?}");
        driver.advance(before);
        assert!(!is_ready(), "{duration:?} is not over a nanosecond before");
        driver.advance(Duration::from_nanos(1));
    }
    assert!(is_ready(), "{duration:?} is over");
}

/// A driver some time after the start of its clock, so that the wheel's reference is no round number.
fn driver() -> Driver {
    let driver = Driver::new();
    driver.advance(Duration::from_nanos(123_456_789_123));
    driver
}

#[test]
fn sleep_saturates() {
    for duration in TABLE {
        let driver = driver();
        let mut nap = sleep(duration);
        check(&driver, duration, || poll(&mut nap).is_ready());
    }
}

#[test]
fn timeout_saturates() {
    for duration in TABLE {
        let driver = driver();
        let mut bounded = timeout(duration, pending::<()>());
        check(&driver, duration, || poll(&mut bounded).is_ready());
    }
}

#[test]
fn interval_saturates() {
    for period in TABLE {
        let driver = driver();
        let mut ticks = interval(period);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            ticks.poll_tick(&mut cx).is_ready(),
            "the first comes at once"
        );
        let second = period.max(Duration::from_nanos(1));
        check(&driver, second, || ticks.poll_tick(&mut cx).is_ready());
    }
}

#[test]
fn an_interval_that_starts_anywhere_saturates() {
    for start in TABLE {
        for period in TABLE {
            let driver = driver();
            let mut cx = Context::from_waker(Waker::noop());
            let mut ticks = interval_at(driver.clock.now() + start, period);
            check(&driver, start, || ticks.poll_tick(&mut cx).is_ready());
        }
    }
}

#[test]
fn resetting_an_interval_saturates() {
    for duration in TABLE {
        let driver = driver();
        let mut cx = Context::from_waker(Waker::noop());
        let mut ticks = interval(SECOND);
        ticks.reset_after(duration);
        check(&driver, duration, || ticks.poll_tick(&mut cx).is_ready());
    }
}

#[test]
fn reset_saturates() {
    for first in TABLE {
        for second in TABLE {
            let driver = driver();
            let mut nap = sleep(first);
            let _ = poll(&mut nap);
            Pin::new(&mut nap).reset(driver.clock.now() + second);
            driver.turn();
            check(&driver, second, || poll(&mut nap).is_ready());
        }
    }
}

#[test]
fn the_ends_of_the_scale_are_moments_like_others() {
    let driver = driver();
    assert!(poll(&mut sleep_until(Instant::from_nanos(0))).is_ready());
    let mut never = sleep_until(Instant::NEVER);
    let mut last = sleep_until(Instant::from_nanos(u64::MAX - 1));
    assert!(poll(&mut never).is_pending());
    assert!(poll(&mut last).is_pending());
    assert_eq!(driver.advance(Duration::MAX), 1);
    assert!(poll(&mut last).is_ready());
    assert!(poll(&mut never).is_pending());
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending(), "no time is left to reach that");
}
