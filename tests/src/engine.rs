use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Label that names the home a resource belongs to.
const INSTANCE: &str = "koan.dev/instance";

/// The API of a container engine of the tests' own, asked beside Koan.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine behind a socket.
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// One request; the JSON answer, `Null` where it is none.
    ///
    /// # Panics
    /// The engine refuses.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|words| panic!("{words}"))
    }

    /// One request that the engine may refuse.
    ///
    /// # Errors
    /// What it says then.
    pub fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "--globoff", "--max-time", "60", "-X", method, "--unix-socket"]);
        command.arg(&self.socket).arg(format!("http://engine{path}"));
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d"]).arg(body.to_string());
        }
        let output = command.output().map_err(|error| format!("curl: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("{method} {path}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        }
        // Podman answers some requests with a plain word.
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The instance label of a container.
    ///
    /// # Panics
    /// The container or its label is missing.
    pub fn instance(&self, container: &str) -> String {
        let inspected = self.call("GET", &format!("/containers/{container}/json"), None);
        inspected["Config"]["Labels"][INSTANCE].as_str().expect("an instance label").to_owned()
    }

    /// Sorted ids of an instance's containers, stopped ones too.
    pub fn containers(&self, instance: &str) -> Vec<String> {
        let listed = self.call("GET", &format!("/containers/json?all=true&filters={}", filter(instance)), None);
        strings(&listed, "Id")
    }

    /// Sorted names of an instance's networks.
    pub fn networks(&self, instance: &str) -> Vec<String> {
        strings(&self.call("GET", &format!("/networks?filters={}", filter(instance)), None), "Name")
    }

    /// Sorted names of an instance's volumes.
    pub fn volumes(&self, instance: &str) -> Vec<String> {
        strings(&self.call("GET", &format!("/volumes?filters={}", filter(instance)), None)["Volumes"], "Name")
    }
}

fn filter(instance: &str) -> String {
    format!("%7B%22label%22:%5B%22{INSTANCE}={instance}%22%5D%7D")
}

fn strings(listed: &Value, key: &str) -> Vec<String> {
    let mut found: Vec<String> =
        listed.as_array().into_iter().flatten().filter_map(|item| item[key].as_str().map(str::to_owned)).collect();
    found.sort();
    found
}
