//! A timer that is set while the driver sleeps towards a later one.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::Runtime;
use lenio_time::sleep;
use std::time::Duration;
use watchdog::within_patience;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_earlier_timer_of_another_thread_ends_the_sleep_of_the_driver() {
    within_patience("outside", || {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        let late = runtime.spawn(sleep(HOUR));
        let _inside = runtime.handle().enter();
        // The only worker drives. In some round it is asleep when the timer comes, and nothing but the timer wakes it.
        for _ in 0..50 {
            lenio_sync::wait::block_on(sleep(Duration::from_millis(1)));
        }
        late.cancel();
    });
}

#[test]
fn an_earlier_timer_of_another_worker_ends_the_sleep_of_the_driver() {
    within_patience("two workers", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        let late = runtime.spawn(sleep(HOUR));
        for _ in 0..200 {
            runtime
                .block_on(runtime.spawn(sleep(Duration::from_millis(1))))
                .unwrap();
        }
        late.cancel();
    });
}
