//! Which registers of a device are read in one request, and which it does not have.
//!
//! Neighbours are read together. If the device refuses such a block, its registers are read one by one from then on; one that is
//! refused alone is not asked for again.

use super::Family;
use super::registers::Register;
use crate::model::{DeviceValue, Quantity};

/// Registers between two of interest that are read as well rather than in a request of their own.
const MAX_GAP: u16 = 6;
/// Maximum registers of a request.
const MAX_WORDS: u16 = 60;

/// What is known about the registers of one device.
#[derive(Debug, Clone)]
pub struct Survey {
    family: Family,
    blocks: Vec<Block>,
    /// Registers that the device refuses.
    missing: Vec<u16>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// First register.
    pub first: u16,
    /// Number of registers.
    pub count: u16,
}

#[derive(Debug, Clone)]
struct Block {
    step: Step,
    /// It is read register by register.
    single: bool,
}

impl Survey {
    /// Nothing is known yet.
    pub fn new(family: Family) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for register in family.registers().iter().filter(|register| family.has(register)) {
            let end = register.at.saturating_add(register.words());
            match blocks.last_mut().map(|block| &mut block.step) {
                Some(step)
                    if register.at.saturating_sub(step.first.saturating_add(step.count)) <= MAX_GAP
                        && end.saturating_sub(step.first) <= MAX_WORDS =>
                {
                    step.count = end.saturating_sub(step.first);
                }
                _ => blocks.push(Block { step: Step { first: register.at, count: register.words() }, single: false }),
            }
        }
        Self { family, blocks, missing: Vec::new() }
    }

    /// The requests of the next round.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for block in &self.blocks {
            if !block.single {
                steps.push(block.step.clone());
                continue;
            }
            let inside = self.inside(&block.step).filter(|register| !self.missing.contains(&register.at));
            steps.extend(inside.map(|register| Step { first: register.at, count: register.words() }));
        }
        steps
    }

    fn inside(&self, step: &Step) -> impl Iterator<Item = &'static Register> + use<> {
        let (family, first, end) = (self.family, step.first, step.first.saturating_add(step.count));
        family.registers().iter().filter(move |register| family.has(register) && (first..end).contains(&register.at))
    }

    /// The device refuses this request. True if its registers are to be asked for one by one, at once.
    pub fn refused(&mut self, step: &Step) -> bool {
        if let Some(block) = self.blocks.iter_mut().find(|block| !block.single && block.step == *step) {
            block.single = true;
            return true;
        }
        if !self.missing.contains(&step.first) {
            self.missing.push(step.first);
        }
        false
    }

    /// The requests for the registers of a refused block.
    pub fn parts(&self, step: &Step) -> Vec<Step> {
        self.inside(step).map(|register| Step { first: register.at, count: register.words() }).collect()
    }

    /// Number of registers that the device does not have.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The values in the answer to a request.
    pub fn values(&self, step: &Step, words: &[u16]) -> Vec<(&'static Quantity, DeviceValue)> {
        let read = self.inside(step).filter_map(|register| {
            let at = usize::from(register.at.checked_sub(step.first)?);
            let end = at.checked_add(usize::from(register.words()))?;
            Some((register.quantity, register.value(words.get(at..end)?)?))
        });
        read.collect()
    }
}
