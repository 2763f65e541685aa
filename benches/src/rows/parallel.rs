//! Does the second core work when there is work for it, and is nobody left behind a busy task?
//!
//! These rows catch the runtimes that win elsewhere by leaving a worker asleep. A regression: work far above the ideal
//! of CPU time divided by workers; a woken task that waits for the whole poll of the one that woke it; long gaps
//! between two turns of a task among hogs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Metric, Row, Unit};
use crate::floor::threads;
use crate::measure::{Run, Sample, percentile, spin};
use crate::rt::Rt;
use crate::signal::wake_yield;

const HOGS: u64 = 64;
const HOG_TURN: Duration = Duration::from_micros(20);
const LONG_POLL: Duration = Duration::from_millis(2);

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    let fair = Metric::cpu_row("fair_yield_p50", Unit::Microseconds).near((HOGS * 20) as f64);
    vec![
        Row::timed("par_work", 20_000, 400, |rt: &R, n| {
            rt.run_inside(spin_tasks::<R>(n, Duration::from_micros(5)))
        })
        .measured_floor(|run| threads::spin_shared("par_work", run, Duration::from_micros(5))),
        Row::timed("par_work1us", 50_000, 1_000, |rt: &R, n| {
            rt.run_inside(spin_tasks::<R>(n, Duration::from_micros(1)));
        })
        .measured_floor(|run| threads::spin_shared("par_work1us", run, Duration::from_micros(1))),
        Row::measured("lifo_starve", 100, 5, |rt: &R, run| start_delays(rt, run))
            .metrics(&[Metric::cpu_row("lifo_starve_p50", Unit::Microseconds)]),
        Row::measured("fair_yield", 300, 5, |rt: &R, run| {
            turns_among_hogs(rt, run)
        })
        .metrics(&[fair, Metric::cpu_row("fair_yield_max", Unit::Microseconds)]),
    ]
}

/// Spawns tasks that spin, awaits all.
async fn spin_tasks<R: Rt>(n: u64, duration: Duration) {
    let tasks: Vec<_> = (0..n)
        .map(|_| R::spawn(async move { spin(duration) }))
        .collect();
    for task in tasks {
        task.await;
    }
}

/// How long a task waits whose spawner then computes for 2 ms without yielding.
fn start_delays<R: Rt>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let mut delays = rt.run_inside(async move {
        let mut delays = Vec::new();
        for _ in 0..n {
            let spawned = Instant::now();
            let task = R::spawn(async move { spawned.elapsed().as_nanos() as u64 });
            spin(LONG_POLL);
            delays.push(task.await);
            wake_yield().await;
        }
        delays
    });
    Sample::of([("lifo_starve_p50", percentile(&mut delays, 0.5) / 1e3)])
}

/// How long a yield takes among 64 tasks that compute for 20 us per turn.
fn turns_among_hogs<R: Rt>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let mut turns = rt.run_inside(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..HOGS {
            let is_over = is_over.clone();
            R::detach(async move {
                // ORDERING: Relaxed, the flag says only that it is time to end.
                while !is_over.load(Ordering::Relaxed) {
                    spin(HOG_TURN);
                    wake_yield().await;
                }
            });
        }
        let mut turns = Vec::new();
        for _ in 0..n {
            let start = Instant::now();
            wake_yield().await;
            turns.push(start.elapsed().as_nanos() as u64);
        }
        // ORDERING: Relaxed, as above.
        is_over.store(true, Ordering::Relaxed);
        turns
    });
    let median = percentile(&mut turns, 0.5) / 1e3;
    let longest = percentile(&mut turns, 1.0) / 1e3;
    Sample::of([("fair_yield_p50", median), ("fair_yield_max", longest)])
}
