//! A BMS that hangs: it repeats its earlier reply to each request, while its battery continues to change.

use dbus_bms::base::units::Moment;
use dbus_bms::model::Snapshot;
use dbus_bms::sim::Reply;
use std::collections::HashMap;
use std::time::Duration;

/// In every quarter of an hour it hangs from here, when all limits are restored …
const FROM: Duration = Duration::from_secs(100);
/// … to here: long enough for all stages of silence.
const TO: Duration = Duration::from_secs(560);
const EVERY: Duration = Duration::from_secs(900);

/// Events meanwhile. The pack is charged with 40 A, and while the BMS hangs a cell rises until it permits no charge; in the next
/// quarter of an hour it is discharged.
pub(crate) const SCENARIO: &str = "
repeat_s = 1800
[[step]]
t = 0
current_a = 40
[[step]]
t = 130
cell = 3
offset_v = 0.23
[[step]]
t = 600
cell = 3
offset_v = 0.0
[[step]]
t = 900
current_a = -40
";

/// The times of safety rule 11, after the two minutes of identical values under load that reveal a hang, with a second for the
/// reading that reveals it: values are invalid by then, …
const VALUES_GONE: Duration = Duration::from_secs(131);
/// … charging has ended, …
const CHARGE_GONE: Duration = Duration::from_secs(151);
/// … the cable warning is raised and a quarter of the discharge current is left, …
const QUARTER: Duration = Duration::from_secs(181);
/// … or none.
const ALL_GONE: Duration = Duration::from_secs(421);
/// The cable warning is not raised earlier.
const WARNING: Duration = Duration::from_secs(175);

/// How long the BMS has been hanging at `now`.
pub(crate) fn since(now: Moment) -> Option<Duration> {
    let into = into(now);
    (FROM..TO).contains(&into).then(|| into.saturating_sub(FROM))
}

/// How long it has been working again.
pub(crate) fn over(now: Moment) -> Option<Duration> {
    let end = EVERY.saturating_sub(TO);
    now.since_origin().checked_sub(TO).map(|_| into(now)).map(|into| into.checked_sub(TO).unwrap_or(into + end))
}

fn into(now: Moment) -> Duration {
    Duration::from_nanos(u64::try_from(now.since_origin().as_nanos() % EVERY.as_nanos()).unwrap())
}

/// Whether published values must be correct again: before, the hang cannot be detected.
pub(crate) fn is_known(since: Duration) -> bool {
    since >= VALUES_GONE
}

/// Whether the state of the cable warning is correct.
pub(crate) fn is_right(snapshot: &Snapshot, since: Duration) -> bool {
    if snapshot.cable.is_some() { since >= WARNING } else { since < QUARTER }
}

/// Maximum CVL, CCL and DCL after this time, with limits of `before` earlier and a pack voltage of `voltage`.
pub(crate) fn allowed(before: [f64; 3], voltage: f64, since: Duration) -> [f64; 3] {
    let [cvl, ccl, dcl] = before;
    let after = |time: Duration| since >= time;
    [
        if after(VALUES_GONE) { cvl.min(voltage) } else { cvl },
        if after(CHARGE_GONE) { 0.0 } else { ccl },
        if after(ALL_GONE) {
            0.0
        } else if after(QUARTER) {
            0.25 * dcl
        } else {
            dcl
        },
    ]
}

/// Earlier replies by request.
#[derive(Default)]
pub(crate) struct Answers(HashMap<Vec<u8>, Vec<Reply>>);

impl Answers {
    /// The reply instead of the `true` one.
    pub(crate) fn pass(&mut self, sent: &[u8], replies: Vec<Reply>, now: Moment) -> Vec<Reply> {
        match self.0.get(sent) {
            Some(before) if since(now).is_some() => before.clone(),
            _ => {
                self.0.insert(sent.to_vec(), replies.clone());
                replies
            }
        }
    }
}
