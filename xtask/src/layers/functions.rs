// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions of one crate, and who may call each.
//!
//! *Invariants*: constants, statics and macros are functions here too: what stands in them happens to
//! whoever names them. A function that anyone outside may call is public, however it is reached: a
//! method of a trait of another crate, or of a public one, is, whatever type it is for.
//!
//! *Not here*: what they call (`calls`).

use std::collections::BTreeSet;

use quote::ToTokens as _;

use super::Source;
use super::names::{Entity, Kind, Named, Names, module_of};

/// What only the gate gives out, and for a recorded command only.
const RECORDS: &[&str] = &["Recorded", "Delivery"];

/// One function.
pub(super) struct Function<'s> {
    pub(super) file: &'s str,
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) module: usize,
    pub(super) of: Of,
    /// The trait, for a function in `impl Trait for Type`.
    pub(super) of_trait: Option<Implemented>,
    /// Number of parameters, `self` counted.
    pub(super) arity: usize,
    /// Whether there is a `self`.
    pub(super) receiver: bool,
    pub(super) public: bool,
    /// Whether it takes a `Recorded` or a `Delivery`, by value or by reference.
    pub(super) takes_record: bool,
    /// Parameters but `self`: name and type.
    pub(super) parameters: Vec<(String, &'s syn::Type)>,
    pub(super) output: Option<&'s syn::Type>,
    pub(super) docs: String,
    pub(super) body: Body<'s>,
}

/// What a function belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    /// A module.
    Module,
    /// A type of the crate.
    Type(usize),
    /// A trait of the crate, which declares it.
    Trait(usize),
    /// Types of other crates, or every type.
    Any,
}

/// The trait of an `impl`.
#[derive(Clone, Debug)]
pub(super) struct Implemented {
    /// Its last name.
    pub(super) name: String,
    /// Which it is, if it is the crate's.
    pub(super) ours: Option<usize>,
}

/// What is looked at for calls.
#[derive(Clone)]
pub(super) enum Body<'s> {
    None,
    Block(&'s syn::Block),
    Expression(&'s syn::Expr),
    /// Of a macro.
    Tokens(proc_macro2::TokenStream),
}

/// One crate.
pub(super) struct Crate<'s> {
    pub(super) names: Names<'s>,
    pub(super) functions: Vec<Function<'s>>,
}

impl<'s> Crate<'s> {
    /// Everything in these files that is compiled outside tests.
    pub(super) fn read(sources: &[&'s Source]) -> Self {
        let mut tests = BTreeSet::new();
        for source in sources {
            test_modules(&source.file.items, &module_of(source), &mut tests);
        }
        let mut reader = Reader { names: Names::new(), functions: Vec::new(), later: Vec::new() };
        for source in sources {
            let path = module_of(source);
            if !(0..=path.len()).any(|to| tests.contains(&path[..to])) {
                let module = reader.names.module(&path);
                reader.items(&source.file.items, module, &path, &source.name);
            }
        }
        for (module, file, item) in std::mem::take(&mut reader.later) {
            match item {
                Later::Impl(item) => reader.implementation(item, module, file),
                Later::Trait(at, item) => reader.declaration(at, item, module, file),
            }
        }
        Self { names: reader.names, functions: reader.functions }
    }
}

/// What needs all names to be known.
enum Later<'s> {
    Impl(&'s syn::ItemImpl),
    Trait(usize, &'s syn::ItemTrait),
}

struct Reader<'s> {
    names: Names<'s>,
    functions: Vec<Function<'s>>,
    later: Vec<(usize, &'s str, Later<'s>)>,
}

impl<'s> Reader<'s> {
    fn items(&mut self, items: &'s [syn::Item], module: usize, path: &[String], file: &'s str) {
        for item in items {
            match item {
                syn::Item::Fn(it) if !is_test(&it.attrs) => {
                    let body = Body::Block(&it.block);
                    let mut made = self.function(file, module, &it.sig, &it.attrs, body);
                    made.public = is_public(&it.vis);
                    self.add(made, true);
                }
                syn::Item::Const(it) if !is_test(&it.attrs) => {
                    self.value(file, module, &it.ident, is_public(&it.vis), &it.expr);
                }
                syn::Item::Static(it) if !is_test(&it.attrs) => {
                    self.value(file, module, &it.ident, is_public(&it.vis), &it.expr);
                }
                syn::Item::Macro(it) if !is_test(&it.attrs) => {
                    if let Some(name) = &it.ident {
                        let body = Body::Tokens(it.mac.tokens.clone());
                        let name = syn::Ident::new(&format!("{name}"), name.span());
                        let mut made = bare(file, module, &name, body);
                        made.name.push('!');
                        self.add(made, false);
                    }
                }
                syn::Item::Mod(it) if !is_test(&it.attrs) => {
                    if let Some((_, items)) = &it.content {
                        let mut path = path.to_vec();
                        path.push(it.ident.to_string());
                        let module = self.names.module(&path);
                        self.items(items, module, &path, file);
                    }
                }
                syn::Item::Struct(it) if !is_test(&it.attrs) => {
                    let fields = it.fields.iter();
                    let fields =
                        fields.filter_map(|it| Some((it.ident.as_ref()?.to_string(), &it.ty)));
                    let fields = fields.collect();
                    let public = is_public(&it.vis);
                    let name = it.ident.to_string();
                    self.names.add(Named { name, module, public, kind: Kind::Type, fields });
                }
                syn::Item::Enum(it) if !is_test(&it.attrs) => {
                    self.named(module, &it.ident, &it.vis, Kind::Type);
                }
                syn::Item::Union(it) if !is_test(&it.attrs) => {
                    self.named(module, &it.ident, &it.vis, Kind::Type);
                }
                syn::Item::Type(it) if !is_test(&it.attrs) => {
                    self.named(module, &it.ident, &it.vis, Kind::Alias(&it.ty));
                }
                syn::Item::Trait(it) if !is_test(&it.attrs) => {
                    self.named(module, &it.ident, &it.vis, Kind::Trait);
                    let at = self.names.named.len() - 1;
                    self.later.push((module, file, Later::Trait(at, it)));
                }
                syn::Item::Impl(it) if !is_test(&it.attrs) => {
                    self.later.push((module, file, Later::Impl(it)));
                }
                syn::Item::Use(it) if !is_test(&it.attrs) => self.names.bring(module, it),
                _ => {}
            }
        }
    }

    fn named(&mut self, module: usize, ident: &syn::Ident, vis: &syn::Visibility, kind: Kind<'s>) {
        let (name, public) = (ident.to_string(), is_public(vis));
        self.names.add(Named { name, module, public, kind, fields: Default::default() });
    }

    fn value(
        &mut self,
        file: &'s str,
        module: usize,
        name: &syn::Ident,
        public: bool,
        of: &'s syn::Expr,
    ) {
        let made = bare(file, module, name, Body::Expression(of));
        self.add(Function { public, ..made }, true);
    }

    fn add(&mut self, function: Function<'s>, declare: bool) {
        if declare {
            let entity = Entity::Function(self.functions.len());
            self.names.declare(function.module, &function.name, entity);
        }
        self.functions.push(function);
    }

    fn implementation(&mut self, item: &'s syn::ItemImpl, module: usize, file: &'s str) {
        let owner = self.names.one(module, &item.self_ty);
        let of_trait = item.trait_.as_ref().map(|(_, path, _)| {
            let path = syn::TypePath { qself: None, path: path.clone() };
            let name = path.path.segments.last().map(|it| it.ident.to_string());
            let ours = self.names.one(module, &syn::Type::Path(path));
            Implemented { name: name.unwrap_or_default(), ours }
        });
        // A private trait's methods are called by who knows it; any other's, by anyone.
        let open = match &of_trait {
            Some(Implemented { ours: Some(ours), .. }) => self.names.named[*ours].public,
            Some(Implemented { ours: None, .. }) => true,
            None => owner.is_none_or(|owner| self.names.named[owner].public),
        };
        for member in &item.items {
            let (mut made, vis) = match member {
                syn::ImplItem::Fn(it) if !is_test(&it.attrs) => {
                    let body = Body::Block(&it.block);
                    (self.function(file, module, &it.sig, &it.attrs, body), &it.vis)
                }
                syn::ImplItem::Const(it) if !is_test(&it.attrs) => {
                    (bare(file, module, &it.ident, Body::Expression(&it.expr)), &it.vis)
                }
                _ => continue,
            };
            made.of = owner.map_or(Of::Any, Of::Type);
            made.public = open && (of_trait.is_some() || is_public(vis));
            made.of_trait = of_trait.clone();
            self.add(made, false);
        }
    }

    fn declaration(&mut self, at: usize, item: &'s syn::ItemTrait, module: usize, file: &'s str) {
        for member in &item.items {
            let made = match member {
                syn::TraitItem::Fn(it) if !is_test(&it.attrs) => {
                    let body = it.default.as_ref().map_or(Body::None, Body::Block);
                    self.function(file, module, &it.sig, &it.attrs, body)
                }
                syn::TraitItem::Const(it) if !is_test(&it.attrs) => {
                    let body = it.default.as_ref().map(|(_, value)| value);
                    bare(file, module, &it.ident, body.map_or(Body::None, Body::Expression))
                }
                _ => continue,
            };
            self.add(Function { of: Of::Trait(at), public: is_public(&item.vis), ..made }, false);
        }
    }

    fn function(
        &self,
        file: &'s str,
        module: usize,
        signature: &'s syn::Signature,
        attributes: &[syn::Attribute],
        body: Body<'s>,
    ) -> Function<'s> {
        let parameters = signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(it) => {
                let name = match &*it.pat {
                    syn::Pat::Ident(name) => name.ident.to_string(),
                    other => text(other),
                };
                Some((name, &*it.ty))
            }
            syn::FnArg::Receiver(_) => None,
        });
        let parameters: Vec<_> = parameters.collect();
        let docs = attributes.iter().filter(|it| it.path().is_ident("doc"));
        let docs = docs.map(|it| it.meta.to_token_stream().to_string());
        Function {
            arity: signature.inputs.len(),
            receiver: signature.receiver().is_some(),
            takes_record: parameters.iter().any(|(_, ty)| is_record(&self.names, module, ty)),
            parameters,
            output: match &signature.output {
                syn::ReturnType::Type(_, ty) => Some(ty),
                syn::ReturnType::Default => None,
            },
            docs: docs.collect::<Vec<_>>().join("\n"),
            ..bare(file, module, &signature.ident, body)
        }
    }
}

/// A function of a module that nobody outside calls and that takes nothing.
fn bare<'s>(file: &'s str, module: usize, name: &syn::Ident, body: Body<'s>) -> Function<'s> {
    Function {
        file,
        line: name.span().start().line,
        name: name.to_string(),
        module,
        of: Of::Module,
        of_trait: None,
        arity: 0,
        receiver: false,
        public: false,
        takes_record: false,
        parameters: Vec::new(),
        output: None,
        docs: String::new(),
        body,
    }
}

/// Whether a type is the gate's `Recorded` or `Delivery`, or a reference to one.
pub(super) fn is_record(names: &Names<'_>, module: usize, ty: &syn::Type) -> bool {
    names.is_foreign(module, ty, "fwgate_gate", RECORDS)
}

/// Source text without spaces.
pub(super) fn text(tokens: &impl quote::ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// Modules in files of their own that only tests have.
fn test_modules(items: &[syn::Item], path: &[String], into: &mut BTreeSet<Vec<String>>) {
    for item in items {
        let syn::Item::Mod(it) = item else { continue };
        let mut path = path.to_vec();
        path.push(it.ident.to_string());
        match &it.content {
            None if is_test(&it.attrs) => drop(into.insert(path)),
            None => {}
            Some((_, items)) => test_modules(items, &path, into),
        }
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
