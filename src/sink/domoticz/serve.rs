//! The sink that tells Domoticz over HTTP.

use super::http::{Refusal, Request, Url};
use super::{Numbers, Update, round};
use crate::config::Secret;
use crate::house::Views;
use crate::runtime::{self, now};
use std::io;
use std::time::Duration;
use tokio::sync::watch;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tries of one value.
const TRIES: u32 = 3;

/// Where Domoticz is, and how it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Its address; `None` = it is not told.
    pub url: Option<String>,
    /// User there.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Time between two rounds of values.
    pub interval: Duration,
    /// Least time between two requests.
    pub pause: Duration,
    /// The numbers of the values of a battery.
    pub numbers: Numbers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password: None,
            interval: Duration::from_secs(60),
            pause: Duration::from_millis(200),
            numbers: Numbers::default(),
        }
    }
}

/// Tells Domoticz of these views, round after round, for ever. `numbers` gives a battery's numbers by its identity.
pub async fn serve(config: Config, views: watch::Receiver<Views>, numbers: impl Fn(&str) -> Numbers) {
    let Some(url) = config.url.as_deref().and_then(|url| url.parse::<Url>().ok()) else { return };
    let (mut said, mut said_clash) = (None, false);
    let mut due = now().at;
    loop {
        runtime::sleep_until(due).await;
        due = now().at.after(config.interval);
        let house = views.borrow().clone();
        let (round, clash) = round(&house, &numbers);
        if let Some(idx) = clash.filter(|_| !std::mem::replace(&mut said_clash, true)) {
            log::warn!("Domoticz: idx {idx} is given to two batteries; set the numbers in [battery.\"ID\".domoticz.idx]");
        }
        let outcome = tell_all(&config, &url, &round).await;
        report(&url, outcome, &mut said);
    }
}

/// Tells all values; one that is refused does not keep the others back. A Domoticz that is not there ends the round.
async fn tell_all(config: &Config, url: &Url, round: &[Update]) -> Option<String> {
    let login = config.user.as_deref().zip(config.password.as_ref());
    let mut refused = None;
    for update in round {
        let request = Request::update(url, login, update);
        match tell(&request, url, config.pause).await {
            Ok(()) => {}
            Err(refusal @ Refusal::Device) => _ = refused.get_or_insert(format!("idx {}: {refusal}", update.idx)),
            Err(refusal) => return Some(refusal.to_string()),
        }
        runtime::sleep_until(now().at.after(config.pause)).await;
    }
    refused
}

/// Tells one value, again if it did not get there.
async fn tell(request: &Request, url: &Url, pause: Duration) -> Result<(), Refusal> {
    let mut tries = 1;
    loop {
        let sent = tokio::time::timeout(PATIENCE, request.send(url)).await;
        match sent.unwrap_or_else(|_| Err(Refusal::Network(io::ErrorKind::TimedOut.into()))) {
            Err(Refusal::Network(_)) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
        runtime::sleep_until(now().at.after(pause.max(Duration::from_secs(1)))).await;
    }
}

/// Says trouble once until it is over, or another.
fn report(url: &Url, trouble: Option<String>, said: &mut Option<String>) {
    match &trouble {
        Some(text) if *said != trouble => log::warn!("Domoticz at {url} {text}"),
        None if said.is_some() => log::info!("Domoticz at {url} takes the values again"),
        _ => {}
    }
    *said = trouble;
}
