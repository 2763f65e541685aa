//! The file of ceilings: the small part of TOML that sections of `name = number` need.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# The most that one op or one message of lenio may cost: user instructions (callgrind) and system calls (strace).
# `cargo run --release -p lenio-benches -- gate --net` fails at 3 % above. Lower a ceiling when the code improves:
# `--bless` writes what it measured, and the commit says why.
";

/// Ceilings by section and name.
#[derive(Debug)]
pub(super) struct Ceilings {
    old: Sections,
    new: Sections,
}

type Sections = BTreeMap<String, BTreeMap<String, f64>>;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.toml")
}

impl Ceilings {
    /// Reads the file; an error names the line.
    pub(super) fn read() -> Result<Ceilings, String> {
        let text = fs::read_to_string(path())
            .map_err(|error| format!("cannot read gate.toml: {error}"))?;
        let old = parse(&text)?;
        Ok(Ceilings {
            new: old.clone(),
            old,
        })
    }

    /// The ceiling that holds now.
    pub(super) fn of(&self, section: &str, name: &str) -> Option<f64> {
        self.old.get(section)?.get(name).copied()
    }

    /// Notes what was measured for [`Ceilings::write`].
    pub(super) fn set(&mut self, section: &str, name: &str, measured: f64) {
        let rounded = (measured * 100.0).round() / 100.0;
        self.new
            .entry(section.to_owned())
            .or_default()
            .insert(name.to_owned(), rounded);
    }

    /// Replaces the file; what was not measured keeps its ceiling.
    pub(super) fn write(&self) -> Result<PathBuf, String> {
        let path = path();
        fs::write(&path, format(&self.new))
            .map_err(|error| format!("cannot write gate.toml: {error}"))?;
        Ok(path)
    }
}

fn parse(text: &str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
            continue;
        }
        let pair = line
            .split_once('=')
            .and_then(|(name, number)| Some((name.trim(), number.trim().parse().ok()?)));
        let Some((name, number)) = pair else {
            return Err(format!(
                "gate.toml line {}: expected `name = number`",
                index + 1
            ));
        };
        sections
            .entry(section.clone())
            .or_default()
            .insert(name.to_owned(), number);
    }
    Ok(sections)
}

fn format(sections: &Sections) -> String {
    let mut text = HEAD.to_owned();
    for (section, ceilings) in sections {
        text.push_str(&format!("\n[{section}]\n"));
        for (name, ceiling) in ceilings {
            text.push_str(&format!("{name} = {ceiling}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn what_is_written_is_read_again() {
        let sections =
            parse("# head\n[a.b]\nx = 1.5 # why\n\n[c]\ny = 2\n").expect("it is well formed");
        assert_eq!(sections["a.b"]["x"], 1.5);
        assert_eq!(parse(&format(&sections)), Ok(sections));
        assert!(parse("[a]\nx\n").is_err());
    }
}
