//! OpenAPI documents of the served kinds: v3 per group and version with an index of hashes, v2 as one JSON document.
//!
//! [`document`] makes the v3 document of one group and version, `swagger` the v2 document of all, `index` the answer to
//! `/openapi/v3`. Clients read from them which fields exist (`kubectl apply`, `explain`), which parameters a patch takes and which
//! bodies it accepts. Making a document is not cheap: the server keeps its bytes until a kind changes.

mod builtin;
mod components;
mod index;
mod paths;
mod swagger;

#[cfg(test)]
mod tests;

pub use index::{hash, index};
pub use paths::{Described, SchemaSource};

use serde_json::{Value, json};

/// The v3 document of one group and version: paths of `kinds` and every schema that they refer to.
pub fn document(kinds: &[Described<'_>]) -> Value {
    let info = json!({"title": "Kubernetes", "version": "v1.36.0"});
    json!({
        "openapi": "3.0.0",
        "info": info,
        "paths": paths::of(kinds),
        "components": {"schemas": components::of(kinds), "securitySchemes": {"BearerToken": {
            "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header"}}},
    })
}

/// The v2 document of all served kinds.
pub fn swagger(kinds: &[Described<'_>]) -> Value {
    swagger::of(&document(kinds))
}
