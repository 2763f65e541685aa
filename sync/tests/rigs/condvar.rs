//! A condvar that nobody has notified, and its lock, which is free.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::lock::OwnedLockGuard;
use lenio_sync::{Condvar, Lock};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const RIGS: &[Make] = &[("condvar", quiet)];

struct Shared {
    lock: Arc<Lock<u32>>,
    condvar: Condvar,
    held: RefCell<Option<OwnedLockGuard<u32>>>,
}

impl Shared {
    fn take(&self) {
        if let Ok(guard) = self.lock.clone().try_lock_owned() {
            let old = self.held.replace(Some(guard));
            assert!(old.is_none(), "two held it");
        }
    }

    fn release(&self) {
        let held = self.held.take();
        drop(held);
    }
}

fn quiet() -> Rig {
    let shared = Rc::new(Shared {
        lock: Arc::new(Lock::new(0)),
        condvar: Condvar::new(),
        held: RefCell::default(),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let serve = move || {
        server.release();
        server.condvar.notify_one();
    };
    let check = move || {
        checked.release();
        assert!(!checked.lock.is_locked(), "a waiter that is gone holds it");
        assert!(!checked.condvar.notify_one(), "a waiter that is gone waits");
        let guard = checked.lock.try_lock().expect("it is free");
        let mut wait = Box::pin(checked.condvar.wait(guard));
        assert!(look(wait.as_mut()).is_none());
        assert!(checked.condvar.notify_one());
        assert!(look(wait).is_some());
    };
    // Each takes the lock when it is polled first, so that several can be made while nobody holds it.
    Rig::new(serve, check)
        .wait_in_a_block(
            "wait",
            &shared,
            |s| async { s.condvar.wait(s.lock.lock().await).await },
            |_, mut guard| *guard += 1,
        )
        .wait_in_a_block(
            "wait_while",
            &shared,
            |s| async {
                let guard = s.lock.lock().await;
                let mut looks = 0;
                let first_time = |_: &mut u32| {
                    looks += 1;
                    looks == 1
                };
                s.condvar.wait_while(guard, first_time).await
            },
            |_, mut guard| *guard += 1,
        )
        .operation("notify_one", &shared, |s| {
            s.condvar.notify_one();
        })
        .operation("notify_all", &shared, |s| {
            s.condvar.notify_all();
        })
        .operation("notify_all by a panic", &shared, |s| {
            struct Notifies<'s>(&'s Condvar);
            impl Drop for Notifies<'_> {
                fn drop(&mut self) {
                    self.0.notify_all();
                }
            }
            by_a_panic(Notifies(&s.condvar));
        })
        .operation("take the lock", &shared, Shared::take)
        .operation("release the lock", &shared, Shared::release)
        .operation("release the lock by a panic", &shared, |s| {
            by_a_panic(s.held.take())
        })
        .operation("wait and leave", &shared, |s| {
            if let Ok(guard) = s.lock.try_lock() {
                let _ = look(s.condvar.wait(guard));
            }
        })
        .operation("notify a wait and leave", &shared, |s| {
            let Ok(guard) = s.lock.try_lock() else {
                return;
            };
            let mut wait = Box::pin(s.condvar.wait(guard));
            let _ = look(wait.as_mut());
            s.condvar.notify_all();
            drop(wait);
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.condvar, s.lock);
        })
}
