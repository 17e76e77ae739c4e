package rpc_test

import (
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/adapters/internal/rpc"
	"github.com/bearerguard/bearerguard/middleware"
)

func TestFind(t *testing.T) {
	t.Parallel()
	one, two := []middleware.Requirement{middleware.Scope("a")}, []middleware.Requirement{middleware.Scope("a"), middleware.Scope("b")}
	three := append(two, middleware.Scope("c"))
	r, err := rpc.Routes{
		Default: three,
		Methods: map[string][]middleware.Requirement{"/shop.Orders/List": one, "/shop.Orders/": two, "/shop.Health/Secret": one, "/shop.Any/": nil},
		Open:    []string{"/shop.Health/", "/shop.Orders/Ping"},
	}.Compile("test", "Methods")
	if err != nil {
		t.Fatal(err)
	}
	for procedure, want := range map[string]struct {
		requirements int
		open         bool
	}{
		"/shop.Orders/List": {1, false}, "/shop.Orders/Delete": {2, false}, "/shop.Orders/Ping": {0, true}, "/shop.Health/Check": {0, true},
		"/shop.Health/Secret": {1, false}, "/shop.Any/x": {0, false}, "/shop.Other/x": {3, false}, "/shop.OrdersX/List": {3, false},
		"/SHOP.Health/Check": {3, false}, "/x/shop.Health/Check": {3, false}, "/shop.Health/Check/x": {3, false}, "shop.Health/Check": {3, false}, "": {3, false},
	} {
		if requirements, open := r.Find(procedure); len(requirements) != want.requirements || open != want.open {
			t.Errorf("%q: %d requirements, open %v", procedure, len(requirements), open)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	_, err := rpc.Routes{
		Methods: map[string][]middleware.Requirement{"shop.Orders/List": nil, "/shop.Orders/*": nil, "/shop.Orders": nil, "/shop.Both/X": nil},
		Open:    []string{"", "*", "/", "//x", "/a/b/c", "/shop.Both/X"},
	}.Compile("test", "Methods")
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{`"shop.Orders/List"`, `"/shop.Orders/*"`, `"/shop.Orders"`, `""`, `"*"`, `"/"`, `"//x"`, `"/a/b/c"`, "in Methods and in Open"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	r, err := rpc.Routes{
		Methods: map[string][]middleware.Requirement{"/shop.Orders/List": nil, "/shop.Orders/": nil, "/shop.Orders/Lits": nil, "/shop.Order/": nil},
		Open:    []string{"/shop.Health/", "/shop.Heath/", "/shop.Health/Chekc"},
	}.Compile("test", "Methods")
	if err != nil {
		t.Fatal(err)
	}
	err = r.Unknown("test", []string{"/shop.Orders/List", "/shop.Health/Check"})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{`"/shop.Orders/Lits"`, `"/shop.Order/"`, `"/shop.Heath/"`, `"/shop.Health/Chekc"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if err := r.Unknown("test", []string{"/shop.Orders/List", "/shop.Orders/Lits", "/shop.Order/x", "/shop.Heath/x", "/shop.Health/Chekc"}); err != nil {
		t.Error(err)
	}
}

func TestTheCallersMapCanChange(t *testing.T) {
	t.Parallel()
	open, methods := []string{"/a.B/C"}, map[string][]middleware.Requirement{"/a.B/D": {middleware.Scope("a")}}
	r, err := rpc.Routes{Methods: methods, Open: open}.Compile("test", "Methods")
	if err != nil {
		t.Fatal(err)
	}
	open[0] = "/a.B/"
	delete(methods, "/a.B/D")
	if requirements, open := r.Find("/a.B/D"); len(requirements) != 1 || open {
		t.Error("the routes changed with the caller's")
	}
}
