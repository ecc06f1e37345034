// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of one crate: its modules, what each declares and brings in, and what a path means.
//!
//! *Invariants*: a path that cannot be followed is [`Found::unknown`], never nothing. Names of other
//! crates are kept as paths and not looked into.
//!
//! *Not here*: bodies of functions (`calls`), what follows from them (`raw_senders`).

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Names that every module has without a `use`, and that other crates' code stands behind.
const PRELUDE: &[&str] = &[
    "AsMut",
    "AsRef",
    "Box",
    "Clone",
    "Copy",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Eq",
    "Err",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Into",
    "IntoIterator",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Result",
    "Send",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Vec",
];
/// The same in small letters: functions and primitive types.
const PRELUDE_SMALL: &[&str] = &[
    "align_of",
    "align_of_val",
    "bool",
    "char",
    "drop",
    "f32",
    "f64",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "isize",
    "size_of",
    "size_of_val",
    "str",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// A type or a trait.
pub(super) struct Named<'s> {
    pub(super) name: String,
    pub(super) module: usize,
    pub(super) public: bool,
    pub(super) kind: Kind<'s>,
    /// Types of its fields, where they have names.
    pub(super) fields: BTreeMap<String, &'s syn::Type>,
}

/// What kind of thing a name with functions of its own is.
#[derive(Clone, Copy)]
pub(super) enum Kind<'s> {
    /// `struct`, `enum` or `union`.
    Type,
    /// Another name for a type.
    Alias(&'s syn::Type),
    /// A trait.
    Trait,
}

/// What a name in a module stands for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entity {
    Module(usize),
    Named(usize),
    Function(usize),
    /// A path that begins with another crate.
    Foreign(Vec<String>),
}

#[derive(Debug, Default)]
struct Module {
    path: Vec<String>,
    parent: usize,
    declared: BTreeMap<String, Vec<Entity>>,
    /// Name, and the path that it was brought in by.
    brought: Vec<(String, Vec<String>)>,
    /// Paths before a `*`.
    globs: Vec<Vec<String>>,
}

/// Everything that a path may mean.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entities: BTreeSet<Entity>,
    /// Whether it may also be something else.
    pub(super) unknown: bool,
    /// The last part, where what is before it is a type or a trait of the crate.
    pub(super) member: Option<(usize, String)>,
}

/// What is being looked up.
#[derive(Debug, Default)]
struct Walk {
    /// Each `use` that is being followed: module, number, whether it is a `*`.
    following: BTreeSet<(usize, usize, bool)>,
    /// Whether one led to nothing that is known.
    lost: bool,
}

/// The names of one crate.
#[derive(Default)]
pub(super) struct Names<'s> {
    modules: Vec<Module>,
    pub(super) named: Vec<Named<'s>>,
}

impl<'s> Names<'s> {
    pub(super) fn new() -> Self {
        Self { modules: vec![Module::default()], named: Vec::new() }
    }

    /// The module of that path; it and those above it are made where they are not there.
    pub(super) fn module(&mut self, path: &[String]) -> usize {
        if let Some(at) = self.modules.iter().position(|module| module.path == path) {
            return at;
        }
        let Some((name, above)) = path.split_last() else { return 0 };
        let parent = self.module(above);
        let at = self.modules.len();
        self.modules.push(Module { path: path.to_vec(), parent, ..Module::default() });
        self.declare(parent, name, Entity::Module(at));
        at
    }

    pub(super) fn declare(&mut self, module: usize, name: &str, entity: Entity) {
        self.modules[module].declared.entry(name.to_owned()).or_default().push(entity);
    }

    /// A type or a trait that a module declares.
    pub(super) fn add(&mut self, named: Named<'s>) {
        let entity = Entity::Named(self.named.len());
        self.declare(named.module, &named.name, entity);
        self.named.push(named);
    }

    /// Notes a `use`.
    pub(super) fn bring(&mut self, module: usize, item: &syn::ItemUse) {
        let scope = &mut self.modules[module];
        for (name, path) in brought(item) {
            match name {
                Some(name) => scope.brought.push((name, path)),
                None => scope.globs.push(path),
            }
        }
    }

    /// What a path in a module means. A first part that is empty is a leading `::`.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Found {
        let mut walk = Walk::default();
        let mut found = self.follow(module, path, &mut walk);
        found.unknown |= walk.lost;
        found
    }

    fn follow(&self, module: usize, path: &[String], walk: &mut Walk) -> Found {
        let mut found = Found::default();
        let Some((first, rest)) = path.split_first() else { return found };
        let mut now: BTreeSet<Entity> = match first.as_str() {
            "" => return Found::foreign(rest),
            "crate" => [Entity::Module(0)].into(),
            "self" => [Entity::Module(module)].into(),
            "super" => [Entity::Module(self.modules[module].parent)].into(),
            name => self.find(module, name, walk),
        };
        if now.is_empty() {
            if is_prelude(first) || !rest.is_empty() && first.starts_with(char::is_lowercase) {
                return Found::foreign(path);
            }
            found.unknown = true;
            return found;
        }
        for (at, name) in rest.iter().enumerate() {
            let mut next = BTreeSet::new();
            for entity in now {
                match entity {
                    Entity::Module(of) if name == "super" => {
                        next.insert(Entity::Module(self.modules[of].parent));
                    }
                    Entity::Module(of) => next.extend(self.find(of, name, walk)),
                    Entity::Named(of) if at + 1 == rest.len() => {
                        found.member = Some((of, name.clone()));
                    }
                    Entity::Foreign(mut path) => {
                        path.push(name.clone());
                        next.insert(Entity::Foreign(path));
                    }
                    Entity::Named(_) => found.unknown = true,
                    Entity::Function(_) => {}
                }
            }
            if next.is_empty() && found.member.is_none() {
                found.unknown = true;
                return found;
            }
            now = next;
        }
        found.entities = now;
        found
    }

    /// What a module calls by that name: its own, what it brings in, and what a `*` does.
    fn find(&self, module: usize, name: &str, walk: &mut Walk) -> BTreeSet<Entity> {
        let scope = &self.modules[module];
        let declared = scope.declared.get(name).into_iter().flatten();
        let mut found: BTreeSet<Entity> = declared.cloned().collect();
        let brought = scope.brought.iter().enumerate();
        for (at, (_, path)) in brought.filter(|(_, (brought, _))| brought == name) {
            // What a `use` brings in is not what its own path begins with.
            if !walk.following.insert((module, at, false)) {
                continue;
            }
            let there = self.follow(module, path, walk);
            walk.following.remove(&(module, at, false));
            if let ([one], true) = (path.as_slice(), there.entities.is_empty()) {
                // `use toml;`
                found.insert(Entity::Foreign(vec![one.clone()]));
            } else {
                walk.lost |= there.unknown;
                found.extend(there.entities);
            }
        }
        if found.is_empty() {
            for (at, path) in scope.globs.iter().enumerate() {
                if !walk.following.insert((module, at, true)) {
                    continue;
                }
                for entity in self.follow(module, path, walk).entities {
                    if let Entity::Module(of) = entity {
                        found.extend(self.find(of, name, walk));
                    }
                }
                walk.following.remove(&(module, at, true));
            }
        }
        found
    }

    /// The types and traits of the crate that a value of this type may be asked for functions of:
    /// the type itself, or, for a type of another crate, what it is made for and may give out
    /// (`Arc<T>`, `MutexGuard<'_, T>`). `None` where that cannot be told.
    pub(super) fn types(
        &self,
        module: usize,
        own: Option<usize>,
        ty: &syn::Type,
    ) -> Option<BTreeSet<usize>> {
        match ty {
            syn::Type::Reference(it) => self.types(module, own, &it.elem),
            syn::Type::Paren(it) => self.types(module, own, &it.elem),
            syn::Type::Group(it) => self.types(module, own, &it.elem),
            syn::Type::Slice(it) => self.types(module, own, &it.elem),
            syn::Type::Array(it) => self.types(module, own, &it.elem),
            syn::Type::Tuple(it) => {
                let parts = it.elems.iter().map(|part| self.types(module, own, part));
                parts.collect::<Option<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
            }
            syn::Type::TraitObject(it) => self.bounds(module, &it.bounds),
            syn::Type::ImplTrait(it) => self.bounds(module, &it.bounds),
            syn::Type::Path(it) if it.qself.is_none() => {
                if it.path.is_ident("Self") {
                    return own.map(|own| BTreeSet::from([own]));
                }
                let found = self.resolve(module, &segments(&it.path));
                if found.unknown || found.member.is_some() || found.entities.is_empty() {
                    return None;
                }
                let mut all = BTreeSet::new();
                for entity in found.entities {
                    match entity {
                        Entity::Named(at) => match self.named[at].kind {
                            Kind::Alias(ty) => {
                                all.extend(self.types(self.named[at].module, None, ty)?);
                            }
                            Kind::Type | Kind::Trait => drop(all.insert(at)),
                        },
                        Entity::Foreign(_) => all.extend(self.arguments(module, own, &it.path)?),
                        Entity::Module(_) | Entity::Function(_) => {}
                    }
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// The types between the angle brackets of a type of another crate.
    fn arguments(
        &self,
        module: usize,
        own: Option<usize>,
        path: &syn::Path,
    ) -> Option<BTreeSet<usize>> {
        let mut all = BTreeSet::new();
        for segment in &path.segments {
            let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
                continue;
            };
            for argument in &arguments.args {
                match argument {
                    syn::GenericArgument::Type(ty) => all.extend(self.types(module, own, ty)?),
                    syn::GenericArgument::AssocType(it) => {
                        all.extend(self.types(module, own, &it.ty)?);
                    }
                    _ => {}
                }
            }
        }
        Some(all)
    }

    fn bounds(
        &self,
        module: usize,
        bounds: &syn::punctuated::Punctuated<syn::TypeParamBound, syn::Token![+]>,
    ) -> Option<BTreeSet<usize>> {
        let mut all = BTreeSet::new();
        for bound in bounds {
            let syn::TypeParamBound::Trait(bound) = bound else { continue };
            let found = self.resolve(module, &segments(&bound.path));
            if found.unknown {
                return None;
            }
            for entity in found.entities {
                match entity {
                    Entity::Named(at) => drop(all.insert(at)),
                    Entity::Foreign(_) => all.extend(self.arguments(module, None, &bound.path)?),
                    Entity::Module(_) | Entity::Function(_) => {}
                }
            }
        }
        Some(all)
    }

    /// The one type or trait of the crate that a path, or another name for it, stands for.
    pub(super) fn one(&self, module: usize, ty: &syn::Type) -> Option<usize> {
        let syn::Type::Path(path) = ty else { return None };
        let found = self.resolve(module, &segments(&path.path));
        let named = found.entities.iter().filter_map(|entity| match entity {
            Entity::Named(at) => Some(*at),
            _ => None,
        });
        let [at] = named.collect::<Vec<_>>()[..] else { return None };
        match self.named[at].kind {
            Kind::Alias(ty) => self.one(self.named[at].module, ty),
            Kind::Type | Kind::Trait => Some(at),
        }
    }

    /// Whether a type is one of another crate's, by its last name; a reference to it counts.
    pub(super) fn is_foreign(
        &self,
        module: usize,
        ty: &syn::Type,
        of: &str,
        last: &[&str],
    ) -> bool {
        match ty {
            syn::Type::Reference(it) => self.is_foreign(module, &it.elem, of, last),
            syn::Type::Paren(it) => self.is_foreign(module, &it.elem, of, last),
            syn::Type::Path(it) if it.qself.is_none() => {
                let found = self.resolve(module, &segments(&it.path));
                !found.unknown
                    && found.entities.len() == 1
                    && found.entities.iter().all(|entity| {
                        matches!(entity, Entity::Foreign(path)
                            if path[0] == of && path.last().is_some_and(|it| last.contains(&&**it)))
                    })
            }
            _ => false,
        }
    }
}

impl Found {
    fn foreign(path: &[String]) -> Self {
        let entities = [Entity::Foreign(path.to_vec())].into();
        Self { entities, ..Self::default() }
    }
}

/// Each name that a `use` brings in, with its path; no name for a `*`.
pub(super) fn brought(item: &syn::ItemUse) -> Vec<(Option<String>, Vec<String>)> {
    let leading = item.leading_colon.map(|_| String::new());
    let mut all = Vec::new();
    brought_by(&item.tree, leading.into_iter().collect(), &mut all);
    all
}

fn brought_by(
    tree: &syn::UseTree,
    mut path: Vec<String>,
    into: &mut Vec<(Option<String>, Vec<String>)>,
) {
    match tree {
        syn::UseTree::Path(it) => {
            path.push(it.ident.to_string());
            brought_by(&it.tree, path, into);
        }
        syn::UseTree::Name(it) if it.ident == "self" => into.push((path.last().cloned(), path)),
        syn::UseTree::Name(it) => {
            path.push(it.ident.to_string());
            into.push((Some(it.ident.to_string()), path));
        }
        syn::UseTree::Rename(it) => {
            if it.ident != "self" {
                path.push(it.ident.to_string());
            }
            into.push((Some(it.rename.to_string()), path));
        }
        syn::UseTree::Glob(_) => into.push((None, path)),
        syn::UseTree::Group(it) => {
            it.items.iter().for_each(|tree| brought_by(tree, path.clone(), into));
        }
    }
}

fn is_prelude(name: &str) -> bool {
    PRELUDE.contains(&name) || PRELUDE_SMALL.contains(&name)
}

/// The parts of a path; a leading `::` is an empty one.
pub(super) fn segments(path: &syn::Path) -> Vec<String> {
    let leading = path.leading_colon.map(|_| String::new());
    leading.into_iter().chain(path.segments.iter().map(|it| it.ident.to_string())).collect()
}

/// The path of the module that a file is: `crates/a/src/b/mod.rs` is `b`.
pub(super) fn module_of(source: &Source) -> Vec<String> {
    let inner = source.name.split_once("/src/").map_or(&*source.name, |(_, inner)| inner);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut path: Vec<String> = inner.split('/').map(ToOwned::to_owned).collect();
    if path.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        path.pop();
    }
    path
}
