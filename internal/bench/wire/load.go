package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	connections = 32
	duration    = time.Second // of one run; wrk takes whole seconds
)

// load says what is sent: one token all the time, or a file of tokens in turn.
type load struct {
	token  string
	script string   // for wrk, with the tokens of tokens
	tokens []string // nil: token alone
}

// result of one run.
type result struct {
	rate    float64 // requests per second
	latency string  // p50 and p99
}

var (
	rateLine = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	badLine  = regexp.MustCompile(`(Non-2xx or 3xx responses|Socket errors): (.*)`)
	latLine  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+(\S+)`)
)

// play sends requests for a second, all of which must be answered with 200.
func (l load) play(ctx context.Context, target string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*duration)
	defer cancel()
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return l.playGo(ctx, target)
	}
	args := pinned(1, wrk, "-t1", "-c", strconv.Itoa(connections), "-d", duration.String(), "--latency", target)
	if l.tokens != nil {
		args = append(args, "-s", l.script)
	} else {
		args = append(args, "-H", "Authorization: Bearer "+l.token)
	}
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk %s: %w\n%s", target, err, out)
	}
	if bad := badLine.FindString(string(out)); bad != "" {
		return result{}, fmt.Errorf("%s: %s", target, bad)
	}
	found := rateLine.FindStringSubmatch(string(out))
	if found == nil {
		return result{}, fmt.Errorf("wrk %s: no rate in\n%s", target, out)
	}
	r := result{}
	for _, m := range latLine.FindAllStringSubmatch(string(out), -1) {
		r.latency += fmt.Sprintf(" p%s %s", m[1], m[2])
	}
	r.rate, err = strconv.ParseFloat(found[1], 64)
	return r, err
}

// playGo is the generator where there is no wrk.
func (l load) playGo(ctx context.Context, target string) (result, error) {
	u, err := url.Parse(target)
	if err != nil {
		return result{}, err
	}
	if l.tokens == nil {
		l.tokens = []string{l.token}
	}
	var sent atomic.Int64
	var failed atomic.Value
	var wg sync.WaitGroup
	began := time.Now()
	for c := range connections {
		wg.Go(func() {
			if err := l.converse(ctx, u, began.Add(duration), c*len(l.tokens)/connections, &sent); err != nil {
				failed.Store(err)
			}
		})
	}
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		return result{}, err
	}
	return result{rate: float64(sent.Load()) / time.Since(began).Seconds()}, nil
}

// converse sends request after request over one connection.
func (l load) converse(ctx context.Context, u *url.URL, until time.Time, first int, sent *atomic.Int64) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for i := first; time.Now().Before(until); i++ {
		if _, err := io.WriteString(conn, "GET "+u.Path+" HTTP/1.1\r\nHost: "+u.Host+"\r\nAuthorization: Bearer "+l.tokens[i%len(l.tokens)]+"\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", u, answer.Status)
		}
		sent.Add(1)
	}
	return nil
}
