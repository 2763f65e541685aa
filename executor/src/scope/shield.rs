//! Parts of a task that no stop gets into.

use super::part::Part;
use crate::task::current;
use crate::task::tree::Kind;
use pin_project_lite::pin_project;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Runs `future` so that a stop of the task is not seen inside, neither by its waits nor by what it spawns below itself.
///
/// For a step of the work that has to be finished, or for cleanup that itself waits with [`or_stop`](crate::StopExt::or_stop). The grace goes on: when
/// it is over the task is cancelled, shield or not. A stop that came meanwhile is seen by the first wait after it. What else the task
/// polls beside the shielded future, in a join, sees it at once.
///
/// Costs an allocation at the first poll. Outside of a task it is just the future.
///
/// # Cancel safety
///
/// As the future itself; the shield ends with it.
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, check_stop, shield, spawn, yield_now};
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let task = spawn(async {
///         let inside = shield(async {
///             yield_now().await;
///             check_stop().is_ok()
///         });
///         (inside.await, check_stop().is_ok())
///     });
///     yield_now().await;
///     task.stop("");
///     assert_eq!(task.await?, (true, false));
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn shield<F: Future>(future: F) -> Shield<F> {
    Shield {
        future,
        max: None,
        part: None,
        at: Location::caller(),
    }
}

/// As [`shield`], and holds off a cancel as well, for at most `max` from the first poll.
///
/// For the rare step that must not be torn apart even at the end of the grace. After `max` it is as if the shield had ended.
///
/// # Cancel safety
///
/// As [`shield`].
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, shield_hard, spawn, yield_now};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let task = spawn(shield_hard(Duration::from_secs(1), async {
///         yield_now().await;
///         "committed"
///     }));
///     yield_now().await;
///     task.cancel();
///     assert_eq!(task.await?, "committed");
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn shield_hard<F: Future>(max: Duration, future: F) -> Shield<F> {
    Shield {
        future,
        max: Some(max),
        part: None,
        at: Location::caller(),
    }
}

pin_project! {
    /// The future of [`shield`] and [`shield_hard`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Shield<F> {
        #[pin]
        future: F,
        max: Option<Duration>,
        part: Option<Part>,
        at: &'static Location<'static>,
    }

    impl<F> PinnedDrop for Shield<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(part) = this.project().part.take() {
                part.node().end_shield();
            }
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let part = match this.part {
            Some(part) => part,
            None if current::key() == 0 => return this.future.poll(cx),
            None => this.part.insert(begin(*this.max, this.at)),
        };
        let polled = part.inside(|| this.future.poll(cx));
        if polled.is_ready() {
            if let Some(part) = this.part.take() {
                part.node().end_shield();
            }
        }
        polled
    }
}

fn begin(max: Option<Duration>, at: &'static Location<'static>) -> Part {
    let Some(max) = max else {
        return Part::new(Kind::Shield, None, at, None);
    };
    let part = Part::new(Kind::HardShield, None, at, None);
    if let Some(task) = part.node().task() {
        task.hold();
        part.node().set_hold_limit(max);
    }
    part
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}
