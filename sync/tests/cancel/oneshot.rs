//! The oneshot channel: a value arrives, or comes back, or its receiver learns that there will be none.

use super::harness::explore::Scenario;
use super::harness::ledger::Ledger;
use super::harness::stage::{Stage, pause};
use lenio_sync::channel::oneshot::channel;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "oneshot-recv",
        build: recv,
    },
    Scenario {
        name: "oneshot-closed",
        build: closed,
    },
];

fn recv(stage: &mut Stage) {
    let ledger = Ledger::default();
    for _ in 0..3 {
        let (sender, receiver) = channel();
        let item = ledger.item();
        let turns = stage.random().below(4);
        stage.actor("sender", async move {
            pause(turns).await;
            let _ = sender.send(item);
        });
        let turns = stage.random().below(3);
        stage.actor("receiver", async move {
            pause(turns).await;
            if let Ok(item) = receiver.await {
                item.receive();
            }
        });
    }
    stage.at_end(move |outcome| {
        ledger.assert_no_item_was_lost_or_doubled();
        let received = ledger
            .fates()
            .iter()
            .filter(|fate| fate.received == 1)
            .count();
        assert!(received + outcome.cancelled >= 3, "each loss has its drop");
    });
}

/// The sender waits for the receiver to go.
fn closed(stage: &mut Stage) {
    for _ in 0..2 {
        let (mut sender, mut receiver) = channel::<u32>();
        let turns = stage.random().below(3);
        let sends = stage.random().one_in(3);
        stage.actor("sender", async move {
            pause(turns).await;
            sender.closed().await;
            assert!(sender.is_closed());
            if sends {
                assert!(sender.send(7).is_err());
            }
        });
        let turns = stage.random().below(4);
        let waits = stage.random().one_in(2);
        stage.actor("receiver", async move {
            pause(turns).await;
            receiver.close();
            pause(turns).await;
            if waits {
                assert!(receiver.await.is_err());
            }
        });
    }
}
