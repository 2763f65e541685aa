//! The frames that are in force somewhere, as a list that shares its tail with every other list that grew from it.
//!
//! ```text
//!   chain A ---> query ---\
//!                          >---> request ---> server         each link points outwards and never changes
//!   chain B ---> render --/
//! ```

use super::frame::Frame;
use super::value::Value;
use std::fmt;
use std::iter::successors;
use std::mem;
use std::sync::Arc;

/// A throughline: the frames that are in force somewhere, or that were when it was captured.
///
/// A capture is a value of its own: what is entered or left later does not change it. It keeps nothing alive but its frames, which are
/// plain data, and goes to any thread.
///
/// Cloning is a reference count, and so is a capture by [`current`](crate::throughline::current). [`push`](Self::push) allocates once.
/// Whatever reads more than the innermost frames is a walk over the list. Dropping a chain takes no stack, however deep it is.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline::{Chain, Frame};
///
/// let mut chain = Chain::empty();
/// chain.push(Frame::new("request").with("id", 7));
/// let captured = chain.clone();
/// chain.push("query");
///
/// assert_eq!(chain.to_string(), "request > query");
/// assert_eq!(captured.to_string(), "request");
/// assert_eq!((chain.depth(), captured.depth()), (2, 1));
/// assert!(chain.names().eq(["request", "query"]));
/// assert_eq!(chain.innermost(), Some(&Frame::from("query")));
/// assert_eq!(chain.value("id"), Some(&7.into()));
///
/// // As plain data, and back.
/// let frames: Vec<Frame> = chain.frames().cloned().collect();
/// assert_eq!(frames.into_iter().collect::<Chain>(), chain);
/// ```
#[derive(Clone, Default)]
pub struct Chain {
    innermost: Option<Arc<Link>>,
}

/// Links are held by chains and by each other, and leave this file never: so it is always [`Chain::drop`] that lets the last one go.
struct Link {
    frame: Frame,
    outer: Option<Arc<Link>>,
    depth: usize,
}

impl Chain {
    /// Makes a chain without frames. Does not allocate.
    pub const fn empty() -> Self {
        Self { innermost: None }
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.innermost.is_none()
    }

    /// How many frames there are. Does not count them again.
    pub fn depth(&self) -> usize {
        self.innermost.as_ref().map_or(0, |link| link.depth)
    }

    /// Adds a frame inside of all others. Clones of this chain do not change.
    pub fn push(&mut self, frame: impl Into<Frame>) {
        let link = Link {
            frame: frame.into(),
            depth: self.depth() + 1,
            outer: self.innermost.take(),
        };
        self.innermost = Some(Arc::new(link));
    }

    /// The frame that was entered last.
    pub fn innermost(&self) -> Option<&Frame> {
        Some(&self.innermost.as_ref()?.frame)
    }

    /// All frames, the outermost first; from the other end with `rev`. Allocates a list of references.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + ExactSizeIterator {
        let mut frames: Vec<&Frame> = Vec::with_capacity(self.depth());
        frames.extend(self.inwards_out());
        frames.into_iter().rev()
    }

    /// The names of all frames, the outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.frames().map(Frame::name)
    }

    /// The value of a key in the innermost frame that has it.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.inwards_out().find_map(|frame| frame.value(key))
    }

    /// The values of a key in all frames that have it, the outermost first.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::throughline::{Chain, Frame};
    ///
    /// let hops = [Frame::new("hop").with("n", 1), Frame::new("rest"), Frame::new("hop").with("n", 2)];
    /// let chain: Chain = hops.into_iter().collect();
    /// assert_eq!(chain.collect("n"), [&1.into(), &2.into()]);
    /// ```
    pub fn collect(&self, key: &str) -> Vec<&Value> {
        let frames = self.frames();
        frames.filter_map(|frame| frame.value(key)).collect()
    }

    /// Puts all of `outer` around a chain of one frame that has no clones yet. Does not allocate.
    pub(crate) fn put_into(&mut self, mut outer: Self) {
        if let Some(link) = self.innermost.as_mut().and_then(Arc::get_mut) {
            link.depth = outer.depth() + 1;
            // There is nothing there: the chain has one frame.
            link.outer = outer.innermost.take();
        }
    }

    /// All frames, the innermost first.
    fn inwards_out(&self) -> impl Iterator<Item = &Frame> {
        let links = successors(self.innermost.as_deref(), |link| link.outer.as_deref());
        links.map(|link| &link.frame)
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.innermost, &other.innermost) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let mut next = mem::take(&mut self.innermost);
        // Of all who let go of a link, one gets it back and goes on outwards. So there is no recursion, and nothing is left behind.
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.outer.take();
        }
    }
}

/// Replays plain frames, the outermost first. Nothing is checked: they may come from a log, or from another process.
impl<F: Into<Frame>> FromIterator<F> for Chain {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut chain = Self::empty();
        chain.extend(frames);
        chain
    }
}

impl<F: Into<Frame>> Extend<F> for Chain {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        frames.into_iter().for_each(|frame| self.push(frame));
    }
}

/// By content: two chains are equal if their frames are.
impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
            || self.depth() == other.depth() && self.inwards_out().eq(other.inwards_out())
    }
}

impl Eq for Chain {}

/// `server > request > query`, and with `{:#}` the values too: `server > request{id=7} > query`. Nothing if there is no frame.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for frame in self.frames() {
            f.write_str(separator)?;
            fmt::Display::fmt(frame, f)?;
            separator = " > ";
        }
        Ok(())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}
