//! What the process engine is told once: where things lie, who supervises, which programs recipes know.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use koan_core::identity::InstanceId;
use koan_core::recipe::ProcessRecipe;
use koan_core::workload::ProcessRun;
use koan_exec::Helper;

/// Variables of the person that a program sees (ENG-10).
const PERSONAL: [&str; 3] = ["PATH", "HOME", "LANG"];
/// Data of root's instances: servers refuse root and cannot enter its home (ENG-17).
const ROOT_DATA: &str = "/var/lib/koan";
/// Private folders of root's workloads, in memory.
const ROOT_RUNTIME: &str = "/run/koan";
/// System account of recipe servers under root.
pub const SYSTEM_ACCOUNT: &str = ProcessRun::SYSTEM_ACCOUNT;
/// Hidden first argument by which `koan` becomes a supervisor; the folder of its job follows.
pub const SUPERVISE_ARGUMENT: &str = "__supervise";
/// Hidden first argument by which `koan` becomes a command on a terminal; what it becomes follows.
pub const TERMINAL_ARGUMENT: &str = "__terminal";

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// State directory of this instance, 0700.
    pub state_dir: PathBuf,
    /// Executable that becomes the supervisor.
    pub supervisor: PathBuf,
    /// Its arguments before the folder of the job.
    pub supervisor_args: Vec<OsString>,
    /// What becomes a command on a terminal.
    pub terminal: Helper,
    /// The instance.
    pub instance: InstanceId,
    /// Folder of the data folders.
    pub data_root: PathBuf,
    /// Folder of private folders: sockets, secret files. Short, since the path of a socket has at most 107 bytes.
    pub runtime_root: PathBuf,
    /// System account under which root runs recipe servers; anybody else runs them as themselves.
    pub account: String,
    /// What a program sees of the person's environment: `PATH`, `HOME`, `LANG`.
    pub environment: BTreeMap<String, String>,
    /// Programs that recipes know.
    pub programs: Vec<ProgramSource>,
}

/// Where programs of one package lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramSource {
    /// Programs.
    pub programs: Vec<String>,
    /// Folders beside `PATH`; `*` stands for a part of one path segment, the greatest version first.
    pub folders: Vec<String>,
    /// Package that brings them.
    pub package: String,
}

impl From<&ProcessRecipe> for ProgramSource {
    fn from(recipe: &ProcessRecipe) -> Self {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self { programs: owned(recipe.programs), folders: owned(recipe.folders), package: recipe.package.to_owned() }
    }
}

impl ProcessOptions {
    /// The settings of whoever runs this process, from its environment.
    pub fn of_this_user(state_dir: &Path, supervisor: PathBuf, instance: InstanceId) -> Self {
        let own = state_dir.join("process");
        let (data_root, runtime_root) = if rustix::process::geteuid().is_root() {
            (Path::new(ROOT_DATA).join(&instance.0), Path::new(ROOT_RUNTIME).join(&instance.0))
        } else {
            let memory =
                std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
            (own.join("data"), memory.map_or_else(|| own.join("run"), |path| path.join("koan").join(&instance.0)))
        };
        let environment = PERSONAL.iter().filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok()?))).collect();
        Self {
            state_dir: state_dir.to_owned(),
            terminal: Helper { program: supervisor.clone(), arguments: vec![TERMINAL_ARGUMENT.into()] },
            supervisor,
            supervisor_args: vec![SUPERVISE_ARGUMENT.into()],
            instance,
            data_root,
            runtime_root,
            account: SYSTEM_ACCOUNT.to_owned(),
            environment,
            programs: Vec::new(),
        }
    }
}
