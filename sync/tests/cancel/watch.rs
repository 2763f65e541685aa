//! The watch channel: whoever waits for a change learns of the last one, and of the end.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, give_up_after, pause};
use futures_core::Stream;
use lenio_sync::channel::watch::{Receiver, channel};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "watch-changed",
        build: changed,
    },
    Scenario {
        name: "watch-wait-for",
        build: wait_for,
    },
    Scenario {
        name: "watch-closed",
        build: closed,
    },
];

/// Looks at every change that it learns of, until the end. Returns what it saw last.
async fn follow(mut receiver: Receiver<u32>, way: usize, turns: usize) -> u32 {
    let mut last = *receiver.borrow_and_update();
    let mut sees = |value: u32| {
        assert!(value > last, "{value} after {last}");
        last = value;
    };
    match way {
        0 => {
            while receiver.changed().await.is_ok() {
                sees(*receiver.borrow_and_update());
                pause(turns).await;
            }
        }
        1 => {
            for _ in 0..3 {
                if let Some(Ok(())) = give_up_after(2, receiver.changed()).await {
                    sees(*receiver.borrow());
                }
                pause(turns).await;
            }
            while receiver.changed().await.is_ok() {
                sees(*receiver.borrow());
            }
        }
        _ => {
            let mut stream = pin!(receiver.stream());
            while let Some(value) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                sees(value);
                pause(turns).await;
            }
        }
    }
    last
}

fn changed(stage: &mut Stage) {
    let (sender, receiver) = channel(0);
    let sent = Rc::new(Cell::new(0));
    let other = sender.clone();
    for way in 0..3 {
        let (receiver, sent) = (receiver.clone(), sent.clone());
        let turns = stage.random().below(3);
        stage.actor("receiver", async move {
            let last = follow(receiver, way, turns).await;
            assert_eq!(last, sent.get(), "it missed the last value");
        });
    }
    for sender in [sender, other] {
        let sent = sent.clone();
        let turns = stage.random().below(4);
        stage.actor("sender", async move {
            for _ in 0..3 {
                pause(turns).await;
                sent.set(sent.get() + 1);
                // With nobody left the value is refused, and nobody looks for it.
                let _ = sender.send(sent.get());
            }
        });
    }
    stage.at_end(|outcome| {
        assert_eq!(outcome.count("receiver", End::LeftWaiting), 0);
    });
}

fn wait_for(stage: &mut Stage) {
    let (sender, receiver) = channel(0);
    let sent = Rc::new(Cell::new(0));
    for wanted in [2, 3, 9] {
        let (mut receiver, sent) = (receiver.clone(), sent.clone());
        let (turns, polls) = (stage.random().below(3), 1 + stage.random().below(3));
        stage.actor("receiver", async move {
            pause(turns).await;
            // Dropped with whatever it has seen: the next one is asked about the same value again.
            let early = give_up_after(polls, receiver.wait_for(|value| *value >= wanted)).await;
            let found = match early {
                Some(found) => found.is_ok_and(|value| *value >= wanted),
                None => {
                    let found = receiver.wait_for(|value| *value >= wanted).await;
                    found.is_ok_and(|value| *value >= wanted)
                }
            };
            assert!(found || sent.get() < wanted, "it was there, and not found");
        });
    }
    let turns = stage.random().below(4);
    stage.actor("sender", async move {
        for value in 1..=4 {
            pause(turns).await;
            sent.set(value);
            let _ = sender.send(value);
        }
    });
    stage.at_end(|outcome| {
        assert_eq!(outcome.count("receiver", End::LeftWaiting), 0);
    });
}

/// Senders wait for all receivers to go; some come back.
fn closed(stage: &mut Stage) {
    let (sender, receiver) = channel(0);
    for _ in 0..2 {
        let sender = sender.clone();
        let turns = stage.random().below(3);
        stage.actor("sender", async move {
            pause(turns).await;
            sender.closed().await;
        });
    }
    for comes_back in [true, false] {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        let turns = stage.random().below(4);
        stage.actor("receiver", async move {
            pause(turns).await;
            drop(receiver);
            if comes_back {
                pause(turns).await;
                let again = sender.subscribe();
                pause(turns).await;
                drop(again);
            }
        });
    }
    drop(receiver);
    stage.at_end(move |outcome| {
        assert_eq!(outcome.count("sender", End::LeftWaiting), 0);
        assert_eq!((sender.sender_count(), sender.receiver_count()), (1, 0));
        assert!(sender.is_closed());
    });
}
