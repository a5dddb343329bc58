//! `koan`: hands over to the library.

fn main() -> std::process::ExitCode {
    koan::run(std::env::args_os())
}
