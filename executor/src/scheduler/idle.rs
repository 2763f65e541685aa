//! Who sleeps, who searches, who gets woken: the idle protocol.
//!
//! # The question
//!
//! A *pusher* makes work visible and must decide whether to wake somebody. A *sleeper* found no work and wants to park. If both look
//! before the other has acted, work lies in a queue while everybody sleeps. This file makes that impossible, and wakes nobody who
//! is not needed.
//!
//! # The word
//!
//! One word per 48 places, nearly always one word in all:
//!
//! ```text
//!   63            48 47                                  0
//!  +----------------+-------------------------------------+
//!  |   searching    |  one bit per place: it is asleep    |
//!  +----------------+-------------------------------------+
//! ```
//!
//! A *place* is a worker, or a thread inside `block_on` that works along. A place is either *busy* (in no count), *searching*
//! (counted), or *asleep* (its bit is set). Whoever clears a bit, be it the pusher ([`Idle::wake_one`]) or the sleeper itself
//! ([`Idle::wake_self`]), owns that sleeper's wake-up: the exchange has one winner. A pusher turns the sleeper into a searcher in the
//! same step, so that no moment exists in which a claimed sleeper is neither.
//!
//! # The steps
//!
//! | pusher | sleeper |
//! |---|---|
//! | P1 publish the task | S1 one exchange: stop searching, set the bit |
//! | P2 `fence(SeqCst)` | S2 `fence(SeqCst)` |
//! | P3 read the word: somebody searches? done | S3 look into every queue again: work? clear the bit and take it |
//! | P4 exchange: clear a bit, count a searcher | S4 park until the bit is cleared |
//! | P5 unpark that place | |
//!
//! # Why no task is lost
//!
//! Let T be published in P1. The two fences are totally ordered.
//!
//! - If S2 of some place comes after P2, its S3 sees T (or sees that somebody took it). So every place that P3 counted as searching is
//!   harmless: it will pass S1 and S2 later than P2, because at P2 it was still searching, and then it sees T.
//! - If S2 of a place comes before P2, its S1 does too, and the pusher's read in P3 sees its bit, unless somebody cleared the bit since.
//!   Then either P4 claims it, or another pusher's P4 has turned it into a searcher, which the first case covers, or it woke by itself
//!   and searches, which the first case covers as well.
//! - A busy place is covered by the first case, too: it searches before it sleeps.
//!
//! The proof holds per word: a place counts in one word only, and the pusher reads all of them before it concludes that nobody searches.
//!
//! A *local* push (a worker queues a task for itself) publishes without P2, because the worker itself runs the task later: a missed
//! sleeper costs parallelism for a moment, never the task. It asks [`Idle::wake_one`] at the end of each poll that leaves enough work.
//! Where a queue changes hands the fence is there: [`Idle::fence`].
//!
//! # Rejected
//!
//! - A mutex around the list of sleepers: two to four lock operations per park.
//! - A count of sleepers with the places found by a scan: a claimer that won the count may find no flag, and a sleeper that woke by
//!   itself must wait for the claimer; both repairs need a third state.
//! - Waking on every push: one wake costs as much as fifty spawns.

use lenio_sync::primitive::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// Places that one word describes.
#[cfg(not(lenio_loom))]
const PLACES: usize = 48;
/// Two words are reached with three places in the models.
#[cfg(lenio_loom)]
const PLACES: usize = 2;

const SEARCHER: u64 = 1 << 48;
const ASLEEP: u64 = SEARCHER - 1;

/// The idle words of a runtime.
#[derive(Debug)]
pub(crate) struct Idle {
    words: Box<[AtomicU64]>,
    /// The place that sleeps in the reactor, if one does; a hint. Waking it costs more, and leaves the reactor unattended.
    driver: AtomicUsize,
}

/// Nobody is known to sleep in the reactor.
const NOBODY: usize = usize::MAX;

impl Idle {
    /// All places start busy.
    pub(crate) fn new(places: usize) -> Self {
        let words = places.div_ceil(PLACES).max(1);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            driver: AtomicUsize::new(NOBODY),
        }
    }

    /// Says which place is going to sleep in the reactor, or that nobody does.
    pub(crate) fn note_driver(&self, place: Option<usize>) {
        // ORDERING: Relaxed: a preference, see `pick`.
        self.driver
            .store(place.unwrap_or(NOBODY), Ordering::Relaxed);
    }

    /// Which of the sleepers in word `index` to claim: any but the driver, if there is another.
    fn pick(&self, index: usize, asleep: u64) -> u32 {
        // ORDERING: Relaxed: a preference; any sleeper will do.
        let driver = self.driver.load(Ordering::Relaxed);
        let others = if driver / PLACES == index {
            asleep & !(1 << (driver % PLACES))
        } else {
            asleep
        };
        let from = if others == 0 { asleep } else { others };
        from.trailing_zeros()
    }

    fn word(&self, place: usize) -> (&AtomicU64, u64) {
        (&self.words[place / PLACES], 1 << (place % PLACES))
    }

    /// Step P2 for a queue that changes hands: what was published before is visible to every sleeper that looks again after.
    pub(crate) fn fence(&self) {
        // ORDERING: SeqCst pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
    }

    /// A busy place starts to search. To be called before it looks at other places' queues for the last time before it sleeps.
    pub(crate) fn start_search(&self, place: usize) {
        // ORDERING: Relaxed: the count only spares wakes; what makes it safe are the fences.
        self.word(place).0.fetch_add(SEARCHER, Ordering::Relaxed);
    }

    /// A searching place found work. True: nobody searches any more, so that it should wake another if work is left.
    pub(crate) fn stop_search(&self, place: usize) -> bool {
        // ORDERING: Relaxed: as in `start_search`.
        let before = self.word(place).0.fetch_sub(SEARCHER, Ordering::Relaxed);
        debug_assert!(before >= SEARCHER);
        before < 2 * SEARCHER
    }

    /// S1 and S2: a searching place goes to sleep. It must look into every queue again before it parks.
    pub(crate) fn sleep(&self, place: usize) {
        let (word, bit) = self.word(place);
        // One addition moves both: the count goes down by one, the bit goes up.
        // ORDERING: Relaxed: ordered by the fence.
        let before = word.fetch_sub(SEARCHER - bit, Ordering::Relaxed);
        debug_assert!(before >= SEARCHER && before & bit == 0);
        // ORDERING: SeqCst pairs with the fences in `pushed` and `fence`.
        fence(Ordering::SeqCst);
    }

    /// A sleeper wakes by itself (it found work, or an event or its deadline came) and searches. False: somebody has claimed it
    /// already and counted it as searching; its unpark has come or will come.
    pub(crate) fn wake_self(&self, place: usize) -> bool {
        let (word, bit) = self.word(place);
        // ORDERING: Relaxed: a guess for the exchange below.
        let mut before = word.load(Ordering::Relaxed);
        loop {
            if before & bit == 0 {
                return false;
            }
            // ORDERING: Relaxed: one winner is all that is needed.
            match word.compare_exchange_weak(
                before,
                before - bit + SEARCHER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => before = now,
            }
        }
    }

    /// P2 to P4 after a push from outside: the place to unpark, if somebody has to be woken.
    #[must_use]
    pub(crate) fn pushed(&self) -> Option<usize> {
        // ORDERING: SeqCst pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        self.wake_one()
    }

    /// P3 and P4 without the fence: for a worker that runs its own work itself if nobody helps.
    #[must_use]
    pub(crate) fn wake_one(&self) -> Option<usize> {
        if !self.is_help_asleep() {
            return None;
        }
        self.words
            .iter()
            .enumerate()
            .find_map(|(index, word)| self.claim(index, word))
    }

    /// Whether somebody sleeps and nobody searches. A plain load per word.
    #[inline]
    pub(crate) fn is_help_asleep(&self) -> bool {
        let mut asleep = 0;
        for word in &self.words {
            // ORDERING: Relaxed: `pushed` puts its fence before; elsewhere it is a hint.
            let word = word.load(Ordering::Relaxed);
            if word >= SEARCHER {
                return false;
            }
            asleep |= word;
        }
        asleep != 0
    }

    fn claim(&self, index: usize, word: &AtomicU64) -> Option<usize> {
        // ORDERING: Relaxed: a guess for the exchange below.
        let before = word.load(Ordering::Relaxed);
        if before >= SEARCHER {
            return None;
        }
        self.claim_sleeper(index, word, before, |now| now < SEARCHER)
    }

    /// Turns a sleeper of one word into a searcher, for as long as `may` allows.
    fn claim_sleeper(
        &self,
        index: usize,
        word: &AtomicU64,
        mut before: u64,
        may: impl Fn(u64) -> bool,
    ) -> Option<usize> {
        while before & ASLEEP != 0 && may(before) {
            let bit = self.pick(index, before & ASLEEP);
            // ORDERING: Relaxed: one winner is all that is needed; the unpark publishes.
            match word.compare_exchange_weak(
                before,
                before - (1 << bit) + SEARCHER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(index * PLACES + bit as usize),
                Err(now) => before = now,
            }
        }
        None
    }

    /// Whether any place sleeps.
    pub(crate) fn is_any_asleep(&self) -> bool {
        // ORDERING: Relaxed: callers that depend on it put a fence before.
        self.words
            .iter()
            .any(|word| word.load(Ordering::Relaxed) & ASLEEP != 0)
    }

    /// How many places sleep.
    pub(crate) fn asleep(&self) -> usize {
        // ORDERING: Relaxed: a statistic.
        self.words
            .iter()
            .map(|word| (word.load(Ordering::Relaxed) & ASLEEP).count_ones() as usize)
            .sum()
    }

    /// Claims any sleeper, whether or not somebody searches: for the monitor, and for handing over the reactor.
    #[must_use]
    pub(crate) fn claim_any(&self) -> Option<usize> {
        self.words.iter().enumerate().find_map(|(index, word)| {
            // ORDERING: Relaxed: a guess for the exchange.
            let before = word.load(Ordering::Relaxed);
            self.claim_sleeper(index, word, before, |_| true)
        })
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_searcher_spares_the_wake() {
        let idle = Idle::new(3);
        idle.start_search(0);
        idle.sleep(0);
        idle.start_search(1);
        assert_eq!(idle.pushed(), None, "place 1 searches and will find it");
        assert!(idle.stop_search(1));
        assert_eq!(idle.pushed(), Some(0));
        assert_eq!(idle.pushed(), None, "place 0 searches now");
        assert!(!idle.wake_self(0), "it was claimed");
    }

    #[test]
    fn the_driver_is_woken_last() {
        let idle = Idle::new(2);
        for place in [0, 1] {
            idle.start_search(place);
            idle.sleep(place);
        }
        idle.note_driver(Some(0));
        assert_eq!(idle.pushed(), Some(1));
        idle.stop_search(1);
        assert_eq!(idle.pushed(), Some(0), "nobody else is left");
    }

    #[test]
    fn more_places_than_one_word_holds() {
        let idle = Idle::new(200);
        for place in 0..200 {
            idle.start_search(place);
            idle.sleep(place);
        }
        assert_eq!(idle.asleep(), 200);
        let mut woken = Vec::new();
        while let Some(place) = idle.pushed() {
            idle.stop_search(place);
            woken.push(place);
        }
        woken.sort_unstable();
        assert_eq!(woken, (0..200).collect::<Vec<_>>());
    }
}
