package verifier

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Detail is one object of the claim authorization_details (RFC 9396 section 2): what its type says that a token allows. The
// fields are the common ones of section 2.2, as they stand in the token; together they mean every combination of them. It holds
// what may be personal: log its type at most (section 13).
type Detail struct {
	Type       string
	Locations  []string
	Actions    []string
	DataTypes  []string
	Privileges []string
	Identifier string

	object jose.Object
}

// Decode decodes the whole object into dst, as [Claims.Get] does a claim: for the members that a type has of its own.
func (d Detail) Decode(dst any) error {
	if err := jose.Unmarshal(d.object.Text(), dst); err != nil {
		return fmt.Errorf("a detail of type %q does not fit a %T", d.Type, dst)
	}
	return nil
}

// Permits reports whether the detail has all of these actions, and if it has locations, this one among them (RFC 9396 section 2.2):
// the name by which clients know this API, compared exactly. An empty location is none that a detail could name.
func (d Detail) Permits(location string, actions ...string) bool {
	if len(actions) == 0 || d.Locations != nil && !slices.Contains(d.Locations, location) {
		return false
	}
	return !slices.ContainsFunc(actions, func(a string) bool { return !slices.Contains(d.Actions, a) })
}

// Details returns the token's details of a type; none if it has no such, or no claim authorization_details at all. The error
// wraps [ErrMalformed]: the claim is not an array of objects that each have a type, or a common field has another type than it should.
// What stands in a token of introspection is read the same way (RFC 9396 sections 9.1 and 9.2).
func (c *Claims) Details(typ string) ([]Detail, error) {
	raw := c.lookup(claimName{text: "authorization_details"})
	if raw == "" {
		return nil, nil
	}
	elements, ok := jose.Elements(raw)
	if !ok {
		return nil, fmt.Errorf("%w: claim authorization_details is not an array", ErrMalformed)
	}
	var found []Detail
	for i, element := range elements {
		d, err := readDetail(element)
		if err != nil {
			return nil, fmt.Errorf("%w: authorization_details[%d]: %w", ErrMalformed, i, err)
		}
		if d.Type == typ {
			found = append(found, d)
		}
	}
	return found, nil
}

func readDetail(raw string) (d Detail, err error) {
	if d.object, err = jose.ParseObject([]byte(raw), jose.PayloadLimits); err != nil {
		return d, err
	}
	for _, m := range []struct {
		name string
		dst  *string
	}{{"type", &d.Type}, {"identifier", &d.Identifier}} {
		raw, there := d.object.Get(m.name)
		var ok bool
		if *m.dst, ok = jose.String(raw); there && !ok {
			return d, fmt.Errorf("%s is not a string", m.name)
		}
	}
	if d.Type == "" { // RFC 9396 section 2: required
		return d, errors.New("no type")
	}
	for _, m := range []struct {
		name string
		dst  *[]string
	}{{"locations", &d.Locations}, {"actions", &d.Actions}, {"datatypes", &d.DataTypes}, {"privileges", &d.Privileges}} {
		raw, there := d.object.Get(m.name)
		if !there {
			continue
		}
		var ok bool
		if *m.dst, ok = jose.Strings(raw); !ok {
			return d, fmt.Errorf("%s is not an array of strings", m.name)
		}
	}
	return d, nil
}
