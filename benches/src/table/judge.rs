//! Who won: medians, ratios, verdicts. Pure arithmetic over samples.

use crate::library::Library;
use crate::measure::Value;
use crate::rows::{Better, Metric, label};
use crate::rt::{FLOOR, MAIN_PEER, OURS};

/// A ratio from here on is a win, and below its inverse a loss; between them nobody can tell.
const CLEAR: f64 = 1.03;
/// No single line may carry the mean further than this, either way.
pub(super) const CAP: f64 = 10.0;

/// The samples of one line on one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(super) rt: String,
    pub(super) values: Vec<f64>,
    cpus: Vec<f64>,
}

impl Cell {
    pub(super) fn add(&mut self, value: &Value) {
        self.values.push(value.value);
        self.cpus.extend(value.cpu);
    }

    pub(super) fn has_samples(&self) -> bool {
        !self.values.is_empty()
    }

    pub(super) fn median(&self) -> Option<f64> {
        median(&self.values)
    }

    /// Median CPU nanoseconds per op.
    pub(super) fn cpu(&self) -> Option<f64> {
        median(&self.cpus)
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// What a line says about lenio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Won,
    Tied,
    Lost,
}

impl Verdict {
    pub(super) fn label(self) -> &'static str {
        match self {
            Verdict::Won => "won",
            Verdict::Tied => "tied",
            Verdict::Lost => "LOST",
        }
    }
}

/// One line of the table: a metric on every runtime.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(super) row: &'static str,
    pub(super) metric: Metric,
    /// Whose primitive the line measures, in a contest.
    pub(super) library: Option<Library>,
    pub(super) cells: Vec<Cell>,
    /// In a contest, at lenio's line: the cells of the other libraries.
    rivals: Vec<Rival>,
    workers: usize,
}

/// Another library's primitive on one runtime.
#[derive(Clone, Debug)]
struct Rival {
    rt: String,
    is_at_home: bool,
    median: f64,
}

/// Sets lenio's lines of a contest against the others' lines of the same metric. Lines that are no contest stay as they
/// are.
pub(super) fn oppose(lines: &mut [Line]) {
    for at in 0..lines.len() {
        let name = lines[at].metric.name;
        if lines[at].library.is_none_or(|library| library.name != OURS) {
            continue;
        }
        let mut rivals = Vec::new();
        for line in lines.iter().filter(|line| line.metric.name == name) {
            let Some(library) = line.library.filter(|library| library.name != OURS) else {
                continue;
            };
            for cell in line.cells.iter().filter(|cell| cell.rt != FLOOR) {
                rivals.extend(cell.median().map(|median| Rival {
                    rt: cell.rt.clone(),
                    is_at_home: library.is_at_home_on(&cell.rt),
                    median,
                }));
            }
        }
        lines[at].rivals = rivals;
    }
}

impl Line {
    pub(super) fn new(
        row: &'static str,
        library: Option<Library>,
        metric: Metric,
        workers: usize,
        runtimes: &[String],
    ) -> Line {
        let cell = |rt: &String| Cell {
            rt: rt.clone(),
            values: Vec::new(),
            cpus: Vec::new(),
        };
        Line {
            row,
            metric,
            library,
            cells: runtimes.iter().map(cell).collect(),
            rivals: Vec::new(),
            workers,
        }
    }

    pub(super) fn cell(&self, rt: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.rt == rt)
    }

    /// The metric's name, with `@library` in a contest.
    pub(super) fn label(&self) -> String {
        label(self.metric.name, self.library)
    }

    /// What a program on that runtime gets: its cell, in a contest that of a library at home there.
    fn median_of(&self, rt: &str) -> Option<f64> {
        match self.library {
            None => self.cell(rt)?.median(),
            Some(library) if library.name != OURS => None,
            Some(_) if rt == OURS => self.cell(OURS)?.median(),
            Some(_) => {
                let rivals = self.rivals.iter();
                rivals
                    .filter(|rival| rival.is_at_home && rival.rt == rt)
                    .map(|rival| rival.median)
                    .min_by(|a, b| self.badness(*a).total_cmp(&self.badness(*b)))
            }
        }
    }

    /// All that lenio has to be better than.
    fn peers(&self) -> Vec<f64> {
        if self.library.is_some() {
            return self.rivals.iter().map(|rival| rival.median).collect();
        }
        let cells = self.cells.iter();
        cells
            .filter(|cell| cell.rt != OURS && cell.rt != FLOOR)
            .filter_map(Cell::median)
            .collect()
    }

    /// The best sample of a runtime: the minimum, or what takes its place where lower is not better.
    pub(super) fn best_sample(&self, cell: &Cell) -> Option<f64> {
        cell.values
            .iter()
            .copied()
            .min_by(|a, b| self.badness(*a).total_cmp(&self.badness(*b)))
    }

    /// How bad a value is, whichever direction the metric has: the ratio of two is the ratio of speeds.
    fn badness(&self, value: f64) -> f64 {
        match self.metric.better {
            Better::Lower => value,
            Better::Higher => 1.0 / value,
            Better::Near { total } => {
                let ideal = total / self.workers as f64;
                (value / ideal).max(ideal / value)
            }
        }
    }

    /// How many times better than `theirs` lenio is.
    fn ratio(&self, theirs: f64, ours: f64) -> f64 {
        match (self.badness(theirs), self.badness(ours)) {
            (theirs, ours) if theirs == ours => 1.0,
            (_, 0.0) => CAP,
            (theirs, ours) => theirs / ours,
        }
    }

    /// lenio against one runtime.
    pub(super) fn ratio_to(&self, rt: &str) -> Option<f64> {
        Some(self.ratio(self.median_of(rt)?, self.median_of(OURS)?))
    }

    /// How many times better one runtime is than the main peer.
    pub(super) fn ratio_of(&self, rt: &str) -> Option<f64> {
        Some(self.ratio(self.median_of(MAIN_PEER)?, self.median_of(rt)?))
    }

    /// lenio against the best peer of this line, in a contest against the best of all other libraries on any runtime.
    pub(super) fn ratio_to_best(&self) -> Option<f64> {
        let peers = self.peers().into_iter();
        let best = peers.min_by(|a, b| self.badness(*a).total_cmp(&self.badness(*b)))?;
        Some(self.ratio(best, self.median_of(OURS)?))
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        if !self.metric.is_judged {
            return None;
        }
        let ratio = self.ratio_to_best()?;
        Some(match ratio {
            _ if ratio >= CLEAR => Verdict::Won,
            _ if ratio > 1.0 / CLEAR => Verdict::Tied,
            _ => Verdict::Lost,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Line, Verdict, oppose};
    use crate::library::Library;
    use crate::measure::Value;
    use crate::rows::{Metric, Unit};

    const RUNTIMES: [&str; 3] = ["lenio", "tokio-mt", "smol"];

    pub(in crate::table) fn line(metric: Metric, values: [f64; 3]) -> Line {
        line_of(None, metric, values)
    }

    fn line_of(library: Option<Library>, metric: Metric, values: [f64; 3]) -> Line {
        let mut line = Line::new("row", library, metric, 2, &RUNTIMES.map(str::to_owned));
        for (cell, value) in line.cells.iter_mut().zip(values) {
            cell.add(&Value {
                metric: metric.name.to_owned(),
                value,
                cpu: None,
            });
        }
        line
    }

    pub(in crate::table) const TIME: Metric = Metric::cpu_row("time", Unit::Nanoseconds);

    #[test]
    fn the_best_peer_decides() {
        let line = line(TIME, [50.0, 100.0, 40.0]);
        assert_eq!(line.ratio_to_best(), Some(0.8));
        assert_eq!(line.ratio_to("tokio-mt"), Some(2.0));
        assert_eq!(line.verdict(), Some(Verdict::Lost));
    }

    #[test]
    fn three_per_cent_are_a_tie() {
        assert_eq!(
            line(TIME, [100.0, 102.9, 200.0]).verdict(),
            Some(Verdict::Tied)
        );
        assert_eq!(
            line(TIME, [100.0, 103.1, 200.0]).verdict(),
            Some(Verdict::Won)
        );
    }

    #[test]
    fn a_rate_is_better_when_higher() {
        let line = line(TIME.rising(), [200.0, 100.0, 50.0]);
        assert_eq!(line.ratio_to_best(), Some(2.0));
    }

    #[test]
    fn less_than_a_fair_share_is_no_win() {
        // Ideal 640 us with two workers: 320 us is as far off as 1280 us.
        let line = line(TIME.near(1280.0), [640.0, 1280.0, 320.0]);
        assert_eq!(line.ratio_to_best(), Some(2.0));
    }

    /// lenio's, tokio's and a homeless library's lines of one contest.
    fn contest(ours: [f64; 3], tokio: [f64; 3], homeless: [f64; 3]) -> [Line; 3] {
        let library = |name, homes| Some(Library { name, homes });
        let mut lines = [
            line_of(library("lenio", &["lenio"]), TIME, ours),
            line_of(library("tokio", &["tokio-mt"]), TIME, tokio),
            line_of(library("kanal", &[]), TIME, homeless),
        ];
        oppose(&mut lines);
        lines
    }

    #[test]
    fn a_contest_is_judged_against_every_other_library_anywhere() {
        let lines = contest([50.0; 3], [400.0, 200.0, 300.0], [40.0, 80.0, 90.0]);
        // The best rival is a library without a home, on lenio's own workers.
        assert_eq!(lines[0].ratio_to_best(), Some(0.8));
        assert_eq!(lines[0].verdict(), Some(Verdict::Lost));
        assert_eq!(lines[0].label(), "time@lenio");
    }

    #[test]
    fn a_metric_of_a_contest_is_opposed_to_the_same_metric_of_the_others() {
        const CALL: Metric = Metric::cost("call", Unit::Nanoseconds);
        let library = |name, homes| Some(Library { name, homes });
        let (ours, theirs) = (library("lenio", &["lenio"]), library("kanal", &[]));
        let mut lines = [
            line_of(ours, TIME, [50.0; 3]),
            line_of(ours, CALL, [1.0; 3]),
            line_of(theirs, TIME, [100.0; 3]),
            line_of(theirs, CALL, [4.0; 3]),
        ];
        oppose(&mut lines);
        assert_eq!(lines[0].ratio_to_best(), Some(2.0));
        assert_eq!(lines[1].ratio_to_best(), Some(4.0));
    }

    #[test]
    fn the_ratio_to_a_runtime_takes_the_library_at_home_there() {
        let lines = contest([50.0; 3], [400.0, 200.0, 300.0], [40.0, 80.0, 90.0]);
        assert_eq!(lines[0].ratio_to("tokio-mt"), Some(4.0));
        assert_eq!(lines[0].ratio_to("smol"), None);
    }

    #[test]
    fn our_primitive_on_other_runtimes_is_neither_a_win_nor_a_rival() {
        let lines = contest([100.0, 1.0, 1.0], [200.0; 3], [200.0; 3]);
        assert_eq!(lines[0].ratio_to_best(), Some(2.0));
    }

    #[test]
    fn the_lines_of_other_libraries_are_not_judged() {
        let lines = contest([100.0; 3], [200.0; 3], [50.0; 3]);
        for line in &lines[1..] {
            assert_eq!(line.verdict(), None);
            assert_eq!(line.ratio_to_best(), None);
            assert_eq!(line.ratio_of("lenio"), None);
        }
    }
}
