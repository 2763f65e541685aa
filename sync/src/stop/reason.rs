//! Why somebody asks to stop.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// What made somebody ask for a stop.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopReason};
///
/// let is_ordinary = |reason: &StopReason| matches!(reason.kind(), StopKind::Requested | StopKind::Shutdown);
/// assert!(is_ordinary(&StopReason::new(StopKind::Shutdown)));
/// assert!(!is_ordinary(&StopReason::new(StopKind::Deadline)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopKind {
    /// Somebody asked for it.
    Requested,
    /// What the work was done for has ended.
    ParentFinished,
    /// What the work was done for has failed.
    ParentFailed,
    /// Other work for the same purpose has failed.
    SiblingFailed,
    /// The time for it is over.
    Deadline,
    /// The program, or the runtime, ends.
    Shutdown,
    /// The handle that kept it going was dropped, such as a [`StopOnDrop`](super::StopOnDrop).
    HandleDropped,
}

/// Why somebody asked for a stop: what kind of reason, a message perhaps, and where in the code.
///
/// One reason is shared by everything that a stop reaches. A clone costs one reference count. Displays as its message, which is empty
/// if there is none.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopReason};
///
/// let reason = StopReason::new(StopKind::Deadline).with_message("the client waits no longer");
/// assert_eq!(reason.kind(), StopKind::Deadline);
/// assert_eq!(reason.to_string(), "the client waits no longer");
/// assert!(reason.location().file().ends_with(".rs"));
/// ```
#[derive(Clone)]
pub struct StopReason(Arc<Cause>);

#[derive(Clone)]
struct Cause {
    kind: StopKind,
    message: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
    origin: Option<Arc<dyn Any + Send + Sync>>,
}

impl StopReason {
    /// Makes a reason without a message, and notes the place of this call. Allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    /// assert_eq!(StopReason::new(StopKind::Requested).to_string(), "");
    /// ```
    #[track_caller]
    pub fn new(kind: StopKind) -> Self {
        Self(Arc::new(Cause {
            kind,
            message: None,
            location: Location::caller(),
            origin: None,
        }))
    }

    /// The same reason with this message. Clones that were made before keep what they say.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    ///
    /// let reason = StopReason::new(StopKind::Requested).with_message(format!("by user {}", 7));
    /// assert_eq!(reason.message(), Some("by user 7"));
    /// ```
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Arc::make_mut(&mut self.0).message = Some(message);
        self
    }

    /// The same reason with more about where it comes from: anything, for whoever knows its type. Clones that were made before do not
    /// have it.
    ///
    /// An executor puts the task here that asked.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    ///
    /// let reason = StopReason::new(StopKind::Requested).with_origin("the console");
    /// assert_eq!(reason.origin::<&str>(), Some(&"the console"));
    /// assert_eq!(reason.origin::<u32>(), None);
    /// ```
    #[must_use]
    pub fn with_origin<T: Any + Send + Sync>(mut self, origin: T) -> Self {
        Arc::make_mut(&mut self.0).origin = Some(Arc::new(origin));
        self
    }

    /// What [`with_origin`](Self::with_origin) was given, if it was a `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    /// assert_eq!(StopReason::new(StopKind::Requested).origin::<u32>(), None);
    /// ```
    pub fn origin<T: Any>(&self) -> Option<&T> {
        self.0.origin.as_ref()?.downcast_ref()
    }

    /// What kind of reason it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    /// assert_eq!(StopReason::new(StopKind::Shutdown).kind(), StopKind::Shutdown);
    /// ```
    pub fn kind(&self) -> StopKind {
        self.0.kind
    }

    /// The message, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    /// assert_eq!(StopReason::new(StopKind::Requested).message(), None);
    /// ```
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Where the stop was asked for: the line that made the reason, or called [`stop_with`](super::StopSource::stop_with) or
    /// [`guard`](super::StopSource::guard).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopSource};
    ///
    /// let source = StopSource::new();
    /// let (line, _) = (line!(), source.stop_with(StopKind::Requested, "enough"));
    /// assert_eq!(source.reason().map(|reason| reason.location().line()), Some(line));
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// Whether both are clones of one reason, hence parts of one stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason};
    ///
    /// let reason = StopReason::new(StopKind::Requested);
    /// assert!(reason.is_same_as(&reason.clone()));
    /// assert!(!reason.is_same_as(&StopReason::new(StopKind::Requested)));
    /// ```
    pub fn is_same_as(&self, other: &StopReason) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

// Nothing here changes after it was made; only the origin, whose type is hidden, could. It is lent out, never touched.
impl std::panic::UnwindSafe for StopReason {}
impl std::panic::RefUnwindSafe for StopReason {}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.message().unwrap_or(""))
    }
}

impl fmt::Debug for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopReason")
            .field("kind", &self.kind())
            .field("message", &self.message())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

/// The error of work that ended because it was asked to stop.
///
/// For `?`: [`check`](super::StopToken::check) and [`run_until_stopped`](super::StopToken::run_until_stopped) return it. Displays as
/// the message of its reason, which may be empty.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopSource, StopToken, Stopped};
///
/// fn count(token: &StopToken) -> Result<u64, Stopped> {
///     let mut steps = 0;
///     while steps < 1_000 {
///         token.check()?;
///         steps += 1;
///     }
///     Ok(steps)
/// }
///
/// let source = StopSource::new();
/// assert_eq!(count(&source.token()).ok(), Some(1_000));
/// source.stop_with(StopKind::Requested, "no more counting");
/// let stopped = count(&source.token()).unwrap_err();
/// assert_eq!(stopped.to_string(), "no more counting");
/// ```
#[derive(Debug, Clone)]
pub struct Stopped {
    reason: StopReason,
}

impl Stopped {
    /// Makes the error of a stop for this reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, Stopped};
    /// let stopped = Stopped::new(StopReason::new(StopKind::Requested).with_message("enough"));
    /// assert_eq!(stopped.to_string(), "enough");
    /// ```
    pub fn new(reason: StopReason) -> Self {
        Self { reason }
    }

    /// Why it was asked to stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, Stopped};
    /// let stopped = Stopped::new(StopReason::new(StopKind::Deadline));
    /// assert_eq!(stopped.reason().kind(), StopKind::Deadline);
    /// ```
    pub fn reason(&self) -> &StopReason {
        &self.reason
    }

    /// Gives the reason out.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, Stopped};
    /// let reason = StopReason::new(StopKind::Deadline);
    /// assert!(Stopped::new(reason.clone()).into_reason().is_same_as(&reason));
    /// ```
    pub fn into_reason(self) -> StopReason {
        self.reason
    }
}

impl From<StopReason> for Stopped {
    fn from(reason: StopReason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl Error for Stopped {}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn g2_a_reason_without_a_message_displays_as_nothing() {
        let reason = StopReason::new(StopKind::Requested);
        assert_eq!(reason.to_string(), "");
        assert_eq!(Stopped::new(reason.clone()).to_string(), "");
        assert_eq!(format!("{:>3}", reason.with_message("a")), "  a");
    }

    #[test]
    fn a_message_that_is_added_to_a_clone_leaves_the_other_alone() {
        let plain = StopReason::new(StopKind::Deadline);
        let told = plain.clone().with_message("late");
        assert_eq!(plain.message(), None);
        assert_eq!(told.message(), Some("late"));
        assert_eq!(plain.location(), told.location());
    }

    #[test]
    fn a_reason_is_one_pointer() {
        assert_eq!(size_of::<Option<StopReason>>(), size_of::<usize>());
    }
}
