//! Oneshot channels: no value has been sent, or no receiver has gone.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::channel::oneshot::{Receiver, Sender, channel};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("oneshot", empty), ("oneshot with receivers", open)];

/// As many channels as there are waiters: one receiver each.
struct Shared {
    senders: RefCell<Vec<Sender<Box<u32>>>>,
    extra: RefCell<Option<Receiver<Box<u32>>>>,
}

impl Shared {
    fn receiver(&self) -> Receiver<Box<u32>> {
        let (sender, receiver) = channel();
        self.senders.borrow_mut().push(sender);
        receiver
    }

    fn send(&self) {
        let sender = self.senders.borrow_mut().pop();
        if let Some(sender) = sender {
            let _ = sender.send(Box::new(7));
        }
    }

    /// Sends to the one that came first.
    fn send_first(&self) {
        let mut senders = self.senders.borrow_mut();
        let sender = (!senders.is_empty()).then(|| senders.remove(0));
        drop(senders);
        if let Some(sender) = sender {
            let _ = sender.send(Box::new(7));
        }
    }
}

fn empty() -> Rig {
    let shared = Rc::new(Shared {
        senders: RefCell::default(),
        extra: RefCell::default(),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        while !checked.senders.borrow().is_empty() {
            checked.send();
        }
        let mut receiver = checked.receiver();
        assert!(look(&mut receiver).is_none());
        checked.send();
        assert_eq!(look(&mut receiver), Some(Ok(Box::new(7))));
    };
    Rig::new(move || server.send(), check)
        .wait("recv", &shared, Shared::receiver, |_, value| {
            assert!(value.is_err() || value == Ok(Box::new(7)));
        })
        .operation("send to the last", &shared, Shared::send)
        .operation("send to the first", &shared, Shared::send_first)
        .operation("send to all", &shared, |s| {
            while !s.senders.borrow().is_empty() {
                s.send_first();
            }
        })
        .operation("drop all senders", &shared, |s| drop(s.senders.take()))
        .operation("drop all senders by a panic", &shared, |s| {
            by_a_panic(s.senders.take())
        })
        .operation("make, wait and leave", &shared, |s| {
            let receiver = s.receiver();
            let _ = look(receiver);
        })
        .operation("make and close", &shared, |s| {
            let mut receiver = s.receiver();
            receiver.close();
            let old = s.extra.replace(Some(receiver));
            drop(old);
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.senders, s.extra);
        })
}

/// As many channels as there are waiters: one sender each, which waits for its receiver to go.
#[derive(Default)]
struct Open {
    receivers: RefCell<Vec<Receiver<Box<u32>>>>,
}

impl Open {
    fn sender(&self) -> Sender<Box<u32>> {
        let (sender, receiver) = channel();
        self.receivers.borrow_mut().push(receiver);
        sender
    }

    fn drop_last(&self) {
        let receiver = self.receivers.borrow_mut().pop();
        drop(receiver);
    }

    fn close_first(&self) {
        let mut receivers = self.receivers.borrow_mut();
        let receiver = (!receivers.is_empty()).then(|| receivers.remove(0));
        drop(receivers);
        if let Some(mut receiver) = receiver {
            receiver.close();
            assert!(receiver.try_recv().is_err());
        }
    }
}

fn open() -> Rig {
    let shared = Rc::new(Open::default());
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        while !checked.receivers.borrow().is_empty() {
            checked.drop_last();
        }
        let mut sender = checked.sender();
        assert!(look(sender.closed()).is_none());
        checked.drop_last();
        assert!(look(sender.closed()).is_some() && sender.is_closed());
        assert_eq!(
            sender
                .send(Box::new(7))
                .map_err(|error| *error.into_inner()),
            Err(7)
        );
    };
    Rig::new(move || server.drop_last(), check)
        .wait_in_a_block(
            "closed",
            &shared,
            |s| {
                let mut sender = s.sender();
                async move {
                    sender.closed().await;
                    sender
                }
            },
            |_, sender| assert!(sender.send(Box::new(7)).is_err()),
        )
        .operation("drop the last", &shared, Open::drop_last)
        .operation("close the first", &shared, Open::close_first)
        .operation("drop all", &shared, |s| {
            let receivers = s.receivers.take();
            drop(receivers);
        })
        .operation("drop all by a panic", &shared, |s| {
            by_a_panic(s.receivers.take())
        })
        .operation("make, wait and leave", &shared, |s| {
            let mut sender = s.sender();
            let _ = look(sender.closed());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?}", s.receivers);
        })
}
