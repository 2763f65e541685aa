//! The reader-writer lock: readers together, writers alone, and it is free in the end.

use super::harness::explore::Scenario;
use super::harness::stage::{Stage, pause};
use lenio_sync::RwLock;
use lenio_sync::rwlock::{OwnedWriteGuard, UpgradableGuard, WriteGuard};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "rwlock-read-write",
        build: read_write,
    },
    Scenario {
        name: "rwlock-owned",
        build: owned,
    },
    Scenario {
        name: "rwlock-upgrade",
        build: upgrade,
    },
];

/// Who is inside: so many readers, or -1 for a writer.
#[derive(Default)]
struct Inside(Cell<i32>);

struct Visit<'i>(&'i Inside, i32);

impl Inside {
    fn read(&self) -> Visit<'_> {
        assert!(self.0.get() >= 0, "a writer is inside");
        self.0.set(self.0.get() + 1);
        Visit(self, 1)
    }

    fn write(&self) -> Visit<'_> {
        assert_eq!(self.0.get(), 0, "somebody is inside");
        self.0.set(-1);
        Visit(self, -1)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - self.1);
    }
}

fn read_write(stage: &mut Stage) {
    let shared = Rc::new((RwLock::new(()), Inside::default()));
    for writes in [true, true, false, false] {
        let shared = shared.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        let downgrades = stage.random().one_in(2);
        stage.actor(if writes { "writer" } else { "reader" }, async move {
            for _ in 0..2 {
                pause(before).await;
                if !writes {
                    let _guard = shared.0.read().await;
                    let _visit = shared.1.read();
                    pause(inside).await;
                    continue;
                }
                let guard = shared.0.write().await;
                let visit = shared.1.write();
                pause(inside).await;
                drop(visit);
                if downgrades {
                    let _guard = WriteGuard::downgrade(guard);
                    let _visit = shared.1.read();
                    pause(inside).await;
                }
            }
        });
    }
    stage.at_end(move |_| assert!(shared.0.try_write().is_ok()));
}

fn owned(stage: &mut Stage) {
    let lock = Arc::new(RwLock::new(()));
    let shared = Rc::new(Inside::default());
    for writes in [true, true, false, false] {
        let (lock, shared) = (lock.clone(), shared.clone());
        let inside = stage.random().below(3);
        stage.actor(if writes { "writer" } else { "reader" }, async move {
            if !writes {
                let _guard = lock.read_owned().await;
                let _visit = shared.read();
                pause(inside).await;
                return;
            }
            let guard = lock.write_owned().await;
            let visit = shared.write();
            pause(inside).await;
            drop(visit);
            let _guard = OwnedWriteGuard::downgrade(guard);
            let _visit = shared.read();
            pause(inside).await;
        });
    }
    stage.at_end(move |_| assert!(lock.try_write().is_ok()));
}

/// Readers that become writers, beside others.
fn upgrade(stage: &mut Stage) {
    let shared = Rc::new((RwLock::new(()), Inside::default()));
    for kind in ["upgrader", "upgrader", "writer", "reader"] {
        let shared = shared.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor(kind, async move {
            pause(before).await;
            match kind {
                "writer" => {
                    let _guard = shared.0.write().await;
                    let _visit = shared.1.write();
                    pause(inside).await;
                }
                "reader" => {
                    let _guard = shared.0.read().await;
                    let _visit = shared.1.read();
                    pause(inside).await;
                }
                _ => {
                    let guard = shared.0.upgradable_read().await;
                    let visit = shared.1.read();
                    pause(inside).await;
                    drop(visit);
                    let guard = UpgradableGuard::upgrade(guard).await;
                    let visit = shared.1.write();
                    pause(inside).await;
                    drop(visit);
                    drop(guard);
                }
            }
        });
    }
    stage.at_end(move |_| {
        drop(shared.0.try_upgradable_read().expect("nobody is left"));
        assert!(shared.0.try_write().is_ok());
    });
}
