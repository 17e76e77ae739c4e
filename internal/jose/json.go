package jose

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Object is a JSON object that was read strictly: exact names, no duplicate name at any depth, valid UTF-8,
// nothing before or behind it (RFC 8259, RFC 7515 section 10.12). Its values stay raw JSON text.
// It is immutable.
type Object struct {
	text    string // as it was written, then the names that were written with escapes, without them
	size    int    // of what was written
	members []member
}

// member says where in the text a name and a value stand; sixteen bytes, for a remembered token keeps them.
type member struct{ name, nameEnd, value, valueEnd uint32 }

func (o *Object) name(m member) string  { return o.text[m.name:m.nameEnd] }
func (o *Object) value(m member) string { return o.text[m.value:m.valueEnd] }

// Limits bound a JSON text before a decoder sees it.
type Limits struct {
	Depth   int // nested objects and arrays, the outermost included
	Members int // object members in total
}

// Limits for the two JSON texts of a token. A header names a key and an algorithm;
// a payload may carry the groups and the nested roles of a large organization.
var (
	HeaderLimits  = Limits{Depth: 4, Members: 32}
	PayloadLimits = Limits{Depth: 32, Members: 1000}
)

// ParseObject reads one JSON object within the limits.
func ParseObject(text []byte, limits Limits) (Object, error) {
	members, err := limits.check(text)
	if err != nil {
		return Object{}, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) { // most garbage ends here, where it is cheap
		return Object{}, errors.New("not a JSON object")
	}
	o := Object{text: string(text), size: len(text), members: make([]member, 0, members)}
	if err := json.Unmarshal(text, &o); err != nil {
		return Object{}, strictError(err)
	}
	return o, nil
}

// check scans lexically and allocates nothing: it only has to be right about text that a strict decoder would accept.
func (l Limits) check(text []byte) (members int, err error) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > l.Depth {
				return 0, fmt.Errorf("JSON nested deeper than %d", l.Depth)
			}
		case '}', ']':
			depth--
		case ':':
			if members++; members > l.Members {
				return 0, fmt.Errorf("more than %d JSON members", l.Members)
			}
		}
	}
	return members, nil
}

// UnmarshalJSONFrom keeps, for each member, where it stands in the text.
func (o *Object) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	var unquoted []byte // names that were written with escapes
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		end := uint32(dec.InputOffset())
		m := member{name: end - uint32(len(name)) + 1, nameEnd: end - 1} // without its quotes
		if plain := o.name(m); strings.IndexByte(plain, '\\') >= 0 {
			if plain, err = unquote(string(name)); err != nil {
				return err
			}
			m.name = uint32(o.size + len(unquoted))
			unquoted = append(unquoted, plain...)
			m.nameEnd = uint32(o.size + len(unquoted))
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		m.valueEnd = uint32(dec.InputOffset())
		m.value = m.valueEnd - uint32(len(value))
		o.members = append(o.members, m)
	}
	if unquoted != nil {
		o.text += string(unquoted)
	}
	_, err := dec.ReadToken()
	return err
}

// strictError keeps what is wrong and drops the decoder's quotation of the text: it may hold what no log should.
func strictError(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errors.New("a JSON member twice")
	}
	return errors.New("not strict JSON")
}

// Get returns the raw JSON text of a member.
func (o Object) Get(name string) (raw string, ok bool) {
	for _, m := range o.members {
		if o.name(m) == name {
			return o.value(m), true
		}
	}
	return "", false
}

// Names returns the members' names in the order of the text.
func (o Object) Names() []string {
	names := make([]string, len(o.members))
	for i := range o.members {
		names[i] = o.name(o.members[i])
	}
	return names
}

// Text returns the object as it was written.
func (o Object) Text() string { return o.text[:o.size] }

// String reads raw JSON text as a string; ok is false where it is of another type.
func String(raw string) (s string, ok bool) {
	if !strings.HasPrefix(raw, `"`) {
		return "", false
	}
	s, err := unquote(raw)
	return s, err == nil
}

func unquote(raw string) (string, error) {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return string(b), err
}

// Strings reads raw JSON text that is an array of strings; ok is false for anything else.
func Strings(raw string) (list []string, ok bool) {
	if !strings.HasPrefix(raw, "[") {
		return nil, false
	}
	a := array{text: raw}
	if err := json.Unmarshal([]byte(raw), &a); err != nil {
		return nil, false
	}
	return a.list, true
}

// array is an array of strings in the making: one pass, and no copy of an element that has no escape.
type array struct {
	text string
	list []string
}

// UnmarshalJSONFrom stops at the first element that is no string.
func (a *array) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	a.list = []string{}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		element, err := unquote(a.text[int(dec.InputOffset())-len(value) : dec.InputOffset()])
		if err != nil {
			return err
		}
		a.list = append(a.list, element)
	}
	if dec.PeekKind() != ']' {
		return errNoString
	}
	_, err := dec.ReadToken()
	return err
}

var errNoString = errors.New("not a string")

// The seconds of the years 1 and 9999: dates that a time.Time can print and compare.
const minDate, maxDate = -62135596800, 253402300799

// Date reads raw JSON text as a NumericDate (RFC 7519 section 2), which may be fractional; ok is false for anything else.
func Date(raw string) (t time.Time, ok bool) {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil && n >= minDate && n <= maxDate {
		return time.Unix(n, 0), true
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f < minDate || f > maxDate {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// Elements cuts raw JSON text that is an array into its elements; ok is false for anything else.
func Elements(raw string) (elements []string, ok bool) {
	var values []jsontext.Value
	if !strings.HasPrefix(raw, "[") || json.Unmarshal([]byte(raw), &values) != nil {
		return nil, false
	}
	for _, v := range values {
		elements = append(elements, string(v))
	}
	return elements, true
}

// KeySet cuts a JWK set into its keys. The outer object is read leniently (a byte order mark, a duplicate name,
// bad UTF-8 and unknown members are passed over: RFC 7517 section 5), so that one odd key never takes the others with it;
// [ParseKey] then reads each key strictly by itself. A set of more than a hundred is an error.
func KeySet(document []byte) (keys [][]byte, err error) {
	var set struct {
		Keys keyTexts `json:"keys"`
	}
	err = json.Unmarshal(TrimBOM(document), &set, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch {
	case errors.Is(err, errManyKeys):
		return nil, errManyKeys
	case err != nil || set.Keys == nil:
		return nil, errors.New("not a JSON object with an array of keys")
	}
	return set.Keys, nil
}

// maxKeys bounds a set before its keys are kept: a document of a megabyte has room for half a million that are none.
const maxKeys = 100

var errManyKeys = fmt.Errorf("more than %d keys", maxKeys)

// keyTexts are the raw texts of a set's keys.
type keyTexts [][]byte

// UnmarshalJSONFrom stops at the first key too many.
func (k *keyTexts) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*k = keyTexts{}
	if start, err := dec.ReadToken(); err != nil || start.Kind() != '[' {
		return errors.Join(err, errNoArray)
	}
	for dec.PeekKind() != ']' {
		text, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if len(*k) == maxKeys {
			return errManyKeys
		}
		*k = append(*k, bytes.Clone(text))
	}
	_, err := dec.ReadToken()
	return err
}

var errNoArray = errors.New("not an array")

// TrimBOM drops a UTF-8 byte order mark, which some servers put before their documents.
func TrimBOM(document []byte) []byte { return bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")) }

// Unmarshal decodes raw JSON text into dst by the strict rules of [Object].
func Unmarshal(raw string, dst any) error {
	return json.Unmarshal([]byte(raw), dst)
}

// Marshal is Unmarshal's counterpart.
func Marshal(v any) ([]byte, error) { return json.Marshal(v) }
