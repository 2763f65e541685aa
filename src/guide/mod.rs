//! Guides: how the parts work together, with examples that run.

#[doc = include_str!("stopping.md")]
pub mod stopping {}
