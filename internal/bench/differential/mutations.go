package main

import (
	"crypto"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// mutation changes a draft at its stage.
type mutation struct {
	name  string
	stage stage
	apply func(*draft)
}

var mutations = slices.Concat(memberMutations, headerMutations, claimMutations(), textMutations, segmentMutations, signatureMutations, tokenMutations)

// memberMutations are for header and payload alike.
var memberMutations = []mutation{
	{"a member dropped", atMembers, func(d *draft) {
		o := d.object()
		i := d.random.IntN(max(1, len(*o)))
		*o = slices.Delete(*o, min(i, len(*o)), min(i+1, len(*o)))
	}},
	{"a member twice", atMembers, func(d *draft) {
		o := d.object()
		twin := pick(d.random, *o)
		if d.random.IntN(2) == 0 {
			twin.value = pick(d.random, values)
		}
		*o = slices.Insert(*o, d.random.IntN(len(*o)+1), twin)
	}},
	{"a member twice, one name escaped", atMembers, func(d *draft) {
		o := d.object()
		twin := pick(d.random, *o)
		twin.name = escaped(twin.name)
		if d.random.IntN(2) == 0 {
			twin.value = pick(d.random, values)
		}
		*o = slices.Insert(*o, d.random.IntN(len(*o)+1), twin)
	}},
	{"a name in another case", atMembers, func(d *draft) {
		o := d.object()
		i := d.random.IntN(len(*o))
		(*o)[i].name = otherCase(d, (*o)[i].name)
	}},
	{"a second name in another case", atMembers, func(d *draft) {
		o := d.object()
		i := d.random.IntN(len(*o))
		*o = slices.Insert(*o, d.random.IntN(len(*o)+1), member{otherCase(d, (*o)[i].name), pick(d.random, values)})
	}},
	{"names swapped", atMembers, func(d *draft) {
		o := *d.object()
		i, j := d.random.IntN(len(o)), d.random.IntN(len(o))
		o[i].name, o[j].name = o[j].name, o[i].name
	}},
	{"another order", atMembers, func(d *draft) {
		o := *d.object()
		d.random.Shuffle(len(o), func(i, j int) { o[i], o[j] = o[j], o[i] })
	}},
	{"another value", atMembers, func(d *draft) {
		o := *d.object()
		o[d.random.IntN(len(o))].value = pick(d.random, values)
	}},
	{"an unknown member", atMembers, func(d *draft) { d.object().add("x", pick(d.random, values)) }},
	{"escapes in names and values", atMembers, func(d *draft) {
		o := *d.object()
		m := &o[d.random.IntN(len(o))]
		if d.random.IntN(2) == 0 {
			m.name = escaped(m.name)
		} else {
			m.value = escaped(m.value)
		}
	}},
	{"deep nesting", atMembers, func(d *draft) {
		n := pick(d.random, []int{2, 3, 4, 20, 31, 32, 100, 2000})
		d.object().add("x", strings.Repeat("[", n)+strings.Repeat("]", n))
	}},
	{"many members", atMembers, func(d *draft) {
		o := d.object()
		for i := range pick(d.random, []int{10, 28, 29, 40, 900, 1100}) {
			o.add("x"+strconv.Itoa(i), "1")
		}
	}},
	{"a long value", atMembers, func(d *draft) {
		d.object().add("x", strconv.Quote(strings.Repeat("a", pick(d.random, []int{100, 6000, 8000, 14000}))))
	}},
}

// values are for any member.
var values = []string{
	"null", "true", "false", "0", "-1", "1", "1.5", "1e9", "1E+9", "4102444800", "4.1e9", "1e400", "-0", "01", "+1", "1.", ".5", "0x10", "NaN",
	`""`, `" "`, `"x"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\x41"`, `"\/"`, `"a` + "\n" + `b"`, "\"\xff\"", "\"\xc0\xae\"", "\"\xed\xa0\x80\"",
	"[]", "{}", "[null]", "[1]", `["x"]`, `[""]`, "[[]]", `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, `[{"a":1,"\u0061":1}]`, `{"":0}`, "[1,]", `{"a":1,}`, "undefined", "'x'",
	strconv.Quote(issuer), strconv.Quote(audience), `"` + strings.Repeat("9", 400) + `"`, strings.Repeat("9", 400),
}

// escaped writes the first letter of a JSON string as an escape.
func escaped(raw string) string {
	if len(raw) < 3 || raw[0] != '"' || raw[1] == '\\' || raw[1] >= 0x80 {
		return raw
	}
	return `"\u00` + strconv.FormatInt(int64(raw[1]), 16) + raw[2:]
}

func otherCase(d *draft, raw string) string {
	switch d.random.IntN(4) {
	case 0:
		return strings.ToUpper(raw[:2]) + raw[2:]
	case 1: // letters that Unicode folds to ASCII's
		return strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(raw)
	}
	return strings.ToUpper(raw)
}

// odd sets one header parameter to one of several values; gone takes it out.
func odd(name string, list ...string) mutation {
	return mutation{"header: odd " + name, atMembers, func(d *draft) {
		if value := pick(d.random, list); value != gone {
			d.header.set(name, value)
			return
		}
		d.header.drop(name)
	}}
}

const gone = ""

var headerMutations = []mutation{
	odd("alg", gone, `"es256"`, `"Rs256"`, `"EDDSA"`, `"none"`, `"None"`, `"nOnE"`, `""`, `"HS256"`, `"ES256"`, `"RS256"`, `"EdDSA"`, `"ES384"`, `"PS256"`, `"Ed25519"`, `"ES256K"`,
		`"ES256 "`, `" ES256"`, `"ES256\u0000"`, "null", "256", `["ES256"]`, `{"alg":"ES256"}`, "true"),
	odd("kid", gone, "null", "1", "true", `["es"]`, `{"kid":"es"}`, `""`, `"es"`, `"rs"`, `"ed"`, `"ES"`, `"es "`, `"unknown"`, `"../../../dev/null"`, `"' OR 1=1 --"`,
		strconv.Quote(strings.Repeat("k", 1024)), strconv.Quote(strings.Repeat("k", 1025))),
	odd("typ", gone, `"JWT"`, `"jwt"`, `"at+jwt"`, `"AT+JWT"`, `"application/at+jwt"`, `"Application/AT+JWT"`, `"application/jwt"`, `"at+jwt; charset=utf-8"`, `"at+jwt "`, `"dpop+jwt"`,
		`"logout+jwt"`, `"JOSE"`, `""`, "null", "1", `["JWT"]`, "{}", "true"),
	odd("crit", "[]", `["exp"]`, `["alg"]`, `["b64"]`, `["x"]`, `["http://example.invalid/UNDEFINED"]`, "null", `"exp"`, "[1]", "{}", "true", `[""]`, `["kid","kid"]`),
	odd("b64", "true", "false", "null", `"false"`, "0"),
	odd("cty", `"JWT"`, `"jwt"`, `"at+jwt"`, "null", "1"),
	odd("zip", `"DEF"`, "null"),
	odd("enc", `"A128GCM"`, "null", "1"),
	odd("jku", `"https://as.example.com/keys"`, `"file:///dev/null"`, "null", "1"),
	odd("x5u", `"https://as.example.com/chain"`, "1"),
	odd("x5c", `["MIIB"]`, "[]", `"MIIB"`, "null", "1"),
	odd("x5t", `"AAAA"`, "1"),
	odd("jwk", "null", "{}", "1", `{"kty":"oct","k":"AAAA"}`, `{"kty":"EC"}`),
	{"header: the sender's own key in jwk", atMembers, func(d *draft) {
		own := stranger
		text, err := json.Marshal(own.jwk)
		if err != nil {
			panic(err) // a map of strings
		}
		d.header.set("alg", `"ES256"`)
		d.header.set("jwk", string(text))
		if d.random.IntN(2) == 0 {
			d.header.drop("kid")
		}
		d.sign = own.sign
	}},
	{"header: b64 false with crit, the payload as it is", atMembers, func(d *draft) {
		d.header.set("crit", `["b64"]`)
		d.header.set("b64", "false")
		d.sign = func(string) []byte {
			d.segments[1] = strings.ReplaceAll(d.texts[1], ".", "-")
			return d.key.sign(d.signedPart())
		}
	}},
}

// claimMutations give claims odd values.
func claimMutations() []mutation {
	claim := func(name string, list ...string) mutation {
		return mutation{"claim: odd " + name, atMembers, func(d *draft) {
			if value := pick(d.random, list); value != gone {
				d.payload.set(name, value)
				return
			}
			d.payload.drop(name)
		}}
	}
	dates := []string{
		gone, "null", "true", "[]", "{}", `""`, `"` + seconds(600) + `"`, `"never"`, "0", "-1", "-0", "1.5", "1e9", "4.1e9", "41e8", "4100000000.0", "4100000000e0", "4100000000000e-3",
		"1e10", "1e12", "1e15", "1e18", "1e19", "1e308", "1e309", "1e400", "-1e400", "1e-400", "9223372036854775807", "9223372036854775808", "18446744073709551616", "253402300799",
		"253402300800", "253402300799.9", "-62135596800", "-62135596801", "4102444800000", "9007199254740993", "[4102444800]", `{"exp":4102444800}`, "01", "0x7fffffff", "1_000", "Infinity", "NaN",
		strings.Repeat("9", 400), "4100000000." + strings.Repeat("9", 400),
	}
	for _, s := range []int64{-31, -30, -29, -1, 0, 1, 29, 30, 31, 59, 60, 61} { // the edges of 30 s, and of 60
		dates = append(dates, seconds(s), seconds(s)+".5", seconds(s)+".25", seconds(s)+".0", seconds(s)+"e0")
	}
	texts := []string{gone, "null", "1", "true", "[]", "{}", `["cart"]`, `""`, `" "`, `"\u0000"`, `"Cart"`, "1.5"}
	return []mutation{
		claim("exp", dates...), claim("nbf", dates...), claim("iat", dates...),
		claim("iss", gone, "null", "1", `""`, `["https://as.example.com"]`, `"https://as.example.com/"`, `"https://AS.example.com"`, `"HTTPS://as.example.com"`, `"https:\/\/as.example.com"`,
			`"\u0068ttps://as.example.com"`, `"https://as.example.com\u0000"`, `" https://as.example.com"`, `"https://as.example.com:443"`, `"http://as.example.com"`, `"https://as.example.com.evil.example"`),
		claim("aud", gone, "null", "1", `""`, "[]", `[null]`, `["https://api.example.com"]`, `["x","https://api.example.com"]`, `["https://api.example.com",1]`, `["https://api.example.com",null]`,
			`[["https://api.example.com"]]`, `{"https://api.example.com":1}`, `"https://api.example.com/"`, `"https://API.example.com"`, `"x https://api.example.com"`, `"x,https://api.example.com"`,
			`["x"]`, `["https://api.example.com","https://api.example.com"]`, `"https:\/\/api.example.com"`, `["https:\/\/api.example.com"]`, "true", `[""]`),
		claim("sub", texts...), claim("client_id", texts...), claim("azp", texts...), claim("jti", texts...),
		claim("scope", append(texts, `["orders:read"]`, `["orders:read",1]`, `"a  b"`, `"a\"b"`, `"é"`)...),
		claim("cnf", "null", "1", `""`, "[]", "{}", `{"jkt":"x"}`, `{"jkt":1}`, `{"jkt":""}`, `{"x5t#S256":"x"}`, `{"x5t#S256":null}`, `{"kid":"x"}`, `{"jkt":"x","jkt":"y"}`),
		idTokenClaim(),
	}
}

func idTokenClaim() mutation {
	return mutation{"claim: of an ID or logout token", atMembers, func(d *draft) {
		d.payload.set(pick(d.random, []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}), pick(d.random, []string{`"x"`, "null", "{}", "1"}))
	}}
}

// change changes the JSON text of the header or the payload.
func change(name string, f func(d *draft, text string) string) mutation {
	return mutation{name, atTexts, func(d *draft) {
		side := d.side()
		d.texts[side] = f(d, d.texts[side])
	}}
}

var textMutations = []mutation{
	change("text: a byte changed", func(d *draft, text string) string {
		if text == "" {
			return text
		}
		b := []byte(text)
		b[d.random.IntN(len(b))] = byte(d.random.IntN(256))
		return string(b)
	}),
	change("text: a byte inserted", func(d *draft, text string) string {
		return insert(text, d.at(text), string([]byte{byte(d.random.IntN(256))}))
	}),
	change("text: cut", func(d *draft, text string) string { return text[:d.at(text)] }),
	change("text: whitespace", func(d *draft, text string) string {
		space := pick(d.random, []string{" ", "\n", "\r\n", "\t", "\f", "\v", "\u00a0", "\u2028", "\x00", "    "})
		at := pick(d.random, []int{0, 1, len(text) - 1, len(text), d.at(text)})
		return insert(text, min(max(0, at), len(text)), space)
	}),
	change("text: a byte order mark", func(d *draft, text string) string {
		return pick(d.random, []string{"\ufeff", "\xfe\xff", "\xff\xfe"}) + text
	}),
	change("text: something behind it", func(d *draft, text string) string {
		return text + pick(d.random, []string{"x", "{}", "}", ",", "null", " {\"iss\":\"x\"}", "\x00", ";", "//", "\n\n1"})
	}),
	change("text: invalid UTF-8", func(d *draft, text string) string {
		quote := strings.LastIndexByte(text, '"')
		return insert(text, max(0, quote), pick(d.random, []string{"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\x80"}))
	}),
	change("text: odd escapes", func(d *draft, text string) string {
		quote := strings.LastIndexByte(text, '"')
		return insert(text, max(0, quote), pick(d.random, []string{`\ud800`, `\udfff`, `\ud800\u0041`, `\u0000`, `\x41`, `\u12`, `\'`, `\a`, "\x01", "\x7f", "\n", `\uD83D\uDE00`, `\u00E9`}))
	}),
	change("text: no object", func(d *draft, text string) string {
		return pick(d.random, []string{"", "null", "[]", "1", `"x"`, "[" + text + "]", strconv.Quote(text), "{}", `{"a":` + text + `}`})
	}),
	change("text: loose JSON", func(d *draft, text string) string {
		return pick(d.random, []string{
			strings.TrimSuffix(text, "}") + ",}", strings.ReplaceAll(text, `"`, "'"), "/* x */" + text, text + "// x", strings.Replace(text, ":", " = ", 1),
			strings.Replace(text, ",", "", 1), strings.Replace(text, ",", ",,", 1), strings.Replace(text, "{", "{,", 1), strings.Replace(text, `"`, "", 2),
		})
	}),
}

// reencode changes the encoded header or payload, before they are signed.
func reencode(name string, f func(d *draft, segment string) string) mutation {
	return mutation{"encoding: " + name, atSegments, func(d *draft) {
		side := d.side()
		d.segments[side] = f(d, d.segments[side])
	}}
}

// respell changes the encoded signature.
func respell(name string, f func(d *draft, segment string) string) mutation {
	return mutation{"encoding of the signature: " + name, atToken, func(d *draft) {
		dot := strings.LastIndexByte(d.token, '.')
		d.token = d.token[:dot+1] + f(d, d.token[dot+1:])
	}}
}

var segmentMutations = []mutation{
	reencode("padding", padded), respell("padding", padded),
	reencode("line breaks", broken), respell("line breaks", broken),
	reencode("the other alphabet", standard), respell("the other alphabet", standard),
	reencode("trailing bits", trailing), respell("trailing bits", trailing),
	reencode("foreign characters", foreign), respell("foreign characters", foreign),
}

func padded(d *draft, s string) string { return s + pick(d.random, []string{"=", "==", "===", "%3D"}) }

func broken(d *draft, s string) string {
	return insert(s, pick(d.random, []int{0, len(s), d.at(s)}), pick(d.random, []string{"\n", "\r", "\r\n", "\n\n"}))
}

func standard(_ *draft, s string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(s) }

// trailing changes the last character so that the bytes stay the same, where it has bits to spare.
func trailing(d *draft, s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := map[int]int{2: 16, 3: 4}[len(s)%4]
	if spare == 0 {
		return s
	}
	at := strings.IndexByte(alphabet, s[len(s)-1])
	if at < 0 {
		return s
	}
	return s[:len(s)-1] + string(alphabet[at/spare*spare+d.random.IntN(spare)])
}

func foreign(d *draft, s string) string {
	return insert(s, d.at(s), pick(d.random, []string{" ", "\t", "\x00", "~", "+", "/", "é", "%2D", "\u200b", "=", ",", "\\", "\""}))
}

// resign changes the bytes of the signature.
func resign(name string, f func(d *draft, signature []byte) []byte) mutation {
	return mutation{"signature: " + name, atSignature, func(d *draft) { d.signature = f(d, d.signature) }}
}

var signatureMutations = []mutation{
	resign("cut", func(d *draft, s []byte) []byte { return s[:d.random.IntN(len(s)+1)] }),
	resign("longer", func(d *draft, s []byte) []byte {
		more := make([]byte, 1+d.random.IntN(64))
		if d.random.IntN(2) == 0 {
			return append(more, s...)
		}
		return append(slices.Clip(s), more...)
	}),
	resign("a bit changed", func(d *draft, s []byte) []byte {
		if s = slices.Clone(s); len(s) > 0 {
			s[d.random.IntN(len(s))] ^= 1 << d.random.IntN(8)
		}
		return s
	}),
	resign("zeros", func(_ *draft, s []byte) []byte { return make([]byte, len(s)) }),
	resign("ones", func(_ *draft, s []byte) []byte { return slices.Repeat([]byte{0xff}, len(s)) }),
	resign("R and S as DER", ofPair(func(_ *draft, p pair) []byte {
		der, err := asn1.Marshal(p)
		if err != nil {
			panic(err) // two integers
		}
		return der
	})),
	resign("the twin S", ofPair(func(_ *draft, p pair) []byte {
		return pair{p.R, new(big.Int).Sub(order, p.S)}.fixed()
	})),
	resign("R or S out of range", ofPair(func(d *draft, p pair) []byte {
		odd := pick(d.random, []*big.Int{new(big.Int), order, new(big.Int).Sub(order, big.NewInt(1)), big.NewInt(1)})
		return pick(d.random, []pair{{odd, p.S}, {p.R, odd}, {odd, odd}, {p.S, p.R}}).fixed()
	})),
	resign("R and S in 33 bytes each", ofPair(func(_ *draft, p pair) []byte {
		return append(p.R.FillBytes(make([]byte, 33)), p.S.FillBytes(make([]byte, 33))...)
	})),
	resign("S of Ed25519 plus its order", func(d *draft, s []byte) []byte {
		if d.key != keyEd || len(s) != 64 {
			return s
		}
		little := slices.Clone(s[32:])
		slices.Reverse(little)
		sum := number(little)
		sum.Add(sum, edOrder)
		if sum.BitLen() > 256 {
			return s
		}
		big := sum.FillBytes(make([]byte, 32))
		slices.Reverse(big)
		return append(slices.Clone(s[:32]), big...)
	}),
	{"signature: HS256 with the public key", atMembers, func(d *draft) {
		d.header.set("alg", `"HS256"`)
		secret := publicText(d)
		d.sign = func(input string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return mac.Sum(nil)
		}
	}},
	{"signature: PS256 with the key of RS256", atMembers, func(d *draft) {
		d.header.set("alg", `"PS256"`)
		d.header.set("kid", `"rs"`)
		d.sign = func(input string) []byte {
			digest := sha256.Sum256([]byte(input))
			signature, err := keyRS.private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})
			if err != nil {
				panic(err)
			}
			return signature
		}
	}},
	{"signature: by another key", atMembers, func(d *draft) {
		d.sign = pick(d.random, []*signingKey{stranger, keyES, keyEd}).sign
	}},
	{"signature: none", atMembers, func(d *draft) {
		d.header.set("alg", pick(d.random, []string{`"none"`, `"None"`, `"NONE"`, `"nOnE"`}))
		d.sign = func(string) []byte { return nil }
	}},
}

var (
	order      = elliptic.P256().Params().N
	edOrder, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
)

// ofPair is for signatures of two numbers; others stay as they are.
func ofPair(f func(d *draft, p pair) []byte) func(*draft, []byte) []byte {
	return func(d *draft, s []byte) []byte {
		if d.key != keyES || len(s) != 64 {
			return s
		}
		return f(d, pair{number(s[:32]), number(s[32:])})
	}
}

// publicText is a public key as a server would have it in a file.
func publicText(d *draft) []byte {
	if d.random.IntN(2) == 0 {
		text, err := json.Marshal(d.key.jwk)
		if err != nil {
			panic(err)
		}
		return text
	}
	der, err := x509.MarshalPKIXPublicKey(d.key.private.Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// rewrite changes the whole token.
func rewrite(name string, f func(d *draft, token string) string) mutation {
	return mutation{"token: " + name, atToken, func(d *draft) {
		if d.token != "" {
			d.token = f(d, d.token)
		}
	}}
}

var tokenMutations = []mutation{
	rewrite("a byte changed", func(d *draft, t string) string {
		b := []byte(t)
		b[d.random.IntN(len(b))] = byte(d.random.IntN(256))
		return string(b)
	}),
	rewrite("a letter in the other case", func(d *draft, t string) string {
		b := []byte(t)
		b[d.random.IntN(len(b))] ^= 0x20
		return string(b)
	}),
	rewrite("a byte taken out", func(d *draft, t string) string {
		i := d.random.IntN(len(t))
		return t[:i] + t[i+1:]
	}),
	rewrite("a byte inserted", func(d *draft, t string) string {
		return insert(t, d.at(t), string([]byte{byte(d.random.IntN(256))}))
	}),
	rewrite("two bytes swapped", func(d *draft, t string) string {
		b := []byte(t)
		i, j := d.random.IntN(len(b)), d.random.IntN(len(b))
		b[i], b[j] = b[j], b[i]
		return string(b)
	}),
	rewrite("a piece twice", func(d *draft, t string) string {
		i := d.at(t)
		j := i + d.random.IntN(len(t)-i+1)
		return t[:j] + t[i:]
	}),
	rewrite("cut", func(d *draft, t string) string { return t[:d.at(t)] }),
	rewrite("something around it", func(d *draft, t string) string {
		return pick(d.random, []string{" " + t, t + " ", "\n" + t, t + "\n", t + "\r\n", "\t" + t, "Bearer " + t, `"` + t + `"`, t + ",", t + "\x00", "\ufeff" + t, t + "#", t + "?"})
	}),
	rewrite("parts", func(d *draft, t string) string {
		p := strings.SplitN(t+"..", ".", 3)
		p[2] = strings.TrimSuffix(p[2], "..")
		return pick(d.random, []string{
			p[0] + "." + p[1], p[0] + "." + p[1] + ".", p[0], "." + p[1] + "." + p[2], p[0] + ".." + p[2], t + ".", "." + t, t + "." + p[2], t + ".a.b", t + "..", "..", "",
			p[1] + "." + p[0] + "." + p[2], p[0] + "." + p[1] + "." + p[2] + "," + t, t + " " + t, p[0] + "." + p[1] + "~" + p[2], p[0] + ". " + p[1] + "." + p[2],
		})
	}),
	rewrite("the JSON serialization", func(d *draft, t string) string {
		p := strings.SplitN(t+"..", ".", 3)
		flat := `"protected":` + strconv.Quote(p[0]) + `,"signature":` + strconv.Quote(strings.TrimSuffix(p[2], ".."))
		payload := `"payload":` + strconv.Quote(p[1])
		return pick(d.random, []string{
			"{" + payload + "," + flat + "}", "{" + payload + `,"signatures":[{` + flat + "}]}", " {" + payload + "," + flat + "}",
			"{" + payload + "," + flat + `,"header":{"kid":"es"}}`, "[{" + payload + "," + flat + "}]",
		})
	}),
}
