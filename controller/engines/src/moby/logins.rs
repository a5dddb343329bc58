//! Logins of image registries, as `docker login` and `podman login` keep them: read anew for each pull, given to the engine with it, kept
//! nowhere and never logged.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use koan_exec::{Ending, Request, run};
use serde::Deserialize;

/// Largest file of logins that is read.
const FILE_LIMIT: u64 = 1024 * 1024;
/// Longest run of a credential helper.
const HELPER_DEADLINE: Duration = Duration::from_secs(10);
/// Most output of a credential helper.
const HELPER_OUTPUT: usize = 64 * 1024;
/// Name of the first registry of all in files of logins.
const HUB: &str = "https://index.docker.io/v1/";
/// Other names of it.
const HUB_NAMES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// User name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// Where logins may stand; the caller gathers it.
#[derive(Clone, Default)]
pub struct RegistryLogins {
    /// Files of logins, the first that has one for the registry wins.
    pub files: Vec<PathBuf>,
    /// Folders in which credential helpers lie.
    pub programs: Vec<PathBuf>,
    /// The whole environment of a helper.
    pub environment: Vec<(OsString, OsString)>,
}

impl std::fmt::Debug for RegistryLogins {
    /// Without the environment, which may hold keys of a cloud.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RegistryLogins").field("files", &self.files).finish_non_exhaustive()
    }
}

/// A file that could not be used, told beside a pull that was denied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// It cannot be read, or is no JSON of that form.
    #[error("{} cannot be used as a file of registry logins", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// A helper that the file names is absent, has no plain name, failed or answered nonsense.
    #[error("the credential helper docker-credential-{name} {what}")]
    Helper {
        /// Its name.
        name: String,
        /// What went wrong; never its output.
        what: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl RegistryLogins {
    /// The login for the registry of an image; `None` where nobody logged in.
    ///
    /// # Errors
    /// A file or a helper cannot be used. The pull may go on without a login.
    pub(crate) async fn of_image(&self, reference: &str) -> Result<Option<DockerCredentials>, LoginError> {
        for path in &self.files {
            let Some(file) = read(path).await? else { continue };
            let names = names(reference);
            let helper = names.iter().find_map(|name| file.cred_helpers.get(name)).or(file.creds_store.as_ref());
            if let Some(helper) = helper {
                let server = server(reference);
                if let Some(login) = self.ask(helper, &server).await? {
                    return Ok(Some(DockerCredentials { serveraddress: Some(server), ..login }));
                }
            }
            let found = names.iter().find_map(|name| login_of(file.auths.get(name)?));
            if let Some(login) = found {
                return Ok(Some(DockerCredentials { serveraddress: Some(server(reference)), ..login }));
            }
        }
        Ok(None)
    }

    /// Asks a helper for a server; `None` where it knows none.
    async fn ask(&self, name: &str, server: &str) -> Result<Option<DockerCredentials>, LoginError> {
        let failed = |what: &str| LoginError::Helper { name: name.to_owned(), what: what.to_owned() };
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')) {
            return Err(LoginError::Helper { name: "?".to_owned(), what: "has no plain name".to_owned() });
        }
        let program = format!("docker-credential-{name}");
        let program = self.programs.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(&program));
        let program = program.into_iter().find(|path| path.is_file()).ok_or_else(|| failed("is not installed"))?;
        let request = Request {
            program,
            arguments: vec!["get".into()],
            environment: self.environment.clone(),
            folder: "/".into(),
            account: None,
            input: server.as_bytes().to_vec(),
            deadline: HELPER_DEADLINE,
            output_limit: HELPER_OUTPUT,
        };
        let report = run(request).await.map_err(|_| failed("cannot be started"))?;
        match report.ending {
            Ending::Exited(0) if !report.truncated => {
                let answer: Answer = serde_json::from_slice(&report.output).map_err(|_| failed("answers no login"))?;
                Ok(Some(match answer.username.as_str() {
                    TOKEN_USER => DockerCredentials { identitytoken: Some(answer.secret), ..DockerCredentials::default() },
                    _user => DockerCredentials {
                        username: Some(answer.username),
                        password: Some(answer.secret),
                        ..DockerCredentials::default()
                    },
                }))
            }
            Ending::Exited(_) if String::from_utf8_lossy(&report.output).contains("credentials not found") => Ok(None),
            Ending::Exited(0) => Err(failed("answers too much")),
            Ending::Exited(code) => Err(failed(&format!("failed with {code}"))),
            Ending::Signalled(signal) => Err(failed(&format!("was ended by signal {signal}"))),
            Ending::DeadlineExceeded => Err(failed("did not answer in time")),
        }
    }
}

/// A file of logins; `None` where there is none.
async fn read(path: &Path) -> Result<Option<File>, LoginError> {
    let failed = || LoginError::File { path: path.to_owned() };
    match tokio::fs::metadata(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(data) if data.is_file() && data.len() <= FILE_LIMIT => {}
        Ok(_) | Err(_) => return Err(failed()),
    }
    let bytes = tokio::fs::read(path).await.map_err(|_| failed())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| failed())
}

/// The registry of an image: its first segment where that is a host.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        Some(_) | None => HUB_NAMES[0],
    }
}

/// The registry as a helper knows it.
fn server(reference: &str) -> String {
    let registry = registry(reference);
    if HUB_NAMES.contains(&registry) { HUB.to_owned() } else { registry.to_owned() }
}

/// Names under which a file may hold the login, the closest first: a path within the registry (Podman), its host, its URLs.
fn names(reference: &str) -> Vec<String> {
    let registry = registry(reference);
    let hub = HUB_NAMES.contains(&registry);
    let mut path = super::image::repository_of(reference);
    let mut found = Vec::new();
    while let Some((above, _)) = path.rsplit_once('/') {
        found.push(path.to_owned());
        path = above;
    }
    let hosts: Vec<&str> = if hub { HUB_NAMES.to_vec() } else { vec![registry] };
    found.extend(hosts.iter().map(|host| (*host).to_owned()));
    found.extend(hosts.iter().flat_map(|host| ["", "/", "/v1/", "/v2/"].map(|end| format!("https://{host}{end}"))));
    found
}

fn login_of(entry: &Entry) -> Option<DockerCredentials> {
    let empty = DockerCredentials::default();
    if let Some(token) = entry.identitytoken.clone().filter(|token| !token.is_empty()) {
        return Some(DockerCredentials { identitytoken: Some(token), ..empty });
    }
    let decoded = entry.auth.as_deref().and_then(|auth| STANDARD.decode(auth.trim()).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let inside = decoded.as_deref().and_then(|text| text.split_once(':'));
    let inside = inside.map(|(user, password)| (user.to_owned(), password.trim_end_matches('\0').to_owned()));
    let (username, password) = inside.or_else(|| Some((entry.username.clone()?, entry.password.clone()?)))?;
    Some(DockerCredentials { username: Some(username), password: Some(password), ..empty })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(file: &str) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            std::fs::write(place.0.path().join("config.json"), file).unwrap();
            place
        }

        fn helper(self, name: &str, script: &str) -> Self {
            let path = self.0.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            self
        }

        async fn ask(&self, reference: &str) -> Result<Option<(String, String)>, String> {
            let logins = RegistryLogins {
                files: vec![self.0.path().join("absent.json"), self.0.path().join("config.json")],
                programs: vec![self.0.path().to_owned()],
                environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            };
            let found = logins.of_image(reference).await.map_err(|error| error.to_string())?;
            Ok(found
                .map(|found| (found.username.unwrap_or_default(), found.password.or(found.identitytoken).unwrap_or_default())))
        }
    }

    fn login(user: &str, password: &str) -> Result<Option<(String, String)>, String> {
        Ok(Some((user.to_owned(), password.to_owned())))
    }

    /// ENG-8: the login of the image's own registry is found, under each name that Docker and Podman write, and no other's.
    #[tokio::test]
    async fn the_login_of_the_registry_is_found() {
        let auth = |text: &str| STANDARD.encode(text);
        let place = Place::new(&format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "quay.io/mine": {{"auth": "{}"}},
                "registry.test:5000": {{"identitytoken": "tok"}}, "https://old.test/v1/": {{"auth": "{}"}}, "bad.test": {{"auth": "%"}}}}}}"#,
            auth("hub:a:b"),
            auth("own:q"),
            auth("old:o")
        ));
        assert_eq!(place.ask("redis:7").await, login("hub", "a:b"));
        assert_eq!(place.ask("docker.io/library/redis").await, login("hub", "a:b"));
        assert_eq!(place.ask("quay.io/mine/app:1").await, login("own", "q"));
        assert_eq!(place.ask("quay.io/other/app:1").await, Ok(None));
        assert_eq!(place.ask("registry.test:5000/app@sha256:00").await, login("", "tok"));
        assert_eq!(place.ask("old.test/app").await, login("old", "o"));
        assert_eq!(place.ask("bad.test/app").await, Ok(None));
    }

    /// ENG-8: a helper is asked for its registry by its input; one that knows no login leaves it to the file.
    #[tokio::test]
    async fn a_helper_is_asked_and_may_know_nothing() {
        let script = r#"read server; [ "$1" = get ] && [ "$server" = quay.io ] && echo '{"ServerURL":"x","Username":"u","Secret":"s"}' && exit
echo 'credentials not found in native keychain'; exit 1"#;
        let file = format!(r#"{{"credsStore": "all", "auths": {{"file.test": {{"auth": "{}"}}}}}}"#, STANDARD.encode("f:p"));
        let place = Place::new(&file).helper("all", script);
        assert_eq!(place.ask("quay.io/a/b").await, login("u", "s"));
        assert_eq!(place.ask("file.test/a").await, login("f", "p"));
        assert_eq!(place.ask("redis").await, Ok(None));
        let token = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
        let place = Place::new(r#"{"credHelpers": {"quay.io": "one"}}"#).helper("one", token);
        assert_eq!(place.ask("quay.io/a/b").await, login("", "t"));
        assert_eq!(place.ask("redis").await, Ok(None));
    }

    /// ENG-8, B-7: a helper that is absent, fails, answers nonsense or would lead elsewhere is named, and none of its output is told.
    #[tokio::test]
    async fn a_broken_helper_is_named_without_its_output() {
        for (name, script, words) in [
            ("gone", None, "docker-credential-gone is not installed"),
            ("sad", Some("echo s3cret; echo s3cret >&2; exit 3"), "docker-credential-sad failed with 3"),
            ("odd", Some("echo s3cret"), "docker-credential-odd answers no login"),
            ("../evil", None, "has no plain name"),
        ] {
            let place = Place::new(&format!(r#"{{"credsStore": "{name}"}}"#));
            let place = if let Some(script) = script { place.helper(name, script) } else { place };
            let told = place.ask("quay.io/a/b").await.unwrap_err();
            assert!(told.contains(words) && !told.contains("s3cret"), "{told}");
        }
        let told = Place::new("{").ask("redis").await.unwrap_err();
        assert!(told.contains("config.json cannot be used as a file of registry logins"), "{told}");
    }
}
