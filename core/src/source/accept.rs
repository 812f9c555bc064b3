//! `accept`: which authorities must vouch.

use std::collections::HashMap;

use toml::de::DeValue;

use super::diagnostic::{Sink, did_you_mean};
use super::field::{Table, Value};
use super::text::At;
use crate::policy::Accept;

/// How deep an expression may nest. (Every level is an inline table and a list, and TOML readers
/// stop at a depth of their own, of 80.)
const DEPTH: usize = 32;

/// The authorities by name.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    pub(super) fn insert(&mut self, name: &str, index: usize) {
        self.0.insert(name.to_owned(), index);
    }

    /// The number of an authority; one that is not there is reported.
    pub(super) fn find(&self, name: &str, at: At<'_>, sink: &mut Sink) -> Option<usize> {
        if let Some(index) = self.0.get(name) {
            return Some(*index);
        }
        if !sink.incomplete {
            let mut names: Vec<_> = self.0.keys().map(String::as_str).collect();
            names.sort_unstable();
            let hint = did_you_mean(name, names)
                .unwrap_or_else(|| format!("define it: [authority.{name}]"));
            sink.error(at.says(format!("there is no authority \"{name}\"")).hint(hint));
        }
        None
    }
}

/// Reads an expression; None where it is wrong, and has been reported.
pub(super) fn read(value: Value<'_>, names: &Names, sink: &mut Sink) -> Option<Accept> {
    expression(value, names, sink, 0)
}

const FORMS: &str =
    "write { any = […] }, { all = […] } or { at-least = 2, of = […] } with names of authorities";

fn expression(value: Value<'_>, names: &Names, sink: &mut Sink, depth: usize) -> Option<Accept> {
    let at = value.at();
    if depth > DEPTH {
        sink.error(at.says(format!("accept is nested more than {DEPTH} deep")));
        return None;
    }
    match value.inner() {
        DeValue::String(_) => {
            let name = value.string(sink, "the name of an authority")?;
            names.find(name, at, sink).map(Accept::Authority)
        }
        DeValue::Table(_) => {
            let table = value.table(sink, "accept")?;
            combination(&table, names, sink, depth)
        }
        _ => {
            sink.error(at.says("this is no expression of authorities").hint(FORMS));
            None
        }
    }
}

fn combination(table: &Table<'_>, names: &Names, sink: &mut Sink, depth: usize) -> Option<Accept> {
    table.only(sink, &["any", "all", "at-least", "of"]);
    let forms = ["any", "all", "at-least"].into_iter().filter(|form| table.has(form));
    let forms: Vec<_> = forms.collect();
    let [form] = forms[..] else {
        let message = match forms.len() {
            0 if table.has("of") => "\"of\" needs \"at-least\"".into(),
            0 => "an expression of authorities has neither any, all nor at-least".into(),
            _ => format!("{} cannot stand side by side", forms.join(" and ")),
        };
        sink.error(table.at().says(message).hint(FORMS));
        return None;
    };
    if form == "at-least" {
        return at_least(table, names, sink, depth);
    }
    if table.has("of") {
        let message = format!("\"of\" goes with at-least, not with {form}");
        sink.error(table.key_at("of").says(message).hint(FORMS));
        return None;
    }
    let of = operands(table.get(form)?, form, names, sink, depth)?;
    Some(if form == "any" { Accept::Any(of) } else { Accept::All(of) })
}

fn at_least(table: &Table<'_>, names: &Names, sink: &mut Sink, depth: usize) -> Option<Accept> {
    let of = table.require(sink, "of", "write { at-least = 2, of = […] }");
    let (of, count) = (of?, table.get("at-least")?);
    let total = of.list(sink, "of")?.len();
    let of = operands(of, "of", names, sink, depth);
    let number = match count.inner() {
        DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    match number {
        Some(number) if (1..=total).contains(&number) => Some(Accept::AtLeast(number, of?)),
        _ => {
            let message = format!("at-least is no number from 1 to {total}, as many as \"of\" has");
            sink.error(count.at().says(message));
            None
        }
    }
}

fn operands(
    value: Value<'_>,
    form: &str,
    names: &Names,
    sink: &mut Sink,
    depth: usize,
) -> Option<Vec<Accept>> {
    let items = value.list(sink, form)?;
    let total = items.len();
    let mut operands: Vec<Accept> = Vec::with_capacity(total);
    for item in items {
        let Some(operand) = expression(item, names, sink, depth + 1) else { continue };
        // One that counts twice would make `at-least` mean less than it says.
        if operands.contains(&operand) {
            let message = format!("{form} has this twice");
            sink.error(item.at().says(message).hint("take one out"));
            continue;
        }
        operands.push(operand);
    }
    (operands.len() == total).then_some(operands)
}
