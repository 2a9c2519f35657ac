//! Keeps the logs of all batteries in the registry, and provides them.

use super::file::{LogFile, SavedEvents};
use crate::base::atomic_file::replace;
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::model::AlarmName;
use crate::output::api::LogEntry;
use crate::output::registry::{Views, changed, removed};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Maximum number of batteries with a log.
const MAX_BATTERIES: usize = 64;
/// Interval of looking after writes and old entries without new views.
const TICK: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct BatteryEvents {
    kept: SavedEvents,
    file: LogFile,
}

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogQuery<'a> {
    /// Only of this battery or bank.
    pub id: Option<&'a str>,
    /// Only of this kind.
    pub kind: Option<&'a str>,
    /// Only those that began at or after this time, or last.
    pub since: Option<u64>,
    /// At most so many, the newest ones.
    pub limit: Option<usize>,
}

/// The logs of all batteries. A clone is another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct EventLogs(Arc<Mutex<BTreeMap<String, BatteryEvents>>>);

impl EventLogs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BatteryEvents>> {
        // Nothing panics while the lock is held; the data is consistent in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries, the newest first.
    pub fn entries(&self, query: LogQuery<'_>, now: Now) -> Vec<LogEntry> {
        let LogQuery { id, kind, since, limit } = query;
        let is_asked = |entry: &LogEntry| {
            kind.is_none_or(|kind| entry.kind == kind)
                && since.is_none_or(|since| entry.active || entry.at.is_some_and(|at| at >= since))
        };
        let all = self.lock();
        let of_battery = all.iter().filter(|(battery, _)| id.is_none_or(|id| id == *battery));
        let in_words = |entry: LogEntry| LogEntry { text: alarm_words(&entry), ..entry };
        let mut list: Vec<LogEntry> = of_battery.flat_map(|(_, battery)| battery.kept.log.entries(now)).filter(is_asked).collect();
        // Without a wall clock the order is that of the batteries.
        list.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        list.truncate(limit.unwrap_or(usize::MAX));
        list.into_iter().map(in_words).collect()
    }

    /// The days of the battery `id` with the rules that limited it, as JSON; `None`: there is no such battery.
    pub fn limited(&self, id: &str, now: Now) -> Option<String> {
        let all = self.lock();
        let limited = &all.get(id)?.kept.limited;
        Some(serde_json::json!({ "id": id, "today": limited.today(now), "days": limited.days() }).to_string())
    }

    /// The entries as JSON.
    pub fn json(&self, query: LogQuery<'_>, now: Now) -> String {
        serde_json::json!({ "now": now.unix, "entries": self.entries(query, now) }).to_string()
    }

    fn observe(&self, seen: &Views, there: &Views, (folder, offset_h): (&Path, f64), now: Now) {
        let mut all = self.lock();
        for view in changed(seen, there) {
            let id = &view.identity.id;
            if !all.contains_key(id) {
                if all.len() >= MAX_BATTERIES {
                    continue;
                }
                let file = LogFile::new(folder, id);
                let kept = file.load(offset_h, now.at).unwrap_or_else(|error| {
                    log::warn!("{error}");
                    SavedEvents::default()
                });
                all.extend([(id.clone(), BatteryEvents { kept, file })]);
            }
            if let Some(BatteryEvents { kept, .. }) = all.get_mut(id) {
                kept.log.observe(view, there, now);
                kept.limited.observe(view, there, now);
            }
        }
        for id in removed(seen, there) {
            if let Some(battery) = all.get_mut(id) {
                battery.kept.log.gone(now);
            }
        }
        all.values_mut().for_each(|battery| battery.kept.log.tick(now));
    }

    /// The writes that are due.
    fn due(&self, now: Now, last: bool) -> Vec<(String, PathBuf, String)> {
        let mut all = self.lock();
        let due = all.iter_mut().filter_map(|(id, BatteryEvents { kept, file })| {
            let text = file.begin(kept, now, last)?;
            Some((id.clone(), file.path().to_owned(), text))
        });
        due.collect()
    }

    /// Writes to the disk, and waits for it.
    fn write(&self, due: &[(String, PathBuf, String)]) {
        for (id, path, text) in due {
            let result = replace(path, text);
            if let Some(Err(error)) = self.lock().get_mut(id).map(|battery| battery.file.finish(result)) {
                log::warn!("{error}");
            }
        }
    }
}

/// What is wrong, of an alarm.
fn alarm_words(entry: &LogEntry) -> Option<Cow<'static, str>> {
    let name = AlarmName::ALL.into_iter().find(|name| entry.kind == "alarm" && name.key() == entry.what)?;
    Some(Cow::Borrowed(name.words().text))
}

/// Follows all batteries until the program ends. Files are in `folder`; days begin `offset_h` hours from UTC.
pub async fn follow(logs: EventLogs, mut views: watch::Receiver<Views>, folder: PathBuf, offset_h: f64, mut stop: Stop) {
    let mut seen = Views::default();
    loop {
        let there = views.borrow_and_update().clone();
        let now = now();
        logs.observe(&seen, &there, (&folder, offset_h), now);
        seen = there;
        let due = logs.due(now, false);
        if !due.is_empty() {
            // Batteries must not wait for a slow disk.
            let writing = logs.clone();
            let _ = runtime::blocking(move || writing.write(&due)).await;
        }
        let later: Moment = now.at.after(TICK);
        tokio::select! {
            changed = views.changed() => if changed.is_err() { break },
            () = runtime::sleep_until(later) => {}
            () = stop.asked() => break,
        }
    }
    let due = logs.due(now(), true);
    logs.write(&due);
}
