//! What the crate promises, seen from outside: on a virtual clock wherever that is possible.

mod background;
mod driver;
mod interval;
mod overflow;
mod reentrance;
mod reset;
mod sleep;
mod timeout;
mod timers;
