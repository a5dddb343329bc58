//! Names that a shell completes: stacks and services of the manifest, and of the server where one runs (section 2 of the command
//! line's rules). Nothing is started or made, nothing but names is printed, and what takes too long gives nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use koan_adapters::catalogue;
use koan_crds::v1alpha1::DevStack;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::block_on;
use crate::arguments::{Cli, Globals};
use crate::home::{Home, ServerRecord, Start, connect};
use crate::manifest::find;
use crate::output::write_exactly;
use crate::settings::{Environment, Settings};

/// First argument of a run that prints names for a shell; the words before the cursor follow.
pub(crate) const NAMES_ARGUMENT: &str = "complete-names";
/// Longest wait for a server, so that a shell has its answer within 100 ms.
const PATIENCE: Duration = Duration::from_millis(80);
/// Most stacks that are asked for.
const MOST: u32 = 500;

/// What can stand where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Stacks,
    Services,
    /// Both: the first word of `koan logs`.
    Either,
    /// `STACK` and `STACK/SERVICE`.
    Places,
    /// Ids and aliases of the catalogue.
    Adapters,
    Nothing,
}

/// Prints the names that can stand after these words. It always succeeds: a shell has no use for an error.
pub(crate) fn run(words: &[OsString]) {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let wanted = wanted(&words);
    if wanted == Wanted::Nothing {
        return;
    }
    if wanted == Wanted::Adapters {
        let names = catalogue().recipes().iter().flat_map(|recipe| recipe.aliases.iter().chain([&recipe.id]));
        return print(names.map(|name| (*name).to_owned()).collect());
    }
    let Some(known) = known(&words) else { return };
    let stacks = || known.iter().map(|(stack, _)| stack.clone());
    let services = || known.iter().flat_map(|(_, services)| services.iter().cloned());
    let places = || known.iter().flat_map(|(stack, own)| own.iter().map(move |service| format!("{stack}/{service}")));
    let names: BTreeSet<String> = match wanted {
        Wanted::Stacks => stacks().collect(),
        Wanted::Services => services().collect(),
        Wanted::Either => stacks().chain(services()).collect(),
        Wanted::Places => stacks().chain(places()).collect(),
        Wanted::Adapters | Wanted::Nothing => BTreeSet::new(),
    };
    print(names);
}

fn print(names: BTreeSet<String>) {
    write_exactly(&names.into_iter().map(|name| name + "\n").collect::<String>());
}

/// What the words ask for: by the flag that waits for its value, else by the command and the words that it has already.
fn wanted(words: &[&str]) -> Wanted {
    let cli = Cli::command();
    let mut rest = words.iter().copied();
    let takes_value = |command: &clap::Command, flag: &str| {
        // A flag of the command's own comes before a global one of the same letter.
        let mut all = command.get_arguments().chain(cli.get_arguments());
        all.find(|argument| names_flag(argument, flag)).is_some_and(|argument| argument.get_action().takes_values())
    };
    let mut command = None;
    let mut given: Vec<&str> = Vec::new();
    let mut open = None;
    while let Some(word) = rest.next() {
        let here = command.unwrap_or(&cli);
        if word.starts_with('-') && word.len() > 1 {
            let waits = !word.contains('=') && takes_value(here, word);
            open = waits.then_some(word).filter(|_| rest.next().is_none());
        } else if command.is_none() {
            let Some(found) = cli.find_subcommand(word) else { return Wanted::Nothing };
            command = Some(found);
        } else {
            given.push(word);
        }
    }
    match (command.map(clap::Command::get_name), open, given.as_slice()) {
        (_, Some("--service"), _) => Wanted::Services,
        (_, Some("--stack"), _) => Wanted::Stacks,
        (_, Some("--adapter"), _) => Wanted::Adapters,
        (_, Some(_), _) => Wanted::Nothing,
        (Some("up" | "status" | "env" | "down"), None, []) => Wanted::Stacks,
        (Some("why"), None, []) => Wanted::Services,
        (Some("wait"), None, []) => Wanted::Places,
        (Some("logs"), None, []) => Wanted::Either,
        (Some("logs"), None, _) => Wanted::Services,
        (Some("catalog"), None, ["show" | "render"]) => Wanted::Adapters,
        (Some(_) | None, None, _) => Wanted::Nothing,
    }
}

fn names_flag(argument: &clap::Arg, flag: &str) -> bool {
    let long = argument.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
    long || argument.get_short().is_some_and(|short| flag.strip_prefix('-') == Some(short.to_string().as_str()))
}

/// Stacks with their services; `None` where not even the settings can be read.
fn known(words: &[&str]) -> Option<Vec<(String, Vec<String>)>> {
    let globals = globals(words)?;
    let working = std::env::current_dir().ok()?;
    let settings = Settings::resolve(&globals, Environment::of_process(), &working).ok()?;
    let mut found = of_manifest(&globals.files, &working);
    let served = settings.context.is_some() || ServerRecord::living(&Home { root: settings.home.clone() }).is_some();
    if served {
        let asked = async {
            let stacks = async { tokio::time::timeout(PATIENCE, of_server(&settings)).await.ok().flatten() };
            found.extend(stacks.await.unwrap_or_default());
            Ok(0)
        };
        block_on(asked).ok()?;
    }
    Some(found)
}

/// The global flags among the words, without the command's own.
fn globals(words: &[&str]) -> Option<Globals> {
    const KEPT: [&str; 6] = ["--home", "-n", "--namespace", "--context", "-f", "--file"];
    let mut kept = vec!["koan"];
    for (index, word) in words.iter().enumerate() {
        let whole = KEPT.iter().any(|flag| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')));
        let follows = words.contains(&"logs") && *word == "-f";
        match words.get(index + 1) {
            _ if whole => kept.push(word),
            Some(value) if KEPT.contains(word) && !follows => kept.extend([*word, *value]),
            Some(_) | None => {}
        }
    }
    let parsed = |words: Vec<&str>| Cli::try_parse_from(words.into_iter().chain(["version"])).map(|cli| cli.globals).ok();
    parsed(kept).or_else(|| parsed(vec!["koan"]))
}

fn of_manifest(files: &[PathBuf], working: &std::path::Path) -> Vec<(String, Vec<String>)> {
    let documents = find(files, working).map(|found| found.documents).unwrap_or_default();
    let stacks = documents.iter().filter(|document| document.kind == "DevStack");
    let services = |value: &serde_json::Value| {
        let services = value.pointer("/spec/services").and_then(serde_json::Value::as_array).into_iter().flatten();
        services.filter_map(|service| service["name"].as_str().map(str::to_owned)).collect()
    };
    stacks.map(|document| (document.name().to_owned(), services(&document.value))).collect()
}

async fn of_server(settings: &Settings) -> Option<Vec<(String, Vec<String>)>> {
    let session = connect(settings, Start::Never).await.ok()??;
    let stacks: Api<DevStack> = Api::namespaced(session.client.clone(), &session.namespace);
    let list = stacks.list(&ListParams::default().limit(MOST)).await.ok()?;
    let services = |stack: &DevStack| stack.spec.services.iter().map(|service| service.name.clone()).collect();
    Some(list.items.iter().map(|stack| (stack.name_any(), services(stack))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 2 of cli.md: what stands at the cursor follows from the command, its words and an open flag.
    #[test]
    fn the_words_tell_what_is_wanted() {
        let rows: [(&str, Wanted); 20] = [
            ("", Wanted::Nothing),
            ("status", Wanted::Stacks),
            ("-n team status -w", Wanted::Stacks),
            ("status shop", Wanted::Nothing),
            ("up --base-port", Wanted::Nothing),
            ("up --base-port 3", Wanted::Stacks),
            ("down --volumes", Wanted::Stacks),
            ("why", Wanted::Services),
            ("why --stack", Wanted::Stacks),
            ("env --service", Wanted::Services),
            ("wait", Wanted::Places),
            ("logs", Wanted::Either),
            ("logs -f shop", Wanted::Services),
            ("logs --tail", Wanted::Nothing),
            ("frobnicate", Wanted::Nothing),
            ("validate", Wanted::Nothing),
            ("catalog", Wanted::Nothing),
            ("catalog show", Wanted::Adapters),
            ("catalog render a", Wanted::Nothing),
            ("init --adapter", Wanted::Adapters),
        ];
        for (line, expected) in rows {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(wanted(&words), expected, "{line}");
        }
    }

    /// The flags that name another home, namespace or manifest count; what is unfinished does not.
    #[test]
    fn global_flags_among_the_words_count() {
        let read = |line: &str| globals(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        let found = read("-n team --home=/h status --file a.yaml -w");
        assert_eq!((found.namespace.as_deref(), found.home), (Some("team"), Some("/h".into())));
        assert_eq!(found.files, [PathBuf::from("a.yaml")]);
        assert_eq!(read("logs -f shop").files, [] as [PathBuf; 0]);
        assert_eq!(read("status -n").namespace, None);
    }
}
