//! peerkey's lines in openssl.cnf: two blocks between marks, and every other octet as it was.
//!
//! OpenSSL joins the pieces of a section (config(5)), so that what is added to a section of the file's can
//! stand at the end. Only what must come before the first section, `openssl_conf`, stands at the beginning.

use crate::library::nconf::Conf;

/// The name of peerkey's provider.
pub const PROVIDER: &str = "peerkey";
const BEGIN: &str = "# peerkey: begin";
const END: &str = "# peerkey: end";
/// In the first mark, where the file's last line had no end.
const OPEN_LINE: &str = "behind a line without an end";
const EXPLAINED: &str = "\"peerkey remove openssl\" takes this out";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What the provider's section is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The module, as OpenSSL is to be told of it.
    pub module: String,
    /// The folder of the policy, where it is not the usual one.
    pub state_dir: Option<String>,
}

/// What a configuration says of providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers {
    /// The section that `openssl_conf` names.
    pub start: Option<String>,
    /// The one that `nodejs_conf` names.
    pub node: Option<String>,
    /// The section with the list.
    pub list: Option<String>,
    /// Names and sections in the list, by name.
    pub listed: Vec<(String, String)>,
    /// The names of those that are activated.
    pub active: Vec<String>,
}

impl Providers {
    /// Reads them as OpenSSL's start does (CONF_modules_load(3), the module `providers`).
    pub fn of(conf: &Conf) -> Self {
        let start = conf.value("default", "openssl_conf");
        let list = start.as_deref().and_then(|start| conf.value(start, "providers"));
        let mut listed = list.as_deref().and_then(|list| conf.section(list)).unwrap_or_default();
        listed.sort();
        let is_active = |(_, section): &&(String, String)| {
            conf.value(section, "activate").is_some_and(|value| is_yes(&value))
        };
        let active = listed.iter().filter(is_active).map(|(name, _)| name.clone()).collect();
        Self { start, node: conf.value("default", "nodejs_conf"), list, listed, active }
    }
}

/// What every version takes for yes. (3.0 takes any value at all, even 0.)
fn is_yes(value: &str) -> bool {
    ["1", "yes", "true", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The file with peerkey's blocks. `text` has none, and `conf` is what OpenSSL reads in it.
pub fn with_blocks(text: &str, conf: &Conf, wish: &Wish) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let providers = Providers::of(conf);
    let (start, list) = (
        providers.start.clone().unwrap_or_else(|| unused(conf, "peerkey_init")),
        providers.list.clone().unwrap_or_else(|| unused(conf, "peerkey_providers")),
    );
    let node = unused(conf, "peerkey_node");
    let mut head = Vec::new();
    if providers.start.is_none() {
        head.push(format!("openssl_conf = {start}"));
    }
    if providers.node.is_none() {
        head.push(format!("nodejs_conf = {node}"));
    }
    let mut tail = Vec::new();
    if providers.list.is_none() {
        tail.extend([format!("[{start}]"), format!("providers = {list}")]);
    }
    if providers.node.is_none() {
        tail.extend([format!("[{node}]"), format!("providers = {list}")]);
    }
    let own = unused(conf, "peerkey_section");
    tail.extend([format!("[{list}]"), format!("{PROVIDER} = {own}")]);
    if providers.active.is_empty() {
        tail.extend(keep_default(conf, &providers));
    }
    tail.extend([format!("[{own}]"), format!("module = {}", escaped(&wish.module))]);
    tail.push("activate = 1".into());
    tail.extend(wish.state_dir.iter().map(|folder| format!("state-dir = {}", escaped(folder))));
    assembled(text, &head, &tail, end)
}

/// With a provider in the list OpenSSL no longer activates the default one by itself, and without that
/// there is no cryptography.
fn keep_default(conf: &Conf, providers: &Providers) -> Vec<String> {
    let named = providers.listed.iter().find(|(name, _)| name == "default");
    let mut lines = Vec::new();
    let section = named.map_or_else(
        || {
            let section = unused(conf, "peerkey_default");
            lines.push(format!("default = {section}"));
            section
        },
        |(_, section)| section.clone(),
    );
    lines.extend([format!("[{section}]"), "activate = 1".into()]);
    lines
}

fn unused(conf: &Conf, name: &str) -> String {
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}_{n}")));
    names.into_iter().find(|name| conf.section(name).is_none()).unwrap_or_default()
}

/// A value in which nothing means more than itself.
fn escaped(value: &str) -> String {
    let special = |c: char| "\\$\"'`#".contains(c);
    value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn assembled(text: &str, head: &[String], tail: &[String], end: &str) -> String {
    let (mark, rest) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => ("", text),
    };
    let is_open = !rest.is_empty() && !rest.ends_with('\n');
    let block = |lines: &[String], note: &str| {
        let begin = format!("{BEGIN}{note} ({EXPLAINED})");
        let lines = [&[begin][..], lines, &[END.to_owned()]].concat();
        lines.iter().map(|line| format!("{line}{end}")).collect::<String>()
    };
    let mut whole = mark.to_owned();
    if !head.is_empty() {
        whole.push_str(&block(head, ""));
    }
    whole.push_str(rest);
    let note = if is_open { format!(", {OPEN_LINE}") } else { String::new() };
    if is_open {
        whole.push_str(end);
    }
    // A last line that ends with \ goes on in an empty one.
    whole.push_str(end);
    whole.push_str(&block(tail, &note));
    whole
}

/// A mark without its other one, and its line from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaired(pub usize);

/// The file without peerkey's blocks, and whether it had any.
pub fn without_blocks(text: &str) -> Result<(String, bool), Unpaired> {
    let (mut kept, mut begins, mut found) = (String::new(), None, false);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let bare = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if bare.starts_with(BEGIN) {
            if begins.replace(number).is_some() {
                return Err(Unpaired(number));
            }
            found = true;
            if bare.len() < line.len() {
                kept.push_str(BYTE_ORDER_MARK);
            }
            // The block at the end brought an empty line, and perhaps an end of the line before.
            if ends_with_empty_line(&kept) {
                drop_end(&mut kept);
                if bare.contains(OPEN_LINE) {
                    drop_end(&mut kept);
                }
            }
        } else if begins.is_none() {
            if bare.starts_with(END) {
                return Err(Unpaired(number));
            }
            kept.push_str(line);
        } else if bare.starts_with(END) {
            begins = None;
        }
    }
    match begins {
        Some(number) => Err(Unpaired(number)),
        None => Ok((kept, found)),
    }
}

fn ends_with_empty_line(text: &str) -> bool {
    let Some(before) = text.strip_suffix('\n') else { return false };
    let before = before.strip_suffix('\r').unwrap_or(before);
    before.is_empty() || before.ends_with('\n')
}

/// Takes one end of a line off.
fn drop_end(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Conf {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Conf::load(file.path()).map_err(|misread| misread.why).unwrap()
    }

    fn edited(text: &str) -> String {
        let wish = Wish { module: "/usr/$LIB/ossl-modules/peerkey.so".into(), state_dir: None };
        with_blocks(text, &read(text), &wish)
    }

    const SHAPES: [(&str, &str); 9] = [
        ("empty", ""),
        ("one line without an end", "HOME = ."),
        (
            "Debian",
            "openssl_conf = init\n[init]\nproviders = list\n[list]\ndefault = d\n[d]\n# activate = 1\n",
        ),
        ("start without a list", "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nx = y\n"),
        (
            "legacy too",
            "openssl_conf=i\n[i]\nproviders=p\n[p]\ndefault=d\nlegacy=l\n[d]\nactivate=1\n[l]\nactivate=1\n",
        ),
        (
            "FIPS",
            "openssl_conf=i\nnodejs_conf=i\n[i]\nproviders=p\n[p]\nfips=f\nbase=b\n[f]\nactivate=1\n[b]\nactivate=1\n",
        ),
        (
            "DOS",
            "openssl_conf = i\r\n[i]\r\nproviders = p\r\n[p]\r\ndefault = d\r\n[d]\r\nactivate = 1\r\n",
        ),
        ("byte order mark", "\u{feff}HOME = .\n[ca]\nx = y\n"),
        ("a line that goes on", "[ca]\nx = y\\"),
    ];

    #[test]
    fn every_shape_keeps_what_it_says_and_gets_peerkey() {
        for (shape, text) in SHAPES {
            let (before, after) = (read(text), read(&edited(text)));
            let (before, after) = (Providers::of(&before), Providers::of(&after));
            let section = after.listed.iter().find(|(name, _)| name == PROVIDER).map(|(_, s)| s);
            let module = read(&edited(text)).value(section.unwrap(), "module");
            assert_eq!(module.as_deref(), Some("/usr/$LIB/ossl-modules/peerkey.so"), "{shape}");
            let mut active = before.active.clone();
            if active.is_empty() {
                active.push("default".into());
            }
            active.push(PROVIDER.into());
            active.sort();
            assert_eq!(after.active, active, "{shape}");
            assert!(after.start.is_some() && after.node.is_some(), "{shape}");
            let node = read(&edited(text)).value(&after.node.unwrap(), "providers");
            assert_eq!(node, after.list, "{shape}");
        }
    }

    #[test]
    fn taken_out_it_is_as_it_was() {
        for (shape, text) in SHAPES {
            let edited = edited(text);
            assert_ne!(edited, text, "{shape}");
            assert_eq!(without_blocks(&edited), Ok((text.to_owned(), true)), "{shape}");
            assert_eq!(without_blocks(text), Ok((text.to_owned(), false)), "{shape}");
        }
    }

    #[test]
    fn what_somebody_wrote_since_stays() {
        let edited = edited("HOME = .\n") + "[mine]\nx = y\n";
        assert_eq!(without_blocks(&edited), Ok(("HOME = .\n[mine]\nx = y\n".into(), true)));
        let closed_up = edited.replace("\n\n", "\n");
        assert_eq!(without_blocks(&closed_up), Ok(("HOME = .\n[mine]\nx = y\n".into(), true)));
    }

    #[test]
    fn half_a_block_is_told_by_its_line() {
        let whole = edited("HOME = .\n");
        let lines: Vec<&str> = whole.lines().collect();
        let without = |from_end: usize| {
            let mut lines = lines.clone();
            lines.remove(lines.len() - from_end);
            lines.join("\n")
        };
        assert_eq!(without_blocks(&without(1)), Err(Unpaired(7)));
        assert!(without_blocks(&without(lines.len() - 3)).is_err());
    }
}
