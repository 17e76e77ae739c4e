package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/bench/report"
)

const pairs = 7

// ratio is guarded against unguarded, from runs in turn.
type ratio struct {
	rate            float64 // of requests per second
	cpu             float64 // of requests per CPU time of the server
	bare, guarded   float64 // requests per second
	bareLat, latncy string
}

func (r ratio) String() string {
	s := fmt.Sprintf("%.3f: %.0f of %.0f req/s", r.rate, r.guarded, r.bare)
	if r.cpu > 0 {
		s += fmt.Sprintf(" (by the server's CPU time %.3f)", r.cpu)
	}
	return s
}

// compare plays a load against a route and its unguarded twin in turn.
func (b *bench) compare(s *server, route string, l load) (ratio, error) {
	if _, err := l.play(b.ctx, s.url+route); err != nil { // warm-up
		return ratio{}, err
	}
	var rates, cpus, bares, guardeds []float64
	var last ratio
	for range pairs {
		var rate, perCPU [2]float64
		for i, r := range []string{bare, route} {
			before := s.cpu()
			found, err := l.play(b.ctx, s.url+r)
			if err != nil {
				return ratio{}, err
			}
			rate[i] = found.rate
			perCPU[i] = found.rate / (s.cpu() - before)
			last.bareLat, last.latncy = last.latncy, found.latency
		}
		rates, bares, guardeds = append(rates, rate[1]/rate[0]), append(bares, rate[0]), append(guardeds, rate[1])
		cpus = append(cpus, perCPU[1]/perCPU[0])
	}
	last.rate, last.cpu, last.bare, last.guarded = report.Median(rates), report.Median(cpus), report.Median(bares), report.Median(guardeds)
	return last, nil
}

// self is this program as a server, on one core with one P unless env says more.
func (b *bench) self(framework string, procs int) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{program, "-serve", framework, b.jwks, b.jwksURL}
	if procs == 1 {
		args = pinned(0, args...)
	}
	return start(b.ctx, framework, []string{fmt.Sprintf("GOMAXPROCS=%d", procs)}, args...)
}

// framework measures ours on one framework, and auth0 2 where it is mounted.
func (b *bench) framework(name string, withPeers bool) ([]report.Row, error) {
	s, err := b.self(name, 1)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	rows := []report.Row{}
	for _, mode := range []struct {
		name, route string
		load        load
		least       float64
	}{
		{"reused token", cached, b.one, 0.90},
		{"another of 8000 cached tokens", cached, b.each, 0.75},
		{"cache off", uncached, b.one, 0.21},
	} {
		found, err := b.compare(s, mode.route, mode.load)
		if err != nil {
			return nil, err
		}
		r := report.Row{Name: name + ", " + mode.name, Library: report.Ours, Found: found.String(), Must: fmt.Sprintf("at least %.2f", mode.least)}
		r.AtLeast("ratio", found.rate, mode.least)
		rows = append(rows, r)
	}
	if withPeers && name == "net/http" {
		found, err := b.compare(s, peer, b.one)
		if err != nil {
			return nil, err
		}
		rows = append(rows, report.Row{Name: name + ", reused token", Library: "auth0 2", Found: found.String()})
	}
	return rows, nil
}

// foreign measures a server that isn't Go's. What can't be had has a row that says why.
func (b *bench) foreign(name, library string, withPeers bool) ([]report.Row, error) {
	if !withPeers {
		return nil, nil
	}
	begin := b.startExpress
	if name == "Apache" {
		begin = b.startApache
	}
	s, err := begin(b.ctx)
	if err != nil {
		return []report.Row{{Name: name + ", reused token", Library: library, Found: "not measured: " + err.Error()}}, nil
	}
	defer s.stop()
	var rows []report.Row
	for mode, l := range map[string]load{"reused token": b.one, "another of 8000 tokens": b.each} {
		found, err := b.compare(s, peer, l)
		r := report.Row{Name: name + ", " + mode, Library: library, Found: found.String()}
		if err != nil {
			r.Found = "not measured: " + err.Error()
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b report.Row) int { return strings.Compare(b.Name, a.Name) })
	return rows, nil
}

// cores measures ours with one P and with two, with which the load shares the cores.
func (b *bench) cores(bool) ([]report.Row, error) {
	var rows []report.Row
	for _, procs := range []int{1, 2} {
		s, err := b.self("net/http", procs)
		if err != nil {
			return nil, err
		}
		found, err := b.compare(s, cached, b.each)
		resident := s.resident()
		s.stop()
		if err != nil {
			return nil, err
		}
		r := report.Row{
			Name: fmt.Sprintf("GOMAXPROCS %d, another of 8000 cached tokens", procs), Library: report.Ours, Must: "at least 0.75",
			Found: found.String() + "; bare" + found.bareLat + ", guarded" + found.latncy, Memory: fmt.Sprintf("%.0f MiB resident", resident/1024),
		}
		r.AtLeast("ratio", found.rate, 0.75)
		rows = append(rows, r)
	}
	return rows, nil
}

// programs says what ran.
func (b *bench) programs() []string {
	var list []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if slices.Contains([]string{"github.com/labstack/echo/v4", "github.com/gin-gonic/gin", "github.com/auth0/go-jwt-middleware/v2"}, dep.Path) {
				list = append(list, dep.Path+" "+dep.Version)
			}
		}
	}
	dir, _ := expressDir()
	for _, args := range [][]string{{"wrk", "-v"}, {apache, "-v"}, {"node", "-p", "'node '+process.version+' express '+require('" + dir + "/node_modules/express/package.json').version+" +
		"' express-oauth2-jwt-bearer '+require('" + dir + "/node_modules/express-oauth2-jwt-bearer/package.json').version"}} {
		out, _ := exec.Command(args[0], args[1:]...).CombinedOutput() // wrk -v exits with 1
		if first, _, _ := strings.Cut(string(out), "\n"); first != "" {
			list = append(list, strings.TrimSpace(first))
		}
	}
	return list
}
