//! The measured table.

use std::collections::HashMap;

use comfy_table::{ContentArrangement, Table, presets};
use peerkey_tests::artifacts;

use crate::facts::Facts;
use crate::limits::{LIMITS, limit};
use crate::situations::{SITUATIONS, Situation, Verdict};
use crate::stage::{PROGRAMS, Program, Shows};

/// What was measured, cell by cell.
#[derive(Default)]
pub(crate) struct Report {
    cells: HashMap<(&'static str, &'static str), (Verdict, Verdict)>,
    /// The least that a program showed of a refusal.
    shown: HashMap<&'static str, Shows>,
    facts: HashMap<&'static str, Facts>,
}

impl Report {
    pub(crate) fn enter(
        &mut self,
        program: &'static Program,
        situation: &'static Situation,
        measured: (Verdict, Verdict),
        shows: Option<Shows>,
    ) {
        self.cells.insert((program.name, situation.name), measured);
        if let (true, Some(shows)) = (measured == (Verdict::Accepts, Verdict::Refuses), shows) {
            let least = self.shown.entry(program.name).or_insert(shows);
            *least = shows.max(*least);
        }
    }

    pub(crate) fn know(&mut self, program: &'static Program, facts: Facts) {
        self.facts.insert(program.name, facts);
    }

    /// What is known of every program, if all was measured.
    pub(crate) fn rows(&self) -> Option<Vec<(&'static Program, &Facts, Shows)>> {
        let row = |program: &'static Program| {
            Some((program, self.facts.get(program.name)?, *self.shown.get(program.name)?))
        };
        self.is_whole().then(|| PROGRAMS.iter().map(row).collect())?
    }

    fn is_whole(&self) -> bool {
        self.cells.len() == PROGRAMS.len() * SITUATIONS.len()
    }

    /// Prints the table; a whole one is also kept.
    pub(crate) fn publish(&self) {
        let text = self.text();
        print!("{text}");
        if self.is_whole() {
            artifacts::keep("matrix.txt", &text);
        }
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let programs: Vec<_> = PROGRAMS
            .iter()
            .filter(|p| self.cells.keys().any(|(name, _)| *name == p.name))
            .collect();
        let heads = programs.iter().map(|program| program.name.to_owned());
        table.set_header(["situation".to_owned()].into_iter().chain(heads));
        for situation in SITUATIONS {
            let cells = programs.iter().map(|program| self.cell(program, situation));
            table.add_row([situation.name.to_owned()].into_iter().chain(cells));
        }
        let mut text = format!(
            "\nWithout peerkey > with peerkey: y connected, n refused; a number is a limit below.\n\
             {table}\n\n"
        );
        for (number, limit) in LIMITS.iter().enumerate().filter(|(_, limit)| (limit.applies)()) {
            text += &format!("{}: {}: {}\n", number + 1, limit.programs.join(", "), limit.why);
        }
        text
    }

    fn cell(&self, program: &Program, situation: &Situation) -> String {
        let letter = |verdict| if verdict == Verdict::Accepts { 'y' } else { 'n' };
        let measured = self.cells.get(&(program.name, situation.name));
        let cell = measured.map_or(String::new(), |(without, with)| {
            format!("{}>{}", letter(*without), letter(*with))
        });
        let known = limit(program.name, situation.name);
        let number = known.and_then(|known| LIMITS.iter().position(|l| std::ptr::eq(l, known)));
        cell + &number.map_or(String::new(), |number| format!(" {}", number + 1))
    }
}
