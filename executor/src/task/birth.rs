//! Where in the tree a task is born.

use super::current;
use super::id::TaskId;
use super::line;
use super::owned::Owner;
use super::tree::{Kind, Node};
use crate::policy::{Grace, SpawnUnder, StopPolicy};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What whoever spawns has asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Birth<'n> {
    pub(crate) under: Under<'n>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) policy: Option<StopPolicy>,
    /// In place of the policy's.
    pub(crate) grace: Option<Grace>,
    pub(crate) deadline: Option<Duration>,
    /// Whether the task is a promise; see `promise`.
    pub(crate) is_promise: bool,
}

/// What holds for all tasks of a runtime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The policy of tasks without a parent.
    pub(crate) policy: StopPolicy,
    /// Whether polls note what a task waits for.
    pub(crate) record_waits: bool,
}

impl Rules {
    /// Whether a plain spawn makes a task that is in no tree.
    #[inline]
    pub(crate) fn are_plain(&self) -> bool {
        self.policy.spawn_under == SpawnUnder::Root && !self.record_waits
    }
}

/// Whose child a task is to be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Under<'n> {
    /// Whose the policy says.
    #[default]
    Policy,
    /// Nobody's.
    Root,
    /// The current scope's or task's, where there is one.
    Current,
    /// This one's.
    Node(&'n Arc<Node>),
}

/// The place of a newborn.
#[derive(Debug)]
pub(crate) struct PlaceInTree {
    /// Its node, if it needs one.
    pub(crate) node: Option<Arc<Node>>,
    /// Below which it is to be linked.
    pub(crate) parent: Option<Arc<Node>>,
    /// Whether its policy is that of the parent.
    pub(crate) inherits_policy: bool,
}

impl Birth<'_> {
    /// Makes the node, if one is needed.
    pub(crate) fn place(
        &self,
        rules: &Rules,
        spawned_at: &'static Location<'static>,
    ) -> PlaceInTree {
        let runtime = &rules.policy;
        let parent = self.parent(runtime);
        let chain = line::current();
        let has_options = self.is_promise
            || rules.record_waits
            || self.name.is_some()
            || self.policy.is_some()
            || self.grace.is_some()
            || self.deadline.is_some();
        if parent.is_none() && chain.is_empty() && !has_options {
            return PlaceInTree::NONE;
        }
        // A child without one of its own gets the parent's when it is linked.
        let mut policy = self.policy.unwrap_or(*runtime);
        if let Some(grace) = self.grace {
            if let (None, Some(parent)) = (self.policy, &parent) {
                policy = parent.policy();
            }
            policy.grace = grace;
        }
        let name = self.name.clone();
        let mut node = Node::new(
            Kind::Task,
            Some(TaskId::next()),
            name,
            spawned_at,
            policy,
            chain,
        );
        if self.is_promise {
            Node::make_promise(&mut node);
        }
        if rules.record_waits {
            Node::record_waits(&mut node);
        }
        PlaceInTree {
            node: Some(node),
            parent,
            inherits_policy: self.policy.is_none() && self.grace.is_none(),
        }
    }

    fn parent(&self, runtime: &StopPolicy) -> Option<Arc<Node>> {
        let clone = |node: Option<&Arc<Node>>| node.cloned();
        match self.under {
            Under::Root => None,
            Under::Node(node) => Some(node.clone()),
            Under::Current => current::with_node_or_new(clone),
            Under::Policy => {
                let policy = current::with_node(|node| node.map_or(*runtime, |node| node.policy()));
                if policy.spawn_under == SpawnUnder::Root {
                    return None;
                }
                current::with_node_or_new(clone)
            }
        }
    }
}

impl PlaceInTree {
    /// Of a task that is in no tree.
    pub(crate) const NONE: Self = Self {
        node: None,
        parent: None,
        inherits_policy: true,
    };

    /// Whether `owner` does not take such a task any more.
    #[inline(always)]
    pub(crate) fn is_refused_by(&self, owner: &Owner) -> bool {
        owner.refuses_roots() && (self.parent.is_none() || owner.is_closed())
    }
}
