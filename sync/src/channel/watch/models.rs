//! Loom models: one per race between the ends.

use super::*;
use crate::primitive::thread;
use crate::wait::block_on;

#[test]
fn loom_ci_a_change_is_seen_or_wakes() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let t = thread::spawn(move || assert!(sender.send(1).is_ok()));
        assert_eq!(block_on(receiver.changed()), Ok(()));
        assert_eq!(*receiver.borrow(), 1);
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_the_drop_of_the_last_sender_ends_the_wait_after_the_last_value() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let t = thread::spawn(move || {
            assert!(sender.send(1).is_ok());
            drop(sender);
        });
        assert_eq!(block_on(receiver.changed()), Ok(()));
        assert_eq!(*receiver.borrow_and_update(), 1);
        assert_eq!(block_on(receiver.changed()), Err(RecvError));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_r30_send_and_the_drop_of_the_last_receiver_agree() {
    loom::model(|| {
        let (sender, receiver) = channel(Arc::new(0));
        let value = Arc::new(1);
        let mine = value.clone();
        let t = thread::spawn(move || drop(receiver));
        let is_sent = sender.send(value).is_ok();
        t.join().unwrap();
        assert!(sender.is_closed());
        assert_eq!(Arc::ptr_eq(&*sender.borrow(), &mine), is_sent);
        drop(sender);
        assert_eq!(Arc::strong_count(&mine), 1);
    });
}

#[test]
fn loom_ci_closed_ends_when_the_last_receiver_goes() {
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let other = receiver.clone();
        let t = thread::spawn(move || drop(receiver));
        drop(other);
        block_on(sender.closed());
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_no_change_is_lost_between_two_who_modify() {
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let other = sender.clone();
        let t = thread::spawn(move || other.send_modify(|count| *count += 1));
        sender.send_modify(|count| *count += 2);
        t.join().unwrap();
        assert_eq!(*receiver.borrow(), 3);
    });
}

#[test]
fn loom_ci_wait_for_sees_the_last_value_before_the_end() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let t = thread::spawn(move || assert!(sender.send(2).is_ok()));
        let found = block_on(receiver.wait_for(|value| *value == 2));
        assert_eq!(found.map(|value| *value), Ok(2));
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_a_look_pairs_value_and_version() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let t = thread::spawn(move || assert!(sender.send(1).is_ok()));
        let first = *receiver.borrow_and_update();
        t.join().unwrap();
        assert_eq!(receiver.has_changed(), first == 0);
    });
}

#[test]
fn loom_ci_a_change_publishes_what_was_written_before() {
    use crate::primitive::atomic::{AtomicBool, Ordering};
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let data = Arc::new(AtomicBool::new(false));
        let written = data.clone();
        let t = thread::spawn(move || {
            // ORDERING: Relaxed: published by the change, which is what this model shows.
            written.store(true, Ordering::Relaxed);
            assert!(sender.send(1).is_ok());
        });
        let theirs = receiver.clone();
        let reader = thread::spawn(move || {
            if theirs.has_changed() {
                // ORDERING: as above.
                assert!(data.load(Ordering::Relaxed));
            }
        });
        reader.join().unwrap();
        t.join().unwrap();
    });
}
