//! Signals to the process, as something to await.
//!
//! [`ctrl_c`] makes a [`CtrlC`], which hears every Ctrl-C from then on; [`receiver`] makes a [`Receiver`] of any of the signals that ask a
//! process to end. A signal handler may do next to nothing, so ours writes a byte into a socket per receiver and signal, and the
//! receiver reads that like any other bytes.

mod bell;
mod ctrl_c;
mod default_action;
mod kind;
mod receiver;

pub use ctrl_c::{CtrlC, ctrl_c};
pub use kind::Signal;
pub use receiver::{Receiver, receiver};
