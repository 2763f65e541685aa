//! What threads and the kernel take by themselves: a futex wake, two hops, a timer, cores that share work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Run, Sample, percentile, spin};
use crate::os;

/// Threads spin through the work in equal shares: nobody can be faster with so many workers.
pub(crate) fn spin_shared(row: &str, run: &Run, duration: Duration) -> Sample {
    let share = run.n / run.workers as u64;
    Sample::timed(row, run, share * run.workers as u64, || {
        thread::scope(|scope| {
            for _ in 0..run.workers {
                scope.spawn(|| (0..share).for_each(|_| spin(duration)));
            }
        });
    })
}

/// A thread unparks another one again and again: one futex wake, one context switch.
pub(crate) fn wake_idle(run: &Run) -> Sample {
    let n = run.n;
    let base = Instant::now();
    let stamp = Arc::new(AtomicU64::new(0));
    let woken = stamp.clone();
    let sleeper = thread::spawn(move || {
        let mut latencies = Vec::new();
        for _ in 0..n {
            let stamp = loop {
                // ORDERING: Acquire and Release around `stamp`: 0 says that the last wake has been taken.
                match woken.load(Ordering::Acquire) {
                    0 => thread::park(),
                    stamp => break stamp,
                }
            };
            latencies.push(base.elapsed().as_nanos() as u64 - stamp);
            woken.store(0, Ordering::Release);
        }
        latencies
    });
    let mut calls = Vec::new();
    for _ in 0..n {
        thread::sleep(Duration::from_micros(150));
        while stamp.load(Ordering::Acquire) != 0 {
            thread::sleep(Duration::from_micros(50));
        }
        let start = Instant::now();
        stamp.store(base.elapsed().as_nanos() as u64, Ordering::Release);
        sleeper.thread().unpark();
        calls.push(start.elapsed().as_nanos() as u64);
    }
    let mut latencies = sleeper.join().expect("the sleeper does not panic");
    Sample::of([
        ("wake_lat_p50", percentile(&mut latencies, 0.5)),
        ("wake_lat_p99", percentile(&mut latencies, 0.99)),
        ("wake_call_p50", percentile(&mut calls, 0.5)),
    ])
}

/// To another thread and back, by parking: what a job on a sleeping blocking thread needs.
pub(crate) fn two_hops(n: u64) {
    let caller = thread::current();
    let is_asked = Arc::new(AtomicBool::new(false));
    let is_asked_there = is_asked.clone();
    let worker = thread::spawn(move || {
        for _ in 0..n {
            // ORDERING: AcqRel as a hand-over of the turn, here and below.
            while !is_asked_there.load(Ordering::Acquire) {
                thread::park();
            }
            is_asked_there.store(false, Ordering::Release);
            caller.unpark();
        }
    });
    for _ in 0..n {
        is_asked.store(true, Ordering::Release);
        worker.thread().unpark();
        while is_asked.load(Ordering::Acquire) {
            thread::park();
        }
    }
    worker.join().expect("the worker does not panic");
}

/// The kernel's own sleep of a millisecond, without timer slack.
pub(crate) fn sleep_one(run: &Run) -> Sample {
    os::drop_timer_slack();
    let mut real = Vec::new();
    for _ in 0..run.n {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(1));
        real.push(start.elapsed().as_nanos() as u64);
    }
    Sample::of([("sleep1ms_p50us", percentile(&mut real, 0.5) / 1e3)])
}
