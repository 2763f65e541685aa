//! Every future and every guard may be forgotten: that leaks what it holds, and harms nobody.
//!
//! A future that was polled is pinned, so to forget it is to leak its box. Run under AddressSanitizer this is the proof that nobody
//! looks at what was left behind in a wrong way; without it, that the others go on.

mod harness;
mod rigs;

use harness::waker::Hostile;
use harness::watchdog::Watchdog;
use lenio_sync::Semaphore;
use rigs::waiting::{Finds, Waiting, settle};
use rigs::{Make, Rig};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;

/// When the future is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before anybody polled it.
    Fresh,
    /// While it waits.
    Waiting,
    /// After something happened that may have woken it.
    Woken,
}

/// One future stands between two others and is forgotten.
fn play(make: fn() -> Rig, (wait, others, operation): (usize, usize, usize), when: When) {
    let rig = make();
    let operate = || (rig.operations[operation].1)();
    let start = |kind: usize| Waiting::new((rig.waits[kind].1)(), Hostile::tame());
    let others = [start(others), start(others)];
    let forgotten = start(wait);
    others[0].poll(&others[0].hostile.waker());
    if when != When::Fresh {
        forgotten.poll(&forgotten.hostile.waker());
    }
    others[1].poll(&others[1].hostile.waker());
    if when == When::Woken {
        operate();
        // Only the first of several may have been woken.
        settle_woken(&others);
        operate();
    }
    forgotten.forget();
    operate();
    settle(&rig, &others, Finds::Anybody);
    operate();
    // The primitive goes, and what it knew about the forgotten one with it.
    drop(others);
    drop(rig);
}

fn settle_woken(others: &[Rc<Waiting>]) {
    for other in others {
        if other.is_woken() {
            other.poll(&other.hostile.waker());
        }
    }
}

/// They hold something while they wait, a guard or a message, and that is forgotten with them: nothing is promised to the others.
const KEEPERS: [&str; 2] = ["upgrade", "send"];

fn check(&(name, make): &Make, watchdog: &Watchdog) {
    let rig = make();
    for (wait, (future, _)) in rig.waits.iter().enumerate() {
        if KEEPERS.contains(future) {
            continue;
        }
        for others in 0..rig.waits.len() {
            for (operation, (then, _)) in rig.operations.iter().enumerate() {
                for when in [When::Fresh, When::Waiting, When::Woken] {
                    watchdog.case(format_args!(
                        "{name}: `{future}` forgotten {when:?}, `{then}`"
                    ));
                    play(make, (wait, others, operation), when);
                }
            }
        }
    }
}

#[test]
fn r20_r27_a_forgotten_future_harms_nobody() {
    let watchdog = Watchdog::new("forget");
    watchdog.names_the_case_of_a_panic();
    for make in rigs::wanted() {
        check(&make, &watchdog);
    }
}

/// Polls until it is ready; whoever is pending without having been woken waits for ever.
fn polls_until_ready(future: impl Future) -> usize {
    let hostile = Hostile::tame();
    let waker = hostile.waker();
    let mut future = pin!(future);
    for polls in 1..1_000 {
        let wakes = hostile.wakes();
        if future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            return polls;
        }
        assert!(
            hostile.wakes() > wakes,
            "it waits for ever, after {polls} polls"
        );
    }
    panic!("it is never ready");
}

/// "Futurelock": a future that was woken for something belongs to a task that polls another one, and waits for the same thing there.
#[test]
fn a_woken_future_that_nobody_polls_holds_up_a_newcomer_for_16_polls_at_most() {
    let semaphore = Semaphore::new(1);
    let mut sleeper = Box::pin(semaphore.acquire(1));
    for _ in 0..20 {
        let permit = semaphore.try_acquire(1).expect("it is free");
        assert!(rigs::look(sleeper.as_mut()).is_none());
        drop(permit);
    }
    // Woken, and not polled from here on. It has lost often enough for newcomers to be held back.
    assert!(polls_until_ready(semaphore.acquire(1)) <= 17);
    assert!(
        polls_until_ready(semaphore.acquire(1)) <= 17,
        "again and again"
    );
    drop(sleeper);
    assert_eq!(semaphore.available_permits(), 1);
}

/// Releases rely on somebody who was woken already, but not for ever: that one may belong to a future that nobody polls.
#[test]
fn a_woken_future_that_nobody_polls_holds_up_those_behind_it_for_3_releases_at_most() {
    let semaphore = Semaphore::new(0);
    let mut sleeper = Box::pin(semaphore.acquire(1));
    assert!(rigs::look(sleeper.as_mut()).is_none());
    let behind = Hostile::tame();
    let waker = behind.waker();
    let mut next = Box::pin(semaphore.acquire(1));
    let poll = next.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    // Wakes the sleeper, which is not polled from here on.
    semaphore.add_permits(1);
    assert_eq!(behind.wakes(), 0);
    let mut releases = 0;
    while behind.wakes() == 0 {
        semaphore.add_permits(1);
        releases += 1;
        assert!(releases <= 4, "it sleeps beside {releases} free permits");
    }
    drop(next);
    drop(sleeper);
    assert_eq!(semaphore.available_permits(), 1 + releases);
}
