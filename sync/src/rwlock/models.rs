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

    fn look(&self) -> u32 {
        self.0.with(|value| {
            // SAFETY: `&self`; loom reports it if somebody writes meanwhile.
            unsafe { *value }
        })
    }
}

fn locked() -> Arc<RwLock<Value>> {
    Arc::new(RwLock::new(Value(Tracked::new(0))))
}

#[test]
fn loom_ci_readers_and_a_writer_exclude_each_other() {
    loom::model(|| {
        let lock = locked();
        let (reader, writer) = (lock.clone(), lock.clone());
        let r = thread::spawn(move || block_on(reader.read()).look());
        let w = thread::spawn(move || block_on(writer.write()).add_one());
        let seen = block_on(lock.read()).look();
        assert!(seen <= 1 && r.join().unwrap() <= 1);
        w.join().unwrap();
        assert_eq!(block_on(lock.read()).look(), 1);
    });
}

#[test]
fn loom_ci_a_reader_behind_a_cancelled_writer_gets_in() {
    loom::model(|| {
        let lock = locked();
        let other = lock.clone();
        let guard = lock.try_write().ok();
        let mut cancelled = Box::pin(lock.write());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(cancelled.as_mut().poll(cx).is_pending());
        let t = thread::spawn(move || block_on(other.read()).look());
        drop(guard);
        drop(cancelled);
        assert_eq!(t.join().unwrap(), 0);
        assert!(lock.try_write().is_ok());
    });
}

#[test]
fn loom_ci_an_upgrade_lets_no_writer_in_between() {
    loom::model(|| {
        let lock = locked();
        let other = lock.clone();
        let t = thread::spawn(move || block_on(other.write()).add_one());
        block_on(async {
            let guard = lock.upgradable_read().await;
            let before = guard.look();
            let mut guard = UpgradableGuard::upgrade(guard).await;
            assert_eq!(guard.look(), before);
            guard.add_one();
        });
        t.join().unwrap();
        assert_eq!(block_on(lock.read()).look(), 2);
    });
}
