//! A lock that is held.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::Lock;
use lenio_sync::lock::{LockGuard, OwnedLockGuard};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const RIGS: &[Make] = &[("lock", held)];

struct Shared {
    lock: Arc<Lock<(u32, u32)>>,
    held: RefCell<Option<OwnedLockGuard<(u32, u32)>>>,
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

/// Uses the value in a way that shows who was in there at the same time.
fn use_up(value: &mut (u32, u32)) {
    assert_eq!(value.0, value.1);
    value.0 += 1;
    value.1 += 1;
}

fn held() -> Rig {
    let lock = Arc::new(Lock::new((0, 0)));
    let guard = lock.clone().try_lock_owned().expect("nobody holds it");
    let shared = Rc::new(Shared {
        lock,
        held: RefCell::new(Some(guard)),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let serve = move || {
        server.take();
        server.release();
    };
    let check = move || {
        checked.release();
        assert!(!checked.lock.is_locked());
        checked.take();
        assert!(look(checked.lock.lock()).is_none());
        checked.release();
        let mut guard = look(checked.lock.lock()).expect("it is free");
        use_up(&mut guard);
    };
    Rig::new(serve, check)
        .wait(
            "lock",
            &shared,
            |s| s.lock.lock(),
            |_, mut guard| use_up(&mut guard),
        )
        .wait_in_a_block(
            "lock_owned",
            &shared,
            |s| s.lock.clone().lock_owned(),
            |_, mut guard| use_up(&mut guard),
        )
        .operation("take", &shared, Shared::take)
        .operation("release", &shared, Shared::release)
        .operation("release by a panic", &shared, |s| by_a_panic(s.held.take()))
        .operation("try_lock", &shared, |s| {
            if let Ok(mut guard) = s.lock.try_lock() {
                use_up(&mut guard);
            }
        })
        .operation("map and release", &shared, |s| {
            if let Ok(guard) = s.lock.try_lock() {
                drop(LockGuard::map(guard, |value| &mut value.0));
            }
            if let Some(guard) = s.held.take() {
                drop(OwnedLockGuard::map(guard, |value| &mut value.1));
            }
        })
        .operation("wait and leave", &shared, |s| {
            let _ = look(s.lock.lock());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.lock, s.lock.lock());
        })
}
