//! A reader-writer lock that is written, or read.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::RwLock;
use lenio_sync::rwlock::{OwnedReadGuard, OwnedWriteGuard, UpgradableGuard, WriteGuard};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const RIGS: &[Make] = &[("rwlock written", written), ("rwlock read", read)];

type Value = (u32, u32);

struct Shared {
    lock: Arc<RwLock<Value>>,
    reads: RefCell<Vec<OwnedReadGuard<Value>>>,
    write: RefCell<Option<OwnedWriteGuard<Value>>>,
}

impl Shared {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            lock: Arc::new(RwLock::new((0, 0))),
            reads: RefCell::default(),
            write: RefCell::default(),
        })
    }

    fn take_write(&self) {
        if let Some(guard) = look(self.lock.clone().write_owned()) {
            let old = self.write.replace(Some(guard));
            assert!(
                old.is_none() && self.reads.borrow().is_empty(),
                "two held it"
            );
        }
    }

    fn take_read(&self) {
        if let Some(guard) = look(self.lock.clone().read_owned()) {
            self.reads.borrow_mut().push(guard);
            assert!(self.write.borrow().is_none(), "two held it");
        }
    }

    fn release(&self) {
        let (write, reads) = (self.write.take(), self.reads.take());
        drop(write);
        drop(reads);
    }

    fn downgrade(&self) {
        let write = self.write.take();
        if let Some(write) = write {
            let read = OwnedWriteGuard::downgrade(write);
            self.reads.borrow_mut().push(read);
        }
    }

    fn check(&self) {
        self.release();
        {
            let first = self.lock.try_read().expect("nobody writes");
            let second = self
                .lock
                .try_upgradable_read()
                .expect("nobody has the right");
            assert!(self.lock.try_upgradable_read().is_err());
            assert!(look(self.lock.write()).is_none());
            drop(first);
            let write = UpgradableGuard::try_upgrade(second).expect("alone");
            assert!(look(self.lock.read()).is_none());
            drop(write);
        }
        let mut write = look(self.lock.write()).expect("nobody is left");
        use_up(&mut write);
    }
}

/// Uses the value in a way that shows who was in there at the same time.
fn use_up(value: &mut Value) {
    assert_eq!(value.0, value.1);
    value.0 += 1;
    value.1 += 1;
}

fn rig(shared: &Rc<Shared>) -> Rig {
    let (server, checked) = (shared.clone(), shared.clone());
    let serve = move || {
        server.release();
        server.take_read();
        server.release();
    };
    Rig::new(serve, move || checked.check())
        .wait(
            "write",
            shared,
            |s| s.lock.write(),
            |_, mut guard| use_up(&mut guard),
        )
        .wait_in_a_block(
            "write_owned",
            shared,
            |s| s.lock.clone().write_owned(),
            |_, mut guard| use_up(&mut guard),
        )
        .operation("take to write", shared, Shared::take_write)
        .operation("take to read", shared, Shared::take_read)
        .operation("release", shared, Shared::release)
        .operation("release by a panic", shared, |s| {
            by_a_panic((s.write.take(), s.reads.take()));
        })
        .operation("downgrade", shared, Shared::downgrade)
        .operation("upgrade, downgrade", shared, |s| {
            if let Ok(guard) = s.lock.try_upgradable_read() {
                match UpgradableGuard::try_upgrade(guard) {
                    Ok(write) => drop(WriteGuard::downgrade(write)),
                    Err(guard) => drop(UpgradableGuard::downgrade(guard)),
                }
            }
        })
        .operation("wait and leave", shared, |s| {
            let _ = look(s.lock.write());
            let _ = look(s.lock.read());
            let _ = look(s.lock.upgradable_read());
        })
        .operation("debug", shared, |s| {
            let _ = format!("{:?} {:?} {:?}", s.lock, s.lock.read(), s.lock.write());
        })
}

fn written() -> Rig {
    let shared = Shared::new();
    shared.take_write();
    rig(&shared)
        .wait(
            "read",
            &shared,
            |s| s.lock.read(),
            |_, guard| assert_eq!(guard.0, guard.1),
        )
        .wait_in_a_block(
            "upgrade",
            &shared,
            |s| async {
                let guard = s.lock.upgradable_read().await;
                UpgradableGuard::upgrade(guard).await
            },
            |_, mut guard| use_up(&mut guard),
        )
}

fn read() -> Rig {
    let shared = Shared::new();
    shared.take_read();
    rig(&shared).wait_in_a_block(
        "upgrade",
        &shared,
        |s| async {
            let guard = s.lock.upgradable_read().await;
            UpgradableGuard::upgrade(guard).await
        },
        |_, mut guard| use_up(&mut guard),
    )
}
