use super::*;
use crate::budget;
use crate::wakers::{Count, Happening, Kept, hostile, panics_at};
use futures_core::Stream as _;
use proptest::prelude::*;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};

fn poll_recv<T: Clone>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Result<T, RecvError>> {
    pin!(receiver.recv()).poll(&mut Context::from_waker(waker))
}

#[test]
fn r28_ends_travel_if_their_values_may_be_shared() {
    // That a value which is not `Sync` keeps them at home is shown in the module's documentation.
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Sender<u8>>();
    is_send_and_sync::<WeakSender<u8>>();
    is_send_and_sync::<Receiver<u8>>();
    is_send_and_sync::<Recv<'static, u8>>();
    is_send_and_sync::<Stream<'static, u8>>();
}

#[test]
fn every_receiver_sees_every_value_in_order() {
    let (sender, first) = channel(8);
    let mut receivers = [first, sender.subscribe(), sender.subscribe()];
    for number in 0..6 {
        assert_eq!(sender.send(number).ok(), Some(3));
    }
    for receiver in &mut receivers {
        assert_eq!(receiver.len(), 6);
        for number in 0..6 {
            assert_eq!(receiver.try_recv(), Ok(number));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn r28_a_full_ring_is_no_lag_and_one_more_value_is() {
    for capacity in [1_u64, 2, 8] {
        let (sender, mut receiver) = channel(capacity as usize);
        for number in 0..capacity {
            assert!(sender.send(number).is_ok());
        }
        assert_eq!(receiver.try_recv(), Ok(0));
        for number in capacity..=capacity + 1 {
            assert!(sender.send(number).is_ok());
        }
        assert_eq!(receiver.len(), capacity as usize);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
        for number in 2..=capacity + 1 {
            assert_eq!(receiver.try_recv(), Ok(number));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn r28_positions_wrap_around_in_the_middle_of_a_lag() {
    // Tests begin at MAX-2.
    let (sender, mut receiver) = channel(4);
    for number in 0..9 {
        assert!(sender.send(number).is_ok());
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(5)));
    assert_eq!(receiver.try_recv(), Ok(5));
    assert_eq!(sender.len(), 3);
    assert!(sender.shared.tail() < 9, "it has wrapped");
}

#[test]
fn a_value_leaves_with_the_last_receiver_that_it_was_for() {
    let (sender, mut first) = channel(4);
    let mut second = sender.subscribe();
    let third = sender.subscribe();
    let values: Vec<_> = (0..3).map(Arc::new).collect();
    for value in &values {
        assert!(sender.send(value.clone()).is_ok());
    }
    let late = sender.subscribe();
    assert_eq!(sender.len(), 3);
    drop((first.try_recv(), second.try_recv()));
    assert_eq!(Arc::strong_count(&values[0]), 2);
    drop(third);
    assert_eq!(Arc::strong_count(&values[0]), 1);
    assert_eq!(sender.len(), 2);
    drop(first);
    assert_eq!(second.try_recv().as_deref(), Ok(&1));
    assert_eq!(Arc::strong_count(&values[1]), 1);
    drop(second);
    assert_eq!(Arc::strong_count(&values[2]), 1);
    assert_eq!((sender.len(), late.len()), (0, 0));
}

#[test]
fn the_last_receiver_gets_the_value_itself_and_the_others_a_clone() {
    #[derive(Debug)]
    struct Original(bool);
    impl Clone for Original {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    let (sender, mut first) = channel(4);
    let mut second = sender.subscribe();
    assert!(sender.send(Original(true)).is_ok());
    assert!(first.try_recv().is_ok_and(|value| !value.0));
    assert!(second.try_recv().is_ok_and(|value| value.0));
}

#[test]
fn r28_a_new_receiver_after_all_have_left_gets_what_is_sent_then() {
    let (sender, mut receiver) = channel(2);
    for number in 0..5 {
        assert!(sender.send(number).is_ok());
        drop(receiver);
        assert_eq!(sender.send(99).map_err(SendError::into_inner), Err(99));
        assert_eq!(sender.len(), 0);
        receiver = sender.subscribe();
        let (count, waker) = Count::new();
        let mut cx = Context::from_waker(&waker);
        let mut recv = pin!(receiver.recv());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        assert_eq!(sender.send(number).ok(), Some(1));
        assert_eq!(count.woken(), 1);
        assert_eq!(recv.as_mut().poll(&mut cx), Poll::Ready(Ok(number)));
    }
}

#[test]
fn r28_ten_thousand_receivers_are_woken_once_each_by_one_send() {
    let (sender, receiver) = channel(4);
    let mut receivers: Vec<_> = (0..10_000).map(|_| receiver.resubscribe()).collect();
    let mut waits: Vec<_> = receivers
        .iter_mut()
        .map(|receiver| Box::pin(receiver.recv()))
        .collect();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    assert!(sender.send(1).is_ok());
    assert!(sender.send(2).is_ok());
    assert_eq!(count.woken(), 10_000);
    for wait in &mut waits {
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));
    }
}

#[test]
fn closing_lets_receivers_finish_and_senders_know() {
    let (sender, mut receiver) = channel(4);
    let other = sender.clone();
    let weak = other.downgrade();
    assert!(sender.send(1).is_ok());
    other.close();
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(sender.send(2).map_err(SendError::into_inner), Err(2));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    drop((sender, other));
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.recv_blocking(), Err(RecvError::Closed));
}

#[test]
fn a_weak_sender_keeps_the_channel_open_while_it_is_upgraded() {
    let (sender, mut receiver) = channel(4);
    let weak = sender.downgrade().clone();
    let strong = weak.upgrade();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(strong.as_ref().is_some_and(|sender| sender.send(1).is_ok()));
    let (count, waker) = Count::new();
    assert_eq!(receiver.try_recv(), Ok(1));
    let mut recv = pin!(receiver.recv());
    let mut cx = Context::from_waker(&waker);
    assert!(recv.as_mut().poll(&mut cx).is_pending());
    drop(strong);
    assert_eq!(count.woken(), 1);
    assert_eq!(
        recv.as_mut().poll(&mut cx),
        Poll::Ready(Err(RecvError::Closed))
    );
}

#[test]
fn r28_a_value_whose_clone_panics_is_received_once_and_hurts_nobody() {
    #[derive(Debug, PartialEq)]
    struct Fragile(u8, Arc<()>);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(self.0 != 1, "a clone that panics");
            Self(self.0, self.1.clone())
        }
    }
    let count = Arc::new(());
    let (sender, mut first) = channel(2);
    let mut second = sender.subscribe();
    for number in [1, 2] {
        assert!(sender.send(Fragile(number, count.clone())).is_ok());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| first.try_recv())).is_err());
    assert!(first.try_recv().is_ok_and(|value| value.0 == 2));
    assert!(
        second.try_recv().is_ok_and(|value| value.0 == 1),
        "no clone"
    );
    assert!(second.try_recv().is_ok_and(|value| value.0 == 2));
    assert_eq!(Arc::strong_count(&count), 1);
    assert_eq!(sender.len(), 0);
}

#[test]
fn r28_values_that_panic_when_dropped_leave_the_ring_intact() {
    #[derive(Clone)]
    struct Bomb(u8, #[expect(dead_code)] Arc<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(
                self.0 != 1 || std::thread::panicking(),
                "a drop that panics"
            );
        }
    }
    let count = Arc::new(());
    let bomb = |number| Bomb(number, count.clone());
    let (sender, mut receiver) = channel(2);
    for number in [1, 2] {
        assert!(sender.send(bomb(number)).is_ok());
    }
    let sent = catch_unwind(AssertUnwindSafe(|| sender.send(bomb(3)).is_ok()));
    assert!(sent.is_err(), "the overwritten value panics in the sender");
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(1))));
    assert!(receiver.try_recv().is_ok_and(|value| value.0 == 2));
    assert!(receiver.try_recv().is_ok_and(|value| value.0 == 3));
    for number in [1, 1] {
        assert!(sender.send(bomb(number)).is_ok());
    }
    drop(receiver);
    assert_eq!(Arc::strong_count(&count), 1, "all have been dropped");
    let mut receiver = sender.subscribe();
    assert!(sender.send(bomb(4)).is_ok());
    assert!(receiver.try_recv().is_ok_and(|value| value.0 == 4));
}

#[test]
fn r28_a_value_is_cloned_and_dropped_without_a_lock() {
    /// Uses the channel when it is cloned and when it is dropped.
    struct Meddler(Arc<Mutex<Option<Sender<Meddler>>>>);
    impl Meddler {
        fn meddle(&self) {
            let sender = self.0.lock().unwrap().clone();
            if let Some(sender) = sender {
                // As many as the ring has places, so that the place of this value is overwritten.
                for _ in 0..sender.capacity() {
                    let quiet = Meddler(Arc::default());
                    assert!(sender.send(quiet).is_ok());
                }
                drop(sender.subscribe());
                let _ = sender.len();
            }
        }
    }
    impl Clone for Meddler {
        fn clone(&self) -> Self {
            self.meddle();
            Self(self.0.clone())
        }
    }
    impl Drop for Meddler {
        fn drop(&mut self) {
            self.meddle();
        }
    }
    let (sender, mut first) = channel(2);
    let mut second = sender.subscribe();
    let home = Arc::new(Mutex::new(Some(sender.clone())));
    assert!(sender.send(Meddler(home.clone())).is_ok());
    let value = first.try_recv().ok();
    assert!(value.is_some(), "although it was overwritten half way");
    assert!(matches!(second.try_recv(), Err(TryRecvError::Lagged(_))));
    drop(value);
    *home.lock().unwrap() = None;
    drop((first, second));
    assert_eq!(sender.len(), 0);
    assert_eq!(Arc::strong_count(&home), 1);
}

#[test]
fn r28_two_threads_clone_one_value_at_the_same_time() {
    /// A clone that ends only when another one goes on.
    struct Slow(Arc<Barrier>);
    impl Clone for Slow {
        fn clone(&self) -> Self {
            self.0.wait();
            Self(self.0.clone())
        }
    }
    let (sender, mut first) = channel(2);
    let mut second = sender.subscribe();
    let _third = sender.subscribe();
    assert!(sender.send(Slow(Arc::new(Barrier::new(2)))).is_ok());
    let thread = std::thread::spawn(move || first.try_recv().is_ok());
    assert!(second.try_recv().is_ok());
    assert!(thread.join().unwrap());
}

#[test]
fn a_cancelled_recv_has_received_nothing() {
    let (sender, mut receiver) = channel(2);
    let (count, waker) = Count::new();
    {
        let mut recv = pin!(receiver.recv());
        let mut cx = Context::from_waker(&waker);
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        assert!(sender.send(1).is_ok());
    }
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(poll_recv(&mut receiver, &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "its waker is gone with it");
    assert!(sender.send(2).is_ok());
    assert_eq!(count.woken(), 1);
}

#[test]
fn a_waker_that_panics_costs_the_others_nothing() {
    for when in [Happening::Wake, Happening::Drop] {
        let (sender, mut receiver) = channel(2);
        let mut second = sender.subscribe();
        let hostile = Kept::new(panics_at(when));
        let (count, waker) = Count::new();
        let mut first = Box::pin(receiver.recv());
        let mut other = Box::pin(second.recv());
        let polled = first.as_mut().poll(&mut Context::from_waker(&hostile));
        assert!(polled.is_pending());
        let mut cx = Context::from_waker(&waker);
        assert!(other.as_mut().poll(&mut cx).is_pending());
        let sent = catch_unwind(AssertUnwindSafe(|| sender.send(1).is_ok()));
        assert_eq!(sent.is_err(), when == Happening::Wake);
        assert_eq!(count.woken(), 1);
        assert_eq!(other.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));
        assert_eq!(first.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));
    }
}

#[test]
fn a_waker_that_re_enters_finds_the_channel_unlocked() {
    let (sender, mut receiver) = channel(4);
    let (other, seen) = (sender.clone(), Arc::new(Mutex::new(Vec::new())));
    let notes = seen.clone();
    let waker = hostile(move |happening| {
        notes.lock().unwrap().push((happening, other.len()));
        drop(other.subscribe());
    });
    {
        let mut recv = pin!(receiver.recv());
        let polled = recv.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        assert!(sender.send(1).is_ok());
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], (Happening::Clone, 0));
    assert_eq!(seen[1], (Happening::Wake, 1));
}

#[test]
fn a_stream_waits_again_and_again_and_tells_of_gaps() {
    let (sender, mut receiver) = channel(2);
    let mut stream = pin!(receiver.stream());
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    for number in 1..10 {
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
        assert!(sender.send(number).is_ok());
        assert_eq!(count.woken(), number);
        let next = stream.as_mut().poll_next(&mut cx);
        assert_eq!(next, Poll::Ready(Some(Ok(number))));
    }
    for number in 0..3 {
        assert!(sender.send(number).is_ok());
    }
    let next = stream.as_mut().poll_next(&mut cx);
    assert_eq!(next, Poll::Ready(Some(Err(Lagged(1)))));
}

#[test]
fn waits_say_where_they_were_asked_for_and_keep_to_the_budget() {
    let (sender, mut receiver) = channel(256);
    let ((), waits) = crate::wait::observe(|| {
        assert!(poll_recv(&mut receiver, Waker::noop()).is_pending());
    });
    assert_eq!(waits[0].what, "broadcast: a value");
    assert!(waits[0].at.unwrap().file().ends_with("tests.rs"));
    for number in 0..200_u8 {
        assert!(sender.send(number).is_ok());
    }
    let outer = budget::start();
    let mut done = 0;
    while poll_recv(&mut receiver, Waker::noop()).is_ready() {
        done += 1;
    }
    let _ = outer.resume();
    assert_eq!(done, budget::PER_POLL);
    assert_eq!(receiver.try_recv(), Ok(done), "a denied poll took nothing");
}

#[test]
fn a_channel_without_room_is_refused() {
    assert!(catch_unwind(|| channel::<u8>(0)).is_err());
    assert!(catch_unwind(|| channel::<u8>(usize::MAX)).is_err());
    assert_eq!(channel::<u8>(5).0.capacity(), 8);
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Subscribe,
    Resubscribe(usize),
    DropReceiver(usize),
    CloneSender,
    DropSender,
    Close,
    Upgrade,
    TryRecv(usize),
    Start(usize),
    Poll(usize),
    Cancel(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = 0..3_usize;
    let op = prop_oneof![
        8 => Just(Op::Send),
        1 => Just(Op::Subscribe),
        1 => who.clone().prop_map(Op::Resubscribe),
        1 => who.clone().prop_map(Op::DropReceiver),
        1 => Just(Op::CloneSender),
        1 => Just(Op::DropSender),
        1 => Just(Op::Upgrade),
        4 => who.clone().prop_map(Op::TryRecv),
        4 => who.clone().prop_map(Op::Start),
        8 => who.clone().prop_map(Op::Poll),
        1 => who.clone().prop_map(Op::Cancel),
    ];
    let tail = prop_oneof![Just(vec![]), Just(vec![Op::Close])];
    let drain = prop::collection::vec(who.prop_map(Op::TryRecv), 0..8);
    (prop::collection::vec(op, 0..80), tail, drain)
        .prop_map(|(ops, tail, drain)| [ops, tail, drain].concat())
}

/// Its number, and a reference that counts the values that are alive.
type Value = (usize, Arc<()>);
type Wait = Pin<Box<dyn Future<Output = (Receiver<Value>, Result<Value, RecvError>)>>>;

enum One {
    Idle(Receiver<Value>),
    Waiting(Wait),
}

/// A receiver, and what the model says about it.
struct Entry {
    one: Option<One>,
    next: usize,
    waits: bool,
    woken: usize,
    count: Arc<Count>,
    waker: Waker,
}

impl Entry {
    fn new(receiver: Receiver<Value>, next: usize) -> Self {
        let (count, waker) = Count::new();
        Self {
            one: Some(One::Idle(receiver)),
            next,
            waits: false,
            woken: 0,
            count,
            waker,
        }
    }

    /// What a receive has to answer; moves on.
    fn expected(
        &mut self,
        sent: usize,
        capacity: usize,
        is_closed: bool,
    ) -> Result<usize, TryRecvError> {
        let oldest = sent.saturating_sub(capacity);
        if self.next < oldest {
            let missed = oldest - std::mem::replace(&mut self.next, oldest);
            return Err(TryRecvError::Lagged(missed as u64));
        }
        if self.next < sent {
            self.next += 1;
            return Ok(self.next - 1);
        }
        Err(if is_closed {
            TryRecvError::Closed
        } else {
            TryRecvError::Empty
        })
    }
}

fn wake_all(entries: &mut [Entry]) {
    for entry in entries {
        entry.woken += usize::from(std::mem::take(&mut entry.waits));
    }
}

proptest! {
    #[test]
    fn any_order_of_operations_agrees_with_a_sequential_channel(ops in ops(), capacity in 0..3_u32) {
        let capacity = 1_usize << capacity;
        let alive = Arc::new(());
        let (sender, receiver) = channel(capacity);
        let weak = sender.downgrade();
        let mut senders = vec![sender];
        let mut entries = vec![Entry::new(receiver, 0)];
        let mut sent = 0;
        let mut is_closed = false;
        for op in ops {
            match op {
                Op::Send => if let Some(sender) = senders.last() {
                    let result = sender.send((sent, alive.clone())).ok();
                    let expected = (!entries.is_empty() && !is_closed).then_some(entries.len());
                    prop_assert_eq!(result, expected);
                    if result.is_some() {
                        sent += 1;
                        wake_all(&mut entries);
                    }
                },
                Op::Subscribe => if let Some(sender) = senders.last() {
                    entries.push(Entry::new(sender.subscribe(), sent));
                },
                Op::Resubscribe(who) => if let Some(Entry { one: Some(One::Idle(receiver)), .. }) = entries.get(who) {
                    let entry = Entry::new(receiver.resubscribe(), sent);
                    entries.push(entry);
                },
                Op::DropReceiver(who) => if who < entries.len() {
                    let entry = entries.remove(who);
                    drop((entry.one, entry.waker));
                    prop_assert_eq!(Arc::strong_count(&entry.count), 1);
                },
                Op::CloneSender => if let Some(sender) = senders.last() {
                    let sender = sender.clone();
                    senders.push(sender);
                },
                Op::DropSender => if senders.pop().is_some() && senders.is_empty() {
                    is_closed = true;
                    wake_all(&mut entries);
                },
                Op::Close => if let Some(sender) = senders.last() {
                    sender.close();
                    is_closed = true;
                    wake_all(&mut entries);
                },
                Op::Upgrade => {
                    let sender = weak.upgrade();
                    prop_assert_eq!(sender.is_some(), !senders.is_empty());
                    senders.extend(sender);
                }
                Op::TryRecv(who) => if let Some(entry) = entries.get_mut(who) {
                    let expected = entry.expected(sent, capacity, is_closed);
                    let Some(One::Idle(receiver)) = &mut entry.one else {
                        // Not to be asked while it waits: take the step back.
                        match expected {
                            Ok(_) => entry.next -= 1,
                            Err(TryRecvError::Lagged(missed)) => entry.next -= missed as usize,
                            Err(_) => {}
                        }
                        continue;
                    };
                    prop_assert_eq!(receiver.try_recv().map(|value| value.0), expected);
                },
                Op::Start(who) => if let Some(entry) = entries.get_mut(who) {
                    entry.one = entry.one.take().map(|one| match one {
                        One::Idle(mut receiver) => One::Waiting(Box::pin(async move {
                            let result = receiver.recv().await;
                            (receiver, result)
                        })),
                        waiting => waiting,
                    });
                },
                Op::Poll(who) => if let Some(entry) = entries.get_mut(who) {
                    let Some(One::Waiting(wait)) = &mut entry.one else { continue };
                    let polled = wait.as_mut().poll(&mut Context::from_waker(&entry.waker));
                    match (polled, entry.expected(sent, capacity, is_closed)) {
                        (Poll::Pending, expected) => {
                            prop_assert_eq!(expected, Err(TryRecvError::Empty));
                            entry.waits = true;
                        }
                        (Poll::Ready((receiver, result)), expected) => {
                            let result = result.map(|value| value.0).map_err(|error| match error {
                                RecvError::Closed => TryRecvError::Closed,
                                RecvError::Lagged(missed) => TryRecvError::Lagged(missed),
                            });
                            prop_assert_eq!(result, expected);
                            entry.waits = false;
                            entry.one = Some(One::Idle(receiver));
                        }
                    }
                },
                // The receiver goes with its future, half way through a wait.
                Op::Cancel(who) => if matches!(entries.get(who), Some(Entry { one: Some(One::Waiting(_)), .. })) {
                    entries.remove(who);
                },
            }
            // Positions of receivers are in the order of all values, so whoever stands before a value wants it.
            let oldest = sent.saturating_sub(capacity);
            let first_wanted = entries.iter().map(|entry| entry.next.max(oldest)).min().unwrap_or(sent);
            prop_assert_eq!(Arc::strong_count(&alive) - 1, sent - first_wanted, "values alive");
            for entry in &entries {
                prop_assert_eq!(entry.count.woken(), entry.woken);
                if let Some(One::Idle(receiver)) = &entry.one {
                    prop_assert_eq!(receiver.len(), sent - entry.next.max(oldest));
                    prop_assert_eq!(receiver.is_closed(), is_closed);
                }
            }
            if let Some(sender) = senders.last() {
                prop_assert_eq!(sender.len(), sent - first_wanted);
                prop_assert_eq!(sender.receiver_count(), entries.len());
                prop_assert_eq!(sender.sender_count(), senders.len());
            }
        }
        drop(entries);
        prop_assert_eq!(Arc::strong_count(&alive), 1);
    }
}
