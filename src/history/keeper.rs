//! Keeps the courses of all batteries of the house, and answers for them.

use super::bin::Sample;
use super::course::Course;
use super::file::HistoryFile;
use super::series::Range;
use crate::battery::Now;
use crate::house::{Views, news};
use crate::runtime::{self, now};
use crate::sink::Stop;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// More batteries than anybody has: what comes beyond is not kept.
const MOST: usize = 64;

#[derive(Debug)]
struct Kept {
    course: Course,
    file: HistoryFile,
}

/// The courses of all batteries. Cloning gives another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Histories(Arc<Mutex<BTreeMap<String, Kept>>>);

impl Histories {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        // Nothing panics while it is held; what is there is whole in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The course of the battery `id` as JSON.
    pub fn json(&self, id: &str, range: (&'static str, Range), now: Now) -> Option<String> {
        self.lock().get(id).map(|kept| kept.course.json(id, range, now))
    }

    /// Writes what is due, or everything. Nobody waits for the disk but the caller.
    fn save(&self, now: Now, last: bool) {
        let mut jobs = Vec::new();
        for (id, kept) in self.lock().iter_mut() {
            if last || kept.file.is_due(now.at) {
                jobs.extend(kept.file.begin(&mut kept.course, now, last).map(|job| (id.clone(), job)));
            }
        }
        for (id, job) in jobs {
            let result = job.run();
            if let Some(Err(error)) = self.lock().get_mut(&id).map(|kept| kept.file.finish(result)) {
                log::warn!("{error}");
            }
        }
    }
}

/// Follows all batteries until the program ends. Files lie in `folder`; days begin `offset_h` hours from UTC.
pub async fn keep(histories: Histories, mut views: watch::Receiver<Views>, folder: PathBuf, offset_h: f64, mut stop: Stop) {
    let mut seen = Views::default();
    loop {
        let there = views.borrow_and_update().clone();
        let now = now();
        for view in news(&seen, &there) {
            let mut all = histories.lock();
            if !all.contains_key(&view.id) {
                if all.len() >= MOST {
                    continue;
                }
                let (mut course, mut file) = (Course::new(offset_h), HistoryFile::new(&folder, &view.id, now.at));
                if let Err(error) = file.load(&mut course) {
                    log::warn!("{error}");
                }
                all.extend([(view.id.clone(), Kept { course, file })]);
            }
            if let Some(kept) = all.get_mut(&view.id) {
                kept.course.take(&Sample::from(&**view), now);
            }
        }
        seen = there;
        let due = histories.lock().values().any(|kept| kept.file.is_due(now.at));
        if due {
            // A disk may be slow, and batteries must not wait for it.
            let saving = histories.clone();
            let _ = runtime::blocking(move || saving.save(now, false)).await;
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { break },
            () = stop.asked() => break,
        }
    }
    histories.save(now(), true);
}
