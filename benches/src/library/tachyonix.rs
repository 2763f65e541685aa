//! tachyonix: a bounded ring with one receiver, built for actors. At home on no runtime.

use super::{CAPACITY, Channel, Library};

/// `tachyonix::channel`.
pub(crate) struct Bounded;

impl Channel for Bounded {
    const LIBRARY: Library = Library {
        name: "tachyonix",
        homes: &[],
    };
    const IS_BOUNDED: bool = true;
    type Sender = tachyonix::Sender<u64>;
    type Receiver = tachyonix::Receiver<u64>;

    fn open() -> (Self::Sender, Self::Receiver) {
        tachyonix::channel(CAPACITY)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver drains");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}
