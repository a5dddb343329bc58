//! Volumes, files, persistence and every path: text that leads out of its folder is refused (SEC-6).

use std::collections::BTreeSet;

use koan_crds::v1alpha1::{FileMount, PersistenceMode, Profile, ServiceFields, Volume};

use super::findings::Findings;
use super::parts::{ValidPersistence, ValidVolume, VolumeSource};
use super::service::Context;
use crate::quantity;
use crate::text::{Text, ValueRef};
use crate::workload::FileEntry;

/// Permission bits of a file where the manifest names none.
const FILE_MODE: u32 = 0o444;

/// Mounts that the manifest names.
pub(super) fn volumes(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> Vec<ValidVolume> {
    let mut targets = BTreeSet::new();
    let mut found = Vec::new();
    for (index, volume) in fields.volumes.iter().flatten().enumerate() {
        let field = format!("volumes[{index}]");
        absolute(&format!("{field}.target"), &volume.target, findings);
        if !targets.insert(volume.target.trim_end_matches('/')) {
            findings.refuse(&format!("{field}.target"), format!("`{}` is mounted twice", volume.target));
        }
        found.push(ValidVolume {
            target: volume.target.clone(),
            source: source(context, &field, volume, findings),
            read_only: volume.read_only.unwrap_or_default(),
        });
    }
    found
}

fn source(context: &Context, field: &str, volume: &Volume, findings: &mut Findings) -> VolumeSource {
    match (&volume.name, &volume.host_path, &volume.tmpfs) {
        (name, None, None) => VolumeSource::Named(name.clone()),
        (None, Some(path), None) => VolumeSource::Host(host_path(context, &format!("{field}.hostPath"), path, findings)),
        (None, None, Some(tmpfs)) => {
            let size = tmpfs.size.as_ref().map(quantity::whole);
            if size == Some(None) {
                findings.refuse_with(&format!("{field}.tmpfs.size"), "is no quantity", "write a size such as 64Mi");
            }
            VolumeSource::Tmpfs(size.flatten())
        }
        (_, _, _) => {
            findings.refuse(field, "names more than one of name, hostPath, tmpfs");
            VolumeSource::Named(None)
        }
    }
}

/// Files that the manifest names.
pub(super) fn files(fields: &ServiceFields, findings: &mut Findings) -> Vec<FileEntry> {
    let mut paths = BTreeSet::new();
    let mut found = Vec::new();
    for (index, file) in fields.files.iter().flatten().enumerate() {
        let field = format!("files[{index}]");
        absolute(&format!("{field}.path"), &file.path, findings);
        if !paths.insert(&file.path) {
            findings.refuse(&format!("{field}.path"), format!("`{}` is listed twice", file.path));
        }
        if file.content.as_deref().is_some_and(koan_crds::secret_like::value) {
            let hint = "keep it in a Secret and name it in valueFrom.secretKeyRef";
            findings.warn(&format!("{field}.content"), "holds a URL with a login in clear text", hint);
        }
        found.push(FileEntry {
            path: file.path.clone(),
            mode: mode(&field, file, findings),
            content: content(&field, file, findings),
        });
    }
    found
}

fn content(field: &str, file: &FileMount, findings: &mut Findings) -> Text {
    let source = file.value_from.as_ref();
    let secret = source.and_then(|source| source.secret_key_ref.as_ref());
    let config = source.and_then(|source| source.config_map_key_ref.as_ref());
    match (&file.content, secret, config) {
        (Some(text), None, None) => Text::plain(text.clone()),
        (None, Some(key), None) => Text::value(ValueRef::SecretKey { name: key.name.clone(), key: key.key.clone() }),
        (None, None, Some(key)) => Text::value(ValueRef::ConfigKey { name: key.name.clone(), key: key.key.clone() }),
        (_, _, _) => {
            findings.refuse_with(
                field,
                "names not exactly one of content, secretKeyRef, configMapKeyRef",
                "write content: text, or valueFrom: {secretKeyRef: {name: …, key: …}}",
            );
            Text::default()
        }
    }
}

fn mode(field: &str, file: &FileMount, findings: &mut Findings) -> u32 {
    let Some(text) = &file.mode else { return FILE_MODE };
    let octal = text.len() == 4 && text.starts_with('0');
    u32::from_str_radix(text, 8).ok().filter(|_| octal).unwrap_or_else(|| {
        let hint = "write four octal digits in quotes, such as \"0400\"";
        findings.refuse_with(&format!("{field}.mode"), format!("`{text}` is no file mode"), hint);
        FILE_MODE
    })
}

/// Where data live; unset: kept in `local`, ephemeral in `ci` (cli.md section 4).
pub(super) fn persistence(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> ValidPersistence {
    let written = fields.persistence.clone().unwrap_or_default();
    let mode = written.mode.unwrap_or(match context.settings.profile {
        Profile::Ci => PersistenceMode::Ephemeral,
        Profile::Local | Profile::Staging | Profile::Prod => PersistenceMode::Named,
    });
    for (index, path) in written.paths.iter().flatten().enumerate() {
        absolute(&format!("persistence.paths[{index}]"), path, findings);
    }
    let size = written.size.as_ref().map(quantity::whole);
    if size == Some(None) {
        findings.refuse_with("persistence.size", "is no quantity", "write a size such as 5Gi");
    }
    if mode == PersistenceMode::Bind && context.project.is_none() && context.stack.is_none() {
        findings.refuse_with(
            "persistence.mode",
            "a bind mount needs a project folder, and this object names none",
            "apply it with `koan apply -f`, or use mode: Named",
        );
    }
    ValidPersistence { mode, paths: written.paths, size: size.flatten(), storage_class: written.storage_class }
}

/// A path inside the container: absolute, without `..`.
fn absolute(field: &str, path: &str, findings: &mut Findings) {
    if !path.starts_with('/') || path.contains('\0') {
        findings.refuse_with(field, format!("`{path}` is no absolute path"), "start it with /");
    } else if path.trim_end_matches('/').is_empty() {
        findings.refuse(field, "`/` cannot be mounted over");
    } else if path.split('/').any(|part| part == "..") {
        findings.refuse_with(field, format!("`{path}` leads out of its folder"), "write the path without ..");
    }
}

/// A path below a folder that is named elsewhere, such as a Dockerfile; `Dockerfile` where it is unset.
pub(super) fn inner_path(field: &str, path: Option<&str>, findings: &mut Findings) -> String {
    let path = path.unwrap_or("Dockerfile");
    match join("", path) {
        Some(joined) if !path.starts_with('/') => joined.trim_start_matches('/').to_owned(),
        Some(_) | None => {
            findings.refuse_with(field, format!("`{path}` leads out of its folder"), "write a path below the context");
            path.to_owned()
        }
    }
}

/// A path of the host, absolute where the project is known. Links are resolved by whoever uses it (SEC-6).
pub(super) fn host_path(context: &Context, field: &str, path: &str, findings: &mut Findings) -> String {
    if path.is_empty() || path.contains('\0') {
        findings.refuse(field, "is no path");
        return path.to_owned();
    }
    if path.starts_with('/') {
        if path.split('/').any(|part| part == "..") {
            findings.refuse_with(field, format!("`{path}` leads out of its folder"), "write the path without ..");
        }
        return path.to_owned();
    }
    if path.starts_with('~') {
        findings.refuse_with(field, "`~` is not expanded", "write a path relative to the manifest");
        return path.to_owned();
    }
    join(context.project.as_deref().unwrap_or_default(), path).unwrap_or_else(|| {
        findings.refuse_with(
            field,
            format!("`{path}` leads out of the project"),
            "write a path below the folder of the manifest",
        );
        path.to_owned()
    })
}

/// `base/path` without `.` and `..`; `None` where it leads above `base`.
fn join(base: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    let below = parts.join("/");
    Some(match (base, below.is_empty()) {
        ("", true) => ".".to_owned(),
        ("", false) => below,
        (base, true) => base.trim_end_matches('/').to_owned(),
        (base, false) => format!("{}/{below}", base.trim_end_matches('/')),
    })
}
