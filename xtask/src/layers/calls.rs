// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions of one crate and which names each of them calls.
//!
//! *Invariants*: a call is known by the function's name and the number of its arguments, the
//! receiver counted; nothing is resolved. So two functions of one name and arity are one, and more
//! calls are seen than there are, never fewer by that. A function that is named as a value counts as
//! called, whatever its arity.
//!
//! *Not here*: what follows from it (`raw_senders`).

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use super::Source;

/// One function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) name: String,
    /// Number of parameters, `self` counted.
    pub(super) arity: usize,
    /// `pub`, in a type or a trait that is `pub`, as far as its own crate shows.
    pub(super) public: bool,
    /// The trait, for a function in `impl Trait for Type`.
    pub(super) of_trait: Option<String>,
    /// Parameters: name and type, as written.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) docs: String,
    /// Name and number of arguments of each call.
    pub(super) calls: BTreeSet<(String, usize)>,
    /// Functions that are named without being called.
    pub(super) mentions: BTreeSet<String>,
}

impl Function {
    /// Whether it calls a function of that name with so many arguments, the receiver counted.
    pub(super) fn calls(&self, name: &str, arity: usize) -> bool {
        self.calls.contains(&(name.to_owned(), arity)) || self.mentions.contains(name)
    }
}

/// Every function of these files that is compiled outside tests.
pub(super) fn functions(sources: &[&Source]) -> Vec<Function> {
    let mut public_types = BTreeSet::new();
    for source in sources {
        collect_types(&source.file.items, &mut public_types);
    }
    let mut all = Vec::new();
    for source in sources {
        collect(&source.file.items, &source.name, &public_types, &mut all);
    }
    all
}

fn collect_types(items: &[syn::Item], into: &mut BTreeSet<String>) {
    for item in items {
        match item {
            syn::Item::Struct(it) if is_public(&it.vis) => drop(into.insert(it.ident.to_string())),
            syn::Item::Enum(it) if is_public(&it.vis) => drop(into.insert(it.ident.to_string())),
            syn::Item::Union(it) if is_public(&it.vis) => drop(into.insert(it.ident.to_string())),
            syn::Item::Mod(it) => {
                if let Some((_, items)) = it.content.as_ref().filter(|_| !is_test(&it.attrs)) {
                    collect_types(items, into);
                }
            }
            _ => {}
        }
    }
}

fn collect(
    items: &[syn::Item],
    file: &str,
    public_types: &BTreeSet<String>,
    all: &mut Vec<Function>,
) {
    for item in items {
        match item {
            syn::Item::Fn(it) if !is_test(&it.attrs) => {
                let public = is_public(&it.vis);
                all.push(function(file, &it.sig, &it.attrs, Some(&it.block), public, None));
            }
            syn::Item::Mod(it) if !is_test(&it.attrs) => {
                if let Some((_, items)) = &it.content {
                    collect(items, file, public_types, all);
                }
            }
            syn::Item::Impl(it) if !is_test(&it.attrs) => {
                let of_trait = it.trait_.as_ref().and_then(|(_, path, _)| last(path));
                // What cannot be named here (a reference, a generic) counts as public.
                let known = self_type(&it.self_ty);
                let open = known.is_none_or(|name| public_types.contains(&name));
                for member in &it.items {
                    let syn::ImplItem::Fn(it) = member else { continue };
                    if is_test(&it.attrs) {
                        continue;
                    }
                    let public = open && (of_trait.is_some() || is_public(&it.vis));
                    let of = of_trait.clone();
                    all.push(function(file, &it.sig, &it.attrs, Some(&it.block), public, of));
                }
            }
            syn::Item::Trait(it) if !is_test(&it.attrs) => {
                for member in &it.items {
                    let syn::TraitItem::Fn(method) = member else { continue };
                    let public = is_public(&it.vis);
                    let block = method.default.as_ref();
                    all.push(function(file, &method.sig, &method.attrs, block, public, None));
                }
            }
            _ => {}
        }
    }
}

fn function(
    file: &str,
    signature: &syn::Signature,
    attributes: &[syn::Attribute],
    block: Option<&syn::Block>,
    public: bool,
    of_trait: Option<String>,
) -> Function {
    let mut seen = Seen::default();
    if let Some(block) = block {
        seen.visit_block(block);
    }
    let parameters = signature.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(it) => Some((text(&it.pat), text(&it.ty))),
        syn::FnArg::Receiver(_) => None,
    });
    let docs = attributes.iter().filter(|it| it.path().is_ident("doc"));
    let docs = docs.map(|it| it.meta.to_token_stream().to_string());
    Function {
        file: file.to_owned(),
        line: signature.ident.span().start().line,
        name: signature.ident.to_string(),
        arity: signature.inputs.len(),
        public,
        of_trait,
        parameters: parameters.collect(),
        docs: docs.collect::<Vec<_>>().join("\n"),
        calls: seen.calls,
        mentions: seen.mentions,
    }
}

/// Source text without spaces.
fn text(tokens: &impl quote::ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

#[derive(Default)]
struct Seen {
    calls: BTreeSet<(String, usize)>,
    mentions: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.calls.insert((call.method.to_string(), call.args.len() + 1));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            if let Some(name) = last(&path.path) {
                self.calls.insert((name, call.args.len()));
            }
        } else {
            self.visit_expr(&call.func);
        }
        for argument in &call.args {
            self.visit_expr(argument);
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        // A lone name is most often a variable.
        if path.path.segments.len() > 1 {
            self.mentions.extend(last(&path.path));
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // `assert!(f(x))`, `vec![f(x)]`: whatever is a list of expressions.
        let list = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        for argument in call.parse_body_with(list).into_iter().flatten() {
            Visit::visit_expr(self, &argument);
        }
    }
}

fn last(path: &syn::Path) -> Option<String> {
    path.segments.last().map(|segment| segment.ident.to_string())
}

fn self_type(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => last(&path.path),
        _ => None,
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("test") || (it.path().is_ident("cfg") && text(&it.meta) == "cfg(test)")
    })
}
