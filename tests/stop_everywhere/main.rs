//! Stop everywhere: realistic programs, each stopped, cancelled and dropped at every poll of its main task. Whatever happens nothing is
//! lost, nothing leaks, every cleanup runs once, and it is over within the grace.
//!
//! A point is a program, a seed, a poll and a way to end it. The seed decides where programs pause, and for how long. `LENIO_SEED=n`
//! replays one seed, which a failure names.

#![expect(
    clippy::disallowed_methods,
    reason = "the programs run in runtimes of their own, on two threads that know none"
)]

#[path = "../../sync/tests/harness/random.rs"]
#[expect(dead_code, reason = "made for more than this")]
mod random;

mod audit;
mod harness;

mod channels;
mod locks;
mod scopes;
mod servers;
mod tasks;

use harness::{Clockwork, Program};

/// Seeds for each program.
const SEEDS: u64 = 110;

macro_rules! programs {
    ($($clockwork:ident, $weight:literal: $($module:ident::$name:ident)*;)*) => {
        &[$($(Program {
            name: stringify!($name),
            clockwork: Clockwork::$clockwork,
            seeds: SEEDS * $weight / 100,
            main: |audit| Box::pin($module::$name(audit)),
        }),*),*]
    };
}

const PROGRAMS: &[Program] = programs! {
    Virtual, 100:
        channels::producers_and_consumers
        channels::a_pipeline_of_requests
        channels::an_actor_with_answers
        channels::a_watched_configuration
        channels::a_broadcast_to_many
        channels::reserved_places
        locks::a_lock_held_across_awaits
        locks::workers_with_permits
        locks::a_cache_behind_a_rwlock
        locks::rounds_at_a_barrier
        locks::waiting_for_a_condition
        scopes::scopes_in_scopes
        scopes::a_child_that_fails
        scopes::failures_that_are_collected
        scopes::a_scope_with_a_deadline
        scopes::a_scope_around_a_state
        scopes::a_scope_that_is_given_up
        tasks::a_shielded_commit
        tasks::a_hard_commit
        tasks::cleanup_at_exit
        tasks::a_linked_join
        tasks::a_tree_of_children
        tasks::callbacks_of_stops
        tasks::timers_and_intervals
        tasks::a_throughline_below
        tasks::a_race_of_handles
        tasks::children_that_are_let_go;
    Virtual, 10:
        tasks::blocking_jobs_that_look
        tasks::a_block_scope_in_a_job;
    Real, 10:
        servers::an_echo_server_with_clients
        servers::a_served_listener
        servers::a_proxy_between_sockets;
};

#[test]
fn nothing_is_lost_wherever_a_program_ends() {
    assert!(PROGRAMS.len() >= 20);
    let points = harness::run(PROGRAMS);
    println!("{} programs, {points} points", PROGRAMS.len());
    assert!(points > 100_000 || std::env::var_os("LENIO_SEED").is_some());
}
