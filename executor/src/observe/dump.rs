//! What all tasks are doing.

use crate::context::chain::Chain;
use crate::task::tree::{Kind, Node};
use crate::task::{Living, StopOrigin, TaskId};
use lenio_sync::stop::StopReason;
use lenio_sync::wait::WaitingFor;
use lenio_time::Instant;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// The tasks of a runtime at one moment, as a tree; made by [`Handle::dump`](crate::Handle::dump).
///
/// Displays as one line for each entry, indented by its depth. Tasks of a [`LocalSet`](crate::LocalSet) are not in it: they belong to no
/// runtime.
///
/// Not a snapshot of one instant: each task is looked at in its turn, and goes on meanwhile.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use lenio_executor::{Runtime, TaskState, spawn_child, yield_now};
/// use std::future::pending;
///
/// let runtime = Runtime::builder().current_thread().record_waits(true).build()?;
/// let handle = runtime.handle().clone();
/// let dump = runtime.block_on(async move {
///     let task = handle.task().name("parent").spawn(async {
///         spawn_child(lenio_executor::throughline!("request" => pending::<()>()));
///         pending::<()>().await
///     });
///     yield_now().await;
///     yield_now().await;
///     let dump = handle.dump();
///     task.cancel();
///     dump
/// });
/// let [parent, child] = &dump.entries[..] else { panic!("{dump}") };
/// assert_eq!((parent.depth, parent.name.as_deref()), (0, Some("parent")));
/// assert_eq!((child.depth, child.state), (1, TaskState::Idle));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dump {
    /// Parents before their children, children in the order in which they were spawned.
    pub entries: Vec<DumpEntry>,
}

/// One line of a [`Dump`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DumpEntry {
    /// How many are above it in the tree.
    pub depth: usize,
    /// Which task. `None`: a scope, a shield, or the future of a `block_on`.
    pub id: Option<TaskId>,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was spawned, or the scope begun.
    pub spawned_at: &'static Location<'static>,
    /// What it is doing.
    pub state: TaskState,
    /// On whose behalf it runs.
    pub throughline: Chain,
    /// What it waits for, if the runtime [records](crate::Builder::record_waits) that. Several in a join or a select.
    pub waits: Vec<WaitingFor>,
    /// Why it was asked to stop, if it was.
    pub stop: Option<StopReason>,
    /// How long ago that was, as far as it is known.
    pub stopped_for: Option<Duration>,
}

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is inside of a poll, or its closure runs.
    Running,
    /// It waits in a queue for its next poll, or for a blocking thread.
    Queued,
    /// It waits to be woken.
    Idle,
    /// Its body is over; it waits for its children, or its finalizers.
    Ending,
    /// No task: a scope.
    Scope,
    /// No task: a shield.
    Shield,
    /// No task: the future of a `block_on`.
    Root,
}

impl Dump {
    pub(crate) fn of(living: impl Iterator<Item = Living>, now: Instant) -> Self {
        let mut tasks: HashMap<*const Node, Living> = HashMap::new();
        let mut tops: Vec<Arc<Node>> = Vec::new();
        let mut alone = Vec::new();
        let mut seen = HashSet::new();
        for task in living {
            let Some(node) = task.node.clone() else {
                alone.push(DumpEntry::of_plain(&task));
                continue;
            };
            tasks.insert(Arc::as_ptr(&node), task);
            let mut top = node;
            // Up to the first one that somebody came by before.
            while seen.insert(Arc::as_ptr(&top)) {
                match top.parent() {
                    Some(parent) => top = parent,
                    None => {
                        tops.push(top);
                        break;
                    }
                }
            }
        }
        tops.sort_by_key(|top| top.id());
        let mut entries = Vec::new();
        // No recursion: a chain may be longer than the stack is deep.
        let mut left: Vec<(usize, Arc<Node>)> =
            tops.into_iter().rev().map(|top| (0, top)).collect();
        while let Some((depth, node)) = left.pop() {
            let task = tasks.get(&Arc::as_ptr(&node));
            entries.push(DumpEntry::of(&node, task, depth, now));
            let children = node.children().into_iter().rev();
            left.extend(children.map(|child| (depth + 1, child)));
        }
        alone.sort_by_key(|entry| entry.id);
        entries.extend(alone);
        Self { entries }
    }
}

impl DumpEntry {
    fn of_plain(task: &Living) -> Self {
        Self {
            depth: 0,
            id: Some(task.id),
            name: None,
            spawned_at: task.spawned_at,
            state: TaskState::of(task),
            throughline: Chain::empty(),
            waits: Vec::new(),
            stop: None,
            stopped_for: None,
        }
    }

    fn of(node: &Node, task: Option<&Living>, depth: usize, now: Instant) -> Self {
        let state = match (node.kind(), task) {
            (Kind::Scope, _) => TaskState::Scope,
            (Kind::Shield | Kind::HardShield | Kind::Finalizer, _) => TaskState::Shield,
            (Kind::Task, _) if node.read().is_body_done() => TaskState::Ending,
            (Kind::Task, Some(task)) => TaskState::of(task),
            // It has come since the list was made, or it is in none.
            (Kind::Task, None) if node.id().is_some() => TaskState::Idle,
            (Kind::Task, None) => TaskState::Root,
        };
        let stop = node.reason();
        let origin = stop
            .as_ref()
            .and_then(|reason| reason.origin::<StopOrigin>());
        Self {
            depth,
            id: node.id(),
            name: node.name().map(str::to_owned),
            spawned_at: node.site(),
            state,
            throughline: node.chain().clone(),
            waits: node.waits(),
            stopped_for: origin.map(|origin| now.duration_since(origin.at)),
            stop,
        }
    }
}

impl TaskState {
    fn of(task: &Living) -> Self {
        if task.is_running {
            Self::Running
        } else if task.is_scheduled {
            Self::Queued
        } else {
            Self::Idle
        }
    }
}

/// Deeper entries are indented no further.
const DEEPEST: usize = 32;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} tasks and scopes", self.entries.len())?;
        for entry in &self.entries {
            let indent = 2 * entry.depth.min(DEEPEST);
            writeln!(f, "{:indent$}{entry}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for DumpEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "task {id}")?,
            None => write!(f, "{}", self.state)?,
        }
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, ", spawned at {}", self.spawned_at)?;
        if self.id.is_some() {
            write!(f, ": {}", self.state)?;
        }
        for wait in &self.waits {
            write!(f, ", waits for {wait}")?;
        }
        if let Some(reason) = &self.stop {
            write!(f, ", stopped ({:?}", reason.kind())?;
            if let Some(message) = reason.message() {
                write!(f, ": {message}")?;
            }
            f.write_str(")")?;
        }
        if let Some(ago) = self.stopped_for {
            write!(f, " {ago:?} ago")?;
        }
        if !self.throughline.is_empty() {
            write!(f, ", for {:#}", self.throughline)?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Idle => "idle",
            Self::Ending => "ending",
            Self::Scope => "scope",
            Self::Shield => "shield",
            Self::Root => "block_on",
        })
    }
}
