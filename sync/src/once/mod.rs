//! Values that are made once and stay.
//!
//! | part | what it is |
//! |---|---|
//! | `slot` | the place of the value, and the *turn*: the right to make it, which one future has at a time |
//! | `cell` | [`OnceCell`]: each caller brings its own way to make the value |
//! | `lazy` | [`Lazy`]: the way to make the value is stored beside it |
//!
//! # Who may make the value
//!
//! Whether there is a value, and whether somebody has the turn, changes under the lock of the slot only. A future that wants the value looks
//! at the place without the lock first, then under it: the value is there, or the turn is free and the future takes it, or it stands in
//! the list. The turn ends with a value, which wakes everybody, or without one, which wakes the first who wants the turn. A future
//! that was woken for the turn and is dropped wakes the next one if the turn is still free.
//!
//! The place itself is std's `OnceLock`: it proves the publication of the value. It is only ever filled under the lock, so it never makes a
//! thread wait.

mod cell;
mod lazy;
mod slot;

pub use cell::{GetOrInit, GetOrTryInit, OnceCell, SetError, Wait};
pub use lazy::{BoxedFuture, Force, Lazy};
