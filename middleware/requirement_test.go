package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// asked is a request at noon with a token of these claims, at a route with these requirements.
func asked(t *testing.T, claims map[string]any, requirements ...middleware.Requirement) *middleware.Denial {
	t.Helper()
	g := newGuard(t, verifiertest.Tokens(t, map[string]map[string]any{"t": claims}), middleware.Config{Now: func() time.Time { return noon }})
	_, denial := g.Check(request("Bearer t"), requirements...)
	return denial
}

// user are claims of a token for a user.
func user(more map[string]any) map[string]any {
	claims := map[string]any{"sub": "alice", "client_id": "shop", "scope": "read"}
	for name, value := range more {
		claims[name] = value
	}
	return claims
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	at := func(ago time.Duration) map[string]any { return map[string]any{"auth_time": noon.Add(-ago).Unix()} }
	const challenge = `Bearer realm="api", error="insufficient_user_authentication", error_description="this resource requires another authentication of the user, or a more recent one"`
	for _, tt := range []struct {
		name      string
		claims    map[string]any
		asks      []middleware.Requirement
		status    int // 0: passes
		challenge string
	}{
		{"9470-3-2 9470-5/6.1 the first acr", user(map[string]any{"acr": "phr"}), []middleware.Requirement{middleware.StepUp(0, "phr", "phrh")}, 0, ""},
		{"9470-3-2 the second acr", user(map[string]any{"acr": "phrh"}), []middleware.Requirement{middleware.StepUp(0, "phr", "phrh")}, 0, ""},
		{"9470-3-3 recent enough", user(at(5 * time.Minute)), []middleware.Requirement{middleware.StepUp(5 * time.Minute)}, 0, ""},
		{"a time with a fraction", user(map[string]any{"auth_time": float64(noon.Unix()) - 0.5}), []middleware.Requirement{middleware.StepUp(time.Minute)}, 0, ""},
		{"a clock that is a little ahead", user(at(-30 * time.Second)), []middleware.Requirement{middleware.StepUp(time.Minute)}, 0, ""},
		{"both", user(map[string]any{"acr": "phr", "auth_time": noon.Unix()}), []middleware.Requirement{middleware.StepUp(time.Minute, "phr"), middleware.Scope("read")}, 0, ""},
		{"Q-7 9470-3-1 9470-9-2 another acr", user(map[string]any{"acr": "pwd"}), []middleware.Requirement{middleware.StepUp(0, "phr", "phrh")}, 401, challenge + `, acr_values="phr phrh"`},
		{"Q-7 9470-5/6.1 no acr", user(nil), []middleware.Requirement{middleware.StepUp(0, "phr")}, 401, challenge + `, acr_values="phr"`},
		{"an acr that is no string", user(map[string]any{"acr": []string{"phr"}}), []middleware.Requirement{middleware.StepUp(0, "phr")}, 401, challenge + `, acr_values="phr"`},
		{"an acr in another case", user(map[string]any{"acr": "PHR"}), []middleware.Requirement{middleware.StepUp(0, "phr")}, 401, challenge + `, acr_values="phr"`},
		{"Q-7 9470-3-3 too long ago", user(at(5*time.Minute + time.Second)), []middleware.Requirement{middleware.StepUp(5 * time.Minute)}, 401, challenge + `, max_age="300"`},
		{"9470-5/6.1 no auth_time", user(nil), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"an auth_time that is a string", user(map[string]any{"auth_time": fmt.Sprint(noon.Unix())}), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"an auth_time that is null", user(map[string]any{"acr": "phr", "auth_time": nil}), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"an auth_time to come", user(at(-31 * time.Second)), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"an auth_time that no int64 holds", user(map[string]any{"auth_time": 1e300}), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"an auth_time before all times", user(map[string]any{"auth_time": -1e300}), []middleware.Requirement{middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"9470-3-4 both are lacking", user(nil), []middleware.Requirement{middleware.StepUp(time.Minute, "phr")}, 401, challenge + `, acr_values="phr", max_age="60"`},
		{"9470-3-5 a scope is lacking too", user(nil), []middleware.Requirement{middleware.Scope("write"), middleware.StepUp(time.Minute)}, 401, challenge + `, scope="write", max_age="60"`},
		{"only the scope is lacking", user(at(0)), []middleware.Requirement{middleware.StepUp(time.Minute), middleware.Scope("write")}, 403, `Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="write"`},
		{"several ask", user(at(time.Hour)), []middleware.Requirement{middleware.StepUp(time.Minute, "a", "b"), middleware.StepUp(time.Hour, "b", "c"), middleware.StepUp(2 * time.Minute)}, 401, challenge + `, acr_values="b", max_age="60"`},
		{"several ask, the least age last", user(at(time.Hour)), []middleware.Requirement{middleware.StepUp(time.Hour), middleware.StepUp(time.Minute)}, 401, challenge + `, max_age="60"`},
		{"a client's own token", map[string]any{"client_id": "shop"}, []middleware.Requirement{middleware.StepUp(time.Minute)}, 403, `Bearer realm="api", error="insufficient_scope", error_description="this resource requires a user who has authenticated, and the access token is a client's own"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			denial := asked(t, tt.claims, tt.asks...)
			if tt.status == 0 {
				if denial != nil {
					t.Errorf("%v", denial.Err)
				}
				return
			}
			if denial == nil || denial.Status != tt.status || denial.Header.Get("WWW-Authenticate") != tt.challenge || denial.Claims == nil {
				t.Errorf("%+v\nwant %d, %s", denial, tt.status, tt.challenge)
			}
		})
	}
	t.Run("9470-9-2 9470-9-3 nothing is asked of who has no good token", func(t *testing.T) {
		t.Parallel()
		g := newGuard(t, verifiertest.Tokens(t, nil), middleware.Config{})
		for _, field := range []string{"", "Bearer bad"} {
			r := request()
			if field != "" {
				r.Header.Set("Authorization", field)
			}
			if _, denial := g.Check(r, middleware.StepUp(time.Minute, "phr")); denial.Status != 401 || strings.Contains(denial.Header.Get("WWW-Authenticate"), "phr") {
				t.Errorf("%q: %+v", field, denial)
			}
		}
	})
}

func TestStepUpMistakes(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(){
		"nothing":            func() { middleware.StepUp(0) },
		"a negative age":     func() { middleware.StepUp(-time.Second) },
		"half a second":      func() { middleware.StepUp(500 * time.Millisecond) },
		"an empty reference": func() { middleware.StepUp(0, "") },
		"two in one":         func() { middleware.StepUp(0, "a b") },
		"a quote":            func() { middleware.StepUp(0, `a"`) },
		"a type of nothing":  func() { middleware.Details("", func(*http.Request, verifier.Detail) bool { return true }) },
		"a nil function":     func() { middleware.Details("payment", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", name)
				}
			}()
			make()
		}()
	}
	acr := []string{"a"}
	requirement := middleware.StepUp(0, acr...)
	acr[0] = "b"
	if denial := asked(t, user(map[string]any{"acr": "b"}), requirement); denial == nil {
		t.Error("the caller's list can be changed afterwards")
	}
}

func TestDetails(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.com"
	reads := middleware.Details("account", func(r *http.Request, d verifier.Detail) bool {
		var own struct{ Account string }
		return d.Permits(api, "read") && d.Decode(&struct {
			Account *string `json:"account"`
		}{&own.Account}) == nil && r.URL.Path == "/accounts/"+own.Account
	})
	type obj = map[string]any
	account := obj{"type": "account", "actions": []string{"read", "list"}, "locations": []string{"https://other.example.com", api}, "account": "7"}
	with := func(name string, value any) obj {
		changed := obj{}
		for k, v := range account {
			changed[k] = v
		}
		if value == nil {
			delete(changed, name)
		} else {
			changed[name] = value
		}
		return changed
	}
	for _, tt := range []struct {
		name    string
		details any
		good    bool
	}{
		{"9396-9-1 9396-9.1-1 9396-9.2-1 one that allows it", []any{account}, true},
		{"one among others", []any{obj{"type": "payment"}, with("account", "8"), account}, true},
		{"9396-2.2-1 9396-2.2-2 one without locations", []any{with("locations", nil)}, true},
		{"9396-2.2-2 at another server alone", []any{with("locations", []string{"https://other.example.com"})}, false},
		{"9396-2.2-2 at no server", []any{with("locations", []string{})}, false},
		{"9396-12-1 at a server that is written otherwise", []any{with("locations", []string{api + "/"})}, false},
		{"9396-2.2-1 another action", []any{with("actions", []string{"write"})}, false},
		{"9396-12-1 an action in another case", []any{with("actions", []string{"Read"})}, false},
		{"no actions", []any{with("actions", nil)}, false},
		{"9396-2-1 9396-9-1 another type", []any{with("type", "accounts")}, false},
		{"another account", []any{with("account", "8")}, false},
		{"no claim", nil, false},
		{"an empty array", []any{}, false},
		{"9396-2-1 one without a type beside", []any{account, obj{"actions": []string{"read"}}}, false},
		{"a type that is no string beside", []any{account, obj{"type": 1}}, false},
		{"an element that is no object beside", []any{account, "x"}, false},
		{"an object for the array", account, false},
		{"actions that are no array", []any{account, with("actions", "read")}, false},
		{"locations that are no strings", []any{account, with("locations", []any{1})}, false},
		{"an identifier that is no string", []any{account, with("identifier", 1)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			claims := obj{"scope": "read"}
			if tt.details != nil {
				claims["authorization_details"] = tt.details
			}
			g := newGuard(t, verifiertest.Tokens(t, map[string]map[string]any{"t": claims}), middleware.Config{})
			ran := false
			h := g.With(middleware.Scope("read"), reads)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
			r, w := request("Bearer t"), httptest.NewRecorder()
			r.URL.Path = "/accounts/7"
			h.ServeHTTP(w, r)
			if ran != tt.good || (w.Code == http.StatusForbidden) == tt.good {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			const challenge = `Bearer realm="api", error="insufficient_scope", error_description="the access token has no authorization_details that allow this request"`
			if !tt.good && (w.Header().Get("WWW-Authenticate") != challenge || strings.Contains(w.Body.String(), "account")) {
				t.Errorf("%q %s", w.Header(), w.Body) // 9396-13: nothing of the details is echoed
			}
		})
	}
	t.Run("9396-3.1 a scope is asked for beside them", func(t *testing.T) {
		t.Parallel()
		if denial := asked(t, obj{"authorization_details": []any{account}}, reads, middleware.Scope("read")); denial == nil || denial.Status != http.StatusForbidden {
			t.Errorf("%+v", denial)
		}
	})
	t.Run("9396-13 what is personal in them reaches no log", func(t *testing.T) {
		t.Parallel()
		denial := asked(t, obj{"authorization_details": []any{with("account", "a-private-account"), obj{"type": 1, "x": "a-private-account"}}}, reads)
		if text := fmt.Sprintf("%v %+v", denial.Err, denial.Claims); strings.Contains(text, "a-private-account") {
			t.Error(text)
		}
	})
}

func TestPermits(t *testing.T) {
	t.Parallel()
	claims := verifiertest.Claims(t, map[string]any{"authorization_details": []any{map[string]any{"type": "account", "actions": []string{"read", "list"}}}})
	details, err := claims.Details("account")
	if err != nil || len(details) != 1 {
		t.Fatal(details, err)
	}
	for want, actions := range map[bool][][]string{true: {{"read"}, {"list", "read"}}, false: {{}, {"write"}, {"read", "write"}, {"write", "read"}, {""}}} {
		for _, a := range actions {
			if details[0].Permits("https://api.example.com", a...) != want {
				t.Errorf("%q: not %v", a, want)
			}
		}
	}
}
