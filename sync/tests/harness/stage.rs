//! A step scheduler on one thread: every order of polls, wakes and cancels comes from one seed.
//!
//! A *scenario* puts actors on a [`Stage`]: boxed futures around something that they share. [`Stage::run`] then takes steps until no
//! actor is left. In each step it polls a woken actor, or an actor that nobody woke, with the waker of its last poll or with a new
//! one, with a whole budget or with one that is nearly spent; or it drops an actor. Which, the seed decides. A seed also decides
//! what a run does *not* do, because a run that polls without a reason hides lost wake-ups.
//!
//! A run fails if
//!
//! - nobody is woken and somebody still waits without a reason ([`Role::may_wait_while`]): a deadlock;
//! - it does not end within [`MOST_STEPS`]: a livelock;
//! - a waker of an actor outlives the actor: a leak;
//! - an actor, or the check at the end ([`Stage::at_end`]), panics.
//!
//! Only the waker of the latest poll counts: a wake of an older one is ignored, so whoever keeps an old waker makes a deadlock.

use super::random::Random;
use lenio_sync::budget;
use lenio_sync::wait::observe;
use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// More than any scenario needs, by far.
const MOST_STEPS: usize = 20_000;

/// When an actor is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) actor: usize,
    /// How often it has been polled by then.
    pub(crate) polls: usize,
    pub(crate) when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Right after that poll.
    AtOnce,
    /// Instead of the next poll: it has been woken, others went on meanwhile, and it has not looked.
    Woken,
}

/// Whom a run drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    Nobody,
    One(Point),
    /// Anybody at any step, once in so many.
    Storm(usize),
}

/// How an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Cancelled,
    /// Nobody was left to wake it, and it had a reason to wait.
    LeftWaiting,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// One for each actor, in the order in which they came on stage.
    pub(crate) ends: Vec<(&'static str, End)>,
    /// How many actors were dropped.
    pub(crate) cancelled: usize,
}

impl Outcome {
    /// How many of the actors with that name ended so.
    pub(crate) fn count(&self, name: &str, end: End) -> usize {
        let same = |one: &&(&str, End)| one.0 == name && one.1 == end;
        self.ends.iter().filter(same).count()
    }
}

/// What has to hold at the end.
type Check = Box<dyn FnOnce(&Outcome)>;

/// The scheduler, and the actors.
pub(crate) struct Stage {
    random: Random,
    actors: Vec<Actor>,
    checks: Vec<Check>,
    habits: Habits,
    story: Option<String>,
    step: usize,
}

/// What a run does besides polling those who were woken.
#[derive(Debug, Clone, Copy)]
struct Habits {
    /// Once in so many steps an actor is polled that nobody woke; 0 for never.
    spurious: usize,
    /// Once in so many polls the waker is a new one; 0 for never.
    fresh: usize,
    /// Once in so many polls the budget is nearly spent; 0 for never.
    poor: usize,
}

struct Actor {
    name: &'static str,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    signal: Arc<Signal>,
    waker: Waker,
    /// What its former wakers woke.
    old: Vec<Arc<Signal>>,
    polls: usize,
    stays: bool,
    reason: Option<Box<dyn Fn() -> bool>>,
    end: Option<End>,
}

/// What one waker wakes.
struct Signal(AtomicBool);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn signal(is_woken: bool) -> (Arc<Signal>, Waker) {
    let signal = Arc::new(Signal(AtomicBool::new(is_woken)));
    (signal.clone(), Waker::from(signal))
}

impl Actor {
    fn is_woken(&self) -> bool {
        self.signal.0.load(Ordering::Relaxed)
    }
}

/// What is said about an actor when it comes on stage.
pub(crate) struct Role<'s>(&'s mut Actor);

impl Role<'_> {
    /// It is never dropped before it is done: the scenario would be over without it.
    pub(crate) fn stays(self) -> Self {
        self.0.stays = true;
        self
    }

    /// When nobody is woken any more, it may still wait if this is true then. The run drops it.
    pub(crate) fn may_wait_while(self, reason: impl Fn() -> bool + 'static) -> Self {
        self.0.reason = Some(Box::new(reason));
        self
    }
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Half of the runs are pure: what nobody woke is not polled, so that a lost wake-up is noticed.
        let pick = |random: &mut Random, every: usize| usize::from(random.one_in(2)) * every;
        let habits = Habits {
            spurious: pick(&mut random, 4),
            fresh: pick(&mut random, 3),
            poor: usize::from(random.one_in(8)) * 4,
        };
        Self {
            random,
            actors: Vec::new(),
            checks: Vec::new(),
            habits,
            story: None,
            step: 0,
        }
    }

    /// Tells every step, for a replay.
    pub(crate) fn tell(&mut self) {
        self.story = Some(format!("{:?}\n", self.habits));
    }

    /// The generator, for choices of the scenario.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Whether this run polls with nearly spent budgets: then a first poll may be denied.
    pub(crate) fn has_poor_polls(&self) -> bool {
        self.habits.poor != 0
    }

    /// Puts an actor on stage. It may be dropped at any time.
    pub(crate) fn actor(
        &mut self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Role<'_> {
        let (signal, waker) = signal(true);
        self.actors.push(Actor {
            name,
            future: Some(Box::pin(future)),
            signal,
            waker,
            old: Vec::new(),
            polls: 0,
            stays: false,
            reason: None,
            end: None,
        });
        Role(self.actors.last_mut().expect("just pushed"))
    }

    /// Adds a check that is made when all actors are gone.
    pub(crate) fn at_end(&mut self, check: impl FnOnce(&Outcome) + 'static) {
        self.checks.push(Box::new(check));
    }

    /// How many actors there are.
    pub(crate) fn actors(&self) -> usize {
        self.actors.len()
    }

    /// Whether this actor may be dropped.
    pub(crate) fn may_cancel(&self, actor: usize) -> bool {
        !self.actors[actor].stays
    }

    /// Takes steps until no actor is left, and makes the checks.
    pub(crate) fn run(&mut self, cancel: Cancel) -> Outcome {
        let mut cancelled = 0;
        if let Cancel::One(Point {
            actor,
            polls: 0,
            when: When::AtOnce,
        }) = cancel
        {
            self.end(actor, End::Cancelled);
            cancelled += 1;
        }
        while self.actors.iter().any(|actor| actor.future.is_some()) {
            self.step += 1;
            assert!(
                self.step < MOST_STEPS,
                "livelock: no end after {MOST_STEPS} steps\n{self}"
            );
            let point = match cancel {
                Cancel::One(point) => Some(point),
                _ => None,
            };
            // Who is to be dropped at its next wake is not polled any more.
            let is_held = |index: usize, actor: &Actor| {
                point.is_some_and(|point| {
                    point.actor == index && point.when == When::Woken && point.polls == actor.polls
                })
            };
            if let Cancel::Storm(times) = cancel {
                if self.random.one_in(times) {
                    let index = self.random.below(self.actors.len());
                    if self.actors[index].future.is_some() && !self.actors[index].stays {
                        self.end(index, End::Cancelled);
                        cancelled += 1;
                        continue;
                    }
                }
            }
            let Some(index) = self.choose() else {
                let held = (0..self.actors.len()).find(|&index| {
                    let actor = &self.actors[index];
                    actor.future.is_some() && is_held(index, actor)
                });
                match held {
                    Some(index) => {
                        self.end(index, End::Cancelled);
                        cancelled += 1;
                    }
                    None => self.quiet(),
                }
                continue;
            };
            if is_held(index, &self.actors[index]) {
                if self.actors[index].is_woken() {
                    self.end(index, End::Cancelled);
                    cancelled += 1;
                }
                continue;
            }
            let is_pending = self.poll(index);
            let is_due = point.is_some_and(|point| {
                point.actor == index
                    && point.when == When::AtOnce
                    && point.polls == self.actors[index].polls
            });
            if is_pending && is_due {
                self.end(index, End::Cancelled);
                cancelled += 1;
            }
        }
        let outcome = Outcome {
            ends: self.actors.iter().map(ending).collect(),
            cancelled,
        };
        for check in std::mem::take(&mut self.checks) {
            check(&outcome);
        }
        outcome
    }

    /// Whose turn it is: mostly somebody who was woken. `None` if nobody was.
    fn choose(&mut self) -> Option<usize> {
        let lives = |actor: &Actor| actor.future.is_some();
        let is_woken = |actor: &Actor| actor.future.is_some() && actor.is_woken();
        let woken = self.actors.iter().filter(|actor| is_woken(actor)).count();
        if woken == 0 {
            return None;
        }
        let any = self.habits.spurious != 0 && self.random.one_in(self.habits.spurious);
        let of = match any {
            true => self.actors.iter().filter(|actor| lives(actor)).count(),
            false => woken,
        };
        let turn = self.random.below(of);
        let mut candidates = (0..self.actors.len()).filter(|&index| match any {
            true => lives(&self.actors[index]),
            false => is_woken(&self.actors[index]),
        });
        candidates.nth(turn)
    }

    /// Polls an actor once. Returns whether it is still pending.
    fn poll(&mut self, index: usize) -> bool {
        let is_fresh = self.habits.fresh != 0 && self.random.one_in(self.habits.fresh);
        let is_poor = self.habits.poor != 0 && self.random.one_in(self.habits.poor);
        let actor = &mut self.actors[index];
        if is_fresh {
            let (signal, waker) = signal(false);
            actor.old.push(std::mem::replace(&mut actor.signal, signal));
            actor.waker = waker;
        }
        actor.signal.0.store(false, Ordering::Relaxed);
        actor.polls += 1;
        let Some(future) = &mut actor.future else {
            unreachable!("chosen because it lives");
        };
        let mut cx = Context::from_waker(&actor.waker);
        let outer = budget::start();
        if is_poor {
            let mut nobody = Context::from_waker(Waker::noop());
            for _ in 0..budget::PER_POLL {
                let _ = budget::poll_proceed(&mut nobody);
            }
        }
        let poll = future.as_mut().poll(&mut cx);
        outer.resume();
        if let Some(story) = &mut self.story {
            let (name, polls) = (actor.name, actor.polls);
            let _ = writeln!(
                story,
                "{index} {name}: poll {polls} {poll:?} (new waker: {is_fresh}, poor: {is_poor})"
            );
        }
        if poll.is_ready() {
            self.end(index, End::Done);
        }
        poll.is_pending()
    }

    /// Drops an actor, and looks whether its waker goes with it.
    fn end(&mut self, index: usize, end: End) {
        let actor = &mut self.actors[index];
        if let Some(story) = &mut self.story {
            let _ = writeln!(story, "{index} {}: {end:?}", actor.name);
        }
        drop(actor.future.take());
        actor.end = Some(end);
        // One is ours and one is in the actor's waker.
        let is_kept = Arc::strong_count(&actor.signal) > 2
            || actor.old.iter().any(|old| Arc::strong_count(old) > 1);
        assert!(
            !is_kept,
            "a waker of an actor that is gone is still kept\n{self}"
        );
    }

    /// Nobody is woken: ends those who wait for a reason, or fails.
    fn quiet(&mut self) {
        let waits_on = |actor: &Actor| match &actor.reason {
            Some(reason) => reason(),
            None => false,
        };
        let left = self.actors.iter().filter(|actor| actor.future.is_some());
        if !left.clone().all(waits_on) {
            self.deadlock();
        }
        for index in 0..self.actors.len() {
            // Dropping one may wake the next.
            if self.actors[index].future.is_some() {
                self.end(index, End::LeftWaiting);
                return;
            }
        }
    }

    /// Asks everybody once more what they wait for, and fails.
    fn deadlock(&mut self) -> ! {
        let mut reasons = String::new();
        for actor in &mut self.actors {
            let Some(future) = &mut actor.future else {
                continue;
            };
            let mut cx = Context::from_waker(&actor.waker);
            let (poll, waits) = observe(|| future.as_mut().poll(&mut cx));
            let _ = write!(reasons, "\n  {}: ", actor.name);
            match poll {
                Poll::Ready(()) => reasons.push_str("IS READY NOW: its wake-up was lost"),
                Poll::Pending if actor.signal.0.load(Ordering::Relaxed) => {
                    reasons.push_str("goes on when polled: its wake-up was lost");
                }
                Poll::Pending => reasons.push_str("waits for"),
            }
            for wait in waits {
                let _ = write!(reasons, " [{wait}]");
            }
        }
        panic!("deadlock: nobody is woken, and these wait:{reasons}\n{self}");
    }
}

fn ending(actor: &Actor) -> (&'static str, End) {
    (actor.name, actor.end.expect("the run is over"))
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at step {}:", self.step)?;
        for (index, actor) in self.actors.iter().enumerate() {
            let (name, polls) = (actor.name, actor.polls);
            match actor.end {
                Some(end) => writeln!(f, "  {index} {name}: {end:?} after {polls} polls")?,
                None => writeln!(f, "  {index} {name}: polled {polls} times")?,
            }
        }
        match &self.story {
            Some(story) => write!(f, "the steps:\n{story}"),
            None => Ok(()),
        }
    }
}

/// A future that lets the others go first, so often.
pub(crate) async fn pause(turns: usize) {
    for _ in 0..turns {
        let mut is_over = false;
        std::future::poll_fn(|cx| {
            if is_over {
                return Poll::Ready(());
            }
            is_over = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Polls `future`, and drops it when it is still pending at the last of so many polls.
pub(crate) async fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    // In a box, to be dropped before this future is ready.
    let mut future = Some(Box::pin(future));
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        let Some(patient) = &mut future else {
            unreachable!("polled after it was ready");
        };
        let poll = patient.as_mut().poll(cx).map(Some);
        left -= 1;
        if poll.is_ready() || left == 0 {
            future = None;
            return match poll {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending => Poll::Ready(None),
            };
        }
        Poll::Pending
    })
    .await
}
