//! tokio's mpsc channels.

use tokio::sync::mpsc;

use super::LIBRARY;
use crate::library::{CAPACITY, Channel, Library};

/// `tokio::sync::mpsc::channel`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = true;
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        mpsc::channel(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}

/// `tokio::sync::mpsc::unbounded_channel`.
pub(crate) struct Unbounded;

impl Channel for Unbounded {
    const LIBRARY: Library = LIBRARY;
    const IS_BOUNDED: bool = false;
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("the receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}
