//! One source file in the forms that the rules look at: its lines, its code without comments and strings, its tokens.

/// A Rust source file.
pub(crate) struct Source {
    /// From the root of the repository, with forward slashes.
    pub(crate) path: String,
    /// The lines as they are.
    pub(crate) lines: Vec<String>,
    /// The same lines with comments and the contents of literals blanked out.
    pub(crate) code: Vec<String>,
    /// For each line, whether it belongs to a module or item under `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
    pub(crate) is_test: Vec<bool>,
}

/// A word or a sign of code, with the line (from 0) that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let blanked = blank(text);
        let code: Vec<String> = blanked.lines().map(str::to_owned).collect();
        let is_test = test_lines(&code);
        Self {
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            code,
            is_test,
        }
    }

    /// Whether the whole file is for tests, examples or benchmarks.
    pub(crate) fn is_outside_src(&self) -> bool {
        !self.path.starts_with("src/") && !self.path.contains("/src/")
            || self.path.starts_with("benches/")
    }

    /// The files of the modules that are declared for tests alone, as in `#[cfg(all(test, other))] mod models;`.
    pub(crate) fn test_files(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let declared = |(code, is_test): (&String, &bool)| {
            let name = code.trim().strip_prefix("mod ")?.strip_suffix(';')?;
            is_test.then(|| format!("{folder}/{name}.rs"))
        };
        self.code
            .iter()
            .zip(&self.is_test)
            .filter_map(declared)
            .collect()
    }

    /// The tokens of the code that ships: without test modules.
    pub(crate) fn shipped_tokens(&self) -> Vec<Token> {
        let shipped = |(line, _): &(usize, &String)| !self.is_test[*line];
        self.tokens_where(shipped)
    }

    /// All tokens.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.tokens_where(|_| true)
    }

    fn tokens_where(&self, keep: impl Fn(&(usize, &String)) -> bool) -> Vec<Token> {
        self.code
            .iter()
            .enumerate()
            .filter(keep)
            .flat_map(|(line, code)| tokens_of(code, line))
            .collect()
    }
}

fn tokens_of(code: &str, line: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let length = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(Token {
            text: rest[..length].to_owned(),
            line,
        });
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Blanks comments and the insides of string and character literals, keeping the lines where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => end_of_line(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => end_of_block_comment(&chars, at),
            '"' => end_of_string(&chars, at),
            'r' if !follows_word(&chars, at) => end_of_raw_string(&chars, at),
            '\'' => end_of_char(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        // A literal stays visible as a pair of quotes, a comment as nothing.
        if chars[at] != '/' {
            out.push_str("\"\"");
        }
        out.extend(chars[at..end].iter().filter(|c| **c == '\n'));
        at = end;
    }
    out
}

fn follows_word(chars: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| chars[before]) else {
        return false;
    };
    // `br".."` and `cr".."`: the prefix is part of the literal.
    before.is_alphanumeric() && before != 'b' && before != 'c' || before == '_'
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    let length = chars[at..].iter().position(|c| *c == '\n');
    length.map_or(chars.len(), |length| at + length)
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string that starts at `at`, or `at` if none does.
fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let quote = at + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return at;
    }
    let mut end = quote + 1;
    while end < chars.len() {
        let closes = chars[end] == '"'
            && chars[end + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes;
        if closes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    end
}

/// The end of a character literal that starts at `at`, or `at` if it is a lifetime.
fn end_of_char(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let close = chars[at + 3..].iter().position(|c| *c == '\'');
            close.map_or(at, |length| at + 3 + length + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

/// Marks the lines of items whose `cfg` names `test`, by counting braces from the attribute on.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        let text = code[line].trim_start();
        let is_whole_file = text.starts_with("#![cfg(test") || text.starts_with("#![cfg(all(test");
        if is_whole_file {
            marks.fill(true);
            return marks;
        }
        if !(text.starts_with("#[cfg(test") || text.starts_with("#[cfg(all(test")) {
            line += 1;
            continue;
        }
        let end = end_of_item(code, line);
        marks[line..end].fill(true);
        line = end;
    }
    marks
}

/// The line after the item that starts at `start`: after its closing brace, or its semicolon where it has no braces.
fn end_of_item(code: &[String], start: usize) -> usize {
    let mut depth = 0;
    for (line, text) in code.iter().enumerate().skip(start) {
        for c in text.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => return line + 1,
                '}' => depth -= 1,
                ';' if depth == 0 => return line + 1,
                _ => {}
            }
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let source = Source::new("src/x.rs", text);
        source
            .tokens()
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(words("a // unsafe\nb"), ["a", "b"]);
        assert_eq!(words("a /* x /* y */ unsafe */ b"), ["a", "b"]);
        assert_eq!(words(r#"f("unsafe \" x")"#), ["f", "(", "\"", "\"", ")"]);
        assert_eq!(words("r#\"unsafe \" \"# + x"), ["\"", "\"", "+", "x"]);
        assert_eq!(
            words(r"'\'' 'u' x<'a>"),
            ["\"", "\"", "\"", "\"", "x", "<", "'", "a", ">"]
        );
        assert_eq!(words("/// # unsafe\n//! unsafe\nx"), ["x"]);
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = Source::new("src/x.rs", "/* a\nb */ c\n\"d\ne\" f");
        let lines: Vec<usize> = source.tokens().iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 2, 3]);
    }

    #[test]
    fn test_modules_are_told_from_what_ships() {
        let text = "a\n#[cfg(test)]\nmod tests {\n fn x() { y }\n}\nb\n#[cfg(all(test, other))]\nmod m;\nc";
        let source = Source::new("src/x.rs", text);
        let shipped: Vec<String> = source
            .shipped_tokens()
            .into_iter()
            .map(|token| token.text)
            .collect();
        assert_eq!(shipped, ["a", "b", "c"]);
    }

    #[test]
    fn files_of_test_modules_are_found() {
        let text = "mod a;\n#[cfg(all(test, other))]\nmod models;\n#[cfg(test)]\nmod b {\n}\n";
        let of = |path: &str| Source::new(path, text).test_files();
        assert_eq!(of("k/src/x/mod.rs"), ["k/src/x/models.rs"]);
        assert_eq!(of("k/src/x.rs"), ["k/src/x/models.rs"]);
        assert_eq!(of("k/src/lib.rs"), ["k/src/models.rs"]);
    }

    #[test]
    fn files_outside_src_are_told_apart() {
        assert!(Source::new("tests/a.rs", "").is_outside_src());
        assert!(Source::new("net/tests/a.rs", "").is_outside_src());
        assert!(Source::new("benches/src/a.rs", "").is_outside_src());
        assert!(!Source::new("net/src/a.rs", "").is_outside_src());
        assert!(!Source::new("src/a.rs", "").is_outside_src());
    }
}
