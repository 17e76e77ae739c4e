package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
)

const (
	apache        = "/usr/sbin/apache2"
	apacheModules = "/usr/lib/apache2/modules"
)

//go:embed express.mjs
var expressProgram []byte

// startExpress runs Express with express-oauth2-jwt-bearer.
func (b *bench) startExpress(ctx context.Context) (*server, error) {
	dir, err := expressDir()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "express-oauth2-jwt-bearer")); err != nil || !has("node") {
		return nil, errors.New("node or npm's express-oauth2-jwt-bearer is not to be had")
	}
	program := filepath.Join(b.dir, "express.mjs")
	if err := os.WriteFile(program, expressProgram, 0o644); err != nil {
		return nil, err
	}
	return start(ctx, "Express", []string{"NODE_ENV=production"}, pinned(0, "node", program, dir, b.jwksURL, mint.Issuer, mint.Audience)...)
}

const apacheConfig = `
ServerRoot %[1]s
PidFile %[1]s/apache.pid
ErrorLog %[1]s/apache.log
LogLevel crit
Listen %[2]s
ServerName localhost
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authn_core_module %[3]s/mod_authn_core.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule authz_user_module %[3]s/mod_authz_user.so
LoadModule oauth2_module %[3]s/mod_oauth2.so
DocumentRoot %[1]s/www
KeepAlive On
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
MaxConnectionsPerChild 0
OAuth2TokenVerify jwks_uri %[4]s
<Location /peer>
	AuthType oauth2
	Require valid-user
</Location>
`

// startApache runs Apache with mod_oauth2. Debian's own configuration is left alone.
func (b *bench) startApache(ctx context.Context) (*server, error) {
	if _, err := os.Stat(filepath.Join(apacheModules, "mod_oauth2.so")); err != nil || !has(apache) {
		return nil, errors.New("no apache2 or libapache2-mod-oauth2 is not to be had")
	}
	root := filepath.Join(b.dir, "apache")
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "www"), 0o755), os.Chmod(b.dir, 0o755)); err != nil {
		return nil, err
	}
	for _, route := range []string{bare, peer} {
		if err := os.WriteFile(filepath.Join(root, "www", route), []byte("ok"), 0o644); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(root, "apache.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, apacheConfig, root, address, apacheModules, b.jwksURL), 0o644); err != nil {
		return nil, err
	}
	args := pinned(0, apache, "-X", "-f", file)
	s := &server{name: "Apache", url: "http://" + address, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return s, nil
		}
	}
	s.stop()
	log, _ := os.ReadFile(filepath.Join(root, "apache.log"))
	return nil, fmt.Errorf("apache does not listen: %s", log)
}

// freeAddress is one that nobody listened at a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
