//! `weir-agent`: counts and gates every user of a proxy core, for the Weir panel.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
