//! The bare poll loop: an array of boxed futures, polled in turn, with a waker that does nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

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
