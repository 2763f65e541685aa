//! Channels: full ones, empty ones, ones without any room, and ones that come to their end.

use super::{Make, Rig, by_a_panic, look};
use futures_core::Stream;
use lenio_sync::channel::{
    IntoStream, OwnedPermit, Receiver, Sender, TrySendError, bounded, rendezvous, unbounded,
};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[
    ("channel full", full),
    ("channel reserved", reserved),
    ("channel empty", empty),
    ("channel unbounded", endless),
    ("channel that closes", closes),
    ("rendezvous without receivers", no_receivers),
    ("rendezvous without senders", no_senders),
    ("rendezvous that closes", rendezvous_closes),
];

/// A message that is counted.
struct Message(Rc<Counts>);

#[derive(Default)]
struct Counts {
    living: Cell<usize>,
}

impl Message {
    fn new(counts: &Rc<Counts>) -> Self {
        counts.living.set(counts.living.get() + 1);
        Self(counts.clone())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.0.living.set(self.0.living.get() - 1);
    }
}

struct Shared {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    permits: RefCell<Vec<OwnedPermit<Message>>>,
    /// A receiver that waits, and that nobody polls by itself.
    sleeper: RefCell<Option<Pin<Box<IntoStream<Message>>>>>,
    counts: Rc<Counts>,
}

impl Shared {
    fn new((sender, receiver): (Sender<Message>, Receiver<Message>)) -> Rc<Self> {
        Rc::new(Self {
            sender,
            receiver,
            permits: RefCell::default(),
            sleeper: RefCell::default(),
            counts: Rc::default(),
        })
    }

    fn message(&self) -> Message {
        Message::new(&self.counts)
    }

    fn try_send(&self) {
        let _ = self.sender.try_send(self.message());
    }

    fn try_recv(&self) {
        let _ = self.receiver.try_recv();
    }

    fn reserve(&self) {
        if let Some(Ok(permit)) = look(self.sender.clone().reserve_owned()) {
            self.permits.borrow_mut().push(permit);
        }
    }

    fn use_permit(&self) {
        let permit = self.permits.borrow_mut().pop();
        if let Some(permit) = permit {
            let _ = permit.send(self.message());
        }
    }

    fn give_back(&self) {
        let permits = self.permits.take();
        drop(permits);
    }

    /// Lets a receiver wait, or polls the one that waits.
    fn sleep(&self) {
        let sleeper = self.sleeper.take();
        let mut sleeper = sleeper.unwrap_or_else(|| Box::pin(self.receiver.clone().into_stream()));
        let received = look(poll_fn(|cx| sleeper.as_mut().poll_next(cx)));
        if received.is_none() {
            let old = self.sleeper.replace(Some(sleeper));
            drop(old);
        }
    }

    fn drop_the_sleeper(&self) {
        let sleeper = self.sleeper.take();
        drop(sleeper);
    }

    fn close(&self) {
        self.sender.close();
    }

    /// Everything that was sent is taken, and the channel passes messages on.
    fn check(&self) {
        self.drop_the_sleeper();
        self.give_back();
        while self.receiver.try_recv().is_ok() {}
        assert_eq!(self.counts.living.get(), 0, "a message was lost");
        assert_eq!(self.receiver.len(), 0);
        let mut recv = Box::pin(self.receiver.recv());
        assert!(look(recv.as_mut()).is_none());
        assert!(self.sender.try_send(self.message()).is_ok());
        assert!(look(recv).is_some_and(|message| message.is_ok()));
        for _ in 0..self.sender.capacity().unwrap_or(3) {
            assert!(self.sender.try_send(self.message()).is_ok());
        }
        assert!(self.sender.capacity().is_none() || self.sender.is_full());
        while self.receiver.try_recv().is_ok() {}
        assert_eq!(self.counts.living.get(), 0);
    }

    /// The channel is at its end, everybody knows, and what was accepted before it can be had.
    fn check_closed(&self) {
        self.close();
        self.drop_the_sleeper();
        self.give_back();
        assert!(look(self.sender.closed()).is_some() && look(self.receiver.closed()).is_some());
        let refused = self.sender.try_send(self.message());
        assert!(matches!(refused, Err(TrySendError::Closed(_))));
        drop(refused);
        while self.receiver.try_recv().is_ok() {}
        assert!(look(self.receiver.recv()).is_some_and(|message| message.is_err()));
        assert_eq!(self.counts.living.get(), 0, "a message was lost");
    }
}

fn rig(shared: &Rc<Shared>, serve: fn(&Shared), check: fn(&Shared)) -> Rig {
    let (server, checked) = (shared.clone(), shared.clone());
    Rig::new(move || serve(&server), move || check(&checked))
        .operation("try_send", shared, Shared::try_send)
        .operation("try_recv", shared, Shared::try_recv)
        .operation("reserve", shared, Shared::reserve)
        .operation("use a permit", shared, Shared::use_permit)
        .operation("give permits back", shared, Shared::give_back)
        .operation("give permits back by a panic", shared, |s| {
            by_a_panic(s.permits.take())
        })
        .operation("send and leave", shared, |s| {
            let _ = look(s.sender.send(s.message()));
        })
        .operation("send, wait and leave by a panic", shared, |s| {
            let mut sending = Box::pin(s.sender.send(s.message()));
            let _ = look(sending.as_mut());
            by_a_panic(sending);
        })
        .operation("receive and leave", shared, |s| {
            let _ = look(s.receiver.recv());
        })
        .operation("receive many", shared, |s| {
            let mut messages = Vec::new();
            let _ = s.receiver.try_recv_many(&mut messages, 10);
        })
        .operation("clone and drop", shared, |s| {
            drop(s.sender.clone());
            drop(s.receiver.clone());
        })
        .operation("debug", shared, |s| {
            let _ = format!("{:?} {:?} {}", s.sender, s.receiver, s.sender.len());
        })
}

fn sends(rig: Rig, shared: &Rc<Shared>) -> Rig {
    rig.wait_in_a_block("send", shared, |s| s.sender.send(s.message()), |_, _| ())
        .wait(
            "reserve",
            shared,
            |s| s.sender.reserve(),
            |_, permit| drop(permit),
        )
        .wait(
            "reserve_owned",
            shared,
            |s| s.sender.clone().reserve_owned(),
            |_, permit| drop(permit),
        )
        // Not beside receivers that are looked at: what it was woken for would be theirs.
        .operation("let a receiver wait", shared, Shared::sleep)
        .operation("let no receiver wait", shared, |s| {
            by_a_panic(s.sleeper.take())
        })
}

fn receives(rig: Rig, shared: &Rc<Shared>) -> Rig {
    rig.wait(
        "recv",
        shared,
        |s| s.receiver.recv(),
        |_, message| drop(message),
    )
    .wait_in_a_block(
        "recv_many",
        shared,
        |s| async {
            let mut messages = Vec::new();
            s.receiver.recv_many(&mut messages, 1).await;
            messages
        },
        |_, messages| drop(messages),
    )
    .wait_in_a_block(
        "stream",
        shared,
        |s| async {
            let mut stream = pin!(s.receiver.stream());
            poll_fn(|cx| stream.as_mut().poll_next(cx)).await
        },
        |_, message| drop(message),
    )
}

fn ends(rig: Rig, shared: &Rc<Shared>) -> Rig {
    rig.wait(
        "closed, asks a sender",
        shared,
        |s| s.sender.closed(),
        |_, ()| (),
    )
    .wait(
        "closed, asks a receiver",
        shared,
        |s| s.receiver.closed(),
        |_, ()| (),
    )
    .operation("close", shared, Shared::close)
    .operation("close by a panic", shared, |s| {
        struct Closes<'s>(&'s Shared);
        impl Drop for Closes<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        by_a_panic(Closes(s));
    })
}

/// Makes room.
fn take(shared: &Shared) {
    shared.drop_the_sleeper();
    shared.give_back();
    shared.try_recv();
}

/// Brings a message.
fn bring(shared: &Shared) {
    shared.drop_the_sleeper();
    shared.give_back();
    shared.try_send();
}

/// Makes that a receiver waits, and that it takes what is offered.
fn meet(shared: &Shared) {
    shared.give_back();
    shared.sleep();
    shared.sleep();
}

fn full() -> Rig {
    let shared = Shared::new(bounded(2));
    shared.try_send();
    shared.try_send();
    sends(rig(&shared, take, Shared::check), &shared)
}

fn reserved() -> Rig {
    let shared = Shared::new(bounded(1));
    shared.reserve();
    sends(rig(&shared, take, Shared::check), &shared)
}

fn empty() -> Rig {
    let shared = Shared::new(bounded(2));
    receives(rig(&shared, bring, Shared::check), &shared)
}

fn endless() -> Rig {
    let shared = Shared::new(unbounded());
    receives(rig(&shared, bring, Shared::check), &shared)
}

fn closes() -> Rig {
    let shared = Shared::new(bounded(2));
    let rig = rig(&shared, Shared::close, Shared::check_closed);
    ends(receives(rig, &shared), &shared)
}

fn no_receivers() -> Rig {
    let shared = Shared::new(rendezvous());
    sends(rig(&shared, meet, Shared::check), &shared)
}

fn no_senders() -> Rig {
    let shared = Shared::new(rendezvous());
    receives(rig(&shared, bring, Shared::check), &shared)
}

fn rendezvous_closes() -> Rig {
    let shared = Shared::new(rendezvous());
    let rig = rig(&shared, Shared::close, Shared::check_closed);
    ends(receives(rig, &shared), &shared)
}
