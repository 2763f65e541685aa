//! One source: its readiness word, and who waits for it.
//!
//! There are two ways to wait for a direction. An async function brings a place of its own ([`Waiting`]), so any number of tasks may
//! wait for the same direction. The poll functions of the I/O traits have nowhere to keep such a place; they share one waker slot per
//! direction, which is enough because they take `&mut`.
//!
//! # The handshake
//!
//! The side that delivers changes the word, then takes the lock, then takes the waiters. The side that waits takes the lock, looks at
//! the word, and leaves its waker before it unlocks. Whichever takes the lock second sees what the other did, so no wake-up is lost.

use super::readiness::{Cleared, Direction, Owed, Readiness, Ready, Signs};
use lenio_sync::wait::{WaitQueue, Waiter, WakeBatch, note_unplaced};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The slots of the poll functions, one per direction.
type Slots = [Option<Waker>; 2];

/// What the reactor and a registration share about one descriptor.
#[derive(Debug)]
pub(crate) struct Source {
    readiness: Readiness,
    waiters: WaitQueue<Slots, 2>,
}

/// The place of one async operation in the queue of a source.
pub(crate) type Waiting<'s> = Waiter<'s, Slots, 2>;

impl Source {
    pub(super) fn new(assumed: Signs) -> Self {
        Self {
            readiness: Readiness::new(assumed),
            waiters: WaitQueue::new([None, None]),
        }
    }

    /// Records an event and collects the wakers of those who waited for it.
    #[inline]
    pub(super) fn deliver(&self, signs: Signs, batch: &mut WakeBatch) {
        match self.readiness.deliver(signs) {
            Owed::Nobody => {}
            Owed::Readers => self.collect([Direction::Read], batch),
            Owed::Writers => self.collect([Direction::Write], batch),
            Owed::Everybody => self.collect([Direction::Read, Direction::Write], batch),
        }
    }

    /// Ends all waiting for good.
    pub(super) fn shut(&self, batch: &mut WakeBatch) {
        self.readiness.shut();
        self.collect([Direction::Read, Direction::Write], batch);
    }

    #[inline(always)]
    fn collect<const N: usize>(&self, directions: [Direction; N], batch: &mut WakeBatch) {
        let mut waiters = self.waiters.lock();
        for direction in directions {
            if let Some(waker) = waiters[direction as usize].take() {
                batch.push(waker);
            }
            waiters.wake_all(direction as usize, batch);
        }
    }

    /// A snapshot, if `direction` is worth a try.
    #[inline]
    pub(crate) fn ready(&self, direction: Direction) -> Option<Ready> {
        self.readiness.ready(direction)
    }

    /// Reports that the kernel said "not now".
    pub(crate) fn blocked(&self, ready: Ready) -> Cleared {
        self.readiness.blocked(ready)
    }

    /// Reports a short transfer of a stream.
    pub(crate) fn drained(&self, ready: Ready) {
        self.readiness.drained(ready);
    }

    /// Makes a place in the queue; it enlists only when it is polled.
    #[inline]
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        Waiter::new(&self.waiters)
    }

    /// Waits for `direction` in a place of one's own.
    #[inline(always)]
    pub(crate) fn poll_waiting(
        &self,
        waiting: Pin<&mut Waiting<'_>>,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<Ready> {
        if let Some(ready) = self.ready(direction) {
            return Poll::Ready(ready);
        }
        self.poll_waiting_slow(waiting, cx, direction)
    }

    #[inline(never)]
    fn poll_waiting_slow(
        &self,
        waiting: Pin<&mut Waiting<'_>>,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<Ready> {
        let polled = waiting.poll(direction as usize, cx, |_, _| self.ready(direction));
        if polled.is_pending() {
            note_unplaced(direction.wait());
        }
        polled
    }

    /// Waits for `direction` in the shared slot. A waker that somebody else left there is dropped.
    #[inline(always)]
    pub(crate) fn poll_slot(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<Ready> {
        if let Some(ready) = self.ready(direction) {
            return Poll::Ready(ready);
        }
        self.poll_slot_slow(cx, direction)
    }

    #[inline(never)]
    fn poll_slot_slow(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<Ready> {
        let polled = self.poll_slot_locked(cx, direction);
        if polled.is_pending() {
            note_unplaced(direction.wait());
        }
        polled
    }

    fn poll_slot_locked(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<Ready> {
        // Cloned before the lock, dropped after it: a waker may run anything. A delivery empties the slot, so the clone is rarely
        // in vain.
        let fresh = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        if let Some(ready) = self.ready(direction) {
            drop(waiters);
            return Poll::Ready(ready);
        }
        let slot = &mut waiters[direction as usize];
        if slot.as_ref().is_some_and(|waker| waker.will_wake(&fresh)) {
            drop(waiters);
            return Poll::Pending;
        }
        let old = slot.replace(fresh);
        drop(waiters);
        drop(old);
        Poll::Pending
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use lenio_sync::primitive::atomic::{AtomicU32, Ordering};
    use lenio_sync::primitive::thread;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;

    /// A socket as the kernel sees it: bytes that arrived, each announced by an event.
    struct Socket {
        bytes: AtomicU32,
        source: Source,
    }

    impl Socket {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                bytes: AtomicU32::new(0),
                source: Source::new(Signs::NONE),
            })
        }

        fn arrive(&self) {
            // ORDERING: Relaxed: the bytes become visible through the readiness word, which is what the model is about.
            self.bytes.fetch_add(1, Ordering::Relaxed);
            let mut batch = WakeBatch::new();
            self.source.deliver(Signs::READ, &mut batch);
            batch.wake_all();
        }

        fn read(&self) -> u32 {
            // ORDERING: Relaxed: as in `arrive`.
            self.bytes.swap(0, Ordering::Relaxed)
        }

        /// Reads `total` bytes as a stream does: a short read clears at once, an empty one waits.
        async fn read_all(&self, total: u32) {
            let mut waiting = pin!(self.source.waiting());
            let mut read = 0;
            while read < total {
                let ready = poll_fn(|cx| {
                    self.source
                        .poll_waiting(waiting.as_mut(), cx, Direction::Read)
                })
                .await;
                match self.read() {
                    0 => {
                        let _: Cleared = self.source.blocked(ready);
                    }
                    some => {
                        read += some;
                        self.source.drained(ready);
                    }
                }
            }
        }
    }

    #[test]
    fn loom_ci_r33_readiness_tick() {
        loom::model(|| {
            let socket = Socket::new();
            let kernel = socket.clone();
            let t = thread::spawn(move || {
                kernel.arrive();
                kernel.arrive();
            });
            loom::future::block_on(socket.read_all(2));
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_r33_the_slot_misses_no_event() {
        loom::model(|| {
            let socket = Socket::new();
            let kernel = socket.clone();
            let t = thread::spawn(move || {
                kernel.arrive();
                kernel.arrive();
            });
            let mut read = 0;
            loom::future::block_on(poll_fn(|cx| {
                while read < 2 {
                    let ready = std::task::ready!(socket.source.poll_slot(cx, Direction::Read));
                    match socket.read() {
                        0 => drop(socket.source.blocked(ready)),
                        some => {
                            read += some;
                            socket.source.drained(ready);
                        }
                    }
                }
                Poll::Ready(())
            }));
            t.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_shutting_wakes_whoever_waits() {
        loom::model(|| {
            let socket = Socket::new();
            let other = socket.clone();
            let t = thread::spawn(move || {
                let mut batch = WakeBatch::new();
                other.source.shut(&mut batch);
                batch.wake_all();
            });
            let ready = loom::future::block_on(async {
                let mut waiting = pin!(socket.source.waiting());
                poll_fn(|cx| {
                    socket
                        .source
                        .poll_waiting(waiting.as_mut(), cx, Direction::Write)
                })
                .await
            });
            assert!(ready.is_shut());
            t.join().unwrap();
        });
    }
}
