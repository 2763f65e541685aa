//! A barrier for one more than ever wait.

use super::{Make, Rig, look};
use lenio_sync::Barrier;
use std::pin::Pin;
use std::rc::Rc;

pub(super) const RIGS: &[Make] = &[("barrier", waiting)];

const SIZE: usize = 4;

/// Arrives until the generation is complete, and leaves.
fn complete(barrier: &Barrier) {
    let mut waits: Vec<Pin<Box<_>>> = Vec::new();
    for _ in 0..SIZE {
        let mut wait = Box::pin(barrier.wait());
        if look(wait.as_mut()).is_some() {
            break;
        }
        waits.push(wait);
    }
    for wait in waits {
        assert!(look(wait).is_some(), "all or nobody");
    }
}

fn waiting() -> Rig {
    let barrier = Rc::new(Barrier::new(SIZE));
    let (server, checked) = (barrier.clone(), barrier.clone());
    let check = move || {
        assert_eq!(checked.arrivals(), 0, "everybody is gone");
        let mut early: Vec<_> = (1..SIZE).map(|_| Box::pin(checked.wait())).collect();
        for wait in &mut early {
            assert!(look(wait.as_mut()).is_none());
        }
        let last = look(checked.wait()).expect("it is complete");
        assert!(last.is_leader());
        for (index, wait) in early.into_iter().enumerate() {
            assert_eq!(look(wait).map(|passed| passed.index()), Some(index));
        }
    };
    Rig::new(move || complete(&server), check)
        .wait("wait", &barrier, Barrier::wait, |_, passed| {
            assert!(passed.index() < SIZE);
        })
        .operation("complete", &barrier, complete)
        .operation("arrive and leave", &barrier, |barrier| {
            let _ = look(barrier.wait());
        })
        .operation("debug", &barrier, |barrier| {
            let _ = format!("{barrier:?} {:?}", barrier.wait());
        })
}
