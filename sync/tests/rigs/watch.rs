//! Watch channels: receivers that have seen everything, and a sender whose receivers are all there.

use super::{Make, Rig, by_a_panic, look};
use futures_core::Stream;
use lenio_sync::channel::watch::{Receiver, Sender, Snapshot, channel};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("watch", seen), ("watch with receivers", watched)];

struct Shared {
    /// One, or none after the end.
    senders: RefCell<Vec<Sender<Box<u32>>>>,
    receiver: Receiver<Box<u32>>,
    kept: RefCell<Vec<Snapshot<Box<u32>>>>,
}

impl Shared {
    fn with_sender(&self, act: impl FnOnce(&Sender<Box<u32>>)) {
        let sender = self.senders.borrow().first().cloned();
        if let Some(sender) = sender {
            act(&sender);
        }
    }

    fn send(&self) {
        self.with_sender(|sender| {
            let next = **sender.borrow() + 1;
            assert!(sender.send(Box::new(next)).is_ok());
        });
    }

    fn end(&self) {
        let senders = self.senders.take();
        drop(senders);
    }

    /// A receiver that has seen everything.
    fn receiver(&self) -> Receiver<Box<u32>> {
        let mut receiver = self.receiver.clone();
        receiver.mark_unchanged();
        receiver
    }
}

fn seen() -> Rig {
    let (sender, receiver) = channel(Box::new(0));
    let shared = Rc::new(Shared {
        senders: RefCell::new(vec![sender]),
        receiver,
        kept: RefCell::default(),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        let mut receiver = checked.receiver();
        if checked.senders.borrow().is_empty() {
            assert!(look(receiver.changed()).is_some_and(|end| end.is_err()));
            return;
        }
        assert!(look(receiver.changed()).is_none());
        let before = **receiver.borrow();
        checked.send();
        assert!(look(receiver.changed()).is_some_and(|change| change.is_ok()));
        assert_eq!(**receiver.borrow(), before + 1, "a value was lost");
        checked.end();
        assert!(receiver.is_closed());
    };
    Rig::new(move || server.send(), check)
        .wait_in_a_block(
            "changed",
            &shared,
            |s| {
                let mut receiver = s.receiver();
                async move { receiver.changed().await.is_ok() }
            },
            |_, _| (),
        )
        .wait_in_a_block(
            "wait_for",
            &shared,
            |s| {
                let mut receiver = s.receiver();
                let first = **receiver.borrow();
                async move {
                    let found = receiver.wait_for(|value| **value > first + 1).await;
                    found.is_ok_and(|value| **value > 1)
                }
            },
            |_, _| (),
        )
        .wait_in_a_block(
            "stream",
            &shared,
            |s| {
                let mut receiver = s.receiver();
                async move {
                    let mut stream = pin!(receiver.stream());
                    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
                }
            },
            |_, _| (),
        )
        .operation("send", &shared, Shared::send)
        .operation("send_replace", &shared, |s| {
            s.with_sender(|sender| drop(sender.send_replace(Box::new(7))));
        })
        .operation("send_modify", &shared, |s| {
            s.with_sender(|sender| sender.send_modify(|value| **value += 1));
        })
        .operation("send_if_modified", &shared, |s| {
            s.with_sender(|sender| assert!(!sender.send_if_modified(|_| false)));
        })
        .operation("keep a look", &shared, |s| {
            let look = s.receiver.borrow();
            s.kept.borrow_mut().push(look);
        })
        .operation("drop all looks", &shared, |s| {
            let looks = s.kept.take();
            drop(looks);
        })
        .operation("drop the sender", &shared, Shared::end)
        .operation("drop the sender by a panic", &shared, |s| {
            by_a_panic(s.senders.take())
        })
        .operation("wait and leave", &shared, |s| {
            let mut receiver = s.receiver();
            let _ = look(receiver.changed());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.senders, s.receiver);
        })
}

struct Watched {
    sender: Sender<u32>,
    receivers: RefCell<Vec<Receiver<u32>>>,
}

impl Watched {
    fn subscribe(&self) {
        let receiver = self.sender.subscribe();
        self.receivers.borrow_mut().push(receiver);
    }

    fn drop_one(&self) {
        let receiver = self.receivers.borrow_mut().pop();
        drop(receiver);
    }

    fn drop_all(&self) {
        let receivers = self.receivers.take();
        drop(receivers);
    }
}

fn watched() -> Rig {
    let (sender, receiver) = channel(0);
    let shared = Rc::new(Watched {
        sender,
        receivers: RefCell::new(vec![receiver]),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        checked.drop_all();
        assert!(look(checked.sender.closed()).is_some());
        assert_eq!(checked.sender.receiver_count(), 0);
        checked.subscribe();
        assert!(look(checked.sender.closed()).is_none());
        assert!(checked.sender.send(1).is_ok());
    };
    Rig::new(move || server.drop_all(), check)
        .wait("closed", &shared, |s| s.sender.closed(), |_, ()| ())
        .operation("subscribe", &shared, Watched::subscribe)
        .operation("drop one", &shared, Watched::drop_one)
        .operation("drop all", &shared, Watched::drop_all)
        .operation("drop all by a panic", &shared, |s| {
            by_a_panic(s.receivers.take())
        })
        .operation("send", &shared, |s| {
            let _ = s.sender.send(7);
        })
        .operation("a receiver waits and goes", &shared, |s| {
            let _ = look(s.sender.subscribe().changed());
        })
        .operation("wait and leave", &shared, |s| {
            let _ = look(s.sender.closed());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?} {:?}", s.sender, s.receivers, s.sender.closed());
        })
}
