//! JSON (RFC 8259), as far as lines of the record need it: this goes into other people's processes.

/// An object that is being written.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(value, &mut self.0);
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn texts(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.name(name);
        self.list(values, |value, out| quote(&value, out));
    }

    pub(super) fn objects(&mut self, name: &str, values: Vec<Self>) {
        self.name(name);
        self.list(values.into_iter(), |mut value, out| {
            value.0.push('}');
            out.push_str(&value.0);
        });
    }

    /// The whole line.
    pub(super) fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(name, &mut self.0);
        self.0.push(':');
    }

    fn list<T>(&mut self, values: impl Iterator<Item = T>, write: impl Fn(T, &mut String)) {
        self.0.push('[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(value, &mut self.0);
        }
        self.0.push(']');
    }
}

/// A string (RFC 8259 section 7).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}
