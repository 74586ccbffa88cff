#!/bin/sh
# Installs what Debian packages must provide, if it is missing and we may: as root, or by a sudo that asks nothing.
#
#   debian-packages.sh python [PYTHON]   what `python -m venv` needs; fails without it
#   debian-packages.sh run               a RabbitMQ for the reference company
#   debian-packages.sh test              the same, a browser with fonts, Prometheus and Alertmanager
#
# No service is started: the demo and the tests start private nodes of their own.
set -eu

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get > /dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null
}

# A policy-rc.d that says "no" keeps dpkg from starting services; one that is already there stays as it is.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ -e "$policy" ] && return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f "$policy"' EXIT
}

install_packages() {
    echo "Installing with apt:$*" >&2
    forbid_services
    log=$(mktemp)
    as_root apt-get update -q > "$log" 2>&1 || true
    # shellcheck disable=SC2086 # names of packages, one word each
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -q -y --no-install-recommends $* >> "$log" 2>&1 || { tail -n 5 "$log" >&2; rm -f "$log"; return 1; }
    rm -f "$log"
}

# wants PACKAGE COMMAND…: notes the package unless one of the commands is there.
missing=
wants() {
    package=$1
    shift
    for command in "$@"; do
        command -v "$command" > /dev/null 2>&1 && return 0
    done
    missing="$missing $package"
}

PATH=$PATH:/usr/sbin:/sbin
needed=${1:-run}
case $needed in
    python)
        "${2:-python3}" -c 'import ensurepip' 2> /dev/null || missing=" python3-venv"
        ;;
    run | test)
        [ -n "${ORDERTRACE_AMQP_URL:-}" ] || wants rabbitmq-server rabbitmq-server
        if [ "$needed" = test ]; then
            wants chromium chromium chromium-browser google-chrome
            [ -n "$(find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" -name '*.[to]tf' 2> /dev/null | head -n 1)" ] ||
                missing="$missing fonts-noto-core"
            ldconfig -p | grep -q 'libatomic\.so\.1' || missing="$missing libatomic1" # the browser's driver loads it
            wants prometheus prometheus
            wants prometheus-alertmanager prometheus-alertmanager alertmanager
        fi
        ;;
    *)
        echo "debian-packages.sh: python, run or test, not '$needed'" >&2
        exit 2
        ;;
esac

[ -n "$missing" ] || exit 0
if may_install && install_packages "$missing"; then
    exit 0
fi
echo "Missing packages could not be installed; as root: apt-get install$missing" >&2
# Without a broker `ordertrace demo` says what to do, and tests say what they need: only Python is needed to get there.
[ "$needed" != python ]
