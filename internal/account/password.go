package account

import (
	"context"
	"crypto/rand"
	_ "embed" // for the list of common passwords
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"terrarium/internal/errs"
)

const (
	minPassword = 7    // characters; the instance may ask for more
	maxPassword = 1024 // bytes: more is an attempt to keep us busy
)

//go:embed passwords.txt
var commonPasswords string

// common gives the passwords that everybody tries first, lower case.
var common = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(commonPasswords) {
		set[word] = true
	}
	return set
})

// checkPassword reports why a password is not good enough, or nil. The name and
// the address are those of the account.
func (a *Accounts) checkPassword(password, name, email string) *errs.Error {
	bad := func(format string, args ...any) *errs.Error {
		return errs.New(errs.Invalid, format, args...).On("password")
	}
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	switch {
	case utf8.RuneCountInString(password) < a.opts.PasswordMin:
		return bad("Use at least %d characters.", a.opts.PasswordMin)
	case len(password) > maxPassword:
		return bad("Use at most %d bytes.", maxPassword)
	case common()[lower], strings.Count(password, password[:1]) == len(password):
		return bad("Everybody tries this password first. Use another.").Because("password-common")
	case name != "" && lower == name, email != "" && (lower == strings.ToLower(email) || lower == local):
		return bad("The password must not be your name or address.")
	}
	return nil
}

// hashing makes and compares argon2id hashes, a few at a time: each takes 19 MiB
// and a tenth of a second of a core, and anybody may ask for one.
type hashing struct {
	params argon2id.Params
	queue  chan struct{} // who waits or works
	slots  chan struct{} // who works
	dummy  string        // compared where there is no account, so that it takes as long
}

// newHashing makes a hashing; memory in KiB, 0 for 19 MiB.
func newHashing(memory uint32) *hashing {
	if memory == 0 {
		memory = 19 * 1024
	}
	h := &hashing{params: argon2id.Params{Memory: memory, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}}
	n := max(2, runtime.GOMAXPROCS(0))
	h.slots = make(chan struct{}, n)
	h.queue = make(chan struct{}, n+64)
	salt, key := make([]byte, 16), make([]byte, 32)
	rand.Read(salt)
	rand.Read(key)
	b64 := base64.RawStdEncoding
	h.dummy = fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.params.Memory, h.params.Iterations,
		h.params.Parallelism, b64.EncodeToString(salt), b64.EncodeToString(key))
	return h
}

// hash gives the hash of a password.
func (h *hashing) hash(ctx context.Context, password string) (hash string, err error) {
	err = h.work(ctx, func() error {
		var err error
		hash, err = argon2id.CreateHash(password, &h.params)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// matches reports whether a password is the one that was hashed. Without a hash
// it takes as long and says no.
func (h *hashing) matches(ctx context.Context, hash, password string) (same bool, err error) {
	if len(password) > maxPassword {
		password = password[:maxPassword]
		hash = ""
	}
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	err = h.work(ctx, func() error {
		var err error
		same, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return same && known, nil
}

func (h *hashing) work(ctx context.Context, f func() error) error {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return errs.New(errs.Unavailable, "Too many people are signing in just now. Try again in a moment.")
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return f()
}
