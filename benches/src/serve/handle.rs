//! The driver's end of a server process.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Kind;

/// A running server process; dropping it ends the process and waits for it.
pub(crate) struct Server {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// Starts a server, behind `wrapper` if that is not empty (a profiler or tracer and its options).
    ///
    /// # Panics
    /// If the process does not start: the sample is then lost, and its driver says why.
    pub(crate) fn start(
        rt: &str,
        kind: Kind,
        workers: usize,
        core: Option<usize>,
        wrapper: &[String],
    ) -> Server {
        let itself = env::current_exe().expect("the program's own path is known");
        let mut command = match wrapper {
            [] => Command::new(&itself),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(&itself);
                command
            }
        };
        command
            .args(["serve", rt])
            .args(kind.words())
            .arg(workers.to_string());
        command.arg(core.map_or("-".to_owned(), |core| core.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("the server does not start: {error}"));
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let port = read_line(&mut output)
            .strip_prefix("port ")
            .and_then(|port| port.parse().ok());
        let port = port.expect("a server prints its port first");
        Server {
            process,
            input,
            output,
            port,
        }
    }

    /// The port on 127.0.0.1 that it listens to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a number: `cpu` (nanoseconds so far) or `rss` (resident bytes).
    pub(crate) fn ask(&mut self, question: &str) -> u64 {
        let input = self.input.as_mut().expect("the input is open until drop");
        writeln!(input, "{question}").expect("the server listens");
        read_line(&mut self.output)
            .parse()
            .expect("the server answers with a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // The process ends at the end of its input, or by its own time limit.
        self.process.wait().ok();
    }
}

fn read_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output
        .read_line(&mut line)
        .expect("the server's output is readable");
    line.trim_end().to_owned()
}
