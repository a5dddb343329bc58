//! The text of a rule as a program whose depth is bounded: parser, cost and evaluation walk it by recursion, and a stack that
//! overflows ends the process.

use std::thread;

use kube_cel::cel::common::ast::{EntryExpr, Expr};
use kube_cel::cel::{IdedExpr, Program};

/// The longest text of a rule, in bytes.
const SOURCE_BYTES: usize = 10_000;
/// How deep brackets and conditions may nest in it.
const NESTING: usize = 64;
/// How deep the program may be, a chain of operators included.
const DEPTH: usize = 32;
/// A text with fewer signs than this is parsed where it is needed.
const SIMPLE_SIGNS: usize = 24;
/// The stack of the thread that parses any other; the system gives only as much of it as is used.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// The program of `source`.
///
/// # Errors
/// The text of the parser, or the bound that it does not keep.
pub(super) fn parse(source: &str) -> Result<Program, String> {
    if source.len() > SOURCE_BYTES {
        return Err(format!("a rule has at most {SOURCE_BYTES} bytes, this one has {}", source.len()));
    }
    if nesting(source) > NESTING {
        return Err(format!("a rule nests at most {NESTING} brackets and conditions"));
    }
    if source.chars().filter(|letter| !letter.is_alphanumeric() && !letter.is_whitespace()).count() < SIMPLE_SIGNS {
        return Program::compile(source).map_err(|error| error.to_string());
    }
    thread::scope(|scope| {
        let work = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || bounded(source));
        work.map_err(|error| format!("a rule cannot be compiled now: {error}"))?
            .join()
            .unwrap_or_else(|_| Err("the compiler does not know what to do with this rule".to_owned()))
    })
}

fn bounded(source: &str) -> Result<Program, String> {
    let program = Program::compile(source).map_err(|error| error.to_string())?;
    if depth(program.expression()) > DEPTH {
        return Err(format!("a rule is at most {DEPTH} operations deep"));
    }
    Ok(program)
}

/// How deep brackets nest, and how many conditions there are; brackets in texts count as well.
fn nesting(source: &str) -> usize {
    let (mut now, mut most, mut conditions) = (0_usize, 0, 0);
    for letter in source.bytes() {
        match letter {
            b'(' | b'[' | b'{' => now += 1,
            b')' | b']' | b'}' => now = now.saturating_sub(1),
            b'?' => conditions += 1,
            _ => {}
        }
        most = most.max(now);
    }
    most + conditions
}

fn deepest<'a>(inner: impl IntoIterator<Item = &'a IdedExpr>) -> usize {
    inner.into_iter().map(depth).max().unwrap_or_default()
}

fn depth(expression: &IdedExpr) -> usize {
    let entry = |entry: &EntryExpr| match entry {
        EntryExpr::StructField(field) => depth(&field.value),
        EntryExpr::MapEntry(entry) => deepest([&entry.key, &entry.value]),
    };
    1 + match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
        Expr::Call(call) => deepest(call.target.iter().map(|target| &**target).chain(&call.args)),
        Expr::Comprehension(loops) => {
            deepest([&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result])
        }
        Expr::List(list) => deepest(&list.elements),
        Expr::Map(map) => map.entries.iter().map(|found| entry(&found.expr)).max().unwrap_or_default(),
        Expr::Select(select) => depth(&select.operand),
        Expr::Struct(made) => made.entries.iter().map(|found| entry(&found.expr)).max().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-12, REL-22: a rule that would overflow the stack of whoever parses or runs it is refused with the bound that it breaks; one
    /// within the bounds is compiled.
    #[test]
    fn deep_rules_are_refused_instead_of_ending_the_process() {
        let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
        let chain = |terms: usize| vec!["1"; terms].join("+");
        for (source, wanted) in [
            (nested(NESTING), Ok(())),
            (nested(NESTING + 1), Err("brackets")),
            (nested(4_000), Err("brackets")),
            (format!("{}1", "true ? 1 : ".repeat(DEPTH - 1)), Ok(())),
            (format!("{}1", "true ? 1 : ".repeat(500)), Err("conditions")),
            (chain(DEPTH), Ok(())),
            (chain(4_000), Err("operations deep")),
            (format!("{}true", "!".repeat(5_000)), Ok(())),
            ("x".repeat(SOURCE_BYTES + 1), Err("bytes")),
        ] {
            let shown: String = source.chars().take(30).collect();
            match (parse(&source), wanted) {
                (Ok(_), Ok(())) => {}
                (Err(error), Err(part)) => assert!(error.contains(part), "{shown}: {error}"),
                (Ok(_), Err(part)) => panic!("{shown} should be refused: {part}"),
                (Err(error), Ok(())) => panic!("{shown}: {error}"),
            }
        }
    }
}
