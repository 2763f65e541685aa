//! flume: the channel that blocking and async code share; at home on no runtime.

use super::{CAPACITY, Channel, Library, Shared};

const LIBRARY: Library = Library {
    name: "flume",
    homes: &[],
};

/// `flume::bounded`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = true;
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        flume::bounded(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send_async(value).await.expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

impl Shared for Bounded {}

/// `flume::unbounded`.
pub(crate) struct Unbounded;

impl Channel for Unbounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = false;
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }

    async fn send(sender: &Self::Sender, value: u64) {
        // Documented never to block: there is always room.
        sender.send(value).expect("a receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

impl Shared for Unbounded {}
