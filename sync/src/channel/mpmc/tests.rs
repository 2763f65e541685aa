#![expect(
    unsafe_code,
    reason = "a waker that acts when it is cloned or dropped can only be made of a table of functions"
)]
//! What the documentation of the channels promises, and what went wrong elsewhere.

use super::*;
use crate::channel::error::{RecvError, SendError, TryRecvError, TrySendError};
use crate::wait::{Waiter, block_on, observe};
use crate::wakers::Count;
use futures_core::stream::{FusedStream, Stream};
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Weak};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_with<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Counts how many of it there are; the ones with an odd number panic when they are dropped.
struct Counted(usize, Arc<AtomicUsize>);

impl Counted {
    fn new(number: usize, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(number, alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
        if self.0 % 2 == 1 {
            std::panic::panic_any(self.0);
        }
    }
}

#[test]
fn r29_reserve_drop_gives_the_place_back() {
    let (sender, receiver) = bounded(1);
    let permit = sender.try_reserve().unwrap();
    assert!(sender.is_full());
    assert_eq!(
        (sender.len(), sender.try_send(0)),
        (0, Err(TrySendError::Full(0)))
    );
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    let mut send = pin!(sender.send(1));
    let mut reserve = pin!(sender.reserve());
    assert!(poll_with(send.as_mut(), &a).is_pending());
    assert!(poll_with(reserve.as_mut(), &b).is_pending());
    drop(permit);
    assert_eq!(
        (first.woken(), second.woken()),
        (1, 0),
        "the one that waits the longest"
    );
    assert_eq!(poll_once(send.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(second.woken(), 1);
    let Poll::Ready(Ok(permit)) = poll_once(reserve.as_mut()) else {
        panic!("the place is free");
    };
    assert_eq!(permit.send(2), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn r29_a_reserve_future_dropped_after_its_wake_up_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    let mut reserve = Box::pin(sender.reserve());
    let mut send = pin!(sender.send(1));
    assert!(poll_with(reserve.as_mut(), &a).is_pending());
    assert!(poll_with(send.as_mut(), &b).is_pending());
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(reserve);
    assert_eq!(second.woken(), 1);
    assert_eq!(poll_once(send.as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn r29_length_never_underflows_and_never_exceeds_the_capacity() {
    let (sender, receiver) = bounded(4);
    let watcher = receiver.clone();
    let producer = thread::spawn(move || {
        for number in 0..20_000 {
            sender.send_blocking(number).unwrap();
        }
    });
    let consumer = thread::spawn(move || receiver.iter_blocking().count());
    while !watcher.is_closed() {
        assert!(watcher.len() <= 4);
    }
    // The watcher is a receiver too, but it takes nothing.
    drop(watcher);
    producer.join().unwrap();
    assert_eq!(consumer.join().unwrap(), 20_000);
}

#[test]
fn r29_is_empty_tells_the_truth_on_either_side_of_the_exchange() {
    let (sender, receiver) = unbounded();
    for round in 0..100_usize {
        let mut inside = 0;
        for number in 0..round {
            sender.try_send(number).unwrap();
            inside += 1;
            assert_eq!((receiver.is_empty(), receiver.len()), (false, inside));
        }
        while inside > 0 {
            assert!(receiver.try_recv().is_ok());
            inside -= 1;
            // More behind the exchange.
            if inside % 7 == 3 {
                sender.try_send(0).unwrap();
                assert!(receiver.try_recv().is_ok());
            }
            assert_eq!((sender.is_empty(), sender.len()), (inside == 0, inside));
        }
    }
}

#[test]
fn r29_recv_many_that_cannot_grow_loses_nothing() {
    let (sender, receiver) = unbounded();
    for _ in 0..3 {
        sender.try_send([0_u8; 1 << 10]).unwrap();
    }
    // As the vector cannot be made to fail, one that is full has to grow before anything is taken: a message is never in between.
    let mut messages = Vec::new();
    assert_eq!(receiver.try_recv_many(&mut messages, 1), Ok(1));
    assert_eq!(receiver.len(), 2);
    // Zero-sized messages: the vector has room without end until its length comes to the end of all numbers.
    let (sender, receiver) = unbounded();
    sender.try_send(()).unwrap();
    let mut full = vec![(); usize::MAX];
    let panicked = catch_unwind(AssertUnwindSafe(|| receiver.try_recv_many(&mut full, 1)));
    assert!(panicked.is_err());
    assert_eq!(receiver.len(), 1, "the message is still there");
    let mut send = pin!(sender.send(()));
    assert_eq!(poll_once(send.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv_many(&mut Vec::new(), 9), Ok(2));
}

#[test]
fn r29_a_waker_that_panics_in_recv_many_costs_no_message() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in wake");
        }
    }
    let (sender, receiver) = bounded(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let ((count, good), bad) = (Count::new(), Waker::from(Arc::new(Panics)));
    let (mut first, mut second) = (pin!(sender.send(3)), pin!(sender.send(4)));
    assert!(poll_with(first.as_mut(), &bad).is_pending());
    assert!(poll_with(second.as_mut(), &good).is_pending());
    let mut messages = Vec::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        receiver.try_recv_many(&mut messages, 9)
    }));
    assert!(panicked.is_err());
    assert_eq!((messages, count.woken()), (vec![1, 2], 1));
    assert_eq!(poll_once(first.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(poll_once(second.as_mut()), Poll::Ready(Ok(())));
    // Where one message is in hand the panic ends with the waker.
    let mut third = pin!(sender.send(5));
    assert!(poll_with(third.as_mut(), &bad).is_pending());
    assert_eq!(receiver.try_recv(), Ok(3));
}

#[test]
fn r29_messages_that_panic_when_they_are_dropped_do_not_leak_the_others() {
    for rendezvous_messages in [0, 1] {
        let alive = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = unbounded();
        for number in 0..4 {
            assert!(sender.try_send(Counted::new(number, &alive)).is_ok());
        }
        // Some in front, some in the back.
        drop(receiver.try_recv());
        for number in 4..9 {
            assert!(
                sender
                    .try_send(Counted::new(number + rendezvous_messages, &alive))
                    .is_ok()
            );
        }
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(receiver))).unwrap_err();
        assert_eq!(
            panicked.downcast_ref(),
            Some(&1_usize),
            "the first panic is passed on"
        );
        assert_eq!(alive.load(Ordering::Relaxed), 0);
        assert!(sender.is_closed());
        assert_eq!(sender.len(), 0);
    }
}

#[test]
fn messages_that_panic_when_dropped_do_not_abort_a_thread_that_panics_already() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = unbounded();
    for number in 0..5 {
        assert!(sender.try_send(Counted::new(number, &alive)).is_ok());
    }
    let payload = catch_unwind(AssertUnwindSafe(|| {
        let _receiver = receiver;
        std::panic::panic_any("the first");
    }))
    .unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the first"));
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn a_close_from_either_side_wakes_both_sides() {
    for closes_by_receiver in [true, false] {
        for capacity in [Some(0), Some(1), None] {
            let (sender, receiver) = pair(capacity);
            let (count, waker) = Count::new();
            let mut waiting = 1;
            let mut closed = pin!(sender.closed());
            assert!(poll_with(closed.as_mut(), &waker).is_pending());
            let mut recv = pin!(receiver.recv());
            if capacity.is_none() {
                waiting += 1;
                assert!(poll_with(recv.as_mut(), &waker).is_pending());
            }
            while sender.try_send(1).is_ok() && capacity.is_some() {}
            let before = count.woken();
            let mut send = pin!(sender.send(2));
            if capacity.is_some() {
                waiting += 1;
                assert!(poll_with(send.as_mut(), &waker).is_pending());
            }
            assert!(match closes_by_receiver {
                true => receiver.close(),
                false => sender.close(),
            });
            assert!(!sender.close() && !receiver.close());
            assert_eq!(count.woken() + usize::from(before > 0), waiting + before);
            assert_eq!(poll_once(closed.as_mut()), Poll::Ready(()));
            assert_eq!(poll_once(send.as_mut()), Poll::Ready(Err(SendError(2))));
            if capacity != Some(0) {
                assert_eq!(
                    poll_once(recv.as_mut()),
                    Poll::Ready(Ok(1)),
                    "what was in it"
                );
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
    }
}

#[test]
fn many_who_wait_are_all_woken_by_the_end() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let (count, waker) = Count::new();
    let mut sends: Vec<_> = (0..1_000)
        .map(|number| Box::pin(sender.send(number)))
        .collect();
    for send in &mut sends {
        assert!(poll_with(send.as_mut(), &waker).is_pending());
    }
    drop(receiver);
    assert_eq!(count.woken(), 1_000);
    for (number, send) in sends.iter_mut().enumerate() {
        assert_eq!(
            poll_once(send.as_mut()),
            Poll::Ready(Err(SendError(number)))
        );
    }
}

#[test]
fn waiting_senders_are_served_in_order_and_a_loser_keeps_its_place() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| Count::new()).collect();
    let mut sends: Vec<_> = (1..4).map(|number| Box::pin(sender.send(number))).collect();
    for (send, (_, waker)) in sends.iter_mut().zip(&wakers) {
        assert!(poll_with(send.as_mut(), waker).is_pending());
    }
    assert_eq!(receiver.try_recv(), Ok(0));
    sender.try_send(9).unwrap();
    // It lost to the newcomer, and stands before the others again.
    assert!(poll_with(sends[0].as_mut(), &wakers[0].1).is_pending());
    assert_eq!(receiver.try_recv(), Ok(9));
    assert_eq!(
        Vec::from_iter(wakers.iter().map(|(count, _)| count.woken())),
        [2, 0, 0]
    );
    assert_eq!(poll_once(sends[0].as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn after_16_losses_newcomers_let_waiting_senders_go_first_for_16_polls() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let (count, waker) = Count::new();
    let mut waiting = pin!(sender.send(1));
    assert!(poll_with(waiting.as_mut(), &waker).is_pending());
    let lose = |waiting: Pin<&mut Sending<'_, i32>>| {
        receiver.try_recv().unwrap();
        assert_eq!(block_on(sender.send(0)), Ok(()), "barging is allowed");
        assert!(poll_with(waiting, &waker).is_pending());
    };
    for _ in 0..push::LOSSES {
        lose(waiting.as_mut());
    }
    receiver.try_recv().unwrap();
    // Now it is due. A newcomer steps back, wakes itself, and takes the place in the end if nobody else does.
    let (newcomer, its_waker) = Count::new();
    let mut send = Box::pin(sender.send(2));
    for polls in 1..=usize::from(push::COURTESY) {
        assert!(poll_with(send.as_mut(), &its_waker).is_pending());
        assert_eq!(newcomer.woken(), polls);
    }
    assert_eq!(sender.len(), 0);
    assert_eq!(poll_with(send.as_mut(), &its_waker), Poll::Ready(Ok(())));
    receiver.try_recv().unwrap();
    // The next one as well; but this time the one that is due comes.
    let mut send = pin!(sender.send(3));
    let mut reserve = pin!(sender.reserve());
    assert!(poll_once(send.as_mut()).is_pending());
    assert!(poll_once(reserve.as_mut()).is_pending());
    assert_eq!(poll_once(waiting.as_mut()), Poll::Ready(Ok(())));
    assert!(count.woken() > 0);
    assert_eq!(receiver.try_recv(), Ok(1));
    // Served: barging is allowed again.
    assert_eq!(sender.try_send(4), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(4));
    assert_eq!(poll_once(send.as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn a_due_sender_that_is_cancelled_frees_the_newcomers_of_their_courtesy() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let mut waiting = Box::pin(sender.send(1));
    assert!(poll_once(waiting.as_mut()).is_pending());
    for _ in 0..push::LOSSES {
        receiver.try_recv().unwrap();
        sender.try_send(0).unwrap();
        assert!(poll_once(waiting.as_mut()).is_pending());
    }
    receiver.try_recv().unwrap();
    assert!(poll_once(pin!(sender.send(2))).is_pending());
    assert_eq!(
        sender.try_send(3),
        Ok(()),
        "who cannot wait does not step back"
    );
    receiver.try_recv().unwrap();
    drop(waiting);
    assert_eq!(poll_once(pin!(sender.send(4))), Poll::Ready(Ok(())));
}

#[test]
fn a_receiver_that_finds_nothing_keeps_its_seniority() {
    let (sender, receiver) = unbounded();
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    let (mut early, mut late) = (pin!(receiver.recv()), pin!(receiver.recv()));
    assert!(poll_with(early.as_mut(), &a).is_pending());
    assert!(poll_with(late.as_mut(), &b).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1), "somebody is faster");
    assert!(poll_with(early.as_mut(), &a).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((first.woken(), second.woken()), (2, 0));
    assert_eq!(poll_once(early.as_mut()), Poll::Ready(Ok(2)));
}

#[test]
fn a_receiver_that_was_told_to_look_again_keeps_its_seniority_too() {
    let (sender, receiver) = unbounded();
    let pipe = receiver.pipe().clone();
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    let mut early = Box::pin(Waiter::new(pipe.back()));
    let mut late = pin!(receiver.recv());
    let mut wait = || pipe.poll_wait(early.as_mut(), &mut Context::from_waker(&a));
    assert!(wait().is_pending());
    assert!(poll_with(late.as_mut(), &b).is_pending());
    sender.try_send(1).unwrap();
    // As if the message had come between its look and its wait; and now somebody else takes it.
    assert!(wait().is_ready());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(wait().is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((first.woken(), second.woken()), (2, 0));
    pipe.abandon_look(early.as_mut());
    assert_eq!(second.woken(), 1);
    assert_eq!(poll_once(late.as_mut()), Poll::Ready(Ok(2)));
}

#[test]
fn a_wait_that_found_a_message_survives_the_panic_of_its_old_waker() {
    let (sender, receiver) = unbounded();
    let action = |what: &str| {
        if what == "drop" {
            std::panic::panic_any("hostile");
        }
    };
    with_mischief(action, |waker| {
        let mut recv = Box::pin(receiver.recv());
        assert!(poll_with(recv.as_mut(), waker).is_pending());
        // Not woken: the message lies in front already when it is listed, as after a race.
        sender.pipe().front().lock().buffer.push_back(1);
        sender.pipe().set_front_len(1);
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(recv.as_mut())));
        assert!(
            matches!(polled, Ok(Poll::Ready(Ok(1)))),
            "the message is not lost"
        );
    });
}

#[test]
fn a_cancelled_send_delivers_nothing_and_drops_its_value_once() {
    for capacity in [0, 1] {
        let alive = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = bounded(capacity);
        if capacity == 1 {
            assert!(sender.try_send(Counted::new(0, &alive)).is_ok());
        }
        let mut send = Box::pin(sender.send(Counted::new(2, &alive)));
        assert!(poll_once(send.as_mut()).is_pending());
        drop(send);
        assert_eq!(alive.load(Ordering::Relaxed), capacity);
        assert_eq!(receiver.try_recv().is_ok(), capacity == 1);
        assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Empty));
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_try_send_on_a_rendezvous_channel_survives_the_receiver_that_it_was_for() {
    let (sender, receiver) = rendezvous();
    let mut recv = Box::pin(receiver.recv());
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    assert!(poll_once(recv.as_mut()).is_pending());
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)), "claimed");
    drop(recv);
    assert_eq!((sender.len(), receiver.is_empty()), (1, false));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(receiver.is_empty());
}

#[test]
fn a_permit_that_is_dropped_lets_its_claimed_receiver_go_first_again() {
    let (sender, receiver) = rendezvous();
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    let (mut early, mut late) = (pin!(receiver.recv()), pin!(receiver.recv()));
    assert!(poll_with(early.as_mut(), &a).is_pending());
    assert!(poll_with(late.as_mut(), &b).is_pending());
    let permit = sender.try_reserve().unwrap();
    drop(permit);
    assert_eq!((first.woken(), second.woken()), (1, 0));
    assert!(poll_with(early.as_mut(), &a).is_pending());
    assert_eq!(sender.try_send(7), Ok(()));
    assert_eq!((first.woken(), second.woken()), (2, 0));
    assert_eq!(poll_once(early.as_mut()), Poll::Ready(Ok(7)));
}

#[test]
fn zero_sized_and_huge_messages_pass() {
    let (sender, receiver) = bounded(3);
    for _ in 0..3 {
        sender.try_send(()).unwrap();
    }
    assert!(sender.try_send(()).is_err());
    assert_eq!(receiver.iter_blocking().take(3).count(), 3);
    let (sender, receiver) = bounded(usize::MAX);
    assert_eq!(sender.capacity(), Some(usize::MAX));
    sender.try_send([7_u8; 1 << 16]).unwrap();
    assert_eq!(receiver.try_recv().map(|huge| huge[1 << 15]), Ok(7));
}

#[test]
fn nothing_is_allocated_for_room_that_is_not_used_and_a_burst_gives_its_memory_back() {
    let (sender, receiver) = bounded(1_000_000);
    assert_eq!(room(&receiver), 0);
    for number in 0..500_000 {
        sender.try_send(number).unwrap();
    }
    assert!(room(&receiver) >= 500_000);
    assert_eq!(receiver.try_recv(), Ok(0));
    // A small batch behind the burst: the exchange gives the front's buffer back.
    sender.try_send(7).unwrap();
    let mut messages = Vec::new();
    assert_eq!(receiver.try_recv_many(&mut messages, 499_999), Ok(499_999));
    assert_eq!(receiver.try_recv(), Ok(7));
    assert!(room(&receiver) < 20_000, "{}", room(&receiver));
    for number in 0..500_000 {
        sender.try_send(number).unwrap();
    }
    while receiver.try_recv().is_ok() {}
    assert!(room(&receiver) < 20_000, "{}", room(&receiver));
}

fn room<T>(receiver: &Receiver<T>) -> usize {
    let front = receiver.pipe().front().lock();
    let back = receiver.pipe().back().lock();
    front.buffer.capacity() + back.buffer.capacity()
}

#[test]
fn a_stream_ends_with_its_channel_and_owns_or_borrows_its_receiver() {
    let (sender, receiver) = unbounded();
    sender.try_send(1).unwrap();
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    {
        let mut stream = pin!(receiver.stream());
        assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(Some(1)));
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    }
    let mut stream = Box::pin(receiver.into_stream());
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!(count.woken(), 1);
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(Some(2)));
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    drop(sender);
    assert_eq!(count.woken(), 2);
    assert!(!stream.is_terminated());
    for _ in 0..2 {
        assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
        assert!(stream.is_terminated());
    }
}

#[test]
fn an_owned_stream_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let (sender, receiver) = unbounded::<u32>();
    let other = receiver.clone();
    let mut stream = Box::pin(receiver.into_stream());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    let (count, waker) = Count::new();
    let mut recv = pin!(other.recv());
    assert!(poll_with(recv.as_mut(), &waker).is_pending());
    sender.try_send(1).unwrap();
    drop(stream);
    assert_eq!(count.woken(), 1, "passed on");
    assert_eq!(sender.receiver_count(), 1);
}

#[test]
fn an_owned_permit_keeps_the_channel_open_and_gives_its_sender_back() {
    let (sender, receiver) = bounded(1);
    let mut reserve = Box::pin(sender.reserve_owned());
    let Poll::Ready(Ok(permit)) = poll_once(reserve.as_mut()) else {
        panic!("there is room");
    };
    drop(reserve);
    assert_eq!((receiver.sender_count(), receiver.is_closed()), (1, false));
    let sender = permit.send(1).unwrap();
    let mut waiting = Box::pin(sender.clone().reserve_owned());
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(sender);
    assert_eq!(receiver.sender_count(), 1);
    drop(waiting);
    assert!(receiver.is_closed());
    assert_eq!(receiver.recv_blocking(), Ok(1));
}

#[test]
fn pending_futures_say_what_they_wait_for_and_where() {
    let (sender, receiver) = bounded(1);
    let mut recv = pin!(receiver.recv());
    let (_, waits) = observe(|| poll_once(recv.as_mut()));
    assert_eq!(
        (waits[0].what, waits[0].at.unwrap().file()),
        ("channel: a message", file!())
    );
    sender.try_send(1).unwrap();
    let mut send = pin!(sender.send(2));
    let (_, waits) = observe(|| poll_once(send.as_mut()));
    assert_eq!(
        (waits[0].what, waits[0].at.unwrap().file()),
        ("channel: room to send", file!())
    );
}

type Action = Box<dyn FnMut(&'static str)>;

thread_local! {
    /// What the waker of [`MISCHIEF`] does; taken out while it does it.
    static ACT: Cell<Option<Action>> = const { Cell::new(None) };
}

fn act(what: &'static str) {
    /// Puts the action back, also when it panics.
    struct Back(Option<Action>);
    impl Drop for Back {
        fn drop(&mut self) {
            ACT.set(self.0.take());
        }
    }
    let mut action = Back(ACT.take());
    match &mut action.0 {
        Some(act) => act(what),
        // It is at work: it does not answer to what it causes itself.
        None => std::mem::forget(action),
    }
}

const MISCHIEF: RawWakerVTable = RawWakerVTable::new(
    |data| {
        act("clone");
        RawWaker::new(data, &MISCHIEF)
    },
    |_| act("wake"),
    |_| act("wake"),
    |_| act("drop"),
);

fn with_mischief(action: impl FnMut(&'static str) + 'static, body: impl FnOnce(&Waker)) {
    // SAFETY: the functions of the table ignore their data.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &MISCHIEF)) };
    ACT.set(Some(Box::new(action)));
    body(&waker);
    ACT.set(None);
}

#[test]
fn r22_wakers_that_use_the_channel_when_cloned_woken_or_dropped_find_it_unlocked() {
    for capacity in [Some(0), Some(1), None] {
        let (sender, receiver) = pair(capacity);
        let (own_sender, own_receiver) = (sender.clone(), receiver.clone());
        let acts = Arc::new(AtomicUsize::new(0));
        let seen = acts.clone();
        let action = move |_: &str| {
            seen.fetch_add(1, Ordering::Relaxed);
            let _ = own_sender.try_send(1);
            let _ = own_receiver.try_recv();
            let _ = own_sender.try_reserve();
            let _ = own_receiver.try_recv_many(&mut Vec::new(), 3);
            let _ = (
                own_receiver.len(),
                own_sender.is_full(),
                own_sender.is_closed(),
            );
            drop((own_sender.clone(), own_receiver.clone()));
        };
        with_mischief(action, |waker| {
            let mut cx = Context::from_waker(waker);
            for round in 0..20 {
                let mut send = Box::pin(sender.send(2));
                let mut recv = Box::pin(receiver.recv());
                let mut reserve = Box::pin(sender.reserve());
                let mut closed = Box::pin(sender.closed());
                let _ = closed.as_mut().poll(&mut cx);
                let mut order = [0, 1, 2];
                order.rotate_left(round % 3);
                for which in order {
                    match which {
                        0 => drop(send.as_mut().poll(&mut cx)),
                        1 => drop(recv.as_mut().poll(&mut cx)),
                        _ => drop(reserve.as_mut().poll(&mut cx)),
                    }
                }
                if round == 19 {
                    receiver.close();
                }
            }
        });
        assert!(acts.load(Ordering::Relaxed) > 20);
        assert!(sender.is_closed());
    }
}

#[test]
fn r22_a_waker_that_closes_the_channel_ends_every_wait() {
    for capacity in [Some(0), Some(1), None] {
        for moment in ["clone", "wake", "drop"] {
            let (sender, receiver) = pair(capacity);
            let own = sender.clone();
            let action = move |what: &str| {
                if what == moment {
                    own.close();
                }
            };
            with_mischief(action, |waker| {
                let mut cx = Context::from_waker(waker);
                let mut recv = Box::pin(receiver.recv());
                assert!(recv.as_mut().poll(&mut cx).is_pending() || moment == "clone");
                let sent = sender.try_send(1);
                let _ = recv.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                drop(recv);
                sender.close();
                let drained = std::iter::from_fn(|| receiver.try_recv().ok()).count();
                assert!(drained <= 1 && (drained == 0 || sent.is_ok()));
            });
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
    }
}

#[test]
fn r23_a_waker_that_panics_in_clone_wake_or_drop_leaves_a_channel_that_works() {
    for capacity in [Some(0), Some(1), None] {
        for moment in ["clone", "wake", "drop"] {
            let (sender, receiver) = pair(capacity);
            let action = move |what: &str| {
                if what == moment {
                    std::panic::panic_any("hostile");
                }
            };
            with_mischief(action, |waker| {
                let mut cx = Context::from_waker(waker);
                let (count, good) = Count::new();
                let mut recv = Box::pin(receiver.recv());
                let mut other = Box::pin(receiver.recv());
                let _ = catch_unwind(AssertUnwindSafe(|| recv.as_mut().poll(&mut cx)));
                assert!(poll_with(other.as_mut(), &good).is_pending());
                let sent = catch_unwind(AssertUnwindSafe(|| sender.try_send(1)));
                let _ = catch_unwind(AssertUnwindSafe(|| drop(recv)));
                assert_eq!(count.woken(), 1, "{moment}: the wake-up is passed on");
                assert!(!matches!(sent, Ok(Err(_))));
                assert_eq!(poll_once(other.as_mut()), Poll::Ready(Ok(1)));
                drop(other);
                // The end wakes everybody, in spite of the panics.
                let mut waits: Vec<_> = (0..100).map(|_| Box::pin(receiver.recv())).collect();
                for (number, recv) in waits.iter_mut().enumerate() {
                    let waker = if number % 10 == 3 { waker } else { &good };
                    let _ = catch_unwind(AssertUnwindSafe(|| poll_with(recv.as_mut(), waker)));
                }
                let before = count.woken();
                let _ = catch_unwind(AssertUnwindSafe(|| sender.close()));
                assert_eq!(count.woken() - before, 90, "{moment}");
                for recv in waits {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(recv)));
                }
            });
            assert!(receiver.is_closed());
        }
    }
}

#[test]
fn a_message_whose_drop_uses_the_channel_finds_it_unlocked() {
    struct Reenters(WeakSender<Self>, Arc<AtomicUsize>);
    impl Drop for Reenters {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
            if let Some(sender) = self.0.upgrade() {
                assert!(sender.is_closed());
                assert_eq!(sender.len(), 0);
                sender.close();
            }
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = unbounded();
    for _ in 0..3 {
        assert!(
            sender
                .try_send(Reenters(sender.downgrade(), drops.clone()))
                .is_ok()
        );
    }
    drop(receiver);
    assert_eq!(drops.load(Ordering::Relaxed), 3);
    // A cancelled offer, too.
    let (sender, receiver) = rendezvous();
    let mut send = Box::pin(sender.send(Reenters(sender.downgrade(), drops.clone())));
    assert!(poll_once(send.as_mut()).is_pending());
    receiver.close();
    drop(send);
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}

#[test]
fn nothing_refers_to_the_channel_after_its_handles_have_gone() {
    let (sender, receiver) = bounded(1);
    let pipe: Weak<Pipe<u32>> = Arc::downgrade(sender.pipe());
    let mut recv = Box::pin(receiver.recv());
    assert!(poll_once(recv.as_mut()).is_pending());
    drop(recv);
    let weak = sender.downgrade();
    drop((sender, receiver));
    assert!(weak.upgrade().is_none());
    drop(weak);
    assert!(pipe.upgrade().is_none());
}

#[test]
fn errors_speak_plainly_and_need_no_debug_of_the_value() {
    struct Opaque;
    let error: Box<dyn std::error::Error> = Box::new(SendError(Opaque));
    assert_eq!(error.to_string(), "send to a closed channel");
    assert_eq!(format!("{error:?}"), "SendError(..)");
    let error = TrySendError::Full(Opaque);
    assert_eq!(
        (error.to_string().as_str(), error.is_full()),
        ("send to a full channel", true)
    );
    assert_eq!(format!("{error:?}"), "Full(..)");
    assert_eq!(
        RecvError.to_string(),
        "receive from a closed and empty channel"
    );
    assert_eq!(
        TryRecvError::Empty.to_string(),
        "receive from an empty channel"
    );
}

#[test]
fn handles_and_futures_are_send_and_sync_exactly_if_the_messages_may_be_sent() {
    fn both<T: Send + Sync>() {}
    // `Cell` is Send and not Sync, which is enough.
    both::<Sender<Cell<u32>>>();
    both::<Receiver<Cell<u32>>>();
    both::<WeakSender<Cell<u32>>>();
    both::<Recv<'_, Cell<u32>>>();
    both::<Permit<'_, Cell<u32>>>();
    both::<OwnedPermit<Cell<u32>>>();
    both::<Sending<'_, u32>>();
    both::<Reserve<'_, Cell<u32>>>();
    both::<ReserveOwned<Cell<u32>>>();
    both::<Messages<'_, Cell<u32>>>();
    both::<IntoStream<Cell<u32>>>();

    // Which of the two is meant can be told only if the type is not `Send`; the same for `Sync`.
    trait IsNot<Which> {
        fn so() {}
    }
    struct Sent;
    struct Shared;
    impl<T> IsNot<()> for T {}
    impl<T: Send> IsNot<Sent> for T {}
    impl<T: Sync> IsNot<Shared> for T {}
    <Sender<Rc<u32>> as IsNot<_>>::so();
    <Receiver<Rc<u32>> as IsNot<_>>::so();
    <WeakSender<Rc<u32>> as IsNot<_>>::so();
    <Permit<'_, Rc<u32>> as IsNot<_>>::so();
}

#[test]
fn every_message_arrives_once_and_in_the_order_of_its_sender() {
    const EACH: usize = 20_000;
    for capacity in [Some(0), Some(1), Some(16), None] {
        let each = if capacity == Some(0) { EACH / 10 } else { EACH };
        let (sender, receiver) = pair(capacity);
        let received = Arc::new(Mutex::new(vec![Vec::new(); 4]));
        thread::scope(|scope| {
            for consumer in 0..4 {
                let (receiver, received) = (receiver.clone(), received.clone());
                scope.spawn(move || {
                    let mut own: Vec<(usize, usize)> = Vec::new();
                    loop {
                        let taken = match consumer % 2 {
                            0 => receiver
                                .recv_blocking()
                                .map(|message| own.push(message))
                                .is_ok(),
                            _ => block_on(receiver.recv_many(&mut own, 7)) > 0,
                        };
                        if !taken {
                            break;
                        }
                    }
                    for producer in 0..4 {
                        let numbers = own.iter().filter(|message| message.0 == producer);
                        assert!(numbers.clone().is_sorted_by_key(|message| message.1));
                        let mut all = received.lock().unwrap();
                        all[producer].extend(numbers.map(|message| message.1));
                    }
                });
            }
            for producer in 0..4 {
                let sender = sender.clone();
                scope.spawn(move || {
                    for number in 0..each {
                        match number % 3 {
                            0 => block_on(sender.reserve())
                                .unwrap()
                                .send((producer, number))
                                .unwrap(),
                            _ => sender.send_blocking((producer, number)).unwrap(),
                        }
                    }
                });
            }
            drop((sender, receiver));
        });
        for numbers in received.lock().unwrap().iter_mut() {
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(0..each), "{capacity:?}");
        }
    }
}
