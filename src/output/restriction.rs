//! A current limit that a rule holds below the maximum, and whether the current feels it. Pure.

use crate::output::api::{Kind, LimitDetail, View};
use crate::output::registry::Views;
use std::borrow::Cow;

/// A limit above this share of its maximum does not count as restricted.
const RESTRICTED_BELOW: f64 = 0.98;
/// A limit is felt while the current is at least this share of it.
const FELT_FROM: f64 = 0.95;
/// At a smaller limit nobody can say whether more was wanted, A.
const LEAST_LIMIT_A: f64 = 1.0;

/// A restricted current.
#[derive(Debug, Clone, PartialEq)]
pub struct Restriction {
    /// `charge` or `discharge`.
    pub direction: &'static str,
    /// The rule, as in [`LimitDetail::rule`].
    pub rule: Cow<'static, str>,
    /// The battery of a bank that sets it.
    pub battery: Option<String>,
    /// The cell by which the rule acts.
    pub cell: Option<u16>,
    /// The limit, A.
    pub value: f64,
    /// The current is at the limit, so more may have been wanted.
    pub is_felt: bool,
}

impl Restriction {
    /// Those of a view for charging and discharging; none while its data is not fresh, nor for a battery whose bank has a view of its own,
    /// because that bank's limits apply.
    pub fn all(view: &View, views: &Views) -> [Option<Self>; 2] {
        let in_bank = |bank: &String| {
            let bank_view =
                |other: &View| other.identity.kind == Kind::Bank && (other.identity.id == *bank || other.identity.name == *bank);
            views.iter().any(|other| bank_view(other))
        };
        if !view.is_fresh() || view.identity.bank.as_ref().is_some_and(in_bank) {
            return [None, None];
        }
        let current = view.pack.current_a;
        [
            Self::of("charge", view.limits.ccl.as_ref(), current),
            Self::of("discharge", view.limits.dcl.as_ref(), current.map(|amps| -amps)),
        ]
    }

    fn of(direction: &'static str, limit: Option<&LimitDetail>, current: Option<f64>) -> Option<Self> {
        let limit = limit?;
        let (value, max) = limit.value.zip(limit.max)?;
        let is_felt = value >= LEAST_LIMIT_A && current.is_some_and(|amps| amps >= value * FELT_FROM);
        let LimitDetail { rule, battery, cell, .. } = limit.clone();
        (value < max * RESTRICTED_BELOW).then_some(Self { direction, rule, battery, cell, value, is_felt })
    }

    /// Nothing, or nearly nothing, is allowed: whether more was wanted is not known.
    pub fn is_zero(&self) -> bool {
        self.value < LEAST_LIMIT_A
    }

    /// The current is at the limit, or nothing is allowed.
    pub fn is_felt_or_zero(&self) -> bool {
        self.is_felt || self.is_zero()
    }
}
