//! The races of the channels, in every order that loom finds.

use super::*;
use crate::channel::error::{RecvError, SendError, TryRecvError};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::thread;
use crate::wait::block_on;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Notes its number when it is dropped.
#[derive(Debug)]
struct Noted(usize, Arc<Mutex<Vec<usize>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[test]
fn loom_ci_messages_arrive_in_order_while_the_sender_waits_for_room() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let t = thread::spawn(move || {
            for number in 0..3 {
                block_on(sender.send(number)).unwrap();
            }
        });
        for number in 0..3 {
            assert_eq!(block_on(receiver.recv()), Ok(number));
        }
        t.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn loom_ci_a_send_that_meets_a_close_is_delivered_or_given_back() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        let other = receiver.clone();
        let t = thread::spawn(move || block_on(sender.send(7)));
        other.close();
        let after_close = receiver.try_recv();
        let sent = t.join().unwrap();
        // Whatever was accepted was accepted before `close` returned.
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        match after_close {
            Ok(message) => assert_eq!((message, sent), (7, Ok(()))),
            Err(_) => assert_eq!(sent, Err(SendError(7))),
        }
    });
}

#[test]
fn loom_ci_r29_a_dropped_permit_gives_its_place_to_the_sender_that_waits() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let permit = sender.try_reserve().unwrap();
        let other = sender.clone();
        let t = thread::spawn(move || block_on(other.send(7)));
        drop(permit);
        assert_eq!(t.join().unwrap(), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(7));
    });
}

#[test]
fn loom_ci_two_senders_share_one_place() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let other = sender.clone();
        let a = thread::spawn(move || block_on(sender.send(1)));
        let b = thread::spawn(move || block_on(other.send(2)));
        let sum = block_on(receiver.recv()).unwrap() + block_on(receiver.recv()).unwrap();
        assert_eq!(sum, 3);
        assert_eq!(a.join().unwrap(), Ok(()));
        assert_eq!(b.join().unwrap(), Ok(()));
    });
}

#[test]
fn loom_ci_a_cancelled_receiver_passes_its_wake_up_on() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        let other = receiver.clone();
        let mut cancelled = Box::pin(receiver.recv());
        assert!(poll_once(cancelled.as_mut()).is_pending());
        let t = thread::spawn(move || block_on(other.recv()));
        let s = thread::spawn(move || {
            sender.try_send(7).unwrap();
            sender
        });
        drop(cancelled);
        assert_eq!(t.join().unwrap(), Ok(7));
        drop(s.join().unwrap());
    });
}

#[test]
fn loom_ci_a_cancelled_sender_passes_its_wake_up_on() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let other = sender.clone();
        let mut cancelled = Box::pin(sender.send(2));
        assert!(poll_once(cancelled.as_mut()).is_pending());
        let t = thread::spawn(move || block_on(other.send(3)));
        assert_eq!(receiver.try_recv(), Ok(1));
        drop(cancelled);
        assert_eq!(t.join().unwrap(), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(3));
    });
}

#[test]
fn loom_ci_a_receiver_does_not_sleep_while_another_moves_the_messages_to_the_front() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        let other = receiver.clone();
        let a = thread::spawn(move || block_on(receiver.recv()).unwrap());
        let b = thread::spawn(move || block_on(other.recv()).unwrap());
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert_eq!(a.join().unwrap() + b.join().unwrap(), 3);
    });
}

#[test]
fn loom_ci_messages_keep_their_order_while_the_buffers_are_exchanged() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        sender.try_send(0).unwrap();
        sender.try_send(1).unwrap();
        let t = thread::spawn(move || {
            sender.try_send(2).unwrap();
            sender.try_send(3).unwrap();
        });
        for number in 0..4 {
            assert_eq!(block_on(receiver.recv()), Ok(number));
        }
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_the_last_sender_ends_the_wait_and_its_message_is_not_lost() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        let other = sender.clone();
        let a = thread::spawn(move || block_on(sender.send(7)).unwrap());
        let b = thread::spawn(move || drop(other));
        assert_eq!(block_on(receiver.recv()), Ok(7));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        a.join().unwrap();
        b.join().unwrap();
    });
}

#[test]
fn loom_ci_a_close_gives_a_waiting_sender_its_value_back() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let other = sender.clone();
        let t = thread::spawn(move || block_on(other.send(2)));
        let w = thread::spawn(move || block_on(sender.closed()));
        assert!(receiver.close());
        assert_eq!(t.join().unwrap(), Err(SendError(2)));
        w.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn loom_ci_what_the_last_receiver_leaves_is_dropped_once_or_given_back() {
    loom::model(|| {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = unbounded();
        sender.try_send(Noted(1, dropped.clone())).unwrap();
        let message = Noted(2, dropped.clone());
        let t = thread::spawn(move || {
            let sent = sender.try_send(message);
            sent.err().map(|error| error.into_inner().0)
        });
        drop(receiver);
        let given_back = t.join().unwrap();
        assert!(matches!(given_back, None | Some(2)));
        let mut dropped = dropped.lock().unwrap();
        dropped.sort_unstable();
        assert_eq!(*dropped, [1, 2]);
    });
}

#[test]
fn loom_ci_an_offer_that_is_cancelled_is_taken_or_dropped_but_not_both() {
    loom::model(|| {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = rendezvous();
        let message = Noted(1, dropped.clone());
        let t = thread::spawn(move || {
            let mut send = Box::pin(sender.send(message));
            let _ = poll_once(send.as_mut());
        });
        let taken = receiver.try_recv();
        t.join().unwrap();
        assert_eq!(dropped.lock().unwrap().len(), usize::from(taken.is_err()));
        drop(taken);
        assert_eq!(*dropped.lock().unwrap(), [1]);
    });
}

#[test]
fn loom_ci_a_rendezvous_meets_twice() {
    loom::model(|| {
        let (sender, receiver) = rendezvous();
        let t = thread::spawn(move || {
            assert_eq!(block_on(sender.send(1)), Ok(()));
            assert_eq!(block_on(sender.send(2)), Ok(()));
        });
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_a_rendezvous_that_meets_a_close_is_delivered_or_given_back() {
    loom::model(|| {
        let (sender, receiver) = rendezvous();
        let other = sender.clone();
        let a = thread::spawn(move || block_on(sender.send(7)));
        let b = thread::spawn(move || block_on(receiver.recv()));
        other.close();
        match (a.join().unwrap(), b.join().unwrap()) {
            (Ok(()), Ok(7)) | (Err(SendError(7)), Err(RecvError)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn loom_ci_a_claimed_receiver_is_woken_by_its_permit_or_by_the_close() {
    loom::model(|| {
        let (sender, receiver) = rendezvous();
        let other = sender.clone();
        let a = thread::spawn(move || {
            let permit = block_on(sender.reserve())?;
            permit.send(7).map_err(|_| SendError(()))
        });
        let b = thread::spawn(move || block_on(receiver.recv()));
        other.close();
        match (a.join().unwrap(), b.join().unwrap()) {
            (Ok(()), Ok(7)) | (Err(SendError(())), Err(RecvError)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn loom_ci_a_reservation_meets_a_receiver() {
    loom::model(|| {
        let (sender, receiver) = rendezvous();
        let t = thread::spawn(move || block_on(receiver.recv()));
        let permit = block_on(sender.reserve()).unwrap();
        assert_eq!(permit.send(7), Ok(()));
        assert_eq!(t.join().unwrap(), Ok(7));
    });
}

#[test]
fn loom_ci_a_weak_sender_keeps_an_open_channel_open_or_gets_nothing() {
    loom::model(|| {
        let (sender, receiver) = unbounded();
        let weak = sender.downgrade();
        let t = thread::spawn(move || drop(sender));
        let upgraded = weak.upgrade();
        let sent = upgraded.as_ref().map(|sender| sender.try_send(7));
        t.join().unwrap();
        assert_eq!(receiver.is_closed(), upgraded.is_none());
        drop(upgraded);
        match sent {
            Some(sent) => assert_eq!((sent, receiver.try_recv()), (Ok(()), Ok(7))),
            None => assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed)),
        }
    });
}

#[test]
fn loom_ci_a_send_polled_once_more_while_it_is_woken_is_sent_once() {
    loom::model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let mut send = pin!(sender.send(2));
        assert!(poll_once(send.as_mut()).is_pending());
        let t = thread::spawn(move || (receiver.try_recv(), receiver));
        let early = poll_once(send.as_mut());
        let (first, receiver) = t.join().unwrap();
        assert_eq!(first, Ok(1));
        if early.is_pending() {
            assert_eq!(block_on(send), Ok(()));
        }
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

/// What a side that goes has done before is seen by whoever learns of the end from the last one of that side.
#[test]
fn loom_ci_the_end_publishes_what_every_sender_did_before_it_went() {
    loom::model(|| {
        let (sender, receiver) = unbounded::<u8>();
        let (last, done) = (sender.clone(), Arc::new(AtomicUsize::new(0)));
        let written = done.clone();
        let first = thread::spawn(move || {
            // ORDERING: Relaxed: published by the end, which is what this model shows.
            written.store(1, Ordering::Relaxed);
            drop(sender);
        });
        let second = thread::spawn(move || drop(last));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        // ORDERING: as above.
        assert_eq!(done.load(Ordering::Relaxed), 1);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn loom_ci_the_end_publishes_what_every_receiver_did_before_it_went() {
    loom::model(|| {
        let (sender, receiver) = unbounded::<u8>();
        let (last, done) = (receiver.clone(), Arc::new(AtomicUsize::new(0)));
        let written = done.clone();
        let first = thread::spawn(move || {
            // ORDERING: Relaxed: published by the end, which is what this model shows.
            written.store(1, Ordering::Relaxed);
            drop(receiver);
        });
        let second = thread::spawn(move || drop(last));
        block_on(sender.closed());
        // ORDERING: as above.
        assert_eq!(done.load(Ordering::Relaxed), 1);
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// A receiver that a permit claims takes what another sender offers meanwhile, whatever comes first.
#[test]
fn loom_ci_a_claimed_receiver_takes_the_offer_of_another_sender() {
    loom::model(|| {
        let (sender, receiver) = rendezvous();
        let claims = sender.clone();
        let offers = thread::spawn(move || block_on(sender.send(7)));
        let receives = thread::spawn(move || block_on(receiver.recv()));
        // Held until the message is through.
        let permit = claims.try_reserve().ok();
        assert_eq!(offers.join().unwrap(), Ok(()));
        assert_eq!(receives.join().unwrap(), Ok(7));
        drop(permit);
    });
}
