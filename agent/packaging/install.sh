#!/bin/sh
# Installs weir-agent on this host as a service of systemd, and makes the host a node of @PANEL@.
#
#   curl -fsSL @PANEL@/install.sh | sh -s -- TOKEN     install, enrol, start; safe to repeat
#   curl -fsSL @PANEL@/install.sh | sh -s -- --upgrade
#   curl -fsSL @PANEL@/install.sh | sh -s -- --uninstall
#
#   TOKEN         shown once in the panel, where the node was added
#   --upgrade     the panel's version of the agent; one that does not come up healthy is replaced by the last one
#   --rollback    the version before the last upgrade again
#   --uninstall   removes the agent, and puts back what it found. Bytes that the panel has not got are kept
#   --purge       with --uninstall: gives those up as well
#   --core NAME   sing-box (default): its configuration becomes the agent's template. none: a core that you set up
#                 yourself in /etc/weir/agent.toml
#   --net-admin   the right to change the host's network, for settings that ask for it
#   --dry-run     says what would be done, and changes nothing
#
# Rendered by the panel, Weir @VERSION@. Everything that it writes stands in it. The variable WEIR_ROOT puts another folder
# before every path, for tests and images.
set -eu

PANEL='@PANEL@'
VERSION='@VERSION@'
SHA256_X86_64='@SHA256_X86_64@'
SHA256_AARCH64='@SHA256_AARCH64@'

ROOT=${WEIR_ROOT:-}
BIN=$ROOT/usr/local/bin/weir-agent
UNIT=$ROOT/etc/systemd/system/weir-agent.service
DROP_IN=$UNIT.d/net-admin.conf
RULE=$ROOT/etc/polkit-1/rules.d/50-weir.rules
SETTINGS=$ROOT/etc/weir/agent.toml
TEMPLATE=$ROOT/etc/weir/template.json
STATE=$ROOT/var/lib/weir
# What this script found and what it replaced; for root alone.
KEPT=$ROOT/var/lib/weir-install
CORE_CONFIG=$ROOT/etc/sing-box
CORE_STATE=$ROOT/var/lib/sing-box
# Seconds until a new program must be healthy.
PATIENCE=${WEIR_PATIENCE:-60}

say() { printf 'weir: %s\n' "$*"; }
die() { printf 'weir: error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Does it, or says that it would.
run() {
  if [ -n "$dry_run" ]; then say "would run: $*"; else "$@"; fi
}

# put MODE OWNER:GROUP FILE: standard input becomes the file. A reader sees the old one or the new one.
put() {
  if [ -n "$dry_run" ]; then
    say "would write $3"
    cat >/dev/null
    return
  fi
  mkdir -p "${3%/*}"
  cat >"$3.new"
  chown "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}

as_weir() { runuser -u weir -- "$@" --config "$SETTINGS"; }

# The texts that are installed, as they stand in the project's sources.
unit() {
  cat <<'WEIR_UNIT'
@UNIT@
WEIR_UNIT
}
net_admin_conf() {
  cat <<'WEIR_NET_ADMIN'
@NET_ADMIN@
WEIR_NET_ADMIN
}
polkit_rule() {
  cat <<'WEIR_POLKIT'
@POLKIT@
WEIR_POLKIT
}
settings() {
  cat <<'WEIR_SETTINGS'
@SETTINGS@
WEIR_SETTINGS
}

parse() {
  action=install token='' core=sing-box net_admin='' dry_run='' purge=''
  while [ $# -gt 0 ]; do
    case $1 in
      --upgrade) action=upgrade ;;
      --rollback) action=rollback ;;
      --uninstall) action=uninstall ;;
      --purge) purge=1 ;;
      --net-admin) net_admin=1 ;;
      --dry-run) dry_run=1 ;;
      --core)
        [ $# -ge 2 ] || die "--core needs a name: sing-box or none"
        shift
        core=$1
        ;;
      --help | -h) action=help ;;
      -*) die "unknown argument '$1'" ;;
      *)
        [ -z "$token" ] || die "one token, not '$token' and '$1'"
        token=$1
        ;;
    esac
    shift
  done
  case $core in sing-box | none) ;; *) die "--core is sing-box or none, not '$core'" ;; esac
  case $token in *[!0-9a-f]*) die "the token is 32 digits from 0 to f, not '$token'" ;; esac
  [ -z "$token" ] || [ ${#token} -eq 32 ] || die "the token is 32 digits from 0 to f, not '$token'"
  [ -z "$token" ] || [ "$action" = install ] || die "--$action takes no token"
}

help() {
  cat <<WEIR_HELP
Weir $VERSION, the agent. As root on the host of a proxy core:
  curl -fsSL $PANEL/install.sh | sh -s -- TOKEN       TOKEN is shown in the panel, where the node is added
  curl -fsSL $PANEL/install.sh | sh -s -- --upgrade   or --rollback, --uninstall [--purge]
Further: --core sing-box|none, --net-admin, --dry-run. The first lines of the script say what each does.
WEIR_HELP
}

preflight() {
  [ "$(uname -s)" = Linux ] || die "the agent runs on Linux, and this is $(uname -s)"
  [ -n "$ROOT$dry_run" ] || [ "$(id -u)" = 0 ] || die "this needs root: put sudo before sh"
  for tool in systemctl useradd userdel runuser getent sha256sum install; do
    have "$tool" || die "$tool is missing on this host: the agent is a service of systemd"
  done
  have curl || have wget || die "curl or wget is needed"
  # Nothing else stops a core that the agent would have to start again.
  if [ "$action" = install ] && [ "$core" = sing-box ]; then need_polkit; fi
}

# Nobody but polkit lets the agent, which is not root, start and reload the core. It reads rules since 0.106; after 0.120 came 121.
need_polkit() {
  needed="the agent, which is not root, starts and reloads sing-box by a rule of polkit 0.106 or later"
  version=$(pkaction --version 2>/dev/null) ||
    die "polkit is missing on this host (there is no pkaction that runs), and $needed. Install it (polkitd on Debian and Ubuntu) and run this again; nothing was touched"
  version=${version##* }
  case $version in
    0.[0-9]*)
      minor=${version#0.}
      [ "${minor%%[!0-9]*}" -lt 106 ] || return 0
      ;;
    [1-9]*) return 0 ;;
  esac
  die "polkit is '$version' on this host, and $needed. Use a distribution that has it, such as Debian 12 or Ubuntu 24.04; nothing was touched"
}

# The panel's program for this machine, checked, as $new.
fetch() {
  case $(uname -m) in
    x86_64 | amd64) machine=x86_64 sum=$SHA256_X86_64 ;;
    aarch64 | arm64) machine=aarch64 sum=$SHA256_AARCH64 ;;
    *) die "there is no agent for $(uname -m): only for x86_64 and aarch64" ;;
  esac
  [ -n "$sum" ] || die "$PANEL was deployed without an agent for $machine"
  work=$(mktemp -d)
  new=$work/weir-agent
  url=$PANEL/agent/weir-agent-$machine-linux
  if have curl; then curl -fsSL --retry 3 -o "$new" "$url"; else wget -qO "$new" "$url"; fi ||
    die "$url cannot be fetched"
  printf '%s  %s\n' "$sum" "$new" | sha256sum -c - >/dev/null 2>&1 ||
    die "$url is not what this script was made for: fetch the script anew; if that changes nothing, do not trust the program"
  chmod 0755 "$work" "$new"
  said=$("$new" --version 2>&1) || die "the program does not run on this host: $said"
  say "$said, checked"
}

# The core's group may read what the agent writes for it. A core that runs as root needs none.
core_group() { if getent group sing-box >/dev/null; then echo sing-box; else echo weir; fi; }
core_user() { if getent passwd sing-box >/dev/null; then echo sing-box; else echo root; fi; }

find_core() {
  [ "$core" = sing-box ] || return 0
  core_bin=/usr/bin/sing-box
  [ -x "$ROOT$core_bin" ] || core_bin=$(command -v sing-box) ||
    die "there is no sing-box on this host: install it first, or say --core none and see docs/agent.md"
  systemctl cat sing-box.service >/dev/null 2>&1 || die "there is no unit sing-box.service: say --core none and see docs/agent.md"
  [ ! -e "$TEMPLATE" ] || return 0
  [ -f "$CORE_CONFIG/config.json" ] ||
    die "there is no $CORE_CONFIG/config.json, which would become the template: docs/agent.md has an example"
  # sing-box reads every one of them, beside the agent's.
  [ "$(find "$CORE_CONFIG" -maxdepth 1 -name '*.json' | wc -l)" -eq 1 ] ||
    die "$CORE_CONFIG holds several .json files: make one of them, config.json, and run this again"
}

# What is there before the first installation: copies, who owned the folders, and whether the core ran.
keep_originals() {
  [ ! -e "$KEPT/before" ] || return 0
  run install -d -m 0700 "$KEPT"
  [ -z "$dry_run" ] || return 0
  rm -rf "$KEPT/before.part"
  mkdir "$KEPT/before.part"
  for file in "$CORE_CONFIG/config.json" "$UNIT" "$RULE" "$BIN"; do
    [ ! -f "$file" ] || cp -p "$file" "$KEPT/before.part/$(kept_name "$file")"
  done
  if [ "$core" = sing-box ] && [ -d "$CORE_CONFIG" ]; then stat -c '%u:%g %a' "$CORE_CONFIG" >"$KEPT/before.part/owner"; fi
  if [ "$core" = sing-box ] && systemctl is-active --quiet sing-box; then touch "$KEPT/before.part/core-ran"; fi
  getent passwd weir >/dev/null || touch "$KEPT/before.part/no-user"
  [ -e "$ROOT/etc/weir" ] || touch "$KEPT/before.part/no-folder"
  [ -e "$TEMPLATE" ] || touch "$KEPT/before.part/no-template"
  [ -e "$SETTINGS" ] || touch "$KEPT/before.part/no-settings"
  mv "$KEPT/before.part" "$KEPT/before"
}
kept_name() { printf '%s' "${1#"$ROOT"/}" | tr / +; }

lay_out() {
  getent passwd weir >/dev/null ||
    run useradd --system --user-group --home-dir /var/lib/weir --no-create-home --shell /usr/sbin/nologin weir
  group=$(core_group)
  [ "$group" = weir ] || run usermod --append --groups "$group" weir
  run install -d -o root -g weir -m 0750 "$ROOT/etc/weir"
  run install -d -o weir -g weir -m 0700 "$STATE"
  if [ "$core" = sing-box ]; then
    # The agent writes the core's configuration, which the core's group may read: the folder hands its group to the file.
    [ -e "$TEMPLATE" ] || run install -o root -g weir -m 0640 "$CORE_CONFIG/config.json" "$TEMPLATE"
    run install -d -o weir -g "$group" -m 2750 "$CORE_CONFIG"
    # And it may remove the core's memory of the gates.
    run install -d -o "$(core_user)" -g weir -m 2770 "$CORE_STATE/weir"
  fi
  [ -e "$SETTINGS" ] || settings | proxied | sed "s|^binary = .*|binary = \"${core_bin:-/usr/bin/sing-box}\"|" | put 0640 root:weir "$SETTINGS"
}

# A service has none of this shell's variables: the proxy that leads out is written down.
proxied() {
  proxy=${https_proxy:-${HTTPS_PROXY:-${all_proxy:-${ALL_PROXY:-}}}}
  if [ -z "$proxy" ]; then cat; else sed "s|^#proxy = .*|proxy = \"$(printf '%s' "$proxy" | sed 's/[&|\\"]/\\&/g')\"|"; fi
}

put_service() {
  unit | put 0644 root:root "$UNIT"
  [ "$core" != sing-box ] || polkit_rule | put 0644 root:root "$RULE"
  [ -z "$net_admin" ] || net_admin_conf | put 0644 root:root "$DROP_IN"
  run systemctl daemon-reload
}

# The program that ran until now, with its unit, for a way back.
keep_last() {
  [ -f "$BIN" ] && ! cmp -s "$BIN" "$new" || return 0
  run install -d -m 0700 "$KEPT" "$KEPT/last"
  run cp -p "$BIN" "$KEPT/last/weir-agent"
  [ ! -f "$UNIT" ] || run cp -p "$UNIT" "$KEPT/last/weir-agent.service"
  # What an earlier run kept is not what ran before this one.
  [ -n "$dry_run" ] || replaced=1
}
put_last() {
  install -m 0755 "$KEPT/last/weir-agent" "$BIN.new"
  mv -f "$BIN.new" "$BIN"
  [ ! -f "$KEPT/last/weir-agent.service" ] || put 0644 root:root "$UNIT" <"$KEPT/last/weir-agent.service"
  systemctl daemon-reload
}
put_new() {
  run install -D -m 0755 "$new" "$BIN.new"
  run mv -f "$BIN.new" "$BIN"
}

# Whether the agent of this host is for a sing-box. The settings do not say it: by default the agent finds out. The rule does: only where
# there is a sing-box one is installed, and an operator's own rule for another core may have its name.
is_for_sing_box() { grep -qsF sing-box.service "$RULE"; }
is_healthy() { as_weir "$BIN" health >/dev/null 2>&1; }
runs() { [ -s "$STATE/status.json" ] && systemctl is-active --quiet weir-agent; }

# start CONDITION SECONDS: starts the service, and waits until the condition holds. What the old process wrote proves nothing.
start() {
  rm -f "$STATE/status.json"
  systemctl start weir-agent || return 1
  waited=0
  until "$1"; do
    [ "$waited" -lt "$2" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
}
why_not() { as_weir "$BIN" health 2>&1 | sed 's/^weir-agent: //' || true; }

install_agent() {
  fresh=''
  [ -e "$KEPT/before" ] || fresh=1
  [ -n "$token" ] || die "a token is needed: add a node in the panel, which shows it (--help says more)"
  find_core
  fetch
  keep_originals
  if [ -n "$fresh" ] && [ -z "$dry_run" ]; then undo=1; fi
  lay_out
  keep_last
  if systemctl is-active --quiet weir-agent; then
    [ -n "$dry_run" ] || restart=1
    run systemctl stop weir-agent
  fi
  put_new
  put_service
  if [ -n "$dry_run" ]; then
    say "would look for mistakes, enrol this host at $PANEL, and start the agent"
    return
  fi
  # Nobody has noticed anything until here, and what is wrong with the template is said now.
  if [ "$core" = sing-box ]; then as_weir "$BIN" --check || die "mend that and run this again; sing-box was not touched"; fi
  as_weir "$BIN" enroll "$PANEL" "$token" || die "not enrolled; sing-box was not touched"
  # From here on the way is forward: whatever ends this, the agent is started.
  undo='' replaced='' restart=1
  # Its old configuration has no service that the agent could speak to.
  if [ -n "$fresh" ] && [ "$core" = sing-box ]; then systemctl stop sing-box; fi
  systemctl enable --quiet weir-agent
  condition=is_healthy
  [ "$core" = sing-box ] || condition=runs
  start "$condition" "$PATIENCE" || die "the agent was started, and is not healthy after $PATIENCE s: $(why_not). journalctl -u weir-agent -u sing-box -e says more; --uninstall puts back what was there"
  restart=''
  say "the agent runs. weir-agent status tells how it is: runuser -u weir -- weir-agent status"
}

upgrade_agent() {
  if ! [ -f "$BIN" ] || ! [ -f "$SETTINGS" ]; then
    die "there is no agent to upgrade: run this with a token"
  fi
  fetch
  if cmp -s "$BIN" "$new" && unit | cmp -s - "$UNIT"; then
    say "this is the version that runs already"
    return
  fi
  # A program that cannot read the settings is found out while the old one still runs.
  if is_for_sing_box; then as_weir "$new" --check >/dev/null || die "the new version finds that wrong; nothing was changed"; fi
  condition=runs
  if is_healthy; then condition=is_healthy; fi
  if cmp -s "$BIN" "$new"; then run rm -rf "$KEPT/last"; fi
  keep_last
  if [ -n "$dry_run" ]; then
    say "would put the new version in place and restart the agent"
    return
  fi
  restart=1
  systemctl stop weir-agent
  put_new
  is_for_sing_box || core=none
  put_service
  if start "$condition" "$PATIENCE"; then
    restart=''
    say "upgraded. The version before is kept: --rollback"
    return
  fi
  why=$(why_not)
  [ -f "$KEPT/last/weir-agent" ] || die "the agent is not healthy after $PATIENCE s: $why"
  say "the new version is not healthy after $PATIENCE s: $why"
  back
  die "the new version was taken back; journalctl -u weir-agent -e has its last words"
}

# The last version again.
back() {
  restart=1
  systemctl stop weir-agent || true
  put_last
  replaced=''
  start "${condition:-runs}" 60 || die "the version before is back, and is not healthy either: $(why_not)"
  restart=''
  say "the version before runs again: $("$BIN" --version)"
}
rollback_agent() {
  [ -f "$KEPT/last/weir-agent" ] || die "no version before this one is kept"
  if [ -n "$dry_run" ]; then
    say "would put $("$KEPT/last/weir-agent" --version) in place and restart the agent"
    return
  fi
  back
}

# Puts back what keep_originals found. A template that was changed since stays beside it, under a name that sing-box does not read.
put_back() {
  before=$KEPT/before
  restore() {
    if [ -f "$before/$(kept_name "$1")" ]; then run cp -p "$before/$(kept_name "$1")" "$1"; else run rm -f "$1"; fi
  }
  for file in "$UNIT" "$RULE" "$BIN"; do restore "$file"; done
  run rm -rf "$UNIT.d"
  if [ -f "$before/owner" ]; then
    config=$before/$(kept_name "$CORE_CONFIG/config.json")
    restore "$CORE_CONFIG/config.json"
    if [ -f "$TEMPLATE" ] && ! cmp -s "$TEMPLATE" "$config"; then
      run install -m 0600 "$TEMPLATE" "$CORE_CONFIG/template.json.weir"
      say "your template, which was changed since the installation, is kept as $CORE_CONFIG/template.json.weir"
    fi
    read -r owner mode <"$before/owner"
    run chown "$owner" "$CORE_CONFIG"
    # Leading zeros: the folder loses the bit that hands on its group as well.
    run chmod "00$mode" "$CORE_CONFIG"
    run rm -rf "$CORE_STATE/weir"
  fi
  # Settings that were there before are not ours to remove.
  [ ! -f "$before/no-template" ] || run rm -f "$TEMPLATE"
  [ ! -f "$before/no-settings" ] || run rm -f "$SETTINGS"
  [ ! -f "$before/no-folder" ] || run rm -rf "$ROOT/etc/weir"
  run systemctl daemon-reload
}

# The bytes that the ledger holds and the panel has not got. A running agent writes it down; without that nobody knows.
unreported() {
  bytes=$(sed -n 's/.*"unreported":\([0-9]*\).*/\1/p' "$STATE/status.json" 2>/dev/null) || true
  if [ -n "$bytes" ]; then echo "$bytes"; elif [ -e "$STATE/ledger.redb" ]; then echo unknown; else echo 0; fi
}

uninstall_agent() {
  if [ ! -e "$KEPT/before" ] && [ ! -e "$BIN" ] && [ -d "$STATE" ] && [ -n "$purge" ]; then
    # What an uninstallation left.
    run rm -rf "$STATE"
    run userdel weir
    return
  fi
  [ -e "$KEPT/before" ] || die "this host's agent was not installed by this script: docs/agent.md says how to remove it"
  # It reports what is left while it ends.
  run systemctl disable --quiet --now weir-agent
  # It takes its rules away itself unless it was killed.
  if [ -f "$DROP_IN" ] && [ -z "$ROOT" ] && have nft; then
    for family in inet netdev; do run nft delete table $family weir 2>/dev/null || true; done
  fi
  left=$(unreported)
  touched='' ran=''
  [ ! -f "$KEPT/before/owner" ] || touched=1
  [ ! -f "$KEPT/before/core-ran" ] || ran=1
  put_back
  if [ "$left" != 0 ] && [ -z "$purge" ]; then
    why="$left bytes were not reported"
    [ "$left" != unknown ] || why="there is no readable $STATE/status.json, so nobody knows whether all bytes were reported"
    say "$why: the ledger stays in $STATE. --uninstall --purge removes it, a new installation goes on with it"
    # The copies are of no more use: the host is as it was.
    run rm -rf "$KEPT"
  else
    if [ -f "$KEPT/before/no-user" ]; then run userdel weir; fi
    run rm -rf "$STATE" "$KEPT"
  fi
  # It goes on with the configuration that it had, also if it is down by now.
  if [ -n "$touched" ] && { [ -n "$ran" ] || systemctl is-active --quiet sing-box; }; then
    run systemctl restart sing-box ||
      die "the agent is removed, and sing-box does not start with the configuration that it had before: journalctl -u sing-box -e says why"
  fi
  if [ -n "$dry_run" ]; then say "nothing was changed"; else say "removed"; fi
}

# A first installation that failed leaves the host as it was; another one goes on with what ran before.
leave() {
  code=$?
  trap - EXIT
  # It goes to its end: if a step fails, if there is no terminal any more that could be told, and if another signal comes.
  set +e
  trap : INT TERM HUP
  [ -z "${work:-}" ] || rm -rf "$work"
  if [ -n "${undo:-}" ]; then
    put_back
    if [ -f "$KEPT/before/no-user" ]; then userdel weir 2>/dev/null || true; rm -rf "$STATE"; fi
    rm -rf "$KEPT"
    [ -z "${restart:-}" ] || systemctl start weir-agent || true
    printf 'weir: the host is as it was\n' >&2
  elif [ -n "${restart:-}" ]; then
    if [ -n "${replaced:-}" ]; then
      # An upgrade has the new one run before it is known to be good.
      systemctl stop weir-agent
      put_last
      printf 'weir: the version before is back\n' >&2
    fi
    systemctl start weir-agent
  fi
  exit "$code"
}

main() {
  parse "$@"
  if [ "$action" = help ]; then help; return; fi
  preflight
  trap leave EXIT
  # A signal that is not caught ends some shells (dash) without the trap above. HUP: the connection to this host was cut.
  trap 'exit 130' INT TERM HUP
  "${action}_agent"
}

# The last line: a script that was cut on its way does nothing. And nothing that it runs reads the rest of it.
main "$@" </dev/null
