//! Wakers are foreign code: whatever their `clone`, `wake` and `drop` do, every primitive goes on working.
//!
//! The table: for each primitive, each future of it that waits, each operation on it while that future waits, each place in which a
//! waker's code runs, and each thing that it may do there: use the primitive again in any way, panic, drop the future that waits, drop
//! or poll another one, or never come to anything. After each case
//!
//! - nobody who was not woken finds something to take (or a wake-up was lost);
//! - everybody who still waits is served in the end, and the primitive has lost nothing;
//! - every waker is gone.
//!
//! A lock that is held while a waker runs would be waited for for ever: then the watchdog ends the process and names the case.

mod harness;
mod rigs;

use harness::waker::{Hook, Hostile, Trap};
use harness::watchdog::Watchdog;
use lenio_sync::RwLock;
use lenio_sync::rwlock::{OwnedWriteGuard, UpgradableGuard, WriteGuard};
use rigs::waiting::{Finds, Waiting, settle};
use rigs::{Make, Rig};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::thread;

/// What the waker's code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Nothing,
    /// The operation with this number.
    Use(usize),
    /// Panics, unless a panic is under way.
    Panic,
    /// Panics in any case, and so do the wakers of the others.
    AllPanic,
    /// The future that this very waker belongs to, unless it is being polled.
    DropVictim,
    DropOther(usize),
    PollVictim,
    PollOther(usize),
}

/// One line of the table.
#[derive(Clone, Copy)]
struct Case {
    wait: usize,
    /// What the others wait in, who came before and after the victim.
    others: usize,
    trigger: Option<usize>,
    hook: Hook,
    act: Act,
}

const HOOKS: [Hook; 3] = [Hook::Clone, Hook::Wake, Hook::Drop];

/// Runs `step`, and ends the panic that the trap makes. Any other panic goes on.
fn contained(step: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(step)) {
        if !payload.is::<Sprung>() {
            resume_unwind(payload);
        }
    }
}

/// What the trap panics with.
struct Sprung;

fn act(act: Act, rig: &Rig, victim: &Waiting, others: &[Rc<Waiting>]) {
    match act {
        Act::Nothing => {}
        Act::Use(operation) => (rig.operations[operation].1)(),
        Act::Panic => {
            if !thread::panicking() {
                resume_unwind(Box::new(Sprung));
            }
        }
        Act::AllPanic => resume_unwind(Box::new(Sprung)),
        Act::DropVictim => victim.leave(),
        Act::DropOther(other) => others[other].leave(),
        Act::PollVictim => {
            victim.poll(&victim.hostile.waker());
        }
        Act::PollOther(other) => {
            others[other].poll(&others[other].hostile.waker());
        }
    }
}

/// Plays one case. Returns how often the waker's code did something.
fn play(make: fn() -> Rig, case: Case) -> usize {
    let rig = Rc::new(make());
    let start = |kind: usize, hostile| Waiting::new((rig.waits[kind].1)(), hostile);
    let others = [0, 1].map(|_| {
        let hostile = match case.act {
            Act::AllPanic => Hostile::new(),
            _ => Hostile::tame(),
        };
        start(case.others, hostile)
    });
    let victim = start(case.wait, Hostile::new());
    assert!(
        !others[0].poll(&others[0].hostile.waker()),
        "it has to wait"
    );
    let trap = {
        let (rig, victim, others) = (rig.clone(), victim.clone(), others.clone());
        Trap::arm(case.hook, move || act(case.act, &rig, &victim, &others))
    };
    contained(|| {
        victim.poll(&victim.hostile.waker());
    });
    contained(|| {
        others[1].poll(&others[1].hostile.waker());
    });
    // Another waker: the old one is replaced and dropped.
    let second = Hostile::new();
    let victims = [
        victim.hostile.waker(),
        second.waker(),
        victim.hostile.waker(),
    ];
    for waker in &victims {
        contained(|| {
            victim.poll(waker);
        });
    }
    if let Some(trigger) = case.trigger {
        contained(|| (rig.operations[trigger].1)());
        contained(|| {
            if victim.is_woken() {
                victim.poll(&victims[1]);
            }
        });
        contained(|| (rig.operations[trigger].1)());
    }
    contained(|| match case.act {
        Act::AllPanic => leave_by_a_panic(&victim),
        _ => victim.leave(),
    });
    for waker in victims {
        contained(|| drop(waker));
    }
    let sprung = trap.sprung();
    drop(trap);
    settle(&rig, &others, Finds::OnlyWhoWasWoken);
    let living = [
        &victim.hostile,
        &second,
        &others[0].hostile,
        &others[1].hostile,
    ];
    for hostile in living {
        assert_eq!(hostile.living(), 0, "a waker is left");
    }
    sprung
}

/// Drops the victim while a panic is under way: whatever panics in there must not get out, or the process aborts.
fn leave_by_a_panic(victim: &Waiting) {
    struct Leave<'v>(&'v Waiting);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }
    let _leave = Leave(victim);
    resume_unwind(Box::new(Sprung));
}

/// All cases of a primitive.
fn cases(rig: &Rig) -> Vec<Case> {
    let mut acts = vec![
        Act::Nothing,
        Act::Panic,
        Act::DropVictim,
        Act::DropOther(0),
        Act::DropOther(1),
        Act::PollVictim,
        Act::PollOther(0),
        Act::PollOther(1),
    ];
    acts.extend((0..rig.operations.len()).map(Act::Use));
    let triggers = || (0..rig.operations.len()).map(Some).chain([None]);
    let mut cases = Vec::new();
    for wait in 0..rig.waits.len() {
        for others in 0..rig.waits.len() {
            for trigger in triggers() {
                for hook in HOOKS {
                    let case = |act| Case {
                        wait,
                        others,
                        trigger,
                        hook,
                        act,
                    };
                    cases.extend(acts.iter().copied().map(case));
                    // Without clones nobody would wait at all.
                    if hook != Hook::Clone {
                        cases.push(case(Act::AllPanic));
                    }
                }
            }
        }
    }
    cases
}

/// A case in words.
struct Named<'r>(&'r str, &'r Rig, Case);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(primitive, rig, case) = self;
        let (wait, others) = (rig.waits[case.wait].0, rig.waits[case.others].0);
        write!(f, "{primitive}: `{wait}` waits between two `{others}`, ")?;
        match case.trigger {
            Some(trigger) => write!(f, "then `{}`, ", rig.operations[trigger].0)?,
            None => write!(f, "then it leaves, ")?,
        }
        match case.act {
            Act::Use(operation) => {
                let name = rig.operations[operation].0;
                write!(f, "and {:?} of its waker calls `{name}`", case.hook)
            }
            act => write!(f, "and {:?} of its waker does {act:?}", case.hook),
        }
    }
}

fn check(&(name, make): &Make, watchdog: &Watchdog) {
    let rig = make();
    assert!(!rig.waits.is_empty());
    let mut sprung = 0;
    let cases = cases(&rig);
    let count = cases.len();
    for case in cases {
        let named = Named(name, &rig, case);
        watchdog.case(named);
        sprung += play(make, case);
    }
    println!("{name}: {count} cases, the wakers' code came to act {sprung} times");
    assert!(sprung >= count / 2, "the table does not reach its hooks");
}

#[test]
fn r22_r23_whatever_a_waker_does_the_primitives_go_on_working() {
    let watchdog = Watchdog::new("hostile");
    watchdog.names_the_case_of_a_panic();
    for make in rigs::wanted() {
        check(&make, &watchdog);
    }
}

/// Lets `future` wait with a waker that panics at `hook`, calls `act`, which meets that panic, and drops the future.
fn with_a_waker_that_panics(hook: Hook, future: impl Future, act: impl FnOnce()) {
    let hostile = Hostile::new();
    let waker = hostile.waker();
    let mut future = Box::pin(future);
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let trap = Trap::arm(hook, || resume_unwind(Box::new(Sprung)));
    contained(act);
    assert!(trap.sprung() > 0, "the waker's code was not reached");
    drop(trap);
}

#[test]
fn r23_a_writer_that_becomes_a_reader_and_wakes_a_waker_that_panics_keeps_no_permit() {
    let lock = RwLock::new(());
    let guard = lock.try_write().expect("it is free");
    with_a_waker_that_panics(Hook::Wake, lock.read(), || {
        drop(WriteGuard::downgrade(guard))
    });
    assert!(lock.try_write().is_ok(), "the reader's permit was lost");
}

#[test]
fn r23_an_owning_writer_that_becomes_a_reader_and_wakes_a_waker_that_panics_keeps_no_permit() {
    let lock = Arc::new(RwLock::new(()));
    let guard = rigs::look(lock.clone().write_owned()).expect("it is free");
    with_a_waker_that_panics(Hook::Wake, lock.read(), || {
        drop(OwnedWriteGuard::downgrade(guard));
    });
    assert!(lock.try_write().is_ok(), "the reader's permit was lost");
}

#[test]
fn r23_an_upgradable_reader_that_gives_up_its_right_and_wakes_a_waker_that_panics_keeps_no_permit()
{
    let lock = RwLock::new(());
    let guard = lock.try_upgradable_read().expect("it is free");
    with_a_waker_that_panics(Hook::Wake, lock.upgradable_read(), || {
        drop(UpgradableGuard::downgrade(guard));
    });
    assert!(lock.try_write().is_ok(), "the reader's permit was lost");
}

/// A future that is dropped by a panic drops its waker, which panics too: that must not end the process.
#[test]
fn r23_a_future_that_a_panic_drops_lets_no_panic_of_its_waker_out() {
    for (name, make) in rigs::wanted() {
        let rig = make();
        for (wait, start) in &rig.waits {
            let hostile = Hostile::new();
            let waker = hostile.waker();
            let mut future = start();
            let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending(), "{name}: `{wait}` has to wait");
            let trap = Trap::arm(Hook::Drop, || resume_unwind(Box::new(Sprung)));
            rigs::by_a_panic(future);
            assert!(trap.sprung() > 0, "{name}: `{wait}` keeps a waker");
            drop(trap);
        }
    }
}
