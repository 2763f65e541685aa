//! The event: everybody who waited when it was set gets through.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, pause};
use lenio_sync::Event;
use lenio_sync::wait::block_on;
use std::cell::Cell;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "event-wait",
        build: wait,
    },
    Scenario {
        name: "event-pulse",
        build: pulse,
    },
];

/// Waiters come and go, one sets the flag at some time, and it stays set.
fn wait(stage: &mut Stage) {
    let event = Rc::new(Event::new());
    for _ in 0..4 {
        let event = event.clone();
        let turns = stage.random().below(3);
        stage.actor("waiter", async move {
            pause(turns).await;
            event.wait().await;
            assert!(event.is_set());
        });
    }
    let setter = event.clone();
    let turns = stage.random().below(6);
    stage
        .actor("setter", async move {
            pause(turns).await;
            assert!(setter.set());
        })
        .stays();
    stage.at_end(move |outcome| {
        assert_eq!(outcome.count("waiter", End::LeftWaiting), 0);
        block_on(event.wait());
        assert!(event.clear(), "dropping waiters changes nothing");
    });
}

/// The flag is cleared right after it was set: whoever had begun to wait gets through, whoever came later waits on.
fn pulse(stage: &mut Stage) {
    let event = Rc::new(Event::new());
    let pulses = Rc::new(Cell::new(0));
    // A poll that is denied for want of budget does not begin to wait.
    let begins_late = stage.has_poor_polls();
    for _ in 0..3 {
        let (event, pulses) = (event.clone(), pulses.clone());
        let began = Rc::new(Cell::new(0));
        let is_late = {
            let (began, pulses) = (began.clone(), pulses.clone());
            move || began.get() == pulses.get() || begins_late
        };
        let turns = stage.random().below(4);
        stage
            .actor("waiter", async move {
                pause(turns).await;
                began.set(pulses.get());
                event.wait().await;
                assert!(began.get() < pulses.get(), "through without a pulse");
            })
            .may_wait_while(is_late);
    }
    let pulser = event.clone();
    let turns = stage.random().below(4);
    stage
        .actor("pulser", async move {
            for _ in 0..2 {
                pause(turns).await;
                pulses.set(pulses.get() + 1);
                assert!(pulser.set());
                assert!(pulser.clear());
            }
        })
        .stays();
    stage.at_end(move |_| {
        assert!(!event.is_set());
        assert!(event.set());
        block_on(event.wait());
    });
}
