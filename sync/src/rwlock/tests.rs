use super::*;
use crate::semaphore::word::PATIENCE;
use crate::wakers::Count;
use proptest::prelude::*;
use std::task::{Wake, Waker};

/// Any of the guards.
enum Held<'l> {
    Read(ReadGuard<'l, u32>),
    Write(WriteGuard<'l, u32>),
    Upgradable(UpgradableGuard<'l, u32>),
}

/// A pending acquisition with its own waker.
struct Waiting<'l> {
    future: Pin<Box<dyn Future<Output = Held<'l>> + 'l>>,
    woken: Arc<Count>,
    seen: usize,
}

impl<'l> Waiting<'l> {
    fn new(future: impl Future<Output = Held<'l>> + 'l) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::default(),
            seen: 0,
        }
    }

    fn read(lock: &'l RwLock<u32>) -> Self {
        Self::new(async { Held::Read(lock.read().await) })
    }

    fn write(lock: &'l RwLock<u32>) -> Self {
        Self::new(async { Held::Write(lock.write().await) })
    }

    fn upgradable(lock: &'l RwLock<u32>) -> Self {
        Self::new(async { Held::Upgradable(lock.upgradable_read().await) })
    }

    fn upgrade(guard: UpgradableGuard<'l, u32>) -> Self {
        Self::new(async { Held::Write(UpgradableGuard::upgrade(guard).await) })
    }

    fn poll(&mut self) -> Poll<Held<'l>> {
        self.seen = self.woken.woken();
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.woken() > self.seen
    }
}

#[test]
fn readers_share_and_a_writer_excludes() {
    let lock = RwLock::new(1);
    let readers: Vec<_> = (0..3).map(|_| lock.try_read()).collect();
    assert!(readers.iter().all(Result::is_ok));
    assert!(lock.try_write().is_err());
    drop(readers);
    let writer = lock.try_write().expect("free");
    assert!(lock.try_read().is_err());
    assert!(lock.try_upgradable_read().is_err());
    drop(writer);
    assert!(
        lock.try_upgradable_read().is_ok(),
        "the failed attempt kept nothing"
    );
}

#[test]
fn a_writer_that_waits_is_passed_over_at_most_patience_times() {
    let lock = RwLock::new(1);
    let mut reader = lock.try_read().ok();
    let mut writer = Waiting::write(&lock);
    assert!(writer.poll().is_pending());
    let mut rounds = 0;
    while let Poll::Ready(Held::Read(next)) = Waiting::read(&lock).poll() {
        reader = Some(next);
        rounds += 1;
        assert!(rounds <= PATIENCE + 1);
    }
    drop(reader);
    assert!(writer.is_woken());
    assert!(writer.poll().is_ready());
}

#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(1);
    let writer = lock.try_write().expect("free");
    let mut second = Waiting::write(&lock);
    let mut reader = Waiting::read(&lock);
    assert!(second.poll().is_pending());
    assert!(reader.poll().is_pending());
    drop(writer);
    assert!(second.is_woken() && !reader.is_woken());
    drop(second);
    assert!(reader.is_woken());
    assert!(reader.poll().is_ready());
}

#[test]
fn an_upgrade_comes_before_writers_that_wait() {
    let lock = RwLock::new(1);
    let guard = lock.try_upgradable_read().expect("free");
    let reader = lock.try_read().expect("shared");
    let mut writer = Waiting::write(&lock);
    assert!(writer.poll().is_pending());
    let mut upgrade = Waiting::upgrade(guard);
    assert!(upgrade.poll().is_pending());
    drop(reader);
    assert!(upgrade.is_woken() && !writer.is_woken());
    let Poll::Ready(Held::Write(upgraded)) = upgrade.poll() else {
        panic!("the last reader is gone");
    };
    assert!(lock.try_upgradable_read().is_err(), "the right is in use");
    drop(upgraded);
    assert!(writer.is_woken());
    assert!(writer.poll().is_ready());
    drop(writer);
    assert!(lock.try_upgradable_read().is_ok(), "the right came back");
}

#[test]
fn what_a_woken_writer_cannot_use_goes_to_the_upgrade_before_it() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().expect("free");
    let mut writer = Waiting::write(&lock);
    assert!(writer.poll().is_pending());
    drop(reader);
    assert!(writer.is_woken());
    // Others are faster. The release of the last reader relies on the writer, who is woken and has not looked.
    let guard = lock.try_upgradable_read().expect("free");
    let reader = lock.try_read().expect("shared");
    let mut upgrade = Waiting::upgrade(guard);
    assert!(upgrade.poll().is_pending());
    drop(reader);
    assert!(writer.poll().is_pending());
    assert!(upgrade.is_woken());
    assert!(upgrade.poll().is_ready());
}

#[test]
fn a_downgrade_whose_wake_up_panics_loses_no_permit() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let waker = Waker::from(Arc::new(Panics));
    let lock = Arc::new(RwLock::new(1));
    for case in ["write", "owned", "upgradable"] {
        let waiting = lock.clone();
        let mut waiter: Pin<Box<dyn Future<Output = ()>>> = match case {
            "upgradable" => Box::pin(async move { drop(waiting.upgradable_read().await) }),
            _ => Box::pin(async move { drop(waiting.read().await) }),
        };
        let mut enlist = || {
            let cx = &mut Context::from_waker(&waker);
            assert!(waiter.as_mut().poll(cx).is_pending());
        };
        let downgrade = || match case {
            "write" => {
                let guard = lock.try_write().expect("free");
                enlist();
                drop(WriteGuard::downgrade(guard));
            }
            "owned" => {
                let guard = crate::wait::block_on(lock.clone().write_owned());
                enlist();
                drop(OwnedWriteGuard::downgrade(guard));
            }
            _ => {
                let guard = lock.try_upgradable_read().expect("free");
                enlist();
                drop(UpgradableGuard::downgrade(guard));
            }
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(downgrade));
        assert!(result.is_err(), "{case}: the waker panicked");
        drop(waiter);
        assert!(lock.try_write().is_ok(), "{case}");
        assert!(lock.try_upgradable_read().is_ok(), "{case}");
    }
}

#[test]
fn a_cancelled_upgrade_gives_everything_back() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().expect("free");
    let mut upgrade = Waiting::upgrade(lock.try_upgradable_read().expect("free"));
    assert!(upgrade.poll().is_pending());
    drop(upgrade);
    drop(reader);
    assert!(lock.try_write().is_ok());
    assert!(lock.try_upgradable_read().is_ok());
}

#[test]
fn a_downgrade_lets_readers_in_and_keeps_writers_out() {
    let lock = Arc::new(RwLock::new(1));
    let writer = lock.try_write().expect("free");
    let mut reader = Waiting::read(&lock);
    assert!(reader.poll().is_pending());
    let guard = WriteGuard::downgrade(writer);
    assert!(reader.is_woken());
    assert!(reader.poll().is_ready());
    assert!(lock.try_write().is_err());
    drop((guard, reader));
    let owned = crate::wait::block_on(lock.clone().write_owned());
    let owned = OwnedWriteGuard::downgrade(owned);
    assert!(lock.try_read().is_ok() && lock.try_write().is_err());
    drop(owned);
    assert!(lock.try_write().is_ok());
}

#[derive(Debug, Clone)]
enum Op {
    Read,
    Write,
    Upgradable,
    TryRead,
    TryWrite,
    Upgrade(usize),
    TryUpgrade(usize),
    Downgrade(usize),
    Poll(usize),
    Cancel(usize),
    Release(usize),
    Settle,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => Just(Op::Read),
        3 => Just(Op::Write),
        2 => Just(Op::Upgradable),
        1 => Just(Op::TryRead),
        1 => Just(Op::TryWrite),
        2 => (0..6_usize).prop_map(Op::Upgrade),
        1 => (0..6_usize).prop_map(Op::TryUpgrade),
        2 => (0..6_usize).prop_map(Op::Downgrade),
        6 => (0..6_usize).prop_map(Op::Poll),
        3 => (0..6_usize).prop_map(Op::Cancel),
        8 => (0..6_usize).prop_map(Op::Release),
        4 => Just(Op::Settle),
    ];
    prop::collection::vec(op, 0..100)
}

fn take_upgradable<'l>(held: &mut Vec<Held<'l>>, at: usize) -> Option<UpgradableGuard<'l, u32>> {
    if !matches!(held.get(at), Some(Held::Upgradable(_))) {
        return None;
    }
    match held.remove(at) {
        Held::Upgradable(guard) => Some(guard),
        _ => None,
    }
}

/// Polls once; from then on only wake-ups and the script decide.
fn start<'l>(mut new: Waiting<'l>, waiting: &mut Vec<Waiting<'l>>, held: &mut Vec<Held<'l>>) {
    match new.poll() {
        Poll::Ready(guard) => held.push(guard),
        Poll::Pending => waiting.push(new),
    }
}

proptest! {
    /// Against a model that only counts guards: never a writer beside anybody, never two upgradables, and nobody sleeps for ever.
    #[test]
    fn guards_exclude_each_other_and_nobody_sleeps_beside_a_free_lock(ops in ops()) {
        let lock = RwLock::new(0);
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        let mut held: Vec<Held<'_>> = Vec::new();
        for op in ops {
            match op {
                Op::Read => start(Waiting::read(&lock), &mut waiting, &mut held),
                Op::Write => start(Waiting::write(&lock), &mut waiting, &mut held),
                Op::Upgradable => start(Waiting::upgradable(&lock), &mut waiting, &mut held),
                Op::TryRead => held.extend(lock.try_read().ok().map(Held::Read)),
                Op::TryWrite => held.extend(lock.try_write().ok().map(Held::Write)),
                Op::Upgrade(at) => {
                    if let Some(guard) = take_upgradable(&mut held, at) {
                        start(Waiting::upgrade(guard), &mut waiting, &mut held);
                    }
                }
                Op::TryUpgrade(at) => {
                    if let Some(guard) = take_upgradable(&mut held, at) {
                        held.push(match UpgradableGuard::try_upgrade(guard) {
                            Ok(guard) => Held::Write(guard),
                            Err(guard) => Held::Upgradable(guard),
                        });
                    }
                }
                Op::Downgrade(at) if at < held.len() => {
                    let guard = match held.remove(at) {
                        Held::Read(guard) => guard,
                        Held::Write(guard) => WriteGuard::downgrade(guard),
                        Held::Upgradable(guard) => UpgradableGuard::downgrade(guard),
                    };
                    held.push(Held::Read(guard));
                }
                Op::Poll(at) if at < waiting.len() => {
                    if let Poll::Ready(guard) = waiting[at].poll() {
                        waiting.remove(at);
                        held.push(guard);
                    }
                }
                Op::Cancel(at) if at < waiting.len() => drop(waiting.remove(at)),
                Op::Release(at) if at < held.len() => drop(held.remove(at)),
                Op::Settle => {
                    while let Some(at) = waiting.iter().position(Waiting::is_woken) {
                        if let Poll::Ready(guard) = waiting[at].poll() {
                            waiting.remove(at);
                            held.push(guard);
                        }
                    }
                    prop_assert!(waiting.is_empty() || !held.is_empty(), "asleep beside a free lock");
                }
                Op::Downgrade(_) | Op::Poll(_) | Op::Cancel(_) | Op::Release(_) => {}
            }
            let writers = held.iter().filter(|held| matches!(held, Held::Write(_))).count();
            let upgradables = held.iter().filter(|held| matches!(held, Held::Upgradable(_))).count();
            prop_assert!(writers == 0 || held.len() == 1);
            prop_assert!(upgradables <= 1);
        }
        drop(waiting);
        drop(held);
        prop_assert!(lock.try_upgradable_read().is_ok());
        prop_assert!(lock.try_write().is_ok(), "everything came back");
    }
}
