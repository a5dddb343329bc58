//! The middle of every write: defaults, the server's own fields, validation.

use std::sync::Arc;

use serde_json::Value;

use super::call::{Call, stored_as};
use super::meta;
use super::options::WriteOptions;
use crate::crds;
use crate::kinds::{self, Compiled, CoreKind, Draft, Resource, encode};
use crate::schema::{Judgement, Problem, ProblemKind, Schema, SchemaId, go_quote};
use crate::ssa::{self, ResetFields, Types, UpdateOptions};
use crate::status::{Cause, Failure};
use crate::store::Object;

impl Call<'_> {
    /// The compiled schema of the resource.
    ///
    /// # Errors
    /// 500: a stored definition has a schema that cannot be read.
    pub(super) fn schema(&self) -> Result<&Schema, Failure> {
        self.compiled().map(|compiled| &compiled.schema)
    }

    /// The field types of the resource.
    ///
    /// # Errors
    /// 500, as for the schema.
    pub(super) fn types(&self) -> Result<&Types, Failure> {
        self.compiled().map(|compiled| &compiled.types)
    }

    pub(super) fn compiled(&self) -> Result<&Compiled, Failure> {
        self.resource()
            .compiled()
            .map_err(|error| Failure::internal(format!("schema of {}: {error}", self.resource().qualified())))
    }

    /// The current version in the shape that the path serves.
    pub(super) fn current(&self, object: &Object) -> Value {
        let mut value = object.value();
        kinds::from_storage(self.resource(), &mut value);
        value
    }

    /// The time as metadata carries it: whole seconds.
    pub(super) fn now(&self) -> String {
        timestamp(self.core.clock.now())
    }

    /// Fills defaults, after dropping nulls that stand where a default belongs.
    pub(super) fn default(&self, value: &mut Value) -> Result<(), Failure> {
        // The fixed kinds fill themselves; what is of another kind than asked for is not filled at all.
        let fixed = !matches!(self.resource().core(), None | Some(CoreKind::CustomResourceDefinition));
        if fixed || self.is_other(value) {
            return Ok(());
        }
        let schema = self.schema()?;
        schema.drop_nulls(value);
        schema.default(value);
        Ok(())
    }

    /// Whether a value is of another kind than its path: a custom resource may be until it is judged.
    pub(super) fn is_other(&self, value: &Value) -> bool {
        let is = |field: &str, wanted: &str| value[field].as_str() == Some(wanted);
        self.resource().is_custom() && !(is("kind", &self.resource().kind) && is("apiVersion", &self.resource().api_version()))
    }

    /// Notes in `managedFields` what this update changed, as `manager`'s.
    pub(super) fn own(&self, old: Option<&mut Value>, new: &mut Value, options: &WriteOptions) -> Result<(), Failure> {
        let version = self.resource().api_version();
        let options = UpdateOptions {
            manager: &options.manager,
            subresource: self.subresource(),
            api_version: &version,
            reset: self.reset(),
            now: self.core.clock.now(),
        };
        ssa::update(self.types()?, old, new, options);
        Ok(())
    }

    /// What this path cannot set, and so nobody owns through it.
    pub(super) fn reset(&self) -> ResetFields {
        match (self.subresource(), self.resource().status) {
            ("status", _) if !self.resource().keeps_metadata("status") => ResetFields::Spec,
            ("status", _) => ResetFields::AllButStatus,
            (_, true) => ResetFields::Status,
            (_, false) => ResetFields::Nothing,
        }
    }

    /// All violations of `new` at once; `old` is the version that it replaces, and its tree. The schema whose rules
    /// `new` keeps, all of them.
    ///
    /// # Errors
    /// 422 with one cause for each.
    pub(super) fn validate(&self, new: &Value, old: Option<(&Object, &Value)>) -> Result<Option<SchemaId>, Failure> {
        let schema = self.schema()?;
        let proven = old.is_some_and(|(old, _)| old.proven == Some(schema.id()));
        let old = old.map(|(_, tree)| tree);
        let mut causes = meta::validate(self.resource(), new, old, self.is_other(new));
        // The reference reads its own kinds by their types and judges them by rules of their own.
        // What is of another version has another schema.
        let of_version = !self.is_other(new) || new["apiVersion"].as_str() == Some(&self.resource().api_version());
        let judged = matches!(self.resource().core(), None | Some(CoreKind::CustomResourceDefinition)) && of_version;
        let Judgement { problems, forgiven } =
            if judged { schema.judge(new, old, (proven, causes.iter().any(blocks_rules))) } else { Judgement::default() };
        self.refuse_types(&problems)?;
        let of_status = self.resource().is_custom() && self.subresource() == "status";
        causes.extend(problems.into_iter().map(|problem| {
            let message = if of_status { within_status(&problem) } else { problem.message };
            Cause::new(problem.kind.reason(), problem.path, message)
        }));
        causes.extend(kinds::validate(self.resource(), new, old, self.subresource()));
        if self.resource().core() == Some(CoreKind::CustomResourceDefinition) && self.subresource().is_empty() {
            causes.extend(crds::check(new, old));
        }
        let (mut group, mut kind) = (self.resource().inner_group(), self.resource().kind.as_str());
        if self.is_other(new) {
            let wanted = [("kind", self.resource().kind.clone()), ("apiVersion", self.resource().api_version())];
            for (field, wanted) in wanted.into_iter().rev() {
                let found = new[field].as_str().unwrap_or_default();
                if found != wanted {
                    causes.insert(0, Cause::invalid(field, &go_quote(found), &format!("must be {wanted}")));
                }
            }
            kind = new["kind"].as_str().unwrap_or_default();
            group = new["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
        }
        if self.resource().is_custom() && of_version {
            causes.extend(embedded_metadata(schema, new));
        }
        if causes.is_empty() {
            return Ok((!forgiven).then(|| schema.id()));
        }
        let name = new["metadata"]["name"].as_str().unwrap_or_default();
        Err(Failure::invalid(group, kind, name, causes))
    }

    /// Refuses a body of a built-in kind that its type cannot hold.
    ///
    /// # Errors
    /// 400 naming the first wrong field.
    pub(super) fn check_types(&self, new: &Value) -> Result<(), Failure> {
        self.refuse_types(&self.schema()?.judge(new, None, (false, false)).problems)
    }

    fn refuse_types(&self, problems: &[Problem]) -> Result<(), Failure> {
        let wrong = problems.iter().find(|problem| problem.kind == ProblemKind::TypeInvalid);
        let Some(wrong) = wrong.filter(|_| !self.resource().is_custom()) else { return Ok(()) };
        let Resource { kind, version, .. } = self.resource();
        Err(Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {wrong}")))
    }

    /// The bytes to store for `value`, which is in the shape that the path serves.
    pub(super) fn encode(&self, mut value: Value) -> Draft {
        kinds::to_storage(self.resource(), &mut value);
        encode(&stored_as(self.core, &self.target.resource), &value)
    }

    /// An object that is answered but not stored.
    pub(super) fn unstored(&self, draft: &Draft, revision: u64) -> Result<Arc<Object>, Failure> {
        draft.object(revision).map(Arc::new).map_err(|error| Failure::internal(error.to_string()))
    }
}

/// On its own path a status is the whole of what is validated: messages name a field from there.
fn within_status(problem: &Problem) -> String {
    let Some(inner) = problem.path.strip_prefix("status.") else { return problem.message.clone() };
    problem.message.replacen(&format!("{} in body", problem.path), &format!("{inner} in body"), 1)
}

/// What is wrong in the metadata of the resources inside a resource.
fn embedded_metadata(schema: &Schema, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    schema.each_embedded(new, &mut |path, resource| causes.extend(meta::embedded(resource, &format!("{path}.metadata"))));
    causes
}

/// Whether rules are not run beside a violation like this.
fn blocks_rules(cause: &Cause) -> bool {
    use ProblemKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    [Required, TypeInvalid, NotSupported, TooLong, TooMany].iter().any(|kind| kind.reason() == cause.reason)
}

/// `2025-01-02T03:04:05Z`.
pub(crate) fn timestamp(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
