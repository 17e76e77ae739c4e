#!/bin/sh
# Installs the authorization servers that these tests run:
#
#   oidc-provider   from npm, into node_modules beside this file
#   ory/hydra       built from the Go module proxy, into
#                   ${XDG_CACHE_HOME:-$HOME/.cache}/bearerguard/hydra-VERSION
#   glewlwyd        from Debian, with sqlite3 to make its database
#   django-oauth-toolkit
#                   from Debian, for Debian's own /usr/bin/python3
#
# What is there already is left alone. The first run takes about two minutes
# on two cores; nearly all of it is the hydra build.
set -eu

hydra_version=v2.3.0
# hydra's go.mod replaces this module; a module that requires hydra does not
# inherit the replacement, and the build fails without it.
pop_replacement=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b
node_major=20

here=$(cd "$(dirname "$0")" && pwd)

die() {
	echo "install.sh: $*" >&2
	exit 1
}

# require COMMAND PACKAGE...: makes sure that COMMAND is there, where it can
# from Debian's PACKAGEs.
require() {
	command=$1
	shift
	command -v "$command" >/dev/null && return
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		die "$command is missing: install it and run this again"
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_oidc_provider() {
	require node nodejs
	require npm npm
	[ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$node_major" ] ||
		die "node $(node --version) is too old: oidc-provider needs $node_major or newer"

	cd "$here"
	if npm ls --all >/dev/null 2>&1; then
		echo "oidc-provider: already installed"
		return
	fi
	npm ci --no-audit --no-fund --ignore-scripts
}

install_hydra() {
	dir=${XDG_CACHE_HOME:-$HOME/.cache}/bearerguard/hydra-$hydra_version
	if [ -x "$dir/hydra" ]; then
		echo "hydra: already in $dir"
		return
	fi
	command -v go >/dev/null || die "go is missing: install Go 1.26 or newer and run this again"
	require gcc gcc libc6-dev

	# A module of its own, thrown away afterwards: hydra brings more than two
	# hundred requirements.
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cd "$work"
	export GOWORK=off
	go mod init bearerguard.invalid/hydra
	go mod edit -replace "github.com/gobuffalo/pop/v6=$pop_replacement"
	go get "github.com/ory/hydra/v2@$hydra_version"
	CGO_ENABLED=1 go build -tags sqlite -trimpath -ldflags '-s -w' -o hydra github.com/ory/hydra/v2

	# Moved into place whole: a build that was cut off never looks installed.
	mkdir -p "$dir"
	mv hydra "$dir/hydra.$$"
	mv "$dir/hydra.$$" "$dir/hydra"
	echo "hydra: built in $dir"
}

# Debian's packages start no service here: the tests run the programs themselves.
install_glewlwyd() {
	without_services require glewlwyd glewlwyd
	require sqlite3 sqlite3
	echo "glewlwyd: installed"
}

install_django_oauth_toolkit() {
	if ! /usr/bin/python3 -c 'import oauth2_provider' 2>/dev/null; then
		[ "$(id -u)" -eq 0 ] || die "django-oauth-toolkit is missing: install python3-django-oauth-toolkit and run this again"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-django-oauth-toolkit
	fi
	echo "django-oauth-toolkit: installed"
}

# without_services COMMAND...: runs it while no package may start its service.
without_services() {
	if [ "$(id -u)" -ne 0 ] || [ -e /usr/sbin/policy-rc.d ]; then
		"$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	"$@"
	rm -f /usr/sbin/policy-rc.d
	trap - EXIT
}

install_oidc_provider
install_hydra
install_glewlwyd
install_django_oauth_toolkit
