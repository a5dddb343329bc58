//! The `Prober` trait: the effectful half of the catalogue.

use async_trait::async_trait;
use koan_core::probe::{Access, Check, CheckReport, Probe, ProbeReport};

/// Answers questions about host services and checks readiness. The simulator has a scripted one.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Looks for a host service: Locate → Identify → Own → Authenticate → Authorise (DET-14), within the probe's budget.
    /// Never panics outward, never sends a credential before the greeting proved the product.
    async fn probe(&self, question: &Probe, access: &Access) -> ProbeReport;

    /// The authorised readiness check of one service with its own credential (DET-33).
    async fn check(&self, check: &Check) -> CheckReport;
}
