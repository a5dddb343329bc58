//! Flags of `up` that change the stack of this run, before it is validated.

use clap::Args;
use koan_adapters::catalogue;
use koan_core::recipe::Recipes;
use koan_crds::labels;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, suggest};

/// What a run changes in its stack.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Amendments {
    /// Another name for the stack
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    /// Added once to declared and default ports
    #[arg(long, value_name = "N")]
    base_port: Option<u16>,
    /// Host port of one service, as SERVICE=N, SERVICE:PORT=N or N alone; may be repeated
    #[arg(long = "port", value_name = "[SERVICE[:PORT]=]N")]
    ports: Vec<String>,
    /// Publish every port on loopback
    #[arg(long)]
    expose_internals: bool,
    /// What a busy port does
    #[arg(long, value_name = "POLICY", value_parser = ["repick", "warn", "fail"])]
    conflicts: Option<String>,
    /// Mode of one service: SERVICE=Auto|Always|Never|Disabled; may be repeated
    #[arg(long, value_name = "SERVICE=MODE")]
    provisioning: Vec<String>,
    /// Set a field of the stack, such as spec.suspend=true; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Build images again, and replace what runs from them
    #[arg(long)]
    build: bool,
    /// When an image is pulled before a container is made from it; what runs stays
    #[arg(long, value_name = "POLICY", value_parser = ["always", "missing", "never"])]
    pull: Option<String>,
    /// Neither read nor write the ports of the last start
    #[arg(long)]
    no_launch_state: bool,
}

impl Amendments {
    /// Those of ports alone.
    pub(crate) fn of_ports(base_port: Option<u16>, ports: Vec<String>, expose_internals: bool) -> Self {
        Self { base_port, ports, expose_internals, ..Self::default() }
    }

    /// True where what runs from a built image is to be replaced.
    pub(crate) fn rebuilds(&self) -> bool {
        self.build
    }

    /// Changes one stack. `--set` comes last, after every other flag (CLI-25).
    ///
    /// # Errors
    /// [`Failure::Usage`] for a flag that the stack does not take, [`Failure::Unknown`] for a service that it does not have.
    pub(crate) fn apply(&self, stack: &mut Value) -> Result<(), Failure> {
        if let Some(name) = &self.rename {
            stack["metadata"]["name"] = json!(name);
        }
        if let Some(offset) = self.base_port {
            stack["spec"]["ports"]["offset"] = json!(offset);
        }
        if self.expose_internals {
            stack["spec"]["exposeInternals"] = json!(true);
        }
        if let Some(policy) = &self.conflicts {
            let word = match policy.as_str() {
                "repick" => "Repick",
                "warn" => "Warn",
                _ => "Fail",
            };
            stack["spec"]["ports"]["conflicts"] = json!(word);
        }
        for pair in &self.provisioning {
            set_mode(stack, pair)?;
        }
        self.wishes(stack)?;
        for pair in &self.sets {
            set_path(stack, pair, "such as --set spec.services.api.replicas=2")?;
        }
        Ok(())
    }

    /// What concerns this run alone travels as annotations.
    fn wishes(&self, stack: &mut Value) -> Result<(), Failure> {
        let mut annotations = Map::new();
        let ports: Result<Vec<String>, Failure> = self.ports.iter().map(|text| set_port(stack, text)).collect();
        let ports = ports?;
        if !ports.is_empty() {
            annotations.insert(labels::PORTS.to_owned(), json!(ports.join(",")));
        }
        if let Some(policy) = &self.pull {
            let word = match policy.as_str() {
                "always" => "Always",
                "missing" => "IfNotPresent",
                _ => "Never",
            };
            annotations.insert(labels::PULL.to_owned(), json!(word));
        }
        if self.build {
            annotations.insert(labels::REBUILD.to_owned(), json!(jiff::Timestamp::now().to_string()));
        }
        if self.no_launch_state {
            annotations.insert(labels::LAUNCH_STATE.to_owned(), json!("Off"));
        }
        for (name, value) in annotations {
            stack["metadata"]["annotations"][name] = value;
        }
        Ok(())
    }
}

fn services(stack: &mut Value) -> &mut [Value] {
    stack.pointer_mut("/spec/services").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

fn service<'a>(stack: &'a mut Value, name: &str) -> Result<&'a mut Value, Failure> {
    let names: Vec<String> = services(stack).iter().filter_map(|s| s["name"].as_str().map(str::to_owned)).collect();
    match services(stack).iter_mut().find(|service| service["name"] == name) {
        Some(service) => Ok(service),
        None => Err(Failure::Unknown { kind: "service", name: name.to_owned(), nearest: suggest(name, names) }),
    }
}

fn set_mode(stack: &mut Value, pair: &str) -> Result<(), Failure> {
    let refuse = |message: String, hint: &str| Failure::Usage { message, hint: hint.to_owned() };
    let (name, mode) = pair
        .split_once('=')
        .ok_or_else(|| refuse(format!("--provisioning: `{pair}` is no SERVICE=MODE"), "such as db=Always"))?;
    let word = ["Auto", "Always", "Never", "Disabled"].into_iter().find(|w| w.eq_ignore_ascii_case(mode));
    let word =
        word.ok_or_else(|| refuse(format!("--provisioning: unknown mode `{mode}`"), "one of Auto, Always, Never, Disabled"))?;
    service(stack, name)?["provisioning"]["mode"] = json!(word);
    Ok(())
}

/// Ports of a service: name and number inside, the recipe's included where the adapter stands alone; the first is the main one.
fn ports_of(service: &Value) -> Vec<(String, u64)> {
    let written = service["ports"].as_array().into_iter().flatten();
    let mut ports: Vec<(String, u64)> =
        written.filter_map(|port| Some((port["name"].as_str()?.to_owned(), port["containerPort"].as_u64()?))).collect();
    let alone = ["container", "process", "external", "serviceRef"].iter().all(|form| service[*form].is_null());
    let recipe = service["adapter"].as_str().filter(|_| alone).and_then(|adapter| catalogue().recipe(adapter));
    for own in recipe.map_or(&[][..], |recipe| recipe.ports) {
        let port = u64::from(own.port);
        if !ports.iter().any(|(name, number)| name == own.name || *number == port) {
            ports.push((own.name.to_owned(), port));
        }
    }
    ports
}

/// Publishes one port on the number of a flag; answers `service.port=number`.
fn set_port(stack: &mut Value, text: &str) -> Result<String, Failure> {
    let refuse = |message: String| Failure::Usage {
        message: format!("--port {text}: {message}"),
        hint: "such as --port db=5544 or --port api:http=8080".to_owned(),
    };
    let (place, number) = text.rsplit_once('=').map_or((None, text), |(place, number)| (Some(place), number));
    let number: u16 =
        number.parse().ok().filter(|port| *port > 0).ok_or_else(|| refuse(format!("`{number}` is no port from 1 to 65535")))?;
    let (name, port) = match place.map(|place| place.split_once(':').map_or((place, None), |(name, port)| (name, Some(port)))) {
        Some((name, port)) => (name.to_owned(), port),
        None => (the_one_with_ports(stack).map_err(refuse)?, None),
    };
    let service = service(stack, &name)?;
    if !service["process"].is_null() {
        return Err(refuse(format!("`{name}` is a process and listens where it says itself")));
    }
    let known = ports_of(service);
    let found = match port {
        Some(port) => known.iter().find(|(name, inside)| name == port || inside.to_string() == port),
        None => known.first(),
    };
    let Some((port, inside)) = found.cloned() else {
        let names = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let has = if names.is_empty() { "no port".to_owned() } else { names };
        return Err(refuse(format!("`{name}` has {has}")));
    };
    if !service["ports"].is_array() {
        service["ports"] = json!([]);
    }
    let written = service["ports"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    match written.iter_mut().find(|entry| entry["name"] == port.as_str()) {
        Some(entry) => {
            entry["hostPort"] = json!(number);
            entry["publish"] = json!(true);
        }
        None => {
            let entry = json!({"name": port, "containerPort": inside, "hostPort": number, "publish": true});
            service["ports"].as_array_mut().into_iter().for_each(|ports| ports.push(entry.clone()));
        }
    }
    Ok(format!("{name}.{port}={number}"))
}

/// The service that a bare number means.
fn the_one_with_ports(stack: &mut Value) -> Result<String, String> {
    let with = services(stack).iter().filter(|service| service["process"].is_null() && !ports_of(service).is_empty());
    let names: Vec<&str> = with.filter_map(|service| service["name"].as_str()).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err("no service has a port to publish".to_owned()),
        several => Err(format!("name one of {}", several.join(", "))),
    }
}

/// Sets one field; a step is a key, an index, or the name of an entry of a list.
pub(super) fn set_path(stack: &mut Value, pair: &str, example: &str) -> Result<(), Failure> {
    let refuse = |message: String| Failure::Usage { message, hint: example.to_owned() };
    let (path, text) = pair.split_once('=').ok_or_else(|| refuse(format!("--set: `{pair}` is no PATH=VALUE")))?;
    let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut node = stack;
    for step in path.split('.') {
        node = match node {
            Value::Array(items) => {
                let index = step.parse().ok().or_else(|| items.iter().position(|item| item["name"] == step));
                index.and_then(|i: usize| items.get_mut(i)).ok_or_else(|| refuse(format!("--set: {path}: no entry `{step}`")))?
            }
            Value::Null | Value::Object(_) => &mut node[step],
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(refuse(format!("--set: {path}: nothing lies below `{step}`")));
            }
        };
    }
    *node = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Value {
        json!({"metadata": {"name": "shop"}, "spec": {"services": [
            {"name": "db", "adapter": "postgres"},
            {"name": "api", "container": {"image": "a"}, "ports": [{"name": "http", "containerPort": 80}, {"name": "admin", "containerPort": 81}]},
            {"name": "web", "process": {"command": ["x"]}, "ports": [{"name": "http", "containerPort": 82}]},
        ]}})
    }

    fn amended(amendments: &Amendments) -> Result<Value, String> {
        let mut stack = stack();
        amendments.apply(&mut stack).map(|()| stack).map_err(|failure| failure.to_string())
    }

    fn with_ports(ports: &[&str]) -> Result<Value, String> {
        amended(&Amendments { ports: ports.iter().map(|text| (*text).to_owned()).collect(), ..Amendments::default() })
    }

    /// CLI-31, cli.md section 7: `--port` fixes a port of the manifest or of the recipe, by service, port name or number, and says so.
    #[test]
    fn a_port_flag_fixes_one_port() {
        let stack = with_ports(&["db=5544", "api:81=8081"]).unwrap();
        let db = json!([{"name": "postgres", "containerPort": 5432, "hostPort": 5544, "publish": true}]);
        assert_eq!(stack["spec"]["services"][0]["ports"], db);
        let admin = json!({"name": "admin", "containerPort": 81, "hostPort": 8081, "publish": true});
        assert_eq!(stack["spec"]["services"][1]["ports"][1], admin);
        assert_eq!(stack["metadata"]["annotations"][labels::PORTS], "db.postgres=5544,api.admin=8081");
    }

    /// CLI-6: a port flag that means nothing is refused with what there is.
    #[test]
    fn a_port_flag_that_means_nothing_is_refused() {
        for (text, part) in [
            ("db=0", "no port from 1"),
            ("db=x", "no port from 1"),
            ("8080", "name one of db, api"),
            ("dbb=1", "no service named `dbb`"),
            ("api:x=1", "http, admin"),
            ("web=1", "is a process"),
        ] {
            let message = with_ports(&[text]).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    /// CLI-25, CLI-27, ENG-8: wishes of one run are annotations; `--set` comes after every other flag.
    #[test]
    fn wishes_are_annotations_and_set_comes_last() {
        let flags = Amendments {
            build: true,
            no_launch_state: true,
            pull: Some("missing".to_owned()),
            rename: Some("other".to_owned()),
            conflicts: Some("fail".to_owned()),
            sets: vec!["spec.ports.conflicts=Warn".to_owned(), "spec.services.db.database=x".to_owned()],
            ..Amendments::default()
        };
        let stack = amended(&flags).unwrap();
        let annotations = &stack["metadata"]["annotations"];
        assert_eq!((&annotations[labels::PULL], &annotations[labels::LAUNCH_STATE]), (&json!("IfNotPresent"), &json!("Off")));
        assert!(annotations[labels::REBUILD].is_string());
        assert_eq!(stack["metadata"]["name"], "other");
        assert_eq!(stack["spec"]["ports"]["conflicts"], "Warn");
        assert_eq!(stack["spec"]["services"][0]["database"], "x");
        let refused = |text: &str| amended(&Amendments { sets: vec![text.to_owned()], ..Amendments::default() }).unwrap_err();
        assert!(refused("spec").contains("no PATH=VALUE") && refused("spec.services.x.y=1").contains("no entry `x`"));
    }
}
