//! Properties of the estimators on arbitrary readings.

use super::cell::Cell;
use super::moment::CellMoment;
use super::{Balancer, Health, MAX_CELLS, Observation};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use proptest::prelude::*;

/// A reading, owned.
#[derive(Debug, Clone)]
struct Told {
    pause: f64,
    cells: Vec<Volts>,
    current: Option<Amps>,
    temperatures: Vec<Celsius>,
    soc: Option<Percent>,
    remaining: Option<AmpHours>,
    balancer: (u8, f64, Vec<u8>),
}

impl Told {
    fn give(&self, t: &mut f64, health: &mut Health) {
        *t += self.pause;
        let (kind, current, cells) = &self.balancer;
        let current = Amps::new(*current);
        let balancing = match (kind % 3, cells.as_slice()) {
            (1, cells) => Balancer::Burns { current, cells },
            (2, [from, to, ..]) => Balancer::Moves { current, from: *from, to: *to },
            _ => Balancer::Untold,
        };
        health.update(&Observation {
            t: *t,
            cells: &self.cells,
            current: self.current,
            temperatures: &self.temperatures,
            soc: self.soc,
            remaining: self.remaining,
            balancing,
        });
    }
}

/// Mostly `usual`, else anything.
fn around(usual: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
    prop_oneof![8 => usual, 1 => any::<f64>(), 1 => -1e4..1e4]
}

fn told(count: usize) -> impl Strategy<Value = Told> {
    let cells =
        prop_oneof![20 => prop::collection::vec(around(2.9..3.5), count), 1 => prop::collection::vec(around(3.2..3.4), 0..40)];
    (
        prop_oneof![8 => 0.5..20.0, 1 => around(0.0..90_000.0)],
        cells,
        prop::option::weighted(0.95, around(-100.0..100.0)),
        prop::collection::vec(around(-10.0..50.0), 0..4),
        prop::option::of(around(0.0..100.0)),
        prop::option::of(around(0.0..280.0)),
        (any::<u8>(), around(-2.0..2.0), prop::collection::vec(any::<u8>(), 0..5)),
    )
        .prop_map(|(pause, cells, current, temperatures, soc, remaining, balancer)| Told {
            pause,
            cells: cells.into_iter().map(Volts::new).collect(),
            current: current.map(Amps::new),
            temperatures: temperatures.into_iter().map(Celsius::new).collect(),
            soc: soc.map(Percent::new),
            remaining: remaining.map(AmpHours::new),
            balancer,
        })
}

/// All numbers of the estimates; texts, dates and units do not matter.
fn numbers(health: &Health) -> Vec<f64> {
    let estimates = health.estimates();
    let cells = estimates.cells.iter().flat_map(|cell| {
        [
            cell.resistance,
            cell.relative_resistance,
            cell.rise,
            cell.trend,
            cell.scatter,
            cell.relative_slow,
            cell.offset,
            cell.self_discharge,
            cell.capacity,
            cell.relative_capacity,
            cell.margin,
        ]
    });
    let battery = [estimates.battery.capacity, estimates.battery.imbalance, estimates.battery.current_offset];
    let all = cells.chain(battery).map(|estimate| estimate.map_or([-1.0; 2], |known| [known.value, known.sd]));
    all.flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_readings_leave_numbers_that_can_be_saved(
        (count, readings) in (4usize..=MAX_CELLS).prop_flat_map(|count| (Just(count), prop::collection::vec(told(count), 1..200)))
    ) {
        let mut health = Health::new(count, AmpHours::new(280.0));
        let mut t = 1e9;
        for reading in &readings {
            reading.give(&mut t, &mut health);
        }
        health.review();
        let numbers_before = numbers(&health);
        prop_assert!(numbers_before.iter().all(|number| number.is_finite()));
        let text = serde_json::to_string(&health).unwrap();
        prop_assert!(text.len() < 3000 + count * 1500, "{} bytes", text.len());
        let restored: Health = serde_json::from_str(&text).unwrap();
        for (before, after) in numbers_before.iter().zip(numbers(&restored)) {
            prop_assert!((before - after).abs() <= 1e-6 * before.abs(), "{before} became {after}");
        }
        prop_assert_eq!(health.findings(), restored.findings());
    }
}

#[test]
fn sixteen_cells_take_less_than_4_kb() {
    let candidates = super::findings::MOST_MEMORY;
    let bytes = size_of::<Health>() + 16 * (size_of::<Cell>() + size_of::<CellMoment>()) + candidates;
    assert!(
        bytes <= 4096,
        "{bytes} bytes: {} + 16 x ({} + {}) + {candidates}",
        size_of::<Health>(),
        size_of::<Cell>(),
        size_of::<CellMoment>()
    );
}
