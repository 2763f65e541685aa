//! What does a number mean: its unit, its direction, and whether it is won or lost?

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Count,
    PerSecond,
}

impl Unit {
    /// How the unit is written in the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Bytes => "B",
            Unit::Count => "",
            Unit::PerSecond => "/s",
        }
    }
}

/// Which of two numbers is the better one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// The one nearer to `total / width`: below it somebody was treated unfairly.
    Near {
        total: f64,
    },
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    /// Whether the line enters the geometric mean: the CPU rows do.
    pub(crate) is_in_mean: bool,
    /// Whether the line is won or lost; the others inform.
    pub(crate) is_judged: bool,
}

impl Metric {
    /// A judged line in the mean, lower being better: the usual CPU row.
    pub(crate) const fn cpu_row(name: &'static str, unit: Unit) -> Metric {
        Metric {
            name,
            unit,
            better: Better::Lower,
            is_in_mean: true,
            is_judged: true,
        }
    }

    /// A judged line outside of the mean, lower being better.
    pub(crate) const fn cost(name: &'static str, unit: Unit) -> Metric {
        Metric {
            is_in_mean: false,
            ..Metric::cpu_row(name, unit)
        }
    }

    /// Turns the direction: higher is better.
    pub(crate) const fn rising(self) -> Metric {
        Metric {
            better: Better::Higher,
            ..self
        }
    }

    /// The line nearest to `total / workers` is the best.
    pub(crate) const fn near(self, total: f64) -> Metric {
        Metric {
            better: Better::Near { total },
            ..self
        }
    }

    /// Shown, never judged.
    pub(crate) const fn informing(self) -> Metric {
        Metric {
            is_judged: false,
            is_in_mean: false,
            ..self
        }
    }
}
