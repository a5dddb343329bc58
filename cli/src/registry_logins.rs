//! Where this person's logins of image registries stand: as `docker login` and `podman login` left them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use koan_crds::v1alpha1::EngineName;
use koan_engines::moby::RegistryLogins;

use crate::docker_context;
use crate::failure::Failure;
use crate::settings::Environment;

/// Variables that credential helpers read: the place of the person's keys and the way to ask for them.
const HELPERS_READ: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
    "DOCKER_CONFIG",
];
/// Beginnings of the variables that helpers of clouds read.
const CLOUDS_READ: [&str; 4] = ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_"];

/// Files in the order of the engine's own command line, the other one's after them; helpers with the environment that they read.
///
/// # Errors
/// [`Failure::Usage`] where old and new spelling of a variable differ.
pub(crate) fn of_person(environment: &Environment, engine: EngineName) -> Result<RegistryLogins, Failure> {
    let path = |name: &str| environment.get(name).map(|found| found.map(PathBuf::from));
    let docker = docker_context::folder(environment)?.map(|folder| folder.join("config.json"));
    let named = path("REGISTRY_AUTH_FILE")?;
    let runtime = path("XDG_RUNTIME_DIR")?.map(|folder| folder.join("containers/auth.json"));
    let home = path("HOME")?.map(|home| home.join(".config"));
    let lasting = path("XDG_CONFIG_HOME")?.or(home).map(|folder| folder.join("containers/auth.json"));
    let mut files: Vec<PathBuf> = [named, runtime, lasting].into_iter().flatten().collect();
    let at = if engine == EngineName::Docker { 0 } else { files.len() };
    files.splice(at..at, docker);
    files.retain(|file| Path::is_absolute(file));
    let programs = environment.get("PATH")?.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let read = |name: &str| HELPERS_READ.contains(&name) || CLOUDS_READ.iter().any(|cloud| name.starts_with(cloud));
    let variables = environment.all().iter().filter(|(name, _)| read(name));
    let environment = variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Ok(RegistryLogins { files, programs, environment })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENG-8: each engine's own file comes first; a helper sees its own variables and no other's.
    #[test]
    fn each_engine_reads_its_own_file_first() {
        let environment = Environment::of([
            ("HOME", "/home/u"),
            ("PATH", "/usr/bin:/opt/bin"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("AWS_PROFILE", "dev"),
            ("DATABASE_URL", "postgres://u:secret@h/x"),
        ]);
        let docker = of_person(&environment, EngineName::Docker).unwrap();
        assert_eq!(docker.files[0], Path::new("/home/u/.docker/config.json"));
        let podman = of_person(&environment, EngineName::Podman).unwrap();
        assert_eq!(podman.files[0], Path::new("/run/user/1/containers/auth.json"));
        assert_eq!((docker.files.len(), podman.files.len()), (3, 3));
        assert_eq!(docker.programs, ["/usr/bin", "/opt/bin"].map(PathBuf::from));
        let names: Vec<_> = docker.environment.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["AWS_PROFILE", "HOME", "PATH", "XDG_RUNTIME_DIR"]);
    }
}
