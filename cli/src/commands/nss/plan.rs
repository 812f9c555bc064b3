//! `nss plan`: how NSS will see each thing that the policy says.

use std::io;

use peerkey_core::nss::{About, How, Line, Plan};
use serde_json::{Value, json};

use super::planned;
use crate::args::Global;
use crate::commands::{FINE, NO, NO_ANSWER, no_result};
use crate::render::{BAD, BOLD, DIM, GOOD, ODD, json, styled};
use crate::screen::Screen;

/// What holds for every plan.
const ALWAYS: &str = "\
NSS builds and checks paths by its own rules, and never says over which protocol or port it asks: servers of
every kind are judged like those of https on its own port, signed mail like smime. Code is never trusted.
";

/// Runs the command.
pub(super) fn run(global: &Global, as_json: bool, screen: &Screen) -> io::Result<u8> {
    let plan = match planned(global, screen) {
        Ok(plan) => plan,
        Err(why) if as_json => return no_result(screen, true, why, NO_ANSWER),
        Err(why) => return Ok(super::no_plan(screen, &why)),
    };
    let is_laxer = plan.lines.iter().any(|line| line.how() == How::Laxer);
    screen.print(&if as_json { json::text(&document(&plan)) } else { text(&plan) })?;
    Ok(if is_laxer { NO } else { FINE })
}

fn text(plan: &Plan) -> String {
    if plan.monitored {
        return "mode = \"monitor\": NSS is told nothing, and decides by itself\n".into();
    }
    let mut out = String::new();
    for line in &plan.lines {
        out.push_str(&line_text(line));
    }
    let number = |how| plan.lines.iter().filter(|line| line.how() == how).count();
    let counts = [How::Exact, How::Stricter, How::Laxer].map(|how| {
        let text = format!("{} {}", number(how), name(how));
        if number(how) > 0 { styled(style(how), text) } else { text }
    });
    let roots = match plan.objects.closed {
        true => "Roots that no authority names vouch for nobody.\n",
        false => "Roots that programs have by themselves stay, but for what is said above.\n",
    };
    out + "\n" + &styled(DIM, format_args!("{roots}{ALWAYS}")) + &counts.join(", ") + "\n"
}

fn line_text(line: &Line) -> String {
    let how = line.how();
    let word = styled(style(how), format_args!("{:8}", name(how).to_uppercase()));
    let what = match line.about {
        About::Default => styled(BOLD, "[default]"),
        about => format!("{} {}", kind(about), styled(BOLD, &line.what)),
    };
    let place = match line.place.as_str() {
        "" => String::new(),
        place => styled(DIM, format_args!("  ({place})")),
    };
    let mut out = format!("{word}  {what}{place}\n");
    let mut item = |label: &str, text: &str| out.push_str(&format!("{:10}{label}: {text}\n", ""));
    line.stricter.iter().for_each(|what| item("stricter", what));
    for laxer in &line.laxer {
        item("laxer", &laxer.what);
        item("remedy", &laxer.remedy);
    }
    line.lost_in_firefox.iter().for_each(|what| item("lost in Firefox", what));
    out
}

fn style(how: How) -> anstyle::Style {
    match how {
        How::Exact => GOOD,
        How::Stricter => ODD,
        How::Laxer => BAD,
    }
}

fn name(how: How) -> &'static str {
    match how {
        How::Exact => "exact",
        How::Stricter => "stricter",
        How::Laxer => "laxer",
    }
}

fn kind(about: About) -> &'static str {
    match about {
        About::Rule => "rule",
        About::Default => "default",
        About::Authority => "authority",
        About::Pin => "pin",
        About::Constraint => "constraint",
        About::Denial => "denial",
    }
}

fn document(plan: &Plan) -> Value {
    let line = |line: &Line| {
        let laxer =
            line.laxer.iter().map(|laxer| json!({ "what": laxer.what, "remedy": laxer.remedy }));
        json!({
            "kind": kind(line.about),
            "what": line.what,
            "place": line.place,
            "how": name(line.how()),
            "stricter": line.stricter,
            "laxer": laxer.collect::<Vec<_>>(),
            "lost-in-firefox": line.lost_in_firefox,
        })
    };
    json!({
        "version": json::VERSION,
        "monitored": plan.monitored,
        "closed": plan.objects.closed,
        "lines": plan.lines.iter().map(line).collect::<Vec<_>>(),
        "certificates": plan.objects.certificates.len(),
        "overrides": plan.overrides.len(),
    })
}
