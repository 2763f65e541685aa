use super::*;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::thread;
use crate::wait::block_on;
use std::task::Waker;

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn loom_ci_a_release_wakes_the_waiter_that_enlists_meanwhile() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = semaphore.clone();
        let t = thread::spawn(move || other.add_permits(1));
        let permit = block_on(semaphore.acquire(1)).unwrap();
        drop(permit);
        t.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn loom_ci_r19_cancel_head_while_it_is_served() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let (first, second) = (semaphore.clone(), semaphore.clone());
        let mut head = Box::pin(first.acquire(1));
        assert!(poll_once(head.as_mut()).is_pending());
        let t = thread::spawn(move || drop(block_on(second.acquire(1)).unwrap()));
        let releaser = semaphore.clone();
        let r = thread::spawn(move || releaser.add_permits(1));
        drop(head);
        t.join().unwrap();
        r.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn loom_ci_a_cancelled_head_that_needed_more_lets_the_next_through() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let (first, second) = (semaphore.clone(), semaphore.clone());
        let mut head = Box::pin(first.acquire(3));
        assert!(poll_once(head.as_mut()).is_pending());
        let t = thread::spawn(move || drop(block_on(second.acquire(2)).unwrap()));
        let releaser = semaphore.clone();
        let r = thread::spawn(move || releaser.add_permits(1));
        drop(head);
        t.join().unwrap();
        r.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// Two wait for one permit each, and `release` gives two.
fn two_waiters_are_served_by(release: fn(&Semaphore)) {
    loom::model(move || {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let semaphore = semaphore.clone();
                thread::spawn(move || block_on(semaphore.acquire(1)).unwrap().forget())
            })
            .collect();
        release(&semaphore);
        for thread in waiting {
            thread.join().unwrap();
        }
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn loom_ci_two_releases_serve_two_waiters() {
    two_waiters_are_served_by(|semaphore| {
        semaphore.add_permits(1);
        semaphore.add_permits(1);
    });
}

#[test]
fn loom_ci_one_release_of_two_serves_two_waiters() {
    two_waiters_are_served_by(|semaphore| semaphore.add_permits(2));
}

#[test]
fn loom_ci_a_close_reaches_the_waiter_that_enlists_meanwhile() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = semaphore.clone();
        let t = thread::spawn(move || assert!(other.close()));
        assert!(block_on(semaphore.acquire(1)).is_err());
        t.join().unwrap();
    });
}

/// One writes and closes; whoever learns of the end, by `learns`, sees what was written.
fn the_end_publishes(learns: fn(&Semaphore) -> bool) {
    loom::model(move || {
        let shared = Arc::new((Semaphore::new(0), AtomicUsize::new(0)));
        let other = shared.clone();
        let t = thread::spawn(move || {
            // ORDERING: Relaxed: the close is what publishes it.
            other.1.store(1, Ordering::Relaxed);
            other.0.close();
        });
        if learns(&shared.0) {
            // ORDERING: as above.
            assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        }
        t.join().unwrap();
    });
}

#[test]
fn loom_ci_whoever_asks_and_sees_the_end_sees_what_came_before() {
    the_end_publishes(Semaphore::is_closed);
}

#[test]
fn loom_ci_whoever_tries_and_is_refused_by_the_end_sees_what_came_before() {
    the_end_publishes(|semaphore| semaphore.try_acquire(1).err() == Some(TryAcquireError::Closed));
}

#[test]
fn loom_ci_whoever_waits_and_is_refused_by_the_end_sees_what_came_before() {
    the_end_publishes(|semaphore| block_on(semaphore.acquire(1)).is_err());
}

/// Counts its wakes, without being a part of the model.
#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Between the two looks of a waiter that was woken comes a release that relies on it. What it leaves is for the next one.
#[test]
fn loom_ci_what_a_waiter_leaves_that_was_refused_at_first_goes_to_the_next_one() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let [first, second] = counts.clone().map(Waker::from);
        let mut head = Box::pin(semaphore.clone().acquire_owned(1));
        let mut next = Box::pin(semaphore.acquire(1));
        let polled = head.as_mut().poll(&mut Context::from_waker(&first));
        assert!(polled.is_pending());
        let polled = next.as_mut().poll(&mut Context::from_waker(&second));
        assert!(polled.is_pending());
        semaphore.add_permits(1);
        assert_eq!(counts[0].take(), 1);
        let other = semaphore.clone();
        let barger = thread::spawn(move || {
            if let Ok(permit) = other.try_acquire(1) {
                permit.forget();
            }
            other.add_permits(2);
        });
        let woken = thread::spawn(move || {
            let polled = head.as_mut().poll(&mut Context::from_waker(&first));
            let polled = polled.map(|permit| permit.unwrap().forget());
            // Kept, so that nobody takes its place.
            (polled.is_pending(), head)
        });
        barger.join().unwrap();
        let (waits, head) = woken.join().unwrap();
        let somebody_looks = counts[1].take() > 0 || (waits && counts[0].take() > 0);
        assert!(somebody_looks || semaphore.available_permits() == 0);
        drop((head, next));
    });
}
