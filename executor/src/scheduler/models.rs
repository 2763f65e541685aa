#![expect(unsafe_code, reason = "models make tasks and owners by hand")]
//! Loom models of the idle protocol and of the injector. Each name is a claim; a task that nobody runs shows as a deadlock.

use super::idle::Idle;
use super::injector::Injector;
use super::slot::LifoSlot;
use crate::task::{Owner, Ran, Runnable, new_task};
use lenio_sync::park::Parker;
use lenio_sync::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use lenio_sync::primitive::thread;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The smallest runtime in which the protocol can go wrong: a count of tasks for a queue, idle words, parkers.
struct World {
    idle: Idle,
    parkers: Vec<Parker>,
    tasks: AtomicUsize,
    over: AtomicBool,
}

impl World {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(places),
            parkers: (0..places).map(|_| Parker::new(None)).collect(),
            tasks: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        })
    }

    fn push(&self) {
        // ORDERING: Relaxed on purpose: the protocol's fences have to do it.
        self.tasks.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.idle.pushed() {
            self.parkers[place].unpark();
        }
    }

    fn take(&self) -> bool {
        // ORDERING: Relaxed on purpose, as in `push`.
        let mut tasks = self.tasks.load(Ordering::Relaxed);
        while tasks > 0 {
            // ORDERING: Relaxed on purpose, as in `push`.
            match self.tasks.compare_exchange(
                tasks,
                tasks - 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => tasks = now,
            }
        }
        false
    }

    /// Works at `place` until `enough` tasks were run or the world is over. Returns how many were run.
    fn work(&self, place: usize, enough: usize) -> usize {
        self.parkers[place].adopt();
        let mut ran = 0;
        self.idle.start_search(place);
        loop {
            while self.take() {
                ran += 1;
                self.idle.stop_search(place);
                if ran == enough {
                    return ran;
                }
                self.idle.start_search(place);
            }
            self.idle.sleep(place);
            // ORDERING: Acquire pairs with the Release in `end`.
            let over = self.over.load(Ordering::Acquire);
            // ORDERING: Relaxed: ordered by the fence in `sleep`.
            if over || self.tasks.load(Ordering::Relaxed) > 0 {
                self.idle.wake_self(place);
                if over {
                    return ran;
                }
                continue;
            }
            self.parkers[place].park(None);
            self.idle.wake_self(place);
        }
    }

    fn end(&self) {
        // ORDERING: Release pairs with the Acquire in `work`; the token makes a later look see it as well.
        self.over.store(true, Ordering::Release);
        for parker in &self.parkers {
            parker.unpark();
        }
    }
}

#[test]
fn loom_ci_r01_r02_a_push_while_the_last_worker_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let world = World::new(1);
        let worker = world.clone();
        let t = thread::spawn(move || worker.work(0, 1));
        world.push();
        assert_eq!(t.join().unwrap(), 1);
    });
}

#[test]
fn loom_ci_two_pushers_and_one_sleeper_leave_no_task_behind() {
    loom::model(|| {
        let world = World::new(1);
        let (worker, pusher) = (world.clone(), world.clone());
        let t = thread::spawn(move || worker.work(0, 2));
        let p = thread::spawn(move || pusher.push());
        world.push();
        p.join().unwrap();
        assert_eq!(t.join().unwrap(), 2);
    });
}

#[test]
fn loom_ci_two_sleepers_run_one_task_once_and_both_end() {
    loom::model(|| {
        let world = World::new(2);
        let workers: Vec<_> = (0..2)
            .map(|place| {
                let world = world.clone();
                thread::spawn(move || {
                    let ran = world.work(place, 1);
                    if ran == 1 {
                        world.end();
                    }
                    ran
                })
            })
            .collect();
        world.push();
        let ran: usize = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum();
        assert_eq!(ran, 1);
    });
}

#[test]
fn loom_ci_a_shutdown_while_a_worker_goes_to_sleep_reaches_it() {
    loom::model(|| {
        let world = World::new(1);
        let worker = world.clone();
        let t = thread::spawn(move || worker.work(0, usize::MAX));
        world.end();
        assert_eq!(t.join().unwrap(), 0);
    });
}

/// An owner for tasks of models. Its scheduler is never asked: the tasks finish in their first poll.
fn owner() -> Owner {
    fn never(_: *const (), _: Runnable) {
        unreachable!("nothing wakes these tasks");
    }
    // SAFETY: never called.
    unsafe { Owner::new(never, |_| None, ptr::null()) }
}

fn task(owner: &Owner) -> Runnable {
    // SAFETY: each model keeps its owner until its tasks are done.
    let spawned = unsafe { new_task(async {}, NonNull::from(owner), None, Location::caller()) };
    owner.list(&spawned.runnable);
    spawned.runnable
}

fn run(runnable: Runnable) {
    assert!(matches!(runnable.run(None), Ran::Finished));
}

#[test]
fn loom_ci_injected_tasks_come_out_once_and_in_order() {
    loom::model(|| {
        let owner = Arc::new(owner());
        let injector = Arc::new(Injector::new());
        let (first, second, third) = (task(&owner), task(&owner), task(&owner));
        let ids = [first.id(), second.id()];
        let other = injector.clone();
        let t = thread::spawn(move || {
            let _ = other.push(first);
            let _ = other.push(second);
        });
        let _ = injector.push(third);
        let mut taken: Vec<_> = injector.take_all().collect();
        t.join().unwrap();
        taken.extend(injector.take_all());
        assert_eq!(taken.len(), 3);
        let at = |id| {
            taken
                .iter()
                .position(|runnable| runnable.id() == id)
                .unwrap()
        };
        assert!(
            at(ids[0]) < at(ids[1]),
            "one pusher's tasks keep their order"
        );
        taken.into_iter().for_each(run);
    });
}

#[test]
fn loom_ci_a_pusher_that_finds_the_injector_full_may_rely_on_the_first_one() {
    loom::model(|| {
        let owner = Arc::new(owner());
        let world = World::new(1);
        let injector = Arc::new(Injector::new());
        let push = |runnable, injector: &Injector, world: &World| {
            if injector.push(runnable) {
                if let Some(place) = world.idle.pushed() {
                    world.parkers[place].unpark();
                }
            }
        };
        let (first, second) = (task(&owner), task(&owner));
        let (other_world, other_injector) = (world.clone(), injector.clone());
        let t = thread::spawn(move || push(first, &other_injector, &other_world));
        let (worker_world, worker_injector) = (world.clone(), injector.clone());
        let w = thread::spawn(move || {
            let mut ran = 0;
            worker_world.parkers[0].adopt();
            worker_world.idle.start_search(0);
            while ran < 2 {
                let batch: Vec<_> = worker_injector.take_all().collect();
                if !batch.is_empty() {
                    ran += batch.len();
                    batch.into_iter().for_each(run);
                    continue;
                }
                worker_world.idle.sleep(0);
                if worker_injector.is_empty() {
                    worker_world.parkers[0].park(None);
                }
                worker_world.idle.wake_self(0);
            }
        });
        push(second, &injector, &world);
        t.join().unwrap();
        w.join().unwrap();
    });
}

#[test]
fn loom_ci_the_owner_and_a_thief_share_the_lifo_task_between_them() {
    loom::model(|| {
        let owner = Arc::new(owner());
        let slot = Arc::new(LifoSlot::new());
        assert!(slot.replace(task(&owner)).is_none());
        let thief = slot.clone();
        let t = thread::spawn(move || thief.take().map(run).is_some());
        let mine = slot.take().map(run).is_some();
        assert!(mine ^ t.join().unwrap(), "exactly one got it");
    });
}
