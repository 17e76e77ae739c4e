package middleware

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// target is where a request goes, without query and fragment, in one spelling of each (RFC 3986 sections 6.2.2 and 6.2.3).
type target struct{ origin, path string }

func (t target) String() string { return t.origin + t.path }

var (
	defaultPorts = map[string]string{"https": ":443", "http": ":80"}
	errTarget    = errors.New("is not the https or http URL of a host")
)

// parseTarget reads a URL, whose query and fragment don't count (RFC 9449 section 4.3). The error doesn't quote it.
func parseTarget(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 { // RFC 3986 section 2
		return target{}, errTarget
	}
	port := defaultPorts[u.Scheme]
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), port), ":")
	if port == "" || u.Hostname() == "" || u.User != nil {
		return target{}, errTarget
	}
	return target{u.Scheme + "://" + host, normalPath(escapedPath(u))}, nil
}

// escapedPath is the path as it was sent, with what should have been escaped. Where there is such a character, url.URL's undoes the
// escape of a slash, which routers that go by RawPath don't.
func escapedPath(u *url.URL) string {
	escaped := u.EscapedPath()
	if u.RawPath == "" || u.RawPath == escaped {
		return escaped
	}
	if path, err := url.PathUnescape(u.RawPath); err != nil || path != u.Path { // of another path
		return escaped
	}
	return strings.ReplaceAll((&url.URL{Path: u.RawPath}).EscapedPath(), "%25", "%")
}

// parseBase reads a URL of which the path of a request is the continuation.
func parseBase(s string) (target, error) {
	t, err := parseTarget(s)
	if strings.ContainsAny(s, "?#") {
		err = errors.New("has a query or a fragment")
	}
	t.path = strings.TrimRight(t.path, "/")
	return t, err
}

// normalPath spells a path as RFC 3986 sections 6.2.2 and 6.2.3 do: no escape that isn't needed, the others in upper case,
// no dot segments, and never empty. A slash at its end makes a difference.
func normalPath(escaped string) string {
	escaped = normalEscapes(escaped)
	if strings.Contains(escaped, "/.") {
		if u, err := url.Parse("https://host" + escaped); err == nil { // it came out of a URL
			escaped = u.ResolveReference(u).EscapedPath()
		}
	}
	if escaped == "" {
		return "/"
	}
	return escaped
}

// normalEscapes undoes the escapes of unreserved characters (RFC 3986 section 2.3). Each percent sign has its two digits.
func normalEscapes(escaped string) string {
	if strings.IndexByte(escaped, '%') < 0 {
		return escaped
	}
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' {
			b.WriteByte(escaped[i])
			continue
		}
		escape := strings.ToUpper(escaped[i : i+3])
		c, _ := url.PathUnescape(escape)
		if isAlphanumeric(c[0]) || strings.Contains("-._~", c) {
			escape = c
		}
		b.WriteString(escape)
		i += 2
	}
	return b.String()
}

// targetOf is where the client sent the request, as far as those know whom the configuration trusts.
func (p *proofs) targetOf(r *http.Request) (target, error) {
	if r.URL == nil {
		return target{}, errors.New("the request has no URL")
	}
	base := p.base
	if len(p.proxies) > 0 {
		if !trusts(p.proxies, r.RemoteAddr) {
			return target{}, fmt.Errorf("the peer %s is not one of DPoP.TrustedProxies: where the client sent the request can't be told", r.RemoteAddr)
		}
		var err error
		if base, err = forwarded(r.Header); err != nil {
			return target{}, err
		}
	}
	path := escapedPath(r.URL)
	if hasDotSegments(path) { // RFC 3986 section 6.2.2.3 is for htu, and clients remove them before they send a request
		return target{}, errors.New("the request's path has dot segments: a router may take it for another path than the one that they lead to")
	}
	if path != "" && path[0] != '/' { // what http.StripPrefix("/v1/", h) leaves of /v1/orders
		path = "/" + path
	}
	return target{base.origin, normalPath(base.path + path)}, nil
}

func hasDotSegments(escaped string) bool {
	for segment := range strings.SplitSeq(normalEscapes(escaped), "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// isNetwork reports whether some peers are in a network, and others not. An IPv4 address in IPv6 is compared as IPv4.
func isNetwork(prefix netip.Prefix) bool {
	return prefix.IsValid() && prefix.Bits() > 0 && !prefix.Addr().Is4In6()
}

// trusts reports whether a peer, by its address and port, is in one of the networks.
func trusts(networks []netip.Prefix, remoteAddr string) bool {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	for _, network := range networks {
		if network.Contains(peer.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// forwarded is what a proxy says of the URL that the client asked for. A proxy that sets one kind of field passes on those of the
// other kind that a client sent: where both are there they must agree.
func forwarded(h http.Header) (target, error) {
	host, prefix := lastOf(h["X-Forwarded-Host"]), lastOf(h["X-Forwarded-Prefix"])
	if port := lastOf(h["X-Forwarded-Port"]); port != "" && (&url.URL{Host: host}).Port() == "" {
		host += ":" + port
	}
	usual, err := forwardedBase(lastOf(h["X-Forwarded-Proto"]), host, prefix)
	if len(h["Forwarded"]) == 0 {
		return usual, err
	}
	_, params, _ := mime.ParseMediaType("forwarded;" + lastOf(h["Forwarded"])) // RFC 7239 section 4 has the same grammar
	standard, standardErr := forwardedBase(params["proto"], params["host"], prefix)
	if len(h["X-Forwarded-Proto"])+len(h["X-Forwarded-Host"])+len(h["X-Forwarded-Port"]) == 0 {
		return standard, standardErr
	}
	if err := errors.Join(err, standardErr); err != nil || usual != standard {
		return target{}, errors.New("the fields Forwarded and X-Forwarded-Proto, X-Forwarded-Host don't agree")
	}
	return usual, nil
}

func forwardedBase(proto, host, prefix string) (target, error) {
	if host == "" || strings.ContainsAny(host, "/@") || prefix != "" && prefix[0] != '/' {
		return target{}, errors.New("the proxy must tell the scheme and the host that the client asked for")
	}
	t, err := parseBase(strings.ToLower(proto) + "://" + host + prefix)
	if err != nil {
		return target{}, fmt.Errorf("what the proxy tells of the client's URL %w", err)
	}
	return t, nil
}

// lastOf is the last value of fields that hold lists, which the proxy before this server added.
func lastOf(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	field := fields[len(fields)-1]
	return strings.TrimSpace(field[lastComma(field)+1:])
}

// lastComma finds the last comma that doesn't stand in a quoted string, -1 if there is none. It reads backwards, for what the
// proxy wrote is well-formed, and what a client sent before it may leave a quote open.
func lastComma(field string) int {
	quoted := false
	for i := len(field) - 1; i >= 0; i-- {
		switch {
		case field[i] == '"':
			if text := strings.TrimRight(field[:i], `\`); (i-len(text))%2 == 0 { // no escape (RFC 9110 section 5.6.4)
				quoted = !quoted
			}
		case field[i] == ',' && !quoted:
			return i
		}
	}
	return -1
}

// splitUnquoted cuts a field at each semicolon that doesn't stand in a quoted string (RFC 9110 section 5.6.4).
func splitUnquoted(field string) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(field); i++ {
		switch {
		case quoted && field[i] == '\\':
			i++
		case field[i] == '"':
			quoted = !quoted
		case field[i] == ';' && !quoted:
			parts = append(parts, field[start:i])
			start = i + 1
		}
	}
	return append(parts, field[start:])
}
