//! Scopes: what each module of a file declares, imports and mentions.
//!
//! A file is one scope, and every inline module in it another. Paths are kept
//! as written, as lists of names; who they lead to is decided elsewhere. Test
//! code is left out. Tokens inside macro calls are searched for paths too, so
//! that nothing hides in a `format!`.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, UseTree, Visibility};

use crate::source::{attributes, is_test};

/// One module's own names and the names it uses.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The inline modules it lies in, outermost first; empty for the file.
    pub inside: Vec<String>,
    /// The types, functions, constants and macros that it defines.
    pub items: BTreeSet<String>,
    /// Modules in files of their own, with the `#[path]` they have, if any.
    pub files: Vec<(String, Option<String>)>,
    /// What its `use` declarations bring in.
    pub imports: Vec<Import>,
    /// Paths in its code.
    pub mentions: BTreeSet<Vec<String>>,
}

/// One name brought in by a `use` declaration.
#[derive(Clone, Debug)]
pub struct Import {
    /// Where it leads, as written.
    pub path: Vec<String>,
    /// The name in this module; none for a glob.
    pub name: Option<String>,
    /// Whether others can see it from here.
    pub reexport: bool,
}

/// The scopes of a file: the file's own first.
#[must_use]
pub fn scopes(file: &syn::File) -> Vec<Scope> {
    let mut reader = Reader {
        open: vec![Scope::default()],
        closed: Vec::new(),
    };
    for item in &file.items {
        reader.visit_item(item);
    }
    reader.open.into_iter().chain(reader.closed).collect()
}

struct Reader {
    open: Vec<Scope>,
    closed: Vec<Scope>,
}

impl Reader {
    fn with(&mut self, change: impl FnOnce(&mut Scope)) {
        if let Some(scope) = self.open.last_mut() {
            change(scope);
        }
    }

    fn mention(&mut self, path: Vec<String>) {
        self.with(|scope| {
            scope.mentions.insert(path);
        });
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        if let Some(name) = defined(item) {
            self.with(|scope| {
                scope.items.insert(name);
            });
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        let Some((_, items)) = &module.content else {
            let path = explicit_path(module);
            self.with(|scope| scope.files.push((name, path)));
            return;
        };
        let mut inside: Vec<String> = Vec::new();
        self.with(|scope| inside.clone_from(&scope.inside));
        inside.push(name);
        self.open.push(Scope {
            inside,
            ..Scope::default()
        });
        for item in items {
            self.visit_item(item);
        }
        self.closed.extend(self.open.pop());
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let reexport = !matches!(item.vis, Visibility::Inherited);
        let mut imports = Vec::new();
        flatten(&item.tree, &mut Vec::new(), reexport, &mut imports);
        self.with(|scope| scope.imports.append(&mut imports));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        let names: Vec<String> = names.collect();
        // A lone lower-case name is a variable, unless it is called.
        if names.len() > 1
            || names
                .iter()
                .any(|name| name.starts_with(char::is_uppercase))
        {
            self.mention(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = call.func.as_ref()
            && let Some(name) = function.path.get_ident()
        {
            self.mention(vec![name.to_string()]);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut paths = Vec::new();
        search(call.tokens.clone(), &mut paths);
        for path in paths {
            self.mention(path);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// The name by which other code can find this item.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn explicit_path(module: &ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| {
        let pair = attribute.meta.require_name_value().ok()?;
        let syn::Expr::Lit(value) = &pair.value else {
            return None;
        };
        match &value.lit {
            syn::Lit::Str(text) if pair.path.is_ident("path") => Some(text.value()),
            _ => None,
        }
    })
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, reexport: bool, out: &mut Vec<Import>) {
    let leaf = |prefix: &[String], last: Option<String>, name: Option<String>| {
        let mut path = prefix.to_vec();
        // `use a::b::{self}` names the module `b` itself.
        path.extend(last.filter(|last| last != "self"));
        let name = name.map(|name| match path.last() {
            Some(last) if name == "self" => last.clone(),
            _ => name,
        });
        Import {
            path,
            name,
            reexport,
        }
    };
    match tree {
        UseTree::Path(part) => {
            prefix.push(part.ident.to_string());
            flatten(&part.tree, prefix, reexport, out);
            prefix.pop();
        }
        UseTree::Name(part) => {
            let name = part.ident.to_string();
            out.push(leaf(prefix, Some(name.clone()), Some(name)));
        }
        UseTree::Rename(part) => {
            let last = Some(part.ident.to_string());
            out.push(leaf(prefix, last, Some(part.rename.to_string())));
        }
        UseTree::Glob(_) => out.push(leaf(prefix, None, None)),
        UseTree::Group(group) => {
            for part in &group.items {
                flatten(part, prefix, reexport, out);
            }
        }
    }
}

/// Names joined by `::`, and lone names that begin in upper case.
fn search(tokens: TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                path.push(name.to_string());
                colons = 0;
            }
            token => {
                keep(&mut path, paths);
                colons = 0;
                match token {
                    TokenTree::Ident(name) => path.push(name.to_string()),
                    TokenTree::Group(group) => search(group.stream(), paths),
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
        }
    }
    keep(&mut path, paths);
}

fn keep(path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let path = std::mem::take(path);
    if path.len() > 1 || path.iter().any(|name| name.starts_with(char::is_uppercase)) {
        paths.push(path);
    }
}
