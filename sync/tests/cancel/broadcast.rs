//! The broadcast channel: every receiver sees every value, or is told exactly how many it missed.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, give_up_after, pause};
use futures_core::Stream;
use lenio_sync::channel::broadcast::{Lagged, Receiver, RecvError, TryRecvError, channel};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "broadcast-recv",
        build: |stage| recv(stage, 2),
    },
    Scenario {
        name: "broadcast-lag",
        build: |stage| recv(stage, 1),
    },
];

/// What a receiver has seen or was told it missed: the numbers up to this one.
struct Tally(u64);

impl Tally {
    fn sees(&mut self, value: &Numbered) {
        self.0 += 1;
        assert_eq!(value.number, self.0, "not the next one");
    }

    fn misses(&mut self, count: u64) {
        assert!(count > 0);
        self.0 += count;
    }

    /// Returns whether the channel goes on.
    fn takes(&mut self, received: Result<Numbered, RecvError>) -> bool {
        match received {
            Ok(value) => self.sees(&value),
            Err(RecvError::Lagged(missed)) => self.misses(missed),
            Err(RecvError::Closed) => return false,
        }
        true
    }
}

/// A value whose clones are counted.
struct Numbered {
    number: u64,
    living: Rc<Cell<usize>>,
}

impl Numbered {
    fn new(number: u64, living: &Rc<Cell<usize>>) -> Self {
        living.set(living.get() + 1);
        Self {
            number,
            living: living.clone(),
        }
    }
}

impl Clone for Numbered {
    fn clone(&self) -> Self {
        Self::new(self.number, &self.living)
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.living.set(self.living.get() - 1);
    }
}

/// Receives until the end. Returns how many it saw or missed.
async fn follow(mut receiver: Receiver<Numbered>, way: usize, turns: usize) -> u64 {
    let mut tally = Tally(0);
    match way {
        0 => {
            while tally.takes(receiver.recv().await) {
                pause(turns).await;
            }
        }
        1 => {
            for _ in 0..3 {
                if let Some(received) = give_up_after(1, receiver.recv()).await {
                    tally.takes(received);
                }
                pause(turns).await;
                match receiver.try_recv() {
                    Ok(value) => tally.sees(&value),
                    Err(TryRecvError::Lagged(missed)) => tally.misses(missed),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => {}
                }
            }
            while tally.takes(receiver.recv().await) {}
        }
        _ => {
            let mut stream = pin!(receiver.stream());
            while let Some(item) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                match item {
                    Ok(value) => tally.sees(&value),
                    Err(Lagged(missed)) => tally.misses(missed),
                }
                pause(turns).await;
            }
        }
    }
    tally.0
}

fn recv(stage: &mut Stage, capacity: usize) {
    let (sender, receiver) = channel(capacity);
    let (sent, living) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut receivers = vec![receiver];
    receivers.extend((0..2).map(|_| sender.subscribe()));
    for (way, receiver) in receivers.into_iter().enumerate() {
        let sent = sent.clone();
        let turns = stage.random().below(4);
        stage.actor("receiver", async move {
            let tally = follow(receiver, way, turns).await;
            assert_eq!(tally, sent.get(), "some are neither seen nor missed");
        });
    }
    let counted = living.clone();
    let other = sender.clone();
    for sender in [sender, other] {
        let (sent, living) = (sent.clone(), counted.clone());
        let turns = stage.random().below(3);
        stage.actor("sender", async move {
            for _ in 0..3 {
                pause(turns).await;
                if sender.send(Numbered::new(sent.get() + 1, &living)).is_ok() {
                    sent.set(sent.get() + 1);
                }
            }
        });
    }
    stage.at_end(move |outcome| {
        assert_eq!(outcome.count("receiver", End::LeftWaiting), 0);
        assert_eq!(living.get(), 0, "a value was leaked");
    });
}
