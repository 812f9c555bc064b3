//! What a rule accepts, and how firmly it is held to: the part of a policy that decisions read back.

/// `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Decide, and hold the program to it.
    #[default]
    Enforce,
    /// Decide, and change nothing.
    Monitor,
}

/// `enforce`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforce {
    /// Where the program verifies.
    #[default]
    Verified,
    /// Also where it switched verification off.
    Always,
}

/// How strict certification paths are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// What RFC 5280 demands.
    #[default]
    Rfc5280,
    /// Also what browsers demand of public servers (CA/Browser Forum, Baseline Requirements).
    Cabf,
}

/// How an authority trusts on first use. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tofu {
    /// Whether a first key waits for a person's word.
    pub holds: bool,
    /// Whether what a user remembers and decides counts, or the machine's keys only.
    pub users: bool,
    /// Who may vouch for a new key beside a known one; by index.
    pub rotate_with: Vec<usize>,
    /// How many keys one service of a peer may have.
    pub keys_per_peer: u32,
    /// After how long unseen a key is forgotten; None for never.
    pub forget_after: Option<i64>,
    /// For how long a key must be known before it counts.
    pub min_age: i64,
    /// On how many days it must have been seen before it counts.
    pub min_sightings: u32,
}

impl Default for Tofu {
    fn default() -> Self {
        Self {
            holds: false,
            users: true,
            rotate_with: Vec::new(),
            keys_per_peer: 4,
            forget_after: None,
            min_age: 0,
            min_sightings: 0,
        }
    }
}

/// An accept expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// One of these.
    Any(Vec<Self>),
    /// Every one of these.
    All(Vec<Self>),
    /// This many of these.
    AtLeast(usize, Vec<Self>),
    /// This authority, by its index in the policy.
    Authority(usize),
}

/// The index of the built-in authority `application`.
pub const APPLICATION: usize = 0;

/// Expressions nest no deeper than this.
pub const MAX_DEPTH: usize = 64;

impl Accept {
    /// Whether the authority stands anywhere in it.
    pub fn mentions(&self, authority: usize) -> bool {
        self.mentions_any(&mut |own| own == authority)
    }

    /// Whether an authority of this kind stands anywhere in it.
    pub(crate) fn mentions_any(&self, is: &mut dyn FnMut(usize) -> bool) -> bool {
        match self {
            Self::Authority(own) => is(*own),
            Self::Any(of) | Self::All(of) | Self::AtLeast(_, of) => {
                of.iter().any(|operand| operand.mentions_any(is))
            }
        }
    }

    /// Whether it says what the program itself says, and asks nobody else.
    pub fn is_application(&self) -> bool {
        match self {
            Self::Authority(own) => *own == APPLICATION,
            Self::Any(of) | Self::All(of) | Self::AtLeast(1, of) => {
                matches!(of.as_slice(), [one] if one.is_application())
            }
            Self::AtLeast(..) => false,
        }
    }

    #[cfg(feature = "source")]
    /// The expression as one word, such as `any(0,all(1,2),of2(1,2,3))`.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        self.encode_into(&mut out);
        out
    }

    #[cfg(feature = "source")]
    fn encode_into(&self, out: &mut String) {
        let of = match self {
            Self::Authority(index) => {
                out.push_str(&index.to_string());
                return;
            }
            Self::Any(of) => {
                out.push_str("any(");
                of
            }
            Self::All(of) => {
                out.push_str("all(");
                of
            }
            Self::AtLeast(least, of) => {
                out.push_str(&format!("of{least}("));
                of
            }
        };
        for (i, operand) in of.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            operand.encode_into(out);
        }
        out.push(')');
    }

    /// Reads what `encode` wrote; None for anything else.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let (accept, rest) = Self::decode_one(text, MAX_DEPTH + 1)?;
        rest.is_empty().then_some(accept)
    }

    fn decode_one(text: &str, depth: usize) -> Option<(Self, &str)> {
        let depth = depth.checked_sub(1)?;
        let end = text.find(['(', ',', ')']).unwrap_or(text.len());
        let (word, mut rest) = text.split_at(end);
        if !rest.starts_with('(') {
            return Some((Self::Authority(word.parse().ok()?), rest));
        }
        let mut of = Vec::new();
        while let Some(behind) = rest.strip_prefix(if of.is_empty() { '(' } else { ',' }) {
            let (operand, behind) = Self::decode_one(behind, depth)?;
            of.push(operand);
            rest = behind;
        }
        let rest = rest.strip_prefix(')')?;
        let accept = match word {
            "any" => Self::Any(of),
            "all" => Self::All(of),
            _ => Self::AtLeast(word.strip_prefix("of")?.parse().ok()?, of),
        };
        Some((accept, rest))
    }
}

#[cfg(all(test, feature = "source"))]
mod tests {
    use super::*;

    #[test]
    fn an_expression_reads_back_as_written() {
        for text in ["0", "any(0)", "all(1,2)", "any(0,all(1,of2(1,2,3)),4)"] {
            assert_eq!(Accept::decode(text).unwrap().encode(), text);
        }
    }

    #[test]
    fn nonsense_is_no_expression() {
        let deep = format!("{}0{}", "any(".repeat(100), ")".repeat(100));
        for text in ["", "any()", "any(0", "any(0))", "none(0)", "0,1", "of(1)", "any(,)", &deep] {
            assert_eq!(Accept::decode(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_program_alone_is_the_program() {
        assert!(Accept::decode("any(0)").unwrap().is_application());
        assert!(Accept::decode("all(any(0))").unwrap().is_application());
        assert!(!Accept::decode("any(0,1)").unwrap().is_application());
        assert!(Accept::decode("any(1,all(0,2))").unwrap().mentions(APPLICATION));
    }
}
