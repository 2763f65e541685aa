//! A cell, and a lazy value, that are being made by somebody.

use super::{Make, Rig, Wait, by_a_panic, look};
use lenio_sync::OnceCell;
use lenio_sync::once::{BoxedFuture, Lazy};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

pub(super) const RIGS: &[Make] = &[("once", making), ("lazy", driven)];

struct Shared {
    cell: Rc<OnceCell<u32>>,
    /// Somebody who makes the value and never comes to an end.
    maker: RefCell<Option<Wait>>,
    made: Cell<u32>,
}

impl Shared {
    fn leave(&self) {
        let maker = self.maker.take();
        drop(maker);
    }

    fn make(&self) {
        self.made.set(self.made.get() + 1);
        let _ = look(self.cell.get_or_init(|| ready(7)));
    }
}

fn making() -> Rig {
    let cell = Rc::new(OnceCell::new());
    let maker = Rig::new(|| (), || ()).wait(
        "maker",
        &cell,
        |cell| cell.get_or_init(pending),
        |_, _| unreachable!("it never ends"),
    );
    let mut maker: Wait = (maker.waits[0].1)();
    assert!(look(Pin::as_mut(&mut maker)).is_none());
    let shared = Rc::new(Shared {
        cell,
        maker: RefCell::new(Some(maker)),
        made: Cell::new(0),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let serve = move || {
        server.leave();
        server.make();
    };
    let check = move || {
        checked.leave();
        checked.make();
        assert_eq!(checked.cell.get(), Some(&7));
        assert_eq!(look(checked.cell.wait()), Some(&7));
    };
    Rig::new(serve, check)
        .wait(
            "get_or_init",
            &shared,
            |s| s.cell.get_or_init(|| ready(7)),
            |_, _| (),
        )
        .wait(
            "get_or_try_init",
            &shared,
            |s| s.cell.get_or_try_init(|| ready(Err::<u32, ()>(()))),
            |_, _| (),
        )
        .wait("wait", &shared, |s| s.cell.wait(), |_, _| ())
        .operation("the maker goes", &shared, Shared::leave)
        .operation("the maker goes by a panic", &shared, |s| {
            by_a_panic(s.maker.take())
        })
        .operation("make", &shared, Shared::make)
        .operation("set", &shared, |s| {
            let _ = s.cell.set(7);
        })
        .operation("try in vain", &shared, |s| {
            let _ = look(s.cell.get_or_try_init(|| ready(Err::<u32, ()>(()))));
        })
        .operation("wait and leave", &shared, |s| {
            let _ = look(s.cell.wait());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?}", s.cell, s.cell.wait());
        })
}

type Made = Lazy<u32, Box<dyn FnOnce() -> BoxedFuture<u32>>>;

struct Driven {
    lazy: Rc<Made>,
    /// Somebody who drives the stored future.
    driver: RefCell<Option<Wait>>,
    /// Whether that future is ready at its next poll. It wakes nobody: whoever drives has to have been told to.
    is_due: Arc<AtomicBool>,
}

impl Driven {
    /// The driver goes, and the next one will find the value made.
    fn leave(&self) {
        self.is_due.store(true, Ordering::Relaxed);
        let driver = self.driver.take();
        drop(driver);
    }
}

fn driven() -> Rig {
    let is_due = Arc::new(AtomicBool::new(false));
    let asked = is_due.clone();
    let init = move || -> BoxedFuture<u32> {
        Box::pin(poll_fn(move |_| match asked.load(Ordering::Relaxed) {
            true => Poll::Ready(7),
            false => Poll::Pending,
        }))
    };
    let lazy: Rc<Made> = Rc::new(Lazy::new(Box::new(init)));
    let driver = Rig::new(|| (), || ()).wait(
        "driver",
        &lazy,
        |lazy| lazy.force(),
        |_, _| unreachable!("it is dropped before"),
    );
    let mut driver: Wait = (driver.waits[0].1)();
    assert!(look(Pin::as_mut(&mut driver)).is_none());
    let shared = Rc::new(Driven {
        lazy,
        driver: RefCell::new(Some(driver)),
        is_due,
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        checked.leave();
        assert_eq!(look(checked.lazy.force()), Some(&7));
        assert_eq!(checked.lazy.get(), Some(&7));
    };
    Rig::new(move || server.leave(), check)
        .wait("force", &shared, |s| s.lazy.force(), |_, _| ())
        .operation("the driver goes", &shared, Driven::leave)
        .operation("the driver goes by a panic", &shared, |s| {
            s.is_due.store(true, Ordering::Relaxed);
            by_a_panic(s.driver.take());
        })
        .operation("force and leave", &shared, |s| {
            let _ = look(s.lazy.force());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?} {:?}", s.lazy, s.lazy.force(), s.lazy.get());
        })
}
