//! The moments at which something happens to a node by itself. Plain data.

use lenio_time::Instant;

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// It is stopped, because its time is over.
    Deadline,
    /// The grace of a stop is over: it is cancelled.
    Soft,
    /// Whatever still runs is reported.
    Hard,
    /// Finalizers have had their time.
    Finalizers,
    /// A hard shield has had its time.
    Hold,
}

const KINDS: usize = 5;

/// The alarms of a node: one of each kind at most. An alarm that is set again only ever comes earlier.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    at: [Option<Instant>; KINDS],
    /// Whether somebody waits for them.
    pub(super) is_kept: bool,
}

impl Alarms {
    /// Returns whether this changed anything.
    pub(super) fn set(&mut self, alarm: Alarm, at: Instant) -> bool {
        let place = &mut self.at[alarm as usize];
        let is_earlier = place.is_none_or(|before| at < before);
        if is_earlier {
            *place = Some(at);
        }
        is_earlier
    }

    pub(super) fn get(&self, alarm: Alarm) -> Option<Instant> {
        self.at[alarm as usize]
    }

    pub(super) fn clear(&mut self, alarm: Alarm) {
        self.at[alarm as usize] = None;
    }

    /// The earliest one.
    pub(super) fn next(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Takes out one that is due, in the order in which they are declared.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Alarm> {
        let all = [
            Alarm::Deadline,
            Alarm::Soft,
            Alarm::Hard,
            Alarm::Finalizers,
            Alarm::Hold,
        ];
        let due = all
            .into_iter()
            .find(|alarm| self.get(*alarm).is_some_and(|at| at <= now))?;
        self.clear(due);
        Some(due)
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_only_shrinks_and_rings_once() {
        let at = Instant::from_nanos;
        let mut alarms = Alarms::default();
        assert!(alarms.set(Alarm::Soft, at(20)));
        assert!(!alarms.set(Alarm::Soft, at(30)), "later is no change");
        assert!(alarms.set(Alarm::Soft, at(10)));
        assert!(alarms.set(Alarm::Hard, at(10)));
        assert_eq!(alarms.next(), Some(at(10)));
        assert_eq!(alarms.take_due(at(9)), None);
        assert_eq!(alarms.take_due(at(10)), Some(Alarm::Soft));
        assert_eq!(alarms.take_due(at(10)), Some(Alarm::Hard));
        assert_eq!(alarms.take_due(at(10)), None);
        assert_eq!(alarms.next(), None);
    }
}
