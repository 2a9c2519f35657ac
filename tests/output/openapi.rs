//! The description of the API: each real answer is as described, and nothing is left out.

use dbus_bms::output::web::{ROUTES, openapi};
use serde_json::{Value, json};

/// What in `value` is not as `schema` says, as sentences. The few words of JSON Schema that the description uses.
pub(crate) fn faults(value: &Value, schema: &Value, all: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = all.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{reference} is not described"));
        return faults(value, target, all, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !allowed.contains(&kind) {
        return vec![format!("{at} is {kind} instead of {allowed:?}")];
    }
    let mut found = Vec::new();
    for (key, inner) in value.as_object().into_iter().flatten() {
        let here = format!("{at}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(described), _) => found.extend(faults(inner, described, all, &here)),
            (None, Value::Object(_)) => found.extend(faults(inner, &schema["additionalProperties"], all, &here)),
            (None, Value::Bool(false)) => found.push(format!("{here} is not described")),
            (None, _) => {}
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(inner, &schema["items"], all, &format!("{at}[{index}]")));
    }
    found
}

/// What in the answer of `path` is not as described.
pub(crate) fn answer_faults(all: &Value, path: &str, method: &str, answer: &Value) -> Vec<String> {
    let schema = &all["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path} is not described");
    faults(answer, schema, all, path)
}

#[test]
fn every_route_is_described_once_with_its_parameters() {
    let all = openapi();
    assert_eq!(all["openapi"], "3.1.0");
    let described: usize = all["paths"].as_object().unwrap().values().map(|methods| methods.as_object().unwrap().len()).sum();
    assert_eq!(described, ROUTES.len());
    let names = |path: &str| -> Vec<String> {
        let list = all["paths"][path]["get"]["parameters"].as_array().unwrap();
        list.iter().map(|one| format!("{} in {}", one["name"].as_str().unwrap(), one["in"].as_str().unwrap())).collect()
    };
    assert_eq!(names("/api/v1/batteries/{id}"), ["id in path"]);
    assert_eq!(names("/api/v1/history"), ["id in query", "range in query", "format in query"]);
    assert_eq!(
        all["paths"]["/api/v1/history"]["get"]["parameters"][1]["schema"]["enum"],
        json!(["hour", "day", "week", "month", "year"])
    );
    assert_eq!(all["paths"]["/api/v1/batteries/{id}/commands"]["post"]["security"], json!([{ "token": [] }]));
    // Every reference has its target.
    let text = all.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(all.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn what_is_not_described_is_found() {
    let all = openapi();
    let wrong = json!({ "id": 5, "soc_pct": "full", "limits": { "ccl": { "amount": 5 } }, "cell_voltages_v": [3.3, "x"], "alarms": [{ "name": 1 }] });
    let found = answer_faults(&all, "/api/v1/batteries/{id}", "get", &wrong).join("; ");
    for part in [
        ".id is number",
        ".soc_pct is string",
        ".limits.ccl.amount is not described",
        ".cell_voltages_v[1] is string",
        ".alarms[0].name is number",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}
