//! Sun and loads of a house, day after day.

use super::{DAY, Installation, Random, noise};
use crate::sim::plant::profile::{Course, broken_clouds, clear_sky, household};
use std::f64::consts::TAU;

/// Losses of charger and inverter, and voltage per cell for which power counts, V.
const EFFICIENCY: f64 = 0.95;
const CELL_V: f64 = 3.28;
/// State of charge at which the inverter stops on a deep day, 0 to 1.
const DEEP_SOC: f64 = 0.03;
/// Small loads go up and down by so many watts, and are about the same for so long, s.
const WANDER_W: f64 = 30.0;
const WANDER_S: f64 = 1000.0;

/// The sky of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sky {
    Clear,
    Broken,
    Dull,
}

/// The house today.
#[derive(Debug, Clone)]
pub(super) struct House {
    sky: Sky,
    sun: Course,
    load: Course,
    wander_w: f64,
    /// The inverter stops at this state of charge today, 0 to 1.
    pub(super) least_soc: f64,
    random: Random,
}

impl House {
    pub(super) fn new(seed: u64) -> Self {
        let (sun, load, random) = (Course::default(), Course::default(), Random::new(seed ^ 0xB0_05E));
        Self { sky: Sky::Clear, sun, load, wander_w: 0.0, least_soc: 1.0, random }
    }

    /// Weather and loads of a day since the start. The weather mostly stays as it was.
    pub(super) fn begin_day(&mut self, installation: &Installation, day: u32) {
        if self.random.chance(45.0) {
            self.sky = match self.random.between(0.0, 1.0) {
                chosen if chosen < 0.35 => Sky::Clear,
                chosen if chosen < 0.75 => Sky::Broken,
                _ => Sky::Dull,
            };
        }
        let season = 0.72 + 0.28 * (TAU * (installation.day_of_year + f64::from(day) - 80.0) / 365.0).sin();
        let seed = self.random.bits();
        self.sun = match self.sky {
            Sky::Clear => clear_sky(installation.peak_w * season),
            Sky::Broken => broken_clouds(installation.peak_w * season, seed),
            Sky::Dull => clear_sky(installation.peak_w * season * self.random.between(0.08, 0.35)),
        };
        self.load = household(installation.base_w, self.random.bits());
        self.least_soc = if self.random.chance(100.0 * installation.deep_days) { DEEP_SOC } else { installation.least_soc };
    }

    /// What sun and loads want of a battery of so many cells at `t` s since the start, A; positive charges.
    pub(super) fn current(&mut self, t: f64, dt: f64, cells: usize) -> f64 {
        let share = (dt / WANDER_S).min(1.0);
        self.wander_w += noise(&mut self.random, WANDER_W * (2.0 * share).sqrt()) - share * self.wander_w;
        let now = t % DAY;
        let load = (self.load.at(now) + self.wander_w).max(0.0) / EFFICIENCY;
        (self.sun.at(now) * EFFICIENCY - load) / (CELL_V * cells.max(1) as f64)
    }
}
