//! kanal: hands values over directly; the channel to beat. At home on no runtime.

use super::{CAPACITY, Channel, Library, Shared};

const LIBRARY: Library = Library {
    name: "kanal",
    homes: &[],
};

/// `kanal::bounded_async`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = true;
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        kanal::bounded_async(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Bounded {}

/// `kanal::unbounded_async`.
pub(crate) struct Unbounded;

impl Channel for Unbounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = false;
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        kanal::unbounded_async()
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

impl Shared for Unbounded {}
