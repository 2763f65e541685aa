//! R36, F8: a server that has run out of descriptors neither spins nor dies, and serves again when there are some.
#![cfg(target_os = "linux")]

mod watchdog;

use lenio::Runtime;
use lenio::io::AsyncWriteExt;
use lenio::net::{TcpListener, TcpStream};
use lenio::serve::serve;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream as Client;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use watchdog::within_patience;

/// Set in the environment of the child process, which is this test again.
const IS_CHILD: &str = "LENIO_TEST_SERVER_WITH_FEW_DESCRIPTORS";

/// The child may open this many descriptors.
const DESCRIPTORS: &str = "64";

/// The parent opens more connections than that.
const CONNECTIONS: usize = 100;

/// Rests of 5, 10, .. 320 ms lie between the first and the eighth error in a row.
const ERRORS: usize = 8;

#[test]
fn r36_running_out_of_descriptors_delays_and_never_stops_the_server() {
    if std::env::var_os(IS_CHILD).is_some() {
        run_server().expect("the server ends well");
        return;
    }
    within_patience("descriptors", run_clients);
}

/// The child: an echo server that tells its port and each error on standard output, and stops when standard input ends.
fn run_server() -> io::Result<()> {
    let runtime = Runtime::builder().threads(2).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("\nport {}", listener.local_addr()?.port());
        let end_of_input = lenio::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
        let report = serve(listener, |stream, _peer| echo(stream))
            .on_error(|error| println!("error {}", error.raw_os_error().unwrap_or(0)))
            .stop_on(end_of_input)
            .await;
        println!(
            "report {} {} {}",
            report.accepted, report.finished, report.accept_errors
        );
        report.broken.map_or(Ok(()), Err)
    })
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// The parent: more clients than the server has descriptors for.
fn run_clients() {
    let mut server = Server(start_server());
    let output = server.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut next = |prefix: &str| -> String {
        lines
            .find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
            .unwrap_or_else(|| panic!("the server ended before it said `{prefix}`"))
    };
    let port: u16 = next("port ").parse().expect("a port is a number");

    // The kernel completes them all; the server can accept some 50.
    let connect = || Client::connect(("127.0.0.1", port)).expect("the kernel queues it");
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| connect()).collect();
    let before = cpu_ticks(&server.0);
    for _ in 0..ERRORS {
        assert_eq!(next("error "), libc::EMFILE.to_string());
    }
    // Over half a second has passed in eight attempts. A spinning loop would have used most of it.
    let used = cpu_ticks(&server.0) - before;
    assert!(used < 20, "{used} ticks of 10 ms for {ERRORS} attempts");

    // Those who were accepted are served meanwhile.
    for client in &mut clients[..10] {
        ask(client);
    }
    // As they leave, the others are accepted.
    clients.drain(..60);
    for client in &mut clients {
        ask(client);
    }
    drop(clients);

    drop(server.0.stdin.take());
    let report = next("report ");
    let mut counts = report
        .split(' ')
        .map(|count| count.parse::<usize>().unwrap_or(0));
    assert_eq!(counts.next(), Some(CONNECTIONS), "accepted");
    assert_eq!(counts.next(), Some(CONNECTIONS), "finished");
    let status = server.0.wait().expect("it is our child");
    assert!(status.success(), "{status}");
}

/// The child process; it does not outlive a test that fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_server() -> Child {
    let test = std::env::current_exe().expect("this test is a file");
    // The shell sets the limit before the program, and with it the runtime, starts.
    Command::new("sh")
        .args([
            "-c",
            "ulimit -n \"$1\" && shift && exec \"$@\"",
            "sh",
            DESCRIPTORS,
        ])
        .arg(test)
        .args([
            "--exact",
            "r36_running_out_of_descriptors_delays_and_never_stops_the_server",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(IS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

fn ask(client: &mut Client) {
    // A bound for the failure, not a wait.
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("it is a socket");
    client.write_all(b"hello").expect("the connection stands");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("the server answers");
    assert_eq!(&answer, b"hello");
}

/// The time that the process has used, in ticks of 10 ms.
fn cpu_ticks(process: &Child) -> u64 {
    let path = format!("/proc/{}/stat", process.id());
    let stat = std::fs::read_to_string(path).expect("it runs");
    // The second field is the name in parentheses; user and system time are fields 14 and 15.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let field = |n: usize| -> u64 {
        let text = after_name.split_whitespace().nth(n - 3);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    field(14) + field(15)
}
