//! What a program executed, as callgrind writes it (Valgrind manual, "Callgrind Format Specification").

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The functions that were executed, each with the file that it is in.
pub(crate) struct Run(BTreeSet<(String, String)>);

impl Run {
    /// Reads a profile. A name is written once, with a number, and later by this number alone.
    pub(crate) fn read(profile: &str) -> Self {
        let (mut objects, mut functions) = (BTreeMap::new(), BTreeMap::new());
        let (mut object, mut executed) = (String::new(), BTreeSet::new());
        for line in profile.lines() {
            let Some((position, name)) = line.split_once('=') else { continue };
            match position {
                "ob" => object = named(&mut objects, name),
                "cob" => drop(named(&mut objects, name)),
                "cfn" => drop(named(&mut functions, name)),
                "fn" => drop(executed.insert((object.clone(), named(&mut functions, name)))),
                _ => {}
            }
        }
        Self(executed)
    }

    /// The names of those in a library, as the linker knows them.
    pub(crate) fn of(&self, library: &Path) -> BTreeSet<&str> {
        let ours = self.0.iter().filter(move |(object, _)| Path::new(object) == library);
        // What calls itself is told apart by how deep; what has no name is shown by its address.
        let names = ours.map(|(_, name)| name.split('\'').next().unwrap_or(name));
        names.filter(|name| !name.starts_with("0x")).collect()
    }
}

fn named(known: &mut BTreeMap<String, String>, name: &str) -> String {
    match name.split_once(' ') {
        Some((number, name)) => {
            known.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        None => known.get(name).cloned().unwrap_or_else(|| name.to_owned()),
    }
}
