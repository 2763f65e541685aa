//! A tree that is not stopped: a source, one below it, and a token of that.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::stop::{Callback, StopKind, StopReason, StopSource, StopToken};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const RIGS: &[Make] = &[("stop", running)];

struct Shared {
    top: StopSource,
    below: StopSource,
    token: StopToken,
    callbacks: RefCell<Vec<Callback>>,
    registered: Cell<usize>,
    taken_back: Cell<usize>,
    called: Arc<AtomicUsize>,
}

impl Shared {
    fn stop(&self) {
        self.top.stop(StopReason::new(StopKind::Shutdown));
    }

    fn take_back(&self) {
        let callback = self.callbacks.borrow_mut().pop();
        if callback.is_some_and(Callback::remove) {
            self.taken_back.set(self.taken_back.get() + 1);
        }
    }
}

fn running() -> Rig {
    let top = StopSource::new();
    let below = top.child();
    let token = below.token();
    let shared = Rc::new(Shared {
        top,
        below,
        token,
        callbacks: RefCell::default(),
        registered: Cell::new(0),
        taken_back: Cell::new(0),
        called: Arc::default(),
    });
    let (server, checked) = (shared.clone(), shared.clone());
    let check = move || {
        checked.stop();
        assert!(checked.token.is_stopped());
        assert!(look(checked.token.stopped()).is_some());
        let child = checked.token.child();
        assert!(child.is_stopped(), "born stopped");
        let called = checked.called.load(Ordering::Relaxed);
        assert_eq!(
            called + checked.taken_back.get(),
            checked.registered.get(),
            "each callback ran once, or was taken back"
        );
    };
    Rig::new(move || server.stop(), check)
        .wait("stopped", &shared, |s| s.token.stopped(), |_, _| ())
        .wait_in_a_block(
            "stopped_owned",
            &shared,
            |s| s.token.stopped_owned(),
            |_, _| (),
        )
        .wait(
            "run_until_stopped",
            &shared,
            |s| s.token.run_until_stopped(std::future::pending::<()>()),
            |_, _| (),
        )
        .operation("stop", &shared, Shared::stop)
        .operation("stop below", &shared, |s| {
            s.below.stop(StopReason::new(StopKind::Shutdown));
        })
        .operation("stop by a panic", &shared, |s| by_a_panic(s.top.guard()))
        .operation("child", &shared, |s| {
            let child = s.token.child();
            assert!(child.is_stopped() || !s.token.is_stopped());
        })
        .operation("on_stop", &shared, |s| {
            let called = s.called.clone();
            s.registered.set(s.registered.get() + 1);
            let callback = s.token.on_stop(move || {
                called.fetch_add(1, Ordering::Relaxed);
            });
            s.callbacks.borrow_mut().push(callback);
        })
        .operation("take back", &shared, Shared::take_back)
        .operation("wait and leave", &shared, |s| {
            let _ = look(s.token.stopped());
            let _ = look(s.token.run_until_stopped(std::future::pending::<()>()));
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?} {:?}", s.top, s.token, s.token.stopped());
        })
}
