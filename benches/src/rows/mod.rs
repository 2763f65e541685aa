//! Which situations are measured? One file per family; the definitions stand at the bodies.
//!
//! To add a row: write its body as a function generic over [`Rt`], add it to the family's `rows`, give it a floor if
//! physics sets one. To add a family: one file and one line in [`all`]. A body that compares libraries instead of
//! runtimes (locks, channels) makes one row per library, all of the same name: a contest, see `library/`. A regression
//! here would be a body that differs between runtimes or libraries, or an assertion that was removed to go faster.

use crate::library::Library;
use crate::measure::{Run, Sample};
use crate::rt::{FLOOR, OURS, Rt, Visit, with};

mod blocking;
mod channel;
mod groups;
pub(crate) mod http;
mod lines;
mod memory;
mod metric;
pub(crate) mod net;
mod parallel;
mod signals;
mod spawn;
mod switch;
mod sync;
mod timer;
mod wake;

pub(crate) use metric::{Better, Metric, Unit};

/// What is known of a row without running it.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    /// The name of the body.
    pub(crate) name: &'static str,
    /// Whose primitive the body uses, where libraries are compared: the rows of one name are then a contest.
    pub(crate) library: Option<Library>,
    /// N of a full run.
    pub(crate) full: u64,
    /// N of `--smoke`.
    pub(crate) smoke: u64,
    /// How many ops one execution of size N has.
    pub(crate) ops: fn(u64) -> u64,
    pub(crate) metrics: Vec<Metric>,
    /// The two N between which the gate takes its slope.
    pub(crate) gate: Option<(u64, u64)>,
    pub(crate) has_floor: bool,
    /// Left out for runtimes with one thread.
    pub(crate) needs_multi: bool,
    /// Left out for runtimes that are not the library's home.
    pub(crate) only_at_home: bool,
    /// Never executed unmeasured first: the row measures what the first time costs, or nothing that warms up.
    pub(crate) is_cold: bool,
}

impl Info {
    /// What tells this row from all others: its name, and `@library` in a contest.
    pub(crate) fn label(&self) -> String {
        label(self.name, self.library)
    }

    /// Whether the body can run on that runtime.
    pub(crate) fn runs_on(&self, rt: &str) -> bool {
        !self.only_at_home
            || self
                .library
                .is_some_and(|library| library.is_at_home_on(rt))
    }
}

/// `name`, or `name@library`.
pub(crate) fn label(name: &str, library: Option<Library>) -> String {
    match library {
        Some(library) => format!("{name}@{}", library.name),
        None => name.to_owned(),
    }
}

/// How a row is measured on a runtime.
pub(crate) enum Work<R> {
    /// One execution; the harness times it.
    Timed(fn(&R, u64)),
    /// Takes its own numbers.
    Measured(fn(&R, &Run) -> Sample),
    /// Starts servers and clients as processes of their own; the runtime, or the floor, is known by name only.
    Driven(fn(&str, &Run) -> Sample),
}

/// How a row's floor is measured.
enum Floor {
    Timed(fn(u64)),
    Measured(fn(&Run) -> Sample),
}

/// A row of the table: its description, its body, its floor.
pub(crate) struct Row<R> {
    pub(crate) info: Info,
    work: Work<R>,
    floor: Option<Floor>,
}

impl<R: Rt> Row<R> {
    /// A row that the harness times: nanoseconds per op, in the mean.
    fn timed(name: &'static str, full: u64, smoke: u64, body: fn(&R, u64)) -> Row<R> {
        Row::new(name, full, smoke, Work::Timed(body))
            .metrics(&[Metric::cpu_row(name, Unit::Nanoseconds)])
    }

    /// A row that takes several numbers itself.
    fn measured(name: &'static str, full: u64, smoke: u64, body: fn(&R, &Run) -> Sample) -> Row<R> {
        Row::new(name, full, smoke, Work::Measured(body))
    }

    /// A row between processes; its floor, if any, is a server.
    fn driven(name: &'static str, full: u64, smoke: u64, body: fn(&str, &Run) -> Sample) -> Row<R> {
        Row::new(name, full, smoke, Work::Driven(body))
    }

    fn new(name: &'static str, full: u64, smoke: u64, work: Work<R>) -> Row<R> {
        let info = Info {
            name,
            library: None,
            full,
            smoke,
            ops: |n| n,
            metrics: Vec::new(),
            gate: None,
            has_floor: false,
            needs_multi: false,
            only_at_home: false,
            is_cold: false,
        };
        Row {
            info,
            work,
            floor: None,
        }
    }

    fn metrics(mut self, metrics: &[Metric]) -> Row<R> {
        self.info.metrics = metrics.to_vec();
        self
    }

    fn ops(mut self, ops: fn(u64) -> u64) -> Row<R> {
        self.info.ops = ops;
        self
    }

    /// The library whose primitive the body uses.
    fn of(mut self, library: Library) -> Row<R> {
        self.info.library = Some(library);
        self
    }

    /// Keeps the lines judged, but out of the geometric mean.
    fn outside_mean(mut self) -> Row<R> {
        for metric in &mut self.info.metrics {
            metric.is_in_mean = false;
        }
        self
    }

    fn gate(mut self, small: u64, large: u64) -> Row<R> {
        self.info.gate = Some((small, large));
        self
    }

    fn floor(self, body: fn(u64)) -> Row<R> {
        self.with_floor(Some(Floor::Timed(body)))
    }

    fn measured_floor(self, body: fn(&Run) -> Sample) -> Row<R> {
        self.with_floor(Some(Floor::Measured(body)))
    }

    fn served_floor(self) -> Row<R> {
        self.with_floor(None)
    }

    fn with_floor(mut self, floor: Option<Floor>) -> Row<R> {
        self.info.has_floor = true;
        self.floor = floor;
        self
    }

    fn only_multi(mut self) -> Row<R> {
        self.info.needs_multi = true;
        self
    }

    fn only_at_home(mut self) -> Row<R> {
        self.info.only_at_home = true;
        self
    }

    fn cold(mut self) -> Row<R> {
        self.info.is_cold = true;
        self
    }

    fn sample(&self, run: &Run) -> Sample {
        match self.work {
            Work::Timed(body) => {
                let rt = R::start(run.workers);
                Sample::timed(self.info.name, run, (self.info.ops)(run.n), || {
                    body(&rt, run.n)
                })
            }
            Work::Measured(body) => {
                let rt = R::start(run.workers);
                for _ in 0..if self.info.is_cold { 0 } else { run.warm } {
                    body(&rt, run);
                }
                body(&rt, run)
            }
            Work::Driven(body) => body(R::NAME, run),
        }
    }

    fn sample_floor(&self, run: &Run) -> Option<Sample> {
        match (&self.floor, &self.work) {
            (Some(Floor::Timed(body)), _) => Some(Sample::timed(
                self.info.name,
                run,
                (self.info.ops)(run.n),
                || body(run.n),
            )),
            (Some(Floor::Measured(body)), _) => Some(body(run)),
            (None, Work::Driven(body)) if self.info.has_floor => Some(body(FLOOR, run)),
            _ => None,
        }
    }
}

fn all<R: Rt>() -> Vec<Row<R>> {
    let families: [fn() -> Vec<Row<R>>; 14] = [
        spawn::rows,
        groups::rows,
        lines::rows,
        switch::rows,
        parallel::rows,
        wake::rows,
        sync::rows,
        signals::rows,
        channel::rows,
        timer::rows,
        blocking::rows,
        memory::rows,
        net::rows,
        http::rows,
    ];
    families.into_iter().flat_map(|rows| rows()).collect()
}

/// Descriptions of all rows, in the order of the table: the rows of a contest follow each other, lenio's first.
pub(crate) fn catalogue() -> Vec<Info> {
    struct Catalogue;
    impl Visit for Catalogue {
        type Out = Vec<Info>;
        fn visit<R: Rt>(self) -> Vec<Info> {
            let mut rows: Vec<Info> = Vec::new();
            for row in all::<R>().into_iter().map(|row| row.info) {
                let at = rows.iter().rposition(|other| other.name == row.name);
                rows.insert(at.map_or(rows.len(), |at| at + 1), row);
            }
            rows
        }
    }
    // The descriptions do not depend on the runtime.
    with(OURS, Catalogue).unwrap_or_default()
}

/// Measures one row, known by its label, on one runtime, or its floor, in this process. `None` if there is no such
/// thing.
pub(crate) fn sample(row: &str, rt: &str, run: Run) -> Option<Sample> {
    struct Take<'a> {
        row: &'a str,
        run: Run,
        is_floor: bool,
    }
    impl Visit for Take<'_> {
        type Out = Option<Sample>;
        fn visit<R: Rt>(self) -> Option<Sample> {
            let row = all::<R>()
                .into_iter()
                .find(|row| row.info.label() == self.row)?;
            if self.is_floor {
                row.sample_floor(&self.run)
            } else {
                Some(row.sample(&self.run))
            }
        }
    }
    let is_floor = rt == FLOOR;
    let name = if is_floor { OURS } else { rt };
    with(name, Take { row, run, is_floor })?
}

/// Whether the runtime of that name can have several workers.
pub(crate) fn is_multi(rt: &str) -> bool {
    struct Ask;
    impl Visit for Ask {
        type Out = bool;
        fn visit<R: Rt>(self) -> bool {
            R::IS_MULTI
        }
    }
    // The floor is made of threads.
    with(rt, Ask).unwrap_or(true)
}
