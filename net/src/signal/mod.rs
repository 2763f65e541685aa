//! Signals to the process, as something to await.
//!
//! [`ctrl_c`] makes a [`CtrlC`], which hears every Ctrl-C from then on. A signal handler may do next to nothing, so ours writes a byte
//! into a socket per receiver, and the receiver reads that like any other bytes.

mod ctrl_c;
mod default_action;

pub use ctrl_c::{CtrlC, ctrl_c};
