//! How long does an idle runtime take to notice, and what does noticing cost the one who calls?
//!
//! A regression: two wakes where one is enough, a mutex and a condition variable where a futex is enough, two thread
//! hops for a `block_on` whose caller has nothing else to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Metric, Row, Unit};
use crate::floor::threads;
use crate::measure::{Run, Sample, percentile};
use crate::rt::Rt;
use crate::signal::Flag;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::measured("wake_lat", 2_000, 50, |rt: &R, run| wake_idle(rt, run))
            .metrics(&[
                Metric::cpu_row("wake_lat_p50", Unit::Nanoseconds),
                Metric::cpu_row("wake_lat_p99", Unit::Nanoseconds),
                Metric::cpu_row("wake_call_p50", Unit::Nanoseconds),
            ])
            .measured_floor(threads::wake_idle),
        Row::timed("block_on_spawn", 3_000, 50, |rt: &R, n| {
            for _ in 0..n {
                rt.block_on(async { R::spawn(async {}).await });
            }
        }),
    ]
}

/// What the waking thread and the woken task share.
#[derive(Default)]
struct Shared {
    flag: Flag,
    stamp: AtomicU64,
    is_acknowledged: AtomicBool,
}

/// A plain thread wakes the only task of an idle runtime again and again.
fn wake_idle<R: Rt>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let base = Instant::now();
    let shared = Arc::new(Shared::default());
    // ORDERING: Release and Acquire around `is_acknowledged` here and below; they order only this one handshake.
    shared.is_acknowledged.store(true, Ordering::Release);
    let waking = shared.clone();
    let waker = thread::spawn(move || {
        let mut calls = Vec::new();
        for _ in 0..n {
            thread::sleep(Duration::from_micros(150));
            while !waking.is_acknowledged.swap(false, Ordering::Acquire) {
                thread::sleep(Duration::from_micros(50));
            }
            // ORDERING: Relaxed, published by the Release store inside `raise`.
            waking
                .stamp
                .store(base.elapsed().as_nanos() as u64, Ordering::Relaxed);
            // No waker means that the task is not idle yet: it will see the flag, and there is no call to time.
            if let Some(waker) = waking.flag.raise() {
                let start = Instant::now();
                waker.wake();
                calls.push(start.elapsed().as_nanos() as u64);
            }
        }
        calls
    });
    let mut latencies = rt.run_inside(async move {
        let mut latencies = Vec::new();
        for _ in 0..n {
            shared.flag.wait().await;
            let now = base.elapsed().as_nanos() as u64;
            // ORDERING: Relaxed, made visible by the Acquire swap inside `wait`.
            latencies.push(now - shared.stamp.load(Ordering::Relaxed));
            shared.is_acknowledged.store(true, Ordering::Release);
        }
        latencies
    });
    let mut calls = waker.join().expect("the waking thread does not panic");
    Sample::of([
        ("wake_lat_p50", percentile(&mut latencies, 0.5)),
        ("wake_lat_p99", percentile(&mut latencies, 0.99)),
        ("wake_call_p50", percentile(&mut calls, 0.5)),
    ])
}
