#![expect(unsafe_code, reason = "ignoring a signal, as nohup does for its child")]
//! Ctrl-C and `SIGTERM`, raised by a process at itself. Each scenario runs in a child process: this test binary, told what to do by its environment.

mod support;

use lenio_net::signal::{Signal, ctrl_c, receiver};
use signal_hook::low_level::raise;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use support::{Flag, World, poll_once};

const SCENARIO: &str = "LENIO_SIGNAL_SCENARIO";

fn run(scenario: &str) -> io::Result<ExitStatus> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "child"])
        .env(SCENARIO, scenario)
        .stdout(Stdio::null())
        .status()
}

fn interrupt() -> io::Result<()> {
    raise(libc::SIGINT)
}

/// Not a test of its own: plays the scenario that the environment names.
#[test]
fn child() -> io::Result<()> {
    match std::env::var(SCENARIO).as_deref() {
        Ok("receive") => receive(),
        Ok("last receiver gone") => {
            drop((World::new(), listen_and_stop()?));
            interrupt()
        }
        Ok("listen again") => listen_again(),
        Ok("both signals") => hear_both(),
        Ok("second SIGTERM") => {
            hear_both()?;
            raise(libc::SIGTERM)
        }
        Ok("SIGINT after SIGTERM") => {
            hear_both()?;
            interrupt()
        }
        Ok("SIGTERM while only Ctrl-C is heard") => {
            let _world = World::new();
            let _interrupt = ctrl_c()?;
            raise(libc::SIGTERM)
        }
        Ok("ignored before") => {
            // SAFETY: ignoring a signal installs no handler.
            unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
            listen_and_stop()?;
            interrupt()
        }
        Ok("handled before") => {
            let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
            signal_hook::flag::register(libc::SIGINT, flag.clone())?;
            listen_and_stop()?;
            interrupt()?;
            assert!(
                flag.load(std::sync::atomic::Ordering::SeqCst),
                "the other handler stays in force"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn listen_and_stop() -> io::Result<()> {
    let world = World::new();
    let (mut one, two) = (ctrl_c()?, ctrl_c()?);
    drop(two);
    interrupt()?;
    world.block_on(one.recv())
}

/// Hears one of each, and lets the receiver go.
fn hear_both() -> io::Result<()> {
    let world = World::new();
    let mut both = receiver([Signal::Interrupt, Signal::Terminate])?;
    let mut interrupts = ctrl_c()?;
    raise(libc::SIGTERM)?;
    world.block_on(async {
        assert_eq!(both.recv().await?, Signal::Terminate);
        interrupt()?;
        assert_eq!(both.recv().await?, Signal::Interrupt);
        interrupts.recv().await
    })?;
    drop((both, interrupts));
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

fn receive() -> io::Result<()> {
    let world = World::new();
    let (mut one, mut two) = (ctrl_c()?, ctrl_c()?);
    interrupt()?;
    interrupt()?;
    world.block_on(async {
        // Each hears both.
        one.recv().await?;
        one.recv().await?;
        two.recv().await?;
        two.recv().await
    })?;
    let flag = Arc::new(Flag::default());
    {
        let mut waits = pin!(one.recv());
        assert!(poll_once(waits.as_mut(), &flag).is_pending());
        drop(two);
        interrupt()?;
        while !flag.is_set() {
            world.turn(None);
        }
        assert!(poll_once(waits.as_mut(), &flag).is_ready());
    }
    drop(one);
    assert_eq!(world.reactor.registrations(), 0);
    Ok(())
}

fn listen_again() -> io::Result<()> {
    for _ in 0..3 {
        listen_and_stop()?;
    }
    Ok(())
}

#[test]
fn every_receiver_hears_every_ctrl_c() -> io::Result<()> {
    assert!(run("receive")?.success());
    Ok(())
}

#[test]
fn without_receivers_ctrl_c_ends_the_process_again() -> io::Result<()> {
    assert_eq!(run("last receiver gone")?.signal(), Some(libc::SIGINT));
    Ok(())
}

#[test]
fn listening_can_begin_anew() -> io::Result<()> {
    assert!(run("listen again")?.success());
    Ok(())
}

#[test]
fn what_was_in_force_before_stays_in_force() -> io::Result<()> {
    assert!(run("ignored before")?.success());
    assert!(run("handled before")?.success());
    Ok(())
}

#[test]
fn a_receiver_says_which_signal_came() -> io::Result<()> {
    assert!(run("both signals")?.success());
    Ok(())
}

#[test]
fn after_the_receiver_has_gone_each_of_its_signals_ends_the_process() -> io::Result<()> {
    assert_eq!(run("second SIGTERM")?.signal(), Some(libc::SIGTERM));
    assert_eq!(run("SIGINT after SIGTERM")?.signal(), Some(libc::SIGINT));
    Ok(())
}

#[test]
fn a_signal_that_nobody_listens_to_still_ends_the_process() -> io::Result<()> {
    let status = run("SIGTERM while only Ctrl-C is heard")?;
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    Ok(())
}
