//! The command line, read by hand.

use std::str::FromStr;

/// What the caller wants to be run.
#[derive(Debug)]
pub(crate) enum Command {
    /// The table.
    Table(Options),
    /// Instructions per op and syscalls per message against their ceilings.
    Gate(GateOptions),
    /// The names of all rows.
    List,
    /// This text.
    Help,
    /// One sample, one server, one client, one pinned program: the processes that the others start.
    Internal(String, Vec<String>),
}

/// How the table is made.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) rows: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) workers: usize,
    pub(crate) peers: Option<Vec<String>>,
    pub(crate) json: bool,
    pub(crate) smoke: bool,
    pub(crate) publish: bool,
    pub(crate) wait_until_idle: bool,
}

/// What the gate measures.
#[derive(Clone, Debug)]
pub(crate) struct GateOptions {
    pub(crate) rows: Vec<String>,
    pub(crate) net: bool,
    pub(crate) bless: bool,
    /// The runtime to measure, or the library and the runtime; anything but lenio is shown, not judged.
    pub(crate) of: String,
}

/// What `--help` prints.
pub(crate) const HELP: &str = "\
lenio beside its rivals and the physical floor

  cargo run --release -p lenio-benches -- [options]        the table
      --row <pattern>    rows or lines whose name contains it, * matches anything (repeatable)
      --rounds <n>       samples per row and runtime (5)
      --workers <n>      worker threads of multi-threaded runtimes (2)
      --peers <a,b>      the peers to run; `none` for lenio and the floor only
      --json             numbers as JSON on standard output, progress on standard error
      --publish          writes benches/RESULTS.md as well
      --smoke            every row with tiny N, once, lenio and the floor: does it run at all?
      --no-wait          measures although the machine is busy; the numbers are then noise
      --list             names of all rows

  cargo run --release -p lenio-benches -- gate [options]   instructions per op against benches/gate.toml
      --row <pattern>    as above
      --net              also instructions and syscalls per message
      --bless            writes what was measured as the new ceilings
      --of <runtime>     measures another runtime, without judging
      --of <library>@<runtime>   measures a library's locks and channels on a runtime, without judging
";

/// Reads the words after the program's name.
pub(crate) fn parse(words: Vec<String>) -> Result<Command, String> {
    match words.first().map(String::as_str) {
        Some(name @ ("sample" | "serve" | "client" | "on-core")) => {
            Ok(Command::Internal(name.to_owned(), words[1..].to_vec()))
        }
        Some("gate") => parse_gate(&words[1..]),
        _ => parse_table(&words),
    }
}

fn parse_table(words: &[String]) -> Result<Command, String> {
    let mut options = Options {
        rows: Vec::new(),
        rounds: 5,
        workers: 2,
        peers: None,
        json: false,
        smoke: false,
        publish: false,
        wait_until_idle: true,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--row" => options.rows.push(value(word, words.next())?),
            "--rounds" => options.rounds = at_least_one(word, words.next())?,
            "--workers" => options.workers = at_least_one(word, words.next())?,
            "--peers" => options.peers = Some(peers(&value::<String>(word, words.next())?)),
            "--json" => options.json = true,
            "--smoke" => options.smoke = true,
            "--publish" => options.publish = true,
            "--no-wait" => options.wait_until_idle = false,
            "--list" => return Ok(Command::List),
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(format!("unknown option `{other}`; try --help")),
        }
    }
    if options.smoke && options.publish {
        return Err("--smoke measures nothing that could be published".to_owned());
    }
    if options.publish
        && (!options.rows.is_empty() || options.peers.is_some() || !options.wait_until_idle)
    {
        return Err(
            "--publish is for the whole table, on an idle machine: no --row, --peers or --no-wait"
                .to_owned(),
        );
    }
    Ok(Command::Table(options))
}

fn parse_gate(words: &[String]) -> Result<Command, String> {
    let mut options = GateOptions {
        rows: Vec::new(),
        net: false,
        bless: false,
        of: crate::rt::OURS.to_owned(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--row" => options.rows.push(value(word, words.next())?),
            "--net" => options.net = true,
            "--bless" => options.bless = true,
            "--of" => options.of = value(word, words.next())?,
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(format!("unknown option `{other}` of gate; try --help")),
        }
    }
    if options.bless && options.of != crate::rt::OURS {
        return Err("the ceilings are lenio's: --bless and --of exclude each other".to_owned());
    }
    Ok(Command::Gate(options))
}

fn peers(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|name| !name.is_empty() && *name != "none")
        .map(str::to_owned)
        .collect()
}

fn value<T: FromStr>(option: &str, word: Option<&String>) -> Result<T, String> {
    let word = word.ok_or_else(|| format!("{option} needs a value"))?;
    word.parse()
        .map_err(|_| format!("`{word}` is no value for {option}"))
}

fn at_least_one(option: &str, word: Option<&String>) -> Result<usize, String> {
    match value(option, word)? {
        0 => Err(format!("{option} must be at least 1")),
        count => Ok(count),
    }
}

/// Whether a name contains the pattern; `*` matches any text. No pattern at all matches everything.
pub(crate) fn is_wanted(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| contains(pattern, name))
}

fn contains(pattern: &str, name: &str) -> bool {
    // Without a star the pattern may stand anywhere; with stars its ends are the name's ends.
    let Some((first, rest)) = pattern.split_once('*') else {
        return name.contains(pattern);
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn patterns_match_parts_and_stars() {
        assert!(contains("spawn", "spawn_join_in"));
        assert!(contains("spawn_*_in", "spawn_join_in"));
        assert!(contains("*", "idle"));
        assert!(!contains("spawn_*_in", "spawn_join_out"));
        assert!(!contains("join*", "spawn_join_in"));
        assert!(!contains("ab*b", "ab"));
    }
}
