//! How far ahead over all: geometric means of capped ratios.

use super::judge::{CAP, Line};

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
    use super::super::judge::tests::{TIME, line};
    use super::{mean_of, mean_to_best};

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
