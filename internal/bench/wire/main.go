// Wire measures guarded against unguarded routes over loopback HTTP, this repository's guard beside its peers, and how the
// verifier scales, and prints it as a Markdown table.
//
//	cd internal/bench && go run ./wire               # everything, in some five minutes
//	cd internal/bench && go run ./wire -only scale   # the parts with that in their name
//	cd internal/bench && go run ./wire -peers=false  # ours alone
//
// It installs what is missing where it can: wrk and Apache from Debian, Express from npm into the user's cache folder. It
// exits with 1 if a row of rows.golden is missing or ours doesn't reach what it must.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

const (
	deadline = 9 * time.Minute // of the whole, whatever happens
	many     = 8000            // tokens in turn
)

//go:embed rows.golden
var golden string

func main() {
	only := flag.String("only", "", "run only the parts that have this `text` in their name")
	withPeers := flag.Bool("peers", true, "measure the peers too")
	framework := flag.String("serve", "", "be a server with this `framework` (for the program itself)")
	flag.Parse()
	if *framework != "" {
		fmt.Fprintln(os.Stderr, serve(*framework, flag.Arg(0), flag.Arg(1)))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if *withPeers {
		install(os.Stderr)
	}
	missed, err := run(ctx, os.Stdout, os.Stderr, *only, *withPeers)
	if err != nil {
		missed = append(missed, err.Error())
	}
	if len(missed) > 0 {
		fmt.Fprintln(os.Stderr, "MISSED:\n"+strings.Join(missed, "\n"))
		os.Exit(1)
	}
}

// bench is what the parts share.
type bench struct {
	ctx     context.Context
	dir     string // temporary
	key     *mint.Key
	jwks    string // a file
	jwksURL string
	one     load // the same token in each request
	each    load // another one of 8000
}

// run prints the table and returns what is missed in it.
func run(ctx context.Context, w, log io.Writer, only string, withPeers bool) ([]string, error) {
	b, err := newBench(ctx)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	return report.Play(w, log, b.parts(), golden, only, withPeers, func() string {
		return fmt.Sprintf("%s, %d cores, %s", runtime.Version(), runtime.NumCPU(), strings.Join(b.programs(), ", "))
	})
}

func (b *bench) parts() []report.Part {
	return []report.Part{
		{Name: "net/http", Run: func(peers bool) ([]report.Row, error) { return b.framework("net/http", peers) }},
		{Name: "Echo", Run: func(bool) ([]report.Row, error) { return b.framework("Echo", false) }},
		{Name: "Gin", Run: func(bool) ([]report.Row, error) { return b.framework("Gin", false) }},
		{Name: "Express", Run: func(peers bool) ([]report.Row, error) {
			return b.foreign("Express", "express-oauth2-jwt-bearer", peers)
		}},
		{Name: "Apache", Run: func(peers bool) ([]report.Row, error) { return b.foreign("Apache", "libapache2-mod-oauth2", peers) }},
		{Name: "GOMAXPROCS", Run: b.cores},
		{Name: "scale", Run: b.scale},
		{Name: "a million tokens", Run: b.million},
	}
}

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, dir: dir, key: mint.NewKey("RS256", mint.KeyID), jwks: filepath.Join(dir, "jwks.json")}
	set := b.key.Set()
	tokens := b.key.Tokens(many)
	b.one = load{token: tokens[0]}
	b.each = load{tokens: tokens, script: filepath.Join(dir, "tokens.lua")}
	if err := os.WriteFile(b.jwks, set, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(b.each.script, luaScript(tokens), 0o600); err != nil {
		return nil, err
	}
	b.jwksURL, err = publish(ctx, set)
	return b, err
}

// luaScript makes wrk send each token in turn; the requests are made beforehand.
func luaScript(tokens []string) []byte {
	list, err := json.Marshal(tokens)
	if err != nil {
		panic(err) // strings always can be written
	}
	return []byte("local tokens = {" + strings.Trim(string(list), "[]") + `}
local requests, i = {}, 0
init = function()
	for n, token in ipairs(tokens) do
		requests[n] = wrk.format("GET", nil, {["Authorization"] = "Bearer " .. token})
	end
end
request = function()
	i = i % #requests + 1
	return requests[i]
end
`)
}

// publish serves a key set until the context ends.
func publish(ctx context.Context, set []byte) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(set)
	})}
	go server.Serve(listener)
	context.AfterFunc(ctx, func() { server.Close() })
	return "http://" + listener.Addr().String() + "/keys", nil
}
