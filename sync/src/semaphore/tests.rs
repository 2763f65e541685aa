use super::permits::COURTESY;
use super::word::PATIENCE;
use super::*;
use crate::wakers::Count;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::task::Waker;

/// A pending acquisition with its own waker.
struct Waiting<'s> {
    acquire: Pin<Box<Acquire<'s>>>,
    woken: Arc<Count>,
    seen: usize,
}

impl<'s> Waiting<'s> {
    fn new(semaphore: &'s Semaphore, count: usize) -> Self {
        Self {
            acquire: Box::pin(semaphore.acquire(count)),
            woken: Arc::default(),
            seen: 0,
        }
    }

    fn poll(&mut self) -> Poll<Result<Permit<'s>, AcquireError>> {
        self.seen = self.woken.woken();
        let waker = Waker::from(self.woken.clone());
        self.acquire.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.woken() > self.seen
    }
}

#[test]
fn r19_a_cancelled_head_lets_those_behind_it_through() {
    let semaphore = Semaphore::new(2);
    let one = semaphore.try_acquire(1).expect("available");
    let mut big = Waiting::new(&semaphore, 2);
    let mut small = Waiting::new(&semaphore, 1);
    assert!(big.poll().is_pending());
    let mut third = Waiting::new(&semaphore, 2);
    assert!(third.poll().is_pending());
    // The small one does not wait: one permit is there, and nobody has lost often enough to hold it back.
    assert!(small.poll().is_ready());
    let held = semaphore.try_acquire(1).expect("given back");
    let mut small = Waiting::new(&semaphore, 1);
    assert!(small.poll().is_pending());
    drop(one);
    assert!(!big.is_woken(), "it needs two");
    assert!(!small.is_woken(), "it stands behind two that need more");
    drop(big);
    assert!(!small.is_woken());
    drop(third);
    assert!(small.is_woken(), "nobody stands before it any more");
    assert!(small.poll().is_ready());
    drop(held);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn r19_a_waiter_that_is_dropped_after_it_was_woken_passes_the_wake_up_on() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire(1).expect("available");
    let mut first = Waiting::new(&semaphore, 1);
    let mut second = Waiting::new(&semaphore, 1);
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    drop(held);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert!(second.poll().is_ready());
}

#[test]
fn r20_a_closed_semaphore_stays_closed_whatever_happens_to_its_permits() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire(2).expect("available");
    let mut waiting = Waiting::new(&semaphore, 3);
    assert!(waiting.poll().is_pending());
    assert!(semaphore.close());
    assert!(!semaphore.close());
    assert!(waiting.is_woken());
    assert!(matches!(waiting.poll(), Poll::Ready(Err(_))));
    semaphore.forget_permits(1);
    semaphore.add_permits(5);
    drop(held);
    assert!(semaphore.is_closed());
    assert_eq!(
        semaphore.try_acquire(1).err(),
        Some(TryAcquireError::Closed)
    );
    assert_eq!(
        semaphore.try_acquire(0).err(),
        Some(TryAcquireError::Closed)
    );
}

#[test]
fn r20_more_permits_than_the_most_are_refused_and_change_nothing() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    let over = std::panic::catch_unwind(|| semaphore.add_permits(1));
    assert!(over.is_err());
    assert!(std::panic::catch_unwind(|| Semaphore::new(Semaphore::MAX_PERMITS + 1)).is_err());
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    assert!(semaphore.try_acquire(usize::MAX).is_err());
    assert!(semaphore.try_acquire(Semaphore::MAX_PERMITS).is_ok());
}

#[test]
fn a_waiter_is_passed_over_at_most_patience_times() {
    let semaphore = Semaphore::new(1);
    let mut held = Some(semaphore.try_acquire(1).expect("available"));
    let mut waiting = Waiting::new(&semaphore, 1);
    assert!(waiting.poll().is_pending());
    let mut losses = 0;
    loop {
        drop(held.take());
        assert!(waiting.is_woken(), "each release wakes it");
        match Waiting::new(&semaphore, 1).poll() {
            Poll::Ready(permit) => held = permit.ok(),
            Poll::Pending => break,
        }
        assert!(waiting.poll().is_pending());
        losses += 1;
        assert!(losses <= PATIENCE);
    }
    assert_eq!(losses, PATIENCE);
    assert!(waiting.poll().is_ready(), "now it is its turn");
    assert!(
        Waiting::new(&semaphore, 1).poll().is_ready(),
        "and the count begins anew"
    );
}

#[test]
fn a_waiter_that_needs_many_is_passed_over_at_most_patience_times() {
    let semaphore = Semaphore::new(3);
    let mut held: VecDeque<_> = (0..2).map(|_| semaphore.try_acquire(1)).collect();
    let mut waiting = Waiting::new(&semaphore, 3);
    assert!(waiting.poll().is_pending());
    let mut rounds = 0;
    while let Poll::Ready(permit) = Waiting::new(&semaphore, 1).poll() {
        held.push_back(permit.map_err(|_| TryAcquireError::Closed));
        held.pop_front();
        rounds += 1;
        assert!(rounds <= PATIENCE + 1);
    }
    held.clear();
    assert!(waiting.is_woken());
    assert!(waiting.poll().is_ready());
}

#[test]
fn a_woken_future_that_nobody_polls_does_not_keep_the_permits() {
    let semaphore = Semaphore::new(1);
    let mut held = Some(semaphore.try_acquire(1).expect("available"));
    let mut unpolled = Waiting::new(&semaphore, 1);
    assert!(unpolled.poll().is_pending());
    for _ in 0..PATIENCE {
        drop(held.take());
        held = semaphore.try_acquire(1).ok();
        assert!(unpolled.poll().is_pending());
    }
    drop(held);
    // From here on `unpolled` is woken, has the right of way, and is never polled.
    let mut other = Waiting::new(&semaphore, 1);
    let mut polls = 1;
    while other.poll().is_pending() {
        assert!(other.is_woken(), "it comes back by itself");
        polls += 1;
        assert!(polls <= usize::from(COURTESY) + 1);
    }
    assert_eq!(polls, usize::from(COURTESY) + 1);
}

#[test]
fn a_release_of_many_wakes_as_many_as_it_serves() {
    let semaphore = Semaphore::new(0);
    let mut waiting: Vec<_> = [1, 2, 1, 4]
        .map(|need| Waiting::new(&semaphore, need))
        .into();
    for waiting in &mut waiting {
        assert!(waiting.poll().is_pending());
    }
    semaphore.add_permits(5);
    let woken: Vec<_> = waiting.iter().map(Waiting::is_woken).collect();
    assert_eq!(woken, [true, true, true, false]);
}

#[derive(Debug, Clone)]
enum Op {
    Start(usize),
    Poll(usize),
    Cancel(usize),
    GiveBack(usize),
    Try(usize),
    Add(usize),
    Forget(usize),
    Settle,
    Close,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (0..5_usize).prop_map(Op::Start),
        8 => (0..8_usize).prop_map(Op::Poll),
        3 => (0..8_usize).prop_map(Op::Cancel),
        8 => (0..8_usize).prop_map(Op::GiveBack),
        2 => (0..5_usize).prop_map(Op::Try),
        2 => (0..4_usize).prop_map(Op::Add),
        1 => (0..4_usize).prop_map(Op::Forget),
        4 => Just(Op::Settle),
        1 => Just(Op::Close),
    ];
    prop::collection::vec(op, 0..120)
}

/// Polls whoever is woken until nobody is.
fn settle<'s>(waiting: &mut Vec<Waiting<'s>>, held: &mut Vec<Permit<'s>>) -> bool {
    let mut saw_closed = false;
    while let Some(at) = waiting.iter().position(Waiting::is_woken) {
        match waiting[at].poll() {
            Poll::Pending => {}
            Poll::Ready(result) => {
                waiting.remove(at);
                match result {
                    Ok(permit) => held.push(permit),
                    Err(_) => saw_closed = true,
                }
            }
        }
    }
    saw_closed
}

proptest! {
    /// Against a model that only counts: permits are conserved, and whoever could be served is not left asleep.
    #[test]
    fn permits_are_conserved_and_nobody_sleeps_beside_a_free_one(initial in 0..4_usize, ops in ops()) {
        let semaphore = Semaphore::new(initial);
        let (mut total, mut is_closed) = (initial, false);
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        let mut held: Vec<Permit<'_>> = Vec::new();
        for op in ops {
            let available = semaphore.available_permits();
            match op {
                Op::Start(need) => {
                    let mut new = Waiting::new(&semaphore, need);
                    match new.poll() {
                        Poll::Pending => waiting.push(new),
                        Poll::Ready(Ok(permit)) => {
                            prop_assert!(need <= available && !is_closed);
                            held.push(permit);
                        }
                        Poll::Ready(Err(_)) => prop_assert!(is_closed),
                    }
                }
                Op::Poll(at) if at < waiting.len() => {
                    if let Poll::Ready(result) = waiting[at].poll() {
                        waiting.remove(at);
                        match result {
                            Ok(permit) => {
                                prop_assert!(permit.count() <= available && !is_closed);
                                held.push(permit);
                            }
                            Err(_) => prop_assert!(is_closed),
                        }
                    }
                }
                Op::Cancel(at) if at < waiting.len() => drop(waiting.remove(at)),
                Op::GiveBack(at) if at < held.len() => drop(held.remove(at)),
                Op::Try(need) => match semaphore.try_acquire(need) {
                    Ok(permit) => {
                        prop_assert!(need <= available && !is_closed);
                        held.push(permit);
                    }
                    Err(TryAcquireError::TooFew) => prop_assert!(need > available && !is_closed),
                    Err(TryAcquireError::Closed) => prop_assert!(is_closed),
                },
                Op::Add(count) => {
                    semaphore.add_permits(count);
                    total += count;
                }
                Op::Forget(count) => {
                    let forgotten = semaphore.forget_permits(count);
                    prop_assert_eq!(forgotten, count.min(available));
                    total -= forgotten;
                }
                Op::Settle => {
                    let saw_closed = settle(&mut waiting, &mut held);
                    prop_assert!(is_closed || !saw_closed);
                    if is_closed {
                        prop_assert!(waiting.is_empty());
                    } else {
                        let front = semaphore.permits.front_need();
                        prop_assert_eq!(front.is_none(), waiting.is_empty());
                        prop_assert!(front.is_none_or(|need| need > semaphore.available_permits()));
                    }
                }
                Op::Close => {
                    prop_assert_eq!(semaphore.close(), !is_closed);
                    is_closed = true;
                }
                Op::Poll(_) | Op::Cancel(_) | Op::GiveBack(_) => {}
            }
            let out: usize = held.iter().map(Permit::count).sum();
            prop_assert_eq!(semaphore.available_permits() + out, total);
        }
        drop(waiting);
        drop(held);
        prop_assert_eq!(semaphore.available_permits(), total);
        if !is_closed {
            // Nothing is left behind that would hold a newcomer back for long.
            let mut last = Waiting::new(&semaphore, total);
            let polls = (0..=COURTESY).position(|_| last.poll().is_ready());
            prop_assert!(polls.is_some());
        }
    }
}
