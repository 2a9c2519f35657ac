//! Which battery on D-Bus is meant: the same for `health`, `set` and `override`.

use super::Failure;
use super::failure::FindFailure;
use crate::dbus::{BATTERY_PREFIX, BusAddress, BusReader, ViewReply, service_name};
use crate::output::api::View;
use crate::service::RunError;

/// Whether `battery` is a service or a name, not a port.
pub(super) fn is_name(battery: &str) -> bool {
    !battery.contains('/')
}

/// The service of the battery that `battery` names: a service, a port (with `address`, if several batteries share it), or the
/// name of a battery that no other has.
///
/// # Errors
/// [`Failure::Find`], [`Failure::Run`] without a bus.
pub(super) async fn find_service(bus: &BusAddress, battery: &str, address: Option<u8>) -> Result<String, Failure> {
    find(&connect(bus).await?, battery, address).await
}

/// The view of that battery.
///
/// # Errors
/// As [`find_service`].
pub(super) async fn find_view(bus: &BusAddress, battery: &str, address: Option<u8>) -> Result<View, Failure> {
    let bus = connect(bus).await?;
    let service = find(&bus, battery, address).await?;
    view(&bus, &service).await.ok_or_else(|| FindFailure::OtherDriver(service).into())
}

async fn connect(bus: &BusAddress) -> Result<BusReader, Failure> {
    Ok(BusReader::connect(bus).await.map_err(RunError::from)?)
}

async fn find(bus: &BusReader, battery: &str, address: Option<u8>) -> Result<String, Failure> {
    let services = bus.batteries().await;
    let exact = if battery.starts_with(BATTERY_PREFIX) { battery.to_owned() } else { service_name(battery, address) };
    if services.contains(&exact) {
        return Ok(exact);
    }
    let (wanted, shared) = (battery.to_owned(), format!("{exact}__"));
    let mut found: Vec<String> = services.iter().filter(|name| name.starts_with(&shared)).cloned().collect();
    if found.is_empty() && is_name(battery) {
        for service in &services {
            if view(bus, service).await.is_some_and(|view| view.identity.name.trim().eq_ignore_ascii_case(battery.trim())) {
                found.push(service.clone());
            }
        }
    }
    match found.as_slice() {
        [service] => Ok(service.clone()),
        [] => Err(FindFailure::Unknown { wanted, there: services.join(", ") }.into()),
        several => Err(FindFailure::Several { wanted, found: several.join(", ") }.into()),
    }
}

async fn view(bus: &BusReader, service: &str) -> Option<View> {
    match bus.view(service).await {
        Ok(ViewReply::View(view)) => Some(*view),
        _ => None,
    }
}
