package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// install gets what is missing, as far as it can be had: wrk and Apache from Debian, Express from npm.
// What can't is left out, and its rows say so.
func install(log *os.File) {
	var missing []string
	if !has("wrk") {
		missing = append(missing, "wrk")
	}
	if !has(apache) {
		missing = append(missing, "apache2")
	}
	if _, err := os.Stat(filepath.Join(apacheModules, "mod_oauth2.so")); err != nil {
		missing = append(missing, "libapache2-mod-oauth2")
	}
	if !has("node") || !has("npm") {
		missing = append(missing, "nodejs", "npm")
	}
	if len(missing) > 0 && os.Geteuid() == 0 && has("apt-get") {
		fmt.Fprintln(log, "installing", missing)
		try(log, "", "apt-get", "update", "-qq")
		try(log, "", "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	}
	if dir, err := expressDir(); err == nil && has("npm") {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "express-oauth2-jwt-bearer")); err != nil {
			os.MkdirAll(dir, 0o755)
			try(log, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "express@5", "express-oauth2-jwt-bearer@1")
		}
	}
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func try(log *os.File, dir, program string, args ...string) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(log, "%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// expressDir is outside of the repository.
func expressDir() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "bearerguard", "express"), err
}
