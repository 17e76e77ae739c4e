package fetch_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
)

//lint:file-ignore SA1019 a caller's transport may still have Dial and DialTLS

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"this network":                  "0.0.0.0 0.1.2.3 ::",
		"private":                       "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 fd00:ec2::254 fdff::1",
		"a carrier's NAT":               "100.64.0.1 100.100.100.200 100.127.255.255",
		"loopback":                      "127.0.0.1 127.255.255.255 ::1",
		"link-local":                    "169.254.169.254 169.254.0.1 fe80::1 fe80::1%eth0 febf::1 fec0::1",
		"a cloud's host":                "168.63.129.16 192.0.0.192",
		"documentation and benchmarks":  "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255 2001:db8::1 3fff::1",
		"multicast, reserved, all":      "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ff01::1 ff02::1 ff0e::1",
		"IPv4 in IPv6, mapped":          "::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0",
		"IPv4 in IPv6, compatible":      "::10.0.0.1 ::127.0.0.1 ::8.8.8.8",
		"IPv4 in IPv6, translated":      "::ffff:0:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b::7f00:1 64:ff9b::169.254.169.254 64:ff9b:1::10.0.0.1 64:ff9b:1::808:808",
		"IPv4 in IPv6, 6to4 and Teredo": "2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2001::1 2001:0:7f00:1::",
		"nowhere":                       "100::1 200::1 4000::1 5f00::1 e000::1",
	} {
		for a := range strings.FieldsSeq(list) {
			if fetch.Public(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s counts as public", name, a)
			}
		}
	}
	if fetch.Public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
	for a := range strings.FieldsSeq("1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 168.63.129.15 169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 " +
		"191.255.255.255 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1 2001:4860:4860::8888 2400:cb00::1 2606:4700::1111 2a00::1") {
		if !fetch.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s does not count as public", a)
		}
	}
}

// TestPublicClient dials what only the dialer knows to be private: no request may arrive.
func TestPublicClient(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig
	here := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	hereTLS := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&tls.Dialer{Config: trust}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	abroad := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := here(ctx, network, address)
		return abroad{conn}, err
	}
	old := func(dial func(context.Context, string, string) (net.Conn, error)) func(string, string) (net.Conn, error) {
		return func(network, address string) (net.Conn, error) { return dial(context.Background(), network, address) }
	}
	for _, tt := range []struct {
		name, url string
		transport *http.Transport
		says      string // "": the request arrives
	}{
		{"a literal address", s.URL, &http.Transport{TLSClientConfig: trust}, "127.0.0.1:" + port + " is not a public address"},
		{"IPv4 written as IPv6", "https://[::ffff:127.0.0.1]:" + port, &http.Transport{TLSClientConfig: trust}, "is not a public address"},
		{"this network", "https://0.0.0.0:" + port, &http.Transport{TLSClientConfig: trust}, "0.0.0.0:" + port + " is not a public address"},
		{"a name", "https://localhost:" + port, &http.Transport{TLSClientConfig: trust}, "is not a public address"},
		{"8725bis-3.10-1 a public name that leads to a private address", "https://example.com", &http.Transport{TLSClientConfig: trust, DialContext: here}, "127.0.0.1:" + port + " is not a public address"},
		{"the old Dial", "https://example.com", &http.Transport{TLSClientConfig: trust, Dial: old(here)}, "is not a public address"},
		{"DialTLSContext", "https://example.com", &http.Transport{DialTLSContext: hereTLS}, "is not a public address"},
		{"the old DialTLS", "https://example.com", &http.Transport{DialTLS: old(hereTLS)}, "is not a public address"},
		{"no TCP", "https://example.com", &http.Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := here(ctx, network, address)
			return nowhere{conn}, err
		}}, "<nil> is not a public address"},
		{"a proxy", "https://example.com", &http.Transport{TLSClientConfig: trust, DialContext: abroad, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})}, "a proxy would hide"},
		{"no proxy for this one", "https://example.com", &http.Transport{TLSClientConfig: trust, DialContext: abroad, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}, ""},
		{"a public address", "https://example.com", &http.Transport{TLSClientConfig: trust, DialContext: abroad}, ""},
	} {
		before := requests.Load()
		proxy := tt.transport.Proxy
		_, err := fetch.Get(t.Context(), fetch.NewPublicClient(&http.Client{Transport: tt.transport}), tt.url, fetch.Validators{})
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
		if arrived := requests.Load() != before; arrived != (tt.says == "") {
			t.Errorf("%s: a request arrived: %v", tt.name, arrived)
		}
		if (proxy == nil) != (tt.transport.Proxy == nil) {
			t.Errorf("%s: the caller's transport was changed", tt.name)
		}
	}
	for name, client := range map[string]*http.Client{"our own": nil, "without a Transport": {}} {
		if _, err := fetch.Get(t.Context(), fetch.NewPublicClient(client), s.URL, fetch.Validators{}); err == nil || !strings.Contains(err.Error(), "is not a public address") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPublicDial: our own dialer doesn't so much as knock.
func TestPublicDial(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := fetch.Get(ctx, fetch.NewPublicClient(nil), "http://"+l.Addr().String(), fetch.Validators{}); err == nil {
		t.Fatal("no error")
	}
	own, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != own.LocalAddr().String() {
		t.Error("a connection was made before the address was looked at")
	}
}

// TestPublicRedirect: each connection is looked at, the one after a redirect too.
func TestPublicRedirect(t *testing.T) {
	t.Parallel()
	var requests, dials atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	t.Cleanup(s.Close)
	rebound := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		if dials.Add(1) > 1 || err != nil {
			return conn, err // the name leads elsewhere now
		}
		return abroad{conn}, nil
	}}
	_, err := fetch.Get(t.Context(), fetch.NewPublicClient(&http.Client{Transport: rebound}), "http://example.com/", fetch.Validators{})
	if err == nil || !strings.Contains(err.Error(), "is not a public address") || requests.Load() != 1 || dials.Load() != 2 {
		t.Errorf("%v after %d requests and %d dials", err, requests.Load(), dials.Load())
	}
}

// abroad is a connection that says it leads to a public address.
type abroad struct{ net.Conn }

func (abroad) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(93, 184, 215, 14), Port: 443}
}

// nowhere is a connection that doesn't say where it leads.
type nowhere struct{ net.Conn }

func (nowhere) RemoteAddr() net.Addr { return nil }
