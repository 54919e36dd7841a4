# The standard library for wasm32, by one of two ways. Sourced by dev/setup.
#   rustup: `rustup target add`, the way of an ordinary machine.
#   debian: where rustup's server cannot be reached: Debian's compiler, and std built from Debian's sources.
# Native builds always use the default toolchain; Debian's compiler builds the Worker only.
# shellcheck shell=bash

# Only cargo and rustc, so that putting it first in PATH shadows nothing else of /usr/bin (its node may be too old).
DEBIAN_BIN=$CACHE/debian-rust/bin

has_wasm_std() { # RUSTC
  local dir
  dir=$("$1" --print target-libdir --target "$WASM" 2>/dev/null) && compgen -G "$dir/libcore-*.rlib" >/dev/null
}

rustup_std() {
  have rustup || return 1
  # One try and a limit: a network that drops packets must not hold up the other way for long.
  RUSTUP_MAX_RETRIES=1 logged rustup-target-add timeout 180 rustup target add "$WASM"
}

debian_std_is_built() {
  [ -x "$DEBIAN_BIN/rustc" ] && has_wasm_std /usr/bin/rustc &&
    cmp -s <(/usr/bin/rustc -vV) "$CACHE/debian-rust/built-by"
}

# The linker: any LLVM lld of the compiler's generation links wasm; Debian's compiler brings none.
wasm_linker() {
  local found
  for found in "$(rustc --print sysroot 2>/dev/null)"/lib/rustlib/*/bin/rust-lld \
    "$(command -v "wasm-ld-$(debian_llvm)")"; do
    [ -x "$found" ] && { printf '%s' "$found"; return; }
  done
  return 1
}
debian_llvm() { /usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

debian_std() {
  local dir libs
  if ! [ -x /usr/bin/rustc ] || ! [ -x /usr/bin/cargo ] ||
    ! [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]; then
    # No version: the package follows Debian's security updates, and an old one vanishes from the mirror.
    apt_install rustc-web cargo-web rust-web-src
  fi
  wasm_linker >/dev/null || apt_install "lld-$(debian_llvm)"
  mkdir -p "$DEBIAN_BIN"
  ln -sfn /usr/bin/cargo "$DEBIAN_BIN/cargo"
  ln -sfn /usr/bin/rustc "$DEBIAN_BIN/rustc"
  dir=$CACHE/debian-rust/std
  rm -rf "$dir"
  mkdir -p "$dir/src"
  printf '[package]\nname = "weir-empty"\nversion = "0.0.0"\nedition = "2021"\n' >"$dir/Cargo.toml"
  printf '#![no_std]\n' >"$dir/src/lib.rs"
  # Bitcode is what LTO reads; without it the link ends in "Can't find section .llvmbc".
  (cd "$dir" && PATH="$DEBIAN_BIN:$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$dir/target" \
    logged build-wasm-std /usr/bin/cargo build --release --target "$WASM" \
    -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test) ||
    die "std for $WASM did not build from Debian's rust-web-src: see $CACHE/log/build-wasm-std.log"
  libs=$(/usr/bin/rustc --print target-libdir --target "$WASM")
  as_root rm -rf "$libs"
  as_root mkdir -p "$libs"
  rm -f "$dir/target/$WASM/release/deps/"libweir_empty-*
  as_root cp "$dir/target/$WASM/release/deps/"*.rlib "$libs/"
  rm -rf "$dir"
  /usr/bin/rustc -vV >"$CACHE/debian-rust/built-by"
  date +%s.%N >"$CACHE/debian-rust/built-at"
}

# Sets WASM_STD to rustup or debian; a value that the caller exported as WEIR_WASM_STD is obeyed.
find_wasm_std() {
  case ${WEIR_WASM_STD_WANTED:-} in
    '' | rustup | debian) ;;
    *) die "WEIR_WASM_STD is '$WEIR_WASM_STD_WANTED': it must be rustup or debian" ;;
  esac
  if [ "${WEIR_WASM_STD_WANTED:-rustup}" = rustup ]; then
    if has_wasm_std rustc; then WASM_STD=rustup; return; fi
    # What an earlier run had to fall back to is taken at once, without asking rustup's server again.
    if [ -z "${WEIR_WASM_STD_WANTED:-}" ] && debian_std_is_built; then WASM_STD=debian; return; fi
    if with_lock "$CACHE/lock/rust" rustup_std && has_wasm_std rustc; then WASM_STD=rustup; return; fi
    [ -z "${WEIR_WASM_STD_WANTED:-}" ] || die "std for $WASM is missing: 'rustup target add $WASM' failed"
    say "rustup could not add $WASM: using Debian's rustc-web for the Worker instead"
  fi
  debian_std_is_built || with_lock "$CACHE/lock/rust" debian_std_once
  WASM_STD=debian
}
debian_std_once() { debian_std_is_built || debian_std; }
