//! Loom models: one per race of the state word's two sides.

use super::*;
use crate::primitive::thread;
use crate::wait::block_on;
use std::sync::Arc;
use std::task::Waker;

fn poll_once<T>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Result<T, RecvError>> {
    Pin::new(receiver).poll(&mut Context::from_waker(waker))
}

/// A value whose drops are counted: exactly one, whoever it is that drops it.
struct Counted {
    _alive: Arc<()>,
}

fn counted() -> (Arc<()>, Counted) {
    let count = Arc::new(());
    (count.clone(), Counted { _alive: count })
}

fn nobody_has(count: &Arc<()>) {
    assert_eq!(Arc::strong_count(count), 1, "the value was dropped once");
}

#[test]
fn loom_ci_r27_a_value_that_is_sent_reaches_the_waiting_receiver() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let t = thread::spawn(move || assert!(sender.send(Box::new(7)).is_ok()));
        assert_eq!(block_on(receiver).map(|value| *value), Ok(7));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_a_sender_that_is_dropped_ends_the_wait() {
    loom::model(|| {
        let (sender, receiver) = channel::<Box<u8>>();
        let t = thread::spawn(move || drop(sender));
        assert_eq!(block_on(receiver), Err(RecvError));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_r27_send_and_close_agree_on_whose_the_value_is() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let (count, value) = counted();
        let t = thread::spawn(move || sender.send(value).is_ok());
        receiver.close();
        let received = receiver.try_recv();
        assert!(!matches!(received, Err(TryRecvError::Empty)));
        let is_received = received.is_ok();
        assert_eq!(t.join().unwrap(), is_received);
        drop((receiver, received));
        nobody_has(&count);
    });
}

#[test]
fn loom_ci_r27_poll_then_drop_while_the_value_is_sent() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let (count, value) = counted();
        let t = thread::spawn(move || drop(sender.send(value)));
        let waker = Arc::new(Flag::default());
        let polled = poll_once(&mut receiver, &waker.clone().into());
        drop((polled, receiver));
        t.join().unwrap();
        nobody_has(&count);
        assert_eq!(Arc::strong_count(&waker), 1, "the waker was dropped once");
    });
}

#[test]
fn loom_ci_r27_the_waker_is_exchanged_while_the_value_is_sent() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let (first, second) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let pending = poll_once(&mut receiver, &first.clone().into()).is_pending();
        assert!(pending);
        let t = thread::spawn(move || assert!(sender.send(Box::new(1)).is_ok()));
        let polled = poll_once(&mut receiver, &second.clone().into());
        t.join().unwrap();
        if polled.is_pending() {
            assert!(second.is_woken(), "whoever polled last and waits is woken");
            assert!(poll_once(&mut receiver, Waker::noop()).is_ready());
        }
        drop(receiver);
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(Arc::strong_count(&second), 1);
    });
}

#[test]
fn loom_ci_send_and_the_drop_of_the_receiver_free_once() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let (count, value) = counted();
        let t = thread::spawn(move || drop(receiver));
        drop(sender.send(value));
        t.join().unwrap();
        nobody_has(&count);
    });
}

#[test]
fn loom_ci_try_recv_and_close_against_the_drop_of_the_sender() {
    loom::model(|| {
        let (sender, mut receiver) = channel::<Box<u8>>();
        assert!(poll_once(&mut receiver, Waker::noop()).is_pending());
        let t = thread::spawn(move || drop(sender));
        assert!(receiver.try_recv().is_err());
        receiver.close();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        drop(receiver);
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_closed_ends_when_the_receiver_is_dropped() {
    loom::model(|| {
        let (mut sender, receiver) = channel::<Box<u8>>();
        let t = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(Box::new(1)).is_err());
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_closed_is_cancelled_while_the_receiver_is_dropped() {
    loom::model(|| {
        let (mut sender, receiver) = channel::<Box<u8>>();
        let flag = Arc::new(Flag::default());
        {
            let waker = flag.clone().into();
            let mut closed = sender.closed();
            let mut cx = Context::from_waker(&waker);
            assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
            let t = thread::spawn(move || drop(receiver));
            drop(closed);
            drop(sender);
            t.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&flag), 1, "the waker was dropped once");
    });
}

#[test]
fn loom_ci_closed_is_forgotten_and_the_value_sent_while_the_receiver_closes() {
    loom::model(|| {
        let (mut sender, mut receiver) = channel();
        let flag = Arc::new(Flag::default());
        let (count, value) = counted();
        {
            let waker = flag.clone().into();
            let mut closed = sender.closed();
            let mut cx = Context::from_waker(&waker);
            assert!(Pin::new(&mut closed).poll(&mut cx).is_pending());
            std::mem::forget(closed);
        }
        let t = thread::spawn(move || {
            receiver.close();
            drop(receiver);
        });
        drop(sender.send(value));
        t.join().unwrap();
        nobody_has(&count);
        assert_eq!(Arc::strong_count(&flag), 1, "the waker was dropped once");
    });
}

/// A waker that notes that it was woken.
#[derive(Default)]
struct Flag(crate::primitive::plain::AtomicBool);

impl Flag {
    fn is_woken(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn loom_ci_whoever_is_last_frees_after_the_value_was_refused() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let (count, value) = counted();
        receiver.close();
        let t = thread::spawn(move || drop(receiver));
        assert!(sender.send(value).is_err());
        t.join().unwrap();
        nobody_has(&count);
    });
}

#[test]
fn loom_ci_whoever_is_last_frees_after_the_receiver_was_woken() {
    loom::model(|| {
        let (sender, mut receiver) = channel();
        let flag = Arc::new(Flag::default());
        let pending = poll_once(&mut receiver, &flag.clone().into()).is_pending();
        assert!(pending);
        let t = thread::spawn(move || assert!(sender.send(Box::new(1)).is_ok()));
        let received = receiver.try_recv();
        t.join().unwrap();
        assert!(received.is_err() || flag.is_woken());
        drop((receiver, received));
        assert_eq!(Arc::strong_count(&flag), 1);
    });
}
