//! `[application."PATH"]`: what is known of a program.

use super::Context;
use super::field::Table;
use crate::policy::Program;

impl<'a> Context<'a> {
    /// The programs of all files, each once.
    pub(super) fn programs(&mut self, roots: &[Table<'a>]) -> Vec<Program> {
        let mut programs: Vec<Program> = Vec::new();
        for root in roots {
            let Some(value) = root.get("application") else { continue };
            let Some(table) = value.table(&mut self.sink, "[application.\"PATH\"]") else {
                continue;
            };
            for (path, at, value) in table.entries() {
                let label = format!("[application.\"{path}\"]");
                if !self.is_program(path, at) {
                    continue;
                }
                if let Some(known) = programs.iter().find(|known| known.path == path) {
                    let message = format!("{label} is given twice: here, and at {}", known.place);
                    self.sink.error(at.says(message).hint("keep one of them"));
                    continue;
                }
                let Some(table) = value.table(&mut self.sink, label) else { continue };
                programs.extend(self.program(path, &table));
            }
        }
        programs
    }

    fn program(&mut self, path: &str, table: &Table<'a>) -> Option<Program> {
        table.only(&mut self.sink, &["protocol"]);
        let hint = "write protocol = \"…\", the one service that this program speaks";
        let value = table.require(&mut self.sink, "protocol", hint)?;
        let text = value.string(&mut self.sink, "protocol")?;
        let protocol = self.protocol(text, value.at())?;
        Some(Program { path: path.to_owned(), protocol, place: table.at().place() })
    }
}
