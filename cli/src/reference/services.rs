//! `docs/services.md`: what is found, what is tried and how often, what is injected, how to turn it off.

use std::time::Duration;

use koan_adapters::budgets::{AT_ONCE, CONNECT_LOOPBACK, GREETING, READ_LIMIT, REFUSED_LIMIT};
use koan_adapters::{EXAMPLE, catalogue, rules};
use koan_controller::PROBE_PAUSE;
use koan_core::questions::MAX_CANDIDATES;
use koan_core::recipe::Recipes;
use koan_crds::v1alpha1::Profile;

use super::{GENERATED, code, codes, table};
use crate::catalogue::{CatalogEntry, policy};

/// Prefix of the variables that every service gets.
const OWN: &str = "KOAN_";
/// Bytes of a KiB.
const KIB: usize = 1024;

/// Text of the page.
pub(super) fn page(entries: &[CatalogEntry]) -> String {
    let example = entries.iter().find(|entry| entry.id == EXAMPLE).map(|entry| entry.example.as_str()).unwrap_or_default();
    format!(
        "# Services\n\n{GENERATED}\n\nA service that names an adapter is looked for on this machine first. What is found is used only once it \
         proved that it is the right product and that you may use it; everything else is started as a container or a process of its own. \
         Nothing that runs is ever changed.\n\n```yaml\n{example}```\n\n{}{}{}{}{}",
        catalogue_of(entries),
        found(),
        tried(entries),
        injected(),
        OFF,
    )
}

fn catalogue_of(entries: &[CatalogEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let ports = entry.ports.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ");
        let conventional = entry.injected.iter().map(|variable| variable.name.as_str()).filter(|name| !name.starts_with(OWN));
        let aliases = std::iter::once(entry.id.as_str()).chain(entry.aliases.iter().map(String::as_str));
        let title = format!("[{}](adapters/{}.md)", entry.title, entry.id);
        vec![title, codes(aliases), entry.maturity.clone(), ports, codes(conventional)]
    });
    format!(
        "## The catalogue\n\nStable: proven in every mode and situation against a real server. Preview: proven by recorded answers alone; \
         the adapter's page says why.\n\n{}\n```sh\nkoan catalog list              # this table\nkoan catalog show {EXAMPLE}     # everything \
         that is known of one adapter\nkoan catalog images            # the images, to pull or mirror them beforehand\n\
         koan catalog render {EXAMPLE}   # a manifest with this service alone\n```\n",
        table(&["service", "`adapter`", "proven", "ports", "variables beside `KOAN_…`"], rows.collect()),
    )
}

fn found() -> String {
    format!(
        "\n## What is found\n\nIn this order; the first one that is proven is used, and all of them stand in the evidence that `koan why` \
         shows:\n\n1. what the manifest lists: `detection.candidates`\n2. what names of your environment point to, in the shell that runs \
         `koan up`: those that `detection.env` lists anywhere, the adapter's own ones on loopback only\n3. 127.0.0.1, then [::1], on \
         `detection.ports`, else on the adapter's usual port\n4. the host, where Koan itself runs inside a container\n\nNothing is scanned, \
         and no other machine is asked unless the manifest names it. At most {MAX_CANDIDATES} addresses are asked for a service. Data that \
         a stack keeps from before win: it gets its own container again, not an empty database of this machine.\n"
    )
}

fn tried(entries: &[CatalogEntry]) -> String {
    let rule = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let owners = rules()
        .into_iter()
        .map(|row| vec![row.listener.to_owned(), rule(row.anonymous), row.manifest.to_owned(), rule(row.defaults)]);
    let owners = table(&["who listens", "asked without a login", "your manifest's login", "default logins"], owners.collect());
    let with: Vec<&CatalogEntry> = entries.iter().filter(|entry| !entry.detection.default_logins.is_empty()).collect();
    let defaults = with.iter().map(|entry| {
        let logins =
            entry.detection.default_logins.iter().map(|login| login.split_once(' ').map_or(login.as_str(), |(_, login)| login));
        vec![code(&entry.id), codes(logins)]
    });
    let defaults = table(&["`adapter`", "tried in this order"], defaults.collect());
    format!(
        "\n## What is tried, and how often\n\n1. The product must greet as itself. Until then no user name, password or database name is \
         sent. An open port, any HTTP answer or a word in a banner proves nothing.\n2. Whose listener it is decides what it may be \
         sent:\n\n{owners}\n3. Logins, one after another: the one bound to the address, or your manifest's; then none; then, in the profiles \
         `local` and `ci` alone, those that products are left with:\n\n{defaults}\n4. A look that needs the login and writes nothing; a \
         server that refuses it is not used.\n\n{}",
        budgets(),
    )
}

fn budgets() -> String {
    let Some(recipe) = catalogue().recipe(EXAMPLE) else { return String::new() };
    let member = |profile| policy(recipe, profile).map(|member| member.service);
    let (Some(local), Some(ci)) = (member(Profile::Local), member(Profile::Ci)) else { return String::new() };
    let row = |what: &str, limit: String| vec![what.to_owned(), limit];
    let mut rows = vec![
        row(
            "everything for one service",
            format!("{} (`ci`: {}), set by `detectionTimeout`", time(local.detection.total), time(ci.detection.total)),
        ),
        row("one login", format!("{}, set by `attemptTimeout`", time(local.detection.attempt))),
        row("connecting on loopback; a greeting", format!("{}; {}", time(CONNECT_LOOPBACK), time(GREETING))),
        row("addresses asked at once", AT_ONCE.to_string()),
        row("what is read of one address", format!("{} KiB", READ_LIMIT / KIB)),
        row("one login at one address", "once for each version of the manifest, over restarts, too".to_owned()),
        row("refused logins at one address", format!("{REFUSED_LIMIT}, then it is left alone")),
        row("asking again where nothing was usable", format!("after {} at the earliest", time(PROBE_PAUSE))),
    ];
    rows.extend(local.health.map(|health| row("a server that is used", format!("checked every {}", time(health.interval)))));
    table(&["what", "limit"], rows)
}

fn time(duration: Duration) -> String {
    if duration.subsec_millis() == 0 { format!("{} s", duration.as_secs()) } else { format!("{} ms", duration.as_millis()) }
}

fn injected() -> String {
    format!(
        "\n## What is injected\n\nEach service gives `{OWN}<SERVICE>_URL`, `_HOST`, `_PORT`, `_USER`, `_PASSWORD` and `_DATABASE`, as far as it \
         has them, with the address that the reader can reach. The conventional names of the table above come beside them where exactly one \
         service of the stack would set the name; else none of them does, with a warning. What your manifest's `env` says wins. \
         `koan env` prints them all.\n"
    )
}

/// How to turn it off.
const OFF: &str = "
## How to turn it off

| you want | write |
|---|---|
| never a server that runs here, and nothing asked of any | `provisioning: {mode: Always}` on the service |
| the same for the whole stack | `spec.provisioning.mode: Always` |
| the same for one run | `up --provisioning SERVICE=Always` |
| only a server that runs here | `provisioning: {mode: Never}` |
| the service left out | `provisioning: {mode: Disabled}` |
| no default logins | `credentials: {defaults: false}` |
| other ports than the usual one | `detection: {ports: [15432]}` |
| a server elsewhere, and no other | `external: {url: …}` |
| what is there looked at again | `apply --redetect` |
";
