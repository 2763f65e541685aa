//! `timeout` and `timeout_at`.

use crate::driver::{Driver, NANO, SECOND, counted, poll, poll_with};
use lenio_sync::budget;
use lenio_time::{Elapsed, Instant, sleep, timeout, timeout_at};
use std::future::{pending, poll_fn, ready};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[test]
fn a_future_that_is_ready_in_time_gives_its_output() {
    let driver = Driver::new();
    let mut bounded = Box::pin(timeout(2 * SECOND, async {
        sleep(SECOND).await;
        7
    }));
    assert!(poll(&mut bounded).is_pending());
    driver.advance(SECOND);
    assert_eq!(poll(&mut bounded), Poll::Ready(Ok(7)));
    drop(bounded);
    assert!(driver.timers.is_empty());
}

#[test]
fn the_time_is_up_at_the_deadline_and_not_a_nanosecond_before() {
    let driver = Driver::new();
    let (count, waker) = counted();
    let mut bounded = timeout(SECOND, pending::<()>());
    assert_eq!(bounded.deadline(), driver.clock.now() + SECOND);
    assert!(poll_with(&mut bounded, &waker).is_pending());
    driver.advance(SECOND - NANO);
    assert!(poll_with(&mut bounded, &waker).is_pending());
    assert_eq!(count.get(), 0);
    driver.advance(NANO);
    assert_eq!(count.get(), 1);
    assert!(matches!(
        poll(&mut bounded),
        Poll::Ready(Err(Elapsed { .. }))
    ));
}

#[test]
fn a_ready_future_wins_even_without_any_time() {
    let driver = Driver::new();
    assert_eq!(
        poll(&mut timeout(Duration::ZERO, ready(1))),
        Poll::Ready(Ok(1))
    );
    let past = driver.clock.now() - SECOND;
    assert_eq!(poll(&mut timeout_at(past, ready(2))), Poll::Ready(Ok(2)));
    let mut nothing = timeout(Duration::ZERO, pending::<()>());
    assert!(matches!(poll(&mut nothing), Poll::Ready(Err(_))));
}

#[test]
fn several_futures_share_one_deadline() {
    let driver = Driver::new();
    let deadline = driver.clock.now() + SECOND;
    let mut both = Box::pin(async {
        timeout_at(deadline, sleep(SECOND / 2)).await?;
        timeout_at(deadline, sleep(SECOND)).await
    });
    assert!(poll(&mut both).is_pending());
    driver.advance(SECOND / 2);
    assert!(poll(&mut both).is_pending());
    driver.advance(SECOND / 2);
    assert!(matches!(poll(&mut both), Poll::Ready(Err(_))));
}

#[test]
fn the_future_taken_out_goes_on_where_it_was() {
    let driver = Driver::new();
    let mut bounded = timeout(SECOND, sleep(2 * SECOND));
    assert!(poll(&mut bounded).is_pending());
    driver.advance(SECOND);
    assert!(matches!(poll(&mut bounded), Poll::Ready(Err(_))));
    let mut nap = bounded.into_inner();
    assert!(poll(&mut nap).is_pending());
    driver.advance(SECOND);
    assert!(poll(&mut nap).is_ready());
}

/// Always ready for more, as a loop around a busy channel: it stops only when the budget is used up.
async fn insatiable() {
    loop {
        poll_fn(budget::poll_proceed).await;
    }
}

#[test]
fn a_future_that_uses_up_the_budget_at_every_poll_runs_out_of_time_all_the_same() {
    let driver = Driver::new();
    let mut bounded = pin!(timeout(SECOND, insatiable()));
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll_as_task = || {
        let outer = budget::start();
        let result = bounded.as_mut().poll(&mut cx);
        outer.resume();
        result
    };
    for _ in 0..10 {
        assert!(poll_as_task().is_pending());
    }
    driver.advance(SECOND);
    let polls = (1..).find(|_| poll_as_task().is_ready());
    assert!(polls <= Some(2), "put off by one poll at most");
}

#[test]
fn a_loop_around_timeouts_that_are_always_up_yields() {
    let _driver = Driver::new();
    let (count, waker) = counted();
    let mut rounds = 0;
    let mut endless = Box::pin(async {
        loop {
            rounds += 1;
            assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        }
    });
    let outer = budget::start();
    let result: Poll<()> = poll_with(&mut endless, &waker);
    outer.resume();
    assert!(result.is_pending());
    assert_eq!(count.get(), 1, "woken to go on");
    drop(endless);
    assert_eq!(rounds, usize::from(budget::PER_POLL) + 1);
}

#[test]
fn the_error_says_what_happened_and_becomes_an_io_error() {
    let driver = Driver::new();
    let mut bounded = timeout_at(driver.clock.now(), pending::<()>());
    let Poll::Ready(Err(elapsed)) = poll(&mut bounded) else {
        panic!("the time is up");
    };
    let shown = "the time was up before the operation completed";
    assert_eq!(elapsed.to_string(), shown);
    let error = io::Error::from(elapsed);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), shown);
}

#[test]
fn a_bound_that_is_never_reached_is_none() {
    let driver = Driver::new();
    let mut bounded = timeout(Duration::MAX, sleep(SECOND));
    assert_eq!(bounded.deadline(), Instant::NEVER);
    assert!(poll(&mut bounded).is_pending());
    driver.advance(SECOND);
    assert_eq!(poll(&mut bounded), Poll::Ready(Ok(())));
}
