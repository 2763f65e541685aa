//! Without any executor of lenio: the waits work under whatever polls them.
//!
//! Here the real clock is the subject, so the durations are short and only *not early* is asserted.

use crate::driver::{Driver, MILLI, SECOND, poll};
use lenio_time::{Instant, interval, sleep, sleep_until, timeout};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is. It knows nothing about timers.
#[expect(
    clippy::disallowed_methods,
    reason = "a foreign executor sleeps as it likes"
)]
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_foreign_executor_can_sleep() {
    let start = std_now();
    block_on(sleep(5 * MILLI));
    assert!(start.elapsed() >= 5 * MILLI);
}

#[test]
fn a_foreign_executor_can_bound_a_future() {
    let start = std_now();
    let result = block_on(timeout(5 * MILLI, pending::<()>()));
    assert!(result.is_err());
    assert!(start.elapsed() >= 5 * MILLI);
}

#[test]
fn a_foreign_executor_can_tick() {
    let start = std_now();
    block_on(async {
        let mut ticks = interval(2 * MILLI);
        for _ in 0..4 {
            ticks.tick().await;
        }
    });
    assert!(start.elapsed() >= 6 * MILLI);
}

#[test]
fn many_threads_may_sleep_at_once() {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            thread::spawn(move || {
                for round in 0..20 {
                    let start = std_now();
                    let duration = Duration::from_micros(number * 37 + round * 11);
                    block_on(sleep(duration));
                    assert!(start.elapsed() >= duration);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_shorter_sleep_is_not_held_up_by_a_longer_one() {
    let mut long = sleep(3600 * SECOND);
    assert!(poll(&mut long).is_pending());
    block_on(sleep(MILLI));
    assert!(!long.is_elapsed());
}

#[test]
fn a_sleep_whose_timers_are_closed_moves_to_the_background() {
    let timers = lenio_time::Timers::new(lenio_time::Clock::real(), None);
    let entered = lenio_time::enter(&timers);
    let start = std_now();
    let deadline = Instant::now() + 5 * MILLI;
    let mut nap = sleep_until(deadline);
    assert!(poll(&mut nap).is_pending());
    timers.close();
    block_on(nap);
    block_on(sleep(MILLI));
    assert!(start.elapsed() >= 6 * MILLI);
    drop(entered);
}

#[test]
fn a_virtual_clock_is_left_behind_with_its_thread() {
    let driver = Driver::new();
    driver.clock.advance(SECOND);
    let elsewhere = thread::spawn(|| {
        let start = Instant::now();
        block_on(sleep(MILLI));
        start.elapsed()
    });
    assert!(elsewhere.join().unwrap() >= MILLI);
}

#[expect(
    clippy::disallowed_methods,
    reason = "checks this crate's clock against the operating system's"
)]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}
