//! The semaphore: permits are neither lost nor multiplied, and nobody sleeps beside enough of them.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, pause};
use lenio_sync::Semaphore;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "semaphore-acquire",
        build: acquire,
    },
    Scenario {
        name: "semaphore-owned",
        build: owned,
    },
    Scenario {
        name: "semaphore-close",
        build: close,
    },
    Scenario {
        name: "semaphore-add",
        build: add,
    },
    Scenario {
        name: "semaphore-many",
        build: many,
    },
];

const PERMITS: usize = 3;

/// Counts how many permits are held, also when their holder is dropped.
struct Held<'c>(&'c Cell<usize>, usize);

impl<'c> Held<'c> {
    fn new(count: &'c Cell<usize>, permits: usize) -> Self {
        count.set(count.get() + permits);
        assert!(count.get() <= PERMITS, "more than there are");
        Self(count, permits)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - self.1);
    }
}

/// Takers of one to all permits, twice each.
fn acquire(stage: &mut Stage) {
    let shared = Rc::new((Semaphore::new(PERMITS), Cell::new(0)));
    for _ in 0..4 {
        let shared = shared.clone();
        let need = 1 + stage.random().below(PERMITS);
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor("taker", async move {
            for _ in 0..2 {
                pause(before).await;
                let permit = shared.0.acquire(need).await.expect("never closed");
                let _held = Held::new(&shared.1, need);
                pause(inside).await;
                drop(permit);
            }
        });
    }
    stage.at_end(move |_| assert_eq!(shared.0.available_permits(), PERMITS));
}

/// As above with owned permits, which are split and given back in parts.
fn owned(stage: &mut Stage) {
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    for _ in 0..4 {
        let semaphore = semaphore.clone();
        let need = 1 + stage.random().below(PERMITS);
        let inside = stage.random().below(3);
        stage.actor("taker", async move {
            let mut permit = semaphore.acquire_owned(need).await.expect("never closed");
            pause(inside).await;
            let part = permit.split(1);
            drop(permit);
            pause(inside).await;
            drop(part);
        });
    }
    stage.at_end(move |_| assert_eq!(semaphore.available_permits(), PERMITS));
}

/// It is closed at some time: who waits then gets an error.
fn close(stage: &mut Stage) {
    let semaphore = Rc::new(Semaphore::new(PERMITS));
    for _ in 0..4 {
        let semaphore = semaphore.clone();
        let need = 1 + stage.random().below(PERMITS);
        let inside = stage.random().below(4);
        stage.actor("taker", async move {
            match semaphore.acquire(need).await {
                Ok(_permit) => pause(inside).await,
                Err(_) => assert!(semaphore.is_closed()),
            }
        });
    }
    let closer = semaphore.clone();
    let turns = stage.random().below(5);
    stage.actor("closer", async move {
        pause(turns).await;
        assert!(closer.close());
    });
    stage.at_end(move |outcome| {
        assert_eq!(semaphore.available_permits(), PERMITS);
        assert_eq!(
            semaphore.is_closed(),
            outcome.count("closer", End::Done) == 1
        );
    });
}

/// Permits come and go: whoever waits in front gets through as soon as there are enough.
fn add(stage: &mut Stage) {
    let semaphore = Rc::new(Semaphore::new(0));
    for need in [2, 1, 1] {
        let semaphore = semaphore.clone();
        let turns = stage.random().below(3);
        stage.actor("taker", async move {
            pause(turns).await;
            drop(semaphore.acquire(need).await);
        });
    }
    let adder = semaphore.clone();
    let turns = stage.random().below(3);
    stage
        .actor("adder", async move {
            for _ in 0..PERMITS {
                pause(turns).await;
                adder.add_permits(1);
                pause(turns).await;
                let gone = adder.forget_permits(1);
                pause(turns).await;
                adder.add_permits(gone);
            }
        })
        .stays();
    stage.at_end(move |_| assert_eq!(semaphore.available_permits(), PERMITS));
}

/// Several permits come at once, and nobody gives one back: all that fit are served.
fn many(stage: &mut Stage) {
    let semaphore = Rc::new(Semaphore::new(0));
    let left = Rc::new(Cell::new(2 * PERMITS));
    for _ in 0..4 {
        let (semaphore, left) = (semaphore.clone(), left.clone());
        let need = 1 + stage.random().below(2);
        let too_few = {
            let left = left.clone();
            move || left.get() < 2
        };
        let turns = stage.random().below(3);
        stage
            .actor("taker", async move {
                pause(turns).await;
                let permit = semaphore.acquire(need).await.expect("never closed");
                permit.forget();
                left.set(left.get() - need);
            })
            .may_wait_while(too_few);
    }
    let adder = semaphore.clone();
    let turns = stage.random().below(4);
    stage
        .actor("adder", async move {
            pause(turns).await;
            adder.add_permits(PERMITS);
            pause(turns).await;
            adder.add_permits(PERMITS);
        })
        .stays();
    stage.at_end(move |_| assert_eq!(semaphore.available_permits(), left.get()));
}
