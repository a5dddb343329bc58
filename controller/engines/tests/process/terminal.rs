//! Commands on a terminal beside a program of the host.

use futures::StreamExt as _;
use koan_engines::{Interactive as _, OpenRequest, Size, Stream};
use tokio::io::AsyncWriteExt as _;

use crate::bed::{Bed, LONG, command, reference};

/// Reads until `wanted` came.
async fn shows(output: &mut (impl futures::Stream<Item = koan_engines::Chunk> + Unpin), shown: &mut String, wanted: &str) {
    while !shown.contains(wanted) {
        let chunk = tokio::time::timeout(LONG, output.next()).await.unwrap();
        let chunk = chunk.unwrap_or_else(|| panic!("it ended without {wanted:?}: {shown}"));
        assert_eq!(chunk.stream, Stream::Stdout, "a terminal has one output");
        shown.push_str(&String::from_utf8_lossy(&chunk.bytes));
    }
}

/// API-3, API-19, ENG-10 (decision 0013): a command gets a terminal of its own: it sees it, is told each new size, is interrupted by
/// what is typed, and its exit code is told.
#[tokio::test]
async fn a_command_gets_a_terminal() {
    let bed = Bed::new();
    bed.up(&command("web", &["sleep", "600"])).await;
    let script = "trap 'echo interrupted; exit 9' INT; test -t 0 && test -t 1 && test -t 2 && test -c /dev/tty && : </dev/tty && \
                  echo $TERM; while read line; do echo got $line; stty size; echo it is; \
                  test $line = long && sh -c 'echo started; exec sleep 600'; done";
    let words = ["sh", "-c", script].map(str::to_owned).to_vec();
    let request = OpenRequest { command: words, input: true, terminal: true };
    let mut opened = bed.engine.open(&reference("web"), &request).await.unwrap();
    let (mut input, mut shown) = (opened.input.take().unwrap(), String::new());
    shows(&mut opened.output, &mut shown, "xterm").await;
    input.write_all(b"helk\x7fd\n").await.unwrap();
    shows(&mut opened.output, &mut shown, "got held").await;
    opened.sizes.as_ref().unwrap().send(Size { width: 91, height: 17 }).await.unwrap();
    // It is told in its own time.
    while !shown.contains("17 91") {
        shown.clear();
        input.write_all(b"more\n").await.unwrap();
        shows(&mut opened.output, &mut shown, "it is").await;
    }
    input.write_all(b"long\n").await.unwrap();
    shows(&mut opened.output, &mut shown, "started").await;
    input.write_all(b"\x03").await.unwrap();
    shows(&mut opened.output, &mut shown, "interrupted").await;
    assert_eq!(tokio::time::timeout(LONG, opened.exit).await.unwrap().unwrap(), 9);
    assert!(opened.output.next().await.is_none());
}

/// API-3, ENG-10 (decision 0013): the end of the input is told to what reads from the terminal; a command that cannot be run is an error.
#[tokio::test]
async fn a_terminal_tells_the_end_of_the_input() {
    let bed = Bed::new();
    bed.up(&command("web", &["sleep", "600"])).await;
    let request = |words: &[&str]| OpenRequest {
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        input: true,
        terminal: true,
    };
    let mut opened = bed.engine.open(&reference("web"), &request(&["sh", "-c", "cat; echo be''hind"])).await.unwrap();
    let (mut input, mut shown) = (opened.input.take().unwrap(), String::new());
    input.write_all(b"line\n").await.unwrap();
    input.shutdown().await.unwrap();
    shows(&mut opened.output, &mut shown, "behind").await;
    assert_eq!(tokio::time::timeout(LONG, opened.exit).await.unwrap().unwrap(), 0);
    assert!(bed.engine.open(&reference("web"), &request(&["no-such-program"])).await.is_err());
}
