//! The description of the API for programs (OpenAPI 3.1), from the same tables as docs/api.md. Pure.

use super::answer::ROUTES;
use crate::output::api::{DEVICE_KEYS, KeyKind, SchemaKey, schemas};
use serde_json::{Map, Value, json};

/// The name of the schema of the object at `place`: `limits.ccl` → `limits_ccl`; of the view itself `battery`.
fn schema_name(place: &str) -> String {
    match place {
        "" => "battery".to_owned(),
        place => place.replace("[]", "").replace('.', "_"),
    }
}

fn reference(place: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", schema_name(place)) })
}

/// The schema of a key of the object at `place`.
fn key_schema(place: &str, key: &SchemaKey, places: &[&str]) -> Value {
    let within = if place.is_empty() { key.key.to_owned() } else { format!("{place}.{}", key.key) };
    let list = format!("{within}[]");
    // The three limits are described once.
    let alike = "limits.ccl";
    let mut schema = match (key.unit, key.kind) {
        ("object", _) if places.contains(&within.as_str()) => reference(&within),
        ("object", _) if place == "limits" => reference(alike),
        ("object", _) => json!({ "type": "object" }),
        ("list", _) if places.contains(&list.as_str()) => json!({ "type": "array", "items": reference(&list) }),
        (_, KeyKind::List) => json!({ "type": "array", "items": item(key.unit) }),
        (_, KeyKind::One) => one(key.unit),
    };
    if let Some(schema) = schema.as_object_mut() {
        let unit = if matches!(key.unit, "text" | "object" | "list" | "number" | "bool") {
            String::new()
        } else {
            format!(" ({})", key.unit)
        };
        schema.extend([("description".to_owned(), json!(format!("{}{unit}", key.doc)))]);
    }
    schema
}

fn one(unit: &str) -> Value {
    match unit {
        "text" => json!({ "type": "string" }),
        "bool" => json!({ "type": "boolean" }),
        _ => json!({ "type": "number" }),
    }
}

/// An element of a list: of numbers, one may be unknown.
fn item(unit: &str) -> Value {
    match unit {
        "text" => json!({ "type": "string" }),
        "list" | "object" => json!({}),
        _ => json!({ "type": ["number", "null"] }),
    }
}

fn object_schema(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Columns of equal length; null is a gap.
fn column() -> Value {
    json!({ "type": "array", "items": { "type": ["number", "null"] } })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn properties(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    entries.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect()
}

/// The schemas of what is not in the tables of the view.
fn other_schemas() -> Vec<(String, Value)> {
    let number = || json!({ "type": "number" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let unknown_number = json!({ "type": ["number", "null"] });
    let device = DEVICE_KEYS.iter().map(|(key, unit, doc)| {
        let mut schema = match *unit {
            "list" => list(text()),
            "object" => json!({ "type": "object", "additionalProperties": { "type": "object", "properties": {
                "value": { "type": ["number", "boolean", "string"] }, "unit": text(), "name": text() }, "additionalProperties": false } }),
            unit => one(unit),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.extend([("description".to_owned(), json!(doc))]);
        }
        (*key, schema)
    });
    let columns = [
        "t",
        "age_s",
        "soc_pct",
        "voltage_v",
        "current_a",
        "power_w",
        "charged_wh",
        "discharged_wh",
        "cell_min_v",
        "cell_max_v",
        "cell_delta_v",
        "cvl_v",
        "ccl_a",
        "dcl_a",
        "temperature_min_c",
        "temperature_max_c",
    ];
    let day = object_schema(properties([("date", text()), ("charged_kwh", number()), ("discharged_kwh", number())]));
    let head = [("id", text()), ("range", text()), ("step_s", number()), ("now", number()), ("today", text()), ("days", list(day))];
    let rule = object_schema(properties([
        ("direction", text()),
        ("rule", text()),
        ("battery", text()),
        ("cell", number()),
        ("limited_s", number()),
        ("felt_s", number()),
        ("zero_s", number()),
        ("lowest_a", number()),
        ("from", number()),
        ("to", number()),
    ]));
    let recording = object_schema(properties([
        ("file", text()),
        ("at", json!({ "type": ["number", "null"] })),
        ("bytes", number()),
        ("why", text()),
    ]));
    let limited_day = object_schema(properties([("date", text()), ("day", number()), ("rules", list(rule))]));
    vec![
        ("error".to_owned(), object_schema(properties([("error", text())]))),
        ("done".to_owned(), object_schema(properties([("code", number()), ("done", text())]))),
        ("device".to_owned(), object_schema(properties(device))),
        ("course".to_owned(), object_schema(properties(head.into_iter().chain(columns.map(|key| (key, column())))))),
        (
            "cells_day".to_owned(),
            object_schema(properties([
                ("id", text()),
                ("step_s", number()),
                ("now", number()),
                ("age_s", column()),
                ("median_v", column()),
                ("deviation_mv", list(column())),
                ("balanced", list(column())),
            ])),
        ),
        (
            "limited".to_owned(),
            object_schema(properties([
                ("id", text()),
                ("today", json!({ "type": ["string", "null"] })),
                ("days", list(limited_day)),
            ])),
        ),
        ("log".to_owned(), object_schema(properties([("now", unknown_number), ("entries", list(reference("log.entries[]")))]))),
        (
            "about".to_owned(),
            object_schema(properties([
                ("version", text()),
                ("utc_offset_h", number()),
                ("can_command", json!({ "type": "boolean" })),
                ("languages", list(text())),
            ])),
        ),
        ("recordings".to_owned(), object_schema(properties([("recordings", list(recording))]))),
        ("recording".to_owned(), json!({ "type": "object" })),
        ("batteries".to_owned(), object_schema(properties([("batteries", list(reference("")))]))),
        ("devices".to_owned(), object_schema(properties([("devices", list(reference("device")))]))),
        (
            "request".to_owned(),
            object_schema(properties([("command", text()), ("on", json!({ "type": "boolean" })), ("value", text())])),
        ),
    ]
}

/// The schema of the answer of a route; `None`: it is not JSON.
fn answer_of(path: &str) -> Option<&'static str> {
    let answers = [
        ("/api/v1/batteries", "batteries"),
        ("/api/v1/batteries/{id}", ""),
        ("/api/v1/devices", "devices"),
        ("/api/v1/devices/{id}", "device"),
        ("/api/v1/history", "course"),
        ("/api/v1/history/cells", "cells_day"),
        ("/api/v1/limited", "limited"),
        ("/api/v1/log", "log"),
        ("/api/v1/recordings", "recordings"),
        ("/api/v1/recordings/{id}", "recording"),
        ("/api/v1/about", "about"),
        ("/api/v1/batteries/{id}/commands", "done"),
        ("/api/v1/devices/generator/commands", "done"),
    ];
    answers.into_iter().find(|(known, _)| *known == path).map(|(_, schema)| schema)
}

fn parameter(name: &str, place: &str, values: Option<&str>) -> Value {
    let mut schema = text();
    if let (Some(values), Some(schema)) = (values.filter(|values| values.contains('|')), schema.as_object_mut()) {
        schema.extend([("enum".to_owned(), json!(values.split('|').collect::<Vec<_>>()))]);
    }
    json!({ "name": name, "in": place, "required": place == "path", "schema": schema })
}

/// A route: path, method, operation.
fn operation(route: &str, doc: &str) -> Option<(String, String, Value)> {
    let (method, target) = route.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.replace("/ID", "/{id}");
    let mut parameters: Vec<Value> = path.contains("{id}").then(|| parameter("id", "path", None)).into_iter().collect();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    parameters.extend(pairs.map(|(name, values)| parameter(name, "query", Some(values))));
    if doc.contains("format=csv") {
        parameters.push(parameter("format", "query", Some("json|csv")));
    }
    let content = match answer_of(&path) {
        Some(schema) => json!({ "application/json": { "schema": reference(schema) } }),
        None if path == "/api/v1/events" => json!({ "text/event-stream": { "schema": text() } }),
        None if path == "/" => json!({ "text/html": { "schema": text() } }),
        None if path == "/api/v1/openapi.json" => json!({ "application/json": { "schema": { "type": "object" } } }),
        None => json!({ "text/plain": { "schema": text() } }),
    };
    let error = json!({ "description": "what is wrong", "content": { "application/json": { "schema": reference("error") } } });
    let good = if path == "/api/v1/token" {
        json!({ "204": { "description": "it is right" } })
    } else {
        json!({ "200": { "description": doc, "content": content } })
    };
    let mut operation = json!({ "summary": doc, "parameters": parameters, "responses": good });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.extend([("default".to_owned(), error)]);
        }
        if method == "POST" {
            operation.extend([("security".to_owned(), json!([{ "token": [] }]))]);
        }
        if path.ends_with("/commands") {
            operation.extend([(
                "requestBody".to_owned(),
                json!({ "required": true, "content": { "application/json": { "schema": reference("request") } } }),
            )]);
        }
    }
    Some((path, method.to_ascii_lowercase(), operation))
}

/// The whole description.
pub fn openapi() -> Value {
    let tables = schemas();
    let places: Vec<&str> = tables.iter().map(|(place, _)| *place).collect();
    let mut components: Map<String, Value> = other_schemas().into_iter().collect();
    for (place, keys) in &tables {
        let described = keys.iter().map(|key| (key.key.to_owned(), key_schema(place, key, &places)));
        // The groups of the view stand side by side in it.
        let schema = components.entry(schema_name(place)).or_insert_with(|| object_schema(Map::new()));
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(described);
        }
    }
    let mut paths: Map<String, Value> = Map::new();
    for (path, method, operation) in ROUTES.iter().filter_map(|(route, doc)| operation(route, doc)) {
        if let Some(methods) = paths.entry(path).or_insert_with(|| json!({})).as_object_mut() {
            methods.extend([(method, operation)]);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "dbus-bms", "version": env!("CARGO_PKG_VERSION"), "description": "Batteries with their cells, limits and reasons. What is unknown is absent, or null in a column.", "license": { "name": "MIT", "identifier": "MIT" } },
        "paths": paths,
        "components": { "schemas": components, "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "web.token of the configuration" } } },
    })
}
