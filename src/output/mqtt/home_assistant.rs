//! Announces a battery to Home Assistant: one retained message for the device with all its entities (device discovery, Home
//! Assistant 2024.11 and newer). An empty message removes them.

use super::command::limit_template;
use super::config::Config;
use super::message::{Shape, availability, base, level};
use super::values::{Kind, Number, VALUES, Value};
use crate::link::mqtt::Message;
use crate::model::{AlarmName, Switch};
use crate::output::api::{Kind as ViewKind, View};
use serde_json::{Map, Value as Json, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Cells that are shown without being asked for: those of a battery that is not one of many.
const SHOWN_CELLS: usize = 24;

/// The names of the alarms' entities.
pub const ALARMS: [(AlarmName, &str); 20] = [
    (AlarmName::CellHighVoltage, "Cell voltage high"),
    (AlarmName::CellLowVoltage, "Cell voltage low"),
    (AlarmName::HighVoltage, "Voltage high"),
    (AlarmName::LowVoltage, "Voltage low"),
    (AlarmName::HighTemperature, "Temperature high"),
    (AlarmName::LowTemperature, "Temperature low"),
    (AlarmName::HighChargeTemperature, "Temperature high for charging"),
    (AlarmName::LowChargeTemperature, "Temperature low for charging"),
    (AlarmName::HighMosTemperature, "MOSFET temperature high"),
    (AlarmName::HighChargeCurrent, "Charge current high"),
    (AlarmName::HighDischargeCurrent, "Discharge current high"),
    (AlarmName::ShortCircuit, "Short circuit"),
    (AlarmName::CellImbalance, "Cells imbalanced"),
    (AlarmName::LowSoc, "State of charge low"),
    (AlarmName::BmsInternal, "BMS failure"),
    (AlarmName::ChargeFetFault, "Charge FET failure"),
    (AlarmName::DischargeFetFault, "Discharge FET failure"),
    (AlarmName::SensorFault, "Sensor failure"),
    (AlarmName::Communication, "Communication failure"),
    (AlarmName::Contactor, "Contactor failure"),
];

/// What the identifiers of an owner's devices begin with: two computers with their own topics have their own devices.
fn identifier(config: &Config, rest: &str) -> String {
    format!("{}_{}", level(&config.topic), level(rest))
}

/// Topic of an announcement.
pub(super) fn topic(config: &Config, rest: &str) -> String {
    format!("{}/device/{}/config", config.home_assistant_prefix, identifier(config, rest))
}

/// Identifier of the program's own device.
fn program(config: &Config) -> String {
    format!("program_{}", config.program.key)
}

/// Removes a battery.
pub fn removal(config: &Config, id: &str) -> Message {
    Message::retained(topic(config, id), "")
}

/// Announces the program, through which the batteries are reached; or removes it.
pub(super) fn program_announcement(config: &Config) -> Message {
    let own = program(config);
    if !config.home_assistant {
        return removal(config, &own);
    }
    let mut device = Map::new();
    let name = format!("{} {}", env!("CARGO_PKG_NAME"), config.program.host);
    add_texts(
        &mut device,
        [
            ("name", Some(name.as_str())),
            ("sw_version", Some(env!("CARGO_PKG_VERSION"))),
            ("configuration_url", config.program.page.as_deref()),
        ],
    );
    device.extend([("identifiers".to_owned(), json!([identifier(config, &own)]))]);
    let payload = json!({
        "device": device,
        "origin": origin(),
        "components": {"running": {
            "platform": "binary_sensor",
            "name": "Running",
            "unique_id": identifier(config, &format!("{own}_running")),
            "device_class": "running",
            "entity_category": "diagnostic",
            "state_topic": config.availability(),
            "payload_on": availability(true),
            "payload_off": availability(false),
        }},
    });
    Message::retained(topic(config, &own), payload.to_string())
}

pub(super) fn origin() -> Json {
    json!({"name": env!("CARGO_PKG_NAME"), "sw_version": env!("CARGO_PKG_VERSION")})
}

/// A digest of all that an announcement is made of, to see whether it has changed.
pub(super) fn digest(config: &Config, view: &View, shape: Shape, bank: Option<&str>) -> u64 {
    let (identity, device) = (&view.identity, &view.device);
    let mut digest = DefaultHasher::new();
    (&identity.name, identity.kind as u8, &identity.bms, &identity.bank, &identity.product, bank).hash(&mut digest);
    (&device.model, &device.serial_number, &device.hw_version, &device.sw_version).hash(&mut digest);
    (&view.temperatures.temperature_names, &view.switches.commands, &config.program.page, shape).hash(&mut digest);
    digest.finish()
}

/// Announces a battery; `shape` gives the lengths of its lists, `bank` the bank that is announced as well.
pub fn announcement(config: &Config, view: &View, shape: Shape, bank: Option<&str>) -> Message {
    let base = base(config, &view.identity.id);
    let program = json!({"topic": config.availability()});
    let payload = json!({
        "device": about(config, view, bank),
        "origin": origin(),
        "state_topic": format!("{base}/state"),
        "availability": [program.clone(), {"topic": format!("{base}/availability")}],
        "availability_mode": "all",
        "components": Components { config, base: &base, program: &program, view, all: Map::new() }.all(shape),
    });
    Message::retained(topic(config, &view.identity.id), payload.to_string())
}

fn add_texts<'a>(to: &mut Map<String, Json>, texts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
    to.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
}

/// The device as shown by Home Assistant.
fn about(config: &Config, view: &View, bank: Option<&str>) -> Json {
    let is_bank = view.identity.kind == ViewKind::Bank;
    let model = view.device.model.as_deref().unwrap_or(&view.identity.product);
    let page = config.program.page.as_ref().map(|page| format!("{page}#{}", view.identity.id));
    let mut device = Map::new();
    device.extend([("identifiers".to_owned(), json!([identifier(config, &view.identity.id)]))]);
    add_texts(
        &mut device,
        [
            ("name", Some(view.identity.name.as_str())),
            ("manufacturer", view.identity.bms.as_deref().and_then(family_label)),
            ("model", Some(if is_bank { "Battery bank" } else { model }).filter(|model| !model.is_empty())),
            ("serial_number", view.device.serial_number.as_deref()),
            ("hw_version", view.device.hw_version.as_deref()),
            ("sw_version", if is_bank { Some(env!("CARGO_PKG_VERSION")) } else { view.device.sw_version.as_deref() }),
            ("configuration_url", page.as_deref()),
            ("via_device", Some(identifier(config, bank.unwrap_or(&program(config))).as_str())),
        ],
    );
    Json::Object(device)
}

/// Identifier and page of a device of the house.
pub(super) fn about_device(config: &Config, id: &str, name: &str) -> Json {
    let mut device = Map::new();
    let own = identifier(config, &format!("device_{id}"));
    device.extend([("identifiers".to_owned(), json!([own]))]);
    let via = identifier(config, &program(config));
    add_texts(
        &mut device,
        [("name", Some(name)), ("configuration_url", config.program.page.as_deref()), ("via_device", Some(via.as_str()))],
    );
    Json::Object(device)
}

fn family_label(family: &str) -> Option<&'static str> {
    crate::bms::DRIVERS.iter().find(|driver| driver.name == family).map(|driver| driver.label)
}

/// The entities of a battery.
struct Components<'a> {
    config: &'a Config,
    base: &'a str,
    program: &'a Json,
    view: &'a View,
    all: Map<String, Json>,
}

impl Components<'_> {
    fn all(mut self, shape: Shape) -> Map<String, Json> {
        self.values(shape);
        for (alarm, name) in ALARMS {
            let word = alarm.key();
            let template = format!(
                "{{{{ none if value_json.alarms is none else '{word}' in (value_json.alarms | map(attribute='name') | list) }}}}"
            );
            self.add(&format!("alarm_{word}"), flag_sensor(name, &template, Some("problem")), true, false);
        }
        self.controls(shape);
        self.all
    }

    fn add(&mut self, key: &str, mut entity: Map<String, Json>, diagnostic: bool, always: bool) {
        let key = key.replace('.', "_");
        let unique = identifier(self.config, &format!("{}_{key}", self.view.identity.id));
        add_texts(&mut entity, [("unique_id", Some(unique.as_str())), ("entity_category", diagnostic.then_some("diagnostic"))]);
        if always {
            entity.extend([("availability".to_owned(), json!([self.program]))]);
        }
        self.all.extend([(key, Json::Object(entity))]);
    }

    fn values(&mut self, shape: Shape) {
        // One of many batteries shows its extremes; the rest is one click away.
        let are_cells_shown = self.view.identity.bank.is_none() && shape.cells <= SHOWN_CELLS;
        for value in VALUES {
            let Value { key, name, diagnostic, always, .. } = *value;
            match value.kind {
                Kind::List(number) => {
                    for place in 0..shape.length(key) {
                        let template = format!("{{{{ value_json.{key}[{place}] | default(none) }}}}");
                        let names = &self.view.temperatures.temperature_names;
                        let own = names.get(place).filter(|own| key == "temperatures_c" && !own.is_empty());
                        let name = own.map_or_else(|| format!("{name} {}", place + 1), |own| format!("{name} {own}"));
                        let mut entity = number_sensor(&name, &template, number);
                        if key == "cell_voltages_v" && !are_cells_shown {
                            entity.extend([("enabled_by_default".to_owned(), false.into())]);
                        }
                        self.add(&format!("{key}_{}", place + 1), entity, diagnostic, always);
                    }
                }
                Kind::Number(number) => {
                    let entity = self.with_attributes(key, number_sensor(name, &template(key), number));
                    self.add(key, entity, diagnostic, always);
                }
                Kind::Flag(class) => self.add(key, flag_sensor(name, &template(key), class), diagnostic, always),
                Kind::Word(words) => {
                    let mut entity = self.with_attributes(key, entity("sensor", name, &template(key)));
                    entity.extend([("device_class".to_owned(), "enum".into()), ("options".to_owned(), json!(words))]);
                    self.add(key, entity, diagnostic, always);
                }
                Kind::Text => {
                    let entity = self.with_attributes(key, entity("sensor", name, &template(key)));
                    self.add(key, entity, diagnostic, always);
                }
            }
        }
    }

    /// With what belongs to the value of this key: the findings to their text, the alarms to their level.
    fn with_attributes(&self, key: &str, mut entity: Map<String, Json>) -> Map<String, Json> {
        let template = match key {
            "health_text" => "{{ {'findings': value_json.health.findings | default([])} | tojson }}",
            "alarm_level" => "{{ {'alarms': value_json.alarms | default([], true)} | tojson }}",
            "soh_pct" => "{{ {'estimated': value_json.soh_estimated} | tojson }}",
            _ => return entity,
        };
        let state = format!("{}/state", self.base);
        add_texts(&mut entity, [("json_attributes_topic", Some(state.as_str())), ("json_attributes_template", Some(template))]);
        entity
    }

    /// What may be set, for a battery that accepts it. What it does not accept is removed, in case it did before.
    fn controls(&mut self, shape: Shape) {
        let offers = |what: &str| self.config.commands && self.view.switches.commands.iter().any(|offered| offered == what);
        let switches = Switch::ALL.map(|switch| (switch, offers(switch.name())));
        let may_limit = offers("override");
        for (switch, offered) in switches {
            let what = switch.name();
            let name = match switch {
                Switch::Charge => "Charging allowed",
                Switch::Discharge => "Discharging allowed",
                Switch::Balance => "Balancing allowed",
            };
            // The words of a command; also for the state, for which Jinja says True and False.
            let template =
                format!("{{{{ none if value_json.controls.{what} is none else 'on' if value_json.controls.{what} else 'off' }}}}");
            let mut entity = entity("switch", name, &template);
            add_texts(&mut entity, [("payload_on", Some("on")), ("payload_off", Some("off"))]);
            // Everything that the battery supplies loses power: whoever wants this in Home Assistant enables it there.
            if switch == Switch::Discharge {
                entity.extend([("enabled_by_default".to_owned(), false.into())]);
            }
            self.control(offered, &format!("switch_{what}"), what, entity);
        }
        for (kind, name, ends, highest) in [
            ("ccl", "Temporary charge current limit", "Temporary charge current limit ends", shape.ccl),
            ("dcl", "Temporary discharge current limit", "Temporary discharge current limit ends", shape.dcl),
        ] {
            let mut limit = entity("number", name, &template(&format!("controls.{kind}_a")));
            let command = limit_template(kind, self.config);
            add_texts(
                &mut limit,
                [
                    ("command_template", Some(command.as_str())),
                    ("device_class", Some("current")),
                    ("unit_of_measurement", Some("A")),
                    ("mode", Some("box")),
                ],
            );
            limit.extend([
                ("min".to_owned(), 0.into()),
                ("max".to_owned(), highest.max(1).into()),
                ("step".to_owned(), 0.1.into()),
            ]);
            self.control(may_limit, &format!("limit_{kind}"), "override", limit);
            let mut end = entity("sensor", ends, &template(&format!("controls.{kind}_until")));
            add_texts(&mut end, [("device_class", Some("timestamp"))]);
            self.shown(may_limit, &format!("limit_{kind}_until"), end);
        }
        for (key, name, word) in
            [("limit_clear", "End temporary limits", "clear"), ("charge_full", "Charge to 100 %", "charge-to-100")]
        {
            let mut button = Map::new();
            add_texts(&mut button, [("platform", Some("button")), ("name", Some(name)), ("payload_press", Some(word))]);
            self.control(may_limit, key, "override", button);
        }
        self.shown(may_limit, "full_requested", flag_sensor("Full charge requested", &template("controls.full"), None));
        let mut answer = entity("sensor", "Answer to the last command", "{{ value_json.text[:255] }}");
        let topic = format!("{}/answer", self.base);
        add_texts(&mut answer, [("state_topic", Some(topic.as_str())), ("json_attributes_topic", Some(topic.as_str()))]);
        self.shown(may_limit, "answer", answer);
    }

    /// An entity that sends commands to `set/what`.
    fn control(&mut self, offered: bool, key: &str, what: &str, mut entity: Map<String, Json>) {
        let topic = format!("{}/set/{what}", self.base);
        add_texts(&mut entity, [("command_topic", Some(topic.as_str())), ("entity_category", Some("config"))]);
        self.offer(offered, key, entity, false);
    }

    /// An entity that shows what was set.
    fn shown(&mut self, offered: bool, key: &str, entity: Map<String, Json>) {
        self.offer(offered, key, entity, true);
    }

    fn offer(&mut self, offered: bool, key: &str, entity: Map<String, Json>, diagnostic: bool) {
        if offered {
            self.add(key, entity, diagnostic, false);
        } else {
            let platform = entity.get("platform").cloned().unwrap_or_default();
            self.all.extend([(key.to_owned(), json!({"platform": platform}))]);
        }
    }
}

fn template(key: &str) -> String {
    format!("{{{{ value_json.{key} | default(none) }}}}")
}

fn entity(platform: &str, name: &str, template: &str) -> Map<String, Json> {
    let facts = [("platform", platform), ("name", name), ("value_template", template)];
    facts.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect()
}

fn number_sensor(name: &str, template: &str, number: Number) -> Map<String, Json> {
    let mut entity = entity("sensor", name, template);
    let known = [("device_class", number.class), ("unit_of_measurement", number.unit), ("state_class", Some(number.state))];
    entity.extend(known.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
    entity.extend([("suggested_display_precision".to_owned(), number.decimals.into())]);
    entity
}

/// The template returns `True` or `False`, as in Home Assistant's template language, or `None` for unknown.
fn flag_sensor(name: &str, template: &str, class: Option<&str>) -> Map<String, Json> {
    let mut entity = entity("binary_sensor", name, template);
    let known = [("device_class", class), ("payload_on", Some("True")), ("payload_off", Some("False"))];
    entity.extend(known.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
    entity
}
