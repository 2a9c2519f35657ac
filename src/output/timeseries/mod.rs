//! Courses: a battery's values over an hour, a day, a week, a month, and its energy over a year.
//!
//! ```text
//! views ──▶ minutes (a day, in memory) ──▶ quarters of an hour (a month) ──▶ file, once an hour
//!                                     └──▶ energy per day (a year)       ──▶   "
//! ```
//! Of the cells: their last day in steps of five minutes, in memory, written once at the end of the program.
//!
//! Everything but `file` and `recorder` is pure.

mod bin;
mod cells;
mod course;
mod file;
mod record;
mod recorder;
mod series;

pub use bin::{Bin, Sample};
pub use cells::{CELL_STEPS, CellCourse};
pub use course::{Course, DAYS, MINUTES, QUARTERS};
pub use file::{CourseError, CourseFile, INTERVAL, Job};
pub use recorder::{Courses, follow};
pub use series::Range;
