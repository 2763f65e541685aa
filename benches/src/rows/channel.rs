//! What does a message cost from sender to receiver, with one and with several at each end?
//!
//! `ch_<p>p<c>c_<capacity>`: `c` consumers are spawned first, then `p` producers, which share the `n` messages (`u64`)
//! between them. Producers drop their senders, consumers drain until the channel is closed, and the messages that they
//! received add up to `n`. `unb` is a channel without a bound. Each shape is a contest between libraries (see
//! `library/`); several consumers only where a library lets them share one channel. The floor is a ring on one thread.
//!
//! A regression: a lock or an allocation per message; a receiver woken per message where it could drain a buffer; a
//! producer and a consumer that take turns instead of filling and emptying.

use super::Row;
use crate::floor::ring;
use crate::library::{self, Channel, Shared, VisitChannels};
use crate::rt::Rt;

const MESSAGES: u64 = 400_000;
const SMOKE: u64 = 4_000;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    struct Collect<R>(Vec<Row<R>>);
    impl<R: Rt> VisitChannels for Collect<R> {
        fn one_receiver<C: Channel>(&mut self) {
            self.0.extend(rows_of::<R, C>());
        }

        fn many_receivers<C: Shared>(&mut self) {
            self.one_receiver::<C>();
            self.0.push(shared_row::<R, C>());
        }
    }
    let mut rows = Collect(Vec::new());
    library::channels(&mut rows);
    rows.0
}

fn rows_of<R: Rt, C: Channel>() -> [Row<R>; 2] {
    let (one, four) = if C::IS_BOUNDED {
        ("ch_1p1c_1024", "ch_4p1c_1024")
    } else {
        ("ch_1p1c_unb", "ch_4p1c_unb")
    };
    [
        row::<R, C>(one, |rt, n| {
            rt.run_inside(async move {
                let (sender, receiver) = C::open();
                pass::<R, C>(vec![sender], vec![receiver], n).await;
            });
        })
        .floor(ring::from_one),
        row::<R, C>(four, |rt, n| {
            rt.run_inside(async move {
                let (sender, receiver) = C::open();
                pass::<R, C>(vec![sender; 4], vec![receiver], n).await;
            });
        })
        .floor(ring::from_many),
    ]
}

fn shared_row<R: Rt, C: Shared>() -> Row<R> {
    let four = if C::IS_BOUNDED {
        "ch_4p4c_1024"
    } else {
        "ch_4p4c_unb"
    };
    row::<R, C>(four, |rt, n| {
        rt.run_inside(async move {
            let (sender, receiver) = C::open();
            pass::<R, C>(vec![sender; 4], vec![receiver; 4], n).await;
        });
    })
    .floor(ring::from_many)
}

fn row<R: Rt, C: Channel>(name: &'static str, body: fn(&R, u64)) -> Row<R> {
    Row::timed(name, MESSAGES, SMOKE, body)
        .outside_mean()
        .gate(2_000, 22_000)
        .of(C::LIBRARY)
}

/// Passes `n` messages from all producers to all consumers.
async fn pass<R: Rt, C: Channel>(senders: Vec<C::Sender>, receivers: Vec<C::Receiver>, n: u64) {
    let consumer = |mut receiver: C::Receiver| async move {
        let mut received = 0;
        while C::receive(&mut receiver).await.is_some() {
            received += 1;
        }
        received
    };
    let share = n / senders.len() as u64;
    let producer = |sender: C::Sender| async move {
        for message in 0..share {
            C::send(&sender, message).await;
        }
    };
    let sent = share * senders.len() as u64;
    let consumers: Vec<_> = receivers
        .into_iter()
        .map(|receiver| R::spawn(consumer(receiver)))
        .collect();
    let producers: Vec<_> = senders
        .into_iter()
        .map(|sender| R::spawn(producer(sender)))
        .collect();
    for task in producers {
        task.await;
    }
    let mut received = 0;
    for task in consumers {
        received += task.await;
    }
    assert_eq!(received, sent);
}
