//! The v2 form of a v3 document: other places for the same things, and schemas without what v2 cannot say.

use serde_json::{Map, Value, json};

/// Keywords that v2 readers do not know or that kubectl would misread.
const DROPPED: [&str; 6] = ["nullable", "anyOf", "oneOf", "not", "allOf", "default"];

/// Converts a v3 document.
pub(super) fn of(document: &Value) -> Value {
    let empty = Map::new();
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&empty);
    let definitions: Map<String, Value> = schemas.iter().map(|(name, found)| (name.clone(), schema(found))).collect();
    let paths: Map<String, Value> =
        object(&document["paths"]).iter().map(|(path, item)| (path.clone(), path_item(item))).collect();
    json!({
        "swagger": "2.0",
        "info": document["info"],
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": {"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"}},
        "security": [{"BearerToken": []}],
    })
}

fn path_item(item: &Value) -> Value {
    let entry = |(key, value): (&String, &Value)| {
        let value = if key == "parameters" { parameters(value, None) } else { operation(value) };
        (key.clone(), value)
    };
    Value::Object(item.as_object().into_iter().flatten().map(entry).collect())
}

fn operation(operation: &Value) -> Value {
    let mut out = operation.as_object().cloned().unwrap_or_default();
    let body = out.shift_remove("requestBody");
    let media = |body: Option<&Value>| -> Vec<String> {
        body.and_then(|body| body["content"].as_object()).into_iter().flatten().map(|(media, _)| media.clone()).collect()
    };
    out.insert("consumes".to_owned(), json!(media(body.as_ref())));
    out.insert("produces".to_owned(), json!(["application/json", "application/yaml"]));
    out.insert("schemes".to_owned(), json!(["https"]));
    out.insert("parameters".to_owned(), parameters(&operation["parameters"], body.as_ref()));
    let responses = operation["responses"].as_object().into_iter().flatten().map(|(code, response)| {
        let mut out = json!({"description": response["description"]});
        if let Some(found) = response.pointer("/content/application~1json/schema") {
            out["schema"] = schema(found);
        }
        (code.clone(), out)
    });
    out.insert("responses".to_owned(), Value::Object(responses.collect()));
    Value::Object(out)
}

fn parameters(list: &Value, body: Option<&Value>) -> Value {
    let flat = |parameter: &Value| {
        let mut out = parameter.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(schema)) = out.shift_remove("schema") {
            out.extend(schema);
        }
        Value::Object(out)
    };
    let content = body.and_then(|body| body["content"].as_object()).and_then(|content| content.values().next());
    let body = content.map(|content| json!({"name": "body", "in": "body", "required": body.is_some_and(|body| body["required"] == true), "schema": schema(&content["schema"])}));
    Value::Array(body.into_iter().chain(list.as_array().into_iter().flatten().map(flat)).collect())
}

fn schema(found: &Value) -> Value {
    match found {
        Value::Object(fields) => {
            let mut out = Map::new();
            // A reference with a description stood in an allOf.
            if let Some(target) = found.pointer("/allOf/0/$ref").or_else(|| fields.get("$ref")).and_then(Value::as_str) {
                out.insert("$ref".to_owned(), target.replace("#/components/schemas/", "#/definitions/").into());
                out.extend(fields.get("description").map(|text| ("description".to_owned(), text.clone())));
                return Value::Object(out);
            }
            let is = |key: &str| fields.get(key) == Some(&Value::Bool(true));
            let free = is("x-kubernetes-preserve-unknown-fields") || is("nullable");
            for (key, value) in fields {
                let undescribed = free && matches!(key.as_str(), "properties" | "items" | "additionalProperties" | "type")
                    || (free && key == "required" && is("x-kubernetes-embedded-resource"));
                if !DROPPED.contains(&key.as_str()) && !undescribed {
                    out.insert(key.clone(), children(key, value));
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn children(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("properties", Value::Object(fields)) => {
            Value::Object(fields.iter().map(|(name, child)| (name.clone(), schema(child))).collect())
        }
        ("items" | "additionalProperties", child) => schema(child),
        (_, other) => other.clone(),
    }
}
