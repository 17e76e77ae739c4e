package interop_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// glewlwydSchema is where Debian's package has what its database begins with.
const glewlwydSchema = "/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"

// startGlewlwyd runs glewlwyd with a new database. Its tokens are signed with ES256.
func startGlewlwyd(t *testing.T, a *authority, secret string, nonces bool) (issuer string) {
	t.Helper()
	for _, command := range []string{"glewlwyd", "sqlite3"} {
		if _, err := exec.LookPath(command); err != nil {
			missing(t, command)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	database := filepath.Join(dir, "glewlwyd.db")
	createDatabase(t, database)
	base := "https://127.0.0.1:" + port
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
		hash_algorithm = "SHA512"
		database = { type = "sqlite3"; path = %q; };
	`, port, base, a.keyFile, a.certFile, database)
	configFile := filepath.Join(dir, "glewlwyd.conf")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "glewlwyd", nil, "glewlwyd", "-c", configFile).waitFor(t, "an answer", a.answers(base+"/config"))
	issuer = base + "/api/oidc"
	configureGlewlwyd(t, a, base+"/api", issuer, secret, nonces)
	return issuer
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

// configureGlewlwyd makes the scope, the client and the OpenID Connect plugin, as its
// administrator does.
func configureGlewlwyd(t *testing.T, a *authority, api, issuer, secret string, nonces bool) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin := &http.Client{Timeout: requestTimeout, Transport: a.client.Transport, Jar: jar}
	post := func(path string, body map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := admin.Post(api+path, "application/json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("POST %s: status %d", path, resp.StatusCode)
		}
	}
	post("/auth/", map[string]any{"username": "admin", "password": "password"}) // those of a new database
	post("/scope/", map[string]any{"name": readScope, "display_name": readScope, "password_required": false, "password_max_age": 0, "scheme": map[string]any{}})
	post("/mod/plugin/", map[string]any{"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": true, "parameters": map[string]any{
		"iss": issuer, "jwt-type": "rsa", "jwt-key-size": "256", "jwks-private": signingKeys(t), "jwks-show": true,
		"access-token-duration": 300, "refresh-token-duration": 3600, "code-duration": 600, "refresh-token-rolling": true, "allow-non-oidc": true,
		"auth-type-client-enabled": true, "auth-type-code-enabled": true, "auth-type-refresh-enabled": true,
		"oauth-dpop-allowed": true, "oauth-dpop-iat-duration": 60, "oauth-dpop-nonce-mandatory": nonces, "oauth-dpop-nonce-counter": 10,
		"resource-allowed": true, "resource-scope": map[string]any{readScope: []string{apiAudience}}, "resource-client-property": "resource", "resource-scope-and-client-property": false,
	}})
	post("/client/", map[string]any{
		"client_id": clientID, "name": clientID, "confidential": true, "password": secret, "enabled": true, "scope": []string{readScope},
		"authorization_type": []string{"client_credentials"}, "redirect_uri": []string{}, "token_endpoint_auth_method": []string{"client_secret_basic"},
	})
}

// signingKeys is a private JWK set with a key for ES256.
func signingKeys(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": rand.Text(), "d": text(private), "x": text(public[1:33]), "y": text(public[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}
