//! `interval`, and what it does about ticks that were missed.

use crate::driver::{Driver, NANO, SECOND, counted, poll};
use futures_core::Stream;
use lenio_sync::budget;
use lenio_time::{Instant, Interval, MissedTick, interval, interval_at};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn tick(ticks: &mut Interval) -> Poll<Instant> {
    ticks.poll_tick(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn the_first_tick_comes_at_once_and_the_others_a_period_apart() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut ticks = interval(SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start));
    for number in 1..5 {
        assert!(tick(&mut ticks).is_pending());
        driver.advance(SECOND - NANO);
        assert!(tick(&mut ticks).is_pending());
        driver.advance(NANO);
        assert_eq!(tick(&mut ticks), Poll::Ready(start + number * SECOND));
    }
}

#[test]
fn a_start_in_the_future_is_waited_for() {
    let driver = Driver::new();
    let start = driver.clock.now() + 3 * SECOND;
    let mut ticks = interval_at(start, SECOND);
    assert!(tick(&mut ticks).is_pending());
    driver.advance(3 * SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start));
    assert!(tick(&mut ticks).is_pending());
}

/// The seconds at which an interval of 10 s ticks, if the work after the tick at 10 takes `work` seconds and the rest nothing.
fn ticks_with_a_pause(missed_tick: MissedTick, work: u32) -> Vec<u64> {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut ticks = interval(10 * SECOND);
    ticks.set_missed_tick(missed_tick);
    let mut seen = Vec::new();
    for second in 0..60 {
        let works = 10 < second && second < 10 + work;
        while !works && tick(&mut ticks).is_ready() {
            seen.push((driver.clock.now() - start).as_secs());
        }
        driver.advance(SECOND);
    }
    seen
}

#[test]
fn burst_makes_up_for_every_missed_tick() {
    let seen = ticks_with_a_pause(MissedTick::Burst, 25);
    assert_eq!(seen, [0, 10, 35, 35, 40, 50]);
}

#[test]
fn delay_keeps_a_period_between_ticks() {
    let seen = ticks_with_a_pause(MissedTick::Delay, 25);
    assert_eq!(seen, [0, 10, 35, 45, 55]);
}

#[test]
fn skip_keeps_to_the_schedule() {
    let seen = ticks_with_a_pause(MissedTick::Skip, 25);
    assert_eq!(seen, [0, 10, 35, 40, 50]);
}

#[test]
fn a_tick_late_by_less_than_a_period_changes_nothing() {
    for missed_tick in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
        let seen = ticks_with_a_pause(missed_tick, 17);
        assert_eq!(seen, [0, 10, 27, 30, 40, 50], "{missed_tick:?}");
        let seen = ticks_with_a_pause(missed_tick, 20);
        assert_eq!(seen, [0, 10, 30, 30, 40, 50], "{missed_tick:?}");
    }
}

#[test]
fn a_period_of_zero_ticks_on_and_on_but_yields() {
    for missed_tick in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
        let driver = Driver::new();
        let mut ticks = interval(Duration::ZERO);
        ticks.set_missed_tick(missed_tick);
        driver.advance(SECOND);
        let outer = budget::start();
        let count = (0..1000)
            .take_while(|_| tick(&mut ticks).is_ready())
            .count();
        outer.resume();
        assert!(count >= 1 && count <= usize::from(budget::PER_POLL));
        for _ in 0..10 {
            driver.advance(NANO);
            assert!(tick(&mut ticks).is_ready());
        }
    }
}

#[test]
fn a_tick_given_up_is_not_lost() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut ticks = interval_at(start + SECOND, SECOND);
    for _ in 0..3 {
        let mut given_up = Box::pin(ticks.tick());
        assert!(poll(&mut given_up).is_pending());
    }
    driver.advance(SECOND);
    assert_eq!(
        poll(&mut Box::pin(ticks.tick())),
        Poll::Ready(start + SECOND)
    );
    assert!(tick(&mut ticks).is_pending());
}

#[test]
fn a_tick_refused_by_the_budget_is_not_lost() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut ticks = interval(SECOND);
    let outer = budget::start();
    let mut cx = Context::from_waker(Waker::noop());
    while budget::poll_proceed(&mut cx).is_ready() {}
    assert!(tick(&mut ticks).is_pending());
    outer.resume();
    assert_eq!(tick(&mut ticks), Poll::Ready(start));
    drop(driver);
}

#[test]
fn resetting_starts_a_new_schedule() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let mut ticks = interval(10 * SECOND);
    ticks.reset();
    assert!(tick(&mut ticks).is_pending());
    driver.advance(4 * SECOND);
    ticks.reset();
    driver.advance(10 * SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start + 14 * SECOND));
    ticks.reset_after(SECOND);
    driver.advance(SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start + 15 * SECOND));
    ticks.reset_at(start + 16 * SECOND);
    driver.advance(SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start + 16 * SECOND));
    driver.advance(10 * SECOND);
    assert_eq!(tick(&mut ticks), Poll::Ready(start + 26 * SECOND));
}

#[test]
fn a_stream_of_ticks_never_ends() {
    let driver = Driver::new();
    let start = driver.clock.now();
    let (count, waker) = counted();
    let mut cx = Context::from_waker(&waker);
    let mut ticks = interval(SECOND);
    assert_eq!(ticks.size_hint(), (usize::MAX, None));
    let mut next = || Pin::new(&mut ticks).poll_next(&mut cx);
    assert_eq!(next(), Poll::Ready(Some(start)));
    assert!(next().is_pending());
    driver.advance(SECOND);
    assert_eq!(count.get(), 1);
    assert_eq!(next(), Poll::Ready(Some(start + SECOND)));
}
