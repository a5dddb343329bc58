//! The spec hash: one digest over every field with an effect, and a short one per group, so that a change can be named (P4).

use koan_crds::names::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::identity::SpecHash;
use crate::workload::{ContainerRun, Run, WorkloadSpec};

/// Hex digits of the whole digest.
const WHOLE: usize = 12;
/// Hex digits per group; a collision only costs a name in a message, never a change.
const GROUP: usize = 4;

/// Groups in the order of the hash, each with the name that a plan shows.
const GROUPS: [&str; 9] = ["image", "run", "env", "files", "ports", "mounts", "networks", "resources", "lifecycle"];

/// Hash of a workload. Not covered, because they change nothing inside it: the owner's labels, the object's name, the hash itself.
///
/// `versions` are the versions of the values that it refers to, in order; `rebuild` is the rebuild of the image that was asked
/// for last.
pub(super) fn spec_hash(spec: &WorkloadSpec, versions: &[(String, String)], rebuild: Option<&str>) -> SpecHash {
    let WorkloadSpec {
        owner: _,
        object: _,
        replica,
        alias,
        run,
        env,
        files,
        ports,
        mounts,
        networks,
        limits,
        stop_grace,
        restart,
        hash: _,
    } = spec;
    let (image, run) = match run {
        Run::Container(container) => {
            let rest = ContainerRun { image: String::new(), ..container.clone() };
            let image = rebuild.map_or_else(|| digest(&container.image), |request| digest(&(&container.image, request)));
            (image, digest(&("container", rest)))
        }
        Run::Process(process) => (digest(&"process"), digest(&("process", process))),
    };
    let groups = [
        image,
        run,
        digest(&(env, versions)),
        digest(files),
        digest(ports),
        digest(mounts),
        digest(&(networks, alias)),
        digest(limits),
        digest(&(stop_grace, restart, replica)),
    ];
    let whole = digest(&groups);
    let parts: String = groups.iter().map(|group| &group[..GROUP]).collect();
    SpecHash(format!("{}.{parts}", &whole[..WHOLE]))
}

fn digest(value: &(impl Serialize + ?Sized)) -> String {
    // These types serialise without maps of odd keys, so this cannot fail; an empty text would only look like a change.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex(&Sha256::digest(&text))
}

/// Names of the groups in which two hashes differ; empty where the old one has another form.
pub fn changed_fields(old: &SpecHash, new: &SpecHash) -> Vec<&'static str> {
    let parts = |hash: &SpecHash| hash.0.split_once('.').map(|(_, parts)| parts.to_owned()).unwrap_or_default();
    let (old, new) = (parts(old), parts(new));
    if old.len() != new.len() || old.len() != GROUP * GROUPS.len() || !old.is_ascii() {
        return Vec::new();
    }
    let differs = |index: usize| old[index * GROUP..(index + 1) * GROUP] != new[index * GROUP..(index + 1) * GROUP];
    GROUPS.iter().enumerate().filter(|(index, _)| differs(*index)).map(|(_, name)| *name).collect()
}
