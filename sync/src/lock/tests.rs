use super::*;
use crate::semaphore::word::PATIENCE;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Waker;

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_panic_while_the_lock_is_held_unlocks_it() {
    let lock = Arc::new(Lock::new(1));
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _guard = lock.try_lock().expect("free");
        panic!("while the lock is held");
    }));
    assert!(result.is_err());
    assert!(lock.try_lock().is_ok());
    let result = catch_unwind(AssertUnwindSafe(|| {
        let guard = lock.try_lock().expect("free");
        let _ = LockGuard::map(guard, |_| -> &mut i32 {
            panic!("while the part is chosen")
        });
    }));
    assert!(result.is_err());
    let result = catch_unwind(AssertUnwindSafe(|| {
        let guard = lock.clone().try_lock_owned().expect("free");
        let _ = OwnedLockGuard::map(guard, |_| -> &mut i32 {
            panic!("while the part is chosen")
        });
    }));
    assert!(result.is_err());
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_narrowed_guard_unlocks_once() {
    let lock = Arc::new(Lock::new((1, 2)));
    let first = LockGuard::map(lock.try_lock().expect("free"), |pair| &mut pair.0);
    assert!(lock.is_locked());
    drop(first);
    assert!(!lock.is_locked());
    let missing = LockGuard::try_map(lock.try_lock().expect("free"), |_| None::<&mut i32>);
    assert!(lock.is_locked(), "the guard came back");
    drop(missing);
    let owned = OwnedLockGuard::map(lock.clone().try_lock_owned().expect("free"), |pair| {
        &mut pair.1
    });
    assert!(lock.is_locked());
    drop(owned);
    let guard = lock.try_lock().expect("free");
    assert!(lock.try_lock().is_err(), "one unlock for one lock");
    drop(guard);
}

#[test]
fn the_lock_may_protect_an_unsized_value() {
    let lock: Arc<Lock<[u8]>> = Arc::new(Lock::new([1, 2, 3]));
    lock.try_lock().expect("free").reverse();
    assert_eq!(*lock.try_lock().expect("free"), [3, 2, 1]);
    let lock: Box<Lock<dyn Send>> = Box::new(Lock::new(7));
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_future_that_nobody_polls_does_not_hold_the_lock() {
    let lock = Lock::new(());
    let guard = lock.try_lock().expect("free");
    let mut unpolled = pin!(lock.lock());
    assert!(poll_once(unpolled.as_mut()).is_pending());
    drop(guard);
    assert!(poll_once(pin!(lock.lock())).is_ready());
}

#[test]
fn a_waiter_gets_the_lock_after_at_most_patience_losses() {
    let lock = Lock::new(());
    let mut guard = lock.try_lock().ok();
    let mut waiting = pin!(lock.lock());
    assert!(poll_once(waiting.as_mut()).is_pending());
    for _ in 0..PATIENCE {
        drop(guard.take());
        let Poll::Ready(next) = poll_once(pin!(lock.lock())) else {
            panic!("nobody is held back yet");
        };
        guard = Some(next);
        assert!(poll_once(waiting.as_mut()).is_pending());
    }
    drop(guard);
    assert!(
        poll_once(pin!(lock.lock())).is_pending(),
        "now it has the right of way"
    );
    assert!(poll_once(waiting).is_ready());
}

#[test]
fn eight_threads_count_without_losing_any() {
    let lock = Lock::new(0_u64);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    *lock.lock_blocking() += 1;
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), 80_000);
}
