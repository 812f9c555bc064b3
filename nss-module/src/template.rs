//! Attributes as programs pass them: a template to match, or places for values.

use std::slice;

use pkcs11_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_PTR, CK_ATTRIBUTE_TYPE, CK_OBJECT_CLASS, CK_ULONG,
    CK_UNAVAILABLE_INFORMATION, CKA_CLASS,
};

use crate::failure::Failure;
use crate::object::Object;

/// No template has more attributes, and no attribute of ours is longer: a number beyond is no number of
/// anything.
const MOST_ATTRIBUTES: CK_ULONG = 256;
const LONGEST: usize = 1 << 20;

/// What an object has to have.
pub(crate) struct Template<'a>(Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])>);

impl<'a> Template<'a> {
    /// Reads a program's template.
    ///
    /// # Safety
    ///
    /// As PKCS#11 has it: `first` is null or the first of `count` attributes, each with a value that is
    /// null or as long as it says; they stay as they are as long as the result is used.
    pub(crate) unsafe fn read(first: CK_ATTRIBUTE_PTR, count: CK_ULONG) -> Result<Self, Failure> {
        let attributes: &[CK_ATTRIBUTE] = match number(first, count)? {
            0 => &[],
            // SAFETY: as promised.
            number => unsafe { slice::from_raw_parts(first, number) },
        };
        let read = |attribute: &CK_ATTRIBUTE| {
            let length = attribute.ulValueLen as usize;
            let value: &[u8] = if length == 0 {
                &[]
            } else if attribute.pValue.is_null() || length > LONGEST {
                return Err(Failure::AttributeValueInvalid);
            } else {
                // SAFETY: as promised.
                unsafe { slice::from_raw_parts(attribute.pValue.cast(), length) }
            };
            Ok((attribute.type_, value))
        };
        attributes.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value that it asks for.
    pub(crate) fn value(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<&'a [u8]> {
        self.0.iter().find(|(asked, _)| *asked == kind).map(|(_, value)| *value)
    }

    /// Whether an object of this class could match.
    pub(crate) fn allows(&self, class: CK_OBJECT_CLASS) -> bool {
        self.value(CKA_CLASS).is_none_or(|asked| asked == class.to_ne_bytes())
    }

    /// Whether the object has all that is asked for, but for these attributes, of which that is known: of
    /// the first value, if a template names one twice.
    pub(crate) fn matches(&self, object: &Object, known: &[CK_ATTRIBUTE_TYPE]) -> bool {
        let has = |kind, asked: &[u8]| object.attribute(kind).is_some_and(|v| v.bytes() == asked);
        let is_known = |kind, asked| known.contains(&kind) && self.value(kind) == Some(asked);
        self.0.iter().all(|(kind, asked)| is_known(*kind, *asked) || has(*kind, asked))
    }

    /// A copy that does not need the program's memory.
    pub(crate) fn to_owned(&self) -> OwnedTemplate {
        OwnedTemplate(self.0.iter().map(|(kind, value)| (*kind, value.to_vec())).collect())
    }
}

/// A template that outlives the call.
pub(crate) struct OwnedTemplate(Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>);

impl OwnedTemplate {
    pub(crate) fn as_template(&self) -> Template<'_> {
        Template(self.0.iter().map(|(kind, value)| (*kind, value.as_slice())).collect())
    }
}

/// Puts an object's attributes into the places that a program has for them (PKCS#11 2.40 section 5.7,
/// C_GetAttributeValue).
///
/// # Safety
///
/// As for [`Template::read`]; the attributes and what they point at are the caller's to write, and nobody
/// else uses them meanwhile.
pub(crate) unsafe fn put(
    object: &Object,
    first: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<(), Failure> {
    let places: &mut [CK_ATTRIBUTE] = match number(first, count)? {
        0 => &mut [],
        // SAFETY: as promised.
        number => unsafe { slice::from_raw_parts_mut(first, number) },
    };
    let mut result = Ok(());
    for place in places {
        let Some(value) = object.attribute(place.type_) else {
            // Case 2.
            place.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            result = Err(Failure::AttributeTypeInvalid);
            continue;
        };
        let value = value.bytes();
        let length = value.len() as CK_ULONG;
        if place.pValue.is_null() {
            // Case 3.
            place.ulValueLen = length;
        } else if place.ulValueLen >= length {
            // Case 4.
            // SAFETY: there is room, as promised; nothing of ours lies in a program's buffer.
            unsafe { place.pValue.cast::<u8>().copy_from(value.as_ptr(), value.len()) };
            place.ulValueLen = length;
        } else {
            // Case 5.
            place.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            result = result.and(Err(Failure::BufferTooSmall));
        }
    }
    result
}

/// How many attributes there are.
fn number(first: CK_ATTRIBUTE_PTR, count: CK_ULONG) -> Result<usize, Failure> {
    match count {
        0 => Ok(0),
        1..=MOST_ATTRIBUTES if !first.is_null() => Ok(count as usize),
        _ => Err(Failure::ArgumentsBad),
    }
}
