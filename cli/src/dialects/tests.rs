use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Values that break a syntax which quotes them carelessly.
fn hostile() -> BTreeMap<String, String> {
    let values = [
        "plain",
        "",
        "it's",
        "a \"b\" c",
        "$HOME `id` $(id) ${X:-y}",
        "line\nbreak",
        "'\n\"",
        "100% %PATH%",
        "back\\slash",
        "C:\\ends\\",
        "ünï ☃ ‘curly’",
        " lead and trail ",
        "a # b",
        "!history ^caret & | > <",
        "postgres://u:p%40ss@127.0.0.1:5432/shop?x=1",
        "KOAN_END",
    ];
    values.iter().enumerate().map(|(i, v)| (format!("V{i}"), (*v).to_owned())).collect()
}

/// Shells that `.ci/check` installs; CI runs none of their tests for nothing.
const IN_CI: [&str; 5] = ["sh", "dash", "bash", "zsh", "fish"];

/// What a program prints that is fed with `input`; `None` where it is not installed.
fn read(suite: &str, program: &str, arguments: &[&str], input: &str) -> std::io::Result<Option<String>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", path).env("HOME", "/nonexistent").env("LC_ALL", "C.UTF-8");
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        assert!(std::env::var_os("CI").is_none() || !IN_CI.contains(&program), "{program} is not installed, and CI requires it");
        println!("SKIPPED {suite}: {program} is not installed");
        return Ok(None);
    };
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The values as a shell that ran the script prints them, one after the other.
fn through(program: &str, arguments: &[&str], dialect: Dialect, print: impl Fn(&str) -> String) {
    let variables = hostile();
    let prints: String = variables.keys().map(|name| print(name)).collect();
    let script = format!("{}{prints}", render(dialect, &variables).text);
    if let Some(printed) = read("env_round_trips", program, arguments, &script).expect("a shell that reads") {
        let wanted: String = variables.values().map(|value| format!("{value}\u{1}")).collect();
        assert_eq!(printed, wanted, "{program}");
    }
}

/// CLI-15: hostile values round-trip through the real POSIX shells of this machine.
#[test]
fn posix_shells_read_back_every_value() {
    for shell in ["sh", "dash", "bash", "zsh"] {
        through(shell, &[], Dialect::Sh, |name| format!("printf '%s\\001' \"${name}\"\n"));
    }
}

/// CLI-15: hostile values round-trip through a real fish.
#[test]
fn fish_reads_back_every_value() {
    through("fish", &["--no-config"], Dialect::Fish, |name| format!("printf '%s\\x01' \"${name}\"\n"));
}

/// CLI-15: hostile values round-trip through a real PowerShell.
#[test]
fn powershell_reads_back_every_value() {
    let print = |name: &str| format!("[Console]::Out.Write($env:{name} + [char]1)\n");
    through("pwsh", &["-NoProfile", "-NonInteractive", "-Command", "-"], Dialect::Powershell, print);
}

/// CLI-15: PowerShell ends a quoted text at a typographic quote as well: each is doubled.
#[test]
fn typographic_quotes_are_doubled_for_powershell() {
    assert_eq!(powershell("it's ‘so’ ‚or‛ so"), "it''s ‘‘so’’ ‚‚or‛‛ so");
}

/// The variables as a dotenv reader reports them, in JSON; `None` where there is none.
fn dotenv_file(
    program: &str,
    script: &str,
    variables: &BTreeMap<String, String>,
) -> std::io::Result<Option<BTreeMap<String, String>>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("vars.env");
    std::fs::write(&file, render(Dialect::Dotenv, variables).text)?;
    let script = script.replace("FILE", &file.display().to_string());
    let printed = read("env_round_trips", program, &["-"], &script)?.unwrap_or_default();
    if printed.trim().is_empty() {
        println!("SKIPPED env_round_trips: {program} has no reader of dotenv files");
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&printed)?))
}

/// CLI-15: hostile values round-trip through real dotenv readers: Python's all of them, Node's all that need no escape.
#[test]
fn dotenv_readers_read_back_every_value() {
    let all = hostile();
    let python = "try:\n    import dotenv, json\n    print(json.dumps(dotenv.dotenv_values('FILE', interpolate=False)))\nexcept ImportError:\n    pass\n";
    if let Some(read) = dotenv_file("python3", python, &all).expect("a reader") {
        assert_eq!(read, all, "python3");
    }
    let needs_none = |value: &str| !(value.contains('\'') && value.contains(['"', '$', '`', '\\']));
    let literal: BTreeMap<String, String> = all.into_iter().filter(|(_, value)| needs_none(value)).collect();
    let node = "const u = require('util'); if (u.parseEnv) console.log(JSON.stringify(u.parseEnv(require('fs').readFileSync('FILE', 'utf8'))));";
    if let Some(read) = dotenv_file("node", node, &literal).expect("a reader") {
        assert_eq!(read, literal, "node");
    }
}

/// CLI-15: the file of a workflow's variables is read back as its runner reads it: name, delimiter, lines up to the delimiter.
#[test]
fn a_workflow_reads_back_every_value() {
    let variables = hostile();
    let text = render(Dialect::Github, &variables).text;
    let mut lines = text.split('\n');
    let mut read = BTreeMap::new();
    while let Some((name, delimiter)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        read.insert(name.to_owned(), value.join("\n"));
    }
    assert_eq!(read, variables);
    assert_eq!(github("A", "x\nKOAN_END\ny"), "A<<KOAN_END_\nx\nKOAN_END\ny\nKOAN_END_\n");
}

/// CLI-15: JSON keeps everything; a .NET file spells sections with colons.
#[test]
fn json_keeps_every_value() {
    let variables = hostile();
    let read: BTreeMap<String, String> = serde_json::from_str(&render(Dialect::Json, &variables).text).expect("JSON");
    assert_eq!(read, variables);
    let section = BTreeMap::from([("Koan__Data__Url".to_owned(), "a b".to_owned())]);
    assert_eq!(render(Dialect::Dotnet, &section).text, "Koan:Data:Url='a b'\n");
}

/// CLI-15: a batch file gets percent signs doubled, and what cmd cannot carry is left out with the reason.
#[test]
fn cmd_gets_what_it_can_carry() {
    let rendered = render(Dialect::Cmd, &hostile());
    assert!(rendered.text.contains("set \"V7=100%% %%PATH%%\"\r\n"), "{}", rendered.text);
    let left: Vec<&str> = rendered.left_out.iter().map(|left| left.name.as_str()).collect();
    assert_eq!(left, ["V3", "V5", "V6"]);
    assert!(rendered.left_out.iter().all(|left| left.why == NO_LINE));
}

/// CLI-15, SEC-20: names that are no identifiers are left out of shells and named, JSON keeps them.
#[test]
fn names_that_no_shell_takes_are_named() {
    let variables = BTreeMap::from([("discovery.type".to_owned(), "x".to_owned())]);
    for dialect in [Dialect::Sh, Dialect::Fish, Dialect::Powershell, Dialect::Dotenv, Dialect::Github, Dialect::Cmd] {
        let left_out = vec![LeftOut { name: "discovery.type".to_owned(), why: NO_IDENTIFIER }];
        assert_eq!(render(dialect, &variables), Rendered { text: String::new(), left_out });
    }
    assert!(render(Dialect::Json, &variables).text.contains("discovery.type"));
}
