//! Every reachable state of a task, visited one transition at a time and compared with a model that is as plain as can be.
//!
//! The model knows who holds what (the right to poll, the handle, the list, so many wakers), and where the future, the output and the
//! joiner's waker are. From it follow what each transition must answer and which bits must be set. The search is exhaustive: each
//! state of the model is reached once, by a shortest path that is replayed on a fresh [`State`], and each step that its holders are
//! allowed to take is taken from there. Steps of different holders interleave in every order; what one step does *inside* is for loom.

use super::state::{DropHandle, EndPoll, Finish, StartPoll, State, Wake};
use std::collections::{HashSet, VecDeque};

/// Wakers that exist at a time. Two are one more than what tells a last reference from another.
const MOST_WAKERS: u8 = 2;

/// Where something is that must be used up exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    NotYet,
    There,
    Gone,
}

/// How far the join handle is with leaving its waker in the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Joiner {
    /// The slot is empty.
    None,
    /// The slot is full, and the handle has not told anybody yet, or has taken it back.
    Mine,
    /// The slot is full and was given away.
    Given,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Model {
    /// Right to poll: held by a queue, or owed because the task was woken while it runs.
    scheduled: bool,
    running: bool,
    done: bool,
    cancelled: bool,
    /// The handle's interest, and its reference: given up in this order, in two steps.
    interest: bool,
    handle: bool,
    list: bool,
    wakers: u8,
    joiner: Joiner,
    /// Whether the word says that the slot was given away: it says so still after the finisher has emptied it.
    noted: bool,
    output: Thing,
    memory: Thing,
}

/// One step that one holder takes.
#[derive(Debug, Clone, Copy)]
enum Step {
    StartPoll,
    EndPoll,
    Finish,
    /// By a waker, which stays.
    Wake,
    WakeByValue,
    DropWaker,
    /// By a waker, or by the borrowed waker of a poll.
    CloneWaker,
    /// By the handle, or by the owner, which walks its list.
    Cancel,
    PutWaker,
    GiveWaker,
    TakeBackWaker,
    ClearSlot,
    TakeOutput,
    DropHandle,
    DropHandleReference,
    /// By the sweeper, once the task is retired.
    Sweep,
}

const STEPS: [Step; 16] = [
    Step::StartPoll,
    Step::EndPoll,
    Step::Finish,
    Step::Wake,
    Step::WakeByValue,
    Step::DropWaker,
    Step::CloneWaker,
    Step::Cancel,
    Step::PutWaker,
    Step::GiveWaker,
    Step::TakeBackWaker,
    Step::ClearSlot,
    Step::TakeOutput,
    Step::DropHandle,
    Step::DropHandleReference,
    Step::Sweep,
];

impl Model {
    fn new() -> Self {
        Self {
            scheduled: true,
            running: false,
            done: false,
            cancelled: false,
            interest: true,
            handle: true,
            list: true,
            wakers: 0,
            joiner: Joiner::None,
            noted: false,
            output: Thing::NotYet,
            memory: Thing::There,
        }
    }

    fn references(&self) -> u8 {
        u8::from(self.handle) + u8::from(self.list) + self.wakers
    }

    /// Whether the holder that takes this step exists, and may take it now.
    fn allows(&self, step: Step) -> bool {
        let handle = self.handle && self.interest;
        match step {
            // The right to poll, if it is not just owed.
            Step::StartPoll => self.scheduled && !self.running && !self.done,
            Step::EndPoll | Step::Finish => self.running,
            Step::Wake | Step::WakeByValue | Step::DropWaker => self.wakers > 0,
            Step::CloneWaker => (self.wakers > 0 || self.running) && self.wakers < MOST_WAKERS,
            Step::Cancel => handle || self.list,
            Step::PutWaker => {
                handle && self.joiner == Joiner::None && !self.noted && !self.output_taken()
            }
            Step::GiveWaker => handle && self.joiner == Joiner::Mine && !self.output_taken(),
            Step::TakeBackWaker => handle && self.noted && !self.output_taken(),
            Step::ClearSlot => handle && self.joiner == Joiner::Mine,
            Step::TakeOutput => handle && self.output == Thing::There && self.done,
            // The slot is cleared within the poll that filled it; a handle is not dropped during a poll of its.
            Step::DropHandle => handle && self.joiner != Joiner::Mine,
            Step::DropHandleReference => self.handle && !self.interest,
            Step::Sweep => self.list && self.done,
        }
    }

    fn output_taken(&self) -> bool {
        self.output == Thing::Gone
    }

    /// A wake's verdict, and its effect.
    fn wake(&mut self) -> Wake {
        let idle = !self.scheduled && !self.running && !self.done;
        self.scheduled = true;
        match idle {
            true => Wake::Submit,
            false => Wake::Nothing,
        }
    }

    /// A reference was given up; whether that freed the memory.
    fn released(&mut self) -> bool {
        let last = self.references() == 0;
        if last {
            assert_eq!(self.memory, Thing::There, "freed twice");
            self.memory = Thing::Gone;
        }
        last
    }

    fn use_up_output(&mut self) {
        assert_eq!(self.output, Thing::There, "no output, or used up twice");
        self.output = Thing::Gone;
    }

    fn empty_slot(&mut self) {
        assert_ne!(self.joiner, Joiner::None, "nothing in the slot");
        self.joiner = Joiner::None;
    }

    /// Takes a step in the model and on the real word, and compares what they say.
    fn step(&mut self, step: Step, state: &State) {
        match step {
            Step::StartPoll => {
                (self.scheduled, self.running) = (false, true);
                let expected = match self.cancelled {
                    true => StartPoll::Cancel,
                    false => StartPoll::Poll,
                };
                assert_eq!(state.start_poll(), expected);
            }
            Step::EndPoll => {
                self.running = false;
                let expected = match self.scheduled {
                    true => EndPoll::Again,
                    false => EndPoll::Nothing,
                };
                assert_eq!(state.end_poll(), expected);
            }
            Step::Finish => self.finish(state.finish()),
            Step::Wake => assert_eq!(state.wake(), self.wake()),
            Step::WakeByValue => {
                self.wakers -= 1;
                let wake = self.wake();
                let expected = match self.released() {
                    true => Wake::Free,
                    false => wake,
                };
                assert_eq!(state.wake_by_value(), expected);
            }
            Step::DropWaker => {
                self.wakers -= 1;
                assert_eq!(state.drop_reference(), self.released());
            }
            Step::CloneWaker => {
                self.wakers += 1;
                state.add_reference();
            }
            Step::Cancel => {
                self.cancelled = true;
                assert_eq!(state.cancel(), self.wake());
            }
            Step::PutWaker => self.joiner = Joiner::Mine,
            Step::GiveWaker => {
                assert_eq!(state.give_waker(), !self.done);
                if !self.done {
                    (self.joiner, self.noted) = (Joiner::Given, true);
                }
            }
            Step::TakeBackWaker => {
                assert_eq!(state.take_back_waker(), !self.done);
                if !self.done {
                    (self.joiner, self.noted) = (Joiner::Mine, false);
                }
            }
            Step::ClearSlot => self.empty_slot(),
            Step::TakeOutput => self.use_up_output(),
            Step::DropHandle => self.drop_handle(state),
            Step::DropHandleReference => {
                self.handle = false;
                assert_eq!(state.drop_reference(), self.released());
            }
            Step::Sweep => {
                let is_last = self.references() == 1;
                assert_eq!(state.is_last_reference(), is_last);
                self.list = false;
                assert_eq!(state.drop_reference(), self.released());
            }
        }
        self.check(state);
    }

    fn finish(&mut self, finish: Finish) {
        (self.running, self.done) = (false, true);
        self.output = Thing::There;
        assert_eq!(finish.drop_output, !self.interest);
        assert_eq!(finish.wake_joiner, self.joiner == Joiner::Given);
        if finish.drop_output {
            self.use_up_output();
        }
        if finish.wake_joiner {
            self.empty_slot();
        }
    }

    fn drop_handle(&mut self, state: &State) {
        let is_as_at_birth = *self == Self::new();
        let in_one_step = state.drop_newborn_handle();
        assert_eq!(in_one_step, is_as_at_birth);
        self.interest = false;
        if in_one_step {
            self.handle = false;
            return;
        }
        let DropHandle {
            drop_output,
            drop_waker,
        } = state.drop_handle();
        assert_eq!(drop_output, self.done);
        assert_eq!(drop_waker, !self.done && self.joiner == Joiner::Given);
        self.noted = false;
        // A handle that has yielded the outcome is empty, and drops nothing a second time (`JoinHandle::task` is None then).
        if drop_output && self.output == Thing::There {
            self.use_up_output();
        }
        if drop_waker {
            self.empty_slot();
        }
    }

    /// What must hold between any two steps.
    fn check(&self, state: &State) {
        if self.references() == 0 {
            assert_eq!(self.memory, Thing::Gone, "leaked: {self:?}");
            assert_eq!(self.output, Thing::Gone, "freed with an output: {self:?}");
            assert_eq!(self.joiner, Joiner::None, "freed with a waker: {self:?}");
            return;
        }
        assert_eq!(self.memory, Thing::There, "freed too early: {self:?}");
        let word = Word::read(state);
        assert!(!(word.has("running") && word.has("done")), "{self:?}");
        assert!(
            !word.has("join waker") || word.has("join interest"),
            "{self:?}"
        );
        assert_eq!(word.has("scheduled"), self.scheduled, "{self:?}");
        assert_eq!(word.has("running"), self.running, "{self:?}");
        assert_eq!(word.has("done"), self.done, "{self:?}");
        assert_eq!(word.has("cancelled"), self.cancelled, "{self:?}");
        assert_eq!(word.has("join interest"), self.interest, "{self:?}");
        assert_eq!(word.references, u64::from(self.references()), "{self:?}");
        assert_eq!(word.has("join waker"), self.noted, "{self:?}");
        assert_eq!(state.has_waker(), self.noted);
        assert_eq!(state.is_done(), self.done);
        assert_eq!(state.is_cancelled(), self.cancelled);
    }
}

/// The word as its `Debug` shows it.
struct Word {
    names: String,
    references: u64,
}

impl Word {
    fn read(state: &State) -> Self {
        let text = format!("{state:?}");
        let list = text.trim_matches(['[', ']']);
        let (names, references) = list.rsplit_once(", ").unwrap_or(("", list));
        Self {
            names: format!("{names}, "),
            references: references.parse().unwrap(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(&format!("\"{name}\", "))
    }
}

/// Takes `path` in a new model and on a fresh word, comparing at every step.
fn replay(path: &[Step]) -> (Model, State) {
    let (mut model, state) = (Model::new(), State::new());
    for step in path {
        model.step(*step, &state);
    }
    (model, state)
}

/// Calls `f` with a shortest path to each reachable state.
fn for_each_reachable(mut f: impl FnMut(&[Step])) -> usize {
    let mut seen = HashSet::from([Model::new()]);
    let mut open: VecDeque<Vec<Step>> = VecDeque::from([Vec::new()]);
    while let Some(path) = open.pop_front() {
        f(&path);
        let (model, _) = replay(&path);
        for step in STEPS.into_iter().filter(|step| model.allows(*step)) {
            let longer: Vec<Step> = path.iter().copied().chain([step]).collect();
            if seen.insert(replay(&longer).0) {
                open.push_back(longer);
            }
        }
    }
    seen.len()
}

#[test]
fn every_reachable_state_answers_as_the_model_and_frees_once() {
    let mut ends = 0;
    let states = for_each_reachable(|path| {
        let (model, _) = replay(path);
        if !STEPS.into_iter().any(|step| model.allows(step)) {
            assert_eq!(model.memory, Thing::Gone, "stuck at {path:?}: {model:?}");
            ends += 1;
        }
    });
    // The search did reach what it is about: hundreds of states, several ways to end.
    assert!(states > 300 && ends > 1, "{states} states, {ends} ends");
}

#[test]
fn from_every_reachable_state_a_shutdown_frees_the_task() {
    /// In this order everybody lets go after the owner has asked for a cancel.
    const LETTING_GO: [Step; 7] = [
        Step::StartPoll,
        Step::Finish,
        Step::ClearSlot,
        Step::DropHandle,
        Step::DropHandleReference,
        Step::DropWaker,
        Step::Sweep,
    ];
    for_each_reachable(|path| {
        let (mut model, state) = replay(path);
        if !model.done {
            model.step(Step::Cancel, &state);
        }
        while let Some(step) = LETTING_GO.into_iter().find(|step| model.allows(*step)) {
            model.step(step, &state);
        }
        assert_eq!(model.memory, Thing::Gone, "never freed: {path:?}");
    });
}
