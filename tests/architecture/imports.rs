//! Who imports whom: read from the paths in the code, compared with the order line of the crate.

use crate::source::{Source, Token};
use std::collections::{BTreeMap, BTreeSet};

/// A module by its names from the crate's root, such as `["wait", "queue"]`; the root itself is empty.
type Module = Vec<String>;

/// A path in the code, made absolute: where it stands, what it names.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    target: Vec<String>,
    line: usize,
    /// Whether it is part of a `pub use`, which passes a name on and uses nothing.
    is_reexport: bool,
}

/// Checks the imports of one crate against its order line, and the line against the modules that there are.
pub(crate) fn check_order(krate: &str, sources: &[Source]) -> Vec<String> {
    let names = Names::of(krate, sources);
    let tops: BTreeSet<&String> = names
        .modules
        .iter()
        .filter_map(|module| module.first())
        .collect();
    if tops.len() < 2 {
        return Vec::new();
    }
    let label = if krate.is_empty() { "lenio" } else { krate };
    let Some(order) = sources.iter().find_map(|source| order_line(krate, source)) else {
        return vec![format!(
            "{label}: lib.rs has no order line such as `a . b . c`"
        )];
    };
    let position = |name: &String| order.iter().position(|entry| entry == name);
    let mut faults = Vec::new();
    for top in &tops {
        if position(top).is_none() {
            faults.push(format!(
                "{label}: the module `{top}` is not in the order line"
            ));
        }
    }
    for entry in &order {
        if !tops.contains(entry) {
            faults.push(format!(
                "{label}: the order line names `{entry}`, which is no module"
            ));
        }
    }
    for source in sources {
        let module = module_of(krate, &source.path);
        let Some(own) = module.first() else { continue };
        for reference in references(&module, source, &names) {
            let target = names.through_reexports(&[], &reference.target);
            let line = reference.line + 1;
            match target.first() {
                None => {}
                Some(used) if used == own => {}
                Some(used) if !tops.contains(used) => faults.push(format!(
                    "{}:{line}: `crate::{used}` comes from lib.rs, which stands right of everything",
                    source.path
                )),
                Some(used) if position(used) < position(own) => {}
                Some(used) => faults.push(format!(
                    "{}:{line}: `{own}` imports `{used}`, which does not stand left of it",
                    source.path
                )),
            }
        }
    }
    faults.dedup();
    faults
}

/// Checks that the files of each folder do not import each other in a circle. `mod.rs` takes part with what it defines itself.
pub(crate) fn check_folders(krate: &str, sources: &[Source]) -> Vec<String> {
    let names = Names::of(krate, sources);
    let folders: BTreeSet<Module> = names
        .modules
        .iter()
        .filter(|module| module.len() > 1)
        .map(|module| module[..module.len() - 1].to_vec())
        .collect();
    let mut faults = Vec::new();
    for folder in &folders {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            let module = module_of(krate, &source.path);
            let Some(own) = names.part_of(folder, &module) else {
                continue;
            };
            for reference in references(&module, source, &names) {
                let target = names.through_reexports(folder, &reference.target);
                let Some(used) = names.part_of(folder, &target) else {
                    continue;
                };
                if used != own && !(reference.is_reexport && own == "mod") {
                    edges.entry(own.clone()).or_default().insert(used);
                }
            }
        }
        if let Some(circle) = find_circle(&edges) {
            let path = folder.join("/");
            let circle = circle.join(" -> ");
            faults.push(format!("{krate}/src/{path}: circle {circle}"));
        }
    }
    faults
}

/// The modules of a crate and the names that its `mod.rs` and `lib.rs` files pass on.
struct Names {
    modules: BTreeSet<Module>,
    /// For a folder and a name in it: the child module that the name comes from.
    reexports: BTreeMap<(Module, String), String>,
}

impl Names {
    fn of(krate: &str, sources: &[Source]) -> Self {
        let modules = sources
            .iter()
            .map(|source| module_of(krate, &source.path))
            .filter(|module| !module.is_empty())
            .collect();
        let mut names = Self {
            modules,
            reexports: BTreeMap::new(),
        };
        for source in sources {
            let module = module_of(krate, &source.path);
            for tree in use_trees(&source.shipped_tokens()) {
                let Some(target) = absolute(&module, &tree.path, &names.modules) else {
                    continue;
                };
                let is_child = target.len() > module.len() + 1 && target.starts_with(&module);
                if is_child {
                    let child = target[module.len()].clone();
                    names.reexports.insert((module.clone(), tree.name), child);
                }
            }
        }
        names
    }

    /// Replaces `folder::Name` by `folder::child::Name` where the folder only passes the name on.
    fn through_reexports(&self, folder: &[String], target: &[String]) -> Vec<String> {
        let mut target = target.to_vec();
        if !target.starts_with(folder) {
            return target;
        }
        let Some(name) = target.get(folder.len()) else {
            return target;
        };
        let mut child = folder.to_vec();
        child.push(name.clone());
        if self.modules.contains(&child) {
            return target;
        }
        if let Some(child) = self.reexports.get(&(folder.to_vec(), name.clone())) {
            target.insert(folder.len(), child.clone());
        }
        target
    }

    /// Which part of `folder` a path names: one of its modules, `mod` for what `mod.rs` defines, nothing for what is elsewhere.
    fn part_of(&self, folder: &[String], path: &[String]) -> Option<String> {
        if !path.starts_with(folder) {
            return None;
        }
        let Some(name) = path.get(folder.len()) else {
            return Some("mod".to_owned());
        };
        let mut child = folder.to_vec();
        child.push(name.clone());
        let part = if self.modules.contains(&child) {
            name
        } else {
            "mod"
        };
        Some(part.to_owned())
    }
}

fn module_of(krate: &str, path: &str) -> Module {
    let root = if krate.is_empty() {
        "src/".to_owned()
    } else {
        format!("{krate}/src/")
    };
    let inside = path.strip_prefix(&root).unwrap_or(path);
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut module: Module = inside.split('/').map(str::to_owned).collect();
    if module
        .last()
        .is_some_and(|last| matches!(&**last, "lib" | "main" | "mod"))
    {
        module.pop();
    }
    module
}

/// The order line: the first back-ticked `a . b . c` in the crate's documentation, without a closing `lib`.
fn order_line(krate: &str, source: &Source) -> Option<Vec<String>> {
    if !source.path.ends_with("src/lib.rs") || !module_of(krate, &source.path).is_empty() {
        return None;
    }
    let docs: Vec<&str> = source
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let docs = docs.join(" ");
    let line = docs
        .split('`')
        .skip(1)
        .step_by(2)
        .find(|quoted| quoted.contains(" . "))?;
    let names = line.split('.').map(|name| name.trim().to_owned());
    Some(names.filter(|name| name != "lib").collect())
}

fn references(module: &[String], source: &Source, names: &Names) -> Vec<Reference> {
    let tokens = source.shipped_tokens();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if starts_use(&tokens, at) {
            let is_reexport = at > 0 && matches!(&*tokens[at - 1].text, "pub" | ")");
            let mut leaves = Vec::new();
            let line = tokens[at].line;
            at = read_tree(&tokens, at + 1, &mut Vec::new(), &mut leaves);
            for leaf in leaves {
                found.extend(reference(module, &leaf.path, line, is_reexport, names));
            }
            continue;
        }
        let starts_path = at == 0 || tokens[at - 1].text != "::";
        let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        if !(starts_path && goes_on) {
            at += 1;
            continue;
        }
        let line = tokens[at].line;
        let (path, next) = read_path(&tokens, at);
        found.extend(reference(module, &path, line, false, names));
        at = next;
    }
    found
}

fn reference(
    module: &[String],
    path: &[String],
    line: usize,
    is_reexport: bool,
    names: &Names,
) -> Option<Reference> {
    Some(Reference {
        target: absolute(module, path, &names.modules)?,
        line,
        is_reexport,
    })
}

/// A path from the crate's root; `None` if it leads out of the crate.
fn absolute(module: &[String], path: &[String], modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let (base, rest) = match path.first().map(String::as_str)? {
        "crate" => (&module[..0], &path[1..]),
        "self" => (module, &path[1..]),
        "super" => (
            module.get(..module.len().checked_sub(supers)?)?,
            &path[supers..],
        ),
        child => {
            let mut own = module.to_vec();
            own.push(child.to_owned());
            if !modules.contains(&own) {
                return None;
            }
            (module, path)
        }
    };
    Some(base.iter().chain(rest).cloned().collect())
}

/// Whether a `use` declaration starts here; `impl Trait + use<'a>` is something else.
fn starts_use(tokens: &[Token], at: usize) -> bool {
    tokens[at].text == "use" && tokens.get(at + 1).is_some_and(|next| next.text != "<")
}

/// One name that a `use` brings in.
struct Leaf {
    path: Vec<String>,
    name: String,
}

fn use_trees(tokens: &[Token]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for at in 0..tokens.len() {
        if starts_use(tokens, at) {
            read_tree(tokens, at + 1, &mut Vec::new(), &mut leaves);
        }
    }
    leaves
}

/// Reads `a::b::{c, d as e}` from `at` on into its leaves; returns where it ends.
fn read_tree(
    tokens: &[Token],
    mut at: usize,
    path: &mut Vec<String>,
    leaves: &mut Vec<Leaf>,
) -> usize {
    let depth = path.len();
    let mut alias = None;
    while let Some(token) = tokens.get(at) {
        match &*token.text {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens
                    .get(at)
                    .is_some_and(|token| !matches!(&*token.text, "}" | ";"))
                {
                    at = read_tree(tokens, at, path, leaves);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                path.truncate(depth);
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => {
                alias = tokens.get(at + 1).map(|token| token.text.clone());
                at += 2;
            }
            name => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
    leaves.push(Leaf {
        path: path.clone(),
        name,
    });
    path.truncate(depth);
    at
}

fn read_path(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].text.clone()];
    at += 1;
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        match tokens.get(at + 1) {
            Some(next) if is_word(&next.text) => path.push(next.text.clone()),
            _ => break,
        }
        at += 2;
    }
    (path, at)
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn find_circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        node: &String,
        edges: &BTreeMap<String, BTreeSet<String>>,
        done: &mut BTreeSet<String>,
        path: &mut Vec<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|earlier| earlier == node) {
            let mut circle = path[start..].to_vec();
            circle.push(node.clone());
            return Some(circle);
        }
        if !done.insert(node.clone()) {
            return None;
        }
        path.push(node.clone());
        for next in edges.get(node).into_iter().flatten() {
            if let Some(circle) = visit(next, edges, done, path) {
                return Some(circle);
            }
        }
        path.pop();
        None
    }
    let mut done = BTreeSet::new();
    edges
        .keys()
        .find_map(|node| visit(node, edges, &mut done, &mut Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Vec<Source> {
        let source = |(path, text): &(&str, &str)| Source::new(&format!("k/src/{path}"), text);
        files.iter().map(source).collect()
    }

    const LIB: &str =
        "//! The order: `low . mid .\n//! high . lib`.\npub mod low; pub use low::Low;";

    #[test]
    fn imports_to_the_left_are_fine() {
        let sources = crate_of(&[
            ("lib.rs", LIB),
            ("low.rs", "pub struct Low;"),
            (
                "mid/mod.rs",
                "mod part; use crate::low::Low; pub use part::Part;",
            ),
            (
                "mid/part.rs",
                "use super::super::low; use crate::Low; use std::fmt;",
            ),
            (
                "high.rs",
                "use crate::{low, mid::{self, Part}}; fn f() { super::mid::g() }",
            ),
        ]);
        assert_eq!(check_order("k", &sources), Vec::<String>::new());
        assert_eq!(check_folders("k", &sources), Vec::<String>::new());
    }

    #[test]
    fn imports_to_the_right_are_found_in_every_form() {
        for text in [
            "use crate::high::High;",
            "use crate::{low, high::{A, B}};",
            "use super::high;",
            "fn f() { crate::high::g() }",
            "pub use crate::high as other;",
        ] {
            let sources = crate_of(&[
                ("lib.rs", LIB),
                ("low.rs", ""),
                ("mid.rs", text),
                ("high.rs", ""),
            ]);
            let faults = check_order("k", &sources);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains("k/src/mid.rs:1") && faults[0].contains("`high`"));
        }
    }

    #[test]
    fn captured_lifetimes_are_no_imports() {
        let text = "fn f<'a>() -> impl Fn() + use<'a> { a; b; move || high() }";
        let sources = crate_of(&[
            ("lib.rs", LIB),
            ("low.rs", ""),
            ("mid.rs", text),
            ("high.rs", ""),
        ]);
        assert_eq!(check_order("k", &sources), Vec::<String>::new());
    }

    #[test]
    fn imports_in_tests_may_go_anywhere() {
        let text = "#[cfg(test)]\nmod tests {\n use crate::high::High;\n}";
        let sources = crate_of(&[
            ("lib.rs", LIB),
            ("low.rs", ""),
            ("mid.rs", text),
            ("high.rs", ""),
        ]);
        assert_eq!(check_order("k", &sources), Vec::<String>::new());
    }

    #[test]
    fn names_that_only_the_root_defines_are_found() {
        let sources = crate_of(&[
            ("lib.rs", LIB),
            ("low.rs", "use crate::Unknown;"),
            ("mid.rs", ""),
            ("high.rs", ""),
        ]);
        assert!(check_order("k", &sources)[0].contains("comes from lib.rs"));
    }

    #[test]
    fn the_order_line_and_the_modules_agree() {
        let sources = crate_of(&[
            ("lib.rs", LIB),
            ("low.rs", ""),
            ("mid.rs", ""),
            ("new.rs", ""),
        ]);
        let faults = check_order("k", &sources).join("\n");
        assert!(
            faults.contains("`new` is not in the order line"),
            "{faults}"
        );
        assert!(
            faults.contains("names `high`, which is no module"),
            "{faults}"
        );
        let silent = crate_of(&[("lib.rs", "//! Nothing."), ("low.rs", ""), ("mid.rs", "")]);
        assert!(check_order("k", &silent)[0].contains("no order line"));
    }

    #[test]
    fn circles_in_a_folder_are_found() {
        let sources = crate_of(&[
            ("lib.rs", ""),
            ("a/mod.rs", "mod x; mod y; pub use y::Y;"),
            ("a/x.rs", "use super::Y;"),
            ("a/y.rs", "use super::x::X;"),
        ]);
        assert_eq!(
            check_folders("k", &sources),
            ["k/src/a: circle x -> y -> x"]
        );
    }

    #[test]
    fn a_folder_s_own_type_takes_part_in_circles() {
        let circle = crate_of(&[
            ("lib.rs", ""),
            ("a/mod.rs", "mod x; pub struct A { x: x::X }"),
            ("a/x.rs", "use super::A;"),
        ]);
        assert_eq!(
            check_folders("k", &circle),
            ["k/src/a: circle mod -> x -> mod"]
        );
        let straight = crate_of(&[
            ("lib.rs", ""),
            ("a/mod.rs", "mod x; pub struct A; pub use x::X;"),
            ("a/x.rs", "use super::A;"),
        ]);
        assert_eq!(check_folders("k", &straight), Vec::<String>::new());
    }
}
