//! Drops every actor of a scenario at every poll, for seed after seed.
//!
//! A *point* is (actor, number of polls before the drop, seed). For each seed a scenario is played once in which nobody is dropped;
//! then, for each actor, once for every number of polls until the actor is done before the drop is due, both right after the poll
//! and after the wake that would have led to the next one; then a few times with drops at random. A failure prints the command that
//! plays its run again and tells each step of it.

use super::stage::{Cancel, Point, Stage, When};
use super::watchdog::Watchdog;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// One way to share something, and what must hold after it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) build: fn(&mut Stage),
}

/// Storms per seed: how often a step of them drops somebody.
const STORMS: [usize; 4] = [3, 6, 6, 12];

/// Plays the scenario until `points` actors have been dropped. Returns how many were.
pub(crate) fn explore(scenario: &Scenario, points: u64) -> u64 {
    if let Ok(replay) = std::env::var("LENIO_SEED") {
        let Some(words) = replay.strip_prefix(scenario.name) else {
            return points;
        };
        let (seed, cancel) = parse(words.trim())
            .unwrap_or_else(|| panic!("LENIO_SEED: {replay:?} is no name, seed and drop"));
        play(scenario, seed, cancel, true);
        return points;
    }
    let watchdog = Watchdog::new("cancel");
    let mut done = 0;
    let mut seed = 0;
    while done < points {
        seed += 1;
        watchdog.case(format_args!(
            "{} {seed}, and one drop or none",
            scenario.name
        ));
        done += explore_seed(scenario, seed);
    }
    done
}

fn explore_seed(scenario: &Scenario, seed: u64) -> u64 {
    let mut points = play(scenario, seed, Cancel::Nobody, false);
    assert_eq!(points, 0);
    let mut stage = Stage::new(seed);
    (scenario.build)(&mut stage);
    for actor in (0..stage.actors()).filter(|&actor| stage.may_cancel(actor)) {
        for when in [When::AtOnce, When::Woken] {
            for polls in 0.. {
                let point = Point { actor, polls, when };
                let dropped = play(scenario, seed, Cancel::One(point), false);
                if dropped == 0 {
                    break;
                }
                points += dropped;
            }
        }
    }
    for (round, times) in (0..).zip(STORMS) {
        // A seed of its own for each storm.
        let seed = seed | (round + 1) << 32;
        points += play(scenario, seed, Cancel::Storm(times), false);
    }
    points
}

/// Plays one run. Returns how many actors it dropped.
fn play(scenario: &Scenario, seed: u64, cancel: Cancel, tells: bool) -> u64 {
    let run = || {
        let mut stage = Stage::new(seed);
        if tells {
            stage.tell();
        }
        (scenario.build)(&mut stage);
        let outcome = stage.run(cancel);
        if tells {
            eprintln!("{}: the run ended well\n{stage}", scenario.name);
        }
        outcome.cancelled as u64
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(cancelled) => cancelled,
        Err(payload) => {
            let mut words = format!("{} {seed}", scenario.name);
            match cancel {
                Cancel::Nobody => {}
                Cancel::One(Point { actor, polls, when }) => {
                    let _ = write!(words, " {actor} {polls} {when:?}");
                }
                Cancel::Storm(times) => {
                    let _ = write!(words, " storm {times}");
                }
            }
            eprintln!(
                "to play this run again: LENIO_SEED=\"{words}\" cargo test -p lenio-sync --test cancel"
            );
            resume_unwind(payload);
        }
    }
}

/// Reads what [`play`] printed, after the name.
fn parse(words: &str) -> Option<(u64, Cancel)> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let seed = words.first()?.parse().ok()?;
    let cancel = match words[1..] {
        [] => Cancel::Nobody,
        ["storm", times] => Cancel::Storm(times.parse().ok()?),
        [actor, polls, when] => Cancel::One(Point {
            actor: actor.parse().ok()?,
            polls: polls.parse().ok()?,
            when: match when {
                "AtOnce" => When::AtOnce,
                "Woken" => When::Woken,
                _ => return None,
            },
        }),
        _ => return None,
    };
    Some((seed, cancel))
}
