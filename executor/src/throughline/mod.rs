//! On whose behalf code runs: a chain of named frames that follows the work.
//!
//! ```
//! use lenio_executor::throughline::{self, Frame};
//!
//! async fn query() -> String {
//!     throughline::current().to_string()
//! }
//!
//! lenio_executor::block_on(async {
//!     let request = Frame::new("request").with("id", 7);
//!     let seen = throughline::in_frame(request, throughline::in_frame("query", query())).await;
//!     assert_eq!(seen, "request > query");
//! });
//! ```
//!
//! A [`Frame`] names a step and has a few values; a [`Chain`] is the list of the frames that are in force. Log lines, panics and reports
//! show it, so that they say not only where something happened but for whom.
//!
//! | | a frame on top | another chain instead |
//! |---|---|---|
//! | for a future | [`in_frame`], or [`throughline!`](crate::throughline!) | [`in_chain`] |
//! | for a call | [`enter`] | [`restore`] |
//!
//! A task inherits the chain that is in force where it is spawned, whoever its parent is: with `spawn`, `spawn_child`, into scopes, and
//! with `spawn_blocking`.
//!
//! There is no guard to be held: across an await, it would put its frame around whatever else the thread polls meanwhile. A future has
//! its chain in force just while it is polled, and while it is dropped, whichever thread that happens on. Whatever code runs, what was in
//! force before is in force afterwards, also after a panic.
//!
//! Frames are plain data: a chain that is captured, logged or kept for long keeps no connection open and no lock held.
//!
//! # Costs
//!
//! A frame costs one allocation when it is made, a poll of [`in_frame`] or [`in_chain`] two moves of a pointer, [`current`] a reference
//! count. Code without frames pays nothing.
//!
//! # Required keys
//!
//! Where frames of one kind must have certain values, make the kind a type: a struct with those values, which turns into a frame. What is
//! forgotten does not compile, and more can be added.
//!
//! ```
//! use lenio_executor::throughline::{self, Frame};
//!
//! struct Request {
//!     id: u64,
//!     user: String,
//! }
//!
//! impl From<Request> for Frame {
//!     fn from(request: Request) -> Self {
//!         Frame::new("request").with("id", request.id).with("user", request.user)
//!     }
//! }
//!
//! let request = Request { id: 7, user: "ann".into() };
//! throughline::enter(request, || {
//!     assert_eq!(throughline::current().value("id"), Some(&7.into()));
//! });
//! ```
//!
//! Without the user:
//!
//! ```compile_fail,E0063
//! # use lenio_executor::throughline::{self, Frame};
//! # struct Request { id: u64, user: String }
//! # impl From<Request> for Frame {
//! #     fn from(request: Request) -> Self {
//! #         Frame::new("request").with("id", request.id).with("user", request.user)
//! #     }
//! # }
//! throughline::enter(Request { id: 7 }, || {});
//! ```
//!
//! # Inside
//!
//! - `in_force` puts a chain in force for a while and takes it out again; `framed` does so around polls. Where it lies meanwhile is
//!   written in `task/line`.
//! - `panic` is the panic hook.

mod framed;
mod in_force;
mod panic;

pub use crate::context::chain::Chain;
pub use crate::context::frame::Frame;
pub use crate::context::value::Value;
pub use framed::Framed;
pub use panic::install_panic_hook;

use crate::task::line;
use in_force::InForce;

/// Captures the chain that is in force here.
///
/// What is entered or left later does not change the capture. Takes a reference count.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// assert!(throughline::current().is_empty());
/// let captured = throughline::enter("request", throughline::current);
/// assert_eq!(captured.to_string(), "request");
/// ```
#[doc(alias = "snapshot")]
pub fn current() -> Chain {
    line::current()
}

/// Calls `f` in a frame on top of what is in force.
///
/// For a future use [`in_frame`]: one that `f` merely returns is polled outside of the frame.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// let seen = throughline::enter("request", || {
///     throughline::enter("query", || throughline::current().to_string())
/// });
/// assert_eq!(seen, "request > query");
/// ```
pub fn enter<R>(frame: impl Into<Frame>, f: impl FnOnce() -> R) -> R {
    let mut chain = current();
    chain.push(frame);
    restore(chain, f)
}

/// Calls `f` with `chain` in force instead of what is, for work that is done on behalf of somebody else.
///
/// This is a replay: nothing is merged and nothing is checked. Frames can be entered on top as ever.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// let captured = throughline::enter("request", throughline::current);
/// throughline::enter("worker", || {
///     throughline::restore(captured, || {
///         assert_eq!(throughline::current().to_string(), "request");
///     });
///     assert_eq!(throughline::current().to_string(), "worker");
/// });
/// ```
pub fn restore<R>(mut chain: Chain, f: impl FnOnce() -> R) -> R {
    let _in_force = InForce::begin(&mut chain);
    f()
}

/// Runs `future` in a frame on top of what is in force when it is polled for the first time.
///
/// A future that is polled by others in turn, in a join or a select, has its own frame in each poll and leaves none to its siblings.
/// The one allocation for the frame is made here, none by a poll.
///
/// # Cancel safety
///
/// That of `future`. When it is dropped, its own drop still runs in the frame, unless it was never polled.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// # lenio_executor::block_on(async {
/// let seen = throughline::in_frame("request", async { throughline::current().to_string() });
/// assert_eq!(seen.await, "request");
/// assert!(throughline::current().is_empty());
/// # });
/// ```
pub fn in_frame<F: Future>(frame: impl Into<Frame>, future: F) -> Framed<F> {
    let mut chain = Chain::empty();
    chain.push(frame);
    Framed::on_top(chain, future)
}

/// Runs `future` with `chain` in force instead of what is, for work that is done on behalf of somebody else.
///
/// This is a replay: nothing is merged and nothing is checked. Frames can be entered on top as ever.
///
/// # Cancel safety
///
/// That of `future`. When it is dropped, its own drop still runs in the chain.
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// # lenio_executor::block_on(async {
/// let captured = throughline::enter("request", throughline::current);
/// let work = throughline::in_chain(captured, async { throughline::current().to_string() });
/// assert_eq!(throughline::in_frame("worker", work).await, "request");
/// # });
/// ```
pub fn in_chain<F: Future>(chain: Chain, future: F) -> Framed<F> {
    Framed::instead(chain, future)
}

/// Runs a future in a frame that is written down in place: [`in_frame`] in short.
///
/// # Cancel safety
///
/// As [`in_frame`].
///
/// # Examples
///
/// ```
/// use lenio_executor::throughline;
///
/// # lenio_executor::block_on(async {
/// let user = String::from("ann");
/// let seen = throughline!("request", id = 7, user = user => async {
///     throughline!("query" => async { format!("{:#}", throughline::current()) }).await
/// })
/// .await;
/// assert_eq!(seen, r#"request{id=7, user="ann"} > query"#);
/// # });
/// ```
#[macro_export]
macro_rules! throughline {
    ($frame:expr $(, $key:ident = $value:expr)* $(,)? => $future:expr) => {
        $crate::throughline::in_frame(
            $crate::throughline::Frame::from($frame)$(.with(::core::stringify!($key), $value))*,
            $future,
        )
    };
}
