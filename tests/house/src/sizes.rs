//! Sizes: a room stops at 400 lines, a function at 60, and a room says what
//! it is.
//!
//! Test code and generated folders are exempt from the two limits, and a
//! function is measured between its braces. Every room opens with `//!`
//! (`tests.rs` excepted), and none is called `mod.rs`.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, Ident, Item};

use crate::Finding;
use crate::source::{Room, attributes, is_test};
use crate::workspace::Workspace;

const RULE: &str = "sizes";
const ROOM_LIMIT: usize = 400;
const FUNCTION_LIMIT: usize = 60;

/// Finds long rooms, long functions, `mod.rs` and rooms without a word.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let rooms = workspace.crates.iter().flat_map(|member| &member.rooms);
    rooms
        .filter(|room| !room.is_generated())
        .flat_map(measure)
        .collect()
}

fn measure(room: &Room) -> Vec<Finding> {
    let place = room.path.display().to_string();
    let mut sentences = Vec::new();
    if room.within.ends_with("mod.rs") {
        sentences.push("is called mod.rs; put foo.rs beside the folder foo".to_owned());
    }
    let test_folder = room.is_in("src") && room.is_in("tests");
    if !is_documented(room) && !room.within.ends_with("tests.rs") && !test_folder {
        sentences.push("does not open with `//!`; say what the room is and never does".to_owned());
    }
    if !room.is_test() {
        let lines = product_lines(room);
        if lines > ROOM_LIMIT {
            sentences.push(format!(
                "has {lines} lines, and a room stops at {ROOM_LIMIT}; split it by noun"
            ));
        }
        let mut functions = Functions { long: Vec::new() };
        functions.visit_file(&room.syntax);
        sentences.extend(functions.long);
    }
    let findings = sentences.into_iter();
    findings
        .map(|sentence| Finding::new(RULE, &place, sentence))
        .collect()
}

fn is_documented(room: &Room) -> bool {
    let mut attributes = room.syntax.attrs.iter();
    attributes.any(|attribute| attribute.path().is_ident("doc"))
}

/// Lines of the file without its test modules.
fn product_lines(room: &Room) -> usize {
    let tests = room
        .syntax
        .items
        .iter()
        .filter(|item| is_test(attributes(item)));
    let test_lines: usize = tests.map(|item| lines(item.span())).sum();
    room.text.lines().count().saturating_sub(test_lines)
}

fn lines(span: Span) -> usize {
    (span.end().line + 1).saturating_sub(span.start().line)
}

struct Functions {
    long: Vec<String>,
}

impl Functions {
    fn measure(&mut self, name: &Ident, body: &Block) {
        let braces = body.brace_token.span;
        let between = braces
            .close()
            .start()
            .line
            .saturating_sub(braces.open().start().line + 1);
        if between > FUNCTION_LIMIT {
            self.long.push(format!(
                "the function {name} has {between} lines, and a function stops at {FUNCTION_LIMIT}"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            self.measure(&function.sig.ident, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
