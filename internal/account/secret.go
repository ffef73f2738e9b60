package account

import (
	"crypto/rand"
	"hash/crc32"
	"strings"

	"terrarium/internal/errs"
)

// A token is "tm-TYPE-RANDOM-CHECK": only letters, digits and hyphens, since the
// stock clients and the addresses with a token in them take nothing else. TYPE
// tells people and secret scanners whose it is, RANDOM are 22 characters of
// base62, CHECK is the CRC-32 of all before it, 6 characters of base62, so that a
// typing error needs no look into the database.
const (
	tokenPrefix = "tm-"
	tokenUser   = "user"
	tokenOrg    = "org"

	tokenRandom = 22
	tokenCheck  = 6

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newToken makes the secret of a token.
func newToken(kind string) string {
	random := make([]byte, 0, tokenRandom)
	var b [1]byte
	for len(random) < tokenRandom {
		rand.Read(b[:])
		if b[0] < 248 { // 4 × 62: beyond it some characters would be likelier
			random = append(random, base62[b[0]%62])
		}
	}
	body := tokenPrefix + kind + "-" + string(random)
	return body + "-" + checkDigits(body)
}

func checkDigits(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	digits := make([]byte, tokenCheck)
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return string(digits)
}

// TokenType gives the type of a token, "user" or "org", by its form alone. What
// has not the form, or has wrong check digits, is errs.Unauthenticated.
func TokenType(token string) (string, error) {
	notOurs := func() error {
		return errs.New(errs.Unauthenticated, "This is not a token of this server. Tokens here begin with %s; make one under Settings, Tokens.", tokenPrefix).Because("token-malformed")
	}
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return "", notOurs()
	}
	kind, rest, _ := strings.Cut(rest, "-")
	if kind != tokenUser && kind != tokenOrg {
		return "", notOurs()
	}
	random, check, _ := strings.Cut(rest, "-")
	if len(random) != tokenRandom || len(check) != tokenCheck || strings.Trim(random, base62) != "" {
		return "", errs.New(errs.Unauthenticated, "This token is not whole. Copy it again.").Because("token-malformed")
	}
	if checkDigits(token[:len(token)-tokenCheck-1]) != check {
		return "", errs.New(errs.Unauthenticated, "This token has a typing error. Copy it again.").Because("token-malformed")
	}
	return kind, nil
}

// looksLikeJWT reports whether a credential has the form of a signed JWT, three
// parts of base64url. Such tokens are made by other parts of the program and
// recorded by CreateToken.
func looksLikeJWT(s string) bool {
	if len(s) > 8192 || strings.Count(s, ".") != 2 || !strings.HasPrefix(s, "ey") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c == '.' || c == '_' || c == '-' || strings.IndexByte(base62, c) >= 0) {
			return false
		}
	}
	return true
}
