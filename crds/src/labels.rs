//! Labels, annotations, the finalizer and the field managers that Koan writes, spelled once.

/// Random id of the state directory, or the cluster's UID.
pub const INSTANCE: &str = "koan.dev/instance";
/// Namespace of the owning object.
pub const NAMESPACE: &str = "koan.dev/namespace";
/// Name of the owning `DevStack`; absent for a `ServiceSpec` that stands alone.
pub const STACK: &str = "koan.dev/stack";
/// Name of the service inside its stack, else the `ServiceSpec`'s name.
pub const SERVICE: &str = "koan.dev/service";
/// UID of the owning `ServiceSpec`. On a volume it names only the creator.
pub const OWNER_UID: &str = "koan.dev/owner-uid";
/// Hash over each field of the workload that has an effect.
pub const SPEC_HASH: &str = "koan.dev/spec-hash";
/// Path inside the container that a volume serves, on volumes only.
pub const VOLUME_PATH: &str = "koan.dev/volume-path";

/// Annotation of the CRDs: version of the Koan that made them. A server leaves those of a newer Koan alone.
pub const MADE_BY: &str = "koan.dev/version";

/// Annotation: real path of the working copy that a stack came from.
pub const PROJECT: &str = "koan.dev/project";
/// Annotation: UID of the workload that the user asked to restart.
pub const RESTART: &str = "koan.dev/restart";
/// Annotation: seconds between TERM and KILL of the restart that [`RESTART`] asks for, where its caller named them.
pub const RESTART_GRACE: &str = "koan.dev/restart-grace";
/// Annotation of Kubernetes Events: the numeric event id.
pub const EVENT_ID: &str = "koan.dev/event-id";
/// Annotation: what an engine refused is to be tried again at once; its value is the time of the request (RFC 3339).
pub const RETRY: &str = "koan.dev/retry";
/// Annotation: a redetection was asked for; its value is the time of the request (RFC 3339). Decisions observed before it do not stand.
pub const REDETECT: &str = "koan.dev/redetect";
/// Annotation: host ports that `up --port` named, `service.port=number` separated by commas.
pub const PORTS: &str = "koan.dev/ports";
/// Annotation: when this run pulls images (`up --pull`); a word of `pullPolicy`.
pub const PULL: &str = "koan.dev/pull";
/// Annotation: a rebuild was asked for (`up --build`); its value is the time of the request (RFC 3339) and enters the spec hash.
pub const REBUILD: &str = "koan.dev/rebuild";
/// Annotation: `Off` neither reads nor writes the launch state (`up --no-launch-state`).
pub const LAUNCH_STATE: &str = "koan.dev/launch-state";
/// Annotation: where the profile came from: Flag or Environment; unset: the manifest or the default (CLI-23).
pub const PROFILE_SOURCE: &str = "koan.dev/profile-source";
/// Annotation: `down --volumes` named the volumes of this object for deletion.
pub const DELETE_VOLUMES: &str = "koan.dev/delete-volumes";

/// The one finalizer of each kind.
pub const FINALIZER: &str = "koan.dev/cleanup";

/// Field manager of the stack controller.
pub const MANAGER_STACK: &str = "koan.dev/stack";
/// Field manager of the service controller.
pub const MANAGER_SERVICE: &str = "koan.dev/service";
/// Field manager of seeded CRDs.
pub const MANAGER_CRDS: &str = "koan.dev/crds";
/// Field manager of what the command line applies.
pub const MANAGER_CLI: &str = "koan";
