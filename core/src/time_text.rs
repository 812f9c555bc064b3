//! Moments and durations, for sentences.

/// A day: `2027-12-31`.
pub(crate) fn day(second: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(second) {
        Ok(time) => {
            let date = time.date();
            format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
        }
        Err(_) => format!("second {second} since 1970"),
    }
}

/// How long ago, roughly: `3 days ago`.
pub(crate) fn ago(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..=59 => return "just now".into(),
        60..=3599 => (seconds / 60, "minute"),
        3600..=86_399 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_people_do() {
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(i64::MAX), "second 9223372036854775807 since 1970");
    }

    #[test]
    fn how_long_ago_is_said_roughly() {
        let said = [-5, 61, 7200, 86_400, 864_000].map(ago);
        assert_eq!(said, ["just now", "1 minute ago", "2 hours ago", "1 day ago", "10 days ago"]);
    }
}
