package verifier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
)

const (
	defaultSkew = 30 * time.Second
	maxSkew     = 5 * time.Minute // RFC 9068 section 4: usually no more than a few minutes
)

// withDefault reads a setting whose zero value means a default and whose negative values mean none.
func withDefault[T int | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return max(value, 0)
}

// check reports the mistakes that concern neither the issuer, the profile nor the keys.
func (cfg *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("verifier: "+format, args...)) }
	switch {
	case cfg.DangerouslyAcceptAnyAudience && len(cfg.Audience) > 0:
		wrong("Audience is set and DangerouslyAcceptAnyAudience too: choose one")
	case !cfg.DangerouslyAcceptAnyAudience && len(cfg.Audience) == 0:
		wrong("Audience is empty: list the names by which tokens address this API, else a token for any other API of the issuer would be accepted")
	case slices.Contains(cfg.Audience, ""):
		wrong("Audience holds an empty string: is an environment variable unset?")
	}
	if slices.Contains(cfg.Clients, "") {
		wrong("Clients holds an empty string: is an environment variable unset?")
	}
	for _, alg := range cfg.Algorithms {
		if !slices.Contains(jose.Algorithms(), alg) {
			wrong("Algorithms holds %q: only asymmetric ones can be accepted, %s", alg, strings.Join(jose.Algorithms(), " "))
		}
	}
	if cfg.ClockSkew > maxSkew {
		wrong("ClockSkew is %v, at most %v: set the clocks instead", cfg.ClockSkew, maxSkew)
	}
	return errors.Join(errs...)
}

// checkIssuer: RFC 8414 section 2.
func (cfg *Config) checkIssuer() error {
	if cfg.Issuer == "" {
		return errors.New("verifier: Issuer is empty: set the authorization server's issuer identifier exactly as its tokens' iss has it")
	}
	if cfg.MetadataURL != "" || cfg.JWKSURL != "" || cfg.JWKS != nil {
		return nil
	}
	u, err := url.Parse(cfg.Issuer)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("verifier: Issuer %q is not an absolute URL: write https://..., or say where its keys are with MetadataURL, JWKSURL or JWKS", cfg.Issuer)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(cfg.Issuer, "#"):
		return fmt.Errorf("verifier: Issuer %q has a query or a fragment: an issuer identifier has none (RFC 8414 section 2)", cfg.Issuer)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u)):
		return fmt.Errorf("verifier: Issuer %q must be https (http on loopback alone): if its keys really come over http, set MetadataURL or JWKSURL and DangerouslyAllowHTTP", cfg.Issuer)
	}
	return nil
}

// rules compiles the profile and this deployment's own match.
func (cfg *Config) rules() (*rules, error) {
	r, err := cfg.Profile.compile()
	own, ownErr := compileMatch(cfg.Match)
	r.ownMatch = own
	if len(cfg.Clients) > 0 && len(r.clientID) == 0 {
		err = errors.Join(err, errors.New("verifier: Clients is set, but the Profile lists no ClientIDClaims: no token says which client it is for"))
	}
	if cfg.Profile.anybody != "" && !wantsValue(cfg.Match) {
		err = errors.Join(err, fmt.Errorf("verifier: Match is empty: with this profile %s can get a token for any audience, so say in Match whose tokens are meant", cfg.Profile.anybody))
	}
	return r, errors.Join(err, ownErr)
}

// wantsValue reports whether a match asks for more than that claims are there.
func wantsValue(match map[string][]string) bool {
	for _, values := range match {
		if len(values) > 0 {
			return true
		}
	}
	return false
}

// keyset decides where the keys come from.
func (cfg *Config) keyset(now func() time.Time) (*keyset, error) {
	policy, err := cfg.Refresh.withDefaults()
	k := &keyset{policy: policy, now: now, random: rand.Float64}
	if cfg.JWKS != nil {
		if cfg.JWKSURL != "" || cfg.MetadataURL != "" {
			err = errors.Join(err, errors.New("verifier: JWKS is set and JWKSURL or MetadataURL too: choose where the keys come from"))
		}
		set, setErr := newKeySet(cfg.JWKS, nil)
		if setErr != nil {
			err = errors.Join(err, fmt.Errorf("verifier: JWKS: %w", setErr))
		}
		k.served.Store(set)
		return k, err
	}
	s := &source{issuer: cfg.Issuer, client: fetch.NewClient(cfg.Client), timeout: policy.Timeout, allowHTTP: cfg.DangerouslyAllowHTTP, jwksURL: cfg.JWKSURL}
	switch {
	case cfg.JWKSURL != "":
		err = errors.Join(err, cfg.checkURL("JWKSURL", cfg.JWKSURL))
		if cfg.MetadataURL != "" {
			err = errors.Join(err, errors.New("verifier: JWKSURL is set and MetadataURL too: with JWKSURL there is no discovery, leave one out"))
		}
	case cfg.MetadataURL != "":
		s.metadata = []string{cfg.MetadataURL}
		err = errors.Join(err, cfg.checkURL("MetadataURL", cfg.MetadataURL))
	default:
		if u, parseErr := url.Parse(cfg.Issuer); parseErr == nil { // else checkIssuer says so
			s.metadata = metadataURLs(u)
		}
	}
	k.source = s
	if hook := cfg.Hooks.Fetched; hook != nil {
		k.hook = func(ctx context.Context, e FetchEvent) {
			e.Issuer = cfg.Issuer
			hook(ctx, e)
		}
	}
	return k, err
}

func (cfg *Config) checkURL(field, s string) error {
	u, err := url.Parse(s)
	if err := checkURL(s, cfg.DangerouslyAllowHTTP || err == nil && isLoopback(u)); err != nil {
		return fmt.Errorf("verifier: %s: %w (http takes DangerouslyAllowHTTP, except on loopback)", field, err)
	}
	return nil
}

func (p RefreshPolicy) withDefaults() (RefreshPolicy, error) {
	d := RefreshPolicy{
		Default: withDefault(p.Default, 10*time.Minute), Min: withDefault(p.Min, time.Minute), Max: withDefault(p.Max, time.Hour),
		MaxStale: withDefault(p.MaxStale, 24*time.Hour), Timeout: withDefault(p.Timeout, 5*time.Second),
	}
	var err error
	if p.Default < 0 || p.Min < 0 || p.Max < 0 || p.Timeout < 0 {
		err = errors.New("verifier: Refresh holds a negative duration: only MaxStale can be negative")
	} else if d.Min > d.Max || d.Default < d.Min || d.Default > d.Max {
		err = fmt.Errorf("verifier: Refresh: want Min <= Default <= Max, not %v, %v, %v (10 min, 1 min, 1 h where unset: Default, Min, Max)", d.Min, d.Default, d.Max)
	} else if p.MaxStale > 0 && p.MaxStale < d.Max {
		err = fmt.Errorf("verifier: Refresh.MaxStale is %v, less than Max, %v: make it longer, or negative to serve no key beyond its freshness", p.MaxStale, d.Max)
	}
	return d, err
}

// checkProvider knows the first-hour mistakes with well-known authorization servers.
func (cfg *Config) checkProvider() error {
	u, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil
	}
	host := strings.ToLower(u.Hostname())
	entra := host == "login.microsoftonline.com" || host == "sts.windows.net"
	cognito := strings.HasPrefix(host, "cognito-idp.")
	okta := strings.HasSuffix(host, ".okta.com") || strings.HasSuffix(host, ".oktapreview.com") || strings.HasSuffix(host, ".okta-emea.com")
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("verifier: "+format, args...)) }
	if name := map[bool]string{entra: "Entra", cognito: "Cognito", okta: "Okta"}[true]; name != "" && cfg.Profile.isZero() {
		wrong("Issuer %q writes no RFC 9068 tokens: set Profile: verifier.%s()", cfg.Issuer, name)
	}
	if tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); entra && !isGUID(tenant) {
		wrong("Issuer %q names the tenant as %q, its tokens name it by its GUID: use that (several tenants of a multi-tenant application: EntraTenants)", cfg.Issuer, tenant)
	}
	if okta && !strings.HasPrefix(u.Path, "/oauth2/") {
		wrong("Issuer %q is Okta's org authorization server, whose tokens can't be verified by others: use a custom one, %s/oauth2/default for example", cfg.Issuer, strings.TrimSuffix(cfg.Issuer, "/"))
	}
	if strings.HasSuffix(host, ".auth0.com") && u.Path == "" {
		wrong("Issuer %q lacks its slash: Auth0's issuers end in one, %s/", cfg.Issuer, cfg.Issuer)
	}
	return errors.Join(errs...)
}

func isGUID(s string) bool {
	if len(s) != 36 || strings.Count(s, "-") != 4 {
		return false
	}
	return strings.Trim(strings.ToLower(s), "0123456789abcdef-") == ""
}
