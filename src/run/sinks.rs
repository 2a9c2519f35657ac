//! The sinks that show all batteries of the house: started with the program, each on its own, none ever in the way of a battery.
//!
//! **A new sink is one line in [`start`].** It gets the views, and a [`Stop`] to say goodbye when the program ends.

use crate::config::{Config, Settings};
use crate::history::{self, Histories};
use crate::house::House;
use crate::sink::dbus::DeviceId;
use crate::sink::domoticz::{self, Numbers};
use crate::sink::{Stop, mqtt, web};
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

/// Whether any sink is set.
pub(super) fn any(settings: &Settings) -> bool {
    settings.web.enabled || settings.mqtt.enabled || settings.domoticz.url.is_some()
}

/// Starts those that are set; what they keep lies in `folder`.
pub(super) fn start(config: &Config, house: &House, folder: &Path) -> Sinks {
    let settings = config.settings(None, None);
    let (stop, stopped) = Stop::new();
    let mut tasks = Vec::new();
    if settings.web.enabled {
        let histories = Histories::default();
        let kept =
            history::keep(histories.clone(), house.subscribe(), folder.to_owned(), settings.web.utc_offset_h, stopped.clone());
        tasks.push(tokio::spawn(kept));
        // The server has nothing to say at the end: it goes with the program.
        tokio::spawn(web::serve(settings.web.clone(), house.clone(), histories));
    }
    if settings.mqtt.enabled {
        tasks.push(tokio::spawn(mqtt::serve(settings.mqtt, house.subscribe(), numbers(config), stopped)));
    }
    if settings.domoticz.url.is_some() {
        // Nor has this.
        tokio::spawn(domoticz::serve(settings.domoticz, house.subscribe(), numbers(config)));
    }
    Sinks { stop, tasks }
}

/// The numbers in Domoticz of a battery, by the id of its view.
fn numbers(config: &Config) -> impl Fn(&str) -> Numbers + use<> {
    let config = config.clone();
    move |view: &str| {
        let own = config.batteries().into_iter().find(|id| DeviceId::new(id).to_string() == view);
        config.settings(None, own).domoticz.numbers
    }
}

impl Sinks {
    /// Lets them say goodbye.
    pub(super) async fn leave(self) {
        drop(self.stop);
        let farewell = async {
            for task in self.tasks {
                if let Err(error) = task.await {
                    log::error!("a sink broke down: {error}; restart the driver, and please report this");
                }
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
            log::warn!("not every sink could say goodbye in time");
        }
    }
}
