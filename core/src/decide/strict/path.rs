//! Checks of a whole path: what one certificate says of the others.

use x509_parser::extensions::ParsedExtension;

use super::facts::Facts;
use super::{Row, always};
use crate::rule::Profile;

/// What a path needs of one certificate in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    path_length: Option<u32>,
    is_self_issued: bool,
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl Link {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let mut link = Self {
            path_length: facts.path_length(),
            is_self_issued: facts.own.issuer() == facts.own.subject(),
            ..Self::default()
        };
        for extension in facts.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => link.key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    link.issuer_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        link
    }
}

/// A check of a path.
pub(super) struct PathCheck {
    pub(super) row: Row,
    /// What is wrong with a path, from the peer's certificate to the anchor.
    is_wrong: fn(&[&Link]) -> bool,
}

/// Every check of a path.
pub(super) const CHECKS: &[PathCheck] = &[
    PathCheck {
        row: always(
            "anchor-path-length",
            "is longer than the anchor's pathLenConstraint allows",
            "RFC 5280 4.2.1.9, 6.1.4 (l), (m)",
        ),
        is_wrong: |path| match path {
            [_, cas @ .., anchor] => anchor.path_length.is_some_and(|most| {
                let below = cas.iter().filter(|ca| !ca.is_self_issued).count();
                below > most as usize
            }),
            _ => false,
        },
    },
    PathCheck {
        row: always(
            "key-id-mismatch",
            "holds a certificate whose authorityKeyIdentifier is not its issuer's \
             subjectKeyIdentifier",
            "RFC 5280 4.2.1.1, 4.2.1.2; BR 7.1.2.11.1",
        ),
        is_wrong: |path| {
            path.windows(2).any(|pair| match (&pair[0].issuer_key_id, &pair[1].key_id) {
                (Some(named), Some(own)) => named != own,
                _ => false,
            })
        },
    },
];

/// The first row that the path fails.
pub(in super::super) fn broken(path: &[&Link], profile: Profile) -> Option<&'static Row> {
    let fails = |check: &&PathCheck| check.row.is_made(profile, None) && (check.is_wrong)(path);
    CHECKS.iter().find(fails).map(|check| &check.row)
}
