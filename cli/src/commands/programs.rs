//! What the user's own programs of a stack are told of this person's environment (CLI-37, section 4 of the command line's rules).

use serde_json::{Value, json};

use crate::settings::Settings;

/// The name by which OpenTelemetry's libraries know a collector.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Forms of a service that are the user's own program.
const PROGRAMS: [&str; 2] = ["container", "process"];

/// Names the collector of this person to the programs of a `local` stack; what the manifest says wins.
pub(super) fn tell(settings: &Settings, stack: &mut Value) {
    let Some(endpoint) = &settings.otlp_endpoint else { return };
    let local = stack.pointer("/spec/profile").is_none_or(|profile| profile.is_null() || profile == "local");
    let services = stack.pointer_mut("/spec/services").and_then(Value::as_array_mut).filter(|_| local);
    for service in services.into_iter().flatten().filter(|service| PROGRAMS.iter().any(|form| !service[*form].is_null())) {
        if service["env"].is_null() {
            service["env"] = json!([]);
        }
        // A wrong form is for the checks to name.
        let Some(variables) = service["env"].as_array_mut() else { continue };
        if variables.iter().all(|variable| variable["name"] != COLLECTOR) {
            variables.push(json!({"name": COLLECTOR, "value": endpoint}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Cli;
    use crate::settings::Environment;

    fn told(profile: Value, endpoint: &str) -> Vec<Value> {
        let globals = <Cli as clap::Parser>::try_parse_from(["koan", "version"]).unwrap().globals;
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::of([("HOME", "/nonexistent"), ("KOAN_OTLP_ENDPOINT", endpoint)]);
        let settings = Settings::resolve(&globals, environment, folder.path()).unwrap();
        let own = json!([{"name": COLLECTOR, "value": "http://own:4317"}]);
        let mut stack = json!({"spec": {"profile": profile, "services": [
            {"name": "db", "adapter": "postgres"},
            {"name": "api", "container": {"image": "a"}, "env": [{"name": "LEVEL", "value": "info"}]},
            {"name": "job", "process": {"command": ["x"]}},
            {"name": "web", "process": {"command": ["x"]}, "env": own},
            {"name": "odd", "container": {"image": "a"}, "env": 7},
        ]}});
        tell(&settings, &mut stack);
        let services = stack["spec"]["services"].as_array().unwrap();
        services.iter().map(|service| service.get("env").cloned().unwrap_or_default()).collect()
    }

    /// CLI-37: the collector of this person reaches the user's own programs of a `local` stack, and nothing else; the manifest wins.
    #[test]
    fn programs_of_a_local_stack_know_the_collector() {
        let address = "http://127.0.0.1:4317";
        let entry = json!({"name": COLLECTOR, "value": address});
        for profile in [Value::Null, json!("local")] {
            let [db, api, job, web, odd] = told(profile, address).try_into().unwrap();
            assert_eq!((db, odd), (Value::Null, json!(7)));
            assert_eq!(api, json!([{"name": "LEVEL", "value": "info"}, entry.clone()]));
            assert_eq!(job, json!([entry.clone()]));
            assert_eq!(web[0]["value"], "http://own:4317");
        }
        assert_eq!(told(json!("ci"), address)[2], Value::Null);
        assert_eq!(told(json!("local"), "")[2], Value::Null);
    }
}
