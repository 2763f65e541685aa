//! lenio's notify, oneshot, watch and broadcast.

use std::future::Future;

use lenio::sync;
use lenio::sync::channel::{broadcast, oneshot, watch};

use super::LIBRARY;
use crate::library::{self, Broadcast, Library, Notify, Oneshot, Watch};

/// lenio's four ways of telling.
pub(crate) struct Signals;

impl library::Signals for Signals {
    const LIBRARY: Library = LIBRARY;
    type Notify = sync::Notify;
    type Oneshot = Signals;
    type Watch = Signals;
    type Broadcast = Signals;
}

impl Notify for sync::Notify {
    fn new() -> Self {
        sync::Notify::new()
    }

    fn notify_one(&self) {
        self.notify_one();
    }

    fn notified(&self) -> impl Future<Output = ()> + Send {
        self.notified()
    }
}

impl Oneshot for Signals {
    type Sender = oneshot::Sender<u64>;
    type Receiver = oneshot::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        oneshot()
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("the receiver waits");
    }

    async fn receive(receiver: Self::Receiver) -> u64 {
        receiver.await.expect("the sender sends")
    }
}

impl Watch for Signals {
    type Sender = watch::Sender<u64>;
    type Receiver = watch::Receiver<u64>;

    fn open(value: u64) -> (Self::Sender, Self::Receiver) {
        watch(value)
    }

    fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("receivers wait");
    }

    async fn changed(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.changed().await.ok()?;
        Some(*receiver.borrow())
    }
}

impl Broadcast for Signals {
    type Sender = broadcast::Sender<u64>;
    type Receiver = broadcast::Receiver<u64>;

    fn open(capacity: usize) -> Self::Sender {
        let (sender, _) = broadcast(capacity);
        sender
    }

    fn subscribe(sender: &Self::Sender) -> Self::Receiver {
        sender.subscribe()
    }

    fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("receivers wait");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        match receiver.recv().await {
            Ok(value) => Some(value),
            Err(broadcast::RecvError::Closed) => None,
            Err(error) => panic!("no receiver falls behind: {error}"),
        }
    }
}
