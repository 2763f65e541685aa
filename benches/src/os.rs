//! What the harness needs from the kernel and std does not offer: process CPU time, cores, limits, resident memory.
#![expect(
    unsafe_code,
    reason = "thin wrappers around libc calls without a safe form in std"
)]

use std::fs;
use std::io;
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process;
use std::thread;
use std::time::Duration;

/// CPU time (user and system, all threads) that this process has used so far.
pub(crate) fn process_cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for one `timespec`, exclusively borrowed for the call.
    let rc = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(rc, 0, "the process CPU clock exists on every Linux");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Ties the calling thread, and every thread and process it starts later, to one core.
pub(crate) fn pin_to_core(core: usize) -> io::Result<()> {
    // SAFETY: `cpu_set_t` is a plain bit array for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `set` is a valid set, and `CPU_SET` checks `core` against its size.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is initialised and its size is passed with it; 0 names the calling thread.
    let rc = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Raises the soft limit on open files to the hard one and returns it.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for one `rlimit`, exclusively borrowed for the call.
    let rc = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is initialised and only read by the call.
    let rc = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    if rc == 0 {
        Ok(limit.rlim_cur)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Widens the accept queue of a listening socket; std listens with a shorter one.
pub(crate) fn set_backlog(listener: &TcpListener, backlog: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `listener` is borrowed.
    let rc = unsafe { libc::listen(listener.as_raw_fd(), backlog) };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes closing the stream reset it, so that thousands of test connections leave no TIME_WAIT entries behind.
pub(crate) fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the descriptor is open while `stream` is borrowed; the option value is one initialised `linger`.
    let rc = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the kernel fire this thread's timers to the nanosecond instead of up to 50 us late.
pub(crate) fn drop_timer_slack() {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and touches no memory of ours.
    let rc = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    assert_eq!(rc, 0, "PR_SET_TIMERSLACK exists since Linux 2.6.28");
}

/// Resident bytes of this process. `smaps_rollup` counts exactly; `statm` may be off by some pages per core.
pub(crate) fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup")
        .expect("Linux 4.14 or newer with /proc mounted");
    let line = text
        .lines()
        .find(|line| line.starts_with("Rss:"))
        .expect("smaps_rollup has an Rss line");
    let kibibytes = line
        .split_ascii_whitespace()
        .nth(1)
        .expect("the Rss line has a number");
    kibibytes
        .parse::<u64>()
        .expect("the Rss number is an integer")
        * 1024
}

/// Context switches, voluntary or not, of all living threads of this process.
pub(crate) fn context_switches() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    // A thread may end between listing and reading; its switches are then not counted.
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok())
        .map(|status| status.lines().filter_map(switches_in).sum::<u64>())
        .sum()
}

fn switches_in(line: &str) -> Option<u64> {
    let (name, count) = line.split_once(':')?;
    if name.ends_with("voluntary_ctxt_switches") {
        count.trim().parse().ok()
    } else {
        None
    }
}

/// Busy and total ticks of all cores since boot.
pub(crate) fn core_ticks() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").expect("/proc is mounted");
    let first = text
        .lines()
        .next()
        .expect("/proc/stat begins with the sum over all cores");
    let ticks: Vec<u64> = first
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|t| t.parse().ok())
        .collect();
    let total: u64 = ticks.iter().sum();
    // Fields 3 and 4 are idle and iowait.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (total - idle, total)
}

/// Ends this process with status 3 after `limit`: no child of the harness outlives its purpose.
pub(crate) fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("error: time limit of {} s reached", limit.as_secs());
        process::exit(3);
    });
}
