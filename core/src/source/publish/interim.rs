//! A policy for a while: one that goes unless somebody confirms it, or one that lets programs decide by
//! themselves until it ends. The policy that comes back stands beside it, and who is killed at any moment
//! leaves either of the two in force, whole.
//!
//! Guests see a policy that was published, and nothing else. Time is counted from the start of the system:
//! setting the clock neither ends an interim nor makes it longer, and a restart ends it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::{NEW, PATIENCE, PublishError, Published, State, exists, link, open, rename};
use crate::policy::Policy;
use crate::source::file::show;
use crate::store::{self, check_pages};

/// What kind of an interim it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The new policy goes unless it is confirmed.
    Confirm,
    /// peerkey is off.
    Off,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Off => "off",
        }
    }
}

/// An interim, as it is recorded in the state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interim {
    /// Names it: no other has it.
    pub id: String,
    /// What kind it is.
    pub kind: Kind,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// When it ends by the clock as it was set when it began; for people.
    pub until: i64,
    /// Which start of the system it belongs to.
    boot: String,
    /// When it ends, in milliseconds since the start of the system.
    ends: u64,
}

impl Interim {
    fn new(kind: Kind, lasts: Duration, now: i64) -> io::Result<Self> {
        let lasted = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let up = uptime();
        Ok(Self {
            id: format!("{}-{up}", std::process::id()),
            kind,
            since: now,
            until: now.saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX)),
            boot: boot()?,
            ends: up.saturating_add(lasted),
        })
    }

    /// How long it still lasts; nothing if it is over, or the system was started since.
    pub fn remaining(&self) -> Duration {
        match boot() {
            Ok(boot) if boot == self.boot => {
                Duration::from_millis(self.ends.saturating_sub(uptime()))
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.remaining().is_zero()
    }

    fn text(&self) -> String {
        let Self { id, kind, since, until, boot, ends } = self;
        let kind = kind.as_str();
        format!("id={id}\nkind={kind}\nsince={since}\nuntil={until}\nboot={boot}\nends={ends}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        Some(Self {
            id: value("id")?.to_owned(),
            kind: [Kind::Confirm, Kind::Off]
                .into_iter()
                .find(|kind| value("kind") == Some(kind.as_str()))?,
            since: value("since")?.parse().ok()?,
            until: value("until")?.parse().ok()?,
            boot: value("boot")?.to_owned(),
            ends: value("ends")?.parse().ok()?,
        })
    }

    /// What a record that nobody can read stands for: one that is over.
    fn unreadable() -> Self {
        let (id, boot) = (String::new(), String::new());
        Self { id, kind: Kind::Off, since: 0, until: 0, boot, ends: 0 }
    }
}

/// In milliseconds, with the time in which the system slept.
fn uptime() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let millis = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or(0)
}

/// random(4): made anew at each start.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The interim of a state folder, over or not. Needs no rights but to read.
pub fn interim(state_dir: &Path) -> Option<Interim> {
    read(&state_dir.join(format!("{}{INTERIM}", store::file_name())))
}

fn read(path: &Path) -> Option<Interim> {
    match fs::read_to_string(path) {
        Ok(text) => Some(Interim::parse(&text).unwrap_or_else(Interim::unreadable)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => Some(Interim::unreadable()),
    }
}

/// Puts a policy in force for a while. `watch` is told of it before that, and has to see to it that
/// [`settle`] is called when the time is over; if it fails, nothing changes. None: the same is in force already, and there is
/// nothing to go back to.
pub fn begin(
    policy: &Policy,
    state_dir: &Path,
    now: i64,
    (kind, lasts): (Kind, Duration),
    watch: impl FnOnce(&Interim) -> Result<(), String>,
) -> Result<Option<(Interim, Published)>, PublishError> {
    let state = State::lock(state_dir, PATIENCE)?;
    state.refuse_second()?;
    if !exists(&state.current()) {
        let message = format!("there is no policy in {} to go back to", show(&state.dir));
        return Err(PublishError::new(message).hinted("put one in force with peerkey apply"));
    }
    check_pages(&state.current()).map_err(|error| PublishError::store(&error))?;
    let begun = state.begin(policy, now, (kind, lasts), watch);
    if !matches!(begun, Ok(Some(_))) {
        state.sweep();
        // Whatever was done of it: what is in force stays, and nothing waits.
        if let Some(interim) = read(&state.interim()) {
            state.go_back(&interim)?;
        }
    }
    begun
}

/// Keeps the policy that waits to be confirmed.
pub fn confirm(state_dir: &Path) -> Result<Interim, PublishError> {
    let waited = interim(state_dir).is_some_and(|interim| interim.kind == Kind::Confirm);
    let state = State::lock(state_dir, PATIENCE)?;
    match read(&state.interim()) {
        Some(interim) if interim.kind == Kind::Confirm => {
            state.forget()?;
            Ok(interim)
        }
        _ if waited => {
            let message = "that came too late: the policy before is in force again";
            Err(PublishError::new(message).hinted("peerkey apply --confirm 5m tries it again"))
        }
        Some(_) => Err(PublishError::new("peerkey is off, and no policy waits to be confirmed")
            .hinted("peerkey on puts the policy in force again")),
        None => Err(PublishError::new("no policy waits to be confirmed")),
    }
}

/// Ends the interim now, with the policy from before it in force; None if there is none, or another
/// than the one that is meant.
pub fn end(state_dir: &Path, meant: &Interim) -> Result<Option<Interim>, PublishError> {
    let state = State::lock_only(state_dir, PATIENCE)?;
    state.recover()?;
    let Some(interim) = read(&state.interim()).filter(|interim| interim.id == meant.id) else {
        return Ok(None);
    };
    state.go_back(&interim)?;
    state.published(false);
    Ok(Some(interim))
}

/// Ends the interim if its time is over; says which was ended.
pub fn settle(state_dir: &Path) -> Result<Option<Interim>, PublishError> {
    match interim(state_dir).filter(Interim::is_over) {
        Some(interim) => end(state_dir, &interim),
        None => Ok(None),
    }
}

impl State {
    /// Puts a policy in force for a while, or fails half-way.
    fn begin(
        &self,
        policy: &Policy,
        now: i64,
        (kind, lasts): (Kind, Duration),
        watch: impl FnOnce(&Interim) -> Result<(), String>,
    ) -> Result<Option<(Interim, Published)>, PublishError> {
        let (fresh, current) = (self.fresh(NEW), self.current());
        store::write(policy, &fresh, now).map_err(|error| PublishError::store(&error))?;
        self.seal(&fresh)?;
        let (new, old) = (open(&fresh)?, open(&current)?);
        if kind == Kind::Confirm && new.meta().digest == old.meta().digest {
            return Ok(None);
        }
        self.record(&fresh)?;
        let interim = self.keep_aside(kind, lasts, now, watch)?;
        match kind {
            Kind::Confirm => {
                self.forget_unconfirmed()?;
                self.replace(&fresh)?;
            }
            Kind::Off => {
                rename(&fresh, &current)?;
                self.sync()?;
            }
        }
        Ok(Some((interim, self.published(false))))
    }

    fn interim(&self) -> PathBuf {
        self.fresh_name(INTERIM)
    }

    /// The policy that comes back.
    pub(super) fn aside(&self) -> PathBuf {
        self.fresh_name(".aside")
    }

    /// Ends what is over. The record is made after the policy was put aside, and goes before it.
    pub(super) fn settle(&self) -> Result<(), PublishError> {
        match read(&self.interim()) {
            Some(interim) if interim.is_over() => self.go_back(&interim),
            Some(_) => Ok(()),
            None => self.forget(),
        }
    }

    /// The interim that is under way.
    pub(super) fn under_way(&self) -> Option<Interim> {
        read(&self.interim())
    }

    /// Fails where an interim is under way.
    pub(super) fn refuse_second(&self) -> Result<(), PublishError> {
        match self.under_way() {
            None => Ok(()),
            Some(Interim { kind: Kind::Off, .. }) => Err(PublishError::new("peerkey is off")
                .hinted("peerkey on puts the policy in force again, and comes first")),
            Some(Interim { kind: Kind::Confirm, .. }) => {
                Err(PublishError::new("a policy waits to be confirmed already").hinted(
                    "peerkey confirm keeps it, peerkey policy rollback goes back: one comes first",
                ))
            }
        }
    }

    fn keep_aside(
        &self,
        kind: Kind,
        lasts: Duration,
        now: i64,
        watch: impl FnOnce(&Interim) -> Result<(), String>,
    ) -> Result<Interim, PublishError> {
        let path = self.interim();
        let fail = |error: io::Error| PublishError::io("write", &path, &error);
        link(&self.current(), &self.aside())?;
        self.sync()?;
        let interim = Interim::new(kind, lasts, now).map_err(fail)?;
        let written = self.fresh_name(&format!("{NEW}{}{INTERIM}", std::process::id()));
        fs::write(&written, interim.text()).map_err(fail)?;
        self.seal(&written)?;
        rename(&written, &path)?;
        self.sync()?;
        watch(&interim).map_err(|why| {
            PublishError::new(format!("nobody could be found to end it in time: {why}"))
        })?;
        Ok(interim)
    }

    /// Puts the policy that stands aside in force. Killed between any two steps, the next one goes on.
    pub(super) fn go_back(&self, interim: &Interim) -> Result<(), PublishError> {
        let (aside, current) = (self.aside(), self.current());
        // Where both are one file the interim had not begun.
        if exists(&aside) && !super::same_file(&aside, &current) {
            match interim.kind {
                Kind::Confirm if exists(&current) => {
                    self.note_unconfirmed(&aside)?;
                    self.replace(&aside)?;
                }
                Kind::Confirm | Kind::Off => {
                    rename(&aside, &current)?;
                    self.sync()?;
                }
            }
        }
        self.forget()
    }

    /// What is in force stays.
    fn forget(&self) -> Result<(), PublishError> {
        for path in [self.interim(), self.aside()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(PublishError::io("remove", &path, &error)),
                Ok(()) => self.sync()?,
            }
        }
        Ok(())
    }

    /// A policy that was applied while peerkey is off: it comes back instead of the one before.
    pub(super) fn put_aside(&self, fresh: &Path) -> Result<Published, PublishError> {
        open(fresh)?;
        let (aside, kept) =
            (self.aside(), self.fresh_name(&format!("{NEW}{}.old", std::process::id())));
        link(&aside, &kept)?;
        rename(fresh, &aside)?;
        rename(&kept, &self.previous())?;
        self.sync()?;
        Ok(Published {
            path: aside,
            previous: Some(self.previous()),
            unchanged: false,
            after: None,
        })
    }
}

/// The end of the record's name.
const INTERIM: &str = ".interim";

#[cfg(test)]
mod tests;
