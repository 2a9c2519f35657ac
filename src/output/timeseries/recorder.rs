//! Records the courses of all batteries in the registry, and provides them.

use super::bin::Sample;
use super::cells::CellCourse;
use super::course::Course;
use super::file::CourseFile;
use super::series::Range;
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::base::time::Now;
use crate::output::registry::{Views, changed};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Maximum number of recorded batteries.
const MAX_BATTERIES: usize = 64;

#[derive(Debug)]
struct RecordedCourse {
    course: Course,
    cells: CellCourse,
    file: CourseFile,
}

/// The courses of all batteries. A clone is another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Courses(Arc<Mutex<BTreeMap<String, RecordedCourse>>>);

impl Courses {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RecordedCourse>> {
        // Nothing panics while the lock is held; the data is consistent in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The course of the battery `id` as JSON.
    pub fn json(&self, id: &str, range: (&'static str, Range), now: Now) -> Option<String> {
        self.lock().get(id).map(|recorded| recorded.course.json(id, range, now))
    }

    /// The last day of the cells of the battery `id` as JSON.
    pub fn cells(&self, id: &str, now: Now) -> Option<String> {
        self.lock().get(id).map(|recorded| recorded.cells.json(id, now))
    }

    /// Writes the data that is due, or everything. Only the caller waits for the disk.
    fn save(&self, now: Now, last: bool) {
        let (mut jobs, mut ends) = (Vec::new(), Vec::new());
        for (id, recorded) in self.lock().iter_mut() {
            if last || recorded.file.is_due(now.at) {
                jobs.extend(recorded.file.begin(&mut recorded.course, now, last).map(|job| (id.clone(), job)));
            }
            if last {
                ends.extend(recorded.file.end_cells(&mut recorded.cells, now));
            }
        }
        for (id, job) in jobs {
            let result = job.run();
            if let Some(Err(error)) = self.lock().get_mut(&id).map(|recorded| recorded.file.finish(result)) {
                log::warn!("{error}");
            }
        }
        for job in ends {
            if let Err(error) = job.run() {
                log::warn!(
                    "cannot save the day of the cells: {error}; it is lost with the end of the program. Check free space and permissions of the state folder"
                );
            }
        }
    }
}

/// Follows all batteries until the program ends. Files are in `folder`; days begin `offset_h` hours from UTC.
pub async fn follow(courses: Courses, mut views: watch::Receiver<Views>, folder: PathBuf, offset_h: f64, mut stop: Stop) {
    let mut seen = Views::default();
    loop {
        let there = views.borrow_and_update().clone();
        let now = now();
        for view in changed(&seen, &there) {
            let mut all = courses.lock();
            if !all.contains_key(&view.identity.id) {
                if all.len() >= MAX_BATTERIES {
                    continue;
                }
                let (mut course, mut file) = (Course::new(offset_h), CourseFile::new(&folder, &view.identity.id, now.at));
                if let Err(error) = file.load(&mut course) {
                    log::warn!("{error}");
                }
                let cells = file.load_cells(now).unwrap_or_else(|error| {
                    log::warn!("{error}");
                    CellCourse::default()
                });
                all.extend([(view.identity.id.clone(), RecordedCourse { course, cells, file })]);
            }
            if let Some(recorded) = all.get_mut(&view.identity.id) {
                recorded.course.add(&Sample::from(&**view), now);
                let balanced = view.switches.balancing_cells.as_ref().map_or(&[][..], |cells| &cells.0);
                recorded.cells.add(&view.cells.cell_voltages_v, balanced, now);
            }
        }
        seen = there;
        let due = courses.lock().values().any(|recorded| recorded.file.is_due(now.at));
        if due {
            // Batteries must not wait for a slow disk.
            let saving = courses.clone();
            let _ = runtime::blocking(move || saving.save(now, false)).await;
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { break },
            () = stop.asked() => break,
        }
    }
    courses.save(now(), true);
}
