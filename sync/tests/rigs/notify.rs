//! A notify that nobody has notified.

use super::{Make, Rig, look};
use lenio_sync::Notify;
use lenio_sync::wait::block_on;
use std::pin::pin;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("notify", empty)];

fn empty() -> Rig {
    let notify = Rc::new(Notify::new());
    let (server, checked) = (notify.clone(), notify.clone());
    let check = move || {
        // Whatever was stored is used up, and then a notification lets exactly one through.
        let _ = look(checked.notified());
        checked.notify_one();
        block_on(checked.notified());
        let mut first = pin!(checked.notified());
        let mut second = pin!(checked.notified());
        assert!(look(first.as_mut()).is_none());
        assert!(look(second.as_mut()).is_none());
        checked.notify_one();
        assert!(look(second.as_mut()).is_none());
        assert!(look(first).is_some());
        checked.notify_waiters();
        assert!(look(second).is_some());
    };
    Rig::new(move || server.notify_one(), check)
        .wait("notified", &notify, Notify::notified, |_, ()| ())
        .operation("notify_one", &notify, Notify::notify_one)
        .operation("notify_waiters", &notify, Notify::notify_waiters)
        .operation("wait and leave", &notify, |notify| {
            let _ = look(notify.notified());
        })
        .operation("enable and leave", &notify, |notify| {
            let notified = pin!(notify.notified());
            if notified.enable() {
                notify.notify_one();
            }
        })
        .operation("wait, notify and leave", &notify, |notify| {
            let mut notified = pin!(notify.notified());
            let _ = look(notified.as_mut());
            notify.notify_one();
        })
        .operation("debug", &notify, |notify| {
            let _ = format!("{notify:?} {:?}", notify.notified());
        })
}
