//! The barrier: an arrival that is dropped is taken back, and every generation lets exactly its size through.

use super::harness::explore::Scenario;
use super::harness::stage::{Stage, pause};
use lenio_sync::Barrier;
use std::cell::RefCell;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "barrier-wait",
    build: wait,
}];

const SIZE: usize = 3;

fn wait(stage: &mut Stage) {
    let barrier = Rc::new(Barrier::new(SIZE));
    // Which indices passed, for each generation that each actor went through, in any order.
    let passed = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..4 {
        let (barrier, passed) = (barrier.clone(), passed.clone());
        let too_few = {
            let barrier = barrier.clone();
            move || (1..SIZE).contains(&barrier.arrivals())
        };
        let turns = stage.random().below(3);
        stage
            .actor("walker", async move {
                for _ in 0..3 {
                    pause(turns).await;
                    let now = barrier.wait().await;
                    assert!(now.index() < SIZE);
                    assert_eq!(now.is_leader(), now.index() == SIZE - 1);
                    passed.borrow_mut().push(now.index());
                }
            })
            .may_wait_while(too_few);
    }
    stage.at_end(move |outcome| {
        assert_eq!(
            barrier.arrivals(),
            0,
            "an arrival that is gone is still counted"
        );
        let passed = passed.borrow();
        let leaders = passed.iter().filter(|index| **index == SIZE - 1).count();
        for index in 0..SIZE {
            let count = passed.iter().filter(|other| **other == index).count();
            // Whoever was dropped after it was let through has passed, but told nobody.
            assert!(count.abs_diff(leaders) <= outcome.cancelled + 1);
            assert!(outcome.cancelled > 0 || count == leaders, "{passed:?}");
        }
    });
}
