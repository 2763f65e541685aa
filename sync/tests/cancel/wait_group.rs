//! The wait group: nobody gets through while there are members, everybody once there are none.

use super::harness::explore::Scenario;
use super::harness::stage::{Stage, pause};
use lenio_sync::WaitGroup;
use lenio_sync::wait::block_on;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "wait-group",
    build: wait,
}];

fn wait(stage: &mut Stage) {
    let group = Rc::new(WaitGroup::new());
    for _ in 0..3 {
        let member = group.add();
        let turns = stage.random().below(4);
        stage.actor("member", async move {
            pause(turns).await;
            let second = member.clone();
            drop(member);
            pause(turns).await;
            drop(second);
        });
    }
    for _ in 0..2 {
        let group = group.clone();
        let turns = stage.random().below(3);
        stage.actor("waiter", async move {
            pause(turns).await;
            group.wait().await;
            assert_eq!(group.count(), 0, "nobody comes back in this scenario");
        });
    }
    stage.at_end(move |_| {
        assert_eq!(group.count(), 0);
        block_on(group.wait());
    });
}
