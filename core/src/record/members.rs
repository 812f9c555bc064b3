//! The members of a line that stand after its beginning.

use std::borrow::Cow;

use super::line::Object;
use super::{Circumstances, Level, MAX_REST, Question};
use crate::decide::{Application, Fault};
use crate::verdict::{Case, Finding, Node, Verdict};

/// More cases are too long, whatever is in them.
const MAX_CASES: usize = 100;

/// How much is written: what makes a line too long goes first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Whole,
    /// Without the cases, and with the first names only.
    Least,
}

impl Detail {
    pub(super) fn names(self) -> usize {
        if self == Self::Whole { 32 } else { 4 }
    }

    pub(super) fn text(self) -> usize {
        if self == Self::Whole { 5000 } else { 300 }
    }
}

/// Writes them, all of them where they fit.
pub(super) fn write(
    object: &mut Object,
    question: Option<&Question<'_>>,
    verdict: &Verdict,
    circumstances: &Circumstances<'_>,
) {
    let before = object.len();
    if verdict.trace().cases.len() <= MAX_CASES {
        write_so(object, question, verdict, circumstances, Detail::Whole);
        if object.len() - before <= MAX_REST {
            return;
        }
        object.truncate(before);
    }
    write_so(object, question, verdict, circumstances, Detail::Least);
}

fn write_so(
    object: &mut Object,
    question: Option<&Question<'_>>,
    verdict: &Verdict,
    circumstances: &Circumstances<'_>,
    detail: Detail,
) {
    if let Some(question) = question {
        question.write(object, detail);
    }
    object.object("native", |object| native(object, circumstances.native, detail));
    if let Some(anchor) = circumstances.anchor {
        object.object("anchor", |object| {
            object.text_within("subject", anchor.subject, detail.text());
            object.shown("key", &anchor.key, usize::MAX);
        });
    }
    object.text(
        "level",
        match circumstances.level {
            Level::Handshake => "handshake",
            Level::Store => "store",
        },
    );
    match detail {
        Detail::Whole => object.list("cases", |object| {
            verdict.trace().cases.iter().for_each(|one| object.item(|object| case(object, one)));
        }),
        Detail::Least => object.flag("cut", true),
    }
    object.number("uid", circumstances.uid.into());
    object.number("pid", circumstances.pid.into());
    if let Some(policy) = circumstances.policy {
        object.text_within("policy", policy, detail.text());
    }
}

fn native(object: &mut Object, application: &Application, detail: Detail) {
    let says = match application {
        Application::NotAsked => "not-asked",
        Application::Accepts => "accepts",
        Application::Refuses { .. } => "refuses",
        Application::RuledOut(_) => "ruled-out",
    };
    object.text("says", says);
    match application {
        Application::NotAsked | Application::Accepts => {}
        Application::Refuses { faults, why } => {
            object.list("faults", |list| {
                faults.iter().take(detail.names()).for_each(|one| list.item_text(&fault(one)));
            });
            object.text_within("why", why, detail.text());
        }
        Application::RuledOut(reason) => object.shown("why", reason, detail.text()),
    }
}

fn fault(fault: &Fault) -> Cow<'static, str> {
    match fault {
        Fault::NoTrustedPath => "no-trusted-path".into(),
        Fault::Expired => "expired".into(),
        Fault::NameMismatch => "name-mismatch".into(),
        Fault::Other(text) => {
            format!("other: {}", text.chars().take(100).collect::<String>()).into()
        }
    }
}

fn case(object: &mut Object, case: &Case) {
    object.text("peer", &case.peer);
    object.text("protocol", &case.protocol);
    object.text("rule", &case.rule);
    object.flag("accepted", case.accepted);
    object.flag("monitored", case.monitored);
    object.list("authorities", |object| authorities(object, &case.accept));
}

fn authorities(object: &mut Object, node: &Node) {
    match node {
        Node::AtLeast { of, .. } => of.iter().for_each(|operand| authorities(object, operand)),
        Node::Authority { name, finding } => object.item(|object| {
            let (word, text) = match finding {
                Finding::Vouches(text) => ("vouches", &**text),
                Finding::Silent(text) => ("silent", &**text),
                Finding::NotAsked => ("not asked", ""),
            };
            object.text("name", name);
            object.text("found", word);
            if !text.is_empty() {
                object.text("why", text);
            }
        }),
    }
}
