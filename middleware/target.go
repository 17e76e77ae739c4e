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

// parseTarget reads the htu of a proof (RFC 9449 section 4.3). Its query and its fragment don't count.
func parseTarget(uri string) (target, error) {
	u, err := url.Parse(uri)
	if err != nil || strings.IndexFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 { // RFC 3986 section 2
		return target{}, errors.New("htu is not a URL") // the error would quote it, query and all
	}
	origin, err := originOf(u)
	if err != nil {
		return target{}, fmt.Errorf("htu %w", err)
	}
	return target{origin, normalPath(u.EscapedPath())}, nil
}

// parseBase reads a URL of which a request's path is a continuation.
func parseBase(s string) (target, error) {
	u, err := url.Parse(s)
	if err == nil && (u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#")) {
		err = errors.New("has a query or a fragment")
	}
	if err != nil {
		return target{}, fmt.Errorf("middleware: DPoP.PublicURL %q must be a URL like https://api.example.com: %w", s, err)
	}
	origin, err := originOf(u)
	if err != nil {
		return target{}, fmt.Errorf("middleware: DPoP.PublicURL %q %w", s, err)
	}
	return target{origin, strings.TrimRight(u.EscapedPath(), "/")}, nil
}

var defaultPorts = map[string]string{"https": ":443", "http": ":80"}

// originOf is scheme and authority in lower case, without a default or an empty port.
func originOf(u *url.URL) (string, error) {
	port := defaultPorts[u.Scheme]
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), port), ":")
	switch {
	case port == "":
		return "", errors.New("is neither https nor http")
	case host == "" || u.User != nil:
		return "", errors.New("has no host, or more than a host")
	}
	return u.Scheme + "://" + host, nil
}

// normalPath spells a path as RFC 3986 sections 6.2.2 and 6.2.3 do: no escape that isn't needed, the others in upper case,
// no dot segments, and never empty. A slash at its end makes a difference.
func normalPath(escaped string) string {
	if strings.IndexByte(escaped, '%') >= 0 {
		escaped = normalEscapes(escaped)
	}
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
	return target{base.origin, normalPath(base.path + r.URL.EscapedPath())}, nil
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

// forwarded is what a proxy says of the URL that the client asked for. A proxy that sets only one kind of field passes on a
// client's fields of the other kind: where both are there they must agree.
func forwarded(h http.Header) (target, error) {
	standard, usual := h["Forwarded"], false
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"} {
		usual = usual || len(h[name]) > 0
	}
	var t target
	if usual {
		host := lastOf(h["X-Forwarded-Host"])
		if port := lastOf(h["X-Forwarded-Port"]); port != "" && (&url.URL{Host: host}).Port() == "" {
			host += ":" + port
		}
		var err error
		if t, err = forwardedBase(lastOf(h["X-Forwarded-Proto"]), host, lastOf(h["X-Forwarded-Prefix"])); err != nil {
			return target{}, fmt.Errorf("X-Forwarded-Proto, X-Forwarded-Host: %w", err)
		}
	}
	if len(standard) == 0 && usual {
		return t, nil
	}
	_, params, err := mime.ParseMediaType("forwarded;" + lastOf(standard)) // RFC 7239 section 4 has the same grammar
	if err != nil {
		return target{}, errors.New("the Forwarded field can't be read")
	}
	s, err := forwardedBase(params["proto"], params["host"], t.path)
	if err != nil {
		return target{}, fmt.Errorf("Forwarded: %w", err)
	}
	if usual && s != t {
		return target{}, errors.New("Forwarded and X-Forwarded-Host or X-Forwarded-Proto disagree")
	}
	return s, nil
}

func forwardedBase(proto, host, prefix string) (target, error) {
	u, err := url.Parse(strings.ToLower(proto) + "://" + host + prefix)
	if err != nil || host == "" || !strings.EqualFold(u.Host, host) || u.RawQuery != "" || u.Fragment != "" {
		return target{}, errors.New("the proxy must tell the scheme and the host that the client asked for")
	}
	origin, err := originOf(u)
	return target{origin, strings.TrimRight(u.EscapedPath(), "/")}, err
}

// lastOf is the last value of fields that hold lists, which the proxy before this server added.
func lastOf(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	values := splitUnquoted(fields[len(fields)-1], ',')
	return strings.TrimSpace(values[len(values)-1])
}

// splitUnquoted cuts a field at each separator that doesn't stand in a quoted string (RFC 9110 section 5.6.4).
func splitUnquoted(field string, separator byte) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(field); i++ {
		switch {
		case quoted && field[i] == '\\':
			i++
		case field[i] == '"':
			quoted = !quoted
		case field[i] == separator && !quoted:
			parts = append(parts, field[start:i])
			start = i + 1
		}
	}
	return append(parts, field[start:])
}
