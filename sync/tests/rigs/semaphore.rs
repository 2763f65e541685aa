//! A semaphore whose permits are all held.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::Semaphore;
use lenio_sync::semaphore::OwnedPermit;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const RIGS: &[Make] = &[("semaphore", held), ("semaphore that closes", closing)];

const PERMITS: usize = 3;

struct Shared {
    semaphore: Arc<Semaphore>,
    held: RefCell<Vec<OwnedPermit>>,
}

impl Shared {
    fn new() -> Rc<Self> {
        let semaphore = Arc::new(Semaphore::new(PERMITS));
        let all = semaphore.clone().try_acquire_owned(PERMITS);
        Rc::new(Self {
            semaphore,
            held: RefCell::new(vec![all.expect("nobody holds any")]),
        })
    }

    /// Takes some, if they are there.
    fn take(&self, count: usize) {
        if let Ok(permit) = self.semaphore.clone().try_acquire_owned(count) {
            self.held.borrow_mut().push(permit);
        }
    }

    fn release(&self) {
        // Not while it is borrowed: that wakes.
        let held = self.held.take();
        drop(held);
    }

    fn release_one(&self) {
        let one = self
            .held
            .borrow_mut()
            .last_mut()
            .and_then(|held| held.split(1));
        drop(one);
    }
}

fn rig(shared: &Rc<Shared>, check: impl Fn() + 'static) -> Rig {
    let server = shared.clone();
    let serve = move || {
        server.take(1);
        server.release();
    };
    Rig::new(serve, check)
        .wait(
            "acquire(1)",
            shared,
            |s| s.semaphore.acquire(1),
            |_, permit| drop(permit),
        )
        .wait(
            "acquire(2)",
            shared,
            |s| s.semaphore.acquire(2),
            |_, permit| drop(permit),
        )
        .wait_in_a_block(
            "acquire_owned(3)",
            shared,
            |s| s.semaphore.clone().acquire_owned(3),
            |_, permit| drop(permit),
        )
        .operation("take 1", shared, |s| s.take(1))
        .operation("take 2", shared, |s| s.take(2))
        .operation("release", shared, Shared::release)
        .operation("release one", shared, Shared::release_one)
        .operation("release by a panic", shared, |s| by_a_panic(s.held.take()))
        .operation("wait and leave", shared, |s| {
            let _ = look(s.semaphore.acquire(1));
        })
        .operation("debug", shared, |s| {
            let _ = format!(
                "{:?} {:?} {:?}",
                s.semaphore,
                s.held,
                s.semaphore.acquire(1)
            );
        })
}

fn held() -> Rig {
    let shared = Shared::new();
    let checked = shared.clone();
    let check = move || {
        checked.release();
        assert_eq!(checked.semaphore.available_permits(), PERMITS);
        checked.take(PERMITS);
        assert!(look(checked.semaphore.acquire(1)).is_none());
        checked.release();
        assert!(look(checked.semaphore.acquire(PERMITS)).is_some());
    };
    rig(&shared, check)
}

fn closing() -> Rig {
    let shared = Shared::new();
    let checked = shared.clone();
    let check = move || {
        checked.semaphore.close();
        assert!(look(checked.semaphore.acquire(1)).is_some_and(|permit| permit.is_err()));
        checked.release();
        assert_eq!(checked.semaphore.available_permits(), PERMITS);
    };
    rig(&shared, check).operation("close", &shared, |s| {
        s.semaphore.close();
    })
}
