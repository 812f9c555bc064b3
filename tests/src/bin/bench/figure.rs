//! Figures side by side, and whether they are within their limits.

use std::fs;

use comfy_table::{Table, presets};

/// One line of a table: a thing without peerkey and with it.
pub(crate) struct Figure {
    what: String,
    without: String,
    with: String,
    result: f64,
    unit: Unit,
    /// The first and the third quartile of the result.
    spread: Option<(f64, f64)>,
    limit: Option<Limit>,
}

/// In what a result is told.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// With peerkey in proportion to without.
    Ratio,
    /// Microseconds more.
    MoreMicroseconds,
    /// Milliseconds more.
    MoreMilliseconds,
    /// Megabytes, of a million bytes.
    Megabytes,
    /// Megabytes more.
    MoreMegabytes,
    /// Seconds.
    Seconds,
    /// So many in a second.
    PerSecond,
}

/// What is wanted of a result.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
}

impl Figure {
    /// What was measured, without and with peerkey, for people; and what comes out.
    pub(crate) fn new(
        what: impl Into<String>,
        sides: [String; 2],
        result: f64,
        unit: Unit,
    ) -> Self {
        let [without, with] = sides;
        Self { what: what.into(), without, with, result, unit, spread: None, limit: None }
    }

    /// With the quartiles of the result.
    pub(crate) fn spread(self, quartiles: (f64, f64)) -> Self {
        Self { spread: Some(quartiles), ..self }
    }

    /// With a limit.
    pub(crate) fn limit(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Whether the limit is kept, if there is one.
    pub(crate) fn is_within(&self) -> Option<bool> {
        Some(match self.limit? {
            Limit::Most(most) => self.result <= most,
            Limit::Least(least) => self.result >= least,
        })
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.3}"),
            Self::MoreMicroseconds => format!("{value:+.1} µs"),
            Self::MoreMilliseconds => format!("{value:+.2} ms"),
            Self::Megabytes => format!("{value:.3} MB"),
            Self::MoreMegabytes => format!("{value:+.2} MB"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Seconds => format!("{value:.2} s"),
        }
    }
}

/// The figures as a table.
pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["", "without", "with", "result", "middle half", "wanted", ""]);
    for figure in figures {
        let text = |value| figure.unit.text(value);
        table.add_row([
            figure.what.clone(),
            figure.without.clone(),
            figure.with.clone(),
            text(figure.result),
            figure.spread.map_or(String::new(), |(a, b)| format!("{} to {}", text(a), text(b))),
            match figure.limit {
                None => String::new(),
                Some(Limit::Most(most)) => format!("at most {}", text(most)),
                Some(Limit::Least(least)) => format!("at least {}", text(least)),
            },
            match figure.is_within() {
                None => String::new(),
                Some(true) => "within".into(),
                Some(false) => "ABOVE".into(),
            },
        ]);
    }
    table
}

/// A sorted sample.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// Of these values, in any order.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The first and the third quartile.
    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (self.0[self.0.len() / 4], self.0[self.0.len() * 3 / 4])
    }
}

/// The processor, the system, and how busy it is.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(['=', ':']).nth(1)).unwrap_or("?").trim().replace('"', "")
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} × {}, Linux {}, {}, {}; load {}",
        processors,
        field(&read("/proc/cpuinfo"), "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        field(&read("/etc/os-release"), "PRETTY_NAME"),
        openssl::version::version(),
        read("/proc/loadavg").split(' ').next().unwrap_or("?"),
    )
}
