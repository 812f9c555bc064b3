//! The linker script: one section before all other code, for functions by their names.

use std::collections::BTreeSet;

const HEAD: &str =
    "/* What runs in every process lies together: `make layout` writes this (tests/docs/speed.md).
   Names that are not there do no harm. */
SECTIONS
{
  .text.first :
  {
";
const END: &str = "  }
}
INSERT BEFORE .text;
";

/// For what each of these runs executed; what the first one did comes first.
pub(crate) fn of(runs: &[BTreeSet<&str>]) -> String {
    let (mut script, mut known) = (HEAD.to_owned(), BTreeSet::new());
    for names in runs {
        let patterns: BTreeSet<_> = names.iter().map(|name| pattern(name)).collect();
        for name in patterns.difference(&known) {
            // What is thought to run rarely has a section of the other kind.
            script.push_str(&format!("    *(.text.{name} .text.unlikely.{name})\n"));
        }
        known.extend(patterns);
    }
    script + END
}

/// The name without what another compiler would make of it: Rust's mangled names hold hashes (legacy: `17h`
/// and 16 digits before the `E`; v0: `Cs`, base 62 and `_`, RFC 2603), and LLVM numbers what would be there twice.
fn pattern(name: &str) -> String {
    let legacy = |at: usize| {
        let digits = name.get(at + 3..at + 19)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(at)
    };
    if let Some(at) = name.rfind("17h").and_then(legacy).filter(|_| name.starts_with("_ZN")) {
        return format!("{}17h*", &name[..at]);
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    if let Some((unnumbered, number)) = name.rsplit_once('.')
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        return format!("{}.*", pattern(unnumbered));
    }
    let mut parts = name.split("Cs");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let hash =
            part.find('_').filter(|end| part[..*end].bytes().all(|b| b.is_ascii_alphanumeric()));
        match hash {
            Some(end) => format!("{done}Cs*{}", &part[end..]),
            None => format!("{done}Cs{part}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_every_compiler() {
        for (name, expected) in [
            ("sqlite3Select", "sqlite3Select"),
            ("whereScan17hInit.isra.0", "whereScan17hInit.isra.0"),
            ("_ZN4core3fmt5write17h9b30b3242dc7c392E.llvm.7", "_ZN4core3fmt5write17h*"),
            ("_RNvNtCsgEmfK2I1SDS_4core3fmt5write", "_RNvNtCs*_4core3fmt5write"),
            ("_RNvCsa_3CsxNtCsb_1y", "_RNvCs*_3CsxNtCs*_1y"),
            ("_RNvNtCsgEmfK2I1SDS_4core3fmt5write.2661", "_RNvNtCs*_4core3fmt5write.*"),
        ] {
            assert_eq!(pattern(name), expected);
        }
    }

    #[test]
    fn what_runs_first_comes_first_and_once() {
        let script = of(&[BTreeSet::from(["z", "b"]), BTreeSet::from(["a", "b"])]);
        let places = |name: &str| -> Vec<_> {
            script.match_indices(&format!("*(.text.{name} ")).map(|(at, _)| at).collect()
        };
        let [a, b, z] = ["a", "b", "z"].map(places);
        assert!(b < z && z < a && b.len() == 1, "{script}");
    }
}
