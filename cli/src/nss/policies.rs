//! peerkey's module in the policies.json by which Firefox and Thunderbird are managed for every user:
//! `policies` / `SecurityDevices` / `Add` (Firefox 114), or by name directly below (before).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::MODULE;
use crate::file::{self, backup_of};
use crate::trouble::Trouble;

/// Where they are, below the root.
pub const FOLDERS: [&str; 2] = ["etc/firefox/policies", "etc/thunderbird/policies"];

/// The module that a policies.json adds.
pub fn state(path: &Path) -> Result<Option<PathBuf>, Trouble> {
    let Some(document) = read(path)? else { return Ok(None) };
    let devices = &document["policies"]["SecurityDevices"];
    let found = devices["Add"][MODULE].as_str().or_else(|| devices[MODULE].as_str());
    Ok(found.map(PathBuf::from))
}

/// Adds the module; what else stands there stays.
pub fn install(path: &Path, library: &Path) -> Result<(), Trouble> {
    let before = file::read(path)?;
    let mut document = read(path)?.unwrap_or_else(|| json!({}));
    let devices = object(&mut document, "policies", path)?;
    let devices = object_in(devices, "SecurityDevices", path)?;
    let is_old =
        !devices.is_empty() && !devices.contains_key("Add") && !devices.contains_key("Delete");
    let place = if is_old { devices } else { object_in(devices, "Add", path)? };
    let library = library.to_str().ok_or_else(|| {
        Trouble::new(format!("the module's path is not UTF-8: {}", library.display()))
    })?;
    place.insert(MODULE.into(), json!(library));
    if let (Some(before), None) = (&before, state(path)?) {
        file::replace(&backup_of(path), before, 0o644)?;
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(|error| Trouble::io("make the folder", folder, &error))?;
    file::replace(path, text(&document).as_bytes(), 0o644)
}

/// Takes the module out. What nobody changed since is put back to the last byte.
pub fn remove(path: &Path) -> Result<(), Trouble> {
    let backup = backup_of(path);
    if state(path)?.is_none() {
        return file::remove(&backup);
    }
    let mut document = read(path)?.unwrap_or_else(|| json!({}));
    without(&mut document);
    match file::read(&backup)? {
        Some(before) if parse(&before).ok().is_some_and(|old| pruned(old) == document) => {
            file::replace(path, &before, 0o644)?;
        }
        None if document == json!({}) => {
            file::remove(path)?;
            // The folders that were made for it, if nothing else is in them.
            for folder in path.ancestors().skip(1).take(2) {
                let _ = fs::remove_dir(folder);
            }
        }
        _ => file::replace(path, text(&document).as_bytes(), 0o644)?,
    }
    file::remove(&backup)
}

/// Takes peerkey out, and what is empty without it.
fn without(document: &mut Value) {
    for place in ["/policies/SecurityDevices/Add", "/policies/SecurityDevices"] {
        if let Some(Value::Object(map)) = document.pointer_mut(place) {
            map.remove(MODULE);
        }
    }
    *document = pruned(document.take());
}

/// Without empty objects on the way to the module.
fn pruned(mut document: Value) -> Value {
    for (above, name) in
        [("/policies/SecurityDevices", "Add"), ("/policies", "SecurityDevices"), ("", "policies")]
    {
        if let Some(Value::Object(map)) = document.pointer_mut(above)
            && map.get(name).is_some_and(|inner| *inner == json!({}))
        {
            map.remove(name);
        }
    }
    document
}

fn object<'d>(
    document: &'d mut Value,
    name: &str,
    path: &Path,
) -> Result<&'d mut Map<String, Value>, Trouble> {
    match document {
        Value::Object(map) => object_in(map, name, path),
        _ => Err(Trouble::new(format!("{} is no JSON object", path.display()))),
    }
}

fn object_in<'d>(
    map: &'d mut Map<String, Value>,
    name: &str,
    path: &Path,
) -> Result<&'d mut Map<String, Value>, Trouble> {
    match map.entry(name).or_insert_with(|| json!({})) {
        Value::Object(map) => Ok(map),
        _ => Err(Trouble::new(format!("in {}, \"{name}\" is no object", path.display()))),
    }
}

fn read(path: &Path) -> Result<Option<Value>, Trouble> {
    let Some(content) = file::read(path)? else { return Ok(None) };
    parse(&content).map(Some).map_err(|error| {
        Trouble::new(format!("{} cannot be read as JSON: {error}", path.display()))
            .hint("put it right; nothing was changed")
    })
}

fn parse(content: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
}

fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_folder(before: Option<&str>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/policies/policies.json");
        if let Some(before) = before {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, before).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn what_was_there_stays_and_comes_back_to_the_last_byte() {
        let before = "{ \"policies\": {\"DisableTelemetry\":true,\n\"SecurityDevices\":{\"Add\":{\"card\":\"/c.so\"}}} }";
        let (_folder, path) = in_folder(Some(before));
        install(&path, Path::new("/p.so")).unwrap();
        install(&path, Path::new("/q.so")).unwrap();
        let with = read(&path).unwrap().unwrap();
        assert_eq!(with["policies"]["DisableTelemetry"], true);
        assert_eq!(with["policies"]["SecurityDevices"]["Add"]["card"], "/c.so");
        assert_eq!(state(&path).unwrap(), Some("/q.so".into()));
        remove(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        assert!(!backup_of(&path).exists());
    }

    #[test]
    fn what_changed_since_is_kept() {
        let (_folder, path) = in_folder(Some("{\"policies\":{\"DisableTelemetry\":true}}"));
        install(&path, Path::new("/p.so")).unwrap();
        let mut changed = read(&path).unwrap().unwrap();
        changed["policies"]["DisablePocket"] = json!(true);
        fs::write(&path, changed.to_string()).unwrap();
        remove(&path).unwrap();
        let left = read(&path).unwrap().unwrap();
        assert_eq!(
            left,
            json!({ "policies": { "DisableTelemetry": true, "DisablePocket": true } })
        );
    }

    #[test]
    fn the_older_form_stays_the_older_form() {
        let before = "{\"policies\":{\"SecurityDevices\":{\"card\":\"/c.so\"}}}";
        let (_folder, path) = in_folder(Some(before));
        install(&path, Path::new("/p.so")).unwrap();
        let with = read(&path).unwrap().unwrap();
        let devices = json!({ "card": "/c.so", "peerkey": "/p.so" });
        assert_eq!(with["policies"]["SecurityDevices"], devices);
        remove(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[test]
    fn nothing_is_left_where_nothing_was() {
        let (folder, path) = in_folder(None);
        install(&path, Path::new("/p.so")).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(remove(&path), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        for before in ["{", "[]", "{\"policies\":[]}"] {
            let (_folder, path) = in_folder(Some(before));
            assert!(install(&path, Path::new("/p.so")).is_err(), "{before}");
            assert_eq!(fs::read_to_string(&path).unwrap(), before);
        }
    }
}
