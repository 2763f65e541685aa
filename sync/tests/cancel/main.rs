//! Every future of this crate may be dropped at every poll: nothing is lost that its documentation does not name.
//!
//! Each scenario shares a primitive between a few actors and says what must hold when all of them are gone. The harness drops each
//! actor at each of its polls, for as many seeds as it takes ([`explore`](harness::explore)). All scenarios together make a million
//! points; `LENIO_POINTS` asks for more.

#[path = "../harness/mod.rs"]
mod harness;

use harness::explore::{Scenario, explore};

/// How many points all scenarios together make, unless `LENIO_POINTS` says another number.
const POINTS: u64 = 1_000_000;

/// Makes a module, a test, and an entry in the list of all scenarios from each name.
macro_rules! families {
    ($($family:ident),* $(,)?) => {
        $( mod $family; )*

        /// All scenarios there are.
        const ALL: &[&[Scenario]] = &[$( $family::SCENARIOS ),*];

        $(
            #[test]
            fn $family() {
                check($family::SCENARIOS);
            }
        )*
    };
}

families! {
    barrier, broadcast, channel, condvar, event, lock, notify, once, oneshot, rwlock, semaphore, stop, wait_group, watch,
}

/// How many points all scenarios together are to make.
fn points() -> u64 {
    match std::env::var("LENIO_POINTS") {
        Ok(points) => points.parse().expect("LENIO_POINTS: a number"),
        Err(_) => POINTS,
    }
}

/// How many points one scenario makes: its share, rounded up. Each test sees to those of its own, because it may run in a process of
/// its own; so the sum of all is at least [`points`].
fn share() -> u64 {
    let scenarios: usize = ALL.iter().map(|scenarios| scenarios.len()).sum();
    points().div_ceil(scenarios as u64)
}

fn check(scenarios: &[Scenario]) {
    let share = share();
    for scenario in scenarios {
        let made = explore(scenario, share);
        assert!(made >= share, "{}: {made} of {share} points", scenario.name);
        println!("{}: {made} points", scenario.name);
    }
}

#[test]
fn the_shares_of_all_scenarios_make_a_million_points() {
    let scenarios: usize = ALL.iter().map(|scenarios| scenarios.len()).sum();
    let total = share() * scenarios as u64;
    println!("{scenarios} scenarios make {total} points or more");
    assert!(total >= points());
    assert!(total >= 1_000_000 || std::env::var_os("LENIO_POINTS").is_some());
    let mut names: Vec<_> = ALL.iter().copied().flatten().map(|one| one.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scenarios, "a name stands for one scenario");
}
