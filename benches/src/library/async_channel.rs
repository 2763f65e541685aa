//! async-channel: what smol's programs send with.

use super::{CAPACITY, Channel, Library, Shared};

const LIBRARY: Library = Library {
    name: "async-channel",
    homes: &["smol", "smol-static"],
};

/// `async_channel::bounded`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = true;
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Bounded {}

/// `async_channel::unbounded`.
pub(crate) struct Unbounded;

impl Channel for Unbounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = false;
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        async_channel::unbounded()
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Unbounded {}
