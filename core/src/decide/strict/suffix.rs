//! Public suffixes: the domains below which registries give out names.

/// The rules of publicsuffix.org's section "ICANN DOMAINS" of two labels or more, as A-labels, sorted
/// by their bytes (under the MPL 2.0, like the list they come from). As text they are 68 kB, as code
/// (the crate `psl`) 750. A test makes the file anew.
const RULES: &str = include_str!("icann-suffixes.txt");

/// Whether names directly below the domain are given out by a registry: a top-level domain, one on
/// the list, or one below which every domain is on the list.
pub fn is_public(domain: &str) -> bool {
    let Some((_, above)) = domain.split_once('.') else { return true };
    let by_wildcard = || is_rule(&format!("*.{above}")) && !is_rule(&format!("!{domain}"));
    is_rule(domain) || is_rule(&format!("*.{domain}")) || by_wildcard()
}

fn is_rule(rule: &str) -> bool {
    let (mut low, mut high) = (0, RULES.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = RULES[..middle].rfind('\n').map_or(0, |i| i + 1);
        let end = RULES[middle..].find('\n').map_or(RULES.len(), |i| middle + i);
        match RULES[start..end].cmp(rule) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn registries_domains_are_public_and_what_they_give_out_is_not() {
        let public = ["com", "co.uk", "kawasaki.jp", "x.kawasaki.jp", "foo.ck", "example"];
        let private = ["example.com", "www.ck", "city.kawasaki.jp", "github.io", "a.co.uk"];
        public.iter().for_each(|domain| assert!(is_public(domain), "{domain}"));
        private.iter().for_each(|domain| assert!(!is_public(domain), "{domain}"));
        assert!(is_public("xn--0trq7p7nn.jp"), "an A-label");
        assert!(is_public(RULES.lines().last().unwrap()));
    }

    /// The list of the crate `psl`, which is updated with publicsuffix.org. To take a newer one over:
    /// `cargo update -p psl`, and run this test with PEERKEY_BLESS=1.
    #[test]
    fn the_list_is_complete() {
        let rules = std::fs::read_to_string(psl_folder().join("data/rules.txt")).unwrap();
        let icann = |rule: &&str| {
            let probe = rule.trim_start_matches('!').replace('*', "x");
            psl::suffix(probe.as_bytes()).is_some_and(|s| s.typ() == Some(psl::Type::Icann))
        };
        let rules = rules.lines().filter(|rule| rule.contains('.')).filter(icann);
        let rules: BTreeSet<String> = rules.map(a_labels).collect();
        let made = rules.into_iter().collect::<Vec<_>>().join("\n") + "\n";
        if std::env::var_os("PEERKEY_BLESS").is_some() {
            let own = Path::new(env!("CARGO_MANIFEST_DIR"));
            std::fs::write(own.join("src/decide/strict/icann-suffixes.txt"), made).unwrap();
        } else {
            assert!(made == RULES, "icann-suffixes.txt is not the list of psl");
        }
    }

    fn a_labels(rule: &str) -> String {
        let (mark, name) = match rule.strip_prefix('!') {
            Some(name) => ("!", name),
            None => rule.strip_prefix("*.").map_or(("", rule), |name| ("*.", name)),
        };
        format!("{mark}{}", idna::domain_to_ascii(name).unwrap())
    }

    fn psl_folder() -> PathBuf {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        // What other platforms need may never have been downloaded.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let metadata = std::process::Command::new(cargo)
            .args(["metadata", "--format-version=1", "--offline", "--filter-platform", &platform])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let metadata = String::from_utf8(metadata.stdout).unwrap();
        let paths = metadata.split('"').filter(|part| part.ends_with("/Cargo.toml"));
        let mut own = paths.map(Path::new).filter_map(Path::parent);
        let is_psl = |folder: &&Path| folder.file_name().is_some_and(is_psl_release);
        own.find(is_psl).unwrap().to_owned()
    }

    fn is_psl_release(name: &std::ffi::OsStr) -> bool {
        let version = name.to_str().and_then(|name| name.strip_prefix("psl-"));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    }
}
