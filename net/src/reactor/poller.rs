//! The kernel's queue, and the room for what it says.

use super::short_wait;
use mio::Events;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// How many events one wait brings at most; what is left comes with the next.
const EVENTS: usize = 1024;

/// What only the holder of the turn touches.
pub(super) struct Poller {
    poll: mio::Poll,
    events: Events,
}

impl Poller {
    pub(super) fn new(poll: mio::Poll) -> Self {
        Self {
            poll,
            events: Events::with_capacity(EVENTS),
        }
    }

    /// Waits, and shows what came. A signal ends the wait with an error.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<&Events> {
        let timeout = match timeout {
            Some(short) if short_wait::NEEDED && is_below_a_millisecond(short) => {
                if !short_wait::wait_readable(self.poll.registry().as_fd(), short)? {
                    self.events.clear();
                    return Ok(&self.events);
                }
                Some(Duration::ZERO)
            }
            // Down to whole milliseconds: the rest is waited for below a millisecond, in the caller's next round.
            Some(long) if short_wait::NEEDED => Some(long - sub_millisecond(long)),
            other => other,
        };
        self.poll.poll(&mut self.events, timeout)?;
        Ok(&self.events)
    }
}

const fn is_below_a_millisecond(time: Duration) -> bool {
    !time.is_zero() && time.as_nanos() < 1_000_000
}

const fn sub_millisecond(time: Duration) -> Duration {
    Duration::from_nanos((time.subsec_nanos() % 1_000_000) as u64)
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_down_but_never_to_nothing() {
        for (nanos, below, rest) in [
            (0, false, 0),
            (1, true, 1),
            (999_999, true, 999_999),
            (1_000_000, false, 0),
            (2_500_000, false, 500_000),
        ] {
            let time = Duration::from_nanos(nanos);
            assert_eq!(is_below_a_millisecond(time), below, "{time:?}");
            assert_eq!(
                sub_millisecond(time),
                Duration::from_nanos(rest),
                "{time:?}"
            );
        }
        assert!(!is_below_a_millisecond(Duration::MAX));
    }
}
