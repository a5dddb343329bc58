//! The built-in kinds of the extended mode: names, scope and subresources. One line per kind.

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;

/// One kind.
pub(super) struct Row {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) namespaced: bool,
    pub(super) short_names: &'static [&'static str],
    pub(super) categories: &'static [&'static str],
    pub(super) status: bool,
    pub(super) scale: bool,
    pub(super) others: &'static [&'static str],
    /// Adds the schema of the kind and of all that it refers to.
    pub(super) add: fn(&mut SchemaGenerator),
}

/// Short names and categories.
type Lists = (&'static [&'static str], &'static [&'static str]);

const fn row<T: JsonSchema>(
    (group, version, kind): (&'static str, &'static str, &'static str),
    (plural, namespaced): (&'static str, bool),
    (short_names, categories): Lists,
    (status, scale): (bool, bool),
    others: &'static [&'static str],
) -> Row {
    Row { group, version, kind, plural, namespaced, short_names, categories, status, scale, others, add: add::<T> }
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// In the order of discovery: the core group, then the others by name.
#[rustfmt::skip]
pub(super) static ROWS: [Row; 52] = [
    row::<k8s_openapi::api::core::v1::ComponentStatus>(("", "v1", "ComponentStatus"), ("componentstatuses", false), (&["cs"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::core::v1::Endpoints>(("", "v1", "Endpoints"), ("endpoints", true), (&["ep"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::core::v1::LimitRange>(("", "v1", "LimitRange"), ("limitranges", true), (&["limits"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::core::v1::Node>(("", "v1", "Node"), ("nodes", false), (&["no"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::core::v1::PersistentVolume>(("", "v1", "PersistentVolume"), ("persistentvolumes", false), (&["pv"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(("", "v1", "PersistentVolumeClaim"), ("persistentvolumeclaims", true), (&["pvc"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::core::v1::Pod>(("", "v1", "Pod"), ("pods", true), (&["po"], &["all"]), (true, false), &["binding", "ephemeralcontainers", "eviction", "resize"]),
    row::<k8s_openapi::api::core::v1::PodTemplate>(("", "v1", "PodTemplate"), ("podtemplates", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::core::v1::ReplicationController>(("", "v1", "ReplicationController"), ("replicationcontrollers", true), (&["rc"], &["all"]), (true, true), &[]),
    row::<k8s_openapi::api::core::v1::ResourceQuota>(("", "v1", "ResourceQuota"), ("resourcequotas", true), (&["quota"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::core::v1::Service>(("", "v1", "Service"), ("services", true), (&["svc"], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::core::v1::ServiceAccount>(("", "v1", "ServiceAccount"), ("serviceaccounts", true), (&["sa"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration>(("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration"), ("mutatingwebhookconfigurations", false), (&[], &["api-extensions"]), (false, false), &[]),
    row::<k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy>(("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"), ("validatingadmissionpolicies", false), (&[], &["api-extensions"]), (true, false), &[]),
    row::<k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding>(("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding"), ("validatingadmissionpolicybindings", false), (&[], &["api-extensions"]), (false, false), &[]),
    row::<k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration>(("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"), ("validatingwebhookconfigurations", false), (&[], &["api-extensions"]), (false, false), &[]),
    row::<k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService>(("apiregistration.k8s.io", "v1", "APIService"), ("apiservices", false), (&[], &["api-extensions"]), (true, false), &[]),
    row::<k8s_openapi::api::apps::v1::ControllerRevision>(("apps", "v1", "ControllerRevision"), ("controllerrevisions", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::apps::v1::DaemonSet>(("apps", "v1", "DaemonSet"), ("daemonsets", true), (&["ds"], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::apps::v1::Deployment>(("apps", "v1", "Deployment"), ("deployments", true), (&["deploy"], &["all"]), (true, true), &[]),
    row::<k8s_openapi::api::apps::v1::ReplicaSet>(("apps", "v1", "ReplicaSet"), ("replicasets", true), (&["rs"], &["all"]), (true, true), &[]),
    row::<k8s_openapi::api::apps::v1::StatefulSet>(("apps", "v1", "StatefulSet"), ("statefulsets", true), (&["sts"], &["all"]), (true, true), &[]),
    row::<k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler>(("autoscaling", "v1", "HorizontalPodAutoscaler"), ("horizontalpodautoscalers", true), (&["hpa"], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler>(("autoscaling", "v2", "HorizontalPodAutoscaler"), ("horizontalpodautoscalers", true), (&["hpa"], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::batch::v1::CronJob>(("batch", "v1", "CronJob"), ("cronjobs", true), (&["cj"], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::batch::v1::Job>(("batch", "v1", "Job"), ("jobs", true), (&[], &["all"]), (true, false), &[]),
    row::<k8s_openapi::api::certificates::v1::CertificateSigningRequest>(("certificates.k8s.io", "v1", "CertificateSigningRequest"), ("certificatesigningrequests", false), (&["csr"], &[]), (true, false), &["approval"]),
    row::<k8s_openapi::api::discovery::v1::EndpointSlice>(("discovery.k8s.io", "v1", "EndpointSlice"), ("endpointslices", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::flowcontrol::v1::FlowSchema>(("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema"), ("flowschemas", false), (&[], &[]), (true, false), &[]),
    row::<k8s_openapi::api::flowcontrol::v1::PriorityLevelConfiguration>(("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration"), ("prioritylevelconfigurations", false), (&[], &[]), (true, false), &[]),
    row::<k8s_openapi::api::networking::v1::IPAddress>(("networking.k8s.io", "v1", "IPAddress"), ("ipaddresses", false), (&["ip"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::networking::v1::Ingress>(("networking.k8s.io", "v1", "Ingress"), ("ingresses", true), (&["ing"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::networking::v1::IngressClass>(("networking.k8s.io", "v1", "IngressClass"), ("ingressclasses", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::networking::v1::NetworkPolicy>(("networking.k8s.io", "v1", "NetworkPolicy"), ("networkpolicies", true), (&["netpol"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::networking::v1::ServiceCIDR>(("networking.k8s.io", "v1", "ServiceCIDR"), ("servicecidrs", false), (&[], &[]), (true, false), &[]),
    row::<k8s_openapi::api::node::v1::RuntimeClass>(("node.k8s.io", "v1", "RuntimeClass"), ("runtimeclasses", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(("policy", "v1", "PodDisruptionBudget"), ("poddisruptionbudgets", true), (&["pdb"], &[]), (true, false), &[]),
    row::<k8s_openapi::api::rbac::v1::ClusterRole>(("rbac.authorization.k8s.io", "v1", "ClusterRole"), ("clusterroles", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>(("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"), ("clusterrolebindings", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::rbac::v1::Role>(("rbac.authorization.k8s.io", "v1", "Role"), ("roles", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::rbac::v1::RoleBinding>(("rbac.authorization.k8s.io", "v1", "RoleBinding"), ("rolebindings", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::resource::v1::DeviceClass>(("resource.k8s.io", "v1", "DeviceClass"), ("deviceclasses", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::resource::v1::ResourceClaim>(("resource.k8s.io", "v1", "ResourceClaim"), ("resourceclaims", true), (&[], &[]), (true, false), &[]),
    row::<k8s_openapi::api::resource::v1::ResourceClaimTemplate>(("resource.k8s.io", "v1", "ResourceClaimTemplate"), ("resourceclaimtemplates", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::resource::v1::ResourceSlice>(("resource.k8s.io", "v1", "ResourceSlice"), ("resourceslices", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::scheduling::v1::PriorityClass>(("scheduling.k8s.io", "v1", "PriorityClass"), ("priorityclasses", false), (&["pc"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::storage::v1::CSIDriver>(("storage.k8s.io", "v1", "CSIDriver"), ("csidrivers", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::storage::v1::CSINode>(("storage.k8s.io", "v1", "CSINode"), ("csinodes", false), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::storage::v1::CSIStorageCapacity>(("storage.k8s.io", "v1", "CSIStorageCapacity"), ("csistoragecapacities", true), (&[], &[]), (false, false), &[]),
    row::<k8s_openapi::api::storage::v1::StorageClass>(("storage.k8s.io", "v1", "StorageClass"), ("storageclasses", false), (&["sc"], &[]), (false, false), &[]),
    row::<k8s_openapi::api::storage::v1::VolumeAttachment>(("storage.k8s.io", "v1", "VolumeAttachment"), ("volumeattachments", false), (&[], &[]), (true, false), &[]),
    row::<k8s_openapi::api::storage::v1::VolumeAttributesClass>(("storage.k8s.io", "v1", "VolumeAttributesClass"), ("volumeattributesclasses", false), (&["vac"], &[]), (false, false), &[]),
];
