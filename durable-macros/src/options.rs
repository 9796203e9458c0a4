//! What stands in the parentheses of the attribute.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Error, LitStr, Path, Result};

/// Bytes in a name or a version; the library's own limit.
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
                once(&meta, options.name.replace(name).is_none())?;
            } else if with_version && meta.path.is_ident("version") {
                let version: LitStr = meta.value()?.parse()?;
                check_version(&version.value(), version.span())?;
                once(&meta, options.version.replace(version).is_none())?;
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

fn once(meta: &ParseNestedMeta, first: bool) -> Result<()> {
    if first { Ok(()) } else { Err(meta.error("this option is given twice")) }
}

fn check_name(name: &str, span: Span) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(span, "a name must not be empty"));
    }
    check_text("a name", name, span)
}

/// The worker says the same when it starts; here it is said earlier. Empty is unversioned.
fn check_version(version: &str, span: Span) -> Result<()> {
    check_text("a version", version, span)
}

fn check_text(what: &str, text: &str, span: Span) -> Result<()> {
    let problem = if text.len() > NAME_BYTES_MAX {
        format!("{what} has at most {NAME_BYTES_MAX} bytes")
    } else if text.chars().any(char::is_control) {
        format!("{what} must not hold control characters")
    } else {
        return Ok(());
    };
    Err(Error::new(span, problem))
}
