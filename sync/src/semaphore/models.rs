use super::*;
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

#[test]
fn loom_ci_two_releases_serve_two_waiters() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let semaphore = semaphore.clone();
                thread::spawn(move || block_on(semaphore.acquire(1)).unwrap().forget())
            })
            .collect();
        semaphore.add_permits(1);
        semaphore.add_permits(1);
        for thread in waiting {
            thread.join().unwrap();
        }
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn loom_ci_one_release_of_two_serves_two_waiters() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let semaphore = semaphore.clone();
                thread::spawn(move || block_on(semaphore.acquire(1)).unwrap().forget())
            })
            .collect();
        semaphore.add_permits(2);
        for thread in waiting {
            thread.join().unwrap();
        }
        assert_eq!(semaphore.available_permits(), 0);
    });
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
