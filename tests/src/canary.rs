use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of randomness of a value; in hexadecimal twice as many characters, and some that every encoding changes.
const RANDOM: usize = 16;
/// Characters of a form that are looked for where an encoding mixes its ends with what stands beside them.
const LEAST: usize = 24;

/// A secret value that stands in no second place, and every form in which it could be shown (REL-28).
#[derive(Clone, Debug)]
pub struct Canary {
    value: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// A fresh value.
    ///
    /// # Panics
    /// This machine has no randomness.
    pub fn fresh() -> Self {
        let mut bytes = [0_u8; RANDOM];
        let mut source = std::fs::File::open("/dev/urandom").expect("randomness");
        std::io::Read::read_exact(&mut source, &mut bytes).expect("randomness");
        Self::of(&format!("c4n+\"/{}", hexadecimal(&bytes)))
    }

    /// A value that somebody else made.
    pub fn of(value: &str) -> Self {
        let text = |text: String| text.into_bytes();
        let escaped = serde_json::Value::from(value).to_string();
        let mut forms = vec![
            ("raw", text(value.to_owned())),
            ("percent-encoded", text(percent(value))),
            ("JSON-escaped", text(escaped.trim_matches('"').to_owned())),
            ("hexadecimal", text(hexadecimal(value.as_bytes()))),
        ];
        for offset in 0..3 {
            let padded = [vec![0; offset], value.as_bytes().to_vec()].concat();
            let encoded = STANDARD_NO_PAD.encode(&padded);
            // What the neighbours of the value change: the first characters after an offset, and the last of an unfinished group.
            let (from, to) = ((offset * 4).div_ceil(3), padded.len() / 3 * 4);
            forms.push(("base64", text(encoded[from..to].to_owned())));
        }
        assert!(forms.iter().all(|(_, form)| form.len() >= LEAST), "a value that could stand there by chance: {value}");
        Self { value: value.to_owned(), forms }
    }

    /// The value itself.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Form and offset of each hit.
    pub fn hits(&self, bytes: &[u8]) -> Vec<(&'static str, usize)> {
        let at = |form: &[u8]| bytes.windows(form.len()).position(|window| window == form);
        self.forms.iter().filter_map(|(name, form)| Some((*name, at(form)?))).collect()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(value: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// REL-28: the search finds one of each kind, at every offset of base64, wherever it was planted.
    #[test]
    fn each_form_is_found() {
        let canary = Canary::fresh();
        let value = canary.value().to_owned();
        let mut planted = vec![
            value.clone(),
            percent(&value),
            serde_json::Value::from(value.as_str()).to_string(),
            hexadecimal(value.as_bytes()),
        ];
        for before in ["", "x", "xy"] {
            planted.push(STANDARD_NO_PAD.encode(format!("{before}{value}z")));
        }
        for text in &planted {
            let hits = canary.hits(format!("before {text} after").as_bytes());
            assert!(!hits.is_empty(), "{text} was not found");
        }
        assert!(Canary::fresh().hits(planted.join("\n").as_bytes()).is_empty(), "another value was found");
    }
}
