//! What does a timer cost that never fires, and how late is one that does?
//!
//! A regression: a lock at creation and at drop, a search that grows with the number of living timers, ticks of a
//! whole millisecond rounded up.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{Metric, Row, Unit};
use crate::floor::threads;
use crate::measure::{Run, Sample, percentile};
use crate::os;
use crate::rt::{Os, Rt};
use crate::signal::wake_yield;

const TASKS: u64 = 8;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::timed("timer_cancel", 300_000, 3_000, |rt: &R, n| {
            rt.run_inside(cancel::<R>(n))
        })
        .gate(1_000, 6_000),
        Row::timed("timer_cancel8", 40_000, 400, |rt: &R, n| {
            rt.run_inside(cancel_in_eight::<R>(n))
        })
        .ops(|n| TASKS * n),
        Row::timed("timer_live", 100_000, 1_000, |rt: &R, n| {
            rt.run_inside(keep_alive::<R>(n))
        }),
        Row::measured("timer_fire", 100_000, 1_000, |rt: &R, run| fire(rt, run)).metrics(&[
            Metric::cpu_row("timer_fire_p50us", Unit::Microseconds),
            Metric::cpu_row("timer_fire_p99us", Unit::Microseconds),
            Metric::cpu_row("timer_fire_cpu", Unit::Nanoseconds),
        ]),
        Row::measured("sleep1ms", 200, 20, |rt: &R, run| sleep_one(rt, run))
            .metrics(&[Metric::cpu_row("sleep1ms_p50us", Unit::Microseconds)])
            .measured_floor(threads::sleep_one),
    ]
}

/// Polls once and demands that the future is not ready.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) {
    let is_pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending, "a sleep of seconds is over at once");
}

fn far(millis: u64) -> Duration {
    Duration::from_millis(10_000 + millis % 50_000)
}

/// One task creates, polls and drops boxed sleeps.
async fn cancel<R: Rt>(n: u64) {
    for i in 0..n {
        let mut sleep = Box::pin(R::Os::sleep(far(7919 * i)));
        poll_once(sleep.as_mut()).await;
    }
}

/// Eight tasks create, poll and drop sleeps on their stack, yielding every 64th time.
async fn cancel_in_eight<R: Rt>(n: u64) {
    let cancel = |task: u64| async move {
        for i in 0..n {
            let mut sleep = pin!(R::Os::sleep(far(131 * task + 7919 * i)));
            poll_once(sleep.as_mut()).await;
            if i % 64 == 63 {
                wake_yield().await;
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|task| R::spawn(cancel(task))).collect();
    for task in tasks {
        task.await;
    }
}

/// Keeps all sleeps alive, then drops all.
async fn keep_alive<R: Rt>(n: u64) {
    let mut sleeps = Vec::new();
    for i in 0..n {
        let mut sleep = Box::pin(R::Os::sleep(far(7919 * i)));
        poll_once(sleep.as_mut()).await;
        sleeps.push(sleep);
    }
}

/// Many tasks sleep until moments within 100 ms; how late do they resume, and what does one cost altogether?
fn fire<R: Rt>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let cpu = os::process_cpu();
    let mut late = rt.run_inside(async move {
        let base = Instant::now() + Duration::from_millis(100);
        let sleeper = |i: u64| async move {
            let due = base + Duration::from_micros(7_919_013 * i % 100_000);
            R::Os::sleep(due.saturating_duration_since(Instant::now())).await;
            // A timer must never be early.
            let late = Instant::now()
                .checked_duration_since(due)
                .expect("no timer fires before it is due");
            late.as_nanos() as u64
        };
        let tasks: Vec<_> = (0..n).map(|i| R::spawn(sleeper(i))).collect();
        let mut late = Vec::new();
        for task in tasks {
            late.push(task.await);
        }
        late
    });
    let cpu = os::process_cpu() - cpu;
    Sample::of([
        ("timer_fire_p50us", percentile(&mut late, 0.5) / 1e3),
        ("timer_fire_p99us", percentile(&mut late, 0.99) / 1e3),
        ("timer_fire_cpu", cpu.as_nanos() as f64 / n as f64),
    ])
}

/// One task sleeps a millisecond again and again; the median of the real durations.
fn sleep_one<R: Rt>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let mut real = rt.run_inside(async move {
        let mut real = Vec::new();
        for _ in 0..n {
            let start = Instant::now();
            R::Os::sleep(Duration::from_millis(1)).await;
            real.push(start.elapsed().as_nanos() as u64);
        }
        real
    });
    Sample::of([("sleep1ms_p50us", percentile(&mut real, 0.5) / 1e3)])
}
