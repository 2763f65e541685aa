//! Who won: medians, ratios, verdicts, means. Pure arithmetic over samples.

use crate::measure::Value;
use crate::rows::{Better, Metric};
use crate::rt::{FLOOR, MAIN_PEER, OURS};

/// A ratio from here on is a win, and below its inverse a loss; between them nobody can tell.
const CLEAR: f64 = 1.03;
/// No single line may carry the mean further than this, either way.
const CAP: f64 = 10.0;

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
    pub(super) cells: Vec<Cell>,
    workers: usize,
}

impl Line {
    pub(super) fn new(
        row: &'static str,
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
            cells: runtimes.iter().map(cell).collect(),
            workers,
        }
    }

    pub(super) fn cell(&self, rt: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.rt == rt)
    }

    fn median_of(&self, rt: &str) -> Option<f64> {
        self.cell(rt)?.median()
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
    fn ratio_of(&self, rt: &str) -> Option<f64> {
        Some(self.ratio(self.median_of(MAIN_PEER)?, self.median_of(rt)?))
    }

    /// lenio against the best peer of this line.
    pub(super) fn ratio_to_best(&self) -> Option<f64> {
        let peers = self
            .cells
            .iter()
            .filter(|cell| cell.rt != OURS && cell.rt != FLOOR);
        let best = peers
            .filter_map(Cell::median)
            .min_by(|a, b| self.badness(*a).total_cmp(&self.badness(*b)))?;
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

/// A geometric mean over the CPU rows, and over how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(super) value: f64,
    pub(super) lines: usize,
}

/// lenio against the best peer of each line.
pub(super) fn mean_to_best(lines: &[Line]) -> Option<Mean> {
    mean(lines, Line::ratio_to_best)
}

/// A runtime against the main peer.
pub(super) fn mean_of(lines: &[Line], rt: &str) -> Option<Mean> {
    mean(lines, |line| line.ratio_of(rt))
}

fn mean(lines: &[Line], ratio: impl Fn(&Line) -> Option<f64>) -> Option<Mean> {
    let counted = lines.iter().filter(|line| line.metric.is_in_mean);
    let logs: Vec<f64> = counted
        .filter_map(ratio)
        .map(|ratio| ratio.clamp(1.0 / CAP, CAP).ln())
        .collect();
    if logs.is_empty() {
        return None;
    }
    Some(Mean {
        value: (logs.iter().sum::<f64>() / logs.len() as f64).exp(),
        lines: logs.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, Verdict, mean_of, mean_to_best};
    use crate::measure::Value;
    use crate::rows::{Metric, Unit};

    fn line(metric: Metric, values: [f64; 3]) -> Line {
        let runtimes = ["lenio", "tokio-mt", "smol"].map(str::to_owned);
        let mut line = Line::new("row", metric, 2, &runtimes);
        for (cell, value) in line.cells.iter_mut().zip(values) {
            cell.add(&Value {
                metric: metric.name.to_owned(),
                value,
                cpu: None,
            });
        }
        line
    }

    const TIME: Metric = Metric::cpu_row("time", Unit::Nanoseconds);

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

    #[test]
    fn no_line_carries_the_mean() {
        let lines = [
            line(TIME, [1.0, 1_000.0, 1_000.0]),
            line(TIME, [10.0, 10.0, 10.0]),
        ];
        let mean = mean_of(&lines, "lenio").expect("two lines are in the mean");
        assert!((mean.value - 10_f64.sqrt()).abs() < 1e-9);
        assert_eq!(mean_to_best(&lines).map(|mean| mean.lines), Some(2));
    }
}
