use clap::Args;
use jiff::{SignedDuration, Timestamp};
use koan_crds::labels;
use koan_crds::v1alpha1::DevStack;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::{Run, target};
use crate::failure::Failure;
use crate::home::api;
use crate::output::{StackList, StackRow, emit};

/// List the stacks of this home
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let items = match target::session(run).await? {
        None => Vec::new(),
        Some(session) => {
            let client = session.client.clone();
            let stacks: Api<DevStack> =
                if arguments.all_namespaces { Api::all(client) } else { Api::namespaced(client, &session.namespace) };
            stacks.list(&ListParams::default()).await.map_err(|e| api("list", "devstacks", e))?.items
        }
    };
    emit(&StackList::of(items.iter().map(row).collect()), run.globals.format());
    Ok(0)
}

fn row(stack: &DevStack) -> StackRow {
    let status = stack.status.clone().unwrap_or_default();
    let created = stack.creation_timestamp().map(|time| time.0);
    let profile = status.profile.or(stack.spec.profile).unwrap_or_default();
    StackRow {
        name: stack.name_any(),
        namespace: stack.namespace().unwrap_or_default(),
        profile: format!("{profile:?}").to_ascii_lowercase(),
        ready: status.ready.unwrap_or_else(|| "-".to_owned()),
        created_at: created.map(|created| created.to_string()).unwrap_or_default(),
        age: created.map(|created| age(Timestamp::now().duration_since(created))).unwrap_or_default(),
        project: stack.annotations().get(labels::PROJECT).cloned(),
    }
}

/// A span in its greatest unit, as kubectl writes it.
fn age(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-2: the table shows how long a stack is there in one unit.
    #[test]
    fn an_age_has_one_unit() {
        let shown = |seconds| age(SignedDuration::from_secs(seconds));
        assert_eq!([0, 59, 60, 7_199, 7_200, 172_800, -5].map(shown), ["0s", "59s", "1m", "1h", "2h", "2d", "0s"]);
    }
}
