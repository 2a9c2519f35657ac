//! Drivers that restart: a restart of seconds says nothing against the batteries, so the limits go back to what they were.

use super::members::Members;
use std::collections::BTreeSet;

/// Members that were stopped deliberately and are still expected back.
#[derive(Debug, Default)]
pub(super) struct Restart(Option<Before>);

/// State before the first of them was stopped.
#[derive(Debug)]
struct Before {
    /// CVL, CCL and DCL.
    limits: [f64; 3],
    /// Names of the members that were online.
    online: BTreeSet<String>,
}

impl Restart {
    /// Keeps the limits `in_force` when members are stopped, and returns them once all members that were online then are back. Ends
    /// without that when one of them has faded out or is lost.
    pub(super) fn advance(&mut self, members: &Members, in_force: Option<[f64; 3]>) -> Option<[f64; 3]> {
        if self.0.is_none() {
            let limits = in_force.filter(|_| members.is_fading())?;
            let online = members.all().filter(|(_, member)| member.was_online).map(|(name, _)| name.clone()).collect();
            self.0 = Some(Before { limits, online });
        }
        let before = self.0.as_ref()?;
        let counted = members.counted().filter(|(name, _)| before.online.contains(*name)).count();
        let away = members.all().any(|(name, member)| !member.is_online() && before.online.contains(name));
        if counted == before.online.len() && away {
            return None;
        }
        self.0.take().filter(|_| !away).map(|before| before.limits)
    }
}
