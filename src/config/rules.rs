//! Checks across keys: settings that contradict each other.

use super::settings::Settings;
use crate::bank::Layout;
use crate::base::units::Volts;
use crate::battery::charge;
use crate::battery::charge::chemistry::preset;
use crate::link::tls;
use crate::model::Chemistry;
use crate::output::domoticz::Url;

/// A check across several settings.
pub(super) struct Rule {
    /// The keys involved; the one written last is reported.
    pub(super) keys: &'static [&'static str],
    /// The problem, or `None`.
    pub(super) broken: fn(&Settings) -> Option<String>,
}

/// All of them.
pub(super) const RULES: &[Rule] = &[
    Rule { keys: &["max_cell_voltage_v", "chemistry"], broken: |settings| too_high(&settings.charge) },
    Rule { keys: &["max_cell_voltage_v", "charge_by_cell_voltage", "chemistry"], broken: |settings| never_full(&settings.charge) },
    Rule { keys: &["bank.name"], broken: no_name },
    Rule { keys: &["bank.equal_charge", "bank.in_run", "bank.layout"], broken: cannot_switch },
    Rule { keys: &["soc_full_cell_voltage_v", "max_cell_voltage_v", "chemistry"], broken: never_counted_full },
    Rule { keys: &["low_soc_alarm_pct", "low_soc_warning_pct"], broken: alarm_before_warning },
    Rule {
        keys: &["silence.values_after_s", "silence.cable_warning_after_s", "silence.cable_alarm_after_s", "silence.preset"],
        broken: |settings| out_of_order(&settings.charge),
    },
    Rule { keys: &["oscillation.mqtt_topic", "oscillation.dbus_power", "oscillation.sma_meter"], broken: two_powers },
    Rule {
        keys: &["partner.dbus_power", "partner.mqtt_topic", "partner.goodwe"],
        broken: |settings| partner_without_grid(settings).or_else(|| two_partners(settings)),
    },
    Rule { keys: &["can.interface"], broken: no_interface },
    Rule { keys: &["rs485.port", "ports"], broken: inverter_on_battery_port },
    Rule { keys: &["can.manufacturer"], broken: no_maker },
    Rule { keys: &["web.token"], broken: weak_token },
    Rule { keys: &["can.silent_after_s", "can.limits_off_after_s"], broken: silent_first },
    Rule {
        keys: &["mqtt.topic", "mqtt.home_assistant_prefix", "oscillation.mqtt_topic", "partner.mqtt_topic", "generator.mqtt_topic"],
        broken: no_topic,
    },
    Rule { keys: &["mqtt.tls", "mqtt.tls_ca"], broken: no_tls },
    Rule { keys: &["mqtt.commands", "mqtt.user"], broken: nobody },
    Rule { keys: &["domoticz.url"], broken: no_url },
    Rule { keys: &["generator.stop_soc_pct", "generator.start_soc_pct"], broken: too_close },
    Rule { keys: &["generator.ags", "conext.host"], broken: no_gateway },
    Rule { keys: &["conext.can", "can.interface"], broken: xanbus_interface },
    Rule { keys: &["conext.serials"], broken: no_serial },
    Rule { keys: &["generator.quiet_start_soc_pct", "generator.start_soc_pct"], broken: urgent_above_start },
    Rule { keys: &["generator.start_soc_pct", "generator.start_cell_voltage_v", "generator.start_voltage_v"], broken: no_switch },
];

/// Maximum charge voltage of a cell; unset counts as LFP, the default.
fn highest(chemistry: Option<Chemistry>) -> (&'static str, Volts) {
    match chemistry {
        None => ("cells of unset chemistry", Volts::new(3.65)),
        Some(Chemistry::Lfp) => ("LFP cells", Volts::new(3.65)),
        Some(Chemistry::Nmc) => ("NMC cells", Volts::new(4.2)),
        Some(Chemistry::Lto) => ("LTO cells", Volts::new(2.85)),
        Some(Chemistry::Sodium) => ("sodium-ion cells", Volts::new(3.95)),
    }
}

fn too_high(charge: &charge::Config) -> Option<String> {
    let (cells, most) = highest(charge.chemistry);
    let wanted = charge.max_cell_voltage.filter(|wanted| *wanted > most)?;
    Some(format!("`max_cell_voltage_v` = {} exceeds the maximum for {cells}, {most}; lower it, or set `chemistry`", wanted.get()))
}

/// The effective charge voltage per cell, and its origin.
fn charge_voltage(charge: &charge::Config) -> (f64, &'static str) {
    let usual = preset(charge.chemistry.unwrap_or(Chemistry::Lfp)).max_cell;
    match (charge.max_cell_voltage, charge.chemistry) {
        (Some(wanted), _) => (wanted.get(), ""),
        (None, Some(_)) => (usual, ", the default"),
        (None, None) => (usual, ", the default while `chemistry` is not set,"),
    }
}

fn never_full(charge: &charge::Config) -> Option<String> {
    let (wanted, origin) = charge_voltage(charge);
    let (stop, _) = charge.charge_by_cell_voltage.as_ref()?.iter().find(|(_, share)| *share <= 0.0)?;
    (*stop <= wanted).then(|| {
        format!(
            "`charge_by_cell_voltage` ends charging at {stop} V, before `max_cell_voltage_v` = {wanted}{origin} is reached; \
             set a higher end or a lower voltage"
        )
    })
}

/// A name that is invalid on D-Bus.
fn no_name(settings: &Settings) -> Option<String> {
    let name = &settings.bank.name;
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    (!fits)
        .then(|| format!("`bank.name` = {name:?} is not valid in a D-Bus name; use letters, digits and _, starting with a letter"))
}

/// Packs are switched by the process that has their ports, and only in parallel.
fn cannot_switch(settings: &Settings) -> Option<String> {
    let bank = &settings.bank;
    if !bank.equal_charge {
        return None;
    }
    let wrong = match () {
        () if !bank.in_run => {
            "`bank.equal_charge` needs `bank.in_run`: only one `run` with all ports switches packs; set it, or remove this"
        }
        () if bank.layout == Layout::Series => "`bank.equal_charge` is for batteries in parallel; remove it",
        () => return None,
    };
    Some(wrong.to_owned())
}

fn never_counted_full(settings: &Settings) -> Option<String> {
    let (full, (most, origin)) = (settings.soc.full_cell?.get(), charge_voltage(&settings.charge));
    (full > most).then(|| {
        format!(
            "`soc_full_cell_voltage_v` = {full} is never reached: `max_cell_voltage_v` = {most}{origin} ends charging; lower it"
        )
    })
}

/// A warning that comes after its alarm is never seen; 0 switches either off.
fn alarm_before_warning(settings: &Settings) -> Option<String> {
    let (warning, alarm) = (settings.soc.low_warning?.get(), settings.soc.low_alarm?.get());
    (warning > 0.0 && alarm > warning).then(|| {
        format!(
            "`low_soc_alarm_pct` = {alarm} is above `low_soc_warning_pct` = {warning}; lower it, or set the warning to 0 for none"
        )
    })
}

fn out_of_order(charge: &charge::Config) -> Option<String> {
    let silence = &charge.silence;
    let times = [silence.values_after(), silence.cable_warning_after(), silence.cable_alarm_after()];
    (!times.is_sorted()).then(|| {
        let [values, warning, alarm] = times.map(|time| time.as_secs_f64());
        format!(
            "the times of [silence] must not decrease: values_after_s = {values}, cable_warning_after_s = {warning}, \
             cable_alarm_after_s = {alarm}"
        )
    })
}

/// Commands need a broker that asks who it is.
fn nobody(settings: &Settings) -> Option<String> {
    let mqtt = &settings.mqtt;
    (mqtt.commands && mqtt.broker.user.is_none()).then(|| {
        "`mqtt.commands` needs a broker with a login, or anyone in the network can switch the battery: set `mqtt.user`".to_owned()
    })
}

/// Alternating values of two sources would look like an oscillation.
fn two_powers(settings: &Settings) -> Option<String> {
    let other = if settings.grid.dbus_power.is_some() { "oscillation.dbus_power" } else { "oscillation.mqtt_topic" };
    let set = settings.grid.dbus_power.is_some() || settings.grid.topic.topic.is_some();
    (settings.grid.sma_meter && set).then(|| format!("`{other}` and `oscillation.sma_meter` exclude each other: remove one"))
}

/// Without the power of the grid nobody knows whether the house needs what is held back.
fn partner_without_grid(settings: &Settings) -> Option<String> {
    let has_partner = settings.partner.dbus_power.is_some() || settings.partner.mqtt_topic.is_some() || settings.partner.goodwe;
    let has_grid = settings.grid.sma_meter || settings.grid.dbus_power.is_some() || settings.grid.topic.topic.is_some();
    (has_partner && !has_grid).then(|| {
        "[partner] needs the power at the grid connection: set `oscillation.sma_meter`, `oscillation.dbus_power` or \
         `oscillation.mqtt_topic`"
            .to_owned()
    })
}

fn two_partners(settings: &Settings) -> Option<String> {
    let partner = &settings.partner;
    let sources = [partner.dbus_power.is_some(), partner.mqtt_topic.is_some(), partner.goodwe];
    if partner.goodwe && settings.goodwe.is_none() {
        return Some("`partner.goodwe` needs the inverter: set `goodwe.address`".to_owned());
    }
    (sources.into_iter().filter(|set| *set).count() > 1)
        .then(|| "`partner.dbus_power`, `partner.mqtt_topic` and `partner.goodwe` exclude each other: keep one".to_owned())
}

/// `+` and `#` are wildcards; Home Assistant and BerryBMS have topics of their own.
fn no_topic(settings: &Settings) -> Option<String> {
    let mut topics =
        vec![("mqtt.topic", &settings.mqtt.topic), ("mqtt.home_assistant_prefix", &settings.mqtt.home_assistant_prefix)];
    topics.extend(settings.generator.topic.as_ref().map(|topic| ("generator.mqtt_topic", topic)));
    topics.extend(settings.grid.topic.topic.as_ref().map(|topic| ("oscillation.mqtt_topic", topic)));
    topics.extend(settings.partner.mqtt_topic.as_ref().map(|topic| ("partner.mqtt_topic", topic)));
    let wrong = |topic: &str| topic.contains(['+', '#']) || topic.starts_with('/') || topic.ends_with('/') || topic.len() > 200;
    let (key, topic) = topics.into_iter().find(|(_, topic)| wrong(topic))?;
    Some(format!("`{key}` = {topic:?} is not a valid topic; remove + and #, and / at its ends"))
}

/// What encryption needs, if it is not there.
const NO_TLS: &str = "needs a program built with encryption (cargo feature tls); take such a program, see docs/mqtt.md";

fn no_tls(settings: &Settings) -> Option<String> {
    (settings.mqtt.broker.tls && !tls::BUILT_IN).then(|| format!("`mqtt.tls` {NO_TLS}"))
}

fn no_url(settings: &Settings) -> Option<String> {
    match settings.domoticz.url.as_ref().map(|url| url.parse::<Url>()) {
        // The URL may contain a password.
        Some(Err(error)) => Some(format!("`domoticz.url` is invalid: {error}")),
        Some(Ok(url)) if url.is_encrypted() => (!tls::BUILT_IN).then(|| format!("https in `domoticz.url` {NO_TLS}")),
        _ => None,
    }
}

/// The name is passed to `ip` and used in paths below `/sys`.
fn no_interface(settings: &Settings) -> Option<String> {
    let name = settings.can.interface.as_ref()?;
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fine = letters && (1..=15).contains(&name.len()) && !name.starts_with(['.', '-']);
    (!fine).then(|| format!("`can.interface` = {name:?} is not an interface name; `ip link` lists them"))
}

/// The port of an inverter: a device of this computer, and no battery's.
fn inverter_on_battery_port(settings: &Settings) -> Option<String> {
    let port = settings.rs485.port.as_ref()?;
    if !port.starts_with('/') {
        return Some(format!("`rs485.port` = {port:?} must be a serial port of this computer, such as \"/dev/ttyUSB1\""));
    }
    settings.ports.contains(port).then(|| format!("`rs485.port` = {port:?} is also in `ports`, where a battery is read"))
}

fn no_maker(settings: &Settings) -> Option<String> {
    let maker = settings.can.manufacturer.as_ref()?;
    let fine = (1..=8).contains(&maker.len()) && maker.bytes().all(|byte| (0x20..0x7F).contains(&byte));
    (!fine).then(|| format!("`can.manufacturer` = {maker:?} must be 1 to 8 ASCII letters, digits or punctuation characters"))
}

/// A token that is too easy to guess, or that a header cannot carry.
fn weak_token(settings: &Settings) -> Option<String> {
    let token = settings.web.token.as_ref()?;
    let fine = token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_graphic());
    (!fine).then(|| {
        "`web.token` must be at least 16 ASCII letters, digits or punctuation characters, without spaces; `openssl rand -hex 16` makes one"
            .to_owned()
    })
}

fn silent_first(settings: &Settings) -> Option<String> {
    let (off, silent) = (settings.can.off_after.as_secs_f64(), settings.can.quiet_after.as_secs_f64());
    (silent < off).then(|| format!("`can.silent_after_s` = {silent} comes before `can.limits_off_after_s` = {off}"))
}

/// A generator that starts right after it has stopped.
fn too_close(settings: &Settings) -> Option<String> {
    let (start, stop) = (settings.generator.rule.start_soc?.get(), settings.generator.rule.stop_soc.get());
    (stop < start + 10.0)
        .then(|| format!("`generator.stop_soc_pct` = {stop} is less than 10 above `generator.start_soc_pct` = {start}; raise it"))
}

fn urgent_above_start(settings: &Settings) -> Option<String> {
    let (start, urgent) = (settings.generator.rule.start_soc?.get(), settings.generator.rule.quiet_start_soc?.get());
    (urgent > start)
        .then(|| format!("`generator.quiet_start_soc_pct` = {urgent} is above `generator.start_soc_pct` = {start}; lower it"))
}

fn no_switch(settings: &Settings) -> Option<String> {
    let rule = &settings.generator.rule;
    let wanted = rule.start_soc.is_some() || rule.start_cell.is_some() || rule.start_voltage.is_some();
    (wanted && !settings.generator.has_output()).then(|| {
        "nothing switches the generator: set `generator.relay`, `generator.mqtt_topic` or `generator.ags`; on a GX device use Venus' own start and stop"
            .to_owned()
    })
}

fn no_gateway(settings: &Settings) -> Option<String> {
    (settings.generator.ags && settings.conext.host.is_none())
        .then(|| "`generator.ags` needs the gateway of the AGS: set `conext.host`".to_owned())
}

fn no_serial(settings: &Settings) -> Option<String> {
    let fine = |pair: &&String| {
        let parts = pair.split_once('=').map(|(unit, serial)| (unit.trim().parse::<u8>(), serial.trim()));
        parts.is_some_and(|(unit, serial)| unit.is_ok() && !serial.is_empty() && serial.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    let wrong = settings.conext.serials.iter().find(|pair| !fine(pair))?;
    Some(format!("`conext.serials` has {wrong:?}, which is no unit and serial number such as \"10=B1234567\""))
}

/// The bus of the inverter has another bit rate and is written to.
fn xanbus_interface(settings: &Settings) -> Option<String> {
    let name = settings.conext.can.as_ref()?;
    let fine = name.starts_with('/') || (name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) && name.len() <= 15);
    if !fine {
        return Some(format!("`conext.can` = {name:?} is not an interface name; `ip link` lists them"));
    }
    (settings.can.interface.as_ref() == Some(name))
        .then(|| format!("`conext.can` and `can.interface` are both {name:?}: Xanbus needs an interface of its own"))
}
