//! Two things measured by turns, so that whatever else the machine does hits both.

use crate::worker::Worker;

/// Measures the one (0) and the other (1) in each round. Who goes first changes.
pub(crate) fn in_turns<T: Copy + Default>(
    rounds: usize,
    mut measure: impl FnMut(usize) -> T,
) -> Vec<[T; 2]> {
    let one = |round: usize| {
        let mut both = [T::default(); 2];
        for turn in [round % 2, 1 - round % 2] {
            both[turn] = measure(turn);
        }
        both
    };
    (0..rounds).map(one).collect()
}

/// The same of two workers, which are told once before that.
pub(crate) fn of_workers(rounds: usize, mut workers: [Worker; 2]) -> Vec<[f64; 2]> {
    workers.iter_mut().for_each(|worker| {
        worker.ask();
    });
    in_turns(rounds, |turn| workers[turn].ask())
}
