//! Override files of older projects: `{Mode, Services{name: {Image, Env, Volumes, Ports}}}` (CLI-26).

use serde_json::{Map, Value, json};

use super::node::{Kind, Node};
use crate::failure::{Failure, Location};

/// The override in today's form; `in_container` says of which services the image is a container's.
///
/// # Errors
/// [`Failure::Manifest`] with the place of a key or value that has no such form.
pub(super) fn overrides(file: &str, tree: &Node, in_container: &dyn Fn(&str) -> bool) -> Result<Node, Failure> {
    let reader = Reader { file, in_container };
    let mut spec = Map::new();
    for (key, node) in reader.entries(tree, "")? {
        match key.to_ascii_lowercase().as_str() {
            "mode" => {
                spec.insert("provisioning".to_owned(), json!({"mode": reader.mode(node)?}));
            }
            "services" => {
                let services: Result<Vec<Value>, Failure> =
                    reader.entries(node, key)?.into_iter().map(|(name, node)| reader.service(name, node)).collect();
                spec.insert("services".to_owned(), Value::Array(services?));
            }
            _ => return Err(reader.refuse(node, key, format!("unknown key `{key}`: Mode and Services are known"))),
        }
    }
    Ok(Node::from_json(&json!({"spec": spec})))
}

struct Reader<'a> {
    file: &'a str,
    in_container: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn refuse(&self, node: &Node, path: &str, message: String) -> Failure {
        let location = Location { file: self.file.to_owned(), line: node.at.line, column: node.at.column, path: path.to_owned() };
        Failure::Manifest { location, message, snippet: None }
    }

    fn entries<'n>(&self, node: &'n Node, path: &str) -> Result<Vec<(&'n str, &'n Node)>, Failure> {
        match &node.kind {
            Kind::Map(entries) => Ok(entries.iter().map(|(key, _, node)| (key.as_str(), node)).collect()),
            Kind::Null => Ok(Vec::new()),
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                Err(self.refuse(node, path, format!("`{path}` is no object")))
            }
        }
    }

    fn mode(&self, node: &Node) -> Result<&'static str, Failure> {
        match &node.kind {
            Kind::Text(word) if word.eq_ignore_ascii_case("local") => Ok("Never"),
            Kind::Text(word) if word.eq_ignore_ascii_case("container") => Ok("Always"),
            _ => Err(self.refuse(node, "Mode", "Mode is Local or Container".to_owned())),
        }
    }

    fn service(&self, name: &str, node: &Node) -> Result<Value, Failure> {
        let mut service = Map::from_iter([("name".to_owned(), json!(name))]);
        for (key, node) in self.entries(node, name)? {
            let path = format!("Services.{name}.{key}");
            match key.to_ascii_lowercase().as_str() {
                "image" => {
                    let image = json!(self.text(node, &path)?);
                    if (self.in_container)(name) {
                        service.insert("container".to_owned(), json!({"image": image}));
                    } else {
                        service.insert("image".to_owned(), image);
                    }
                }
                "env" => {
                    let entries = self.entries(node, &path)?;
                    let env = entries.iter().map(|(name, node)| Ok(json!({"name": name, "value": self.text(node, &path)?})));
                    service.insert("env".to_owned(), Value::Array(env.collect::<Result<_, Failure>>()?));
                }
                "volumes" => {
                    let volumes = self.list(node, &path, volume)?;
                    service.insert("volumes".to_owned(), volumes);
                }
                "ports" => {
                    let ports = self.list(node, &path, port)?;
                    service.insert("ports".to_owned(), ports);
                }
                _ => return Err(self.refuse(node, &path, format!("unknown key `{key}`: Image, Env, Volumes, Ports are known"))),
            }
        }
        Ok(Value::Object(service))
    }

    fn text(&self, node: &Node, path: &str) -> Result<String, Failure> {
        match &node.kind {
            Kind::Text(text) => Ok(text.clone()),
            Kind::Number(number) => Ok(number.to_string()),
            Kind::Bool(value) => Ok(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => Err(self.refuse(node, path, format!("`{path}` holds no text"))),
        }
    }

    fn list(&self, node: &Node, path: &str, read: impl Fn(&str) -> Option<Value>) -> Result<Value, Failure> {
        let Kind::List(items) = &node.kind else { return Err(self.refuse(node, path, format!("`{path}` is no list"))) };
        let items = items.iter().map(|item| {
            let text = self.text(item, path)?;
            read(&text).ok_or_else(|| self.refuse(item, path, format!("`{text}` is none of {path}")))
        });
        Ok(Value::Array(items.collect::<Result<_, Failure>>()?))
    }
}

/// `source:target[:ro]`; a source that looks like a path is one.
fn volume(text: &str) -> Option<Value> {
    let (rest, read_only) = match text.strip_suffix(":ro") {
        Some(rest) => (rest, true),
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    let (source, target) = rest.rsplit_once(':')?;
    if source.is_empty() || !target.starts_with('/') {
        return None;
    }
    let is_path = source.starts_with(['.', '/', '~']) || source.contains('\\');
    let source_key = if is_path { "hostPath" } else { "name" };
    let mut volume = Map::from_iter([("target".to_owned(), json!(target)), (source_key.to_owned(), json!(source))]);
    if read_only {
        volume.insert("readOnly".to_owned(), json!(true));
    }
    Some(Value::Object(volume))
}

/// `host:container`, `container`, `ip:host:container`, each with `/udp` or `/tcp`.
fn port(text: &str) -> Option<Value> {
    let (numbers, protocol) = match text.split_once('/') {
        Some((numbers, protocol)) if protocol.eq_ignore_ascii_case("udp") => (numbers, Some("UDP")),
        Some((numbers, protocol)) if protocol.eq_ignore_ascii_case("tcp") => (numbers, None),
        Some(_) => return None,
        None => (text, None),
    };
    let mut parts = numbers.rsplit(':');
    let container: u16 = parts.next()?.parse().ok().filter(|port| *port > 0)?;
    let host: Option<u16> = parts.next().map(str::parse).transpose().ok()?;
    let mut port =
        Map::from_iter([("name".to_owned(), json!(format!("p{container}"))), ("containerPort".to_owned(), json!(container))]);
    if let Some(host) = host {
        port.insert("hostPort".to_owned(), json!(host));
        port.insert("publish".to_owned(), json!(true));
    }
    if let Some(protocol) = protocol {
        port.insert("protocol".to_owned(), json!(protocol));
    }
    Some(Value::Object(port))
}
