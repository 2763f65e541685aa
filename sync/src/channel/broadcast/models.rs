//! Loom models: one per race between the ends.

use super::*;
use crate::primitive::thread;
use crate::wait::block_on;
use std::future::Future as _;
use std::task::{Context, Poll, Waker};

#[test]
fn loom_ci_a_value_is_seen_or_wakes() {
    loom::model(|| {
        let (sender, mut receiver) = channel(2);
        let t = thread::spawn(move || assert!(sender.send(Box::new(1)).is_ok()));
        assert_eq!(block_on(receiver.recv()), Ok(Box::new(1)));
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_the_drop_of_the_last_sender_ends_the_wait() {
    loom::model(|| {
        let (sender, mut receiver) = channel::<u8>(2);
        let other = sender.clone();
        let t = thread::spawn(move || drop(sender));
        drop(other);
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_r28_a_lag_is_counted_exactly_while_it_grows() {
    loom::model(|| {
        let (sender, mut receiver) = channel(1);
        assert!(sender.send(0).is_ok());
        let t = thread::spawn(move || {
            for number in 1..3_u64 {
                assert!(sender.send(number).is_ok());
            }
        });
        let mut accounted = 0;
        loop {
            match receiver.try_recv() {
                Ok(number) => {
                    assert_eq!(number, accounted);
                    accounted += 1;
                }
                Err(TryRecvError::Lagged(missed)) => {
                    assert!(missed > 0, "no false lag");
                    accounted += missed;
                }
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Closed) => break,
            }
        }
        t.join().unwrap();
        assert_eq!(accounted, 3);
    });
}

#[test]
fn loom_ci_r28_a_value_is_overwritten_while_a_receiver_goes() {
    loom::model(|| {
        let (sender, receiver) = channel(1);
        let (first, second) = (Arc::new(()), Arc::new(()));
        let mut stays = sender.subscribe();
        assert!(sender.send(first.clone()).is_ok());
        let t = thread::spawn(move || drop(receiver));
        assert!(sender.send(second.clone()).is_ok());
        t.join().unwrap();
        assert_eq!(Arc::strong_count(&first), 1, "overwritten");
        assert_eq!(Arc::strong_count(&second), 2, "wanted by one");
        assert_eq!(stays.try_recv(), Err(TryRecvError::Lagged(1)));
        assert!(stays.try_recv().is_ok());
        assert_eq!(Arc::strong_count(&second), 1, "seen by all");
    });
}

#[test]
fn loom_ci_r28_two_receivers_see_the_value_and_one_gets_it() {
    loom::model(|| {
        let (sender, mut first) = channel(1);
        let mut second = sender.subscribe();
        let value = Arc::new(7);
        assert!(sender.send(value.clone()).is_ok());
        let t = thread::spawn(move || assert_eq!(first.try_recv().as_deref(), Ok(&7)));
        assert_eq!(second.try_recv().as_deref(), Ok(&7));
        t.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1, "the channel keeps nothing");
    });
}

#[test]
fn loom_ci_r28_send_and_subscribe_agree_on_who_is_counted() {
    loom::model(|| {
        let (sender, receiver) = channel(2);
        let other = sender.clone();
        let t = thread::spawn(move || other.send(1).ok());
        let mut late = sender.subscribe();
        let counted = t.join().unwrap();
        assert_eq!(late.try_recv().is_ok(), counted == Some(2));
        drop(receiver);
        assert_eq!(sender.len(), 0);
    });
}

#[test]
fn loom_ci_a_cancelled_recv_loses_no_value() {
    loom::model(|| {
        let (sender, mut receiver) = channel(2);
        let t = thread::spawn(move || assert!(sender.send(1).is_ok()));
        {
            let mut recv = Box::pin(receiver.recv());
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(received) = recv.as_mut().poll(&mut cx) {
                assert_eq!(received, Ok(1));
                t.join().unwrap();
                return;
            }
        }
        assert_eq!(block_on(receiver.recv()), Ok(1));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_closed_is_said_after_the_last_value_only() {
    loom::model(|| {
        let (sender, mut receiver) = channel(2);
        let t = thread::spawn(move || assert!(sender.send(1).is_ok()));
        loop {
            match receiver.try_recv() {
                Ok(_) => break,
                Err(error) => assert_eq!(error, TryRecvError::Empty),
            }
            thread::yield_now();
        }
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Empty | TryRecvError::Closed)
        ));
        t.join().unwrap();
    });
}
