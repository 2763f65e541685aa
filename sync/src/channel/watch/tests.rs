use super::*;
use crate::budget;
use crate::wakers::{Count, Happening, Kept, hostile, panics_at};
use futures_core::Stream as _;
use proptest::prelude::*;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

fn poll_changed<T>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Result<(), RecvError>> {
    pin!(receiver.changed()).poll(&mut Context::from_waker(waker))
}

#[test]
fn r28_ends_travel_if_their_values_may_be_shared() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Sender<u8>>();
    is_send_and_sync::<Receiver<u8>>();
    is_send_and_sync::<Snapshot<u8>>();
    is_send_and_sync::<Changed<'static, u8>>();
    is_send_and_sync::<WaitFor<'static, u8, fn(&u8) -> bool>>();
    is_send_and_sync::<Stream<'static, u8>>();
    is_send_and_sync::<Closed<'static, u8>>();
}

#[test]
fn r30_versions_wrap_around_without_losing_a_change() {
    let (sender, mut receiver) = channel(0);
    let mut late = receiver.clone();
    for number in 1..20 {
        assert!(!receiver.has_changed());
        assert!(sender.send(number).is_ok());
        assert!(receiver.has_changed() && late.has_changed());
        assert!(poll_changed(&mut receiver, Waker::noop()).is_ready());
        assert_eq!(*receiver.borrow(), number);
    }
    assert!(!late.is_closed(), "a version that wraps does not close");
    drop(sender);
    assert_eq!(
        poll_changed(&mut late, Waker::noop()),
        Poll::Ready(Ok(())),
        "the last value first"
    );
    assert_eq!(
        poll_changed(&mut late, Waker::noop()),
        Poll::Ready(Err(RecvError))
    );
}

#[test]
fn r30_a_thread_that_keeps_a_look_sends_all_the_same() {
    let (sender, mut receiver) = channel(0);
    let (mine, theirs) = (sender.borrow(), receiver.borrow());
    assert!(sender.send(1).is_ok());
    sender.send_modify(|value| *value += 1);
    let found = pin!(receiver.wait_for(|value| {
        // The predicate itself may use the channel.
        *sender.borrow() == *value
    }))
    .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(found, Poll::Ready(Ok(found)) if *found == 2));
    assert_eq!((*mine, *theirs), (0, 0));
    let mut rounds = 0;
    sender.send_modify(|value| {
        rounds += 1;
        if rounds == 1 {
            // Somebody else is faster: the change is made again, on top of that.
            assert!(sender.send(40).is_ok());
        }
        *value += *sender.borrow();
    });
    assert_eq!((rounds, *receiver.borrow()), (2, 80));
}

#[test]
fn r30_a_panic_of_a_change_leaves_the_value_and_the_channel_as_they_were() {
    let (sender, mut receiver) = channel(vec![1]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sender.send_modify(|numbers| {
            numbers.clear();
            panic!("half way");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(*receiver.borrow(), [1]);
    assert!(!receiver.has_changed());
    sender.send_modify(|numbers| numbers.push(2));
    assert!(poll_changed(&mut receiver, Waker::noop()).is_ready());
    assert_eq!(*receiver.borrow(), [1, 2]);
}

#[test]
fn r30_a_panic_while_a_look_is_kept_leaves_the_channel_usable() {
    let (sender, mut receiver) = channel(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _look = receiver.borrow();
        let _other = sender.borrow();
        panic!("with a look in its hand");
    }));
    assert!(panicked.is_err());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut wait = pin!(receiver.wait_for(|_| panic!("in a predicate")));
        let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }));
    assert!(panicked.is_err());
    assert!(sender.send(2).is_ok());
    assert_eq!(*receiver.borrow_and_update(), 2);
}

#[test]
fn an_old_value_is_dropped_without_a_lock() {
    /// Uses the channel when it is dropped.
    struct Meddler(
        Mutex<Option<Sender<Option<Meddler>>>>,
        #[expect(dead_code)] Arc<()>,
    );
    impl Drop for Meddler {
        fn drop(&mut self) {
            let sender = self.0.lock().unwrap().take();
            assert!(sender.is_some_and(|sender| sender.borrow().is_none()));
        }
    }
    let (sender, receiver) = channel(None);
    let count = Arc::new(());
    let meddler = Meddler(Mutex::new(Some(sender.clone())), count.clone());
    assert!(sender.send(Some(meddler)).is_ok());
    assert!(sender.send(None).is_ok());
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(receiver.borrow().is_none());
}

#[test]
fn a_value_is_kept_by_its_snapshots_and_no_longer() {
    let value = Arc::new(());
    let (sender, receiver) = channel(Some(value.clone()));
    let snapshot = receiver.borrow();
    assert!(sender.send(None).is_ok());
    assert_eq!(Arc::strong_count(&value), 2);
    let other = snapshot.clone();
    let snapshot = snapshot.try_into_inner().unwrap_err();
    drop(other);
    assert!(snapshot.try_into_inner().is_ok_and(|inner| inner.is_some()));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_cancelled_wait_has_seen_nothing() {
    let (sender, mut receiver) = channel(0);
    {
        let mut wait = pin!(receiver.changed());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(sender.send(1).is_ok());
    }
    assert!(poll_changed(&mut receiver, Waker::noop()).is_ready());
    let (count, waker) = Count::new();
    assert!(poll_changed(&mut receiver, &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "its waker is gone with it");
    assert!(sender.send(2).is_ok());
    assert_eq!(count.woken(), 0);
}

#[test]
fn values_that_a_cancelled_wait_for_refused_are_seen_and_others_are_not() {
    let (sender, mut receiver) = channel(0);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut wait = pin!(receiver.wait_for(|value| *value == 9));
        assert!(sender.send(1).is_ok());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }
    assert!(!receiver.has_changed());
    {
        let mut wait = pin!(receiver.wait_for(|value| *value == 9));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(sender.send(2).is_ok());
    }
    assert!(receiver.has_changed());
}

#[test]
fn wait_for_asks_about_each_value_once() {
    let (sender, mut receiver) = channel(0);
    let mut cx = Context::from_waker(Waker::noop());
    let mut asked = Vec::new();
    let mut wait = Box::pin(receiver.wait_for(|value| {
        asked.push(*value);
        *value == 3
    }));
    for number in 1..=3 {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(wait.as_mut().poll(&mut cx).is_pending(), "spurious");
        assert!(sender.send(number).is_ok());
    }
    assert!(wait.as_mut().poll(&mut cx).is_ready());
    drop(wait);
    assert_eq!(asked, [0, 1, 2, 3]);
    drop(sender);
    let mut wait = pin!(receiver.wait_for(|_| false));
    assert!(matches!(
        wait.as_mut().poll(&mut cx),
        Poll::Ready(Err(RecvError))
    ));
}

#[test]
fn a_stream_that_is_cancelled_or_panics_loses_nothing() {
    #[derive(Debug, PartialEq)]
    struct Fragile(u8);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(self.0 != 1, "a clone that panics");
            Self(self.0)
        }
    }
    let (sender, mut receiver) = channel(Fragile(0));
    let mut cx = Context::from_waker(Waker::noop());
    let mut next = |receiver: &mut Receiver<Fragile>| pin!(receiver.stream()).poll_next(&mut cx);
    assert!(next(&mut receiver).is_pending());
    assert!(sender.send(Fragile(1)).is_ok());
    assert!(catch_unwind(AssertUnwindSafe(|| next(&mut receiver))).is_err());
    assert!(receiver.has_changed());
    assert!(sender.send(Fragile(2)).is_ok());
    assert_eq!(next(&mut receiver), Poll::Ready(Some(Fragile(2))));
    drop(sender);
    assert_eq!(next(&mut receiver), Poll::Ready(None));
}

#[test]
fn a_stream_waits_again_and_again() {
    let (sender, mut receiver) = channel(0);
    let mut stream = pin!(receiver.stream());
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    for number in 1..10 {
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
        assert!(sender.send(number).is_ok());
        assert_eq!(count.woken(), number);
        assert_eq!(
            stream.as_mut().poll_next(&mut cx),
            Poll::Ready(Some(number))
        );
    }
}

#[test]
fn ten_thousand_receivers_are_woken_once_each_by_one_send() {
    let (sender, receiver) = channel(0);
    let mut receivers: Vec<_> = (0..10_000).map(|_| receiver.clone()).collect();
    let mut waits: Vec<_> = receivers
        .iter_mut()
        .map(|receiver| Box::pin(receiver.changed()))
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
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    }
}

#[test]
fn closed_ends_although_a_new_receiver_came_at_once() {
    let (sender, receiver) = channel(0);
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    let mut closed = pin!(sender.closed());
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    drop(receiver.clone());
    assert_eq!(count.woken(), 0);
    drop(receiver);
    let _again = sender.subscribe();
    assert_eq!(count.woken(), 1);
    assert!(closed.as_mut().poll(&mut cx).is_ready());
    assert!(
        pin!(sender.closed()).poll(&mut cx).is_pending(),
        "a wait that begins now is another one"
    );
}

#[test]
fn a_waker_that_panics_costs_the_others_nothing() {
    for when in [Happening::Wake, Happening::Drop] {
        let (sender, mut receiver) = channel(0);
        let mut second = receiver.clone();
        let hostile = Kept::new(panics_at(when));
        let (count, waker) = Count::new();
        let mut first = Box::pin(receiver.changed());
        let mut other = Box::pin(second.changed());
        let polled = first.as_mut().poll(&mut Context::from_waker(&hostile));
        assert!(polled.is_pending());
        let mut cx = Context::from_waker(&waker);
        assert!(other.as_mut().poll(&mut cx).is_pending());
        let sent = catch_unwind(AssertUnwindSafe(|| sender.send(1)));
        assert_eq!(sent.is_err(), when == Happening::Wake);
        assert_eq!(count.woken(), 1);
        assert!(other.as_mut().poll(&mut cx).is_ready());
        assert!(first.as_mut().poll(&mut cx).is_ready());
        drop((first, other));
        assert_eq!(*second.borrow(), 1);
    }
}

#[test]
fn a_waker_that_re_enters_finds_the_channel_unlocked() {
    let (sender, mut receiver) = channel(0);
    let (other, seen) = (sender.clone(), Arc::new(Mutex::new(Vec::new())));
    let notes = seen.clone();
    let waker = hostile(move |happening| {
        notes.lock().unwrap().push((happening, *other.borrow()));
        drop(other.subscribe());
    });
    {
        let mut wait = pin!(receiver.changed());
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        assert!(sender.send(1).is_ok());
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], (Happening::Clone, 0));
    assert_eq!(seen[1], (Happening::Wake, 1));
}

#[test]
fn waits_say_where_they_were_asked_for_and_keep_to_the_budget() {
    let (sender, mut receiver) = channel(0);
    let ((), waits) = crate::wait::observe(|| {
        assert!(poll_changed(&mut receiver, Waker::noop()).is_pending());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(sender.closed()).poll(&mut cx).is_pending());
    });
    assert_eq!(waits[0].what, "watch: a change");
    assert_eq!(waits[1].what, "watch: the receivers to go");
    assert!(
        waits
            .iter()
            .all(|wait| wait.at.unwrap().file().ends_with("tests.rs"))
    );
    let outer = budget::start();
    let mut done = 0;
    loop {
        receiver.mark_changed();
        if poll_changed(&mut receiver, Waker::noop()).is_pending() {
            break;
        }
        done += 1;
    }
    let _ = outer.resume();
    assert_eq!(done, budget::PER_POLL);
    assert!(receiver.has_changed(), "a denied poll has seen nothing");
}

#[test]
fn a_predicate_that_is_never_content_keeps_to_the_budget() {
    let (sender, mut receiver) = channel(0);
    let mut asked = 0;
    let outer = budget::start();
    let mut wait = pin!(receiver.wait_for(|_| {
        asked += 1;
        // A sender that is never behind.
        assert!(sender.send(asked).is_ok());
        false
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    let _ = outer.resume();
    assert_eq!(asked, i32::from(budget::PER_POLL));
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Replace,
    Modify(bool),
    Clone(usize),
    Subscribe,
    DropReceiver(usize),
    CloneSender,
    DropSender,
    Start(usize),
    Poll(usize),
    Cancel(usize),
    Look(usize),
    Mark(usize, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = 0..3_usize;
    let op = prop_oneof![
        4 => Just(Op::Send),
        1 => Just(Op::Replace),
        1 => any::<bool>().prop_map(Op::Modify),
        1 => who.clone().prop_map(Op::Clone),
        1 => Just(Op::Subscribe),
        1 => who.clone().prop_map(Op::DropReceiver),
        1 => Just(Op::CloneSender),
        1 => Just(Op::DropSender),
        3 => who.clone().prop_map(Op::Start),
        6 => who.clone().prop_map(Op::Poll),
        1 => who.clone().prop_map(Op::Cancel),
        1 => who.clone().prop_map(Op::Look),
        1 => (who, any::<bool>()).prop_map(|(who, seen)| Op::Mark(who, seen)),
    ];
    prop::collection::vec(op, 0..60)
}

type Wait = Pin<Box<dyn Future<Output = (Receiver<Arc<u64>>, Result<(), RecvError>)>>>;

/// A receiver, or its wait for a change.
enum One {
    Idle(Receiver<Arc<u64>>),
    Waiting(Wait),
}

/// A receiver, and what the model says about it.
struct Entry {
    one: Option<One>,
    seen: bool,
    waits: bool,
    woken: usize,
    count: Arc<Count>,
    waker: Waker,
}

impl Entry {
    fn new(receiver: Receiver<Arc<u64>>, seen: bool) -> Self {
        let (count, waker) = Count::new();
        Self {
            one: Some(One::Idle(receiver)),
            seen,
            waits: false,
            woken: 0,
            count,
            waker,
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_operations_agrees_with_a_sequential_channel(ops in ops()) {
        let (sender, receiver) = channel(Arc::new(0));
        let mut senders = vec![sender];
        let mut entries = vec![Entry::new(receiver, true)];
        let mut value = 0;
        let news = |entries: &mut Vec<Entry>| {
            for entry in entries {
                entry.seen = false;
                entry.woken += usize::from(std::mem::take(&mut entry.waits));
            }
        };
        for op in ops {
            match op {
                Op::Send => if let Some(sender) = senders.last() {
                    let sent = sender.send(Arc::new(value + 1)).is_ok();
                    prop_assert_eq!(sent, !entries.is_empty());
                    if sent {
                        value += 1;
                        news(&mut entries);
                    }
                },
                Op::Replace => if let Some(sender) = senders.last() {
                    let old = sender.send_replace(Arc::new(value + 1));
                    prop_assert_eq!(**old, value);
                    value += 1;
                    news(&mut entries);
                },
                Op::Modify(really) => if let Some(sender) = senders.last() {
                    let changed = sender.send_if_modified(|value| {
                        *value = Arc::new(**value + 1);
                        really
                    });
                    prop_assert_eq!(changed, really);
                    if really {
                        value += 1;
                        news(&mut entries);
                    }
                },
                Op::Clone(who) => if let Some(Entry { one: Some(One::Idle(receiver)), seen, .. }) = entries.get(who) {
                    let entry = Entry::new(receiver.clone(), *seen);
                    entries.push(entry);
                },
                Op::Subscribe => if let Some(sender) = senders.last() {
                    entries.push(Entry::new(sender.subscribe(), true));
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
                    for entry in &mut entries {
                        entry.woken += usize::from(std::mem::take(&mut entry.waits));
                    }
                },
                Op::Start(who) => if let Some(entry) = entries.get_mut(who) {
                    entry.one = entry.one.take().map(|one| match one {
                        One::Idle(mut receiver) => One::Waiting(Box::pin(async move {
                            let result = receiver.changed().await;
                            (receiver, result)
                        })),
                        waiting => waiting,
                    });
                },
                Op::Poll(who) => if let Some(entry) = entries.get_mut(who) {
                    let Some(One::Waiting(wait)) = &mut entry.one else { continue };
                    match wait.as_mut().poll(&mut Context::from_waker(&entry.waker)) {
                        Poll::Pending => {
                            prop_assert!(entry.seen && !senders.is_empty());
                            entry.waits = true;
                        }
                        Poll::Ready((receiver, result)) => {
                            prop_assert_eq!(result.is_ok(), !entry.seen);
                            prop_assert!(result.is_ok() || senders.is_empty());
                            entry.seen = true;
                            entry.waits = false;
                            entry.one = Some(One::Idle(receiver));
                        }
                    }
                },
                // The receiver goes with its future, half way through a wait.
                Op::Cancel(who) => if matches!(entries.get(who), Some(Entry { one: Some(One::Waiting(_)), .. })) {
                    entries.remove(who);
                },
                Op::Look(who) => if let Some(Entry { one: Some(One::Idle(receiver)), seen, .. }) = entries.get_mut(who) {
                    prop_assert_eq!(receiver.borrow().has_changed(), !*seen);
                    prop_assert_eq!(**receiver.borrow_and_update(), value);
                    *seen = true;
                },
                Op::Mark(who, as_seen) => if let Some(Entry { one: Some(One::Idle(receiver)), seen, .. }) = entries.get_mut(who) {
                    *seen = as_seen;
                    if as_seen { receiver.mark_unchanged() } else { receiver.mark_changed() }
                },
            }
            for entry in &entries {
                prop_assert_eq!(entry.count.woken(), entry.woken);
                if let Some(One::Idle(receiver)) = &entry.one {
                    prop_assert_eq!(receiver.has_changed(), !entry.seen);
                    prop_assert_eq!(receiver.is_closed(), senders.is_empty());
                    prop_assert_eq!(**receiver.borrow(), value);
                }
            }
            if let Some(sender) = senders.last() {
                prop_assert_eq!(sender.receiver_count(), entries.len());
                prop_assert_eq!(sender.sender_count(), senders.len());
            }
        }
    }
}
