//! The outputs that show all batteries: started with the program, each as a task of its own, so that none delays a battery.
//!
//! **A new output is one line in [`start`].** It receives the views, and a [`Stop`] that signals the end of the program.

use super::{conext, generator, xanbus};
use crate::base::stop::Stop;
use crate::config::{Config, Settings};
use crate::dbus::DeviceId;
use crate::output::domoticz::{self, Numbers};
use crate::output::event_log::{self, EventLogs};
use crate::output::registry::BatteryRegistry;
use crate::output::timeseries::{self, Courses};
use crate::output::web::Kept;
use crate::output::{mqtt, web};
use crate::recording::flight_recorder::FLIGHT_FOLDER;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Time limit for the outputs to finish at the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1000);

/// The running outputs.
pub(super) struct Outputs {
    /// Dropped at the end of the program.
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// Whether any output is configured.
pub(super) fn any(settings: &Settings) -> bool {
    settings.web.enabled
        || settings.mqtt.enabled
        || settings.domoticz.url.is_some()
        || settings.generator.has_output()
        || settings.conext.host.is_some()
        || settings.conext.can.is_some()
}

/// Starts the configured outputs of a program that serves `task`; their files are in `folder`.
pub(super) fn start(config: &Config, registry: &BatteryRegistry, folder: &Path, task: &str) -> Outputs {
    let settings = config.settings(None, None);
    let (stop, stopped) = Stop::new();
    let mut tasks = Vec::new();
    let (reader, ags) = conext::start(&settings, registry, stopped.clone()).unzip();
    tasks.extend(generator::start(&settings, registry, ags, stopped.clone()));
    tasks.extend(reader);
    tasks.extend(xanbus::start(&settings, registry, stopped.clone()));
    if settings.web.enabled {
        let courses = Courses::default();
        let kept = timeseries::follow(
            courses.clone(),
            registry.subscribe(),
            folder.to_owned(),
            settings.web.utc_offset_h,
            stopped.clone(),
        );
        tasks.push(tokio::spawn(kept));
        let logs = EventLogs::default();
        tasks.push(tokio::spawn(event_log::follow(
            logs.clone(),
            registry.subscribe(),
            folder.to_owned(),
            settings.web.utc_offset_h,
            stopped.clone(),
        )));
        // The server has nothing to send at the end and needs no stop signal.
        let recordings = folder.join(FLIGHT_FOLDER);
        tokio::spawn(web::serve(settings.web.clone(), registry.clone(), Kept { courses, logs, recordings }));
    }
    if settings.mqtt.enabled {
        tasks.push(tokio::spawn(mqtt::serve(
            settings.mqtt,
            (registry.clone(), settings.web, task.to_owned()),
            numbers(config),
            stopped,
        )));
    }
    if settings.domoticz.url.is_some() {
        // The same applies here.
        tokio::spawn(domoticz::serve(settings.domoticz, registry.subscribe(), numbers(config)));
    }
    Outputs { stop, tasks }
}

/// The Domoticz numbers of a battery, by the id of its view.
fn numbers(config: &Config) -> impl Fn(&str) -> Numbers + use<> {
    let config = config.clone();
    move |view: &str| {
        let own = config.batteries().into_iter().find(|id| DeviceId::new(id).to_string() == view);
        config.settings(None, own).domoticz.numbers
    }
}

impl Outputs {
    /// Lets them finish.
    pub(super) async fn shut_down(self) {
        drop(self.stop);
        let finished = async {
            for task in self.tasks {
                if let Err(error) = task.await {
                    log::error!("an output failed: {error}; restart the driver, and please report this");
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await.is_err() {
            log::warn!("some outputs did not finish in time");
        }
    }
}
