//! A wait group that has members.

use super::{Make, Rig, by_a_panic, look};
use lenio_sync::WaitGroup;
use lenio_sync::wait_group::Member;
use std::cell::RefCell;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("wait group", two)];

struct Shared {
    group: WaitGroup,
    members: RefCell<Vec<Member>>,
}

fn two() -> Rig {
    let group = WaitGroup::new();
    let members = RefCell::new(vec![group.add(), group.add()]);
    let shared = Rc::new(Shared { group, members });
    let (server, checked) = (shared.clone(), shared.clone());
    let serve = move || drop(server.members.take());
    let check = move || {
        drop(checked.members.take());
        assert_eq!(checked.group.count(), 0);
        let member = checked.group.add();
        let mut wait = Box::pin(checked.group.wait());
        assert!(look(wait.as_mut()).is_none());
        drop(member);
        assert!(look(wait).is_some());
    };
    Rig::new(serve, check)
        .wait("wait", &shared, |s| s.group.wait(), |_, ()| ())
        .operation("add", &shared, |s| {
            let member = s.group.add();
            s.members.borrow_mut().push(member);
        })
        .operation("clone", &shared, |s| {
            let member = s.members.borrow().first().cloned();
            s.members.borrow_mut().extend(member);
        })
        .operation("drop one", &shared, |s| {
            let one = s.members.borrow_mut().pop();
            drop(one);
        })
        .operation("drop all", &shared, |s| drop(s.members.take()))
        .operation("drop all by a panic", &shared, |s| {
            by_a_panic(s.members.take())
        })
        .operation("come and go", &shared, |s| drop(s.group.add()))
        .operation("wait and leave", &shared, |s| {
            let _ = look(s.group.wait());
        })
        .operation("debug", &shared, |s| {
            let _ = format!("{:?} {:?} {:?}", s.group, s.members, s.group.wait());
        })
}
