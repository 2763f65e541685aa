//! From `async fn` to a plain function that builds a runtime and runs the body on it.

use crate::options::Options;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Result, Signature, Visibility};

/// Which attribute is being expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Main,
    Test,
}

/// Expands the attribute. On an error the function itself is kept beside the error, without `async` where that can be told: editors
/// go on understanding the file, and there is one error instead of three.
pub(crate) fn expand(flavour: Flavour, options: TokenStream, item: TokenStream) -> TokenStream {
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let checked = syn::parse2(options).and_then(|options| {
        check(flavour, &function, &options)?;
        Ok(options)
    });
    match checked {
        Ok(options) => function.expand(flavour, &options),
        Err(error) => {
            let error = error.to_compile_error();
            let stub = function.stub();
            quote!(#stub #error)
        }
    }
}

/// An `async fn`, its body unparsed: errors in there are the compiler's to find, with its better words.
struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let start = input.span();
        match input.parse()? {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => Ok(Self {
                attributes,
                visibility,
                signature,
                body,
            }),
            _ => Err(Error::new(start, "expected the body of an `async fn`")),
        }
    }
}

impl Function {
    fn expand(&self, flavour: Flavour, options: &Options) -> TokenStream {
        let Self {
            attributes,
            visibility,
            signature,
            body,
        } = self;
        let lenio = options.lenio();
        let builder = builder(flavour, options, &lenio);
        let (test, run) = match flavour {
            Flavour::Main => (None, quote!(main)),
            Flavour::Test => (Some(quote!(#[::core::prelude::v1::test])), quote!(test)),
        };
        let plain = self.plain_signature();
        let name = &signature.ident;
        // The inner function has the name of the outer one: so panics and backtraces show the name that the user wrote, and the
        // compiler checks the return type with the user's own words and places.
        quote! {
            #(#attributes)*
            #test
            #visibility #plain {
                #signature #body
                #lenio::entry::#run(#builder, #name())
            }
        }
    }

    fn plain_signature(&self) -> Signature {
        Signature {
            asyncness: None,
            ..self.signature.clone()
        }
    }

    /// What stands in for the function after an error: its name exists, its body is gone.
    fn stub(&self) -> TokenStream {
        let (visibility, name) = (&self.visibility, &self.signature.ident);
        quote!(#visibility fn #name() {})
    }
}

fn check(flavour: Flavour, function: &Function, options: &Options) -> Result<()> {
    let signature = &function.signature;
    let attribute = match flavour {
        Flavour::Main => "#[lenio::main]",
        Flavour::Test => "#[lenio::test]",
    };
    let error = |tokens: &dyn ToTokens, text: &str| {
        Err(Error::new_spanned(
            tokens.to_token_stream(),
            format!("{attribute} {text}"),
        ))
    };
    if signature.asyncness.is_none() {
        return error(&signature.fn_token, "belongs on an `async fn`");
    }
    if !signature.inputs.is_empty() {
        return error(&signature.inputs, "takes a function without arguments");
    }
    if !signature.generics.params.is_empty() {
        return error(
            &signature.generics,
            "takes a function without type parameters",
        );
    }
    if let Some(unsafety) = &signature.unsafety {
        return error(unsafety, "takes a safe function");
    }
    if let (Flavour::Main, Some(span)) = (flavour, options.virtual_clock) {
        return Err(Error::new(
            span,
            "`virtual_clock` is an option of #[lenio::test]: a program's time is real",
        ));
    }
    let is_test = |attribute: &&Attribute| attribute.path().is_ident("test");
    if let (Flavour::Test, Some(second)) = (flavour, function.attributes.iter().find(is_test)) {
        return Err(Error::new(
            second.span(),
            "#[lenio::test] adds #[test] itself: remove this one",
        ));
    }
    Ok(())
}

fn builder(flavour: Flavour, options: &Options, lenio: &TokenStream) -> TokenStream {
    let mut builder = quote!(#lenio::Runtime::builder());
    let is_virtual = options.virtual_clock.is_some();
    match &options.threads {
        Some(threads) => builder.extend(quote!(.threads(#threads))),
        None if options.current_thread.is_some() || is_virtual => {
            builder.extend(quote!(.current_thread()));
        }
        None if flavour == Flavour::Test => builder.extend(quote!(.threads(2))),
        None => {}
    }
    if let Some(count) = &options.blocking_threads {
        builder.extend(quote!(.blocking_threads(#count)));
    }
    if let Some(name) = &options.name {
        builder.extend(quote!(.name(#name)));
    }
    if is_virtual {
        builder.extend(quote!(.virtual_clock()));
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(flavour: Flavour, options: &str, item: &str) -> String {
        expand(flavour, options.parse().unwrap(), item.parse().unwrap()).to_string()
    }

    #[test]
    fn options_become_builder_calls() {
        let text = expanded(
            Flavour::Main,
            "threads = 3, name = \"x\", blocking_threads = 7, crate = other",
            "pub async fn main() -> u8 { 1 }",
        );
        let flat: String = text.split_whitespace().collect();
        assert!(
            flat.contains(
                "other::Runtime::builder().threads(3).blocking_threads(7).name(\"x\"),main()"
            ),
            "{flat}"
        );
        assert!(
            flat.starts_with("pubfnmain()->u8{asyncfnmain()->u8{1}"),
            "{flat}"
        );
    }

    #[test]
    fn a_test_on_the_virtual_clock_runs_on_the_current_thread_unless_told() {
        let implied = expanded(Flavour::Test, "virtual_clock", "async fn t() {}");
        assert!(implied.contains("current_thread"), "{implied}");
        let told = expanded(
            Flavour::Test,
            "virtual_clock, threads = 2",
            "async fn t() {}",
        );
        assert!(
            !told.contains("current_thread") && told.contains("threads (2)"),
            "{told}"
        );
    }

    #[test]
    fn inner_attributes_and_broken_bodies_are_left_to_the_compiler() {
        let text = expanded(
            Flavour::Test,
            "",
            "#[ignore] async fn t() { #![allow(unused)] let let 1 }",
        );
        assert!(!text.contains("compile_error"), "{text}");
        assert!(text.contains("# [ignore]"), "{text}");
    }
}
