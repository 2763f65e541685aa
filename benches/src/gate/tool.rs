//! The counting tools: how to call them and where they write their count.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

/// Something that counts what a process does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tool {
    /// valgrind's callgrind: user instructions of all threads.
    Callgrind,
    /// strace: system calls of all threads.
    Strace,
}

/// One use of a tool: its command line and its report. The report is deleted on drop.
pub(super) struct Use {
    tool: Tool,
    report: PathBuf,
}

impl Use {
    /// An error says that the tool is missing.
    pub(super) fn new(tool: Tool) -> Result<Use, String> {
        let program = tool.program();
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!("{program} is not installed"));
        }
        let report = env::temp_dir().join(format!("lenio-gate-{}-{program}", process::id()));
        Ok(Use { tool, report })
    }

    /// The words to put before the program to be counted.
    pub(super) fn wrapper(&self) -> Vec<String> {
        let report = self.report.display();
        match self.tool {
            Tool::Callgrind => vec![
                "valgrind".to_owned(),
                "--tool=callgrind".to_owned(),
                "--callgrind-out-file=/dev/null".to_owned(),
                format!("--log-file={report}"),
            ],
            Tool::Strace => {
                vec![
                    "strace".to_owned(),
                    "-f".to_owned(),
                    "-c".to_owned(),
                    "-o".to_owned(),
                    report.to_string(),
                ]
            }
        }
    }

    /// The count, once the process has ended.
    pub(super) fn count(&self) -> Result<f64, String> {
        let text =
            fs::read_to_string(&self.report).map_err(|error| format!("no report: {error}"))?;
        let count = match self.tool {
            Tool::Callgrind => instructions_in(&text),
            Tool::Strace => calls_in(&text),
        };
        count.ok_or_else(|| format!("{} reported no count", self.tool.program()))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // It may never have been written.
        fs::remove_file(&self.report).ok();
    }
}

impl Tool {
    fn program(self) -> &'static str {
        match self {
            Tool::Callgrind => "valgrind",
            Tool::Strace => "strace",
        }
    }
}

/// `==123== Collected : 4567`
fn instructions_in(report: &str) -> Option<f64> {
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// `100.00    0.001234           1      4567        89 total`; the column of errors may be empty.
fn calls_in(report: &str) -> Option<f64> {
    let line = report.lines().rfind(|line| line.ends_with(" total"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{calls_in, instructions_in};

    #[test]
    fn counts_are_found_in_reports() {
        assert_eq!(
            instructions_in("==7== Events    : Ir\n==7== Collected : 4567\n"),
            Some(4567.0)
        );
        let with_errors = "% time  seconds  usecs/call  calls  errors syscall\n\
                           100.00    0.001234           1      4567        89 total\n";
        assert_eq!(calls_in(with_errors), Some(4567.0));
        assert_eq!(
            calls_in("100.00    0.001234           1      4567           total\n"),
            Some(4567.0)
        );
    }
}
