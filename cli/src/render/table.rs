//! Tables.

use comfy_table::{ContentArrangement, Table, presets};

use crate::screen::Lines;

/// A table with these headings and rows; `width` is the terminal's.
pub fn table(lines: Lines, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    let preset = match lines {
        Lines::Drawn => presets::UTF8_FULL_CONDENSED,
        Lines::Ascii => presets::ASCII_FULL_CONDENSED,
        Lines::Indented => presets::NOTHING,
    };
    table.load_preset(preset).set_header(headings);
    if let (false, Some(width)) = (lines == Lines::Indented, terminal_width()) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    let text: Vec<_> = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    text.concat()
}

fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| width)
}
