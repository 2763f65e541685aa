//! G16: ownership is a tree; waiting is an edge that lasts as long as the wait.

use crate::rig::{WAKERS, Watch, both, ms, scenario, under};
use lenio_executor::{
    JoinHandle, JoinLinks, StopExt, StopPolicy, scope, shield, spawn, spawn_child, yield_now,
};
use lenio_time::{sleep, timeout};
use std::future::pending;

/// Runs until it is stopped, and says why.
fn producer() -> JoinHandle<String> {
    spawn(async { pending::<()>().or_stop().await.unwrap_err().to_string() })
}

#[test]
fn g16_a_plain_wait_does_not_pass_a_stop_on() {
    scenario(|_| async {
        let producer = producer();
        let by_handle = producer.stop_handle();
        let consumer = spawn(async move { producer.or_stop().await.is_err() });
        sleep(ms(1)).await;
        consumer.stop("");
        assert!(consumer.await.unwrap());
        assert!(!by_handle.is_stopped());
        by_handle.stop("");
        by_handle.done().await;
    });
}

#[test]
fn g16_a_linked_wait_passes_a_stop_on_with_its_reason() {
    for wakers in WAKERS {
        scenario(move |_| async move {
            let (one, other) = (producer(), producer());
            let consumer = spawn(async move {
                let scoped = scope(|_| other.join_linked());
                both(wakers, one.join_linked(), scoped).await
            });
            sleep(ms(1)).await;
            consumer.stop("the consumer's");
            let (one, other) = consumer.await.unwrap();
            assert_eq!(one.unwrap(), "the consumer's");
            assert_eq!(other.unwrap(), "the consumer's");
        });
    }
}

#[test]
fn g16_a_link_ends_with_its_wait() {
    scenario(|_| async {
        let producer = producer();
        let by_handle = producer.stop_handle();
        let consumer = spawn(async move {
            assert!(timeout(ms(10), producer.join_linked()).await.is_err());
            let _ = pending::<()>().or_stop().await;
        });
        sleep(ms(20)).await;
        consumer.stop("");
        consumer.await.unwrap();
        assert!(!by_handle.is_stopped());
        by_handle.stop("");
        by_handle.done().await;
    });
}

#[test]
fn g16_a_link_in_a_stopped_task_stops_at_once() {
    scenario(|_| async {
        let producer = producer();
        yield_now().await;
        let consumer = spawn(async move {
            let _ = pending::<()>().or_stop().await;
            producer.join_linked().await.unwrap()
        });
        yield_now().await;
        consumer.stop("earlier");
        assert_eq!(consumer.await.unwrap(), "earlier");
    });
}

#[test]
fn g16_a_linked_wait_inside_of_a_shield_passes_nothing_on() {
    scenario(|_| async {
        let watch = Watch::start();
        let producer = spawn(sleep(ms(50)).or_stop());
        let consumer = spawn(async move { shield(producer.join_linked()).await });
        sleep(ms(1)).await;
        consumer.stop("");
        assert!(consumer.await.unwrap().unwrap().is_ok());
        watch.assert_at(ms(50));
    });
}

#[test]
fn g16_links_that_go_round_in_a_circle_end() {
    scenario(|_| async {
        let parent = spawn(async {
            let child = spawn_child(async {
                let grandchild = spawn_child(async { pending::<()>().or_stop().await.is_err() });
                grandchild.join_linked().await.unwrap()
            });
            child.join_linked().await.unwrap()
        });
        sleep(ms(1)).await;
        parent.stop("");
        assert!(parent.await.unwrap());
    });
}

#[test]
fn g16_no_wait_is_linked_where_the_policy_says_never() {
    let mut policy = StopPolicy::native();
    policy.join_links = JoinLinks::Never;
    under(policy, |_| async {
        let producer = producer();
        let by_handle = producer.stop_handle();
        let consumer = spawn(async move { producer.join_linked().or_stop().await.is_err() });
        sleep(ms(1)).await;
        consumer.stop("");
        assert!(consumer.await.unwrap());
        assert!(!by_handle.is_stopped());
        by_handle.stop("");
        by_handle.done().await;
    });
}
