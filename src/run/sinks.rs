//! The sinks that show all batteries of the house: started with the program, each on its own, none ever in the way of a battery.
//!
//! **A new sink is one line in [`start`].** It gets the views, and a [`Stop`] to say goodbye when the program ends.

use crate::config::Settings;
use crate::history::{self, Histories};
use crate::house::House;
use crate::sink::{Stop, web};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the sinks may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1000);

/// The running sinks.
pub(super) struct Sinks {
    /// Dropped when the program ends.
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts those that are set; what they keep lies in `folder`.
pub(super) fn start(settings: &Settings, house: &House, folder: &Path) -> Sinks {
    let (stop, stopped) = Stop::new();
    let mut tasks = Vec::new();
    if settings.web.enabled {
        let histories = Histories::default();
        let kept =
            history::keep(histories.clone(), house.subscribe(), folder.to_owned(), settings.web.utc_offset_h, stopped.clone());
        tasks.push(tokio::spawn(kept));
        // The server has nothing to say at the end: it goes with the program.
        tokio::spawn(web::serve(settings.web.clone(), house.subscribe(), histories));
    }
    Sinks { stop, tasks }
}

impl Sinks {
    /// Lets them say goodbye.
    pub(super) async fn leave(self) {
        drop(self.stop);
        let farewell = async {
            for task in self.tasks {
                if let Err(error) = task.await {
                    log::error!("a sink broke down: {error}");
                }
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
            log::warn!("not every sink could say goodbye in time");
        }
    }
}
