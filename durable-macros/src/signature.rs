//! Reads the signature of the function and says clearly what does not fit.

use syn::punctuated::Punctuated;
use syn::{Error, FnArg, Ident, ItemFn, Pat, Result, ReturnType, Type};

use crate::expand::Kind;

/// What the expansion needs to know.
pub(crate) struct Signature {
    /// Whether the function takes the context.
    pub(crate) context: bool,
    /// The types of the input.
    pub(crate) inputs: Vec<Type>,
    /// Names for the parts of the input.
    pub(crate) names: Vec<Ident>,
    /// `Result<T, E>`.
    pub(crate) output: Type,
}

pub(crate) fn read(kind: Kind, function: &ItemFn) -> Result<Signature> {
    let signature = &function.sig;
    let what = kind.attribute();
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(
            signature.fn_token,
            format!("#[{what}] needs an `async fn`"),
        ));
    }
    if let Some(unsafety) = &signature.unsafety {
        // The engine calls it, and can promise nothing on behalf of the caller.
        let text = format!("#[{what}] cannot be unsafe; write `unsafe` blocks inside it");
        return Err(Error::new_spanned(unsafety, text));
    }
    if !signature.generics.params.is_empty() {
        let text = format!("#[{what}] cannot be generic: its input is stored and needs one type");
        return Err(Error::new_spanned(&signature.generics, text));
    }
    let mut types = types(what, &signature.inputs)?;
    let context = types.first().is_some_and(|ty| is(ty, kind.context()));
    if context {
        types.remove(0);
    }
    misplaced_context(kind, &types)?;
    if !context && kind == Kind::Orchestration {
        let text = "the first parameter of an #[orchestration] is `ctx: OrchestrationContext`";
        return Err(Error::new_spanned(&signature.ident, text));
    }
    let output = match &signature.output {
        ReturnType::Type(_, output) => (**output).clone(),
        ReturnType::Default => {
            let text = format!("#[{what}] returns `Result<T, E>`, e.g. `Result<(), Failure>`");
            return Err(Error::new_spanned(&signature.ident, text));
        }
    };
    let names = (0..types.len()).map(|n| quote::format_ident!("input_{n}")).collect();
    Ok(Signature { context, inputs: types, names, output })
}

/// A context is no input: it comes first, once, and is that of the function's own kind.
fn misplaced_context(kind: Kind, inputs: &[Type]) -> Result<()> {
    for ty in inputs {
        let text = if is(ty, kind.context()) {
            format!("`{}` comes first and once", kind.context())
        } else if is(ty, kind.other().context()) {
            format!("#[{}] takes `{}`", kind.attribute(), kind.context())
        } else {
            continue;
        };
        return Err(Error::new_spanned(ty, text));
    }
    Ok(())
}

fn types(what: &str, inputs: &Punctuated<FnArg, syn::Token![,]>) -> Result<Vec<Type>> {
    let mut types = Vec::new();
    for input in inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let text = format!("#[{what}] needs a free function, not a method");
                return Err(Error::new_spanned(receiver, text));
            }
            FnArg::Typed(typed) => match (&*typed.ty, &*typed.pat) {
                (Type::ImplTrait(ty), _) => {
                    let text = "an input is stored and needs a concrete type";
                    return Err(Error::new_spanned(ty, text));
                }
                (Type::Reference(ty), _) if is_context(&ty.elem) => {
                    let text = "the context is taken by value, without `&`";
                    return Err(Error::new_spanned(ty, text));
                }
                (Type::Reference(ty), _) => {
                    let text =
                        "an input is stored and must be owned, e.g. `String` instead of `&str`";
                    return Err(Error::new_spanned(ty, text));
                }
                (
                    ty,
                    Pat::Ident(_)
                    | Pat::Wild(_)
                    | Pat::Tuple(_)
                    | Pat::Struct(_)
                    | Pat::TupleStruct(_),
                ) => {
                    types.push(ty.clone());
                }
                (_, pattern) => return Err(Error::new_spanned(pattern, "name this parameter")),
            },
        }
    }
    Ok(types)
}

/// Whether a type is the context of either kind.
fn is_context(ty: &Type) -> bool {
    [Kind::Activity, Kind::Orchestration].iter().any(|kind| is(ty, kind.context()))
}

/// Whether a type goes by this name, whatever path leads to it.
fn is(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|s| s.ident == name),
        _ => false,
    }
}
