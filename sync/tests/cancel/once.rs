//! The cell that is filled once: whoever makes the value may go, and another one makes it.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, give_up_after, pause};
use lenio_sync::once::{BoxedFuture, Lazy, OnceCell};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "once-init",
        build: init,
    },
    Scenario {
        name: "once-try",
        build: try_init,
    },
    Scenario {
        name: "lazy-force",
        build: force,
    },
];

fn init(stage: &mut Stage) {
    let shared = Rc::new((OnceCell::new(), Cell::new(0)));
    for _ in 0..3 {
        let shared = shared.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor("maker", async move {
            pause(before).await;
            let value = shared
                .0
                .get_or_init(|| async {
                    pause(inside).await;
                    shared.1.set(shared.1.get() + 1);
                    7
                })
                .await;
            assert_eq!(*value, 7);
        });
    }
    for _ in 0..2 {
        let (shared, probe) = (shared.clone(), shared.clone());
        stage
            .actor("reader", async move {
                assert_eq!(*shared.0.wait().await, 7);
            })
            .may_wait_while(move || !probe.0.is_set());
    }
    stage.at_end(move |outcome| {
        let is_done = outcome.count("maker", End::Done) > 0;
        assert!(shared.1.get() <= 1, "it was made twice");
        assert_eq!(shared.0.is_set(), shared.1.get() == 1);
        assert!(shared.0.is_set() || !is_done);
        assert_eq!(outcome.count("maker", End::LeftWaiting), 0);
    });
}

/// Some attempts fail: the next one tries.
fn try_init(stage: &mut Stage) {
    let cell = Rc::new(OnceCell::new());
    for fails in [true, true, false, false] {
        let cell = cell.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor("maker", async move {
            pause(before).await;
            let made = cell
                .get_or_try_init(|| async {
                    pause(inside).await;
                    if fails { Err(()) } else { Ok(7) }
                })
                .await;
            assert!(fails || made == Ok(&7));
        });
    }
    let (reader, probe) = (cell.clone(), cell.clone());
    stage
        .actor("reader", async move {
            assert_eq!(*reader.wait().await, 7);
        })
        .may_wait_while(move || !probe.is_set());
    stage.at_end(move |outcome| {
        assert!(cell.is_set() || outcome.cancelled > 0);
    });
}

/// Whoever drives the stored future may go, and the next one drives it on; it is started once.
fn force(stage: &mut Stage) {
    let started = Arc::new(AtomicUsize::new(0));
    let (counted, turns) = (started.clone(), 1 + stage.random().below(5));
    let init = move || -> BoxedFuture<u32> {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            pause(turns).await;
            7
        })
    };
    let lazy = Rc::new(Lazy::new(init));
    for _ in 0..4 {
        let lazy = lazy.clone();
        let (before, polls) = (stage.random().below(3), stage.random().below(3));
        stage.actor("user", async move {
            pause(before).await;
            if polls > 0 {
                if let Some(value) = give_up_after(polls, lazy.force()).await {
                    assert_eq!(*value, 7);
                }
            }
            assert_eq!(*lazy.force().await, 7);
        });
    }
    stage.at_end(move |outcome| {
        assert!(started.load(Ordering::Relaxed) <= 1, "it was started twice");
        assert_eq!(outcome.count("user", End::LeftWaiting), 0);
        assert!(lazy.is_set() || outcome.count("user", End::Done) == 0);
    });
}
