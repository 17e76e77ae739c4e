// Command inspect tells why an API refuses an access token, or that it would take it:
//
//	go run ./examples/inspect -issuer https://as.example.com -audience https://api.example.com < token.txt
//
// It reads the token from standard input, with or without "Bearer" or "Authorization: Bearer" before it, and prints
// every check of the verifier with what was found, and where one failed with what was wanted. It ends with 0 for a good
// token, with 1 for a bad one, and with 2 if there was nothing to check. The output holds what the token says, but neither
// the token nor its signature.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/examples/internal/transcript"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := inspect(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Getenv, verifier.Config{})
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "inspect:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}

// inspect adds what the command line says to cfg.
func inspect(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer, getenv func(string) string, cfg verifier.Config) (good bool, err error) {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.StringVar(&cfg.Issuer, "issuer", "", "the issuer `identifier`, exactly as its tokens' iss has it")
	flags.Func("audience", "the `name` by which tokens address the API; may be repeated", func(name string) error {
		cfg.Audience = append(cfg.Audience, name)
		return nil
	})
	flags.Func("match", "a `claim=value` of this deployment, such as tid=...; may be repeated", func(s string) error {
		claim, value, found := strings.Cut(s, "=")
		if !found || claim == "" {
			return errors.New("want claim=value")
		}
		if cfg.Match == nil {
			cfg.Match = map[string][]string{}
		}
		cfg.Match[claim] = append(cfg.Match[claim], value)
		return nil
	})
	profile := flags.String("profile", "", "`how` the server writes access tokens, such as Keycloak; by default as RFC 9068 says")
	scope := flags.String("scope", "", `the `+"`policy`"+` of the route, such as "orders:read & orders:write | admin"`)
	flags.StringVar(&cfg.MetadataURL, "metadata", "", "the `URL` of the server's metadata, if that isn't under the issuer")
	flags.StringVar(&cfg.JWKSURL, "jwks", "", "the `URL` of the server's keys, instead of discovery")
	asJSON := flags.Bool("json", false, "print JSON for a program")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if cfg.Issuer == "" || len(cfg.Audience) == 0 {
		return false, errors.New("-issuer and -audience are missing: what the API is told, which the token is compared with")
	}
	if cfg.Profile, err = verifier.ProfileNamed(*profile); err != nil {
		return false, err
	}
	v, err := verifier.New(cfg)
	if err != nil {
		return false, err
	}
	token, err := readToken(stdin)
	if err != nil {
		return false, err
	}
	checks := v.Explain(ctx, token)
	if *scope != "" {
		policy, err := scopes.ParsePolicy(*scope)
		if err != nil {
			return false, err
		}
		checks = append(checks, checkScope(ctx, v, token, policy))
	}
	if *asJSON {
		return printJSON(stdout, checks)
	}
	return print(transcript.New(stdout, getenv), checks), nil
}

// readToken takes what people paste: a token, the value of an Authorization field or all of the field, with line breaks around it
// or quotes.
func readToken(stdin io.Reader) (string, error) {
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(stdin, most))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.Trim(string(text), " \t\r\n\"'")
	if field, rest, found := strings.Cut(token, ":"); found && strings.EqualFold(field, "Authorization") {
		token = strings.TrimSpace(rest)
	}
	if scheme, rest, found := strings.Cut(token, " "); found && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")) {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return "", errors.New("no token on standard input")
	}
	return token, nil
}

// checkScope is what a route asks of a token that is good.
func checkScope(ctx context.Context, v *verifier.Verifier, token string, policy scopes.Policy) verifier.Check {
	check := verifier.Check{Name: "scope", Rule: "RFC 6750 section 3.1"}
	claims, err := v.Verify(ctx, token)
	if err != nil {
		check.Skipped = true
		return check
	}
	check.Found, check.Wanted = claims.Scopes().String(), policy.String()
	if !policy.Allows(claims.Scopes()) {
		check.Err = fmt.Errorf("insufficient scope: the token has %q, the route asks for %q", check.Found, check.Wanted)
	}
	return check
}

func print(out *transcript.Transcript, checks []verifier.Check) bool {
	var failed, skipped []string
	for _, c := range checks {
		name := fmt.Sprintf("%-19s", c.Name)
		switch {
		case c.Skipped:
			skipped = append(skipped, c.Name)
		case c.Err != nil:
			failed = append(failed, c.Name)
			out.Line("%s %s %v", out.Paint("31", "✗"), out.Paint("1", name), c.Err)
			out.Line("%s", out.Paint("2", strings.Repeat(" ", len(name)+3)+c.Rule))
		default:
			out.Good("%s %s", name, c.Found)
		}
	}
	if len(skipped) > 0 {
		out.Line("%s", out.Paint("2", "- not judged, for what they need could not be read: "+strings.Join(skipped, ", ")))
	}
	first := slices.IndexFunc(checks, func(c verifier.Check) bool { return c.Err != nil }) // an API goes no further
	switch {
	case first >= 0 && errors.Is(checks[first].Err, verifier.ErrUnavailable):
		out.End("Not decided, an API would answer 503: %s.", strings.Join(failed, ", "))
	case len(failed) > 0:
		out.End("Refused: %s.", strings.Join(failed, ", "))
	default:
		out.End("A good token: all %d checks passed.", len(checks))
	}
	return len(failed) == 0
}

// result is a check for a program.
type result struct {
	Check  string `json:"check"`
	Result string `json:"result"` // "passed", "failed" or "not judged"
	Rule   string `json:"rule"`
	Found  string `json:"found,omitempty"`
	Wanted string `json:"wanted,omitempty"`
	Error  string `json:"error,omitempty"`
}

func printJSON(stdout io.Writer, checks []verifier.Check) (good bool, err error) {
	report := struct {
		Good   bool     `json:"good"`
		Checks []result `json:"checks"`
	}{Good: true}
	for _, c := range checks {
		r := result{c.Name, "passed", c.Rule, c.Found, c.Wanted, ""}
		switch {
		case c.Skipped:
			r.Result, report.Good = "not judged", false
		case c.Err != nil:
			r.Result, r.Error, report.Good = "failed", c.Err.Error(), false
		}
		report.Checks = append(report.Checks, r)
	}
	e := json.NewEncoder(stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return report.Good, e.Encode(report)
}
