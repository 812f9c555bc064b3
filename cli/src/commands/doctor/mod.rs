//! `doctor`: every way in which a machine looks protected and is not.

mod apparmor;
mod check;
mod confinement;
mod elf;
mod environment;
mod nss;
mod openssl;
mod policy;
mod processes;
mod programs;
mod rights;

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use self::check::{Check, Severity};
use self::processes::Seen;
use crate::args::{DoctorArgs, Global};
use crate::openssl_cnf;
use crate::render::tree::Branch;
use crate::render::{BAD, BOLD, DIM, GOOD, ODD, json, styled};
use crate::screen::Screen;

/// Something is not protected.
const UNPROTECTED: u8 = 2;
/// So many things of one kind are shown to people; JSON has them all.
const SHOWN: usize = 12;

/// The machine that is looked at.
struct Machine<'a> {
    global: &'a Global,
    /// The root of the system.
    root: &'a Path,
    /// The openssl.cnf that services read.
    config: PathBuf,
    /// Whether it is this system's own.
    is_usual: bool,
    seen: OnceCell<Seen>,
}

impl Machine<'_> {
    /// A path of the system's, below its root.
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The processes that run.
    fn seen(&self) -> &Seen {
        self.seen.get_or_init(|| processes::look(&self.path("/proc")))
    }
}

type Area = (&'static str, fn(&Machine<'_>) -> Vec<Check>);

/// What is looked at, in this order.
const AREAS: [Area; 8] = [
    ("policy", policy::checks),
    ("files", rights::checks),
    ("openssl", openssl::checks),
    ("environment", environment::checks),
    ("processes", processes::checks),
    ("nss", nss::checks),
    ("confinement", confinement::checks),
    ("programs", programs::checks),
];

/// Runs the command.
pub fn run(global: &Global, args: &DoctorArgs, screen: &Screen) -> io::Result<u8> {
    let system = openssl_cnf::system_file();
    let machine = Machine {
        global,
        root: &args.root,
        config: args
            .config
            .clone()
            .unwrap_or_else(|| args.root.join(system.strip_prefix("/").unwrap_or(&system))),
        is_usual: args.config.is_none() && args.root == Path::new("/"),
        seen: OnceCell::new(),
    };
    let areas: Vec<_> = AREAS.iter().map(|(name, look)| (*name, look(&machine))).collect();
    let all = areas.iter().flat_map(|(_, checks)| checks);
    let worst = all.map(|check| check.severity).max().unwrap_or(Severity::Well);
    screen.print(&match args.json {
        true => json::text(&json!({
            "version": json::VERSION,
            "severity": verdict(worst).name(),
            "checks": areas
                .iter()
                .flat_map(|(area, checks)| checks.iter().map(|check| check.document(area)))
                .collect::<Vec<_>>(),
        })),
        false => text(&areas, screen) + &closing(worst),
    })?;
    Ok(match worst {
        Severity::Well | Severity::Note => super::FINE,
        Severity::Warning => super::NO,
        Severity::Unprotected => UNPROTECTED,
    })
}

/// A note is no fault.
fn verdict(worst: Severity) -> Severity {
    if worst == Severity::Note { Severity::Well } else { worst }
}

fn text(areas: &[(&str, Vec<Check>)], screen: &Screen) -> String {
    let area = |(name, checks): &(&str, Vec<Check>)| {
        let lines = checks.iter().map(branch);
        Branch::new(styled(BOLD, name)).with_all(lines).draw(screen.lines)
    };
    areas.iter().map(area).collect()
}

fn branch(check: &Check) -> Branch {
    let style = match check.severity {
        Severity::Well => GOOD,
        Severity::Note => DIM,
        Severity::Warning => ODD,
        Severity::Unprotected => BAD.bold(),
    };
    let word = styled(style, check.severity.name());
    let line = Branch::new(format!("{word}  {}: {}", check.subject, check.finding));
    let more = check.items.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("and {more} more: --json names them"));
    let items = check.items.iter().take(SHOWN).cloned().chain(more).map(Branch::new);
    let remedy = check.remedy.iter().map(|remedy| Branch::new(format!("do: {remedy}")));
    line.with_all(items).with_all(remedy)
}

fn closing(worst: Severity) -> String {
    let words = match worst {
        Severity::Well | Severity::Note => styled(GOOD, "all is well"),
        Severity::Warning => styled(ODD, "something wants a look"),
        Severity::Unprotected => styled(BAD.bold(), "something is not protected"),
    };
    format!("\n{words}\n")
}
