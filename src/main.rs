//! The `stillage` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    stillage::cli::main()
}
