//! Where keys are kept: a file for each user, and one for the machine.
//!
//! Nothing is looked at here: who asks gives the facts, and tries the places in their order.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A user's file, in the user's folder.
pub const USER_FILE: &str = "keys.db";

/// The form of the machine's file. It is another one when programs that read the one before could not
/// read the next: what a later schema only adds does not matter to them.
const MACHINE_FORM: u32 = 1;

/// The machine's file in the state folder, as programs read it: of this form, whole, never changed but
/// replaced.
pub fn machine_file() -> String {
    format!("machine-{MACHINE_FORM}.db")
}

/// The folder of a user of the system: root makes it, and gives it to the user.
pub fn system_folder(state_dir: &Path, uid: u32) -> PathBuf {
    state_dir.join("uid").join(uid.to_string())
}

/// What a process knows of its user.
#[derive(Clone, Copy, Debug, Default)]
pub struct User<'a> {
    /// The effective user id.
    pub uid: u32,
    /// AT_SECURE: the process has rights that whoever started it has not, and so may not follow the
    /// environment.
    pub is_secure: bool,
    /// `HOME`.
    pub home: Option<&'a OsStr>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<&'a OsStr>,
}

/// A folder in which a user's keys may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// When it is the one.
    pub condition: Condition,
}

/// When a place is the one. The first whose condition is met is; no other is tried after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// If it exists.
    Exists,
    /// Always: it is made, with the folders above it, at the first write.
    Always,
    /// If this folder, or where it is not there yet the nearest above it that is, belongs to the user:
    /// an environment that was kept over `su` or `sudo` names somebody else's.
    OwnedByUser(PathBuf),
}

/// The places of a user's keys, the first that is the one counts. Empty where a process has none: then
/// it has the machine's keys only.
pub fn places(state_dir: &Path, user: &User<'_>) -> Vec<Place> {
    let folder = system_folder(state_dir, user.uid);
    if user.uid == 0 {
        return vec![Place { folder, condition: Condition::Always }];
    }
    let mut places = vec![Place { folder, condition: Condition::Exists }];
    if user.is_secure {
        return places;
    }
    // A relative path is invalid and ignored (XDG Base Directory Specification).
    let absolute = |path: Option<&OsStr>| path.map(PathBuf::from).filter(|p| p.is_absolute());
    let (state, owned) = match (absolute(user.xdg_state_home), absolute(user.home)) {
        (Some(state), _) => (state.clone(), state),
        (None, Some(home)) => (home.join(".local/state"), home),
        (None, None) => return places,
    };
    let condition = Condition::OwnedByUser(owned);
    places.push(Place { folder: state.join("peerkey"), condition });
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(user: &User<'_>) -> Vec<String> {
        let shown = |place: &Place| {
            let when = match &place.condition {
                Condition::Exists => "exists".into(),
                Condition::Always => "always".into(),
                Condition::OwnedByUser(path) => format!("owns {}", path.display()),
            };
            format!("{} {when}", place.folder.display())
        };
        places(Path::new("/s"), user).iter().map(shown).collect()
    }

    fn user<'a>(uid: u32, home: &'a str, state: Option<&'a str>) -> User<'a> {
        let os = |text: &'a str| OsStr::new(text);
        User { uid, is_secure: false, home: Some(os(home)), xdg_state_home: state.map(os) }
    }

    #[test]
    fn people_have_theirs_at_home() {
        let home = folders(&user(7, "/home/a", None));
        assert_eq!(home, ["/s/uid/7 exists", "/home/a/.local/state/peerkey owns /home/a"]);
        let state = folders(&user(7, "/home/a", Some("/x")));
        assert_eq!(state, ["/s/uid/7 exists", "/x/peerkey owns /x"]);
        for odd in ["", "x", "./x", "~/x"] {
            assert_eq!(folders(&user(7, "/home/a", Some(odd))), home, "{odd}");
            assert_eq!(folders(&user(7, odd, None)), ["/s/uid/7 exists"], "{odd}");
        }
        assert_eq!(folders(&User { uid: 7, ..User::default() }), ["/s/uid/7 exists"]);
    }

    #[test]
    fn root_and_raised_rights_follow_no_environment() {
        assert_eq!(folders(&user(0, "/home/a", Some("/x"))), ["/s/uid/0 always"]);
        let secure = User { is_secure: true, ..user(7, "/home/a", Some("/x")) };
        assert_eq!(folders(&secure), ["/s/uid/7 exists"]);
    }
}
