# shellcheck shell=bash
# Shared by the scripts of this folder: source it from a bash script that has set -euo pipefail.
#
#   say, die              messages on standard error
#   on_exit CMD [ARG…]    run CMD at the end, also on INT and TERM; last in, first out; works in $( ) too
#   run CMD [ARG…]        run CMD so that INT and TERM end it at once
#   start LOG CMD [ARG…]  run CMD in the background in its own session, ended at exit; sets STARTED to its pid
#   stop_process PID      end a process and its descendants: TERM, then KILL after 5 s
#   only_one NAME         refuse to run beside another run of NAME in this checkout
#   require_packages, require_swift, build_tests, ssh_host: see below

LIVEMIG_REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: error: $*"
    exit 1
}

# --- Clean-up ---------------------------------------------------------------------------------------------------------------

# The stack is a file, so that what a command substitution starts is ended as well.
LIVEMIG_CLEANUP=$(mktemp "${TMPDIR:-/tmp}/livemig-cleanup.XXXXXX")

on_exit() { printf '%s\n' "$(printf '%q ' "$@")" >>"$LIVEMIG_CLEANUP"; }

clean_up() {
    local status=$? line index
    local -a lines
    trap - EXIT
    trap '' INT TERM HUP # a second Ctrl-C must not leave guests behind
    set +e
    mapfile -t lines <"$LIVEMIG_CLEANUP"
    for ((index = ${#lines[@]} - 1; index >= 0; index--)); do
        line=${lines[index]}
        (eval "$line") || say "${0##*/}: clean-up step failed: $line"
    done
    rm -f "$LIVEMIG_CLEANUP"
    return "$status"
}

# Ends by the signal itself, so that the caller sees why.
clean_up_on_signal() {
    clean_up
    trap - "$1"
    kill -s "$1" $$
}

trap clean_up EXIT
trap 'clean_up_on_signal INT' INT
trap 'clean_up_on_signal TERM' TERM
trap 'clean_up_on_signal HUP' HUP

# The start time of a process; with the pid it names one process for good (proc(5), field 22 of stat).
start_time_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    [ "$1" != Z ] || return 1
    printf '%s\n' "${20}"
}

# All descendants of a process, parents first.
descendants_of() {
    awk -v root="$1" '
        /^Pid:/ { pid = $2 }
        /^PPid:/ { children[$2] = children[$2] " " pid }
        function walk(parent, list, count, i) {
            count = split(children[parent], list, " ")
            for (i = 1; i <= count; i++) { print list[i]; walk(list[i]) }
        }
        END { walk(root) }' /proc/[0-9]*/status 2>/dev/null || true
}

stop_process() {
    local pid=$1 known=${2:-} each entry tick alive
    local -a group=()
    [ -z "$known" ] || [ "$(start_time_of "$pid")" = "$known" ] || return 0
    for each in "$pid" $(descendants_of "$pid"); do
        entry=$(start_time_of "$each") && group+=("$each:$entry")
    done
    for tick in {0..60}; do
        alive=0
        for entry in "${group[@]}"; do
            [ "$(start_time_of "${entry%%:*}")" = "${entry#*:}" ] || continue
            alive=1
            [ "$tick" -ne 0 ] || kill -TERM "${entry%%:*}" 2>/dev/null || true
            [ "$tick" -ne 50 ] || kill -KILL "${entry%%:*}" 2>/dev/null || true
        done
        [ "$alive" -eq 1 ] || return 0
        sleep 0.1
    done
    say "${0##*/}: process $pid does not end"
    return 1
}

on_exit_stop() { on_exit stop_process "$1" "$(start_time_of "$1" || echo gone)"; }

# --- Running ----------------------------------------------------------------------------------------------------------------

# bash delays a trap until the foreground command has ended; waiting for a background one can be interrupted.
run() {
    local pid status=0 input
    exec {input}<&0
    "$@" <&"$input" {input}<&- &
    pid=$!
    exec {input}<&-
    on_exit_stop "$pid"
    wait "$pid" || status=$?
    return "$status"
}

start() {
    local log=$1
    shift
    # Without our lock, which it would hold beyond the end of a killed script.
    if [ -n "${LIVEMIG_LOCK_FD:-}" ]; then
        setsid "$@" >>"$log" 2>&1 </dev/null {LIVEMIG_LOCK_FD}>&- &
    else
        setsid "$@" >>"$log" 2>&1 </dev/null &
    fi
    # shellcheck disable=SC2034  # read by the caller
    STARTED=$!
    on_exit_stop "$STARTED"
}

only_one() {
    local folder=${LIVEMIG_LOCK_DIR:-$LIVEMIG_REPO/.build}
    local file=$folder/$1.lock
    mkdir -p "$folder"
    command -v flock >/dev/null || die "flock is missing: install the package util-linux"
    exec {LIVEMIG_LOCK_FD}>>"$file"
    flock --nonblock "$LIVEMIG_LOCK_FD" || die "another $1 is running here (pid $(cat "$file" 2>/dev/null)); wait for it or end it"
    printf '%s\n' $$ >"$file"
}

# --- What has to be installed -----------------------------------------------------------------------------------------------

# as_root CMD…: as it is for root, through sudo otherwise; without a terminal sudo must not ask.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        return 127
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2; }

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

has_candidate() {
    local policy
    policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null) || return 1
    [[ $policy == *Candidate:* && $policy != *"Candidate: (none)"* ]]
}

missing_packages() {
    local package
    for package in "$@"; do
        is_installed "$package" || printf '%s\n' "$package"
    done
}

# require_packages PKG…: installs those that are missing; package lists are fetched only when they are needed.
require_packages() {
    local -a missing
    local package
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "this is not Debian or Ubuntu, so nothing can be installed from here; needed are (Debian names): $*"
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "installing: ${missing[*]}"
    for package in "${missing[@]}"; do
        has_candidate "$package" && continue
        apt_get update || say "apt-get update failed"
        break
    done
    # Lists that are there can still be out of date and name files that are gone.
    apt_get install -y --no-install-recommends "${missing[@]}" ||
        { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } || true
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -eq 0 ] ||
        die "missing packages: ${missing[*]}; install them: sudo apt-get install ${missing[*]}"
}

# require_swift: a Swift of at least 6.2, put on PATH.
require_swift() {
    local folder version found=""
    local -a folders
    IFS=: read -r -a folders <<<"$PATH"
    for folder in "${folders[@]}" /opt/swift/usr/bin /usr/share/swift/usr/bin; do
        [ -x "$folder/swift" ] || continue
        version=$("$folder/swift" --version 2>/dev/null || true)
        [[ $version =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] || continue
        if ((BASH_REMATCH[1] > 6 || (BASH_REMATCH[1] == 6 && BASH_REMATCH[2] >= 2))); then
            PATH=$folder:$PATH
            export PATH
            return 0
        fi
        found="$found $folder/swift is ${BASH_REMATCH[1]}.${BASH_REMATCH[2]};"
    done
    die "Swift 6.2 or newer is needed;${found:- none was found on PATH, in /opt/swift or in /usr/share/swift;}" \
        "install it from https://www.swift.org/install/linux/"
}

# build_tests: the tests, and the programs that they run as users run them, in a release build; both with the points of a
# move at which tests stop and kill programs. The programs have a folder of their own, away from those for users.
build_tests() {
    run swift build --build-tests --traits CrashPoints >&2
    run swift build -c release --traits CrashPoints --scratch-path .build/points >&2
    LIVEMIG_BUILD=$(swift build -c release --traits CrashPoints --scratch-path .build/points --show-bin-path)
    export LIVEMIG_BUILD
}

# --- A test host behind its own sshd ----------------------------------------------------------------------------------------

sshd_config() {
    local folder=$1 port=$2
    cat <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey "$folder/host_key"
PidFile "$folder/sshd.pid"
AuthorizedKeysFile "$folder/authorized_keys"
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100:30:200
MaxSessions 100
UseDNS no
PrintMotd no
LogLevel VERBOSE
CONFIG
}

port_answers() { (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ssh_host NAME DIR PORT: one host of a test: its own key, configuration and sshd on 127.0.0.1:PORT, all in DIR, ended at
# exit with all that runs in its sessions. Keys that may log in: DIR/authorized_keys. Prints the host key's SHA256 fingerprint.
ssh_host() {
    local name=$1 folder=$2 port=$3 sshd STARTED tick
    sshd=$(command -v sshd || echo /usr/sbin/sshd)
    [ -x "$sshd" ] || die "sshd is missing: install the package openssh-server"
    mkdir -p "$folder"
    chmod 700 "$folder"
    folder=$(cd "$folder" && pwd)
    [[ $folder != *[%\"\\]* ]] || die "host $name: sshd cannot use a folder with % \" or \\ in its name: $folder"
    if [ "$(id -u)" -eq 0 ]; then
        mkdir -p /run/sshd
        chmod 755 /run/sshd
    fi
    [ -f "$folder/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$folder/host_key"
    (umask 077 && touch "$folder/authorized_keys")
    sshd_config "$folder" "$port" >"$folder/sshd_config"
    # From OpenSSH 9.8 on, failed logins of a test would lock out its address.
    if "$sshd" -t -f "$folder/sshd_config" -o PerSourcePenalties=no 2>/dev/null; then
        echo "PerSourcePenalties no" >>"$folder/sshd_config"
    fi
    ! port_answers "$port" || die "host $name: port $port is in use"
    rm -f "$folder/sshd.pid"
    start "$folder/sshd.out" "$sshd" -D -f "$folder/sshd_config" -E "$folder/sshd.log"
    for tick in {1..100}; do
        # sshd writes its pid once it listens; the pid proves that the listener is this one.
        [ "$(cat "$folder/sshd.pid" 2>/dev/null)" != "$STARTED" ] || break
        { [ "$tick" -lt 100 ] && start_time_of "$STARTED" >/dev/null; } ||
            die "host $name: sshd does not start: $(tail -n 3 "$folder/sshd.out" "$folder/sshd.log" 2>/dev/null)"
        sleep 0.1
    done
    ssh-keygen -l -E sha256 -f "$folder/host_key.pub" | awk '{ print $2 }'
}
