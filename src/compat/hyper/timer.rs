//! hyper's timeouts on the runtime's clock.

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Gives hyper the time of the current runtime, the virtual one included.
///
/// # Examples
///
/// See [the module](super#examples).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HyperTimer;

impl HyperTimer {
    /// Makes a timer.
    pub const fn new() -> Self {
        Self
    }
}

pin_project! {
    /// lenio's sleep as hyper's.
    struct HyperSleep {
        #[pin]
        sleep: lenio_time::Sleep,
    }
}

impl Future for HyperSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

impl Sleep for HyperSleep {}

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let sleep = lenio_time::sleep(duration);
        Box::pin(HyperSleep { sleep })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let sleep = lenio_time::sleep_until(deadline.into());
        Box::pin(HyperSleep { sleep })
    }

    fn now(&self) -> Instant {
        lenio_time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            Some(ours) => ours.project().sleep.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
