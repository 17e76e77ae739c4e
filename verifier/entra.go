package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Entra's issuers name the tenant by its GUID. The keys that all tenants share have a template for it in their issuer member.
const (
	entraV1       = "https://sts.windows.net/"
	entraV2       = "https://login.microsoftonline.com/"
	entraV2End    = "/v2.0"
	entraTemplate = "{tenantid}"
	entraKeys     = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	anyTenant     = "00000000-0000-0000-0000-000000000000" // for New, which wants one
)

// EntraTenants accepts tokens of several tenants of Microsoft Entra ID, of version 1 and 2, for an API that is registered
// as a multi-tenant application. Tenants are named by their GUIDs; tokens of others are refused with [ErrIssuer].
//
// All share the key set that Entra publishes for all of its tenants, fetched once and not for each. A key of that set is
// used for the tenant alone that its issuer member names, or for any where it has {tenantid} there; a key without one
// verifies nothing. The token's tid must be the tenant that its iss names, so that either can be relied on.
//
// cfg says what else must be true of a token, Audience above all: the API's client id, and for version 1 its app-id URIs.
// Issuer and MetadataURL must be empty. The zero Profile is [Entra]; without a JWKSURL or JWKS the keys come from
// login.microsoftonline.com. National clouds have other hosts, and are not among this one's tenants. For events the issuer is the template,
// https://login.microsoftonline.com/{tenantid}/v2.0; [Claims.Issuer] is the token's.
//
// Subjects are told apart only together with the tenant. Tenant 9188040d-6c67-4c5b-b112-36a304b66dad is everybody with a
// personal Microsoft account.
func EntraTenants(cfg Config, tenants ...string) (*Verifier, error) {
	var errs []error
	if len(tenants) == 0 {
		errs = append(errs, errors.New("verifier: EntraTenants without a tenant would refuse every token"))
	}
	if cfg.Issuer != "" || cfg.MetadataURL != "" {
		errs = append(errs, errors.New("verifier: EntraTenants: Issuer or MetadataURL is set: leave both out, the tenants say which issuers there are and one key set serves all"))
	}
	accepted := map[string]bool{}
	for _, t := range tenants {
		if !isGUID(t) {
			errs = append(errs, fmt.Errorf("verifier: EntraTenants: tenant %q is no GUID: its tokens name it by its GUID, use that", t))
		}
		accepted[strings.ToLower(t)] = true
	}
	cfg.Issuer, cfg.MetadataURL = entraV2+anyTenant+entraV2End, ""
	if cfg.Profile.isZero() {
		cfg.Profile = Entra()
	}
	if cfg.JWKSURL == "" && cfg.JWKS == nil {
		cfg.JWKSURL = entraKeys
	}
	v, err := New(cfg)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	v.issuer, v.tenants = entraV2+entraTemplate+entraV2End, accepted
	if v.keys.source != nil {
		v.keys.source.issuer = v.issuer
	}
	if hook := cfg.Hooks.Fetched; hook != nil && v.keys.source != nil {
		v.keys.hook = func(ctx context.Context, e FetchEvent) {
			e.Issuer = v.issuer
			hook(ctx, e)
		}
	}
	return v, nil
}

// entraTenant is what stands for the tenant in an issuer of one of Entra's two forms, "" in any other.
func entraTenant(iss string) string {
	tenant, ok := strings.CutPrefix(iss, entraV1)
	if ok {
		tenant, ok = strings.CutSuffix(tenant, "/")
	} else if tenant, ok = strings.CutPrefix(iss, entraV2); ok {
		tenant, ok = strings.CutSuffix(tenant, entraV2End)
	}
	if !ok {
		return ""
	}
	return tenant
}

// names lists the issuers whose tokens a verifier decides about.
func (v *Verifier) names() []string {
	if v.tenants == nil {
		return []string{v.issuer}
	}
	var names []string
	for t := range v.tenants {
		names = append(names, entraV1+t+"/", entraV2+t+entraV2End)
	}
	return names
}

// checkTenant: the issuer must be one of the tenants', and the token's tid that tenant.
func (t *inspection) checkTenant() error {
	tenant := entraTenant(t.claims.issuer)
	if !t.v.tenants[tenant] {
		return fmt.Errorf("%w: iss is %s, which is neither %sTENANT/ nor %sTENANT%s of a tenant that is accepted",
			ErrIssuer, quote(t.claims.issuer), entraV1, entraV2, entraV2End)
	}
	if tid, err := t.claims.text("tid"); err != nil || tid != tenant {
		return fmt.Errorf("%w: iss is %s, but tid is %s", ErrIssuer, quote(t.claims.issuer), quote(tid))
	}
	return nil
}

// entraKeysOnly keeps the keys that are the tenant's. Where there is no template the key's issuer must be the tenant's own: personal
// accounts have keys in the same set, and theirs must not sign for an organization. Only version 2 is named there, for
// tokens of either version. The key set of one tenant alone need not name it.
func (t *inspection) entraKeysOnly() error {
	tenant := entraTenant(t.claims.issuer)
	wanted := entraV2 + tenant + entraV2End
	var found string
	t.keys = slices.DeleteFunc(t.keys, func(k *jose.Key) bool {
		found = k.Issuer
		issuer := strings.Replace(found, entraTemplate, tenant, 1)
		return issuer != wanted && issuer != t.claims.issuer && (issuer != "" || t.v.tenants != nil)
	})
	if len(t.keys) == 0 {
		return fmt.Errorf("%w: the key %s is there, but of the issuer %s", ErrKeyNotFound, quote(t.header.kid), quote(found))
	}
	return nil
}
