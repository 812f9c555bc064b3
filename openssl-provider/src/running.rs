//! The verifications that run in this thread, for their callbacks to find what is kept for them.
//!
//! It is not kept in the context: that may come from a registry in which we have no index. Nor is it a
//! list through the stack: a callback of the host's may leave by longjmp, and no entry be taken back.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use crate::context::Context;

/// More than these at once, one within another, find nothing, and refuse.
const MOST: usize = 16;

#[derive(Clone, Copy)]
struct Entry {
    /// Only compared.
    context: *mut c_void,
    run: *mut c_void,
}

const NONE: Entry = Entry { context: null_mut(), run: null_mut() };

struct Running {
    entries: [Cell<Entry>; MOST],
    next: Cell<usize>,
}

thread_local! {
    static RUNNING: Running =
        const { Running { entries: [const { Cell::new(NONE) }; MOST], next: Cell::new(0) } };
}

/// While `body` lasts, `of` finds this run for the context.
pub(crate) fn during<T>(context: Context<'_>, run: *mut c_void, body: impl FnOnce() -> T) -> T {
    RUNNING.with(|running| {
        running.forget(context);
        let next = running.next.get();
        running.next.set((next + 1) % MOST);
        if let Some(place) = running.entries.get(next) {
            place.set(Entry { context: context.raw().cast(), run });
        }
    });
    let result = body();
    RUNNING.with(|running| running.forget(context));
    result
}

/// The run that was given for a context.
pub(crate) fn of(context: Context<'_>) -> Option<NonNull<c_void>> {
    let find = |running: &Running| {
        let mut all = running.entries.iter().map(Cell::get);
        all.find(|entry| entry.context == context.raw().cast()).map(|entry| entry.run)
    };
    RUNNING.with(find).and_then(NonNull::new)
}

impl Running {
    fn forget(&self, context: Context<'_>) {
        for place in &self.entries {
            if place.get().context == context.raw().cast() {
                place.set(NONE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::without_provenance_mut;

    use super::*;
    use crate::host;

    fn context(number: usize) -> Context<'static> {
        // SAFETY: it is compared, and nothing else is done with it.
        unsafe { Context::new(host::openssl(), without_provenance_mut(number)) }
    }

    fn found(number: usize) -> Option<usize> {
        of(context(number)).map(|run| run.addr().get())
    }

    fn run<T>(number: usize, body: impl FnOnce() -> T) -> T {
        during(context(number), without_provenance_mut(number * 10), body)
    }

    #[test]
    fn each_is_found_while_it_lasts() {
        run(1, || {
            assert_eq!((found(1), found(2)), (Some(10), None));
            run(2, || assert_eq!((found(1), found(2)), (Some(10), Some(20))));
            assert_eq!((found(1), found(2)), (Some(10), None));
            std::thread::spawn(|| assert_eq!(found(1), None)).join().unwrap();
        });
        assert_eq!(found(1), None);
    }

    #[test]
    fn too_many_at_once_are_not_found() {
        fn nest(number: usize) {
            run(number, || match number {
                17 => assert_eq!((found(1), found(2), found(17)), (None, Some(20), Some(170))),
                _ => nest(number + 1),
            });
        }
        nest(1);
        assert_eq!(found(2), None);
    }
}
