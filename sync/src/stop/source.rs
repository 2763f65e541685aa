//! What asks others to stop.

use super::cascade;
use super::node::Node;
use super::reason::{StopKind, StopReason};
use super::token::StopToken;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Asks everything that holds one of its tokens, or a token of a source below, to stop.
///
/// Keep the source where the decision is made and hand out tokens. Dropping a source stops nothing, because a source is also dropped
/// when a function returns that only meant to start something; [`guard`](Self::guard) is for those who want the other rule. A clone is
/// another handle to the same place in the tree.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopReason, StopSource};
///
/// let server = StopSource::new();
/// let connection = server.child();
/// let token = connection.token();
/// assert!(server.stop(StopReason::new(StopKind::Shutdown)));
/// assert!(token.is_stopped());
/// assert!(!connection.stop(StopReason::new(StopKind::Requested)), "it is stopped already");
/// assert_eq!(token.reason().map(|reason| reason.kind()), Some(StopKind::Shutdown));
/// ```
#[derive(Clone)]
pub struct StopSource {
    node: Arc<Node>,
}

impl StopSource {
    /// Makes a source that belongs to nobody. Allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!lenio_sync::StopSource::new().is_stopped());
    /// ```
    pub fn new() -> Self {
        Self {
            node: Arc::new(Node::new()),
        }
    }

    /// Asks to stop, here and everywhere below. Returns whether this call was the first; the first reason stays.
    ///
    /// When the call that was first returns, everything that was below at its beginning is stopped, save what another thread is
    /// stopping at this moment. Everything made below later is born stopped.
    ///
    /// The order: this place, its waiters, its callbacks, then its children in the order in which they were made, each with all below
    /// it. Callbacks run in this thread, no lock is held meanwhile. Never waits, unless a callback does, and so may be called from a
    /// `Drop`.
    ///
    /// Costs one load if it is stopped already; else a lock for each place below and each callback, and a wake-up for each waiter.
    ///
    /// # Panics
    ///
    /// If a callback or a waker panics, the others run all the same and everything is stopped; then the first panic is passed on,
    /// unless this thread is unwinding already.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// assert!(source.stop(StopReason::new(StopKind::Requested)));
    /// assert!(!source.stop(StopReason::new(StopKind::Shutdown)));
    /// assert_eq!(source.reason().map(|reason| reason.kind()), Some(StopKind::Requested));
    /// ```
    pub fn stop(&self, reason: StopReason) -> bool {
        cascade::stop(&self.node, &reason)
    }

    /// As [`stop`](Self::stop), for a reason of this kind with this message, and with the place of this call.
    ///
    /// # Panics
    ///
    /// As [`stop`](Self::stop).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopSource};
    ///
    /// let source = StopSource::new();
    /// source.stop_with(StopKind::Deadline, "took too long");
    /// assert_eq!(source.token().check().unwrap_err().to_string(), "took too long");
    /// ```
    #[track_caller]
    pub fn stop_with(&self, kind: StopKind, message: impl Into<Cow<'static, str>>) -> bool {
        self.stop(StopReason::new(kind).with_message(message))
    }

    /// Makes a token of this source. Costs one reference count.
    ///
    /// # Examples
    ///
    /// ```
    /// let source = lenio_sync::StopSource::new();
    /// let token = source.token();
    /// assert!(!token.is_stopped());
    /// ```
    pub fn token(&self) -> StopToken {
        StopToken::of(self.node.clone())
    }

    /// Makes a source below this one: it is stopped with it, and can be stopped alone. Born stopped if this one is stopped.
    ///
    /// It stays below when this handle is dropped: a stop further up still reaches it. Costs an allocation and a lock; to drop it
    /// costs a lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// let child = source.child();
    /// child.stop(StopReason::new(StopKind::Requested));
    /// assert!(!source.is_stopped());
    /// source.stop(StopReason::new(StopKind::Shutdown));
    /// assert!(source.child().is_stopped(), "born stopped");
    /// ```
    #[must_use = "a source that nobody holds stops nobody"]
    pub fn child(&self) -> Self {
        Self {
            node: self.node.child(),
        }
    }

    /// Whether somebody asked to stop, here or above. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// source.stop(StopReason::new(StopKind::Requested));
    /// assert!(source.is_stopped());
    /// ```
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.node.is_stopped()
    }

    /// Why somebody asked to stop, if somebody did.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(lenio_sync::StopSource::new().reason().is_none());
    /// ```
    pub fn reason(&self) -> Option<StopReason> {
        self.node.reason()
    }

    /// How many places there are below, for tests.
    #[cfg(test)]
    pub(super) fn live_children(&self) -> usize {
        self.node.live_children()
    }

    /// Makes a guard that asks to stop when it is dropped, by a panic too. The reason is of kind [`StopKind::HandleDropped`], with the
    /// place of this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopSource};
    ///
    /// let source = StopSource::new();
    /// let guard = source.guard();
    /// drop(guard);
    /// assert_eq!(source.reason().map(|reason| reason.kind()), Some(StopKind::HandleDropped));
    /// ```
    #[track_caller]
    pub fn guard(&self) -> StopOnDrop {
        StopOnDrop {
            armed: Some((self.clone(), StopReason::new(StopKind::HandleDropped))),
        }
    }
}

impl Default for StopSource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StopSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopSource")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}

impl StopToken {
    /// Makes a source below: it is stopped with this token, and can be stopped alone. Born stopped if this token is stopped.
    ///
    /// So who is asked to stop can ask his own helpers. Below [`never`](Self::never) it is a source that belongs to nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// let helpers = source.token().child();
    /// helpers.stop(StopReason::new(StopKind::SiblingFailed));
    /// assert!(!source.is_stopped());
    /// ```
    #[must_use = "a source that nobody holds stops nobody"]
    pub fn child(&self) -> StopSource {
        match self.node() {
            Some(node) => StopSource { node: node.child() },
            None => StopSource::new(),
        }
    }
}

/// Asks to stop when it is dropped, unless it is [disarmed](Self::disarm). Made by [`StopSource::guard`].
///
/// A panic of a callback or a waker ends in the drop, once everything is stopped.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::StopSource;
///
/// fn serve(source: &StopSource, is_fine: bool) -> Option<()> {
///     let guard = source.guard();
///     is_fine.then_some(())?;
///     guard.disarm();
///     Some(())
/// }
/// let source = StopSource::new();
/// serve(&source, true);
/// assert!(!source.is_stopped());
/// serve(&source, false);
/// assert!(source.is_stopped());
/// ```
#[must_use = "dropping the guard stops"]
pub struct StopOnDrop {
    armed: Option<(StopSource, StopReason)>,
}

impl StopOnDrop {
    /// Ends the guard without a stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let source = lenio_sync::StopSource::new();
    /// source.guard().disarm();
    /// assert!(!source.is_stopped());
    /// ```
    pub fn disarm(mut self) {
        self.armed = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some((source, reason)) = self.armed.take() {
            cascade::stop_and_contain(&source.node, &reason);
        }
    }
}

impl fmt::Debug for StopOnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopOnDrop").finish_non_exhaustive()
    }
}
