//! What does it cost to hand a closure to the blocking pool?
//!
//! A regression: a wake per job while threads are busy, a thread started for every job, a job that waits for a thread
//! to start although one idles.

use super::Row;
use crate::floor::threads;
use crate::rt::{Os, Rt};

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::timed("blocking", 50_000, 500, |rt: &R, n| {
            rt.run_inside(submit_all::<R>(n))
        }),
        Row::timed("blocking1", 5_000, 50, |rt: &R, n| {
            rt.run_inside(submit_one_by_one::<R>(n))
        })
        .floor(threads::two_hops),
    ]
}

/// Submits all no-op closures, then awaits all.
async fn submit_all<R: Rt>(n: u64) {
    let jobs: Vec<_> = (0..n).map(|_| R::Os::blocking(|| ())).collect();
    for job in jobs {
        job.await;
    }
}

/// Submits and awaits one by one.
async fn submit_one_by_one<R: Rt>(n: u64) {
    for _ in 0..n {
        R::Os::blocking(|| ()).await;
    }
}
