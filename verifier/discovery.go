package verifier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
)

// rediscoverAfter is how long a discovered jwks_uri is believed while fetches succeed.
const rediscoverAfter = 24 * time.Hour

// documentLimits bound the JSON of a metadata document, whose size is bounded already.
var documentLimits = jose.Limits{Depth: 32, Members: 5000}

// source is where an issuer's keys come from. Only one attempt at a time uses it.
type source struct {
	issuer    string
	client    *http.Client
	timeout   time.Duration
	allowHTTP bool

	metadata     []string // URLs to ask, best first; empty: jwksURL is configured
	jwksURL      string
	discoveredAt time.Time
	failed       bool // the last attempt
	validators   fetch.Validators
}

// metadataURLs lists where an issuer's metadata may be: OpenID Connect Discovery section 4, RFC 8414 sections 3 and 5.
// Most servers with a path in the issuer know only the first.
func metadataURLs(issuer *url.URL) []string {
	origin, path := issuer.Scheme+"://"+issuer.Host, strings.TrimSuffix(issuer.EscapedPath(), "/")
	urls := []string{origin + path + "/.well-known/openid-configuration", origin + "/.well-known/oauth-authorization-server" + path}
	if path != "" {
		urls = append(urls, origin+"/.well-known/openid-configuration"+path)
	}
	return urls
}

// load fetches the keys, asking first where they are if that isn't known, is known for long, or has led to nothing.
func (s *source) load(ctx context.Context, now time.Time, old *keySet) (*keySet, *fetch.Response, error) {
	if err := s.locate(ctx, now); err != nil {
		s.failed = true
		return nil, nil, err
	}
	set, response, err := s.fetchKeys(ctx, old)
	s.failed = err != nil
	return set, response, err
}

func (s *source) locate(ctx context.Context, now time.Time) error {
	if len(s.metadata) == 0 || s.jwksURL != "" && !s.failed && now.Sub(s.discoveredAt) < rediscoverAfter {
		return nil
	}
	if s.jwksURL != "" {
		// An old jwks_uri may still serve: leave it half of the time.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout/2)
		defer cancel()
	}
	found, err := s.discover(ctx, "jwks_uri")
	if err != nil {
		if s.jwksURL != "" {
			return nil
		}
		return err
	}
	if found != s.jwksURL {
		s.jwksURL, s.validators = found, fetch.Validators{}
	}
	s.discoveredAt = now
	return nil
}

func (s *source) fetchKeys(ctx context.Context, old *keySet) (*keySet, *fetch.Response, error) {
	if old == nil {
		s.validators = fetch.Validators{}
	}
	response, err := fetch.Get(ctx, s.client, s.jwksURL, s.validators)
	if err != nil {
		return nil, nil, fmt.Errorf("keys of %s: %w", s.issuer, err)
	}
	if response.NotModified {
		renewed := *old
		return &renewed, response, nil
	}
	set, err := newKeySet(response.Body, old)
	if err != nil {
		return nil, nil, fmt.Errorf("keys of %s: %w", s.issuer, response.Unusable(s.jwksURL, err))
	}
	s.validators = response.Validators
	return set, response, nil
}

// discover returns a URL from the first document that is the issuer's, and asks for that document first from then on. Its
// members are named as claims are: the first that is there.
// Whatever a URL answers instead (400, 401, 404, a sign-in page with 200, another issuer's document) leads to the next.
func (s *source) discover(ctx context.Context, members ...string) (string, error) {
	var errs []error
	for i, u := range s.metadata {
		found, err := s.ask(ctx, u, members)
		if err == nil {
			copy(s.metadata[1:i+1], s.metadata[:i])
			s.metadata[0] = u
			return found, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil { // the first ones had the time of the others: next time another one is first
			s.metadata = slices.Concat(s.metadata[1:], s.metadata[:1])
			break
		}
	}
	return "", fmt.Errorf("discovery of %s: %w", s.issuer, errors.Join(errs...))
}

func (s *source) ask(ctx context.Context, metadataURL string, members []string) (string, error) {
	response, err := fetch.Get(ctx, s.client, metadataURL, fetch.Validators{})
	if err != nil {
		return "", err
	}
	o, err := jose.ParseObject(jose.TrimBOM(response.Body), documentLimits)
	if err != nil {
		return "", response.Unusable(metadataURL, err)
	}
	raw, _ := o.Get("issuer")
	issuer, ok := jose.String(raw)
	// RFC 8414 section 3.3: of a document with another issuer nothing may be used.
	if !ok || issuer != s.issuer {
		return "", fmt.Errorf("%s: its issuer is %s, Config.Issuer is %q%s", metadataURL, quote(issuer), s.issuer, difference(issuer, s.issuer))
	}
	member, found := firstMember(o, members)
	if found == "" {
		return "", fmt.Errorf("%s: it has no %s", metadataURL, member)
	}
	base, _ := url.Parse(metadataURL)
	if err := checkURL(found, s.allowHTTP || base.Scheme == "http" && isLoopback(base)); err != nil {
		return "", fmt.Errorf("%s: %s %w", metadataURL, member, err)
	}
	return found, nil
}

// firstMember finds the first of several members that is a string.
func firstMember(o jose.Object, members []string) (member, value string) {
	document := Claims{body: o}
	for _, member = range members {
		if name, err := parseClaimName(member); err == nil {
			if value, ok := jose.String(document.lookup(name)); ok {
				return member, value
			}
		}
	}
	return member, ""
}

// checkURL wants an absolute https URL; http only where the caller says so. One that has a port and no host would lead to
// this machine.
func checkURL(s string, allowHTTP bool) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("%s is not an absolute URL", quote(s))
	case u.Scheme == "https" || u.Scheme == "http" && allowHTTP:
		return nil
	}
	return fmt.Errorf("%s must be https", quote(s))
}

// isLoopback reports whether a URL leads to this machine by what is written in it: 127.0.0.0/8, ::1 or exactly
// localhost, which the client then makes sure of when it dials.
func isLoopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}
