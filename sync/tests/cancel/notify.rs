//! Notify: no notification is lost with the future that it was meant for.

use super::harness::explore::Scenario;
use super::harness::stage::{Stage, pause};
use lenio_sync::Notify;
use lenio_sync::wait::block_on;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "notify-one",
        build: one,
    },
    Scenario {
        name: "notify-waiters",
        build: waiters,
    },
    Scenario {
        name: "notify-both",
        build: both,
    },
];

/// Workers wait for jobs beside a queue that knows nothing of waiting: no job is left while somebody could do it.
fn one(stage: &mut Stage) {
    let shared = Rc::new((Notify::new(), RefCell::new(Vec::new())));
    let left = Rc::new(Cell::new(4));
    for _ in 0..3 {
        let shared = shared.clone();
        let idle = {
            let (shared, left) = (shared.clone(), left.clone());
            move || left.get() == 0 && shared.1.borrow().is_empty()
        };
        let turns = stage.random().below(2);
        stage
            .actor("worker", async move {
                loop {
                    pause(turns).await;
                    let mut notified = pin!(shared.0.notified());
                    notified.as_mut().enable();
                    while shared.1.borrow_mut().pop().is_some() {}
                    notified.await;
                    // Whoever was let through does the work at once: if it went now, its job would be nobody's.
                    while shared.1.borrow_mut().pop().is_some() {}
                }
            })
            .may_wait_while(idle);
    }
    let boss = shared.clone();
    let turns = stage.random().below(4);
    stage
        .actor("boss", async move {
            while left.get() > 0 {
                pause(turns).await;
                boss.1.borrow_mut().push(left.get());
                left.set(left.get() - 1);
                boss.0.notify_one();
            }
        })
        .stays();
    stage.at_end(move |_| {
        let has_permit = pin!(shared.0.notified())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready();
        assert!(
            has_permit || shared.1.borrow().is_empty(),
            "a job is left, and nobody who comes will know"
        );
        shared.0.notify_one();
        block_on(shared.0.notified());
    });
}

/// Whoever had made its future when all were notified gets through; whoever came later waits on.
fn waiters(stage: &mut Stage) {
    let notify = Rc::new(Notify::new());
    let calls = Rc::new(Cell::new(0));
    for _ in 0..4 {
        let (notify, calls) = (notify.clone(), calls.clone());
        let began = Rc::new(Cell::new(0));
        let is_late = {
            let (began, calls) = (began.clone(), calls.clone());
            move || began.get() == calls.get()
        };
        let turns = stage.random().below(4);
        stage
            .actor("waiter", async move {
                pause(turns).await;
                began.set(calls.get());
                let notified = notify.notified();
                pause(turns / 2).await;
                notified.await;
                assert!(began.get() < calls.get(), "let through by nobody");
            })
            .may_wait_while(is_late);
    }
    let caller = notify.clone();
    let turns = stage.random().below(4);
    stage
        .actor("caller", async move {
            for _ in 0..2 {
                pause(turns).await;
                calls.set(calls.get() + 1);
                caller.notify_waiters();
            }
        })
        .stays();
    stage.at_end(move |_| {
        let is_through = pin!(notify.notified())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready();
        assert!(!is_through, "nothing is stored");
    });
}

/// Single notifications, each after somebody began to wait, between notifications of all: none of the single ones is lost.
fn both(stage: &mut Stage) {
    let notify = Rc::new(Notify::new());
    let (sent, through, to_all) = (
        Rc::new(Cell::new(0)),
        Rc::new(Cell::new(0)),
        Rc::new(Cell::new(0)),
    );
    for _ in 0..4 {
        let (notify, through) = (notify.clone(), through.clone());
        let may_wait = {
            let (sent, through, to_all) = (sent.clone(), through.clone(), to_all.clone());
            // Each notification lets somebody through, whoever was dropped; a second one may have found the permit stored already.
            move || to_all.get() > 0 || sent.get() == 0 || through.get() > 0
        };
        let turns = stage.random().below(3);
        stage
            .actor("waiter", async move {
                pause(turns).await;
                notify.notified().await;
                through.set(through.get() + 1);
            })
            .may_wait_while(may_wait);
    }
    let caller = notify.clone();
    let turns = stage.random().below(4);
    let all = stage.random().one_in(2);
    stage
        .actor("caller", async move {
            pause(turns).await;
            sent.set(sent.get() + 1);
            caller.notify_one();
            pause(turns).await;
            if all {
                to_all.set(1);
                caller.notify_waiters();
            }
        })
        .stays();
    stage.at_end(move |_| {
        // The one notification let somebody through, or is still there for the next.
        let is_stored = pin!(notify.notified())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready();
        assert!(is_stored || all || through.get() == 1, "it is lost");
        assert!(!is_stored || all || through.get() == 0, "it was doubled");
    });
}
