//! A part of a task that is a node of its own while it is polled.

use crate::task::tree::{Kind, Node};
use crate::task::{current, line};
use std::panic::Location;
use std::sync::Arc;

/// A node below the task that first polls it, and a note of which task that was.
#[derive(Debug)]
pub(crate) struct Part {
    node: Arc<Node>,
    /// Which task polled it first; see [`current::key`].
    home: u64,
}

impl Part {
    /// Makes a part of whatever is current. Outside of any task it stands alone: nothing but itself stops it.
    pub(crate) fn new(
        kind: Kind,
        name: Option<Box<str>>,
        site: &'static Location<'static>,
        policy: Option<crate::policy::StopPolicy>,
    ) -> Self {
        let node = current::with_node_or_new(|parent| {
            let inherited = parent.map(|parent| parent.policy());
            let policy = policy.or(inherited).unwrap_or_default();
            let mut node = Node::new(kind, None, name, site, policy, line::current());
            if let Some(parent) = parent {
                parent.adopt(&mut node, false);
            }
            node
        });
        let task = current::with_task_node(|task| task.cloned());
        node.bind_part(task);
        Self {
            node,
            home: current::key(),
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Calls `f` as this part. A part that is polled by another task than the first one still belongs to the first one.
    pub(crate) fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        let is_guest = self.home == 0 || self.home != current::key();
        let _inside = current::enter_part(&self.node, is_guest);
        f()
    }
}
