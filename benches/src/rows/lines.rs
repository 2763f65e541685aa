//! What does it cost that a task knows on whose behalf it runs?
//!
//! Each body is a contest between libraries, at home (see `library/`). The same bodies without a line are `yield_one` and
//! `spawn_join_in`. A regression: anything done per poll for the line of the whole task; an allocation per poll of a
//! part that has a line of its own; a copy of the line for each task that inherits it.

use super::Row;
use crate::floor::{poll, tasks};
use crate::library::{self, Lines, VisitLines};
use crate::rt::Rt;
use crate::signal::wake_yield;

const DEPTH: u64 = 8;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    struct Collect<R>(Vec<Row<R>>);
    impl<R: Rt> VisitLines for Collect<R> {
        fn visit<L: Lines>(&mut self) {
            self.0.extend(rows_of::<R, L>());
        }
    }
    let mut rows = Collect(Vec::new());
    library::lines(&mut rows);
    rows.0
}

fn rows_of<R: Rt, L: Lines>() -> Vec<Row<R>> {
    let rows = vec![
        Row::timed("line_task_poll", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(L::within(
                DEPTH,
                async move { L::spawn(poll::<L>(n)).await },
            ))
        })
        .gate(2_000, 22_000)
        .floor(|n| poll::rounds(1, n)),
        Row::timed("line_part_poll", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(L::within(DEPTH, poll::<L>(n)))
        })
        .gate(2_000, 22_000)
        .floor(|n| poll::rounds(1, n)),
        Row::timed("line_spawn_join", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(L::within(DEPTH, spawn_join::<L>(n)))
        })
        .gate(2_000, 12_000)
        .floor(tasks::cell_batch),
    ];
    let of_library = |row: Row<R>| row.of(L::LIBRARY).only_at_home().outside_mean();
    rows.into_iter().map(of_library).collect()
}

/// Wakes itself `n` times. As a task of its own the line is the task's; otherwise it is that of a part of a task.
async fn poll<L: Lines>(n: u64) {
    for _ in 0..n {
        wake_yield().await;
    }
    assert_eq!(L::depth(), DEPTH);
}

/// Spawns `n` tasks that inherit the line, keeping all handles, then awaits them in order.
async fn spawn_join<L: Lines>(n: u64) {
    let handles: Vec<_> = (0..n).map(|_| L::spawn(async {})).collect();
    for handle in handles {
        handle.await;
    }
}
