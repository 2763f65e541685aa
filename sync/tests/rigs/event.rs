//! An event that is not set.

use super::{Make, Rig};
use lenio_sync::Event;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

pub(super) const RIGS: &[Make] = &[("event", clear)];

fn clear() -> Rig {
    let event = Rc::new(Event::new());
    let (server, checked) = (event.clone(), event.clone());
    let serve = move || {
        server.set();
    };
    let check = move || {
        checked.clear();
        let mut cx = Context::from_waker(Waker::noop());
        let mut wait = pin!(checked.wait());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(checked.set());
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    };
    Rig::new(serve, check)
        .wait("wait", &event, Event::wait, |_, ()| ())
        .operation("is_set", &event, |event| {
            event.is_set();
        })
        .operation("set", &event, |event| {
            event.set();
        })
        .operation("clear", &event, |event| {
            event.clear();
        })
        .operation("pulse", &event, |event| {
            event.set();
            event.clear();
        })
        .operation("wait and leave", &event, |event| {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pin!(event.wait()).poll(&mut cx);
        })
        .operation("debug", &event, |event| {
            let _ = format!("{event:?} {:?}", event.wait());
        })
}
