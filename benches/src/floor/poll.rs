//! The bare poll loop: futures, boxed or in place, polled in turn with a waker that does nothing.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::signal::wake_yield;

/// Polls `tasks` futures in turn until each has been pending `n` times.
pub(crate) fn rounds(tasks: u64, n: u64) {
    let task = || async move {
        for _ in 0..n {
            wake_yield().await;
        }
    };
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> =
        (0..tasks).map(|_| Box::pin(task()) as _).collect();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut is_over = true;
        for task in &mut tasks {
            is_over &= task.as_mut().poll(&mut cx).is_ready();
        }
        // All futures are alike: they end in the same round.
        if is_over {
            return;
        }
    }
}

/// Polls `n` futures that are ready.
pub(crate) fn ready(n: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    for value in 0..n {
        let future = pin!(async { black_box(value) });
        assert!(future.poll(&mut cx).is_ready());
    }
}

/// Polls one future `n` times that never is.
pub(crate) fn again(n: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = pin!(poll_fn(|_cx| black_box(Poll::<()>::Pending)));
    for _ in 0..n {
        assert!(future.as_mut().poll(&mut cx).is_pending());
    }
}
