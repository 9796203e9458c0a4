//! Writes the unit struct and its implementations.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Error, Item, ItemFn, Result};

use crate::options::Options;
use crate::signature::{self, Signature};

/// Which of the two attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Activity,
    Orchestration,
}

impl Kind {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Orchestration => "orchestration",
        }
    }

    /// The other attribute.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Activity => Self::Orchestration,
            Self::Orchestration => Self::Activity,
        }
    }

    /// The type of the context parameter.
    pub(crate) fn context(self) -> &'static str {
        match self {
            Self::Activity => "ActivityContext",
            Self::Orchestration => "OrchestrationContext",
        }
    }
}

pub(crate) fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    match try_expand(kind, options, item.clone()) {
        Ok(tokens) => tokens,
        Err(error) => {
            // The function itself stays, so that the rest of the file is still checked.
            let error = error.to_compile_error();
            quote! { #item #error }
        }
    }
}

fn try_expand(kind: Kind, options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options, kind == Kind::Orchestration)?;
    let function = function(kind, item)?;
    let signature = signature::read(kind, &function)?;
    let reference = reference_impl(kind, &options, &function, &signature);
    let run = run_impl(kind, &options, &function, &signature);
    let value = value(kind, &function);
    Ok(quote! { #value #reference #run })
}

/// What the attribute stands on, which must be a function with a body.
fn function(kind: Kind, item: TokenStream) -> Result<ItemFn> {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Fn(function)) => Ok(function),
        Ok(other) => {
            let text = format!("#[{}] stands on an `async fn`", kind.attribute());
            Err(Error::new_spanned(other, text))
        }
        // Something that is no item, or not finished yet; syn says where.
        Err(_) => syn::parse2(item),
    }
}

/// The unit struct, and the plain function behind it.
fn value(kind: Kind, function: &ItemFn) -> TokenStream {
    let (visibility, ident, body) = (&function.vis, &function.sig.ident, &function.block);
    let docs: Vec<&Attribute> =
        function.attrs.iter().filter(|a| a.path().is_ident("doc")).collect();
    let others: Vec<&Attribute> =
        function.attrs.iter().filter(|a| !a.path().is_ident("doc")).collect();
    let default_doc = docs.is_empty().then(|| {
        let text = format!("The {} `{ident}`.", kind.attribute());
        quote! { #[doc = #text] }
    });
    let (inputs, output) = (&function.sig.inputs, &function.sig.output);
    quote! {
        #(#docs)*
        #default_doc
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy)]
        #visibility struct #ident;

        impl #ident {
            /// The plain function, e.g. for tests.
            #(#others)*
            #[allow(clippy::unused_async)]
            #visibility async fn call(#inputs) #output #body
        }
    }
}

fn input_type(signature: &Signature) -> TokenStream {
    match signature.inputs.as_slice() {
        [one] => one.to_token_stream(),
        several => quote! { ( #(#several),* ) },
    }
}

fn reference_impl(
    kind: Kind,
    options: &Options,
    function: &ItemFn,
    signature: &Signature,
) -> TokenStream {
    let krate = &options.krate;
    let ident = &function.sig.ident;
    let name = options.name.as_ref().map_or_else(|| ident.to_string(), syn::LitStr::value);
    let (input, output) = (input_type(signature), &signature.output);
    let (name_method, trait_name) = match kind {
        Kind::Activity => (format_ident!("activity_name"), format_ident!("ActivityRef")),
        Kind::Orchestration => {
            (format_ident!("orchestration_name"), format_ident!("OrchestrationRef"))
        }
    };
    let version = options.version.as_ref().map(|version| {
        quote! { fn orchestration_version(&self) -> &str { #version } }
    });
    quote! {
        impl #krate::__private::#trait_name for #ident {
            type Input = #input;
            type Output = <#output as #krate::__private::Returned>::Value;
            type Error = <#output as #krate::__private::Returned>::Error;

            fn #name_method(&self) -> #krate::__private::Name {
                static NAME: #krate::__private::StaticName = #krate::__private::StaticName::new(#name);
                NAME.get()
            }

            #version
        }
    }
}

fn run_impl(
    kind: Kind,
    options: &Options,
    function: &ItemFn,
    signature: &Signature,
) -> TokenStream {
    let krate = &options.krate;
    let ident = &function.sig.ident;
    let trait_name = match kind {
        Kind::Activity => format_ident!("Activity"),
        Kind::Orchestration => format_ident!("Orchestration"),
    };
    let (context_type, output) = (format_ident!("{}", kind.context()), &signature.output);
    let (input, names) = (input_type(signature), &signature.names);
    let pattern = match names.as_slice() {
        [one] => one.to_token_stream(),
        several => quote! { ( #(#several),* ) },
    };
    let context = signature.context.then(|| quote! { ctx, });
    let unused = (!signature.context).then(|| quote! { let _ = ctx; });
    quote! {
        impl #krate::__private::#trait_name for #ident {
            fn run(
                &self,
                ctx: #krate::__private::#context_type,
                input: #input,
            ) -> #krate::__private::BoxFuture<'static, ::core::result::Result<
                <#output as #krate::__private::Returned>::Value,
                <#output as #krate::__private::Returned>::Error,
            >> {
                #unused
                let #pattern = input;
                ::std::boxed::Box::pin(#ident::call(#context #(#names),*))
            }
        }
    }
}
