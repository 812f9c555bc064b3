//! Trees of lines.

use anstyle::Style;

use super::styled;
use crate::screen::Lines;

/// A line and the lines below it.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    text: String,
    below: Vec<Self>,
}

impl Branch {
    /// A line.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), below: Vec::new() }
    }

    /// A line `name  text`, the name dimmed and padded.
    pub fn fact(name: &str, text: impl AsRef<str>) -> Self {
        let name = styled(super::DIM, format!("{name:<12}"));
        Self::new(format!("{name} {}", text.as_ref()))
    }

    /// The same with one more line below.
    pub fn with(mut self, branch: Self) -> Self {
        self.below.push(branch);
        self
    }

    /// The same with more lines below.
    pub fn with_all(mut self, branches: impl IntoIterator<Item = Self>) -> Self {
        self.below.extend(branches);
        self
    }

    /// The whole, with a line end behind each line.
    pub fn draw(&self, lines: Lines) -> String {
        let mut out = format!("{}\n", self.text);
        self.draw_below(&mut out, "", strokes(lines));
        out
    }

    fn draw_below(&self, out: &mut String, margin: &str, strokes: Strokes) {
        for (position, branch) in self.below.iter().enumerate() {
            let is_last = position + 1 == self.below.len();
            let (own, further) = match is_last {
                true => (strokes.last, strokes.nothing),
                false => (strokes.one, strokes.past),
            };
            out.push_str(&styled(DRAWN, format!("{margin}{own}")));
            out.push_str(&branch.text);
            out.push('\n');
            branch.draw_below(out, &format!("{margin}{further}"), strokes);
        }
    }
}

const DRAWN: Style = super::DIM;

#[derive(Clone, Copy)]
struct Strokes {
    one: &'static str,
    last: &'static str,
    past: &'static str,
    nothing: &'static str,
}

fn strokes(lines: Lines) -> Strokes {
    let strokes = |one, last, past, nothing| Strokes { one, last, past, nothing };
    match lines {
        Lines::Drawn => strokes("├─ ", "└─ ", "│  ", "   "),
        Lines::Ascii => strokes("|- ", "`- ", "|  ", "   "),
        Lines::Indented => strokes("  ", "  ", "  ", "  "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: Lines) -> String {
        let inner = Branch::new("b").with(Branch::new("c"));
        let tree = Branch::new("a").with(inner).with_all([Branch::new("d")]);
        anstream::adapter::strip_str(&tree.draw(lines)).to_string()
    }

    #[test]
    fn a_tree_reads_as_one() {
        assert_eq!(drawn(Lines::Drawn), "a\n├─ b\n│  └─ c\n└─ d\n");
        assert_eq!(drawn(Lines::Ascii), "a\n|- b\n|  `- c\n`- d\n");
        assert_eq!(drawn(Lines::Indented), "a\n  b\n    c\n  d\n");
    }
}
