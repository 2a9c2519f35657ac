//! Domoticz output over HTTP.

use super::http::{Refusal, Request, Url};
use super::{Numbers, Update, round};
use crate::base::episode::Once;
use crate::base::runtime::{self, now};
use crate::base::secret::Secret;
use crate::link::tls::Client;
use crate::output::registry::Views;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts per value.
const MAX_TRIES: u32 = 3;

/// Settings of the Domoticz output.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Its address; `None` = no output.
    pub url: Option<String>,
    /// Certificates (PEM) to trust instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// User name.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Update interval.
    pub interval: Duration,
    /// Minimum time between two requests.
    pub pause: Duration,
    /// The numbers of the values of a battery.
    pub numbers: Numbers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            tls_ca: None,
            user: None,
            password: None,
            interval: Duration::from_secs(60),
            pause: Duration::from_millis(200),
            numbers: Numbers::default(),
        }
    }
}

/// Sends these views to Domoticz at each interval, forever. `numbers` returns a battery's numbers by its identity.
pub async fn serve(config: Config, views: watch::Receiver<Views>, numbers: impl Fn(&str) -> Numbers) {
    let Some(url) = config.url.as_deref().and_then(|url| url.parse::<Url>().ok()) else { return };
    let (mut logged, mut logged_clash) = (None, Once::default());
    let mut client = None;
    let mut due = now().at;
    loop {
        runtime::sleep_until(due).await;
        due = now().at.after(config.interval);
        let current = views.borrow().clone();
        let (round, clash) = round(&current, &numbers);
        if let Some(idx) = clash.filter(|_| logged_clash.first()) {
            log::warn!("Domoticz: two batteries use idx {idx}; set the numbers in [battery.\"ID\".domoticz.idx]");
        }
        let outcome = tell_all(&config, &url, &mut client, &round).await;
        if outcome.is_some() {
            // The file of certificates may change meanwhile.
            client = None;
        }
        report(&url, outcome, &mut logged);
    }
}

/// Sends all values; a refused one does not stop the others. If Domoticz is unreachable, ends the round.
async fn tell_all(config: &Config, url: &Url, client: &mut Option<Client>, round: &[Update]) -> Option<String> {
    if client.is_none() && !round.is_empty() {
        match url.client(config.tls_ca.as_deref()) {
            Ok(new) => *client = new,
            Err(refusal) => return Some(refusal.to_string()),
        }
    }
    let login = config.user.as_deref().zip(config.password.as_ref());
    let mut refused = None;
    for update in round {
        let request = match Request::update(url, login, update) {
            Ok(request) => request,
            Err(refusal) => return Some(refusal.to_string()),
        };
        match send_value(&request, url, client.as_ref(), config.pause).await {
            Ok(()) => {}
            Err(refusal @ Refusal::Device) => _ = refused.get_or_insert(format!("idx {}: {refusal}", update.idx)),
            Err(refusal) => return Some(refusal.to_string()),
        }
        runtime::sleep_until(now().at.after(config.pause)).await;
    }
    refused
}

/// Sends one value, with retries.
async fn send_value(request: &Request, url: &Url, client: Option<&Client>, pause: Duration) -> Result<(), Refusal> {
    let mut tries = 1;
    loop {
        let sent = tokio::time::timeout(REQUEST_TIMEOUT, request.send(url, client)).await;
        match sent.unwrap_or_else(|_| Err(Refusal::Network(io::ErrorKind::TimedOut.into()))) {
            Err(Refusal::Network(_)) if tries < MAX_TRIES => tries += 1,
            outcome => return outcome,
        }
        runtime::sleep_until(now().at.after(pause.max(Duration::from_secs(1)))).await;
    }
}

/// Logs a fault once, until it ends or changes.
fn report(url: &Url, trouble: Option<String>, logged: &mut Option<String>) {
    match &trouble {
        Some(text) if *logged != trouble => log::warn!("Domoticz at {url} {text}"),
        None if logged.is_some() => log::info!("Domoticz at {url} accepts values again"),
        _ => {}
    }
    *logged = trouble;
}
