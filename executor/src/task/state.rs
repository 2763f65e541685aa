//! The state word of a task: who may poll it, who owns its output, how many hold its memory.
//!
//! # Layout
//!
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `SCHEDULED` | a [`Runnable`](super::Runnable) exists, or will exist as soon as the running poll ends |
//! | 1 | `RUNNING` | somebody polls the future, or drops it; the stage belongs to them |
//! | 2 | `DONE` | the future is gone and the outcome is fixed; never cleared |
//! | 3 | `JOIN_INTEREST` | a join handle exists; if it is set when `DONE` is set, the output belongs to the handle |
//! | 4 | `JOIN_WAKER` | the waker slot is full and belongs to whoever finishes the task; clear: it belongs to the handle |
//! | 5 | `CANCELLED` | the next poll drops the future instead of polling it; never cleared |
//! | 6 | `TREE` | the task has a node in the tree, which decides what the next poll does; never cleared |
//! | 8.. | references | holders of the memory: the wakers, the handle, and the owner's list until it sweeps the finished task out |
//!
//! Forbidden: `RUNNING` with `DONE`; `JOIN_WAKER` without `JOIN_INTEREST`. `SCHEDULED` with `DONE` is meaningless and ignored.
//! A queue owns no reference, nor does a poll: a task that is not retired (see `owned`) is held by its owner's list.
//!
//! # Life
//!
//! ```text
//!            1 new                 2 start_poll              4 end_poll: nobody woke it
//!  (spawn) -------> SCHEDULED ---------------------> RUNNING -------------------------> idle
//!                    ^   ^                           |  |  ^                             |
//!                    |   | 5 end_poll: woken         |  |  | 3 wake, cancel              | 3 wake, cancel
//!                    |   +---- RUNNING|SCHEDULED <---|--+  | (adds SCHEDULED)            | (Submit)
//!                    |                               |     +-----                        |
//!                    +-------------------------------|-----------------------------------+
//!                                                    | 6 finish
//!                                                    v
//!                                                  DONE  --- last reference ---> memory freed
//! ```
//!
//! | arrow | event | function |
//! |---|---|---|
//! | 1 | spawn | [`State::new`] |
//! | 2 | whoever holds the runnable begins to poll | [`State::start_poll`] |
//! | 3 | any thread wakes or cancels | [`State::wake`], [`State::wake_by_value`], [`State::cancel`] |
//! | 4, 5 | the poll returned `Pending` | [`State::end_poll`] |
//! | 6 | the future is gone | [`State::finish`] |
//!
//! # What each transition owes
//!
//! Every transition returns a verdict that the caller must act upon; nobody but this file looks at bits.

use lenio_sync::primitive::atomic::{AtomicU64, Ordering, fence};

const SCHEDULED: u64 = 1 << 0;
const RUNNING: u64 = 1 << 1;
const DONE: u64 = 1 << 2;
const JOIN_INTEREST: u64 = 1 << 3;
const JOIN_WAKER: u64 = 1 << 4;
const CANCELLED: u64 = 1 << 5;
const TREE: u64 = 1 << 6;
const REFERENCE: u64 = 1 << 8;

/// References held at birth: by the join handle and by the owner's list.
const AT_BIRTH: u64 = 2 * REFERENCE;
const NEWBORN: u64 = SCHEDULED | JOIN_INTEREST | AT_BIRTH;

/// The state word.
pub(crate) struct State(AtomicU64);

/// What the holder of a runnable must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum StartPoll {
    /// Poll the future.
    Poll,
    /// Drop the future and finish as cancelled.
    Cancel,
    /// Ask the task's node what to do.
    AskTree {
        /// Whether a cancel was asked for that the node may not know of.
        is_cancelled: bool,
    },
}

/// What the poller must do after `Pending`.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum EndPoll {
    /// Nothing; the task may be gone already.
    Nothing,
    /// Queue it again: it was woken during its poll.
    Again,
}

/// What a waker or canceller must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Wake {
    /// Nothing: it is queued, running or done.
    Nothing,
    /// Submit the task to its scheduler.
    Submit,
    /// Free the memory: that was the last reference.
    Free,
}

/// What the poller must do after the task has finished.
#[derive(Debug)]
#[must_use]
pub(super) struct Finish {
    /// No handle wants the output: drop it.
    pub(super) drop_output: bool,
    /// The waker slot is full and ours: take it and wake the joiner.
    pub(super) wake_joiner: bool,
}

/// What a join handle must do when it goes.
#[derive(Debug)]
#[must_use]
pub(super) struct DropHandle {
    /// The output is there and ours: drop it, unless it was taken.
    pub(super) drop_output: bool,
    /// The waker slot is full and ours again: drop the waker.
    pub(super) drop_waker: bool,
}

impl State {
    /// A task that is about to be queued for the first time.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(NEWBORN))
    }

    /// The right to poll becomes the act of polling.
    pub(super) fn start_poll(&self) -> StartPoll {
        // ORDERING: Acquire pairs with the Release in `wake`, `cancel` and `end_poll`: what a waker wrote before it woke, and what
        // the previous poller wrote into the future, is visible to this poll.
        // A sum instead of two bit operations: which bits are set is known, and an addition is one instruction where they are a loop.
        let before = self.0.fetch_add(RUNNING - SCHEDULED, Ordering::Acquire);
        debug_assert_eq!(before & (SCHEDULED | RUNNING | DONE), SCHEDULED);
        if before & (CANCELLED | TREE) == 0 {
            StartPoll::Poll
        } else if before & TREE == 0 {
            StartPoll::Cancel
        } else {
            StartPoll::AskTree {
                is_cancelled: before & CANCELLED != 0,
            }
        }
    }

    /// The poll returned `Pending`.
    pub(super) fn end_poll(&self) -> EndPoll {
        // ORDERING: Release publishes the future to the next `start_poll`. Acquire for the `Again` case, in which this thread
        // queues the task itself and what the waker wrote travels on with it.
        let before = self.0.fetch_sub(RUNNING, Ordering::AcqRel);
        debug_assert_eq!(before & (RUNNING | DONE), RUNNING);
        if before & SCHEDULED == 0 {
            EndPoll::Nothing
        } else {
            EndPoll::Again
        }
    }

    /// Wakes without giving up a reference.
    pub(super) fn wake(&self) -> Wake {
        // ORDERING: Release pairs with the Acquire in `start_poll`, also if the task was woken already: it is an RMW on every path, so
        // the next poll sees what was written before each wake (tokio #7622). Acquire so that a submitter hands on what the
        // previous poller published.
        let before = self.0.fetch_or(SCHEDULED, Ordering::AcqRel);
        Self::submit_if_idle(before)
    }

    /// Wakes and gives up the waker's reference in one step.
    pub(super) fn wake_by_value(&self) -> Wake {
        // ORDERING: Relaxed: only a guess for the exchange below.
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            let after = (before | SCHEDULED) - REFERENCE;
            // ORDERING: AcqRel as in `wake`; the Release also orders this thread's earlier uses of the memory before its freeing.
            match self
                .0
                .compare_exchange_weak(before, after, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => before = now,
            }
        }
        if before < 2 * REFERENCE {
            // ORDERING: Acquire pairs with the Release of every other holder's last step.
            fence(Ordering::Acquire);
            return Wake::Free;
        }
        Self::submit_if_idle(before)
    }

    /// Asks for the future to be dropped at its next suspension point.
    pub(super) fn cancel(&self) -> Wake {
        // ORDERING: as `wake`.
        let before = self.0.fetch_or(SCHEDULED | CANCELLED, Ordering::AcqRel);
        Self::submit_if_idle(before)
    }

    fn submit_if_idle(before: u64) -> Wake {
        if before & (SCHEDULED | RUNNING | DONE) == 0 {
            Wake::Submit
        } else {
            Wake::Nothing
        }
    }

    /// The future is gone and its outcome stands in the stage. `None`, and nothing is done: the task has got a node meanwhile.
    pub(super) fn finish_alone(&self) -> Option<Finish> {
        // ORDERING: Acquire in the case of TREE pairs with the Release in `join_tree`: the node is visible. Else only a guess.
        let mut before = self.0.load(Ordering::Acquire);
        loop {
            debug_assert_eq!(before & (RUNNING | DONE), RUNNING);
            if before & TREE != 0 {
                return None;
            }
            // ORDERING: AcqRel as in `finish`; Acquire on failure as above.
            match self.0.compare_exchange_weak(
                before,
                before + DONE - RUNNING,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(Self::owed_at_end(before)),
                Err(now) => before = now,
            }
        }
    }

    /// The future is gone, its outcome stands in the stage, and its node, if it has one, knows.
    pub(super) fn finish(&self) -> Finish {
        // ORDERING: Release publishes the outcome to the handle (`is_done`, `poll` of the handle). Acquire pairs with the Release in
        // `give_waker`: if JOIN_WAKER is set, the waker in the slot is visible.
        let before = self.0.fetch_add(DONE - RUNNING, Ordering::AcqRel);
        debug_assert_eq!(before & (RUNNING | DONE), RUNNING);
        Self::owed_at_end(before)
    }

    fn owed_at_end(before: u64) -> Finish {
        Finish {
            drop_output: before & JOIN_INTEREST == 0,
            wake_joiner: before & JOIN_WAKER != 0,
        }
    }

    /// A node has been attached to the task. False: the task is done, and will not look at it.
    pub(super) fn join_tree(&self) -> bool {
        // ORDERING: Release publishes the node to `start_poll` and `finish_alone`. Acquire: if the task is done, its outcome is visible.
        self.0.fetch_or(TREE, Ordering::AcqRel) & DONE == 0
    }

    /// For a newborn: it has a node from the beginning.
    pub(super) fn born_in_tree() -> Self {
        Self(AtomicU64::new(NEWBORN | TREE))
    }

    /// Whether the task has a node.
    #[inline]
    pub(super) fn is_in_tree(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `join_tree`.
        self.0.load(Ordering::Acquire) & TREE != 0
    }

    /// Whether somebody polls the task, or drops its future.
    pub(super) fn is_running(&self) -> bool {
        // ORDERING: Relaxed: advisory.
        self.0.load(Ordering::Relaxed) & RUNNING != 0
    }

    /// Whether the task waits in a queue.
    pub(super) fn is_scheduled(&self) -> bool {
        // ORDERING: Relaxed: advisory.
        self.0.load(Ordering::Relaxed) & SCHEDULED != 0
    }

    /// Whether the outcome is fixed; if so it is visible to the caller.
    pub(super) fn is_done(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Whether a cancel was asked for.
    pub(super) fn is_cancelled(&self) -> bool {
        // ORDERING: Relaxed: advisory, publishes nothing.
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Handle: the waker slot was filled; hands it to whoever finishes. False: the task is done and the slot is still ours.
    pub(super) fn give_waker(&self) -> bool {
        // ORDERING: Release pairs with the Acquire in `finish`. Acquire on failure pairs with the Release in `finish`.
        self.change_unless_done(|bits| bits | JOIN_WAKER)
    }

    /// Handle: takes the waker slot back in order to change the waker. False: the task is done, and the slot is not ours.
    pub(super) fn take_back_waker(&self) -> bool {
        self.change_unless_done(|bits| bits & !JOIN_WAKER)
    }

    /// Handle: whether it has given a waker away.
    pub(super) fn has_waker(&self) -> bool {
        // ORDERING: Relaxed: only the handle sets and clears the bit, and it is the one asking.
        self.0.load(Ordering::Relaxed) & JOIN_WAKER != 0
    }

    fn change_unless_done(&self, change: impl Fn(u64) -> u64) -> bool {
        // ORDERING: Relaxed: only a guess for the exchange below, except that DONE is confirmed by the Acquire fence.
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            if before & DONE != 0 {
                // ORDERING: Acquire pairs with the Release in `finish`.
                fence(Ordering::Acquire);
                return false;
            }
            // ORDERING: AcqRel: Release for the slot's new content, Acquire for taking the slot back.
            match self.0.compare_exchange_weak(
                before,
                change(before),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => before = now,
            }
        }
    }

    /// The handle goes before anything has happened to the task: one step for its interest and its reference. False: use
    /// [`drop_handle`](Self::drop_handle).
    pub(super) fn drop_newborn_handle(&self) -> bool {
        // ORDERING: Release orders the handle's uses before the freeing by somebody else; nothing is read.
        self.0
            .compare_exchange(
                NEWBORN,
                NEWBORN - JOIN_INTEREST - REFERENCE,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// The handle goes; its reference is given up separately.
    pub(super) fn drop_handle(&self) -> DropHandle {
        // ORDERING: Acquire pairs with the Release in `finish` (the output that we may have to drop). Release orders the handle's
        // last use of the slot before the finisher's.
        let before = self
            .0
            .fetch_and(!(JOIN_INTEREST | JOIN_WAKER), Ordering::AcqRel);
        DropHandle {
            drop_output: before & DONE != 0,
            drop_waker: before & DONE == 0 && before & JOIN_WAKER != 0,
        }
    }

    /// One more holder.
    pub(super) fn add_reference(&self) {
        // ORDERING: Relaxed: the caller holds a reference already, nothing is published by counting.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        // 2^55 leaked references would have to exist at once: each is at least a pointer in memory that nobody has.
        debug_assert!((REFERENCE..u64::MAX / 2).contains(&before));
    }

    /// Whether the caller, who holds a reference to a retired task, is its only holder. Then nobody can become another one.
    pub(super) fn is_last_reference(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `drop_reference`: the other holders' uses are over.
        self.0.load(Ordering::Acquire) < 2 * REFERENCE
    }

    /// One holder less. True: it was the last one, and the caller frees the memory.
    #[must_use]
    pub(super) fn drop_reference(&self) -> bool {
        // ORDERING: Release orders this holder's uses before the freeing; the fence pairs with every other holder's Release.
        let before = self.0.fetch_sub(REFERENCE, Ordering::Release);
        debug_assert!(before >= REFERENCE);
        if before >= 2 * REFERENCE {
            return false;
        }
        // ORDERING: see above.
        fence(Ordering::Acquire);
        true
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // ORDERING: Relaxed: a snapshot for people.
        let bits = self.0.load(Ordering::Relaxed);
        let mut names = f.debug_list();
        for (bit, name) in [
            (SCHEDULED, "scheduled"),
            (RUNNING, "running"),
            (DONE, "done"),
            (JOIN_INTEREST, "join interest"),
            (JOIN_WAKER, "join waker"),
            (CANCELLED, "cancelled"),
            (TREE, "in the tree"),
        ] {
            if bits & bit != 0 {
                names.entry(&name);
            }
        }
        names.entry(&(bits / REFERENCE)).finish()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    fn idle() -> State {
        let state = State::new();
        assert_eq!(state.start_poll(), StartPoll::Poll);
        assert_eq!(state.end_poll(), EndPoll::Nothing);
        state
    }

    #[test]
    fn a_wake_of_an_idle_task_submits_it_once() {
        let state = idle();
        assert_eq!(state.wake(), Wake::Submit);
        assert_eq!(state.wake(), Wake::Nothing);
        assert_eq!(state.cancel(), Wake::Nothing);
        assert_eq!(state.start_poll(), StartPoll::Cancel);
    }

    #[test]
    fn a_wake_during_the_poll_makes_the_poller_queue_it_again() {
        let state = State::new();
        assert_eq!(state.start_poll(), StartPoll::Poll);
        assert_eq!(state.wake(), Wake::Nothing);
        assert_eq!(state.end_poll(), EndPoll::Again);
        assert_eq!(state.wake(), Wake::Nothing, "still queued");
    }

    #[test]
    fn nothing_submits_a_finished_task() {
        let state = State::new();
        assert_eq!(state.start_poll(), StartPoll::Poll);
        assert!(!state.finish().drop_output);
        assert_eq!(state.wake(), Wake::Nothing);
        assert_eq!(state.cancel(), Wake::Nothing);
        state.add_reference();
        assert_eq!(state.wake_by_value(), Wake::Nothing);
        assert!(state.is_done());
    }

    #[test]
    fn the_output_belongs_to_the_handle_if_there_is_one_at_the_end() {
        let with = State::new();
        assert_eq!(with.start_poll(), StartPoll::Poll);
        assert!(!with.finish().drop_output);
        assert!(with.drop_handle().drop_output);

        let without = State::new();
        assert!(!without.drop_handle().drop_output);
        assert_eq!(without.start_poll(), StartPoll::Poll);
        assert!(without.finish().drop_output);
    }

    #[test]
    fn the_waker_slot_belongs_to_exactly_one_side() {
        let finisher = State::new();
        assert!(finisher.give_waker());
        assert_eq!(finisher.start_poll(), StartPoll::Poll);
        assert!(finisher.finish().wake_joiner);
        assert!(!finisher.take_back_waker());
        assert!(!finisher.drop_handle().drop_waker);

        let handle = State::new();
        assert!(handle.give_waker());
        assert!(handle.drop_handle().drop_waker);
        assert_eq!(handle.start_poll(), StartPoll::Poll);
        assert!(!handle.finish().wake_joiner);
    }

    #[test]
    fn the_last_reference_frees() {
        let state = State::new();
        state.add_reference();
        assert!(!state.drop_newborn_handle(), "a waker exists");
        assert!(!state.drop_reference());
        assert!(!state.is_last_reference());
        assert!(!state.drop_reference());
        assert!(state.is_last_reference());
        assert_eq!(state.wake_by_value(), Wake::Free);
    }
}
