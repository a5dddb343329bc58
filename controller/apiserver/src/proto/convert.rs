//! Each served kind, field by field.

use k8s_pb::api::authentication::v1::{SelfSubjectReview, TokenReview};
use k8s_pb::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
};
use k8s_pb::api::coordination::v1::{Lease, LeaseSpec};
use k8s_pb::api::core::v1::{
    ConfigMap, Event as CoreEvent, EventSource, Namespace, NamespaceCondition, ObjectReference, Secret, ServiceAccount,
};
use k8s_pb::api::events::v1::Event;
use k8s_pb::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ManagedFieldsEntry, MicroTime, ObjectMeta, OwnerReference};
use serde_json::{Map, Value};

use super::fields::Fields;

type Object = Map<String, Value>;

fn owner(owner: OwnerReference) -> Value {
    let fields = Fields::default()
        .text("apiVersion", owner.api_version)
        .text("kind", owner.kind)
        .text("name", owner.name)
        .text("uid", owner.uid)
        .flag("controller", owner.controller)
        .flag("blockOwnerDeletion", owner.block_owner_deletion);
    Value::Object(fields.0)
}

fn managed(entry: ManagedFieldsEntry) -> Value {
    let raw = entry.fields_v1.and_then(|fields| fields.raw).unwrap_or_default();
    let fields = Fields::default()
        .text("manager", entry.manager)
        .text("operation", entry.operation)
        .text("apiVersion", entry.api_version)
        .time("time", entry.time)
        .text("fieldsType", entry.fields_type)
        .value("fieldsV1", serde_json::from_slice(&raw).ok())
        .text("subresource", entry.subresource);
    Value::Object(fields.0)
}

/// The fields of an object that start with its metadata.
fn with_meta(meta: Option<ObjectMeta>) -> Fields {
    let meta = meta.unwrap_or_default();
    let fields = Fields::default()
        .text("name", meta.name)
        .text("generateName", meta.generate_name)
        .text("namespace", meta.namespace)
        .text("selfLink", meta.self_link)
        .text("uid", meta.uid)
        .text("resourceVersion", meta.resource_version)
        .count("generation", meta.generation)
        .time("creationTimestamp", meta.creation_timestamp)
        .time("deletionTimestamp", meta.deletion_timestamp)
        .number("deletionGracePeriodSeconds", meta.deletion_grace_period_seconds)
        .map("labels", meta.labels)
        .map("annotations", meta.annotations)
        .list("ownerReferences", meta.owner_references.into_iter().map(owner).collect())
        .texts("finalizers", meta.finalizers)
        .list("managedFields", meta.managed_fields.into_iter().map(managed).collect());
    Fields::default().value("metadata", Some(Value::Object(fields.0)))
}

pub(super) fn secret(secret: Secret) -> Object {
    with_meta(secret.metadata)
        .flag("immutable", secret.immutable)
        .bytes("data", secret.data)
        .map("stringData", secret.string_data)
        .text("type", secret.r#type)
        .0
}

pub(super) fn config_map(map: ConfigMap) -> Object {
    with_meta(map.metadata).flag("immutable", map.immutable).map("data", map.data).bytes("binaryData", map.binary_data).0
}

pub(super) fn namespace(namespace: Namespace) -> Object {
    let status = namespace.status.unwrap_or_default();
    let spec = Fields::default().texts("finalizers", namespace.spec.unwrap_or_default().finalizers);
    let conditions = status.conditions.into_iter().map(condition).collect();
    let status = Fields::default().text("phase", status.phase).list("conditions", conditions);
    with_meta(namespace.metadata).object("spec", Some(spec.0)).object("status", Some(status.0)).0
}

fn condition(condition: NamespaceCondition) -> Value {
    let fields = Fields::default()
        .text("type", condition.r#type)
        .text("status", condition.status)
        .time("lastTransitionTime", condition.last_transition_time)
        .text("reason", condition.reason)
        .text("message", condition.message);
    Value::Object(fields.0)
}

fn reference(reference: Option<ObjectReference>) -> Option<Object> {
    let reference = reference?;
    let fields = Fields::default()
        .text("kind", reference.kind)
        .text("namespace", reference.namespace)
        .text("name", reference.name)
        .text("uid", reference.uid)
        .text("apiVersion", reference.api_version)
        .text("resourceVersion", reference.resource_version)
        .text("fieldPath", reference.field_path);
    Some(fields.0)
}

pub(super) fn service_account(account: ServiceAccount) -> Object {
    let secrets = account.secrets.into_iter().filter_map(|secret| reference(Some(secret))).map(Value::Object).collect();
    let pull = account.image_pull_secrets.into_iter().map(|secret| Value::Object(Fields::default().text("name", secret.name).0));
    with_meta(account.metadata)
        .list("secrets", secrets)
        .list("imagePullSecrets", pull.collect())
        .flag("automountServiceAccountToken", account.automount_service_account_token)
        .0
}

fn source(source: Option<EventSource>) -> Option<Object> {
    let source = source?;
    Some(Fields::default().text("component", source.component).text("host", source.host).0)
}

fn series(count: Option<i32>, last: Option<MicroTime>) -> Option<Object> {
    Some(Fields::default().count("count", count).micro_time("lastObservedTime", last).0)
}

pub(super) fn core_event(event: CoreEvent) -> Object {
    with_meta(event.metadata)
        .object("involvedObject", reference(event.involved_object))
        .text("reason", event.reason)
        .text("message", event.message)
        .object("source", source(event.source))
        .time("firstTimestamp", event.first_timestamp)
        .time("lastTimestamp", event.last_timestamp)
        .count("count", event.count)
        .text("type", event.r#type)
        .micro_time("eventTime", event.event_time)
        .object("series", event.series.and_then(|found| series(found.count, found.last_observed_time)))
        .text("action", event.action)
        .object("related", reference(event.related))
        .text("reportingComponent", event.reporting_component)
        .text("reportingInstance", event.reporting_instance)
        .0
}

pub(super) fn event(event: Event) -> Object {
    with_meta(event.metadata)
        .micro_time("eventTime", event.event_time)
        .object("series", event.series.and_then(|found| series(found.count, found.last_observed_time)))
        .text("reportingController", event.reporting_controller)
        .text("reportingInstance", event.reporting_instance)
        .text("action", event.action)
        .text("reason", event.reason)
        .object("regarding", reference(event.regarding))
        .object("related", reference(event.related))
        .text("note", event.note)
        .text("type", event.r#type)
        .object("deprecatedSource", source(event.deprecated_source))
        .time("deprecatedFirstTimestamp", event.deprecated_first_timestamp)
        .time("deprecatedLastTimestamp", event.deprecated_last_timestamp)
        .count("deprecatedCount", event.deprecated_count)
        .0
}

pub(super) fn lease(lease: Lease) -> Object {
    let LeaseSpec {
        holder_identity,
        lease_duration_seconds,
        acquire_time,
        renew_time,
        lease_transitions,
        strategy,
        preferred_holder,
    } = lease.spec.unwrap_or_default();
    let spec = Fields::default()
        .value("holderIdentity", holder_identity.map(Value::from))
        .number("leaseDurationSeconds", lease_duration_seconds)
        .micro_time("acquireTime", acquire_time)
        .micro_time("renewTime", renew_time)
        .number("leaseTransitions", lease_transitions)
        .text("strategy", strategy)
        .text("preferredHolder", preferred_holder);
    with_meta(lease.metadata).object("spec", Some(spec.0)).0
}

pub(super) fn self_review(review: SelfSubjectReview) -> Object {
    with_meta(review.metadata).0
}

pub(super) fn token_review(review: TokenReview) -> Object {
    let spec = review.spec.unwrap_or_default();
    let spec = Fields::default().text("token", spec.token).texts("audiences", spec.audiences);
    with_meta(review.metadata).object("spec", Some(spec.0)).0
}

fn attributes(resource: Option<ResourceAttributes>, path: Option<NonResourceAttributes>) -> Fields {
    let mut fields = Fields::default();
    if let Some(resource) = resource {
        let resource = Fields::default()
            .text("namespace", resource.namespace)
            .text("verb", resource.verb)
            .text("group", resource.group)
            .text("version", resource.version)
            .text("resource", resource.resource)
            .text("subresource", resource.subresource)
            .text("name", resource.name);
        fields = fields.value("resourceAttributes", Some(Value::Object(resource.0)));
    }
    if let Some(path) = path {
        let path = Fields::default().text("path", path.path).text("verb", path.verb);
        fields = fields.value("nonResourceAttributes", Some(Value::Object(path.0)));
    }
    fields
}

pub(super) fn self_access(review: SelfSubjectAccessReview) -> Object {
    let spec = review.spec.unwrap_or_default();
    with_meta(review.metadata).object("spec", Some(attributes(spec.resource_attributes, spec.non_resource_attributes).0)).0
}

pub(super) fn self_rules(review: SelfSubjectRulesReview) -> Object {
    let spec = Fields::default().text("namespace", review.spec.unwrap_or_default().namespace);
    with_meta(review.metadata).object("spec", Some(spec.0)).0
}

pub(super) fn access(review: SubjectAccessReview) -> Object {
    let spec = review.spec.unwrap_or_default();
    let fields = attributes(spec.resource_attributes, spec.non_resource_attributes)
        .text("user", spec.user)
        .texts("groups", spec.groups)
        .text("uid", spec.uid);
    with_meta(review.metadata).object("spec", Some(fields.0)).0
}

pub(super) fn delete_options(options: DeleteOptions) -> Object {
    let preconditions = options
        .preconditions
        .map(|found| Fields::default().text("uid", found.uid).text("resourceVersion", found.resource_version).0);
    Fields::default()
        .number("gracePeriodSeconds", options.grace_period_seconds)
        .object("preconditions", preconditions)
        .flag("orphanDependents", options.orphan_dependents)
        .text("propagationPolicy", options.propagation_policy)
        .texts("dryRun", options.dry_run)
        .0
}
