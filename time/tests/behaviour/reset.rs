//! `Sleep::reset`, in every state.

use crate::driver::{Driver, NANO, SECOND, counted, poll, poll_with};
use lenio_time::{Instant, Sleep, sleep};
use std::pin::Pin;

fn reset(nap: &mut Sleep, deadline: Instant) {
    Pin::new(nap).reset(deadline);
}

#[test]
fn a_reset_before_the_first_poll_only_changes_the_deadline() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    reset(&mut nap, driver.clock.now() + 2 * SECOND);
    assert!(driver.timers.is_empty());
    assert!(poll(&mut nap).is_pending());
    assert_eq!(driver.advance(SECOND), 0);
    assert_eq!(driver.advance(SECOND), 1);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_before_the_first_poll_to_the_past_is_ready_at_once() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    reset(&mut nap, driver.clock.now());
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_to_the_future_moves_the_timer_without_another_poll() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    reset(&mut nap, driver.clock.now() + 3 * SECOND);
    assert_eq!(driver.timers.len(), 1);
    driver.advance(3 * SECOND - NANO);
    assert_eq!(count.get(), 0);
    driver.advance(NANO);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_to_the_past_wakes_in_the_next_turn() {
    let driver = Driver::new();
    driver.advance(10 * SECOND);
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    let past = driver.clock.now() - 5 * SECOND;
    reset(&mut nap, past);
    assert_eq!(driver.timers.next_deadline(), Some(past));
    assert_eq!(driver.turn(), 1);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_after_the_timer_fired_starts_a_new_wait() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    driver.advance(SECOND);
    reset(&mut nap, driver.clock.now() + SECOND);
    assert!(
        poll(&mut nap).is_pending(),
        "fired before, but not for this deadline"
    );
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_after_completion_starts_a_new_wait() {
    let driver = Driver::new();
    let mut nap = sleep(SECOND);
    assert!(poll(&mut nap).is_pending());
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
    reset(&mut nap, driver.clock.now() + SECOND);
    assert!(!nap.is_elapsed());
    assert!(poll(&mut nap).is_pending());
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
}

#[test]
fn a_reset_to_never_and_back_loses_nothing() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut nap = sleep(SECOND);
    assert!(poll_with(&mut nap, &waker).is_pending());
    reset(&mut nap, Instant::NEVER);
    driver.advance(1000 * SECOND);
    assert_eq!(count.get(), 0);
    assert_eq!(driver.timers.next_deadline(), None);
    reset(&mut nap, driver.clock.now() + SECOND);
    driver.advance(SECOND);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut nap).is_ready());
}
