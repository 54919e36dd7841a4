//! `make simulate`: a discrete-event simulation of users, agents and the panel, which drives the agent's own rules of when to
//! sync, report and ask ([`weir_wire::pace`], [`weir_wire::sync::Policy`]) and the panel's own grants ([`weir_wire::grant`])
//! with a day's traffic, and adds up what it costs. How to read it: `docs/cost.md`.

mod args;
mod cost;
mod dice;
mod flow;
mod line;
mod node;
mod number;
mod outcome;
mod panel;
mod plan;
mod shape;
mod sync;
mod table;
#[cfg(test)]
mod tests;
mod world;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::args::{Args, HELP};
use crate::world::World;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "weir-simulate: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(args) = Args::read(std::env::args_os().skip(1))? else {
        write!(io::stdout(), "{HELP}")?;
        return Ok(());
    };
    if args.prices {
        write!(io::stdout(), "{}", table::prices())?;
        return Ok(());
    }
    let hours = u64::from(args.days) * 24;
    let outcome = World::new(&args).run(|hour| {
        if !args.quiet {
            let _ = write!(io::stderr(), "\r{hour} of {hours} hours");
        }
    });
    if !args.quiet {
        let _ = writeln!(io::stderr());
    }
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&table::json(&args, &outcome))?;
        std::fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))?;
    }
    write!(io::stdout(), "{}", table::text(&args, &outcome))?;
    Ok(())
}
