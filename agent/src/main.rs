//! `weir-agent`: counts and gates every user of a proxy core, for the Weir panel.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_agent::cli::main()
}
