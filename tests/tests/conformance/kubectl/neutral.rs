use regex::Regex;

/// Takes out of what kubectl printed what is of the moment: names, times, ages, UIDs, versions, addresses, paths.
pub(super) struct Neutral {
    rules: Vec<(Regex, &'static str)>,
    words: Vec<(String, &'static str)>,
}

/// Pattern and what stands for it, line by line. Columns of ages are as wide as one space.
const RULES: [(&str, &str); 15] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r#"((?i:resource ?version)\\*"?:\s*\\*"?)\d+"#, "${1}<version>"),
    (r"\b[EWI]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ ", "<log> "),
    (r"\b(\d+[ydhm])?\d+[ydhms]( +|$)", "<age> "),
    (r"\b(\d+[ydhm])?\d+[ydhms]\)", "<age>)"),
    (r"\bAGE +", "AGE "),
    (r"^LAST SEEN +", "LAST SEEN "),
    (r"<(invalid|unknown)>( +|$)", "<age> "),
    (r"\bgenerated-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "generated-<name>"),
    (r"v1\.36\.\d+(\+koan\.[0-9a-z.-]+)?", "<release>"),
    (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", "<token>"),
    (r"\.go:\d+\]", ".go]"),
    (r"/tmp/[A-Za-z-]+\d+", "<temporary>"),
];

impl Neutral {
    /// `words` are replaced before anything else.
    pub(super) fn new(words: Vec<(String, &'static str)>) -> Self {
        let rule = |(pattern, stand_in)| (Regex::new(pattern).expect("a pattern"), stand_in);
        Self { rules: RULES.into_iter().map(rule).collect(), words }
    }

    pub(super) fn text(&self, text: &str) -> String {
        let mut neutral = text.to_owned();
        for (word, stand_in) in &self.words {
            neutral = neutral.replace(word, stand_in);
        }
        // By line: an end of line is no end of text otherwise.
        let line =
            |line: &str| self.rules.iter().fold(line.to_owned(), |line, (rule, to)| rule.replace_all(&line, *to).into_owned());
        let mut lines: Vec<_> = neutral.split('\n').map(line).collect();
        lines.chunk_by_mut(|a, b| is_cause(a) && is_cause(b)).filter(|chunk| is_cause(&chunk[0])).for_each(<[String]>::sort);
        lines.join("\n")
    }
}

/// One of several causes of a refusal, which come in no order (the reference walks a map).
fn is_cause(line: &str) -> bool {
    line.starts_with("* ")
}
