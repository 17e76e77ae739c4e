package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
)

// stay keeps everything running until ctx ends. What curl needs and nobody should see is in files.
func (t *tour) stay(ctx context.Context, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, token := map[string]string{"token": t.token}, "cat '"+filepath.Join(dir, "token")+"'"
	if t.server != nil {
		t.server.Up()
		resp, err := t.client.HTTP.Get(t.server.URL())
		if err != nil {
			return err
		}
		resp.Body.Close()
		files["ca.pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: resp.TLS.PeerCertificates[0].Raw}))
		files["client.conf"] = fmt.Sprintf("user = %q\n", url.QueryEscape(t.client.ClientID)+":"+url.QueryEscape(t.client.ClientSecret))
		token = fmt.Sprintf(`curl -sS --cacert '%s' -K '%s' -d grant_type=client_credentials %s | sed 's/.*"access_token":"\([^"]*\)".*/\1/'`,
			filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.conf"), t.client.TokenURL)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, `
Everything runs on until Ctrl-C. In another terminal try:

TOKEN=$(%s)
curl -i -H "Authorization: Bearer $TOKEN" %[2]s/orders
curl -i -H "Authorization: Bearer $TOKEN" -X POST %[2]s/orders
curl -i %[2]s/orders
`, token, t.url)
	<-ctx.Done()
	return nil
}
