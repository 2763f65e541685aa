#![expect(unsafe_code, reason = "lowering the limit of this process")]
//! Running out of descriptors. A process of its own, because the limit belongs to the process: one test in this file.

mod support;

use lenio_net::tcp::{TcpListener, TcpStream};
use std::fs::File;
use std::io;
use support::World;

const LIMIT: libc::rlim_t = 64;

fn lower_the_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for the kernel to write to.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = LIMIT.min(limit.rlim_max);
    // SAFETY: `limit` is valid for the kernel to read from.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMFILE)
}

#[test]
fn r36_a_listener_survives_the_want_of_descriptors() -> io::Result<()> {
    lower_the_limit()?;
    let world = World::new();
    let listener = world.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    let clients: Vec<_> = (0..2)
        .map(|_| std::net::TcpStream::connect(addr))
        .collect::<Result<_, _>>()?;
    world.settle();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let before = world.reactor.registrations();
    for _ in 0..1000 {
        // It reports the failure instead of waiting for an event that does not come.
        let error = world
            .block_on(listener.accept())
            .map(drop)
            .expect_err("no descriptor is left");
        assert!(is_out_of_descriptors(&error), "{error}");
    }
    let error = world
        .block_on(TcpStream::connect(addr))
        .map(drop)
        .expect_err("no descriptor is left");
    assert!(is_out_of_descriptors(&error), "{error}");
    assert_eq!(world.reactor.registrations(), before);
    hoard.truncate(hoard.len() - clients.len());
    for _ in &clients {
        // The connections that were waiting were not lost.
        let (stream, _) = world.block_on(listener.accept())?;
        hoard.truncate(hoard.len() - 1);
        drop(stream);
    }
    Ok(())
}
