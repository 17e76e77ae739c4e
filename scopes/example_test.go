package scopes_test

import (
	"fmt"

	"github.com/bearerguard/bearerguard/scopes"
)

func Example() {
	// What a token grants.
	granted, err := scopes.Parse("orders:read invoices:read")
	if err != nil {
		fmt.Println(err)
		return
	}

	// What two routes ask for.
	list := scopes.All("orders:read")
	change := scopes.All("orders:read", "orders:write").Or(scopes.All("admin"))

	fmt.Println(list, "->", list.Allows(granted))
	fmt.Println(change, "->", change.Allows(granted))
	fmt.Printf("the client should ask for scope=%q\n", change.Ask())
	// Output:
	// orders:read -> true
	// orders:read & orders:write | admin -> false
	// the client should ask for scope="orders:read orders:write"
}

func ExampleParsePolicy() {
	for _, s := range []string{"orders:read & orders:write | admin", "(a | b) & c", ""} {
		policy, err := scopes.ParsePolicy(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(policy.Allows(scopes.Of("admin")))
	}
	// Output:
	// true
	// scopes: policy: at offset 0: "(a" begins with "(" or ends with ")": parentheses are not supported
	// scopes: policy: at offset 0: it is empty
}

func ExamplePolicy_And() {
	// A rule of the whole service, and one of a route.
	service := scopes.Any("tenant:acme", "tenant:globex")
	fmt.Println(service.And(scopes.All("orders:read")))
	// Output:
	// tenant:acme & orders:read | tenant:globex & orders:read
}
