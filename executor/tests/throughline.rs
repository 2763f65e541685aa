#![expect(
    clippy::disallowed_methods,
    reason = "a chain goes to threads that are no workers, too"
)]
//! The throughline: what is in force where, and what a capture keeps.

use lenio_executor::throughline;
use lenio_executor::throughline::{
    Chain, Frame, Framed, Value, enter, in_chain, in_frame, restore,
};
use lenio_executor::{block_on, spawn, yield_now};
use proptest::prelude::*;
use std::cell::RefCell;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

fn here() -> String {
    throughline::current().to_string()
}

fn poll_here<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A throughline of `depth` frames `n`.
fn deep(depth: usize) -> Chain {
    std::iter::repeat_n("n", depth).collect()
}

/// Says in which chain it was dropped.
struct OnDrop<'a>(&'a RefCell<Vec<String>>);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(here());
    }
}

#[test]
fn without_frames_the_chain_is_empty() {
    let chain = throughline::current();
    assert!(chain.is_empty());
    assert_eq!(chain.depth(), 0);
    assert_eq!(chain.frames().len(), 0);
    assert_eq!(chain.to_string(), "");
    assert_eq!(chain.innermost(), None);
    assert_eq!(chain, Chain::empty());
    assert_eq!(size_of::<Chain>(), size_of::<usize>());
}

#[test]
fn the_chain_inside_is_the_chain_outside_and_the_frame() {
    enter("server", || {
        let outside = throughline::current();
        enter(Frame::new("request").with("id", 7), || {
            let mut expected: Vec<Frame> = outside.frames().cloned().collect();
            expected.push(Frame::new("request").with("id", 7));
            let inside = throughline::current();
            assert!(inside.frames().eq(&expected));
            assert_eq!(inside.depth(), 2);
        });
        assert_eq!(throughline::current(), outside);
    });
    assert!(throughline::current().is_empty());
}

#[test]
fn a_capture_ignores_what_comes_later() {
    let captured = enter("a", || {
        let captured = throughline::current();
        enter("b", || assert_eq!(captured.to_string(), "a"));
        captured
    });
    assert_eq!(captured.to_string(), "a");
    let mut longer = captured.clone();
    longer.push("b");
    assert_eq!(longer.to_string(), "a > b");
    assert_eq!(captured.to_string(), "a");
    assert_eq!(captured.depth(), 1);
}

#[test]
fn the_innermost_value_wins_and_all_are_collected_from_outside_in() {
    let frames = [
        Frame::new("a").with("k", 1).with("only", true),
        Frame::new("b"),
        Frame::new("c").with("k", 3),
    ];
    let chain: Chain = frames.into_iter().collect();
    assert_eq!(chain.value("k"), Some(&Value::from(3)));
    assert_eq!(chain.value("only"), Some(&Value::from(true)));
    assert_eq!(chain.value("none"), None);
    assert_eq!(chain.collect("k"), [&Value::from(1), &Value::from(3)]);
    assert!(chain.collect("none").is_empty());
    assert!(chain.names().eq(["a", "b", "c"]));
    assert!(chain.names().rev().eq(["c", "b", "a"]));
    assert_eq!(chain.innermost().map(Frame::name), Some("c"));
}

#[test]
fn a_frame_keeps_any_number_of_values_in_order() {
    let mut frame = Frame::new(String::from("many"));
    for n in 0..10_u64 {
        frame = frame.with(format!("k{n}"), n);
    }
    frame = frame.with("k0", "first").with("k9", "last");
    let values: Vec<_> = frame.values().map(|(key, _)| key.to_owned()).collect();
    let expected: Vec<_> = (0..10).map(|n| format!("k{n}")).collect();
    assert_eq!(values, expected, "replaced in place");
    assert_eq!(frame.value("k0"), Some(&"first".into()));
    assert_eq!(frame.value("k1"), Some(&1.into()));
    assert_eq!(frame.value("k9"), Some(&"last".into()));
    assert_eq!(frame.value("k10"), None);
}

#[test]
fn values_are_compared_as_what_they_say() {
    assert_eq!(Value::from(7_i8), Value::from(7_usize));
    assert_ne!(Value::from(-1_i64), Value::from(u64::MAX));
    assert_eq!(Value::from(f64::NAN), Value::from(f64::NAN));
    assert_ne!(Value::from(1.0), Value::from(1));
    assert_ne!(Value::from(true), Value::from(1));
    assert_eq!(Value::from("x"), Value::from(String::from("x")));
    assert_eq!(Value::from(u64::MAX).as_i64(), None);
    assert_eq!(Value::from(u64::MAX).as_u64(), Some(u64::MAX));
    assert_eq!(Value::from(-1).as_u64(), None);
    assert_eq!(Value::from(-1_isize).as_i64(), Some(-1));
    assert_eq!(Value::from(0.5_f32).as_f64(), Some(0.5));
    assert_eq!(Value::from(false).as_bool(), Some(false));
}

#[test]
fn chains_are_equal_by_content() {
    let chain = |id| -> Chain {
        [Frame::new("a").with("id", id), Frame::new("b")]
            .into_iter()
            .collect()
    };
    assert_eq!(chain(1), chain(1));
    assert_ne!(chain(1), chain(2));
    assert_ne!(chain(1), Chain::from_iter(["a", "b"]));
    assert_ne!(Chain::from_iter(["a", "b"]), Chain::from_iter(["b"]));
    assert_ne!(Chain::from_iter(["a"]), Chain::empty());
}

#[test]
fn no_frame_ends_a_line_of_the_log() {
    let frame = Frame::new("a\nb")
        .with("k\r", "x\ny \"quoted\"")
        .with("plain", 1.5);
    let chain = Chain::from_iter([frame]);
    assert_eq!(
        format!("{chain:#}"),
        r#"a\nb{k\r="x\ny \"quoted\"", plain=1.5}"#
    );
    assert_eq!(chain.to_string(), r"a\nb");
    let plain = Chain::from_iter([Frame::new("a"), Frame::new("b").with("n", 1)]);
    assert_eq!(format!("{plain:?}"), "[a, b { n: I64(1) }]");
}

#[test]
fn a_chain_of_a_million_frames_takes_no_stack_to_drop() {
    const DEPTH: usize = 1_000_000;
    drop(deep(DEPTH));
    // Taken out of force as the future goes, and compared.
    let mut framed = Box::pin(in_chain(deep(DEPTH), pending::<()>()));
    assert!(poll_here(framed.as_mut()).is_pending());
    drop(framed);
    assert!(deep(DEPTH) == deep(DEPTH));
}

/// Of two that let go of the last link at once, neither may leave the rest to a drop that recurses. Such a drop would need more stack
/// than these threads have.
#[test]
fn two_threads_that_let_go_at_once_take_no_stack_either() {
    const ROUNDS: usize = 1000;
    let arrived = Arc::new(AtomicUsize::new(0));
    let start = || {
        let arrived = arrived.clone();
        let (send, chains) = mpsc::sync_channel::<Chain>(1);
        let drop_all = move || {
            for (round, chain) in chains.into_iter().enumerate() {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 * (round + 1) {
                    std::hint::spin_loop();
                }
                drop(chain);
            }
        };
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        (send, thread.spawn(drop_all).unwrap())
    };
    let threads = [start(), start()];
    for _ in 0..ROUNDS {
        let chain = deep(2000);
        let [one, two] = &threads;
        one.0.send(chain.clone()).unwrap();
        two.0.send(chain).unwrap();
    }
    for (send, thread) in threads {
        drop(send);
        thread.join().unwrap();
    }
}

#[test]
fn what_shares_an_end_keeps_it() {
    let mut one = deep(3);
    let two = one.clone();
    one.push("one");
    drop(one);
    assert_eq!(two.to_string(), "n > n > n");
    drop(two);
}

#[test]
fn a_restored_chain_replaces_and_does_not_merge() {
    let captured = enter("request", throughline::current);
    enter("worker", || {
        restore(captured.clone(), || {
            assert_eq!(here(), "request");
            enter("more", || assert_eq!(here(), "request > more"));
        });
        assert_eq!(here(), "worker");
        restore(Chain::empty(), || assert_eq!(here(), ""));
    });
    let nested = in_frame("worker", in_chain(captured, async { here() }));
    assert_eq!(block_on(nested), "request");
}

#[test]
fn frames_become_plain_data_and_chains_again_unchecked() {
    let chain: Chain = [Frame::new("a").with("k", "v"), Frame::new("")]
        .into_iter()
        .collect();
    let plain: Vec<Frame> = chain.frames().cloned().collect();
    let again = Chain::from_iter(plain);
    assert_eq!(again, chain);
    assert_eq!(again.to_string(), "a > ");
    restore(again, || assert_eq!(throughline::current(), chain));
}

#[test]
fn nested_futures_have_their_frames_in_the_order_of_nesting() {
    let inner = in_frame("c", async {
        yield_now().await;
        here()
    });
    let seen = enter("a", || block_on(in_frame("b", inner)));
    assert_eq!(
        seen, "a > b > c",
        "made before its surroundings, polled within"
    );
}

#[test]
fn a_future_keeps_the_chain_of_its_first_poll() {
    let mut future = Box::pin(in_frame("f", async {
        let first = here();
        yield_now().await;
        (first, here())
    }));
    enter("first", || assert!(poll_here(future.as_mut()).is_pending()));
    let chains = enter("second", || poll_here(future.as_mut()));
    let expected = String::from("first > f");
    assert_eq!(chains, Poll::Ready((expected.clone(), expected)));
}

#[test]
fn siblings_that_are_polled_in_turn_see_their_own_chains_only() {
    let sibling = |n: usize| {
        Box::pin(in_frame(Frame::new("s").with("n", n), async move {
            for _ in 0..10 {
                let chain = throughline::current();
                assert_eq!(chain.collect("n"), [&n.into()]);
                yield_now().await;
            }
        }))
    };
    enter("parent", || {
        let mut siblings: Vec<_> = (0..3).map(sibling).collect();
        for _ in 0..10 {
            for sibling in &mut siblings {
                assert!(poll_here(sibling.as_mut()).is_pending());
                assert_eq!(here(), "parent");
            }
        }
        for sibling in &mut siblings {
            assert!(poll_here(sibling.as_mut()).is_ready());
        }
        assert_eq!(here(), "parent");
    });
}

#[test]
fn f1_a_panic_takes_the_frame_out_of_force() {
    enter("outside", || {
        let call = catch_unwind(|| enter("call", || resume_unwind(Box::new(()))));
        assert!(call.is_err());
        assert_eq!(here(), "outside");
        let mut future = Box::pin(in_frame(
            "future",
            poll_fn(|_| -> Poll<()> { resume_unwind(Box::new(())) }),
        ));
        for _ in 0..2 {
            let poll = catch_unwind(AssertUnwindSafe(|| poll_here(future.as_mut())));
            assert!(poll.is_err());
            assert_eq!(here(), "outside");
        }
    });
    assert_eq!(here(), "");
}

#[test]
fn f1_a_panic_in_the_drop_of_a_future_takes_the_frame_out_of_force() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            resume_unwind(Box::new(()));
        }
    }
    let panics = Panics;
    let mut future = Box::pin(in_frame("future", async move {
        let _panics = panics;
        pending::<()>().await;
    }));
    assert!(poll_here(future.as_mut()).is_pending());
    let dropped = catch_unwind(AssertUnwindSafe(move || drop(future)));
    assert!(dropped.is_err());
    assert_eq!(here(), "");
}

#[test]
fn a_future_is_dropped_in_its_chain_once_it_was_polled() {
    let seen = RefCell::default();
    let future = |name: &'static str| {
        let on_drop = OnDrop(&seen);
        Box::pin(in_frame(name, async {
            let _on_drop = on_drop;
            pending::<()>().await;
        }))
    };
    let mut polled = future("polled");
    assert!(poll_here(polled.as_mut()).is_pending());
    enter("elsewhere", || drop(polled));
    enter("elsewhere", || drop(future("never polled")));
    let replay = in_chain(Chain::from_iter(["replay"]), async { drop(OnDrop(&seen)) });
    block_on(replay);
    assert_eq!(seen.into_inner(), ["polled", "elsewhere", "replay"]);
    assert_eq!(here(), "");
}

#[test]
fn a_finished_future_can_be_asked_for_its_chain_again() {
    // One that may be polled after its end stays what it is.
    let mut future = in_frame("f", poll_fn(|_| Poll::Ready(here())));
    for _ in 0..2 {
        assert_eq!(
            poll_here(Pin::new(&mut future)),
            Poll::Ready(String::from("f"))
        );
    }
}

#[test]
fn a_future_takes_its_chain_from_thread_to_thread() {
    let mut future = Box::pin(in_frame("f", async {
        for _ in 0..2 {
            assert_eq!(here(), "main > f");
            yield_now().await;
        }
        here()
    }));
    enter("main", || assert!(poll_here(future.as_mut()).is_pending()));
    let mut future = std::thread::spawn(move || {
        assert!(poll_here(future.as_mut()).is_pending());
        assert_eq!(here(), "");
        future
    })
    .join()
    .unwrap();
    let last = poll_here(future.as_mut());
    assert_eq!(last, Poll::Ready(String::from("main > f")));
    let task = in_frame("task", async {
        yield_now().await;
        here()
    });
    assert_eq!(block_on(async { spawn(task).await.unwrap() }), "task");
}

#[test]
fn the_chain_can_be_read_and_left_while_a_thread_ends() {
    struct AtTheEnd;
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            assert_eq!(enter("late", || 7), 7);
            let _ = throughline::current();
        }
    }
    thread_local! {
        static END: AtTheEnd = const { AtTheEnd };
        static LATER: AtTheEnd = const { AtTheEnd };
    }
    // Whichever order the values of a thread are dropped in, one of these comes after the chain's.
    let ended = std::thread::spawn(|| {
        END.with(|_| ());
        enter("early", || ());
        LATER.with(|_| ());
    });
    assert!(ended.join().is_ok());
}

#[test]
fn the_macro_takes_a_name_or_a_frame_and_any_number_of_values() {
    struct Request {
        id: u64,
    }
    impl From<Request> for Frame {
        fn from(request: Request) -> Self {
            Self::new("request").with("id", request.id)
        }
    }
    let seen = || ready(format!("{:#}", throughline::current()));
    let name = format!("conn#{}", 7);
    let lines = block_on(async {
        [
            throughline!("bare" => async { seen().await }).await,
            throughline!(name, a = 1 => async { seen().await }).await,
            throughline!(Request { id: 7 }, extra = "x", => async { seen().await }).await,
        ]
    });
    assert_eq!(
        lines,
        ["bare", "conn#7{a=1}", r#"request{id=7, extra="x"}"#]
    );
}

/// Not a test of its own: plays the scenario that the environment names.
#[test]
fn child() {
    match std::env::var(SCENARIO).as_deref() {
        Ok("in a frame") => {
            assert!(throughline::install_panic_hook());
            assert!(!throughline::install_panic_hook());
            enter(Frame::new("request").with("id", 7), || panic!("first"));
        }
        Ok("in no frame") => {
            throughline::install_panic_hook();
            panic!("first");
        }
        Ok("in a task") => {
            throughline::install_panic_hook();
            let task = in_frame("task", async { panic!("first") });
            let _: () = block_on(async { spawn(task).await.unwrap() });
        }
        Ok("while panicking") => {
            struct Installs;
            impl Drop for Installs {
                fn drop(&mut self) {
                    assert!(!throughline::install_panic_hook());
                }
            }
            let unwound = catch_unwind(|| {
                let _installs = Installs;
                resume_unwind(Box::new(()));
            });
            assert!(unwound.is_err());
            assert!(throughline::install_panic_hook(), "not used up by that");
            enter("after", || panic!("first"));
        }
        _ => {}
    }
}

const SCENARIO: &str = "LENIO_THROUGHLINE_SCENARIO";

/// What a child process prints that runs the scenario and fails.
fn stderr_of(scenario: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(SCENARIO, scenario)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{scenario}: it panics");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_panic_hook_prints_the_chain_once_and_after_the_message() {
    for (scenario, line) in [
        ("in a frame", "throughline: request{id=7}\n"),
        ("in a task", "throughline: task\n"),
        ("while panicking", "throughline: after\n"),
    ] {
        let stderr = stderr_of(scenario);
        assert_eq!(
            stderr.matches("throughline: ").count(),
            1,
            "{scenario}: {stderr}"
        );
        let (message, chain) = (stderr.find("first\n"), stderr.find(line));
        assert!(message.is_some(), "{scenario}: {stderr}");
        assert!(message < chain, "{scenario}: {stderr}");
    }
}

#[test]
fn the_panic_hook_says_nothing_where_there_is_no_chain() {
    let stderr = stderr_of("in no frame");
    assert!(stderr.contains("first\n"), "{stderr}");
    assert!(!stderr.contains("throughline: "), "{stderr}");
}

/// What a program does with its throughline.
#[derive(Clone, Debug)]
enum Step {
    Capture,
    Enter(Frame, Vec<Step>),
    /// Restores one of the captures, if there are any.
    Restore(prop::sample::Index, Vec<Step>),
    /// The same, and then it panics.
    Panic(Frame, Vec<Step>),
}

fn frames() -> impl Strategy<Value = Frame> {
    let values = prop::collection::vec(("[abc]", any::<i64>()), 0..5);
    ("[a-z]{0,3}", values).prop_map(|(name, values)| {
        let frame = Frame::new(name);
        let add = |frame: Frame, (key, value): (String, i64)| frame.with(key, value);
        values.into_iter().fold(frame, add)
    })
}

fn programs() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop::collection::vec(Just(Step::Capture), 0..2);
    leaf.prop_recursive(6, 64, 4, |inner| {
        let step = prop_oneof![
            Just(Step::Capture),
            (frames(), inner.clone()).prop_map(|(frame, steps)| Step::Enter(frame, steps)),
            (any::<prop::sample::Index>(), inner.clone())
                .prop_map(|(index, steps)| Step::Restore(index, steps)),
            (frames(), inner).prop_map(|(frame, steps)| Step::Panic(frame, steps)),
        ];
        prop::collection::vec(step, 0..4)
    })
}

type Captures = Vec<(Chain, Vec<Frame>)>;

/// Compares all that can be asked with a list of frames.
fn assert_is(chain: &Chain, model: &[Frame]) {
    assert!(chain.frames().eq(model), "{chain:?} {model:?}");
    assert_eq!(chain.depth(), model.len());
    assert_eq!(chain.is_empty(), model.is_empty());
    assert_eq!(chain.innermost(), model.last());
    for key in ["a", "b", "c"] {
        let all: Vec<_> = model.iter().filter_map(|frame| frame.value(key)).collect();
        assert_eq!(chain.value(key), all.last().copied());
        assert_eq!(chain.collect(key), all);
    }
    assert_eq!(*chain, model.iter().cloned().collect::<Chain>());
}

fn run(steps: &[Step], model: &[Frame], captures: &mut Captures) {
    assert_is(&throughline::current(), model);
    for step in steps {
        match step {
            Step::Capture => captures.push((throughline::current(), model.to_vec())),
            Step::Enter(frame, steps) => {
                let longer = [model, std::slice::from_ref(frame)].concat();
                enter(frame.clone(), || run(steps, &longer, captures));
            }
            Step::Panic(frame, steps) => {
                let longer = [model, std::slice::from_ref(frame)].concat();
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    enter(frame.clone(), || {
                        run(steps, &longer, captures);
                        resume_unwind(Box::new("as planned"));
                    });
                }));
                let payload = unwound.unwrap_err();
                assert_eq!(payload.downcast_ref(), Some(&"as planned"));
            }
            Step::Restore(index, steps) if !captures.is_empty() => {
                let (chain, frames) = index.get(captures).clone();
                restore(chain, || run(steps, &frames, captures));
            }
            Step::Restore(..) => {}
        }
        assert_is(&throughline::current(), model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_chain_in_force_is_the_list_of_frames_of_a_model(program in programs()) {
        let mut captures = Captures::new();
        run(&program, &[], &mut captures);
        for (chain, model) in &captures {
            assert_is(chain, model);
        }
    }

    /// Futures in frames, each frame a level of nesting, polled in any order from within any frames.
    #[test]
    fn futures_see_the_chain_of_their_first_poll_and_their_frames(
        nestings in prop::collection::vec(prop::collection::vec(frames(), 0..4), 1..5),
        schedule in prop::collection::vec((any::<prop::sample::Index>(), frames()), 0..40),
    ) {
        type Seen = Rc<RefCell<Option<Chain>>>;
        let future = |frames: &Vec<Frame>| {
            let seen = Seen::default();
            let report = seen.clone();
            let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(poll_fn(move |_| {
                report.replace(Some(throughline::current()));
                Poll::Pending
            }));
            for frame in frames.iter().rev() {
                future = Box::pin(in_frame(frame.clone(), future));
            }
            (future, seen, None::<Vec<Frame>>, frames.clone())
        };
        let mut futures: Vec<_> = nestings.iter().map(future).collect();
        for (index, outer) in schedule {
            let (future, seen, expected, frames) = index.get_mut(&mut futures);
            enter(outer.clone(), || assert!(poll_here(future.as_mut()).is_pending()));
            let now = [&[outer], &frames[..]].concat();
            // Without a frame of its own a future sees whatever is in force.
            let expected = match frames.is_empty() {
                true => expected.insert(now),
                false => expected.get_or_insert(now),
            };
            assert_is(&seen.take().unwrap(), expected);
            prop_assert!(throughline::current().is_empty());
        }
    }
}

#[test]
fn a_framed_future_can_be_named_and_shown() {
    let framed: Framed<std::future::Ready<u8>> = in_frame("f", ready(1));
    assert_eq!(format!("{framed:?}"), "Framed { chain: [f], .. }");
}
