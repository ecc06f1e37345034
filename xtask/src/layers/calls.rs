// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions of its crate each function calls, or may.
//!
//! *Invariants*: more calls are seen than there are, not fewer.
//! - A path is followed through modules, `use` and `use .. as`; `Self` and types to their functions.
//!   What cannot be followed is a call of every function of that name and number of arguments.
//! - A method is one of the receiver's type where that is plainly known (`self`, its fields, a
//!   parameter, what a function returns). Else it is every method of that name and number of
//!   arguments.
//! - A function that is named as a value counts as called. What stands in a closure counts as done by
//!   whoever makes the closure, unless that takes a record.
//!
//! *Not here*: what follows from it (`raw_senders`).

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use super::functions::{Body, Crate, Function, Of, is_record};
use super::names::{Entity, Kind, brought, segments};

/// Methods of other crates' types that give out what they were called on, or what is in it.
const SAME: &[&str] = &[
    "as_deref",
    "as_mut",
    "as_ref",
    "borrow",
    "by_ref",
    "clone",
    "expect",
    "get_mut",
    "lock",
    "map_err",
    "ok",
    "ok_or",
    "ok_or_else",
    "unwrap",
    "unwrap_or_default",
    "unwrap_or_else",
];

/// What one function calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Functions of the crate.
    pub(super) functions: BTreeSet<usize>,
    /// Paths of other crates' functions.
    pub(super) foreign: BTreeSet<Vec<String>>,
    /// Methods that may be another crate's: name, and number of arguments with the receiver.
    pub(super) methods: BTreeSet<(String, usize)>,
}

/// What each function of a crate calls, in its order.
pub(super) fn calls(of: &Crate<'_>) -> Vec<Calls> {
    of.functions.iter().map(|function| calls_of(of, function)).collect()
}

fn calls_of(of: &Crate<'_>, function: &Function<'_>) -> Calls {
    let own = match function.of {
        Of::Type(at) | Of::Trait(at) => Some(at),
        Of::Module | Of::Any => None,
    };
    let mut bound = Bound::default();
    if let Body::Block(block) = &function.body {
        bound.visit_block(block);
    }
    let mut seen = Seen { of, function, own, bound, calls: Calls::default() };
    match &function.body {
        Body::None => {}
        Body::Block(block) => seen.visit_block(block),
        Body::Expression(value) => seen.visit_expr(value),
        Body::Tokens(tokens) => seen.tokens(tokens.clone()),
    }
    seen.calls
}

/// Names that a body gives: variables, and what its own `use` brings in.
#[derive(Default)]
struct Bound {
    variables: BTreeSet<String>,
    uses: Vec<syn::ItemUse>,
}

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, it: &'ast syn::PatIdent) {
        self.variables.insert(it.ident.to_string());
        visit::visit_pat_ident(self, it);
    }

    fn visit_item_use(&mut self, it: &'ast syn::ItemUse) {
        self.uses.push(it.clone());
    }
}

struct Seen<'c, 's> {
    of: &'c Crate<'s>,
    function: &'c Function<'s>,
    /// What `Self` is.
    own: Option<usize>,
    bound: Bound,
    calls: Calls,
}

impl<'ast> Visit<'ast> for Seen<'_, '_> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.method(&call.method.to_string(), call.args.len() + 1, &call.receiver);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        match plain(&call.func) {
            syn::Expr::Path(path) => self.path(path, Some(call.args.len())),
            other => self.visit_expr(other),
        }
        for argument in &call.args {
            self.visit_expr(argument);
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        self.path(path, None);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        let takes_record = closure.inputs.iter().any(|input| match input {
            syn::Pat::Type(it) => is_record(&self.of.names, self.function.module, &it.ty),
            _ => false,
        });
        if !takes_record {
            visit::visit_expr_closure(self, closure);
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        // What a function declares within itself counts as done by it.
        let own = self.own.take();
        visit::visit_item(self, item);
        self.own = own;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.by_name(&format!("{}!", name.ident), None);
        }
        // `assert!(f(x))`, `vec![f(x)]`, `vec![f(x); n]`, and what is neither list nor statements.
        let list = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(list) = call.parse_body_with(list) {
            for argument in list {
                Visit::visit_expr(self, &argument);
            }
        } else if let Ok(statements) = syn::Block::parse_within.parse2(call.tokens.clone()) {
            for statement in statements {
                Visit::visit_stmt(self, &statement);
            }
        } else {
            self.tokens(call.tokens.clone());
        }
    }
}

impl Seen<'_, '_> {
    /// A path, called with so many arguments or only named.
    fn path(&mut self, path: &syn::ExprPath, arguments: Option<usize>) {
        let Some(last) = path.path.segments.last().map(|it| it.ident.to_string()) else { return };
        if let Some(qself) = &path.qself {
            return self.qualified(qself, &path.path, &last, arguments);
        }
        let path = segments(&path.path);
        if path[0] == "Self" {
            match (self.own, path.len()) {
                // `Self(..)`.
                (_, 1) => {}
                (Some(own), 2) => self.member(own, &last),
                _ => self.by_name(&last, arguments),
            }
            return;
        }
        self.resolved(&path, arguments);
    }

    fn qualified(
        &mut self,
        qself: &syn::QSelf,
        path: &syn::Path,
        last: &str,
        arguments: Option<usize>,
    ) {
        let known = if qself.position == 0 {
            let types = self.of.names.types(self.function.module, self.own, &qself.ty);
            types.filter(|types| !types.is_empty())
        } else {
            let before: Vec<String> = segments(path).into_iter().take(qself.position).collect();
            let found = self.of.names.resolve(self.function.module, &before);
            for entity in &found.entities {
                if let Entity::Foreign(path) = entity {
                    let whole = path.iter().cloned().chain([last.to_owned()]);
                    self.calls.foreign.insert(whole.collect());
                }
            }
            let named = found.entities.iter().filter_map(|entity| match entity {
                Entity::Named(at) => Some(*at),
                _ => None,
            });
            (!found.unknown).then(|| named.collect())
        };
        match known {
            Some(types) if path.segments.len() == qself.position + 1 => {
                for of in types {
                    self.member(of, last);
                }
            }
            _ => self.by_name(last, arguments),
        }
    }

    fn resolved(&mut self, path: &[String], arguments: Option<usize>) {
        let mut found = vec![self.of.names.resolve(self.function.module, path)];
        for within in &self.bound.uses {
            for (name, mut before) in brought(within) {
                if name.as_ref().is_none_or(|name| *name == path[0]) {
                    let rest = if name.is_some() { &path[1..] } else { path };
                    before.extend_from_slice(rest);
                    found.push(self.of.names.resolve(self.function.module, &before));
                }
            }
        }
        for found in found {
            for entity in found.entities {
                match entity {
                    Entity::Function(at) => drop(self.calls.functions.insert(at)),
                    Entity::Foreign(path) => drop(self.calls.foreign.insert(path)),
                    Entity::Module(_) | Entity::Named(_) => {}
                }
            }
            if let Some((of, name)) = found.member {
                self.member(of, &name);
            }
            // A lone name that is nothing of the module's is a variable.
            if found.unknown && (path.len() > 1 || arguments.is_some()) {
                let last = path.last().map_or("", String::as_str);
                self.by_name(last, arguments);
            }
        }
    }

    /// A function of a type or a trait, by its name.
    fn member(&mut self, of: usize, name: &str) {
        if let Kind::Alias(ty) = self.of.names.named[of].kind {
            match self.of.names.types(self.of.names.named[of].module, None, ty) {
                Some(types) => types.into_iter().for_each(|of| self.member(of, name)),
                None => self.by_name(name, None),
            }
            return;
        }
        let own = self.matching(|function| function.name == name && belongs(function, of));
        if own.is_empty() {
            let provided = self.matching(|function| function.name == name && is_general(function));
            self.calls.functions.extend(provided);
        }
        self.calls.functions.extend(own);
    }

    /// A method, by its name, its arguments and what it is called on.
    fn method(&mut self, name: &str, arity: usize, receiver: &syn::Expr) {
        let fits = |function: &Function<'_>| {
            function.receiver && function.name == name && function.arity == arity
        };
        if let Some(types) = self.types_of(receiver) {
            let own = self.matching(|function| {
                fits(function) && types.iter().any(|of| belongs(function, *of))
            });
            if !own.is_empty() {
                self.calls.functions.extend(own);
                // A trait of the crate, implemented for `Arc<Type>`, comes before `Type`'s own.
                let wrapped = self.matching(|function| fits(function) && function.of == Of::Any);
                self.calls.functions.extend(wrapped);
                return;
            }
            self.calls.methods.insert((name.to_owned(), arity));
            if types.is_empty() {
                let provided = self.matching(|function| fits(function) && is_general(function));
                self.calls.functions.extend(provided);
                return;
            }
        }
        self.calls.methods.insert((name.to_owned(), arity));
        let all = self.matching(fits);
        self.calls.functions.extend(all);
    }

    /// Every function of that name, and with so many arguments if that is known.
    fn by_name(&mut self, name: &str, arguments: Option<usize>) {
        let all = self.matching(|function| {
            function.name == name && arguments.is_none_or(|count| count == function.arity)
        });
        self.calls.functions.extend(all);
    }

    fn matching(&self, test: impl Fn(&Function<'_>) -> bool) -> Vec<usize> {
        let all = self.of.functions.iter().enumerate();
        all.filter(|(_, function)| test(function)).map(|(at, _)| at).collect()
    }

    /// The types of the crate that an expression's methods may be of; `None` where that is not plain.
    fn types_of(&self, expr: &syn::Expr) -> Option<BTreeSet<usize>> {
        let (names, module) = (&self.of.names, self.function.module);
        match plain(expr) {
            syn::Expr::Path(path) => {
                if path.path.is_ident("self") {
                    return self.own.map(|own| BTreeSet::from([own]));
                }
                let name = path.path.get_ident()?.to_string();
                if self.bound.variables.contains(&name) {
                    return None;
                }
                let (_, ty) = self.function.parameters.iter().find(|(it, _)| *it == name)?;
                names.types(module, self.own, ty)
            }
            syn::Expr::Field(field) => {
                let base: Vec<usize> = self.types_of(&field.base)?.into_iter().collect();
                let ([of], syn::Member::Named(name)) = (&base[..], &field.member) else {
                    return None;
                };
                let named = &names.named[*of];
                names.types(named.module, Some(*of), named.fields.get(&name.to_string())?)
            }
            syn::Expr::Reference(it) => self.types_of(&it.expr),
            syn::Expr::Try(it) => self.types_of(&it.expr),
            syn::Expr::Unary(it) if matches!(it.op, syn::UnOp::Deref(_)) => self.types_of(&it.expr),
            syn::Expr::Struct(it) if it.qself.is_none() => {
                let path = syn::TypePath { qself: None, path: it.path.clone() };
                names.types(module, self.own, &syn::Type::Path(path))
            }
            syn::Expr::MethodCall(call) => {
                let types = self.types_of(&call.receiver)?;
                let name = call.method.to_string();
                let own = self.matching(|function| {
                    function.receiver
                        && function.name == name
                        && types.iter().any(|of| belongs(function, *of))
                });
                match own[..] {
                    [] if SAME.contains(&&*name) => Some(types),
                    [at] => self.returned(at),
                    _ => None,
                }
            }
            syn::Expr::Call(call) => {
                let syn::Expr::Path(path) = plain(&call.func) else { return None };
                if path.qself.is_some() {
                    return None;
                }
                let path = segments(&path.path);
                let member = match (self.own, &path[..]) {
                    (Some(own), [first, name]) if first == "Self" => Some((own, name.clone())),
                    _ => {
                        let found = names.resolve(module, &path);
                        if let [Entity::Function(at)] = Vec::from_iter(&found.entities)[..] {
                            return self.returned(*at);
                        }
                        found.member
                    }
                };
                let (of, name) = member?;
                let own = self.matching(|it| it.name == name && belongs(it, of));
                let [at] = own[..] else { return None };
                self.returned(at)
            }
            _ => None,
        }
    }

    /// The types of what a function returns.
    fn returned(&self, at: usize) -> Option<BTreeSet<usize>> {
        let function = &self.of.functions[at];
        let own = match function.of {
            Of::Type(of) => Some(of),
            _ => None,
        };
        self.of.names.types(function.module, own, function.output?)
    }

    /// What cannot be parsed: every path in it is called, with any number of arguments.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(it) if it.as_char() == ':' => colons += 1,
                TokenTree::Ident(it) => {
                    if colons != 2 {
                        self.loose(&std::mem::take(&mut path));
                    }
                    path.push(it.to_string());
                    colons = 0;
                }
                TokenTree::Group(it) => {
                    self.loose(&std::mem::take(&mut path));
                    self.tokens(it.stream());
                }
                _ => {
                    self.loose(&std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.loose(&path);
    }

    fn loose(&mut self, path: &[String]) {
        let Some(last) = path.last() else { return };
        self.resolved(path, None);
        self.by_name(last, None);
        for arity in 1..9 {
            self.calls.methods.insert((last.clone(), arity));
        }
    }
}

/// Whether a function is one of that type or trait, as declared or as implemented.
fn belongs(function: &Function<'_>, of: usize) -> bool {
    matches!(function.of, Of::Type(at) | Of::Trait(at) if at == of)
        || function.of_trait.as_ref().is_some_and(|it| it.ours == Some(of))
}

/// Whether a function may be one of any type: declared by a trait, or implemented for what is not
/// one type of the crate.
fn is_general(function: &Function<'_>) -> bool {
    matches!(function.of, Of::Trait(_) | Of::Any)
}

/// An expression without parentheses around it.
fn plain(expr: &syn::Expr) -> &syn::Expr {
    match expr {
        syn::Expr::Paren(it) => plain(&it.expr),
        syn::Expr::Group(it) => plain(&it.expr),
        other => other,
    }
}
