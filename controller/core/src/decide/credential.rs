//! Whether a credential has to be generated before anything is created (DET-22, DET-23, S-9).

use crate::decide::Decision;
use crate::desired::own_volumes;
use crate::facts::{CredentialFact, Facts};
use crate::probe::CredentialRef;
use crate::validate::ValidService;

/// What a decision needs of the generated credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialNeed {
    /// Nothing: none is generated, or it is there.
    Nothing,
    /// It is to be generated and stored before the volume or the workload exists.
    Generate,
    /// It is gone while its data live: nothing may be created, and none may be made anew (S-9).
    Lost,
}

/// The need of a decision.
pub fn credential_need(service: &ValidService, decision: &Decision, facts: &Facts) -> CredentialNeed {
    let generated = decision.provisions() && service.adapter.is_some() && decision.credential == Some(CredentialRef::Generated);
    match (&facts.generated_credential, own_volumes(service, facts).next().is_none()) {
        _ if !generated => CredentialNeed::Nothing,
        (CredentialFact::Present { .. }, _) => CredentialNeed::Nothing,
        (CredentialFact::None | CredentialFact::Missing, true) => CredentialNeed::Generate,
        (CredentialFact::None | CredentialFact::Missing, false) => CredentialNeed::Lost,
    }
}
