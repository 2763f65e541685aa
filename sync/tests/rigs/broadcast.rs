//! A broadcast channel whose receivers have seen everything.

use super::{Make, Rig, by_a_panic, look};
use futures_core::Stream;
use lenio_sync::channel::broadcast::{Receiver, RecvError, Sender, channel};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("broadcast", seen)];

struct Shared {
    /// One, or none after the end.
    senders: RefCell<Vec<Sender<Box<u32>>>>,
    receiver: Receiver<Box<u32>>,
    extra: RefCell<Vec<Receiver<Box<u32>>>>,
    sent: Cell<u32>,
}

impl Shared {
    fn send(&self) {
        let sender = self.senders.borrow().first().cloned();
        if let Some(sender) = sender {
            self.sent.set(self.sent.get() + 1);
            let _ = sender.send(Box::new(self.sent.get()));
        }
    }

    fn close(&self) {
        let sender = self.senders.borrow().first().cloned();
        if let Some(sender) = sender {
            sender.close();
        }
    }

    fn is_over(&self) -> bool {
        self.receiver.is_closed()
    }
}

fn seen() -> Rig {
    let (sender, receiver) = channel(2);
    let shared = Rc::new(Shared {
        senders: RefCell::new(vec![sender]),
        receiver,
        extra: RefCell::default(),
        sent: Cell::new(0),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        let mut receiver = checked.receiver.resubscribe();
        if checked.is_over() {
            assert!(look(receiver.recv()).is_some_and(|end| end == Err(RecvError::Closed)));
            return;
        }
        assert!(look(receiver.recv()).is_none());
        for _ in 0..3 {
            checked.send();
        }
        let last = checked.sent.get();
        assert_eq!(look(receiver.recv()), Some(Err(RecvError::Lagged(1))));
        assert_eq!(look(receiver.recv()), Some(Ok(Box::new(last - 1))));
        assert_eq!(look(receiver.recv()), Some(Ok(Box::new(last))));
    };
    Rig::new(move || server.send(), check)
        .wait_in_a_block(
            "recv",
            &shared,
            |s| {
                let mut receiver = s.receiver.resubscribe();
                async move { receiver.recv().await }
            },
            |_, _| (),
        )
        .wait_in_a_block(
            "stream",
            &shared,
            |s| {
                let mut receiver = s.receiver.resubscribe();
                async move {
                    let mut stream = pin!(receiver.stream());
                    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
                }
            },
            |_, _| (),
        )
        .operation("send", &shared, Shared::send)
        .operation("send until it laps", &shared, |s| {
            for _ in 0..3 {
                s.send();
            }
        })
        .operation("close", &shared, Shared::close)
        .operation("drop the sender", &shared, |s| {
            let senders = s.senders.take();
            drop(senders);
        })
        .operation("drop the sender by a panic", &shared, |s| {
            by_a_panic(s.senders.take())
        })
        .operation("subscribe", &shared, |s| {
            let receiver = s.receiver.resubscribe();
            s.extra.borrow_mut().push(receiver);
        })
        .operation("drop those that subscribed", &shared, |s| {
            let receivers = s.extra.take();
            drop(receivers);
        })
        .operation("wait and leave", &shared, |s| {
            let mut receiver = s.receiver.resubscribe();
            let _ = look(receiver.recv());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.senders, s.receiver);
        })
}
