#![expect(
    unsafe_code,
    reason = "a value whose accesses loom checks has to be accessed through pointers"
)]
use super::*;
use crate::primitive::{UnsafeCell as Tracked, thread};
use crate::wait::block_on;
use std::task::Waker;

/// A value whose accesses loom checks.
struct Value(Tracked<u32>);

impl Value {
    fn add_one(&mut self) {
        self.0.with_mut(|value| {
            // SAFETY: `&mut self`; loom reports it if that is not true.
            unsafe { *value += 1 };
        });
    }
}

fn locked() -> Arc<Lock<Value>> {
    Arc::new(Lock::new(Value(Tracked::new(0))))
}

fn sum(lock: Arc<Lock<Value>>) -> u32 {
    Arc::into_inner(lock)
        .expect("the others are done")
        .into_inner()
        .0
        .into_inner()
}

#[test]
fn loom_ci_hand_off_two_tasks_exclude_each_other() {
    loom::model(|| {
        let lock = locked();
        let other = lock.clone();
        let t = thread::spawn(move || {
            for _ in 0..2 {
                block_on(other.lock()).add_one();
            }
        });
        block_on(lock.lock()).add_one();
        t.join().unwrap();
        assert_eq!(sum(lock), 3);
    });
}

#[test]
fn loom_ci_three_tasks_all_get_the_lock() {
    loom::model(|| {
        let lock = locked();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || block_on(lock.lock()).add_one())
            })
            .collect();
        block_on(lock.lock()).add_one();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(sum(lock), 3);
    });
}

#[test]
fn loom_ci_a_cancelled_waiter_leaves_the_lock_to_the_next() {
    loom::model(|| {
        let lock = locked();
        let guard = lock.try_lock().ok();
        let mut cancelled = Box::pin(lock.lock());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(cancelled.as_mut().poll(cx).is_pending());
        let other = lock.clone();
        let t = thread::spawn(move || block_on(other.lock()).add_one());
        drop(guard);
        drop(cancelled);
        t.join().unwrap();
        assert_eq!(sum(lock), 1);
    });
}

#[test]
fn loom_ci_try_lock_sees_what_the_last_holder_wrote() {
    loom::model(|| {
        let lock = locked();
        let other = lock.clone();
        let t = thread::spawn(move || {
            if let Ok(mut value) = other.try_lock() {
                value.add_one();
            }
        });
        if let Ok(mut value) = lock.try_lock() {
            value.add_one();
        }
        t.join().unwrap();
        assert!(sum(lock) >= 1);
    });
}
