//! When: clocks real and virtual, a timer wheel, and the futures that wait for a moment.
//!
//! ```
//! use lenio_time::{sleep, timeout};
//! use std::time::Duration;
//!
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     struct Unpark(std::thread::Thread);
//! #     impl std::task::Wake for Unpark {
//! #         fn wake(self: std::sync::Arc<Self>) {
//! #             self.0.unpark();
//! #         }
//! #     }
//! #     let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
//! #     let mut cx = std::task::Context::from_waker(&waker);
//! #     let mut future = std::pin::pin!(future);
//! #     loop {
//! #         if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
//! #             return output;
//! #         }
//! #         std::thread::park();
//! #     }
//! # }
//! block_on(async {
//!     sleep(Duration::from_millis(1)).await;
//!     let forever = std::future::pending::<()>();
//!     assert!(timeout(Duration::from_millis(1), forever).await.is_err());
//! });
//! ```
//!
//! # How it hangs together
//!
//! A [`Timers`] is a wheel behind a lock, together with the [`Clock`] that it goes by. An executor makes one per worker, [`enter`]s
//! it on the worker's thread, sleeps no longer than [`Timers::next_deadline`], and calls [`Timers::turn`] when that moment has come.
//! A [`Sleep`] registers its waker in the wheel of the thread that polls it first. [`timeout()`] and [`interval()`] are a `Sleep` and a
//! few lines each.
//!
//! On a thread that entered nothing the futures of this crate work as well, under any executor: a background thread keeps their
//! wheel.
//!
//! # Promises
//!
//! - **Never early.** A sleep completes when its clock shows its deadline or later, to the nanosecond.
//! - **In order.** One turn of the wheel wakes in the order of deadlines, and equal deadlines in the order of registration.
//! - **Any duration.** Durations too long for the clock become a moment that is never reached ([`Instant::NEVER`]); nothing panics,
//!   nothing wraps.
//! - **Cheap to cancel.** To register and to deregister take constant time and one short lock each; a timer that fires pays the rest.
//!
//! Not promised: how late a sleep may be. That depends on how soon the executor gets to turn its timers and to poll the task.
//!
//! # Modules
//!
//! Each may import only what stands left of it: `instant . clock . wheel . timers . context . background . sleep . timeout . interval`.

mod instant;

mod clock;

mod wheel;

mod timers;

mod context;

mod background;

mod sleep;

mod timeout;

mod interval;

pub use clock::Clock;
pub use context::{EnterGuard, enter};
pub use instant::Instant;
pub use interval::{Interval, MissedTick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
pub use timers::{Alarm, Timers};
