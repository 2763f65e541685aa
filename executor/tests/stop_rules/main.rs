//! The rules of stops, by number: shields, finalizers, detaching, links, handles, failures that nobody sees, ignored stops, callbacks,
//! presets; and five reports about cancel scopes elsewhere.
//!
//! A scenario runs on one thread under a virtual clock, so its moments are exact. Races run on threads of their own.
//!
//! The others: G1 to G12 are in `stop_tree`, G20 in `gather`, G21 in `serial`, G22 in `promise`; those that race are modelled in
//! `src/task/tree_models.rs` as well. All of them at every moment of realistic programs: `stop_everywhere`, in the root's tests.

#![expect(
    clippy::async_yields_async,
    reason = "that a handle leaves the part of a task that has spawned it is what some of these tests are about"
)]

#[path = "../../../tests/watchdog/mod.rs"]
mod watchdog;

mod rig;

mod g09_counts;
mod g13_shield;
mod g14_finalizers;
mod g15_detach;
mod g16_links;
mod g17_handles;
mod g18_unobserved;
mod g19_ignored;
mod g23_callbacks;
mod g24_presets;
mod r42_reports;
