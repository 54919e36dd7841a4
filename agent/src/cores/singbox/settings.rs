//! Where a sing-box is on this host, and how it is made to read its file.

use core::time::Duration;
use std::path::PathBuf;

use crate::cores::RelayPorts;

/// How to find, write and steer a sing-box on this host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The core's program, for its `check`.
    pub binary: PathBuf,
    /// The operator's template; read, never written.
    pub template: PathBuf,
    /// The file that the core reads, and the only `.json` in its directory.
    pub output: PathBuf,
    /// Where new versions of the output wait for their check; on the same filesystem as the output. The output's own
    /// directory when unset.
    pub staging_dir: Option<PathBuf>,
    /// The agent's own directory: its secret, and the last configuration that the core came up with.
    pub state_dir: PathBuf,
    /// Where the core keeps the gates' states over a restart, unless the template says: writable by the core, its
    /// directory writable by the agent.
    pub cache_file: PathBuf,
    /// The core's working directory (`-D`), which relative paths in the template start from.
    pub working_dir: Option<PathBuf>,
    /// Port on 127.0.0.1 of the core's `api` service, unless the template has one.
    pub api_port: u16,
    /// Ports on 127.0.0.1 of the agent's relay and of the core's inbound behind it, for users with a speed limit; `None` for a
    /// core without such limits.
    pub relay: Option<RelayPorts>,
    /// Users with a speed limit leave under a routing mark while the kernel holds them by it ([`crate::cores::Core::hold_by_mark`]), and
    /// through the relay otherwise.
    pub marks: bool,
    /// Makes the running core load its file: `["systemctl", "reload", "sing-box"]` or `["kill", "-HUP", "{pid}"]`.
    pub reload: Vec<String>,
    /// Starts the core; must return when it is asked to, and do nothing when it runs: `["systemctl", "start", "sing-box"]`.
    pub start: Vec<String>,
    /// What `{pid}` in the commands stands for is read from here each time.
    pub pid_file: Option<PathBuf>,
    /// How long a core may take to answer after a reload or start before the last good file is put back. 10,000 slots
    /// take 1.5 s on two cores of 2024.
    pub start_limit: Duration,
}
