//! Real servers on random loopback ports with login on, started as a process engine would start their recipes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use koan_core::probe::{Address, Check, CheckReport};
use koan_core::recipe::{Maturity, ProcessRecipe, Recipe, Recipes};
use koan_core::secret::{Login, Secret};
use koan_core::text::{Part, Text, Values};
use koan_crds::v1alpha1::EvidenceCode;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

use crate::texts::credential;
use crate::tls;
use crate::wire::{GREETING, Target, connect};
use crate::{LiveProber, Prober, catalogue};

/// Longest start of a server on a busy machine.
const START: Duration = Duration::from_secs(180);
/// Another port is taken where somebody was quicker.
const STARTS: usize = 3;
/// A login user that is not ours.
pub(crate) const NOBODY: u32 = 65_534;
/// A system account.
pub(crate) const DAEMON: u32 = 1;

/// A port for each name.
type Ports = BTreeMap<String, u16>;

/// A running server; ends with the value.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) uid: u32,
    child: Child,
    home: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // What the server started ends with it.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _gone = group.map(|group| kill_process_group(group, Signal::KILL));
        let _status = self.child.wait();
    }
}

impl Server {
    /// What the server wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// How often the server wrote these words, waiting for so many: it may write after it answered.
    pub(crate) async fn wrote(&self, words: &str, count: usize) -> usize {
        let deadline = Instant::now() + START;
        while self.log().matches(words).count() < count && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.log().matches(words).count()
    }
}

/// Starts a server under an account (where we may), with a login and changes to its files; `None` after a printed reason.
pub(crate) async fn start(adapter: &str, uid: u32, login: &Login, change: impl Fn(&Path)) -> Option<Server> {
    start_with(adapter, uid, login, &[], change).await
}

/// The same with more words on its command line; `{home}` in them is the folder that the changes are told.
pub(crate) async fn start_with(adapter: &str, uid: u32, login: &Login, words: &[&str], change: impl Fn(&Path)) -> Option<Server> {
    let process = catalogue().recipe(adapter).unwrap().process.as_ref().unwrap();
    start_as(adapter, process, (uid, words), login, change).await
}

/// Starts a server that has no process form of its own as this one says.
pub(crate) async fn start_as(
    adapter: &str,
    process: &ProcessRecipe,
    (uid, words): (u32, &[&str]),
    login: &Login,
    change: impl Fn(&Path),
) -> Option<Server> {
    let recipe = catalogue().recipe(adapter).unwrap();
    let Some(programs) = found(process) else {
        assert!(std::env::var_os("CI").is_none() || optional(recipe), "{} is not installed, and CI requires it", process.package);
        println!("SKIPPED {adapter}: {} is not installed", process.package);
        return None;
    };
    for _start in 0..STARTS {
        let start = Start { recipe, process, programs: &programs, uid, words };
        if let Some(server) = start.run(login, &change).await {
            return Some(server);
        }
    }
    panic!("{adapter} did not start");
}

/// Whether CI may lack this server: a preview's, and those that `hack/test-servers path` names since they were not built (DET-43).
fn optional(recipe: &Recipe) -> bool {
    let named = |names: String| names.split(',').any(|name| name == recipe.id);
    recipe.maturity != Maturity::Stable || std::env::var("KOAN_TEST_OPTIONAL").is_ok_and(named)
}

/// The folder of each program: one that holds all of them where there is one, `PATH` first, then the recipe's folders.
fn found(process: &ProcessRecipe) -> Option<BTreeMap<&'static str, PathBuf>> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for folder in process.folders {
        match folder.split_once('*') {
            Some((before, after)) => {
                let (above, start) = before.rsplit_once('/')?;
                let entries = fs::read_dir(above).into_iter().flatten().flatten();
                let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
                folders.extend(named.map(|entry| entry.path().join(after.trim_start_matches('/'))));
            }
            None => folders.push(PathBuf::from(folder)),
        }
    }
    let whole = folders.iter().find(|folder| process.programs.iter().all(|program| folder.join(program).exists()));
    let of = |program: &&'static str| {
        let folder = whole.or_else(|| folders.iter().find(|folder| folder.join(program).exists()))?;
        Some((*program, folder.clone()))
    };
    process.programs.iter().map(of).collect()
}

struct Start<'a> {
    recipe: &'a Recipe,
    process: &'a ProcessRecipe,
    programs: &'a BTreeMap<&'static str, PathBuf>,
    uid: u32,
    words: &'a [&'a str],
}

impl Start<'_> {
    async fn run(&self, login: &Login, change: impl Fn(&Path)) -> Option<Server> {
        let home = tempfile::TempDir::new_in(if Path::new("/dev/shm").exists() { "/dev/shm" } else { "/tmp" }).unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let ports = self.free_ports();
        let port = ports[self.recipe.ports[0].name];
        let mut values = Values::default();
        values.insert(credential("username"), Secret::new(login.username.clone().unwrap_or_default()));
        let password = login.password.as_ref().map(|text| text.expose().clone());
        values.insert(credential("password"), Secret::new(password.unwrap_or_default()));
        let token = login.token.as_ref().map(|text| text.expose().clone());
        values.insert(credential("token"), Secret::new(token.unwrap_or_default()));
        for data in self.process.data_paths {
            let folder = place(home.path(), data);
            fs::create_dir_all(&folder).unwrap();
            self.give(&folder, 0o700);
        }
        for (path, mode, text) in &self.process.files {
            let file = place(home.path(), path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, self.render(text, &values, (home.path(), &ports))).unwrap();
            self.give(&file, *mode);
        }
        let log = File::create(home.path().join("log")).unwrap();
        for (mark, command) in &self.process.prepare {
            let mut command = self.command(command, &values, (home.path(), &ports));
            let status = command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap()).status().unwrap();
            let done = Path::new(&self.render(mark, &values, (home.path(), &ports))).exists();
            assert!(status.success() && done, "{}", fs::read_to_string(home.path().join("log")).unwrap());
        }
        change(home.path());
        let mut command = self.command(&self.process.command, &values, (home.path(), &ports));
        command.args(self.words.iter().map(|word| word.replace("{home}", &home.path().to_string_lossy())));
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Server { port, uid: self.account(), child, home };
        if self.ready(&mut server, login).await {
            return Some(server);
        }
        println!("{}", server.log());
        None
    }

    /// Waits until the server answers, or ends.
    async fn ready(&self, server: &mut Server, login: &Login) -> bool {
        let check = Check {
            adapter: self.recipe.id.to_owned(),
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: server.port },
            tls: None,
            login: login.clone(),
            database: "shop".to_owned(),
            timeout: Duration::from_secs(5),
        };
        let deadline = Instant::now() + START;
        loop {
            let last = match LiveProber::new().check(&check).await {
                CheckReport::Passed { .. } => return true,
                CheckReport::NotYet(line)
                    if matches!(line.code, EvidenceCode::ReadOnly | EvidenceCode::TlsRequired | EvidenceCode::Sealed) =>
                {
                    return true;
                }
                CheckReport::NotYet(line) if line.code == EvidenceCode::WrongProtocol && self.encrypted(server).await => {
                    return true;
                }
                CheckReport::NotYet(line) | CheckReport::Absent(line) => line,
            };
            if server.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{last:?} {}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// It listens for TLS alone.
    async fn encrypted(&self, server: &Server) -> bool {
        let deadline = Instant::now() + GREETING;
        let target = Target::Tcp(([127, 0, 0, 1], server.port).into());
        match connect(&target, deadline).await {
            Ok(wire) => tls::unverified(wire, deadline).await.is_ok(),
            Err(_) => false,
        }
    }

    /// A free port for each that the recipe or its variables name; they are held until all are known, so that they differ.
    fn free_ports(&self) -> Ports {
        let parts = self.process.env.iter().flat_map(|(_name, text)| &text.0);
        let more = parts.filter_map(|part| if let Part::Port(name) = part { Some(name.clone()) } else { None });
        let names: BTreeSet<String> = self.recipe.ports.iter().map(|port| port.name.to_owned()).chain(more).collect();
        let held: Vec<_> = names.into_iter().map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap())).collect();
        held.iter().map(|(name, listener)| (name.clone(), listener.local_addr().unwrap().port())).collect()
    }

    /// The folder of a program; products name theirs by the program or by their own id.
    fn folder_of(&self, name: &str) -> Option<String> {
        let folder = self.programs.get(name).or_else(|| self.programs.values().next())?;
        Some(folder.to_string_lossy().into_owned())
    }

    fn account(&self) -> u32 {
        let ours = rustix::process::geteuid().as_raw();
        if ours == 0 { self.uid } else { ours }
    }

    fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        chown(path, Some(self.account()), None).unwrap();
    }

    fn command(&self, words: &[Text], values: &Values, (home, ports): (&Path, &Ports)) -> Command {
        let words: Vec<String> = words.iter().map(|word| self.render(word, values, (home, ports))).collect();
        let env = self.process.env.iter().map(|(name, text)| (name, self.render(text, values, (home, ports))));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(env).current_dir("/").stdin(Stdio::null()).uid(self.account()).process_group(0);
        command
    }

    fn render(&self, text: &Text, values: &Values, (home, ports): (&Path, &Ports)) -> String {
        let fill = |part: &Part| match part {
            Part::DataFolder(path) | Part::File(path) => Some(place(home, path).to_string_lossy().into_owned()),
            Part::Port(name) | Part::Published(name) => Some(ports[name.as_str()].to_string()),
            Part::ProgramFolder(name) => self.folder_of(name),
            Part::RunFolder => Some(home.to_string_lossy().into_owned()),
            Part::Plain(_) | Part::Value(_) | Part::Quoted(_) | Part::Hashed(_) => None,
        };
        text.render(values, fill).unwrap().expose().replace(Recipe::DATABASE, "shop")
    }
}

/// Where a path of the recipe lies below a home.
pub(crate) fn place(home: &Path, path: &str) -> PathBuf {
    home.join(path.trim_start_matches('/'))
}
