//! What stands in the parentheses of the attribute.

use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::{Error, LitStr, Path, Result};

/// Bytes in a name; the library's own limit.
const NAME_BYTES_MAX: usize = 256;

/// The options of one attribute.
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) krate: Path,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, with_version: bool) -> Result<Self> {
        let mut options = Self { name: None, version: None, krate: syn::parse_quote!(::durable) };
        let known = if with_version { "name, version, crate" } else { "name, crate" };
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                let name: LitStr = meta.value()?.parse()?;
                check_name(&name.value(), name.span())?;
                options.name = Some(name);
            } else if with_version && meta.path.is_ident("version") {
                options.version = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("crate") {
                options.krate = meta.value()?.call(Path::parse_mod_style)?;
            } else {
                return Err(meta.error(format!("unknown option; known are: {known}")));
            }
            Ok(())
        });
        parser.parse2(tokens)?;
        Ok(options)
    }
}

fn check_name(name: &str, span: Span) -> Result<()> {
    let problem = if name.is_empty() {
        "a name must not be empty"
    } else if name.len() > NAME_BYTES_MAX {
        "a name has at most 256 bytes"
    } else if name.chars().any(char::is_control) {
        "a name must not hold control characters"
    } else {
        return Ok(());
    };
    Err(Error::new(span, problem))
}
