//! Parts of a task that poll futures of their own.

use super::part::Part;
use crate::task::tree::Kind;
use crate::task::{StopHandle, reason};
use lenio_sync::stop::{StopKind, StopReason};
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;

/// A part of the current task that can be stopped alone: for combinators that poll futures themselves.
///
/// What is polled [`inside`](Self::inside) obeys stops of the section as well as of the task, and what it spawns as a child belongs to the
/// section. Most code wants a [`scope`](fn@crate::scope), or a nursery of the crate `lenio`, both of which are made of this.
///
/// Dropping the section stops the tasks below, with the kind [`HandleDropped`](StopKind::HandleDropped); the task around it is not done
/// before they are. Costs an allocation and a lock.
///
/// # Examples
///
/// ```
/// use lenio_executor::{Section, check_stop};
///
/// lenio_executor::block_on(async {
///     let section = Section::new();
///     section.stop_handle().stop("only this part");
///     assert!(section.inside(check_stop).is_err());
///     assert!(check_stop().is_ok());
///     section.end().await;
/// });
/// ```
pub struct Section {
    part: Part,
}

impl Section {
    /// Makes a section of whatever is current: the task, or a scope of it. Outside of any task it stands alone, and nothing but itself
    /// stops it.
    ///
    /// So make it where it is polled first, not where the combinator is built.
    #[track_caller]
    pub fn new() -> Self {
        Self::at(Location::caller())
    }

    /// As [`new`](Self::new), with the place in the code that reports are to name.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::Section;
    /// use std::panic::Location;
    ///
    /// #[track_caller]
    /// fn watched<F: Future>(future: F) -> impl Future<Output = F::Output> {
    ///     let at = Location::caller();
    ///     async move {
    ///         let section = Section::at(at);
    ///         let mut future = std::pin::pin!(future);
    ///         std::future::poll_fn(|cx| section.inside(|| future.as_mut().poll(cx))).await
    ///     }
    /// }
    /// assert_eq!(lenio_executor::block_on(watched(async { 1 })), 1);
    /// ```
    pub fn at(site: &'static Location<'static>) -> Self {
        Self {
            part: Part::new(Kind::Scope, None, site, None),
        }
    }

    /// Calls `f` as this section: its stops count there, and children spawned there are below it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{Section, spawn_child};
    ///
    /// lenio_executor::block_on(async {
    ///     let section = Section::new();
    ///     let child = section.inside(|| spawn_child(async { "below" }));
    ///     section.end().await;
    ///     assert!(child.is_finished());
    /// });
    /// ```
    pub fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        self.part.inside(f)
    }

    /// Asks everything in the section to stop, for a reason of this kind. Returns whether nobody had asked before.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::StopKind;
    ///
    /// lenio_executor::block_on(async {
    ///     let section = lenio_executor::Section::new();
    ///     assert!(section.stop(StopKind::SiblingFailed));
    ///     let reason = section.stop_handle().reason();
    ///     assert_eq!(reason.map(|reason| reason.kind()), Some(StopKind::SiblingFailed));
    /// });
    /// ```
    #[track_caller]
    pub fn stop(&self, kind: StopKind) -> bool {
        self.part.node().stop(reason(kind, ""))
    }

    /// A handle that can stop the section, and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// lenio_executor::block_on(async {
    ///     let section = lenio_executor::Section::new();
    ///     assert!(!section.stop_handle().is_stopped());
    /// });
    /// ```
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(Some(self.part.node().clone()))
    }

    /// Whether futures of the section are to be dropped: it was cancelled, or the grace of its stop is over.
    ///
    /// The task is woken when that happens, as by every stop.
    ///
    /// # Examples
    ///
    /// ```
    /// lenio_executor::block_on(async {
    ///     let section = lenio_executor::Section::new();
    ///     section.stop_handle().cancel("no time to say goodbye");
    ///     assert!(section.is_cancelled());
    /// });
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.part.node().read().is_cancelled()
    }

    /// Waits until no task is alive below. There may be new ones later.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{Section, spawn_child};
    ///
    /// lenio_executor::block_on(async {
    ///     let section = Section::new();
    ///     let child = section.inside(|| spawn_child(async {}));
    ///     section.childless().await;
    ///     assert!(child.is_finished());
    /// });
    /// ```
    pub async fn childless(&self) {
        let node = self.part.node();
        let mut watcher = pin!(node.watcher());
        poll_fn(|cx| node.poll_childless(watcher.as_mut(), cx)).await;
    }

    /// Waits until no task is alive below, and ends the section: what is spawned below it later is born stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the section.
    ///
    /// # Examples
    ///
    /// ```
    /// lenio_executor::block_on(async {
    ///     let section = lenio_executor::Section::new();
    ///     let handle = section.stop_handle();
    ///     section.end().await;
    ///     assert!(handle.is_done());
    /// });
    /// ```
    pub async fn end(self) {
        loop {
            self.childless().await;
            if self.part.node().try_end_scope() {
                return;
            }
        }
    }
}

impl Default for Section {
    /// As [`new`](Self::new).
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let node = self.part.node();
        if !node.read().is_done() {
            node.abandon_scope(StopReason::new(StopKind::HandleDropped));
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("node", self.part.node())
            .finish()
    }
}
