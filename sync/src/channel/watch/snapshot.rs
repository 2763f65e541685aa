//! A look at the value of a watch channel.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value of a watch channel, as it was when it was looked at.
///
/// It keeps the value alive, and nothing else: it holds no lock, hinders nobody who sends, and may be kept across an `.await`. A
/// newer value does not change it. The value is dropped with the last snapshot of it once a newer one was sent, by whoever holds that
/// snapshot.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = lenio_sync::channel::watch("old");
/// let before = receiver.borrow();
/// assert!(sender.send("new").is_ok(), "the snapshot does not hinder it");
/// assert_eq!((*before, *receiver.borrow()), ("old", "new"));
/// ```
pub struct Snapshot<T> {
    value: Arc<T>,
    has_changed: bool,
}

impl<T> Snapshot<T> {
    pub(super) fn new(value: Arc<T>, has_changed: bool) -> Self {
        Self { value, has_changed }
    }

    /// Whether the receiver that took the snapshot had not seen this value before. Of a sender's snapshot: no.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::watch(1);
    /// assert!(!receiver.borrow().has_changed());
    /// assert!(sender.send(2).is_ok());
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Takes the value out, if this is the only snapshot of it and a newer one has been sent.
    ///
    /// # Errors
    ///
    /// If somebody else still has the value; the error is the snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(String::from("old"));
    /// let old = sender.send_replace(String::from("new"));
    /// assert_eq!(old.try_into_inner().ok(), Some(String::from("old")));
    /// assert!(receiver.borrow().try_into_inner().is_err(), "the channel has it");
    /// ```
    pub fn try_into_inner(self) -> Result<T, Self> {
        let has_changed = self.has_changed;
        Arc::try_unwrap(self.value).map_err(|value| Self { value, has_changed })
    }
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> AsRef<T> for Snapshot<T> {
    fn as_ref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone(), self.has_changed)
    }
}

impl<T: fmt::Debug> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
