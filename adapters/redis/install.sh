#!/bin/sh
# Installs Redis from Debian, for the tests: they start servers of their own.
set -eu
command -v redis-server >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "install.sh: redis-server is missing: install it and run this again" >&2
	exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
