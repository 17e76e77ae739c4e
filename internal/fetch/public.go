package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
)

// globalUnicast is all of IPv6 that is given out to reach one host from anywhere (RFC 4291 section 2.4, IANA's registry).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// nat64 is the well-known prefix: the last 32 bits are the IPv4 address that is reached (RFC 6052 section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special lists what lies among public addresses and is none: IANA's registries of special-purpose addresses (RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network (RFC 791 section 3.2): Linux takes 0.0.0.0 for this machine
	netip.MustParsePrefix("10.0.0.0/8"),       // private (RFC 1918)
	netip.MustParsePrefix("100.64.0.0/10"),    // behind a carrier's NAT (RFC 6598), also some clouds' metadata
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host, as its virtual machines see it
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local (RFC 3927), also most clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments (RFC 6890), also one cloud's metadata
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation (RFC 5737)
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays (RFC 7526)
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks (RFC 2544)
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/3"),      // multicast, reserved and broadcast (RFC 1112 section 4, RFC 8190)
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, Teredo among them: it carries IPv4 addresses
	netip.MustParsePrefix("2001:db8::/32"),    // documentation (RFC 3849)
	netip.MustParsePrefix("2002::/16"),        // 6to4 (RFC 3056): it carries IPv4 addresses
	netip.MustParsePrefix("3fff::/20"),        // documentation (RFC 9637)
}

// Public reports whether an address is one that anybody on the internet can have: not private, link-local, loopback,
// unspecified, multicast, reserved or of a carrier's NAT. An IPv4 address counts in each form that it takes in IPv6.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// NewPublicClient is [NewClient] for URLs that others have a say in: it connects to public addresses only
// (draft-ietf-oauth-rfc8725bis section 3.10). What counts is the address that a connection is made to, after the name was
// resolved, each time. Our own dialer looks before it connects; where the caller's Transport dials by itself, the connection
// is looked at before anything is sent. A proxy would hide the address: where one is to be used, the request fails.
func NewPublicClient(caller *http.Client) *http.Client {
	client := http.Client{}
	if caller != nil {
		client = *caller
	}
	switch t := client.Transport.(type) {
	case nil:
		client.Transport = onlyPublic(ownTransport())
	case *http.Transport:
		client.Transport = onlyPublic(t.Clone())
	}
	return NewClient(&client)
}

var errProxy = errors.New("a proxy would hide which address is reached: it takes DangerouslyAllowPrivateNetwork, and the proxy's own rules")

//lint:file-ignore SA1019 a caller's transport may still have Dial and DialTLS

func onlyPublic(t *http.Transport) *http.Transport {
	if proxy := t.Proxy; proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			u, err := proxy(r)
			if u != nil {
				return nil, errProxy
			}
			return nil, err
		}
	}
	if t.DialContext == nil && t.Dial == nil {
		t.DialContext = (&net.Dialer{ControlContext: checkAddress}).DialContext
	}
	t.DialContext, t.DialTLSContext = publicContext(t.DialContext), publicContext(t.DialTLSContext)
	t.Dial, t.DialTLS = public(t.Dial), public(t.DialTLS)
	return t
}

// checkAddress runs after the name was resolved and before the connection is made.
func checkAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !Public(a.Addr()) {
		return notPublic(address)
	}
	return nil
}

func notPublic(address string) error {
	return fmt.Errorf("%s is not a public address: it takes DangerouslyAllowPrivateNetwork", address)
}

func checkConn(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !Public(tcp.AddrPort().Addr()) {
		conn.Close()
		return nil, notPublic(fmt.Sprint(conn.RemoteAddr()))
	}
	return conn, nil
}

func publicContext(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return checkConn(dial(ctx, network, address))
	}
}

func public(dial func(string, string) (net.Conn, error)) func(string, string) (net.Conn, error) {
	if dial == nil {
		return nil
	}
	return func(network, address string) (net.Conn, error) { return checkConn(dial(network, address)) }
}
