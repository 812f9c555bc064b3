//! `keys export`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use peerkey_core::keys::{Filter, KnownKey};

use super::list::{family, peer_or_domain};
use super::{Desk, Stop, no, report};
use crate::args::keys::{ExportArgs, Format};
use crate::commands::{FINE, NO};
use crate::render::{count, json};
use crate::transfer;

pub(super) fn run(desk: &Desk<'_>, args: &ExportArgs) -> Result<u8, Stop> {
    let filter = Filter {
        peer: args.peer.as_deref().map(peer_or_domain).transpose()?,
        protocol: family(args.protocol.as_deref())?,
        ..Filter::default()
    };
    let Some(keys) = desk.read()? else {
        let path = desk.published()?;
        return no(format!("nothing is remembered yet: there is no {}", path.display()));
    };
    let mut output = Output::open(desk, args)?;
    let mut failed = output.start();
    keys.each(&filter, |key, certificate| {
        if failed.is_ok() {
            failed = output.key(&key, certificate.as_deref());
        }
        failed.is_ok()
    })?;
    failed.and_then(|()| output.end()).or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => no(format!("cannot write {}: {error}", output.place)),
    })?;
    Ok(output.said(desk))
}

struct Output {
    writer: BufWriter<Box<dyn Write>>,
    place: String,
    format: Format,
    /// known_hosts says no protocol: only keys of SSH are meant, unless another one was asked for.
    is_any: bool,
    now: i64,
    written: usize,
    left_out: BTreeMap<&'static str, usize>,
}

impl Output {
    fn open(desk: &Desk<'_>, args: &ExportArgs) -> Result<Self, Stop> {
        let path = args.file.as_deref().filter(|path| path.as_os_str() != "-");
        let writer: Box<dyn Write> = match path {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(create(path)?),
        };
        Ok(Self {
            writer: BufWriter::new(writer),
            place: path.map_or("standard output".into(), |path| path.display().to_string()),
            format: args.format,
            is_any: args.protocol.is_some(),
            now: desk.now,
            written: 0,
            left_out: BTreeMap::new(),
        })
    }

    fn start(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => write!(self.writer, "{{\"version\": {}, \"keys\": [", json::VERSION),
            format => self.writer.write_all(transfer::head(format).as_bytes()),
        }
    }

    fn key(&mut self, key: &KnownKey, certificate: Option<&[u8]>) -> io::Result<()> {
        if self.format == Format::Json {
            let comma = if self.written == 0 { "\n" } else { ",\n" };
            self.written += 1;
            return write!(self.writer, "{comma}{}", report::key(key, self.now));
        }
        let is_other = key.service.protocol != "ssh" && !self.is_any;
        let line = match self.format {
            Format::KnownHosts if is_other => Err("not of ssh (say --protocol to have them)"),
            format => transfer::write(format, key, certificate),
        };
        match line {
            Ok(line) => {
                self.written += 1;
                self.writer.write_all(line.as_bytes())
            }
            Err(why) => {
                *self.left_out.entry(why).or_default() += 1;
                Ok(())
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.format == Format::Json {
            self.writer.write_all(b"\n]}\n")?;
        }
        self.writer.flush()
    }

    /// On standard error, because the keys may go to standard output.
    fn said(&self, desk: &Desk<'_>) -> u8 {
        let keys = count(self.written, "key");
        desk.screen.complain(&format!("{keys} written to {}\n", self.place));
        for (why, number) in &self.left_out {
            let keys = count(*number, "key");
            desk.screen.complain(&format!("{keys} left out: {why}\n"));
        }
        if self.left_out.is_empty() { FINE } else { NO }
    }
}

fn create(path: &Path) -> Result<std::fs::File, Stop> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    match made {
        Ok(file) => Ok(file),
        Err(error) => no(format!("cannot write {}: {error}", path.display())),
    }
}
