//! The lock: one at a time, and it is free in the end.

use super::harness::explore::Scenario;
use super::harness::stage::{Stage, pause};
use lenio_sync::Lock;
use lenio_sync::lock::{LockGuard, OwnedLockGuard};
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "lock-lock",
        build: lock,
    },
    Scenario {
        name: "lock-owned",
        build: owned,
    },
    Scenario {
        name: "lock-barging",
        build: barging,
    },
];

/// Whether somebody is inside, and how often somebody was.
type Room = (bool, usize);

/// Is inside for a while; also gone when dropped in there.
async fn stay(room: impl DerefMut<Target = Room>, turns: usize) {
    struct Inside<R: DerefMut<Target = Room>>(R);
    impl<R: DerefMut<Target = Room>> Drop for Inside<R> {
        fn drop(&mut self) {
            self.0.0 = false;
        }
    }
    let mut room = Inside(room);
    assert!(!room.0.0, "two are inside");
    room.0.0 = true;
    room.0.1 += 1;
    pause(turns).await;
}

fn lock(stage: &mut Stage) {
    let lock = Rc::new(Lock::new((false, 0)));
    for _ in 0..4 {
        let lock = lock.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor("user", async move {
            for _ in 0..2 {
                pause(before).await;
                stay(lock.lock().await, inside).await;
            }
        });
    }
    stage.at_end(move |_| {
        let room = lock.try_lock().expect("nobody is left");
        assert!(!room.0);
    });
}

/// Owned guards, and guards of a part.
fn owned(stage: &mut Stage) {
    let lock = Arc::new(Lock::new(((false, 0), ())));
    for borrows in [true, false, true, false] {
        let lock = lock.clone();
        let inside = stage.random().below(3);
        stage.actor("user", async move {
            if borrows {
                let guard = lock.lock().await;
                stay(LockGuard::map(guard, |value| &mut value.0), inside).await;
            } else {
                let guard = lock.lock_owned().await;
                stay(OwnedLockGuard::map(guard, |value| &mut value.0), inside).await;
            }
        });
    }
    stage.at_end(move |_| {
        let room = lock.clone().try_lock_owned().expect("nobody is left");
        assert!(!room.0.0);
    });
}

/// One takes the lock again and again as soon as it can, until the waiters are held back no more.
fn barging(stage: &mut Stage) {
    let lock = Rc::new(Lock::new((false, 0)));
    for _ in 0..2 {
        let lock = lock.clone();
        let inside = stage.random().below(2);
        stage.actor("user", async move {
            pause(inside).await;
            stay(lock.lock().await, inside).await;
        });
    }
    let barger = lock.clone();
    stage.actor("barger", async move {
        for _ in 0..20 {
            stay(barger.lock().await, 1).await;
        }
    });
    stage.at_end(move |_| assert!(!lock.is_locked()));
}
