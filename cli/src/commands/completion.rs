use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::failure::Failure;
use crate::output::write_exactly;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// bash, zsh, fish, powershell or elvish; the first three complete names of stacks and services, too
    #[arg(value_enum)]
    shell: Shell,
}

/// Bash: after commands and flags, the names that `koan` itself tells for the words before the cursor; placeholders go.
const BASH_NAMES: &str = include_str!("completion/names.bash");
/// Zsh: the function that fills the places of names.
const ZSH_NAMES: &str = include_str!("completion/names.zsh");
/// Fish: names beside commands and flags.
const FISH_NAMES: &str = include_str!("completion/names.fish");

/// Arguments of the commands that are names, as zsh's script spells their places.
const ZSH_PLACES: [&str; 5] = ["::stack -- ", "::name -- ", ":name -- ", "::service -- ", "*::names -- "];
/// Values of flags that are names.
const ZSH_VALUES: [&str; 2] = [":SERVICE:_default", ":STACK:_default"];

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "koan", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    write_exactly(&match arguments.shell {
        Shell::Bash => script + BASH_NAMES,
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + FISH_NAMES,
        _ => script,
    });
    Ok(0)
}

/// Names stand where the script would offer files; the function comes before the script's own first call.
fn zsh(script: &str) -> String {
    let named = |line: &str| {
        let place =
            ZSH_PLACES.iter().any(|place| line.trim_start().strip_prefix('\'').is_some_and(|text| text.starts_with(place)));
        let value = ZSH_VALUES.iter().any(|value| line.contains(value));
        if place || value { line.replace(":_default'", ":_koan_names'") } else { line.to_owned() }
    };
    let mut lines = script.lines().map(|line| named(line) + "\n");
    let head = lines.next().unwrap_or_default();
    head + "\n" + ZSH_NAMES + &lines.collect::<String>()
}
