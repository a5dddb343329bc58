use clap::Args;
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
    let profile = status.profile.or(stack.spec.profile).unwrap_or_default();
    StackRow {
        name: stack.name_any(),
        namespace: stack.namespace().unwrap_or_default(),
        profile: format!("{profile:?}").to_ascii_lowercase(),
        ready: status.ready.unwrap_or_else(|| "-".to_owned()),
        created_at: stack.creation_timestamp().map(|t| t.0.to_string()).unwrap_or_default(),
        project: stack.annotations().get(labels::PROJECT).cloned(),
    }
}
