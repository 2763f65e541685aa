//! Moments, sleeping, timeouts, intervals.

pub use lenio_time::{
    Elapsed, Instant, Interval, MissedTick, Sleep, Timeout, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};
