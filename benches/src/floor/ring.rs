//! What a message must cost: a slot of a ring, written and read on one thread, which spares it the way between cores.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::library::CAPACITY;

const SLOTS: u64 = CAPACITY as u64;

struct Ring {
    slots: Vec<Cell<u64>>,
    /// Messages sent.
    tail: AtomicU64,
    /// Messages received.
    head: AtomicU64,
}

impl Ring {
    fn new() -> Ring {
        Ring {
            slots: (0..SLOTS).map(Cell::new).collect(),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
        }
    }

    fn slot(&self, index: u64) -> &Cell<u64> {
        &self.slots[(index % SLOTS) as usize]
    }

    /// Sends by the only sender: a store publishes the message.
    fn send(&self, message: u64) {
        // ORDERING: Relaxed, the tail is the sender's own; Release pairs with the Acquire load in `drain`.
        let tail = self.tail.load(Ordering::Relaxed);
        self.slot(tail).set(message);
        self.tail.store(tail + 1, Ordering::Release);
    }

    /// Sends by one of several senders: a read-modify-write decides who has the slot.
    fn send_shared(&self, message: u64) {
        // ORDERING: AcqRel as between senders; on one thread nobody sees the slot before it is written.
        let tail = self.tail.fetch_add(1, Ordering::AcqRel);
        self.slot(tail).set(message);
    }

    /// Receives all that was sent and returns how many messages that were.
    fn drain(&self) -> u64 {
        // ORDERING: Acquire pairs with the sends; Release gives the slots back.
        let tail = self.tail.load(Ordering::Acquire);
        let head = self.head.load(Ordering::Relaxed);
        for index in head..tail {
            black_box(self.slot(index).get());
            self.head.store(index + 1, Ordering::Release);
        }
        tail - head
    }
}

/// One sender, one receiver: the ring is filled and drained in turn.
pub(crate) fn from_one(messages: u64) {
    fill_and_drain(messages, Ring::send);
}

/// Several senders: as [`from_one`], with a read-modify-write per message.
pub(crate) fn from_many(messages: u64) {
    fill_and_drain(messages, Ring::send_shared);
}

fn fill_and_drain(messages: u64, send: impl Fn(&Ring, u64)) {
    let ring = Ring::new();
    let ring = black_box(&ring);
    let mut received = 0;
    for message in 0..messages {
        send(ring, message);
        if (message + 1) % SLOTS == 0 {
            received += ring.drain();
        }
    }
    received += ring.drain();
    assert_eq!(received, messages);
}

/// Every message is read by each of several receivers; the ring is filled `fills` times.
pub(crate) fn to_everybody(receivers: u64, fills: u64) {
    let ring = Ring::new();
    let ring = black_box(&ring);
    for fill in 0..fills {
        (0..SLOTS).for_each(|index| ring.send(fill * SLOTS + index));
        for _ in 0..receivers {
            // ORDERING: as in `drain`; each receiver has a head of its own.
            let tail = ring.tail.load(Ordering::Acquire);
            for index in tail - SLOTS..tail {
                assert_eq!(ring.slot(index).get(), index);
            }
        }
    }
}
