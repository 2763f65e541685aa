//! What does a waiting task, a sleeping task, an idle connection cost in memory, and does an idle runtime stay asleep?
//!
//! A regression: a larger header, an allocation per timer or per socket, a buffer that nobody asked for; a periodic
//! wakeup of any thread.

use std::future::pending;
use std::thread;
use std::time::Duration;

use super::{Metric, Row, Unit};
use crate::client::Client;
use crate::measure::{Run, Sample};
use crate::os;
use crate::rt::{FLOOR, Os, Rt};
use crate::serve::{Kind, Server};
use crate::signal::oneshot;

const HOUR: Duration = Duration::from_secs(3600);
const SMALL_BUFFER: usize = 64;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::measured("mem_pending", 200_000, 5_000, |rt: &R, run| {
            mem_pending(rt, run)
        })
        .cold()
        .metrics(&[Metric::cost("mem_pending", Unit::Bytes)]),
        Row::measured("mem_sleep", 200_000, 5_000, |rt: &R, run| {
            mem_sleep(rt, run)
        })
        .cold()
        .metrics(&[Metric::cost("mem_sleep", Unit::Bytes)]),
        // N is what one process with 20,000 descriptors can hold on each side.
        Row::driven("mem_conn", 18_000, 200, mem_conn)
            .metrics(&[Metric::cost("mem_conn", Unit::Bytes)])
            .served_floor(),
        // N is the length of the window in milliseconds.
        Row::measured("idle", 5_000, 300, |rt: &R, run| idle(rt, run))
            .cold()
            .metrics(&[
                Metric::cost("idle_switches", Unit::Count),
                Metric::cost("idle_cpu", Unit::Milliseconds).informing(),
            ]),
    ]
}

/// Resident bytes per task after detaching tasks that wait for ever.
fn mem_pending<R: Rt>(rt: &R, run: &Run) -> Sample {
    grown("mem_pending", rt, run.n, Duration::from_millis(100), || {
        R::detach(pending())
    })
}

/// Resident bytes per task after detaching tasks that sleep for an hour.
fn mem_sleep<R: Rt>(rt: &R, run: &Run) -> Sample {
    grown("mem_sleep", rt, run.n, Duration::from_millis(300), || {
        R::detach(async { R::Os::sleep(HOUR).await });
    })
}

fn grown<R: Rt>(metric: &str, rt: &R, n: u64, rest: Duration, mut detach: impl FnMut()) -> Sample {
    let before = os::resident_bytes();
    rt.block_on(async {
        for _ in 0..n {
            detach();
        }
        R::Os::sleep(rest).await;
    });
    let grown = os::resident_bytes().saturating_sub(before);
    Sample::of([(metric, grown as f64 / n as f64)])
}

/// Resident bytes of the server per idle connection; each connection has echoed once, and the other ends live in a
/// process of their own.
fn mem_conn(rt: &str, run: &Run) -> Sample {
    let conns = run.n;
    let workers = if rt == FLOOR { 1 } else { run.workers };
    let mut server = Server::start(
        rt,
        Kind::Echo {
            buffer: SMALL_BUFFER,
        },
        workers,
        None,
        &[],
    );
    let before = server.ask("rss");
    let client = Client::hold(server.port(), conns);
    thread::sleep(Duration::from_millis(200));
    let after = server.ask("rss");
    drop(client);
    Sample::of([(
        "mem_conn",
        after.saturating_sub(before) as f64 / conns as f64,
    )])
}

/// Context switches of all threads and CPU time of a runtime with one far timer.
fn idle<R: Rt>(rt: &R, run: &Run) -> Sample {
    let window = Duration::from_millis(run.n);
    let (sender, receiver) = oneshot();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let (switches, cpu) = (os::context_switches(), os::process_cpu());
        thread::sleep(window);
        sender.send((os::context_switches() - switches, os::process_cpu() - cpu));
    });
    let (switches, cpu) = rt.block_on(async {
        R::detach(async { R::Os::sleep(HOUR).await });
        receiver.await
    });
    let cpu_ms = cpu.as_secs_f64() * 1e3;
    Sample::of([("idle_switches", switches as f64), ("idle_cpu", cpu_ms)])
}
