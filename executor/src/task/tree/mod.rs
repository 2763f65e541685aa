//! The task tree: who belongs to whom, and how stops and ends travel through it.
//!
//! A [`Node`] is a place in the tree: of a task, of a scope, of a shield. A task that nobody stops, that has no children and no parent,
//! has none. A node is made at birth for a task that has a parent, a name or a throughline, and on first use for any other.
//!
//! ```text
//!   task header ----owns----> node <----parent---- node of a child
//!        ^                     |  ------children---->   (strong both ways, until the child is done)
//!        +------member---------+
//! ```
//!
//! - A parent's list holds its children, and they hold their parent; a child that is done takes itself off the list, which undoes both.
//! - A node points to its task until the task takes the pointer back, right before it is retired. The pointer is used under the lock.
//! - *Live* counts the children that are tasks, or scopes and shields with something alive below. A task is done, and a cancelled one
//!   dropped, when its count is zero; so everything below goes first.
//!
//! | file | holds |
//! |---|---|
//! | `word` | how far the end of a node has come, in one atomic word |
//! | `node` | the node, and who is woken for it |
//! | `links` | children and parents, how a change of the count travels up, stops that are passed on sideways |
//! | `progress` | whether a walk through the tree is over |
//! | `cascade` | how a stop and a cancel travel down |
//! | `end` | how a task ends |
//! | `alarms`, `keeper` | deadlines and grace |
//!
//! # Two at once
//!
//! - *A stop against a new child:* the child is listed under the lock of the parent, and then the parent's word decides. A cascade sets the
//!   word under that lock before it looks at the list. The child is seen, or it sees.
//! - *A stop against the end of a task:* the task takes its pointer out of the node under the lock; the cascade uses the pointer under the
//!   lock. It wakes a task that is alive, or nobody.
//! - *The first node of a running task against its end:* whoever makes the node says so in the task's state word; who ends the task
//!   looks at that word in the step that publishes the outcome.

mod alarms;
mod cascade;
mod end;
mod keeper;
mod links;
mod node;
mod progress;
mod word;

pub(crate) use cascade::{Ask, Cascade};
pub(crate) use end::{Ending, Turn};
pub(crate) use node::{Finalizer, Kind, Node, Sink};
