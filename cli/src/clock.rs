//! Times: read as people write them, and written so that both people and programs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

/// Now, in seconds since 1970.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs().try_into().unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// A moment as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So many seconds ago.
    Ago(i64),
    /// This second, since 1970.
    At(i64),
}

impl Moment {
    /// In seconds since 1970.
    pub fn seconds(self, now: i64) -> i64 {
        match self {
            Self::Ago(seconds) => now.saturating_sub(seconds),
            Self::At(seconds) => seconds,
        }
    }
}

/// Reads `1h` or `2d` ago, an RFC 3339 time, or a date, which is its first second here.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(length) = humantime::parse_duration(text) {
        return Ok(Moment::Ago(i64::try_from(length.as_secs()).unwrap_or(i64::MAX)));
    }
    let Ok(seconds) = parse(text) else {
        return Err("write it as 30min, 1h, 2d, 2027-01-31 or 2027-01-31T12:00:00Z".into());
    };
    let is_date = text.len() == "2027-01-31".len();
    let offset = if is_date { offset_at(seconds) } else { 0 };
    Ok(Moment::At(seconds - offset))
}

/// How far this system's time is ahead of UTC at a moment, in seconds.
fn offset_at(seconds: i64) -> i64 {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| UtcOffset::local_offset_at(moment).ok())
        .map_or(0, |offset| offset.whole_seconds().into())
}

/// `2027-01-31 12:00:00`, in this system's time.
pub fn local(seconds: i64) -> String {
    let here = rfc3339(seconds.saturating_add(offset_at(seconds)));
    match here.strip_suffix('Z') {
        Some(here) => here.replacen('T', " ", 1),
        None => here,
    }
}

/// Reads an RFC 3339 time, or a date, which is its first second in UTC.
pub fn parse(text: &str) -> Result<i64, String> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(moment.unix_timestamp());
    }
    let midnight = || {
        let mut parts = text.split('-');
        let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
        let month: u8 = parts.next()?.parse().ok()?;
        let day = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(())?;
        Date::from_calendar_date(year, month.try_into().ok()?, day).ok()
    };
    midnight()
        .map(|date| date.midnight().assume_utc().unix_timestamp())
        .ok_or_else(|| "write it as 2027-01-31T12:00:00Z or 2027-01-31".into())
}

/// `2027-01-31T12:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} seconds since 1970"))
}

/// `3 minutes ago`, `in 2 days`: the largest unit only.
pub fn relative(moment: i64, now: i64) -> String {
    let distance = now.saturating_sub(moment);
    let text = span(distance.unsigned_abs());
    match distance {
        0 => "now".into(),
        1.. => format!("{text} ago"),
        _ => format!("in {text}"),
    }
}

fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_written() {
        assert_eq!(parse("1970-01-01T00:00:01Z"), Ok(1));
        assert_eq!(parse("1970-01-02"), Ok(86_400));
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), Ok(0));
        assert_eq!(parse(&rfc3339(1_800_000_000)), Ok(1_800_000_000));
        for text in ["", "yesterday", "2027-02-30", "27-01-01", "2027-01", "2027-01-01T00:00:00"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_ago_or_written() {
        assert_eq!(moment("2h").map(|m| m.seconds(10_000)), Ok(2800));
        assert_eq!(moment("2d").map(|m| m.seconds(200_000)), Ok(27_200));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(Moment::At(1)));
        assert!(moment("1970-01-02").is_ok() && moment("soon").is_err());
    }

    #[test]
    fn distances_are_in_the_largest_unit() {
        assert_eq!(relative(0, 59), "59 seconds ago");
        assert_eq!(relative(0, 61), "1 minute ago");
        assert_eq!(relative(200_000, 0), "in 2 days");
        assert_eq!(relative(5, 5), "now");
        assert!(!relative(i64::MIN, i64::MAX).is_empty());
    }
}
