//! How stops are to go: plain data that the task tree reads.
//!
//! No code asks which preset a policy is; each rule looks at the field that it is about.

use std::time::Duration;

/// What becomes of children, stops and waits; a plain value, set per runtime and overridden per scope and per spawn.
///
/// Children inherit the policy of their parent. Start from a preset and change fields:
///
/// ```
/// use lenio_executor::{Grace, StopPolicy};
/// use std::time::Duration;
///
/// let mut policy = StopPolicy::native();
/// policy.grace = Grace::new(Duration::from_secs(1), Duration::from_secs(2));
/// assert_ne!(policy, StopPolicy::default());
/// ```
///
/// | field | [`native`](Self::native), the default | [`gentletask`](Self::gentletask) | [`detached`](Self::detached) |
/// |---|---|---|---|
/// | [`spawn_under`](Self::spawn_under) | the root | the current task | the root |
/// | [`at_end`](Self::at_end) | stop the children, wait for them | stop them | leave them |
/// | [`grace`](Self::grace) | 5 s, 10 s | for ever | none: a stop is a cancel |
/// | [`join_links`](Self::join_links) | on request | always | never |
/// | [`ignored_stops`](Self::ignored_stops) | 1000 | 1000 | not counted |
/// | [`finalizers`](Self::finalizers) | until the hard limit | for ever | 1 s |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopPolicy {
    /// Whose child a task of plain [`spawn`](crate::spawn) is.
    pub spawn_under: SpawnUnder,
    /// What becomes of a task's children when its body ends.
    pub at_end: AtEnd,
    /// How long stopped tasks have before they are cancelled, and cancelled ones before they are reported.
    pub grace: Grace,
    /// Whether a stop of a task that waits for another one reaches that one too.
    pub join_links: JoinLinks,
    /// After how many deliveries of one stop to a task that goes on waiting there is a
    /// [`StopEvent::Ignored`](crate::StopEvent), and its grace, if it has one, is cut short.
    pub ignored_stops: Option<u32>,
    /// How long the async finalizers of a task may take.
    pub finalizers: FinalizerTime,
}

/// Whose child a task of plain [`spawn`](crate::spawn) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnUnder {
    /// Nobody's: it goes on when its spawner ends.
    Root,
    /// The current task's or scope's, as with [`spawn_child`](crate::spawn_child).
    Current,
}

/// What becomes of a task's children when its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// They are stopped, and the task is done when they are.
    StopAndWait,
    /// They are stopped; the task is done at once.
    Stop,
    /// Nothing: they are on their own.
    Leave,
}

/// Whether waiting for a task passes stops on to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinLinks {
    /// Only [`join_linked`](crate::JoinHandle::join_linked) does, while it waits.
    OnRequest,
    /// Every wait for a join handle does, from then on.
    Always,
    /// Not even `join_linked` does.
    Never,
}

/// How long the async finalizers of a task may take, counted from their begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalizerTime {
    /// As long as the hard grace of the task's policy.
    UntilHard,
    /// For ever.
    Unbounded,
    /// That long.
    Within(Duration),
}

/// The time between a stop and what follows if it is ignored. `None` is for ever.
///
/// Both are counted from the stop. At `soft` the task is cancelled: its future is dropped at its next suspension point. At `hard`
/// whatever still runs, because a poll or a blocking job does not return, is reported, and left alone.
///
/// # Examples
///
/// ```
/// use lenio_executor::Grace;
/// use std::time::Duration;
///
/// assert_eq!(Grace::NONE.soft, Some(Duration::ZERO));
/// assert_eq!(Grace::FOR_EVER.soft, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// From the stop to the cancel.
    pub soft: Option<Duration>,
    /// From the stop to the report.
    pub hard: Option<Duration>,
}

impl Grace {
    /// A stop is a cancel at once.
    pub const NONE: Self = Self::new(Duration::ZERO, Duration::ZERO);
    /// A stop is never followed by a cancel.
    pub const FOR_EVER: Self = Self {
        soft: None,
        hard: None,
    };

    /// Cancel after `soft`, report after `hard`; a `hard` below `soft` is taken as `soft`.
    pub const fn new(soft: Duration, hard: Duration) -> Self {
        let hard = if hard.as_nanos() < soft.as_nanos() {
            soft
        } else {
            hard
        };
        Self {
            soft: Some(soft),
            hard: Some(hard),
        }
    }

    /// Whether a stop is a cancel at once.
    pub(crate) fn is_none(&self) -> bool {
        self.soft == Some(Duration::ZERO)
    }

    /// Whether a stop is followed by nothing.
    pub(crate) fn is_for_ever(&self) -> bool {
        *self == Self::FOR_EVER
    }
}

impl StopPolicy {
    /// lenio's own: children are stopped and awaited, a stop is followed by a cancel after 5 s and by a report after 10 s.
    pub const fn native() -> Self {
        Self {
            spawn_under: SpawnUnder::Root,
            at_end: AtEnd::StopAndWait,
            grace: Grace::new(Duration::from_secs(5), Duration::from_secs(10)),
            join_links: JoinLinks::OnRequest,
            ignored_stops: Some(1000),
            finalizers: FinalizerTime::UntilHard,
        }
    }

    /// After the Python package gentletask: every task is a child of its spawner, a stop is only ever a request.
    pub const fn gentletask() -> Self {
        Self {
            spawn_under: SpawnUnder::Current,
            at_end: AtEnd::Stop,
            grace: Grace::FOR_EVER,
            join_links: JoinLinks::Always,
            ignored_stops: Some(1000),
            finalizers: FinalizerTime::Unbounded,
        }
    }

    /// For code that comes from runtimes without a tree: nobody waits for anybody, and a stop is a cancel at once.
    pub const fn detached() -> Self {
        Self {
            spawn_under: SpawnUnder::Root,
            at_end: AtEnd::Leave,
            grace: Grace::NONE,
            join_links: JoinLinks::Never,
            ignored_stops: None,
            finalizers: FinalizerTime::Within(Duration::from_secs(1)),
        }
    }

    /// How long finalizers may take.
    pub(crate) fn finalizer_limit(&self) -> Option<Duration> {
        match self.finalizers {
            FinalizerTime::UntilHard => self.grace.hard,
            FinalizerTime::Unbounded => None,
            FinalizerTime::Within(limit) => Some(limit),
        }
    }
}

impl Default for StopPolicy {
    /// [`native`](Self::native).
    fn default() -> Self {
        Self::native()
    }
}
