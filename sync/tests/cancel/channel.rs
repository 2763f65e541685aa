//! The channels of many senders and many receivers: an item is received, comes back, or goes with the channel.

use super::harness::explore::Scenario;
use super::harness::ledger::{Item, Ledger};
use super::harness::random::Random;
use super::harness::stage::{End, Outcome, Stage, give_up_after, pause};
use futures_core::Stream;
use lenio_sync::channel::{Receiver, Sender, TryRecvError, bounded, rendezvous, unbounded};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "channel-pass-0",
        build: |stage| pass(stage, Some(0)),
    },
    Scenario {
        name: "channel-pass-1",
        build: |stage| pass(stage, Some(1)),
    },
    Scenario {
        name: "channel-pass-2",
        build: |stage| pass(stage, Some(2)),
    },
    Scenario {
        name: "channel-pass-unbounded",
        build: |stage| pass(stage, None),
    },
    Scenario {
        name: "channel-left-1",
        build: |stage| left(stage, Some(1)),
    },
    Scenario {
        name: "channel-left-2",
        build: |stage| left(stage, Some(2)),
    },
    Scenario {
        name: "channel-left-unbounded",
        build: |stage| left(stage, None),
    },
    Scenario {
        name: "channel-closed-0",
        build: |stage| closed(stage, Some(0)),
    },
    Scenario {
        name: "channel-closed-1",
        build: |stage| closed(stage, Some(1)),
    },
    Scenario {
        name: "channel-barging",
        build: barging,
    },
];

fn channel(capacity: Option<usize>) -> (Sender<Item>, Receiver<Item>) {
    match capacity {
        Some(0) => rendezvous(),
        Some(capacity) => bounded(capacity),
        None => unbounded(),
    }
}

/// In which way a sender sends.
#[derive(Clone, Copy)]
enum Sends {
    Send,
    /// Gives up and sends the next one, if it is not accepted at once.
    Impatiently,
    Reserve,
    ReserveOwned,
    Try,
}

const SENDS: [Sends; 5] = [
    Sends::Send,
    Sends::Impatiently,
    Sends::Reserve,
    Sends::ReserveOwned,
    Sends::Try,
];

/// In which way a receiver receives.
#[derive(Clone, Copy)]
enum Receives {
    Recv,
    Impatiently,
    Many,
    Stream,
    IntoStream,
}

const RECEIVES: [Receives; 5] = [
    Receives::Recv,
    Receives::Impatiently,
    Receives::Many,
    Receives::Stream,
    Receives::IntoStream,
];

fn one_of<A: Copy>(random: &mut Random, all: &[A]) -> A {
    all[random.below(all.len())]
}

/// Sends a few items, until the channel is closed. Enters in the ledger what was accepted.
async fn send_some(sender: Sender<Item>, ledger: Ledger, sends: Sends, turns: usize) {
    for _ in 0..2 {
        pause(turns).await;
        let item = ledger.item();
        let number = item.number;
        let is_accepted = match sends {
            Sends::Send => sender.send(item).await.is_ok(),
            Sends::Impatiently => {
                let sent = give_up_after(2, sender.send(item)).await;
                sent.is_some_and(|sent| sent.is_ok())
            }
            Sends::Try => sender.try_send(item).is_ok(),
            Sends::Reserve => {
                let reserved = sender.reserve().await;
                pause(turns).await;
                reserved.is_ok_and(|permit| permit.send(item).is_ok())
            }
            Sends::ReserveOwned => {
                let reserved = sender.clone().reserve_owned().await;
                pause(turns).await;
                reserved.is_ok_and(|permit| permit.send(item).is_ok())
            }
        };
        if is_accepted {
            ledger.accept(number);
        }
    }
}

/// Receives until the channel is closed and empty.
async fn receive_all(receiver: Receiver<Item>, receives: Receives, turns: usize) {
    pause(turns).await;
    match receives {
        Receives::Recv => {
            while let Ok(item) = receiver.recv().await {
                item.receive();
                pause(turns).await;
            }
        }
        Receives::Impatiently => {
            for _ in 0..3 {
                if let Some(Ok(item)) = give_up_after(1, receiver.recv()).await {
                    item.receive();
                }
                pause(turns).await;
            }
            while let Ok(item) = receiver.recv().await {
                item.receive();
            }
        }
        Receives::Many => {
            let mut items = Vec::new();
            while receiver.recv_many(&mut items, 2).await > 0 {
                assert!(items.len() <= 2);
                for item in items.drain(..) {
                    item.receive();
                }
                pause(turns).await;
            }
        }
        Receives::Stream => {
            let mut stream = pin!(receiver.stream());
            while let Some(item) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                item.receive();
                pause(turns).await;
            }
        }
        Receives::IntoStream => {
            let mut stream = Box::pin(receiver.into_stream());
            while let Some(item) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                item.receive();
                pause(turns).await;
            }
        }
    }
}

fn check(ledger: &Ledger, outcome: &Outcome, receivers: &str) {
    let is_drained = outcome.count(receivers, End::Done) > 0;
    for (number, fate) in ledger.fates().into_iter().enumerate() {
        assert_eq!(fate.dropped, 1, "item {number}: {fate:?}");
        assert!(fate.received <= 1, "item {number}: {fate:?}");
        // Without a receiver to the end, what was accepted may have gone with the channel.
        assert!(
            fate.received == 1 || !fate.accepted || !is_drained,
            "item {number} was lost: {fate:?}"
        );
    }
    assert_eq!(outcome.count("sender", End::LeftWaiting), 0);
    assert_eq!(outcome.count(receivers, End::LeftWaiting), 0);
}

/// Senders and receivers come and go; whoever is left comes to an end, because the other side does.
fn pass(stage: &mut Stage, capacity: Option<usize>) {
    let ledger = Ledger::default();
    let (sender, receiver) = channel(capacity);
    for _ in 0..3 {
        let (sends, turns) = (one_of(stage.random(), &SENDS), stage.random().below(3));
        let sending = send_some(sender.clone(), ledger.clone(), sends, turns);
        stage.actor("sender", sending);
    }
    for _ in 0..2 {
        let (receives, turns) = (one_of(stage.random(), &RECEIVES), stage.random().below(2));
        let receiving = receive_all(receiver.clone(), receives, turns);
        stage.actor("receiver", receiving);
    }
    stage.at_end(move |outcome| check(&ledger, outcome, "receiver"));
}

/// The channel outlives everybody: exactly what was accepted and not received is left in it.
fn left(stage: &mut Stage, capacity: Option<usize>) {
    let ledger = Ledger::default();
    let (sender, receiver) = channel(capacity);
    for _ in 0..3 {
        let (sends, turns) = (one_of(stage.random(), &SENDS), stage.random().below(3));
        let sending = send_some(sender.clone(), ledger.clone(), sends, turns);
        let probe = receiver.clone();
        stage
            .actor("sender", sending)
            .may_wait_while(move || probe.is_full());
    }
    for _ in 0..2 {
        let (receiver, probe) = (receiver.clone(), receiver.clone());
        let limit = 1 + stage.random().below(2);
        let turns = stage.random().below(3);
        let receiving = async move {
            for _ in 0..limit {
                pause(turns).await;
                if let Ok(item) = receiver.recv().await {
                    item.receive();
                }
            }
        };
        stage
            .actor("receiver", receiving)
            .may_wait_while(move || probe.is_empty());
    }
    stage.at_end(move |_| {
        assert_eq!(sender.sender_count(), 1, "the one that is kept here");
        let free = capacity.map(|capacity| capacity - receiver.len());
        for _ in 0..free.unwrap_or(0) {
            let item = ledger.item();
            let number = item.number;
            assert!(sender.try_send(item).is_ok(), "a place was lost");
            ledger.accept(number);
        }
        assert!(capacity.is_none() || sender.is_full());
        drop(sender);
        while let Ok(item) = receiver.try_recv() {
            item.receive();
        }
        assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
        ledger.assert_each_accepted_item_was_received_once();
    });
}

/// It is closed at some time: everybody learns of it, senders get their items back, and receivers what was accepted before.
fn closed(stage: &mut Stage, capacity: Option<usize>) {
    let ledger = Ledger::default();
    let (sender, receiver) = channel(capacity);
    for asks_sender in [true, false] {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        let turns = stage.random().below(3);
        stage.actor("watcher", async move {
            pause(turns).await;
            match asks_sender {
                true => sender.closed().await,
                false => receiver.closed().await,
            }
            assert!(sender.is_closed() && receiver.is_closed());
        });
    }
    for _ in 0..2 {
        let (sends, turns) = (one_of(stage.random(), &SENDS), stage.random().below(3));
        let sending = send_some(sender.clone(), ledger.clone(), sends, turns);
        stage.actor("sender", sending);
    }
    let (receives, turns) = (one_of(stage.random(), &RECEIVES), stage.random().below(3));
    let receiving = receive_all(receiver.clone(), receives, turns);
    stage.actor("receiver", receiving);
    let turns = stage.random().below(5);
    stage
        .actor("closer", async move {
            pause(turns).await;
            assert!(sender.close());
            assert!(!receiver.close(), "a second time");
        })
        .stays();
    stage.at_end(move |outcome| {
        check(&ledger, outcome, "receiver");
        assert_eq!(outcome.count("watcher", End::LeftWaiting), 0);
    });
}

/// One sends again and again as soon as it can, until those that wait are held back no more.
fn barging(stage: &mut Stage) {
    let ledger = Ledger::default();
    let (sender, receiver) = bounded(1);
    for _ in 0..2 {
        let turns = stage.random().below(2);
        let sending = send_some(sender.clone(), ledger.clone(), Sends::Send, turns);
        stage.actor("sender", sending);
    }
    let sent = Rc::new(Cell::new(0));
    let (counted, marked) = (sent.clone(), ledger.clone());
    stage.actor("barger", async move {
        for _ in 0..20 {
            let item = marked.item();
            let number = item.number;
            if sender.send(item).await.is_err() {
                return;
            }
            marked.accept(number);
            counted.set(counted.get() + 1);
        }
    });
    let turns = stage.random().below(2);
    stage.actor(
        "receiver",
        receive_all(receiver, Receives::Recv, turns),
    );
    stage.at_end(move |outcome| {
        check(&ledger, outcome, "receiver");
        assert!(outcome.cancelled > 0 || sent.get() == 20);
    });
}
