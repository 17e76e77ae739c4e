package jose

import "errors"

// ProofHeader is the header of a JWT that brings the key by which it is verified, as a DPoP proof does (RFC 9449 section 4.2):
// whoever made it holds the private half. It is immutable.
type ProofHeader struct {
	Type, Algorithm string // typ and alg, "" where they are missing
	Key             *Key   // never a private one
}

// ParseProofHeader reads the header segment of a proof. Its key is one of those that [ParseKey] takes.
func ParseProofHeader(segment string) (*ProofHeader, error) {
	o, err := ParseSegment(segment, HeaderLimits)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"crit", "b64"} { // RFC 7515 section 4.1.11, RFC 7797 section 6
		if _, there := o.Get(name); there {
			return nil, errors.New("the header holds crit or b64: no extension is supported")
		}
	}
	h := &ProofHeader{}
	h.Type, _ = stringMember(o, "typ")
	h.Algorithm, _ = stringMember(o, "alg")
	raw, there := o.Get("jwk")
	if !there {
		return nil, errors.New("the header has no jwk")
	}
	if h.Key, err = ParseKey([]byte(raw)); err != nil {
		return nil, err
	}
	if h.Key.Private {
		return nil, errors.New("jwk is a private key, which whoever saw this proof now has")
	}
	return h, nil
}

// Verify checks the signature of a proof with this header.
func (h *ProofHeader) Verify(c Compact) error {
	if !h.Key.Fits(h.Algorithm) {
		return errors.New("jwk is no key for alg")
	}
	both, err := Decode(append(make([]byte, 0, len(c.Signed)+len(c.Signature)), c.Signed...), c.Signature)
	if err != nil {
		return err
	}
	return h.Key.Verify(h.Algorithm, both[:len(c.Signed)], both[len(c.Signed):])
}

// ParseSegment reads a segment that holds a JSON object.
func ParseSegment(segment string, limits Limits) (Object, error) {
	text, err := Decode(nil, segment)
	if err != nil {
		return Object{}, err
	}
	return ParseObject(text, limits)
}
