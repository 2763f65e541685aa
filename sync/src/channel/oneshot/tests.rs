use super::*;
use crate::wakers::{Count, Happening, Kept, hostile, panics_at};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Waker;

fn poll_with<T>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Result<T, RecvError>> {
    Pin::new(receiver).poll(&mut Context::from_waker(waker))
}

fn poll_closed<T>(sender: &mut Sender<T>, waker: &Waker) -> Poll<()> {
    Pin::new(&mut sender.closed()).poll(&mut Context::from_waker(waker))
}

fn is_send_and_sync<T: Send + Sync>() {}

#[test]
fn r28_ends_travel_wherever_their_values_may() {
    // A `Cell` may be sent, but not shared: the channel only sends.
    is_send_and_sync::<Sender<std::cell::Cell<u8>>>();
    is_send_and_sync::<Receiver<std::cell::Cell<u8>>>();
    is_send_and_sync::<Closed<'static, std::cell::Cell<u8>>>();
    is_send_and_sync::<SendError<u8>>();
    fn is_unpin<T: Unpin>() {}
    is_unpin::<Receiver<std::marker::PhantomPinned>>();
}

#[test]
fn an_end_is_one_word() {
    assert_eq!(size_of::<Sender<[u64; 9]>>(), size_of::<usize>());
    assert_eq!(size_of::<Receiver<[u64; 9]>>(), size_of::<usize>());
}

#[test]
fn a_value_arrives_before_and_after_the_first_poll() {
    let (sender, mut receiver) = channel();
    assert!(sender.send(1).is_ok());
    assert_eq!(poll_with(&mut receiver, Waker::noop()), Poll::Ready(Ok(1)));
    let (sender, mut receiver) = channel();
    let (count, waker) = Count::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    assert!(sender.send(2).is_ok());
    assert_eq!(count.woken(), 1);
    assert_eq!(poll_with(&mut receiver, Waker::noop()), Poll::Ready(Ok(2)));
}

#[test]
fn polled_after_the_value_it_says_that_no_value_will_come() {
    let (sender, mut receiver) = channel();
    assert!(sender.send(1).is_ok());
    assert!(poll_with(&mut receiver, Waker::noop()).is_ready());
    assert_eq!(
        poll_with(&mut receiver, Waker::noop()),
        Poll::Ready(Err(RecvError))
    );
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    receiver.close();
}

#[test]
fn a_value_sent_before_the_close_is_still_there() {
    let (sender, mut receiver) = channel();
    assert!(sender.send(1).is_ok());
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1));
    let (sender, mut receiver) = channel();
    assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
    assert!(sender.send(1).is_ok());
    receiver.close();
    assert_eq!(poll_with(&mut receiver, Waker::noop()), Poll::Ready(Ok(1)));
}

#[test]
fn a_value_sent_after_the_close_comes_back() {
    let (sender, mut receiver) = channel();
    receiver.close();
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
    assert_eq!(
        poll_with(&mut receiver, Waker::noop()),
        Poll::Ready(Err(RecvError))
    );
}

#[test]
fn a_closed_receiver_does_not_wait_for_the_sender() {
    let (sender, mut receiver) = channel::<u8>();
    assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
    receiver.close();
    assert_eq!(
        poll_with(&mut receiver, Waker::noop()),
        Poll::Ready(Err(RecvError))
    );
    drop(receiver);
    assert!(sender.send(1).is_err());
}

#[test]
fn closed_is_woken_once_by_the_close_or_by_the_drop() {
    for is_dropped in [false, true] {
        let (mut sender, mut receiver) = channel::<u8>();
        let (count, waker) = Count::new();
        let mut cx = Context::from_waker(&waker);
        let mut closed = sender.closed();
        assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
        if is_dropped {
            drop(receiver);
        } else {
            receiver.close();
            drop(receiver);
        }
        assert_eq!(count.woken(), 1);
        assert!(Pin::new(&mut closed).poll(&mut cx).is_ready());
        drop(closed);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

/// What ends a wait, and leaves nothing behind.
fn endings() -> Vec<fn(Sender<u8>, Receiver<u8>)> {
    vec![
        |sender, receiver| drop((sender.send(1), receiver)),
        |sender, receiver| drop((sender, receiver)),
        |sender, receiver| {
            drop(receiver);
            drop(sender);
        },
        |sender, receiver| {
            drop(receiver);
            assert!(sender.send(1).is_err());
        },
        |sender, mut receiver| {
            receiver.close();
            drop((sender, receiver));
        },
        |sender, mut receiver| {
            assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
            drop((sender, receiver));
        },
        |sender, mut receiver| {
            assert!(sender.send(1).is_ok());
            assert_eq!(receiver.try_recv(), Ok(1));
        },
        |mut sender, receiver| {
            assert!(poll_closed(&mut sender, Waker::noop()).is_pending());
            drop((sender.send(1), receiver));
        },
    ]
}

#[test]
fn r27_a_stored_waker_never_leaks() {
    for (number, ending) in endings().into_iter().enumerate() {
        for forgets in [false, true] {
            let (mut sender, mut receiver) = channel::<u8>();
            let (receiving, waker) = Count::new();
            assert!(poll_with(&mut receiver, &waker).is_pending());
            assert!(poll_with(&mut receiver, &waker).is_pending());
            let (closing, closed_waker) = Count::new();
            let mut closed = sender.closed();
            let mut cx = Context::from_waker(&closed_waker);
            assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
            if forgets {
                std::mem::forget(closed);
            } else {
                drop(closed);
            }
            ending(sender, receiver);
            drop((waker, closed_waker));
            let weak = [Arc::downgrade(&receiving), Arc::downgrade(&closing)];
            drop((receiving, closing));
            for weak in weak {
                assert_eq!(weak.strong_count(), 0, "ending {number}, forgets {forgets}");
            }
        }
    }
}

#[test]
fn r27_a_cancelled_closed_gives_its_waker_back() {
    let (mut sender, _receiver) = channel::<u8>();
    let (count, waker) = Count::new();
    assert!(poll_closed(&mut sender, &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "the channel is still there");
}

#[test]
fn r27_poll_then_drop_on_either_side_frees_the_value() {
    let value = Arc::new(());
    let (sender, mut receiver) = channel();
    assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
    assert!(sender.send(value.clone()).is_ok());
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_waker_whose_clone_panics_changes_nothing() {
    let (sender, mut receiver) = channel();
    let (count, waker) = Count::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    let hostile = panics_at(Happening::Clone);
    let polled = catch_unwind(AssertUnwindSafe(|| poll_with(&mut receiver, &hostile)));
    assert!(polled.is_err());
    assert!(sender.send(1).is_ok());
    assert_eq!(count.woken(), 1, "the waker that was there before is woken");
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_waker_that_panics_when_woken_costs_no_value() {
    let (sender, mut receiver) = channel();
    assert!(poll_with(&mut receiver, &panics_at(Happening::Wake)).is_pending());
    let sent = catch_unwind(AssertUnwindSafe(|| sender.send(1)));
    assert!(sent.is_err(), "the panic is passed on");
    assert_eq!(receiver.try_recv(), Ok(1));
    let (mut sender, receiver) = channel::<u8>();
    let mut closed = sender.closed();
    let waker = panics_at(Happening::Wake);
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert!(Pin::new(&mut closed).poll(&mut cx).is_ready());
}

#[test]
fn a_waker_that_panics_when_dropped_costs_no_value() {
    let (sender, mut receiver) = channel();
    let waker = Kept::new(panics_at(Happening::Drop));
    assert!(poll_with(&mut receiver, &waker).is_pending());
    let (count, other) = Count::new();
    let exchanged = catch_unwind(AssertUnwindSafe(|| poll_with(&mut receiver, &other)));
    assert!(exchanged.is_err(), "the old waker was dropped");
    assert!(sender.send(1).is_ok());
    assert_eq!(count.woken(), 1, "the new one had been stored");
    assert_eq!(receiver.try_recv(), Ok(1));
    let (mut sender, mut receiver) = channel::<Arc<()>>();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    // Its panic ends in the drop, which may be part of another panic.
    drop(receiver);
    let value = Arc::new(());
    assert!(poll_closed(&mut sender, Waker::noop()).is_ready());
    assert!(sender.send(value.clone()).is_err());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_waker_that_re_enters_finds_the_value_and_may_drop_the_receiver() {
    for drops in [false, true] {
        let (sender, receiver) = channel();
        let place = Arc::new(Mutex::new(Some(receiver)));
        let seen = Arc::new(Mutex::new(None));
        let (inner, result) = (place.clone(), seen.clone());
        let waker = hostile(move |happening| {
            if happening != Happening::Wake {
                return;
            }
            let mut receiver = inner.lock().unwrap().take().unwrap();
            if !drops {
                *result.lock().unwrap() = receiver.try_recv().ok();
            }
        });
        let polled = poll_with(place.lock().unwrap().as_mut().unwrap(), &waker);
        assert!(polled.is_pending());
        let value = Arc::new(());
        assert!(sender.send(value.clone()).is_ok());
        assert!(place.lock().unwrap().is_none());
        assert_eq!(seen.lock().unwrap().take().is_some(), !drops);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

#[test]
fn a_waker_whose_clone_sends_is_answered_by_the_same_poll() {
    let (sender, mut receiver) = channel();
    let sender = Mutex::new(Some(sender));
    let waker = hostile(move |happening| {
        let sender = sender.lock().unwrap().take();
        if happening == Happening::Clone {
            assert!(sender.is_none_or(|sender| sender.send(1).is_ok()));
        }
    });
    assert_eq!(poll_with(&mut receiver, &waker), Poll::Ready(Ok(1)));
}

#[test]
fn a_value_that_panics_when_dropped_is_dropped_once_and_the_memory_freed() {
    struct Bomb {
        _count: Arc<()>,
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "a value that panics");
        }
    }
    let count = Arc::new(());
    let (sender, mut receiver) = channel();
    let (woken, waker) = Count::new();
    assert!(poll_with(&mut receiver, &waker).is_pending());
    assert!(
        sender
            .send(Bomb {
                _count: count.clone()
            })
            .is_ok()
    );
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(Arc::strong_count(&count), 1);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn a_wait_says_where_it_was_asked_for() {
    let (mut sender, mut receiver) = channel::<u8>();
    let (_, waits) = crate::wait::observe(|| {
        assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
        assert!(poll_closed(&mut sender, Waker::noop()).is_pending());
    });
    assert_eq!(waits[0].what, "oneshot: a value");
    assert_eq!(waits[1].what, "oneshot: the receiver to go");
    assert!(
        waits
            .iter()
            .all(|wait| wait.at.unwrap().file().ends_with("tests.rs"))
    );
}

#[test]
fn a_receiver_keeps_to_the_budget() {
    let outer = budget::start();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..budget::PER_POLL {
        assert!(budget::poll_proceed(&mut cx).is_ready());
    }
    let (sender, mut receiver) = channel();
    assert!(sender.send(1).is_ok());
    assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
    let _ = outer.resume();
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    DropSender,
    Poll(bool),
    TryRecv,
    Close,
    DropReceiver,
    Closed { other: bool, forgets: bool },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        Just(Op::Send),
        Just(Op::DropSender),
        any::<bool>().prop_map(Op::Poll),
        any::<bool>().prop_map(Op::Poll),
        Just(Op::TryRecv),
        Just(Op::Close),
        Just(Op::DropReceiver),
        any::<(bool, bool)>().prop_map(|(other, forgets)| Op::Closed { other, forgets }),
    ];
    prop::collection::vec(op, 0..12)
}

/// The channel as one would write it for one thread.
#[derive(Default)]
struct Model {
    value: bool,
    finished: bool,
    closed: bool,
    taken: bool,
    waits: Option<bool>,
    wakes: usize,
}

impl Model {
    fn finish(&mut self, with_value: bool) {
        self.finished = true;
        self.value = with_value;
        self.wakes += usize::from(self.waits.take().is_some());
    }

    fn close(&mut self) {
        self.closed |= !self.finished;
        if self.closed {
            self.waits = None;
        }
    }

    fn receive(&mut self) -> Result<(), TryRecvError> {
        if self.taken || self.closed || self.finished && !self.value {
            self.taken = true;
            return Err(TryRecvError::Closed);
        }
        if !self.value {
            return Err(TryRecvError::Empty);
        }
        self.taken = true;
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_order_of_operations_agrees_with_a_sequential_channel(ops in ops()) {
        let value = Arc::new(());
        let ((first, waker), (second, other)) = (Count::new(), Count::new());
        let (closing, closed_waker) = Count::new();
        let (sender, receiver) = channel();
        let (mut sender, mut receiver) = (Some(sender), Some(receiver));
        let mut model = Model::default();
        for op in ops {
            match (op, &mut sender, &mut receiver) {
                (Op::Send, sender @ Some(_), _) => {
                    let sent = sender.take().unwrap().send(value.clone()).is_ok();
                    prop_assert_eq!(sent, !model.closed);
                    model.finish(sent);
                }
                (Op::DropSender, sender @ Some(_), _) => {
                    *sender = None;
                    model.finish(false);
                }
                (Op::Poll(which), _, Some(receiver)) => {
                    let polled = poll_with(receiver, if which { &other } else { &waker });
                    match model.receive() {
                        Ok(()) => prop_assert_eq!(polled, Poll::Ready(Ok(value.clone()))),
                        Err(TryRecvError::Closed) => prop_assert_eq!(polled, Poll::Ready(Err(RecvError))),
                        Err(TryRecvError::Empty) => {
                            prop_assert!(polled.is_pending());
                            model.waits = Some(which);
                        }
                    }
                }
                (Op::TryRecv, _, Some(receiver)) => {
                    prop_assert_eq!(receiver.try_recv().map(drop), model.receive());
                }
                (Op::Close, _, Some(receiver)) => {
                    receiver.close();
                    model.close();
                }
                (Op::DropReceiver, _, receiver @ Some(_)) => {
                    *receiver = None;
                    model.close();
                    model.value = false;
                }
                (Op::Closed { other, forgets }, Some(sender), _) => {
                    let is_closed = sender.is_closed();
                    let mut closed = sender.closed();
                    let mut cx = Context::from_waker(if other { Waker::noop() } else { &closed_waker });
                    let polled = Pin::new(&mut closed).poll(&mut cx);
                    if forgets {
                        std::mem::forget(closed);
                    }
                    prop_assert_eq!(polled.is_ready(), model.closed);
                    prop_assert_eq!(is_closed, model.closed);
                }
                _ => {}
            }
            prop_assert_eq!(first.woken() + second.woken(), model.wakes);
            let held = usize::from(model.value && !model.taken);
            prop_assert_eq!(Arc::strong_count(&value), 1 + held);
        }
        drop((sender, receiver, waker, other, closed_waker));
        prop_assert_eq!(Arc::strong_count(&value), 1);
        for count in [first, second, closing] {
            prop_assert_eq!(Arc::strong_count(&count), 1);
        }
    }
}
