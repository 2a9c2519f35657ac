//! What the balancer moves, where the BMS tells it.

use super::cell::Cell;
use super::observation::Balancer;
use crate::base::units::Amps;

/// What arrives of the charge that a balancer moves from one cell to another.
const EFFICIENCY: f64 = 0.9;
/// No balancer of a home battery does more, A.
const MOST: f64 = 10.0;

/// Books the charge of `dt` seconds.
pub(super) fn book(balancer: Balancer, dt: f64, cells: &mut [Cell]) {
    let charge = |current: Amps| Some(current.get()).filter(|amps| (0.0..=MOST).contains(amps)).map(|amps| amps * dt / 3600.0);
    match balancer {
        Balancer::Unknown => {}
        Balancer::Moves { current, from, to } => {
            if let Some(charge) = charge(current) {
                add(cells, from, -charge);
                add(cells, to, EFFICIENCY * charge);
            }
        }
        Balancer::Burns { current, cells: numbers } => {
            if let Some(charge) = charge(current) {
                numbers.iter().for_each(|number| add(cells, *number, -charge));
            }
        }
    }
}

fn add(cells: &mut [Cell], number: u8, charge: f64) {
    if let Some(cell) = usize::from(number).checked_sub(1).and_then(|index| cells.get_mut(index)) {
        cell.balanced += charge;
    }
}
