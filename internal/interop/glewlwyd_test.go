package interop_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// glewlwydSchema is where Debian's package has what its database begins with.
const glewlwydSchema = "/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"

// certClient is a client that glewlwyd knows by the name in its certificate.
const certClient = "client.example.test"

// glewlwyd is Debian's, over https, with its tokens in a file: they outlive a restart. Its
// tokens are signed with ES256. The client "api" may introspect, with a token of its own.
type glewlwyd struct {
	*process
	authority         *authority
	base              string // its URL
	configFile        string
	secret, apiSecret string
	nonces            bool
	configured        bool
}

// startGlewlwyd runs glewlwyd with a new database.
func startGlewlwyd(t *testing.T, a *authority, secret string, nonces bool) (issuer string) {
	t.Helper()
	g := newGlewlwyd(t, a, secret, nonces)
	g.start(t)
	return g.issuer()
}

func newGlewlwyd(t *testing.T, a *authority, secret string, nonces bool) *glewlwyd {
	t.Helper()
	for _, command := range []string{"glewlwyd", "sqlite3"} {
		if _, err := exec.LookPath(command); err != nil {
			missing(t, command)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	database := filepath.Join(dir, "glewlwyd.db")
	createDatabase(t, database)
	g := &glewlwyd{
		authority: a, base: "https://127.0.0.1:" + port, configFile: filepath.Join(dir, "glewlwyd.conf"),
		secret: secret, apiSecret: rand.Text(), nonces: nonces,
	}
	config := fmt.Sprintf(`
		port = %s
		bind_address = "127.0.0.1"
		external_url = %q
		login_url = "login.html"
		api_prefix = "api"
		log_mode = "console"
		log_level = "WARNING"
		cookie_secure = 0
		session_expiration = 3600
		session_key = "GLEWLWYD2_SESSION_ID"
		admin_session_authentication = "cookie"
		login_api_enabled = true
		admin_scope = "g_admin"
		profile_scope = "g_profile"
		user_module_path = "/usr/lib/glewlwyd/user"
		client_module_path = "/usr/lib/glewlwyd/client"
		user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
		plugin_module_path = "/usr/lib/glewlwyd/plugin"
		use_secure_connection = true
		secure_connection_key_file = %q
		secure_connection_pem_file = %q
		secure_connection_ca_file = %q
		hash_algorithm = "SHA512"
		database = { type = "sqlite3"; path = %q; };
	`, port, g.base, a.keyFile, a.certFile, a.certFile, database)
	if err := os.WriteFile(g.configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *glewlwyd) issuer() string { return g.base + "/api/oidc" }

func (g *glewlwyd) start(t *testing.T) {
	t.Helper()
	g.process = startProcess(t, "glewlwyd", nil, "glewlwyd", "-c", g.configFile)
	g.waitFor(t, "an answer", g.authority.answers(g.base+"/config"))
	if !g.configured {
		g.configure(t)
		g.configured = true
	}
	g.waitFor(t, "its metadata", g.authority.answers(g.issuer()+"/.well-known/openid-configuration"))
}

func createDatabase(t *testing.T, file string) {
	t.Helper()
	packed, err := os.Open(glewlwydSchema)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	schema, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", file)
	cmd.Stdin = schema
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
}

// configure makes the scopes, the clients and the OpenID Connect plugin, as its
// administrator does.
func (g *glewlwyd) configure(t *testing.T) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin := &http.Client{Timeout: requestTimeout, Transport: g.authority.client.Transport, Jar: jar}
	call := func(method, path string, body any) (answer map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, g.base+"/api"+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := admin.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: status %d", method, path, resp.StatusCode)
		}
		_ = json.NewDecoder(resp.Body).Decode(&answer) // only a GET is answered with something
		return answer
	}
	post := func(path string, body map[string]any) { t.Helper(); call(http.MethodPost, path, body) }
	post("/auth/", map[string]any{"username": "admin", "password": "password"}) // those of a new database
	for _, scope := range []string{readScope, writeScope, "introspect"} {
		post("/scope/", map[string]any{"name": scope, "display_name": scope, "password_required": false, "password_max_age": 0, "scheme": map[string]any{}})
	}
	// A client can be known by its certificate only if the store of clients has a place for the name in it.
	clients := call(http.MethodGet, "/mod/client/database", nil)
	format, ok := clients["parameters"].(map[string]any)["data-format"].(map[string]any)
	if !ok {
		t.Fatalf("the store of clients is %v", clients)
	}
	format["tls_client_auth_subject_dn"] = map[string]any{"multiple": false, "read": true, "write": true}
	call(http.MethodPut, "/mod/client/database", clients)
	call(http.MethodPut, "/mod/client/database/reset", nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	audiences := []string{apiAudience, otherAudience}
	post("/mod/plugin/", map[string]any{"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": true, "parameters": map[string]any{
		"iss": g.issuer(), "jwt-type": "rsa", "jwt-key-size": "256", "jwks-private": keySet(t, key, true), "jwks-show": true,
		"access-token-duration": 300, "refresh-token-duration": 3600, "code-duration": 600, "refresh-token-rolling": true, "allow-non-oidc": true,
		"auth-type-client-enabled": true, "auth-type-code-enabled": true, "auth-type-refresh-enabled": true,
		"oauth-dpop-allowed": true, "oauth-dpop-iat-duration": 60, "oauth-dpop-nonce-mandatory": g.nonces, "oauth-dpop-nonce-counter": 10,
		"introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true, "introspection-revocation-auth-scope": []string{"introspect"},
		"resource-allowed": true, "resource-scope": map[string]any{readScope: audiences, writeScope: audiences}, "resource-client-property": "resource", "resource-scope-and-client-property": false,
		"client-cert-source": "TLS", "client-cert-header-name": "", "client-cert-self-signed-allowed": false, "client-cert-use-endpoint-aliases": false,
	}})
	for id, more := range map[string]map[string]any{
		clientID:   {"password": g.secret, "scope": []string{readScope, writeScope}, "token_endpoint_auth_method": []string{"client_secret_basic"}},
		"api":      {"password": g.apiSecret, "scope": []string{"introspect"}, "token_endpoint_auth_method": []string{"client_secret_basic"}},
		certClient: {"scope": []string{readScope}, "token_endpoint_auth_method": []string{"tls_client_auth"}, "tls_client_auth_subject_dn": "CN=" + certClient},
	} {
		client := map[string]any{"client_id": id, "name": id, "confidential": true, "enabled": true, "authorization_type": []string{"client_credentials"}, "redirect_uri": []string{}}
		maps.Copy(client, more)
		post("/client/", client)
	}
}
