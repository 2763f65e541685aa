#![expect(
    unsafe_code,
    reason = "a node points to its task, which it outlives: the pointer is used under the lock, until the task takes it back"
)]
//! One place in the tree: its word, its ties, and who is woken for it.
//!
//! | part | written | read |
//! |---|---|---|
//! | `word` | under the lock | by anybody, at any time |
//! | `kind`, `id`, `name`, `site`, `chain` | at birth | by anybody |
//! | everything in [`State`] | under the lock | under the lock |
//!
//! No thread ever holds the locks of two nodes, but for that of a newborn, which nobody else has. No user code runs under one.

use super::alarms::Alarms;
use super::progress::Progress;
use super::word::{Seen, Word};
use crate::context::chain::Chain;
use crate::policy::StopPolicy;
use crate::task::event::{StopOrigin, TaskInfo};
use crate::task::header::Header;
use crate::task::home::Home;
use crate::task::id::TaskId;
use crate::task::owned::Owner;
use crate::task::runnable::Runnable;
use crate::task::state::Wake;
use lenio_sync::registry::Registry;
use lenio_sync::stop::{StopKind, StopReason, StopSource};
use lenio_sync::wait::{Guard, WaitQueue, WaitingFor, WakeBatch};
use lenio_time::{Clock, Instant};
use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::task::Waker;

/// A place in the tree: of a task, of a scope, of a shield.
pub(crate) struct Node {
    pub(super) word: Word,
    kind: Kind,
    id: Option<TaskId>,
    name: Option<Box<str>>,
    site: &'static Location<'static>,
    /// The throughline that the task has inherited.
    chain: Chain,
    /// Whether polls of the task note what it waits for. Set at birth.
    records_waits: bool,
    /// Whether a stop leaves its end to the body even before the first poll. Set at birth.
    is_promise: bool,
    /// Those who wait for something to change here stand in its list.
    pub(super) queue: WaitQueue<State>,
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task, or the future of a `block_on`.
    Task,
    /// A part of a task that has children of its own.
    Scope,
    /// A part of a task that no stop gets into, until its grace is over.
    Shield,
    /// A part of a task that neither a stop nor a cancel gets into, for a while.
    HardShield,
    /// The end of a task or scope: where a finalizer runs. Neither a stop nor a cancel gets in.
    Finalizer,
}

/// What the lock of a node protects.
pub(crate) struct State {
    pub(super) policy: StopPolicy,
    /// Set once, together with `REQUESTED`. Of a shield: what it keeps out, until it ends.
    pub(super) reason: Option<StopReason>,
    /// The walk of that stop, or of a later cancel, if there was anything below.
    pub(super) asked_by: Option<Arc<Progress>>,
    pub(super) member: Member,
    /// Takes the panics of children.
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) parent: Option<Parent>,
    /// All nodes below, first come first.
    pub(super) children: Registry<Child>,
    /// How many of them are tasks, or have something alive below: the sum of what they count.
    pub(super) live: usize,
    /// Whether the callbacks of the stop have run, if there was one.
    pub(super) is_announced: bool,
    /// Whether the finish callbacks have run.
    pub(super) is_finishing: bool,
    /// Whether the body was dropped instead of being polled to its end.
    pub(super) was_dropped: bool,
    /// Hard shields that keep a cancel from this task.
    pub(super) holds: usize,
    pub(super) rare: Option<Box<Rare>>,
}

/// What few nodes have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Wakes those who wait with a waker of their own, and runs callbacks.
    pub(super) signal: Option<StopSource>,
    /// First come first; the last runs first.
    pub(super) finalizers: Vec<Finalizer>,
    /// Under which a finalizer runs at this time. It is the last of the list.
    pub(super) finalizer_shield: Option<Arc<Node>>,
    pub(super) finish_callbacks: Vec<FinishCallback>,
    /// Who is stopped with this one because it waits for them.
    pub(super) links: Registry<Weak<Node>>,
    pub(super) alarms: Alarms,
    /// When its grace began.
    pub(super) stopped_at: Option<Instant>,
    /// What the task waited for after its last poll, if it is to be noted.
    pub(super) waits: Vec<WaitingFor>,
    /// How often a stop was delivered here.
    pub(super) deliveries: u32,
    /// Of a shield: whether what it keeps out is a cancel.
    pub(super) keeps_cancel_out: bool,
    /// Of a hard shield: its time is over, and it keeps nothing out any more.
    pub(super) is_open: bool,
    /// Whether the finalizers have had their time.
    pub(super) finalizers_over: bool,
}

/// An async finalizer.
pub(crate) type Finalizer = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What runs when a task is done.
pub(crate) type FinishCallback = Box<dyn FnOnce() + Send>;

/// A scope, as those who fail in it see it.
pub(crate) trait Sink: Send + Sync {
    /// Takes the panic of a child.
    fn panicked(&self, id: Option<TaskId>, payload: Box<dyn Any + Send>);
}

/// Who polls what a node stands for.
pub(super) enum Member {
    /// Nobody, so far or any more.
    Nobody,
    /// A task, which takes itself out before it is retired.
    Task(NonNull<Header>),
    /// Of a scope or shield: the task in whose polls it is polled.
    Of(Arc<Node>),
    /// The future of a `block_on`.
    Root(Waker, Arc<dyn Home>),
}

pub(super) struct Parent {
    pub(super) node: Arc<Node>,
    pub(super) key: u64,
}

/// A node below, as its parent lists it.
pub(super) struct Child {
    pub(super) node: Arc<Node>,
    /// How much of the parent's *live* is its. News of the child may come late, but in pairs: after each that it has something alive below
    /// there is one that it has not, so this may be two for a moment. What is left when the child leaves leaves with it, and news
    /// that comes after that is of no account.
    pub(super) counts: usize,
}

/// Those who wait for a node to change, to be woken once the lock is given back. Mostly there are none.
#[must_use]
pub(super) struct Watchers(Option<Box<WakeBatch>>);

impl Watchers {
    #[inline]
    pub(super) fn take(state: &mut Guard<'_, State>) -> Self {
        if state.is_empty(0) {
            return Self(None);
        }
        Self(Some(Self::take_all(state)))
    }

    #[cold]
    fn take_all(state: &mut Guard<'_, State>) -> Box<WakeBatch> {
        // A batch is large: in a box it is moved by its address.
        let mut batch = Box::new(WakeBatch::new());
        state.wake_all(0, &mut batch);
        batch
    }

    #[inline]
    pub(super) fn wake(self) {
        if let Some(mut batch) = self.0 {
            batch.wake_all();
        }
    }
}

/// Who has to be scheduled once the lock is given back.
#[must_use]
pub(super) enum Woken {
    Nobody,
    Task(Runnable),
    Part(Arc<Node>),
    Root(Waker),
}

impl Woken {
    pub(super) fn go(self) {
        match self {
            Self::Nobody => {}
            Self::Task(runnable) => runnable.submit(),
            Self::Part(task) => task.wake(),
            Self::Root(waker) => waker.wake(),
        }
    }
}

// SAFETY: the pointer forbids the auto trait. It is followed only under the lock, and while it is there its task is alive; what is
// called through it may be called from any thread.
unsafe impl Send for Member {}

impl Node {
    pub(crate) fn new(
        kind: Kind,
        id: Option<TaskId>,
        name: Option<Box<str>>,
        site: &'static Location<'static>,
        policy: StopPolicy,
        chain: Chain,
    ) -> Arc<Self> {
        Arc::new(Self {
            word: Word::new(),
            kind,
            id,
            name,
            site,
            chain,
            records_waits: false,
            is_promise: false,
            queue: WaitQueue::new(State {
                policy,
                reason: None,
                asked_by: None,
                sink: None,
                member: Member::Nobody,
                parent: None,
                children: Registry::new(),
                live: 0,
                is_announced: false,
                is_finishing: false,
                was_dropped: false,
                holds: 0,
                rare: None,
            }),
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn id(&self) -> Option<TaskId> {
        self.id
    }

    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    pub(crate) fn policy(&self) -> StopPolicy {
        self.queue.lock().policy
    }

    pub(crate) fn read(&self) -> Seen {
        self.word.read()
    }

    /// Why it was asked to stop, if it was.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        if self.read().is_requested() {
            self.queue.lock().reason.clone()
        } else {
            None
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo {
            id: self.id,
            name: self.name().map(str::to_owned),
            spawned_at: self.site,
            throughline: self.chain.clone(),
        }
    }

    /// For a node that nobody else has: polls of its task note what it waits for.
    pub(crate) fn record_waits(this: &mut Arc<Self>) {
        if let Some(node) = Arc::get_mut(this) {
            node.records_waits = true;
        }
    }

    /// For a node that nobody else has: its task is a promise.
    pub(crate) fn make_promise(this: &mut Arc<Self>) {
        if let Some(node) = Arc::get_mut(this) {
            node.is_promise = true;
        }
    }

    #[cfg(all(test, lenio_loom))]
    pub(crate) fn points_to_nobody(&self) -> bool {
        matches!(self.queue.lock().member, Member::Nobody)
    }

    pub(super) fn is_promise(&self) -> bool {
        self.is_promise
    }

    /// Why it was asked to stop, once the callbacks of the stop have run.
    pub(crate) fn announced_reason(&self) -> Option<StopReason> {
        if !self.read().is_requested() {
            return None;
        }
        let state = self.queue.lock();
        state.reason.clone().filter(|_| state.is_announced)
    }

    pub(crate) fn records_waits(&self) -> bool {
        self.records_waits
    }

    pub(crate) fn set_waits(&self, waits: Vec<WaitingFor>) {
        let mut state = self.queue.lock();
        let old = std::mem::replace(&mut state.rare().waits, waits);
        drop(state);
        drop(old);
    }

    /// What the task waited for after its last poll.
    pub(crate) fn waits(&self) -> Vec<WaitingFor> {
        let state = self.queue.lock();
        let rare = state.rare.as_ref();
        rare.map_or(Vec::new(), |rare| rare.waits.clone())
    }

    /// The nodes below, first come first.
    pub(crate) fn children(&self) -> Vec<Arc<Self>> {
        let state = self.queue.lock();
        let children = state.children.after(None);
        children.map(|(_, child)| child.node.clone()).collect()
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn set_sink(&self, sink: Arc<dyn Sink>) {
        self.queue.lock().sink = Some(sink);
    }

    /// Who takes the panics of what fails here: the scope above, if it is one.
    pub(crate) fn sink(&self) -> Option<Arc<dyn Sink>> {
        let parent = self.parent()?;
        parent.queue.lock().sink.clone()
    }

    pub(crate) fn parent(&self) -> Option<Arc<Self>> {
        let state = self.queue.lock();
        state.parent.as_ref().map(|parent| parent.node.clone())
    }

    /// A reason that begins here.
    pub(super) fn own_reason(self: &Arc<Self>, kind: StopKind) -> StopReason {
        let now = self.home().map(|home| home.now());
        let deadline_of = match kind {
            StopKind::Deadline => Arc::as_ptr(self).addr(),
            _ => 0,
        };
        StopReason::new(kind).with_origin(StopOrigin {
            task: self.task().and_then(|task| task.id),
            throughline: self.chain.clone(),
            at: now.unwrap_or_else(|| Clock::real().now()),
            deadline_of,
        })
    }

    /// Whether a stop, or a cancel, does not get in from above at this time.
    pub(super) fn keeps_out(&self, state: &State, is_cancel: bool) -> bool {
        let is_shield = match self.kind {
            Kind::Task | Kind::Scope => false,
            Kind::Shield => !is_cancel,
            Kind::HardShield => !state.rare.as_ref().is_some_and(|rare| rare.is_open),
            Kind::Finalizer => true,
        };
        is_shield && !self.read().is_body_done()
    }

    /// Says that this is the node of `task`. For a node that nobody else has.
    ///
    /// # Safety
    ///
    /// The task is not retired before [`close`](Self::close) has returned.
    pub(crate) unsafe fn bind_newborn(this: &mut Arc<Self>, task: NonNull<Header>) {
        if let Some(node) = Arc::get_mut(this) {
            node.queue.get_mut().member = Member::Task(task);
        }
    }

    /// As [`bind_newborn`](Self::bind_newborn), for a node that others may have, and that its task may even have closed.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn bind(&self, task: NonNull<Header>) {
        let mut state = self.queue.lock();
        let seen = self.read();
        if seen.is_done() {
            return;
        }
        state.member = Member::Task(task);
        // SAFETY: not closed, hence not retired.
        if let Some(home) = unsafe { home_of(task) } {
            state.policy = home.policy();
        }
        let missed = seen.is_requested().then(|| state.wake_member());
        drop(state);
        if let Some(woken) = missed {
            woken.go();
        }
    }

    pub(crate) fn bind_root(&self, waker: Waker, home: Arc<dyn Home>) {
        self.queue.lock().member = Member::Root(waker, home);
    }

    /// Says that this scope or shield is polled as a part of `task`.
    pub(crate) fn bind_part(&self, task: Option<Arc<Self>>) {
        let member = task.map_or(Member::Nobody, Member::Of);
        let mut state = self.queue.lock();
        let old = std::mem::replace(&mut state.member, member);
        drop(state);
        drop(old);
    }

    /// The task of which this is a part, or itself.
    pub(crate) fn task(self: &Arc<Self>) -> Option<Arc<Self>> {
        if self.kind == Kind::Task {
            return Some(self.clone());
        }
        self.queue.lock().part_of()
    }

    /// The runtime, while the task lives.
    pub(crate) fn home(&self) -> Option<Arc<dyn Home>> {
        let state = self.queue.lock();
        let task = match &state.member {
            Member::Nobody => return None,
            // SAFETY: the task is alive while it stands here.
            Member::Task(task) => return unsafe { home_of(*task) },
            Member::Root(_, home) => return Some(home.clone()),
            Member::Of(task) => task.clone(),
        };
        drop(state);
        task.home()
    }

    /// Schedules whoever polls this.
    pub(crate) fn wake(&self) {
        let mut state = self.queue.lock();
        let woken = state.wake_member();
        drop(state);
        woken.go();
    }
}

impl State {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Remembers that a cancel wants to get in later, and not just a stop.
    pub(super) fn note_kept_out(&mut self, is_cancel: bool) {
        if is_cancel {
            self.rare().keeps_cancel_out = true;
        }
    }

    /// Of a shield: what wants to get in, and whether that is a cancel.
    pub(super) fn kept_out(&self) -> Option<(StopReason, bool)> {
        let reason = self.reason.clone()?;
        let is_cancel = self.rare.as_ref().is_some_and(|rare| rare.keeps_cancel_out);
        Some((reason, is_cancel))
    }

    /// Of a scope or shield: its task.
    pub(super) fn part_of(&self) -> Option<Arc<Node>> {
        match &self.member {
            Member::Of(task) => Some(task.clone()),
            _ => None,
        }
    }

    pub(super) fn wake_member(&mut self) -> Woken {
        match &self.member {
            Member::Nobody => Woken::Nobody,
            Member::Of(task) => Woken::Part(task.clone()),
            Member::Root(waker, _) => Woken::Root(waker.clone()),
            Member::Task(task) => {
                // SAFETY: the task is alive while it stands here.
                if unsafe { task.as_ref() }.state.wake() == Wake::Submit {
                    // SAFETY: the verdict is the right to poll.
                    Woken::Task(unsafe { Runnable::from_raw(*task) })
                } else {
                    Woken::Nobody
                }
            }
        }
    }
}

/// # Safety
///
/// The task is alive.
unsafe fn home_of(task: NonNull<Header>) -> Option<Arc<dyn Home>> {
    // SAFETY: by contract.
    let header = unsafe { task.as_ref() };
    // SAFETY: a task that is not retired has an owner.
    unsafe { Owner::of(header) }.home()
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("word", &self.read())
            .finish_non_exhaustive()
    }
}

/// Lets go of the nodes above one by one: a chain may be longer than the stack is deep.
impl Drop for Node {
    fn drop(&mut self) {
        let mut parent = self.queue.get_mut().parent.take();
        while let Some(Parent { node, .. }) = parent {
            parent = Arc::into_inner(node).and_then(|mut node| node.queue.get_mut().parent.take());
        }
    }
}
