package blob

import (
	"encoding/hex"
	"strings"

	"terrarium/internal/errs"
)

// The names in a store, all of them here: the bytes of key abcdef… are
// sha256/ab/cdef…, what is being written to a folder is tmp/RANDOM, and instance
// says to whom all of it belongs.
const (
	keyFolder  = "sha256"
	tempFolder = "tmp"
	markName   = "instance"
)

// Key names bytes: their SHA-256 in lower-case hex.
type Key string

// KeyOf is the key of the bytes with a SHA-256.
func KeyOf(sha256 [32]byte) Key { return Key(hex.EncodeToString(sha256[:])) }

// ParseKey reads a key, as 64 hex digits in either case. Anything else is
// errs.Invalid.
func ParseKey(text string) (Key, error) {
	key := Key(strings.ToLower(text))
	return key, key.check()
}

func (k Key) check() error {
	if len(k) == 64 && strings.Trim(string(k), "0123456789abcdef") == "" {
		return nil
	}
	return errs.New(errs.Invalid, "%q is no SHA-256: it takes 64 hex digits.", string(k))
}

// path is the name in the store, with slashes.
func (k Key) path() string { return keyFolder + "/" + string(k[:2]) + "/" + string(k[2:]) }

// keyAt is the key of a path; ok is false for a path that is none of ours.
func keyAt(path string) (Key, bool) {
	rest, ok := strings.CutPrefix(path, keyFolder+"/")
	if !ok || len(rest) != 65 || rest[2] != '/' {
		return "", false
	}
	key := Key(rest[:2] + rest[3:])
	return key, key.check() == nil
}
