//! What stands in the parentheses of the attribute.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, LitStr, Path, Result, Token};

/// The options of one attribute, each given at most once.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) threads: Option<Expr>,
    pub(crate) current_thread: Option<Span>,
    pub(crate) blocking_threads: Option<Expr>,
    pub(crate) name: Option<Expr>,
    pub(crate) virtual_clock: Option<Span>,
    pub(crate) lenio: Option<Path>,
}

impl Options {
    /// The path of the crate `lenio`.
    pub(crate) fn lenio(&self) -> TokenStream {
        match &self.lenio {
            Some(path) => quote!(#path),
            None => quote!(::lenio),
        }
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (Some(_), Some(span)) = (&options.threads, options.current_thread) {
            return Err(Error::new(
                span,
                "`current_thread` starts no worker threads, so it cannot be combined with `threads`",
            ));
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(Token![crate]) {
            let key = input.parse::<Token![crate]>()?;
            let path = parse_path_value(input, "crate")?;
            return set(&mut self.lenio, path, key.span, "crate");
        }
        let key: Ident = input.parse()?;
        let span = key.span();
        match key.to_string().as_str() {
            "threads" => set(
                &mut self.threads,
                parse_value(input, &key)?,
                span,
                "threads",
            ),
            "blocking_threads" => {
                let value = parse_value(input, &key)?;
                set(&mut self.blocking_threads, value, span, "blocking_threads")
            }
            "name" => set(&mut self.name, parse_value(input, &key)?, span, "name"),
            "current_thread" => {
                refuse_value(input, &key)?;
                set(&mut self.current_thread, span, span, "current_thread")
            }
            "virtual_clock" => {
                refuse_value(input, &key)?;
                set(&mut self.virtual_clock, span, span, "virtual_clock")
            }
            unknown => Err(Error::new(
                span,
                format!("unknown option `{unknown}`; {KNOWN}"),
            )),
        }
    }
}

const KNOWN: &str = "the options are `threads = N`, `current_thread`, `blocking_threads = N`, `name = \"..\"`, \
                     `virtual_clock` and `crate = path`";

fn set<T>(slot: &mut Option<T>, value: T, span: Span, name: &str) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            span,
            format!("the option `{name}` is given twice"),
        )),
    }
}

fn parse_value(input: ParseStream<'_>, key: &Ident) -> Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(
            key.span(),
            format!("the option `{key}` needs a value: `{key} = ..`"),
        ));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// A path, bare or in quotes: other crates' attributes want quotes, so people write them.
fn parse_path_value(input: ParseStream<'_>, key: &str) -> Result<Path> {
    if !input.peek(Token![=]) {
        return Err(input.error(format!("the option `{key}` needs a value: `{key} = path`")));
    }
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        return input.parse::<LitStr>()?.parse();
    }
    input.call(Path::parse_mod_style)
}

fn refuse_value(input: ParseStream<'_>, key: &Ident) -> Result<()> {
    if input.peek(Token![=]) {
        return Err(input.error(format!("the option `{key}` takes no value")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match syn::parse_str::<Options>(text) {
            Ok(_) => panic!("`{text}` was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn all_options_are_read() {
        let options: Options =
            syn::parse_str("threads = 2, blocking_threads = N * 2, name = \"x\", crate = a::b,")
                .unwrap();
        assert!(options.threads.is_some() && options.blocking_threads.is_some());
        assert!(options.name.is_some() && options.current_thread.is_none());
        assert_eq!(options.lenio().to_string(), "a :: b");
        let quoted: Options = syn::parse_str("crate = \"a::b\", virtual_clock").unwrap();
        assert_eq!(quoted.lenio().to_string(), "a :: b");
        assert!(quoted.virtual_clock.is_some());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(error("thread = 2").contains("unknown option `thread`"));
        assert!(error("threads = 1, threads = 2").contains("given twice"));
        assert!(error("threads").contains("needs a value"));
        assert!(error("current_thread = true").contains("takes no value"));
        assert!(error("threads = 1, current_thread").contains("cannot be combined"));
        assert!(error("crate").contains("needs a value"));
    }
}
