//! The stop tree: whoever waits for a stop learns of it, and a value that was ready is not lost to it.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, pause};
use lenio_sync::Event;
use lenio_sync::stop::{StopKind, StopReason, StopSource};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stop-stopped",
        build: stopped,
    },
    Scenario {
        name: "stop-run",
        build: run,
    },
];

fn stopped(stage: &mut Stage) {
    let top = StopSource::new();
    let below = top.child();
    for token in [top.token(), below.token(), below.child().token()] {
        let turns = stage.random().below(3);
        stage.actor("waiter", async move {
            pause(turns).await;
            let reason = token.stopped().await;
            assert_eq!(reason.kind(), StopKind::Shutdown);
            assert!(token.is_stopped());
        });
        let token = top.token();
        stage.actor("owner", async move {
            token.stopped_owned().await;
        });
    }
    let turns = stage.random().below(5);
    let source = top.clone();
    stage
        .actor("stopper", async move {
            pause(turns).await;
            assert!(source.stop(StopReason::new(StopKind::Shutdown)));
        })
        .stays();
    stage.at_end(move |_| assert!(below.is_stopped()));
}

/// Work ends with its value or with the stop, whatever comes first; a value that is there is not thrown away.
fn run(stage: &mut Stage) {
    let source = StopSource::new();
    let event = Rc::new(Event::new());
    let done = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let (token, event, done) = (source.token(), event.clone(), done.clone());
        let turns = stage.random().below(3);
        stage.actor("worker", async move {
            pause(turns).await;
            let work = async {
                event.wait().await;
                done.set(done.get() + 1);
            };
            match token.run_until_stopped(work).await {
                Ok(()) => done.set(done.get() - 1),
                Err(_) => assert!(token.is_stopped()),
            }
        });
    }
    let setter = event.clone();
    let turns = stage.random().below(4);
    stage.actor("setter", async move {
        pause(turns).await;
        setter.set();
    });
    let turns = stage.random().below(4);
    stage
        .actor("stopper", async move {
            pause(turns).await;
            source.stop(StopReason::new(StopKind::Shutdown));
        })
        .stays();
    stage.at_end(move |outcome| {
        assert_eq!(done.get(), 0, "a value was lost to the stop");
        assert_eq!(outcome.count("worker", End::LeftWaiting), 0);
    });
}
