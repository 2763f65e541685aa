//! lenio's channels, bounded and unbounded, with any number of senders and receivers.

use lenio::sync::channel;

use super::LIBRARY;
use crate::library::{CAPACITY, Channel, Library, Shared};

/// `lenio::sync::channel::bounded`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = true;
    type Sender = channel::Sender<u64>;
    type Receiver = channel::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        channel::bounded(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Bounded {}

/// `lenio::sync::channel::unbounded`.
pub(crate) struct Unbounded;

impl Channel for Unbounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = false;
    type Sender = channel::Sender<u64>;
    type Receiver = channel::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        channel::unbounded()
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Unbounded {}
