#![allow(dead_code, reason = "no test file needs all of it")]
//! What the black-box tests of this crate have in common.
//!
//! - [`stage`] is a step scheduler: actors around something shared, every order of their steps from one seed.
//! - [`explore`] drops every actor of a scenario at every poll.
//! - [`ledger`] counts values, so that none is lost or doubled.
//! - [`leak`] forgets values in a way that leak checkers do not report.
//! - [`waker`] makes wakers that re-enter, panic, count and forget.
//! - [`watchdog`] ends a test that hangs.
//! - [`random`] is the generator behind the seeds.

pub(crate) mod explore;
pub(crate) mod leak;
pub(crate) mod ledger;
pub(crate) mod random;
pub(crate) mod stage;
pub(crate) mod waker;
pub(crate) mod watchdog;
